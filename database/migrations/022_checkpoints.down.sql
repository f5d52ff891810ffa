-- Undoes 022_checkpoints. WARNING: the state of every thread is lost.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DROP TABLE IF EXISTS thread_writes;
DROP TABLE IF EXISTS thread_values;
DROP TABLE IF EXISTS thread_checkpoints;

DELETE FROM schema_migrations WHERE migration_name = '022_checkpoints';

COMMIT;
