-- Undoes 025_standing. Proposals of that kind are removed; what was applied stays in core memory and its history.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

-- Where 011 was undone by hand before, there are no proposals.
DO $$
BEGIN
    IF to_regclass('proposals') IS NOT NULL THEN
        DELETE FROM proposals WHERE kind = 'standing';
        ALTER TABLE proposals DROP CONSTRAINT IF EXISTS proposals_kind_check;
        ALTER TABLE proposals ADD CONSTRAINT proposals_kind_check CHECK (
            kind IN ('merge', 'duplicates', 'decay', 'expiry', 'consolidation', 'tidying', 'facts'));
    END IF;
END
$$;

DELETE FROM schema_migrations WHERE migration_name = '025_standing';

COMMIT;
