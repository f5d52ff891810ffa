-- Undoes 024_file_sync. WARNING: what was last synchronized is lost; the next synchronization is a first one.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DROP TABLE IF EXISTS file_syncs;

DELETE FROM schema_migrations WHERE migration_name = '024_file_sync';

COMMIT;
