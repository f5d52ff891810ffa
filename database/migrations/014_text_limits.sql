-- 014_text_limits

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

INSERT INTO schema_migrations (migration_name) VALUES ('014_text_limits');

COMMIT;
