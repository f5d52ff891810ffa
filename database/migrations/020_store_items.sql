-- 020_store_items

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

INSERT INTO schema_migrations (migration_name) VALUES ('020_store_items');

COMMIT;
