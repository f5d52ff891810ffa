-- Undoes 017_search_vectors.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DELETE FROM schema_migrations WHERE migration_name = '017_search_vectors';

COMMIT;
