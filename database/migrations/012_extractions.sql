-- 012_extractions: what a model answered to which text, so that nothing is paid for twice and a run goes on.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

-- One row for a text read in one way: "recipe" is a hash of the model, the schema and the version of the prompt, and
-- "text_hash" of exactly what was sent. An answer that is not "applied_at" yet was paid for and is used by the next run;
-- a row with a reason failed, and stays to be tried again. What was paid adds up over all attempts. The rows go with their
-- texts: an answer says what the text says. Not exported, not in the history.
CREATE TABLE kg_extractions (
    agent_id text NOT NULL,
    recipe uuid NOT NULL,
    kind text NOT NULL,
    row_id bigint NOT NULL,
    archival_id bigint GENERATED ALWAYS AS (CASE WHEN kind = 'archival' THEN row_id END) STORED,
    message_id bigint GENERATED ALWAYS AS (CASE WHEN kind = 'message' THEN row_id END) STORED,
    chunk_id bigint GENERATED ALWAYS AS (CASE WHEN kind = 'chunk' THEN row_id END) STORED,
    model text NOT NULL,
    text_hash uuid NOT NULL,
    answer jsonb,
    reason text,
    attempts integer NOT NULL DEFAULT 1,
    input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cost numeric,
    extracted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_at timestamptz,
    CONSTRAINT kg_extractions_pkey PRIMARY KEY (agent_id, recipe, kind, row_id),
    CONSTRAINT kg_extractions_kind_check CHECK (kind IN ('archival', 'message', 'chunk')),
    CONSTRAINT kg_extractions_answer_check CHECK (answer IS NOT NULL OR reason IS NOT NULL),
    CONSTRAINT kg_extractions_applied_check CHECK (applied_at IS NULL OR answer IS NOT NULL AND reason IS NULL),
    CONSTRAINT kg_extractions_archival_fkey FOREIGN KEY (agent_id, archival_id)
        REFERENCES archival_memories (agent_id, id) ON DELETE CASCADE,
    CONSTRAINT kg_extractions_message_fkey FOREIGN KEY (agent_id, message_id)
        REFERENCES conversations (agent_id, id) ON DELETE CASCADE,
    CONSTRAINT kg_extractions_chunk_fkey FOREIGN KEY (agent_id, chunk_id)
        REFERENCES document_chunks (agent_id, id) ON DELETE CASCADE
);

-- The answer to a text that was read as another row; and what the cascades look up.
CREATE INDEX kg_extractions_text_idx ON kg_extractions (agent_id, recipe, text_hash);
CREATE INDEX kg_extractions_archival_idx ON kg_extractions (agent_id, archival_id) WHERE archival_id IS NOT NULL;
CREATE INDEX kg_extractions_message_idx ON kg_extractions (agent_id, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX kg_extractions_chunk_idx ON kg_extractions (agent_id, chunk_id) WHERE chunk_id IS NOT NULL;

-- Isolated like the tables of 007_isolation, and as there not exposed to anybody on Supabase.
ALTER TABLE kg_extractions ENABLE ROW LEVEL SECURITY;
ALTER TABLE kg_extractions FORCE ROW LEVEL SECURITY;
CREATE POLICY memgpt_agent ON kg_extractions USING (agent_id = (SELECT memory_agent()));

DO $$
DECLARE
    role text;
BEGIN
    EXECUTE format(
        'CREATE POLICY memgpt_owner ON kg_extractions TO %s USING (true)',
        CASE WHEN pg_has_role(current_user, 'pg_database_owner', 'MEMBER')
            THEN 'pg_database_owner' ELSE quote_ident(current_user) END);
    FOR role IN SELECT r.rolname FROM pg_roles r WHERE r.rolname IN ('anon', 'authenticated') LOOP
        EXECUTE format('REVOKE ALL ON kg_extractions FROM %I', role);
    END LOOP;
    IF to_regrole('memgpt_agent') IS NOT NULL THEN
        PERFORM memory_allow_requests();
    END IF;
END
$$;

INSERT INTO schema_migrations (migration_name) VALUES ('012_extractions');

COMMIT;
