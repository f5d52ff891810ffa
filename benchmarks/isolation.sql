-- owner --
-- As on a managed server: who owns the database is no superuser.
CREATE ROLE owner_of_tables LOGIN CREATEROLE

-- own --
ALTER DATABASE isolation OWNER TO owner_of_tables

-- vectors --
CREATE EXTENSION vector

-- words --
-- One word in a hundred rows of an agent, one in every fifth, one in each, and eight that nobody asks for.
CREATE FUNCTION bench_words(n integer) RETURNS text LANGUAGE sql IMMUTABLE
RETURN 'rare' || n / 2 % 100 || CASE WHEN n / 2 % 5 = 0 THEN ' fifth' ELSE '' END || ' every '
    || md5(n::text) || ' ' || md5((-n)::text) || ' of the harbour, the ferry and its tide table'

-- archival --
-- Of two agents, turn by turn; so are the others.
INSERT INTO archival_memories (agent_id, text, tags, created_at)
SELECT 'agent-' || n %% 2, bench_words(n), ARRAY['tag' || n / 2 %% 100, 'tagged'], now() - n * interval '1 minute'
FROM generate_series(1, 2 * %(rows)s::integer) AS n

-- message --
INSERT INTO conversations (agent_id, session, role, content, created_at)
SELECT 'agent-' || n %% 2, 'session ' || n / 100, 'user', bench_words(n), now() - n * interval '1 minute'
FROM generate_series(1, 2 * %(rows)s::integer) AS n

-- chunk --
INSERT INTO document_chunks (agent_id, chunk_text)
SELECT 'agent-' || n %% 2, bench_words(n) FROM generate_series(1, 2 * %(rows)s::integer) AS n

-- entity --
INSERT INTO kg_entities (agent_id, id, name)
SELECT 'agent-' || n %% 2, n, 'Name ' || n FROM generate_series(1, 2 * %(rows)s::integer) AS n

-- fact --
-- Each thing is beside a few others.
INSERT INTO kg_relationships (agent_id, source_id, target_id, type, fact)
SELECT 'agent-' || n %% 2, n, 1 + (n + 14 * n + 2 * s * n - 1) %% (2 * %(rows)s::integer), 'near', bench_words(n)
FROM generate_series(1, 2 * %(rows)s::integer) AS n
CROSS JOIN generate_series(0, 2) AS s

-- tidy --
VACUUM ANALYZE archival_memories, conversations, document_chunks, kg_entities, kg_relationships

-- before --
-- The policies of migration 007, with their sub-selects, beside those of today, for a role of their own.
CREATE ROLE bench_before NOLOGIN

-- before_in_scope --
CREATE FUNCTION before_in_scope(agent text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(
    (SELECT bool_or(agent = p.pattern OR right(p.pattern, 1) = '*' AND starts_with(agent, left(p.pattern, -1)))
     FROM jsonb_array_elements_text(nullif(current_setting('memgpt.scope', true), '')::jsonb) AS p (pattern)),
    false)

-- before_agent --
CREATE FUNCTION before_agent() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT s.agent_id FROM (SELECT nullif(current_setting('memgpt.agent_id', true), '') AS agent_id) AS s
    WHERE before_in_scope(s.agent_id))

-- before_policies --
DO $$
DECLARE
    relation regclass;
BEGIN
    EXECUTE format('GRANT bench_before TO %I WITH INHERIT FALSE, SET TRUE', current_user);
    GRANT USAGE ON SCHEMA public TO bench_before;
    FOR relation IN SELECT p.polrelid::regclass FROM pg_policy p WHERE p.polname = 'memgpt_agent' LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO bench_before', relation);
        EXECUTE format(
            'CREATE POLICY before_agent ON %s TO bench_before USING (agent_id = (SELECT before_agent()))', relation);
    END LOOP;
END
$$

-- enter_before --
-- What began a transaction under them.
SELECT
    set_config('memgpt.scope', %(scope)s::text, true),
    set_config('memgpt.agent_id', %(agent_id)s::text, true),
    set_config('role', %(role)s::text, true)

-- get --
SELECT id, text, tags, created_at FROM archival_memories WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint

-- latest --
SELECT id, text, tags, created_at FROM archival_memories WHERE agent_id = %(agent_id)s::text
ORDER BY created_at DESC, id DESC LIMIT 100

-- count --
SELECT count(*) FROM archival_memories WHERE agent_id = %(agent_id)s::text AND importance > 0.1

-- insert --
INSERT INTO conversations (agent_id, session, role, content)
SELECT %(agent_id)s::text, 'new', 'user', 'said ' || n FROM generate_series(1, 20) AS n
