-- 022_checkpoints: the state of graphs between their steps, as LangGraph's checkpointers keep it.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

-- One step of a thread. "namespace" is that of a subgraph, "" of the graph itself; "channel_versions" says which values its
-- channels had; "labels" is what of the metadata can be asked for. Ids ascend with time, by bytes.
CREATE TABLE thread_checkpoints (
    agent_id text NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    checkpoint_id text COLLATE "C" NOT NULL,
    parent_id text COLLATE "C",
    run_id text COLLATE "C",
    channel_versions jsonb NOT NULL,
    labels jsonb NOT NULL,
    checkpoint_type text NOT NULL,
    checkpoint bytea NOT NULL,
    metadata_type text NOT NULL,
    metadata bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT thread_checkpoints_pkey PRIMARY KEY (agent_id, thread_id, namespace, checkpoint_id)
);

CREATE INDEX thread_checkpoints_run_idx ON thread_checkpoints (agent_id, run_id) WHERE run_id IS NOT NULL;

-- What a channel held at a version; steps that do not change it share it. A channel that was empty has no row.
CREATE TABLE thread_values (
    agent_id text NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    type text NOT NULL,
    value bytea NOT NULL,
    CONSTRAINT thread_values_pkey PRIMARY KEY (agent_id, thread_id, namespace, channel, version)
);

-- What tasks wrote after a step; they may come before the step itself is stored.
CREATE TABLE thread_writes (
    agent_id text NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    checkpoint_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    task_path text COLLATE "C" NOT NULL,
    channel text NOT NULL,
    type text NOT NULL,
    value bytea NOT NULL,
    CONSTRAINT thread_writes_pkey PRIMARY KEY (agent_id, thread_id, namespace, checkpoint_id, task_id, number)
);

-- As in 020.
ALTER TABLE thread_checkpoints ENABLE ROW LEVEL SECURITY;
ALTER TABLE thread_checkpoints FORCE ROW LEVEL SECURITY;
CREATE POLICY memgpt_agent ON thread_checkpoints USING (agent_id = memory_agent());
ALTER TABLE thread_values ENABLE ROW LEVEL SECURITY;
ALTER TABLE thread_values FORCE ROW LEVEL SECURITY;
CREATE POLICY memgpt_agent ON thread_values USING (agent_id = memory_agent());
ALTER TABLE thread_writes ENABLE ROW LEVEL SECURITY;
ALTER TABLE thread_writes FORCE ROW LEVEL SECURITY;
CREATE POLICY memgpt_agent ON thread_writes USING (agent_id = memory_agent());

DO $$
DECLARE
    owner text := CASE WHEN pg_has_role(current_user, 'pg_database_owner', 'MEMBER')
        THEN 'pg_database_owner' ELSE quote_ident(current_user) END;
    part record;
    role text;
BEGIN
    FOR part IN
        SELECT c.relname AS relation, array_agg(a.attname ORDER BY a.attnum) FILTER (
            WHERE a.attname NOT IN ('created_at', 'number', 'type', 'checkpoint_type', 'metadata_type')) AS unsampled
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.oid IN ('thread_checkpoints'::regclass, 'thread_values'::regclass, 'thread_writes'::regclass)
        GROUP BY c.relname
    LOOP
        EXECUTE format('CREATE POLICY memgpt_owner ON %I TO %s USING (true)', part.relation, owner);
        FOR n IN 1 .. cardinality(part.unsampled) LOOP
            EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET STATISTICS 0', part.relation, part.unsampled[n]);
        END LOOP;
        FOR role IN SELECT r.rolname FROM pg_roles r WHERE r.rolname IN ('anon', 'authenticated') LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', part.relation, role);
        END LOOP;
    END LOOP;
END
$$;

SELECT memory_use_role();

INSERT INTO schema_migrations (migration_name) VALUES ('022_checkpoints');

COMMIT;
