-- Undoes 015_forgetting.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DELETE FROM schema_migrations WHERE migration_name = '015_forgetting';

COMMIT;
