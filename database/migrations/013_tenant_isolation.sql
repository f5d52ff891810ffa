-- 013_tenant_isolation

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

INSERT INTO schema_migrations (migration_name) VALUES ('013_tenant_isolation');

COMMIT;
