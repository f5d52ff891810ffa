-- Undoes 023_languages.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DELETE FROM schema_migrations WHERE migration_name = '023_languages';

COMMIT;
