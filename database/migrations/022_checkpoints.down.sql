-- Undoes 022_checkpoints.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DELETE FROM schema_migrations WHERE migration_name = '022_checkpoints';

COMMIT;
