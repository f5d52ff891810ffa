-- Undoes 026_languages_read. Texts keep the languages that were found for them.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE IF EXISTS agents DROP COLUMN IF EXISTS languages_read;

DELETE FROM schema_migrations WHERE migration_name = '026_languages_read';

COMMIT;
