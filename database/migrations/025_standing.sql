-- 025_standing: preferences and standing instructions are proposed for core memory.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE proposals DROP CONSTRAINT proposals_kind_check;

ALTER TABLE proposals ADD CONSTRAINT proposals_kind_check CHECK (
    kind IN ('merge', 'duplicates', 'decay', 'expiry', 'consolidation', 'tidying', 'facts', 'standing'));

INSERT INTO schema_migrations (migration_name) VALUES ('025_standing');

COMMIT;
