-- Undoes 011_proposals: proposals are gone, and merged entities stand beside their survivors again, without what was
-- believed of them since (it stays with the survivors).

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DROP TABLE IF EXISTS proposals;
DROP FUNCTION IF EXISTS memory_plain_name(text);
ALTER TABLE IF EXISTS kg_entities DROP COLUMN IF EXISTS merged_at, DROP COLUMN IF EXISTS merged_into;

DELETE FROM schema_migrations WHERE migration_name = '011_proposals';

COMMIT;
