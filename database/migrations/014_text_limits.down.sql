-- Undoes 014_text_limits. Agents lose their time zones. Memories that it superseded stay so, and a text of many different
-- words cannot be written again; one that was stays.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE IF EXISTS agents DROP COLUMN IF EXISTS time_zone;

DROP INDEX IF EXISTS archival_memories_text_key;

ALTER TABLE IF EXISTS archival_memories DROP COLUMN IF EXISTS normal_hash;

-- Where 001 was undone by hand before, there is no table.
DO $$
BEGIN
    IF to_regclass('archival_memories') IS NOT NULL THEN
        CREATE UNIQUE INDEX archival_memories_text_key ON archival_memories (agent_id, text_hash)
        WHERE superseded_at IS NULL;
    END IF;
END
$$;

DROP FUNCTION IF EXISTS memory_text_hash(text);

CREATE OR REPLACE FUNCTION memory_search_vector(language text, body text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_tsvector(language::regconfig, body);

DELETE FROM schema_migrations WHERE migration_name = '014_text_limits';

COMMIT;
