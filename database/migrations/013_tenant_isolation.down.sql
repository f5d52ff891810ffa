-- Undoes 013_tenant_isolation.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DELETE FROM schema_migrations WHERE migration_name = '013_tenant_isolation';

COMMIT;
