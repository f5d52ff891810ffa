-- 016_service_limits: a permission of its own for the metrics, which are of all agents; how much a key has under way.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE api_keys DROP CONSTRAINT api_keys_permissions_check;

ALTER TABLE api_keys ADD CONSTRAINT api_keys_permissions_check
    CHECK (permissions <@ ARRAY['read', 'write', 'admin', 'metrics'] AND permissions <> '{}');

-- Jobs are limited for the key that asks as well, which may do so for many agents.
CREATE INDEX jobs_requested_by_idx ON jobs (requested_by) WHERE status IN ('queued', 'running');

INSERT INTO schema_migrations (migration_name) VALUES ('016_service_limits');

COMMIT;
