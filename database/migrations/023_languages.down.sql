-- Undoes 023_languages. Texts stay stemmed in their own languages; searches are in the configured one again.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE IF EXISTS agents DROP COLUMN IF EXISTS languages;

DELETE FROM schema_migrations WHERE migration_name = '023_languages';

COMMIT;
