-- 022_checkpoints

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

INSERT INTO schema_migrations (migration_name) VALUES ('022_checkpoints');

COMMIT;
