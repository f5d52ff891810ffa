-- Undoes 013_tenant_isolation: policies and functions are those of 007 again, and the role is memgpt_agent. Labels that held
-- a slash or a control character keep their new names. A role of another name loses its rights here and stays.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE IF EXISTS core_memories DROP CONSTRAINT IF EXISTS core_memories_label_text_check;

CREATE OR REPLACE FUNCTION memory_in_scope(agent text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(
    (SELECT bool_or(agent = p.pattern OR right(p.pattern, 1) = '*' AND starts_with(agent, left(p.pattern, -1)))
     FROM jsonb_array_elements_text(nullif(current_setting('memgpt.scope', true), '')::jsonb) AS p (pattern)),
    false);

CREATE OR REPLACE FUNCTION memory_agent() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT s.agent_id FROM (SELECT nullif(current_setting('memgpt.agent_id', true), '') AS agent_id) AS s
    WHERE memory_in_scope(s.agent_id));

DO $$
DECLARE
    policy record;
    other name;
BEGIN
    FOR policy IN
        SELECT p.polname AS name, c.oid::regclass AS relation, c.relname AS of
        FROM pg_policy p
        JOIN pg_class c ON c.oid = p.polrelid
        WHERE c.relnamespace = (SELECT a.relnamespace FROM pg_class a WHERE a.oid = 'agents'::regclass)
            AND p.polname IN ('memgpt_agent', 'memgpt_listed', 'memgpt_shared', 'memgpt_shared_edit')
    LOOP
        SELECT r.rolname INTO other
        FROM pg_policy p JOIN pg_roles r ON r.oid = p.polroles[1]
        WHERE p.polrelid = policy.relation AND p.polname = policy.name AND r.rolname <> 'memgpt_agent';
        IF other IS NOT NULL THEN
            EXECUTE format('REVOKE ALL ON %s FROM %I', policy.relation, other);
            EXECUTE format('ALTER POLICY %I ON %s TO %s', policy.name, policy.relation,
                CASE WHEN to_regrole('memgpt_agent') IS NULL THEN 'PUBLIC' ELSE 'memgpt_agent' END);
        END IF;
        IF policy.name = 'memgpt_agent' AND policy.of <> 'core_memories' THEN
            EXECUTE format('ALTER POLICY memgpt_agent ON %s USING (agent_id = (SELECT memory_agent()))', policy.relation);
        END IF;
    END LOOP;
    -- A policy cannot lose its WITH CHECK by ALTER: it is made anew. A rollback by hand may have dropped the tables.
    IF to_regclass('core_memories') IS NOT NULL AND to_regclass('memory_history') IS NOT NULL THEN
        DROP POLICY IF EXISTS memgpt_agent ON core_memories;
        CREATE POLICY memgpt_agent ON core_memories USING (agent_id = (SELECT memory_agent()));
        ALTER POLICY memgpt_shared ON core_memories USING (shared_with @> ARRAY[(SELECT memory_agent())]);
        ALTER POLICY memgpt_shared_edit ON core_memories USING (shared_with @> ARRAY[(SELECT memory_agent())])
        WITH CHECK (true);
        ALTER POLICY memgpt_shared_edit ON memory_history WITH CHECK (
            kind = 'block' AND action = 'update' AND EXISTS (
                SELECT FROM core_memories b
                WHERE b.agent_id = memory_history.agent_id AND b.id = row_id
                    AND b.shared_with @> ARRAY[(SELECT memory_agent())]));
    END IF;
END
$$;

DROP FUNCTION IF EXISTS memory_matching_archival(tsquery);
DROP FUNCTION IF EXISTS memory_matching_archival(tsquery, text[]);
DROP FUNCTION IF EXISTS memory_matching_message(tsquery);
DROP FUNCTION IF EXISTS memory_matching_chunk(tsquery);
DROP FUNCTION IF EXISTS memory_matching_fact(tsquery);
DROP FUNCTION IF EXISTS memory_matching_entity(tsquery);
DROP FUNCTION IF EXISTS memory_matching_tags(text[]);
DROP FUNCTION IF EXISTS memory_may_share(text, bigint, text[]);
DROP FUNCTION IF EXISTS memory_shares(text, bigint);
DROP FUNCTION IF EXISTS memory_use_role(name);
DROP FUNCTION IF EXISTS memory_allow_requests(name);
DROP FUNCTION IF EXISTS memory_role();

CREATE OR REPLACE FUNCTION memory_allow_requests() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    home name;
    policy record;
BEGIN
    FOR home IN
        SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = 'agents'::regclass
    LOOP
        IF NOT has_schema_privilege('memgpt_agent', home, 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO memgpt_agent', home);
        END IF;
    END LOOP;
    FOR policy IN
        SELECT p.polname AS name, c.oid::regclass AS relation
        FROM pg_policy p
        JOIN pg_class c ON c.oid = p.polrelid
        WHERE c.relnamespace = (SELECT a.relnamespace FROM pg_class a WHERE a.oid = 'agents'::regclass)
            AND p.polname IN ('memgpt_agent', 'memgpt_listed', 'memgpt_shared', 'memgpt_shared_edit')
    LOOP
        EXECUTE format('ALTER POLICY %I ON %s TO memgpt_agent', policy.name, policy.relation);
        EXECUTE format(
            'GRANT %s ON %s TO memgpt_agent',
            CASE policy.name WHEN 'memgpt_agent' THEN 'SELECT, INSERT, UPDATE, DELETE' ELSE 'SELECT' END,
            policy.relation);
    END LOOP;
    REVOKE UPDATE ON core_memories FROM memgpt_agent;
    GRANT UPDATE (label, value, description, "limit", read_only, shared_with, version, metadata, created_at, updated_at)
    ON core_memories TO memgpt_agent;
    GRANT SELECT ON embedding_models TO memgpt_agent;
END
$$;

DO $$
BEGIN
    IF to_regrole('memgpt_agent') IS NOT NULL AND to_regclass('core_memories') IS NOT NULL THEN
        PERFORM memory_allow_requests();
    END IF;
END
$$;

-- Large objects and temporary tables, where the rights are ours to give.
DO $$
BEGIN
    IF (SELECT pg_has_role(current_user, d.datdba, 'USAGE') FROM pg_database d WHERE d.datname = current_database()) THEN
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database());
    END IF;
    IF NOT has_function_privilege('public', 'pg_catalog.lo_creat(integer)', 'EXECUTE')
        AND (SELECT pg_has_role(current_user, p.proowner, 'USAGE') FROM pg_proc p WHERE p.oid = 'pg_catalog.lo_creat(integer)'::regprocedure)
    THEN
        GRANT EXECUTE ON FUNCTION
            pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea)
        TO PUBLIC;
        REVOKE EXECUTE ON FUNCTION
            pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea)
        FROM pg_database_owner;
    END IF;
END
$$;

DELETE FROM schema_migrations WHERE migration_name = '013_tenant_isolation';

COMMIT;
