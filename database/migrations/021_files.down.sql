-- Undoes 021_files.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DELETE FROM schema_migrations WHERE migration_name = '021_files';

COMMIT;
