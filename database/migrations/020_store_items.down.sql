-- Undoes 020_store_items.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DELETE FROM schema_migrations WHERE migration_name = '020_store_items';

COMMIT;
