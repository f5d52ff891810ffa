-- 021_files

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

INSERT INTO schema_migrations (migration_name) VALUES ('021_files');

COMMIT;
