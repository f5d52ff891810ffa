-- 014_text_limits: texts of any length and either Unicode form, and agents with a time zone of their own.
--
-- A tsvector holds 1 MB, so a long text of many different words could not be kept at all: what is searched by words is now
-- the longest beginning that fits. Texts are compared, hashed and searched in NFC; what is stored stays as it was written.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DO $$
BEGIN
    PERFORM set_config('search_path', concat_ws(', ', current_setting('search_path'), quote_ident(n.nspname)), true)
    FROM pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'vector' AND NOT n.nspname = ANY (current_schemas(true));
END
$$;

-- The same answer as before for every text that had one, in NFC. Up to 100 kB the words fit in any case; beyond, the text is
-- halved until they do. Not for parallel workers, which have no subtransactions.
CREATE OR REPLACE FUNCTION memory_search_vector(language text, body text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE AS $$
DECLARE
    read text := normalize(body);
BEGIN
    IF octet_length(read) <= 100000 THEN
        RETURN to_tsvector(language::regconfig, read);
    END IF;
    LOOP
        BEGIN
            RETURN to_tsvector(language::regconfig, read);
        EXCEPTION WHEN program_limit_exceeded THEN
            read := left(read, char_length(read) / 2);
        END;
    END LOOP;
END
$$;

-- By what a memory is known to be there already; text_hash stays, of exactly what was written.
CREATE OR REPLACE FUNCTION memory_text_hash(body text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN md5(normalize(body))::uuid;

-- Memories that differed by their Unicode form only: the oldest lives on, the others are superseded by it.
WITH twins AS (
    SELECT agent_id, id, min(id) OVER (PARTITION BY agent_id, memory_text_hash(text)) AS oldest
    FROM archival_memories
    WHERE superseded_at IS NULL
)
UPDATE archival_memories m SET superseded_at = now(), superseded_by = t.oldest
FROM twins t
WHERE m.agent_id = t.agent_id AND m.id = t.id AND t.id <> t.oldest;

DROP INDEX archival_memories_text_key;

ALTER TABLE archival_memories ADD COLUMN normal_hash uuid GENERATED ALWAYS AS (memory_text_hash(text)) STORED;

CREATE UNIQUE INDEX archival_memories_text_key ON archival_memories (agent_id, normal_hash) WHERE superseded_at IS NULL;

-- Words of texts in another form are read anew.
UPDATE archival_memories SET text = text WHERE text IS NOT NORMALIZED;

UPDATE document_chunks SET chunk_text = chunk_text WHERE chunk_text IS NOT NORMALIZED;

UPDATE conversations SET content = content WHERE content IS NOT NORMALIZED;

UPDATE kg_relationships SET fact = fact WHERE fact IS NOT NORMALIZED;

-- Where the agent's people are: days in prompts and in questions ("yesterday") are theirs. NULL: UTC.
ALTER TABLE agents ADD COLUMN time_zone text;

INSERT INTO schema_migrations (migration_name) VALUES ('014_text_limits');

COMMIT;
