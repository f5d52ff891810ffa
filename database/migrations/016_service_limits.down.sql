-- Undoes 016_service_limits. WARNING: keys lose the permission for metrics; one that had no other is revoked and may read.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

UPDATE api_keys SET
    permissions = CASE WHEN permissions <@ ARRAY['metrics'] THEN ARRAY['read']
        ELSE array_remove(permissions, 'metrics') END,
    revoked_at = CASE WHEN permissions <@ ARRAY['metrics'] THEN coalesce(revoked_at, now()) ELSE revoked_at END
WHERE permissions @> ARRAY['metrics'];

ALTER TABLE api_keys DROP CONSTRAINT api_keys_permissions_check;

ALTER TABLE api_keys ADD CONSTRAINT api_keys_permissions_check
    CHECK (permissions <@ ARRAY['read', 'write', 'admin'] AND permissions <> '{}');

DROP INDEX IF EXISTS jobs_requested_by_idx;

DELETE FROM schema_migrations WHERE migration_name = '016_service_limits';

COMMIT;
