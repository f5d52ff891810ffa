-- Undoes 019_console. WARNING: everybody is signed out of the console.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DROP TABLE IF EXISTS console_sessions;

DELETE FROM schema_migrations WHERE migration_name = '019_console';

COMMIT;
