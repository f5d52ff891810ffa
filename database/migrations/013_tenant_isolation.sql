-- 013_tenant_isolation: nothing crosses between agents, on any server.
--
-- Policies have no sub-selects any more (a cluster distributes no table that has one), a block is shared inside the caller's
-- scope only, the role of requests may have another name than memgpt_agent, and what a policy keeps out of an index where
-- nobody may say LEAKPROOF is looked up by functions that run as the owner, with the agent's condition inside.
--
-- Another name for the role: SET memgpt.role = 'name' before this file; `memgpt db migrate` takes it from MEMGPT_DB_ROLE.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

-- As in 007, without a statement of its own: a policy may ask for it often.
CREATE OR REPLACE FUNCTION memory_in_scope(agent text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    scope jsonb := nullif(current_setting('memgpt.scope', true), '');
    pattern text;
BEGIN
    FOR n IN 0 .. coalesce(jsonb_array_length(scope), 0) - 1 LOOP
        pattern := scope ->> n;
        IF agent = pattern OR right(pattern, 1) = '*' AND starts_with(agent, left(pattern, -1)) THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;

-- The agent of this transaction, if the key may touch it. One expression, which the planner writes into the policies: beside a
-- statement's own agent_id = 'x' it is one test for each scan. So it is cheap: who sets scope and agent also asks
-- memory_in_scope, once, and keeps the answer in memgpt.entered; where that is missing or of another agent, it is asked here.
CREATE OR REPLACE FUNCTION memory_agent() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN current_setting('memgpt.agent_id', true) = '' THEN NULL
    WHEN current_setting('memgpt.agent_id', true) = current_setting('memgpt.entered', true)
        OR memory_in_scope(current_setting('memgpt.agent_id', true)) THEN current_setting('memgpt.agent_id', true)
END;

-- Whether a block may be shared with these agents: those that the key reaches, and those it was shared with before this
-- statement, which sees the row as it was.
CREATE FUNCTION memory_may_share(owner text, block bigint, agents text[]) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT NOT EXISTS (
        SELECT FROM unnest(agents) AS a (agent_id)
        WHERE NOT memory_in_scope(a.agent_id) AND NOT EXISTS (
            SELECT FROM core_memories b
            WHERE b.agent_id = owner AND b.id = block AND b.shared_with @> ARRAY[a.agent_id]));
END;

-- Whether a block is shared with the agent of this transaction.
CREATE FUNCTION memory_shares(owner text, block bigint) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT FROM core_memories b
        WHERE b.agent_id = owner AND b.id = block AND b.shared_with @> ARRAY[memory_agent()]);
END;

DO $$
DECLARE
    relation regclass;
BEGIN
    FOR relation IN
        SELECT p.polrelid::regclass
        FROM pg_policy p
        JOIN pg_class c ON c.oid = p.polrelid
        WHERE p.polname = 'memgpt_agent' AND c.relnamespace = (SELECT a.relnamespace FROM pg_class a WHERE a.oid = 'agents'::regclass)
    LOOP
        EXECUTE format('ALTER POLICY memgpt_agent ON %s USING (agent_id = memory_agent())', relation);
    END LOOP;
END
$$;

ALTER POLICY memgpt_agent ON core_memories
WITH CHECK (agent_id = memory_agent() AND (shared_with = '{}' OR memory_may_share(agent_id, id, shared_with)));
ALTER POLICY memgpt_shared ON core_memories USING (shared_with @> ARRAY[memory_agent()]);
ALTER POLICY memgpt_shared_edit ON core_memories USING (shared_with @> ARRAY[memory_agent()])
WITH CHECK (shared_with = '{}' OR memory_may_share(agent_id, id, shared_with));
ALTER POLICY memgpt_shared_edit ON memory_history
WITH CHECK (kind = 'block' AND action = 'update' AND memory_shares(agent_id, row_id));

-- A label stands on a line of a prompt and in an address. What takes the place of a bad one is nobody's label already.
UPDATE core_memories SET label = regexp_replace(label, '[/[:cntrl:]]', '_', 'g') || '_' || left(gen_random_uuid()::text, 8)
WHERE label ~ '[/[:cntrl:]]';
ALTER TABLE core_memories ADD CONSTRAINT core_memories_label_text_check CHECK (label !~ '[/[:cntrl:]]');

-- What a request looks up by @@. A policy comes before every condition that might tell what it sees, so without a superuser's
-- word that @@ does not, a request reads all rows of its agent. These run as the owner, tell ids, and only the agent's: one
-- array, and memory_agent() in a sub-select, which is asked once and not for each row.
CREATE FUNCTION memory_matching_archival(query tsquery) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER
RETURN ARRAY(SELECT m.id FROM archival_memories m WHERE m.agent_id = (SELECT memory_agent()) AND m.search @@ query);

CREATE FUNCTION memory_matching_archival(query tsquery, wanted text[]) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER
RETURN ARRAY(
    SELECT m.id FROM archival_memories m
    WHERE m.agent_id = (SELECT memory_agent()) AND m.search @@ query AND m.tags @> wanted);

CREATE FUNCTION memory_matching_message(query tsquery) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER
RETURN ARRAY(SELECT m.id FROM conversations m WHERE m.agent_id = (SELECT memory_agent()) AND m.search @@ query);

CREATE FUNCTION memory_matching_chunk(query tsquery) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER
RETURN ARRAY(SELECT m.id FROM document_chunks m WHERE m.agent_id = (SELECT memory_agent()) AND m.search @@ query);

CREATE FUNCTION memory_matching_fact(query tsquery) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER
RETURN ARRAY(SELECT m.id FROM kg_relationships m WHERE m.agent_id = (SELECT memory_agent()) AND m.search @@ query);

CREATE FUNCTION memory_matching_entity(query tsquery) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER
RETURN ARRAY(SELECT m.id FROM kg_entities m WHERE m.agent_id = (SELECT memory_agent()) AND m.name_keys @@ query);

-- The operators of arrays are leakproof nowhere.
CREATE FUNCTION memory_matching_tags(wanted text[]) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER
RETURN ARRAY(SELECT m.id FROM archival_memories m WHERE m.agent_id = (SELECT memory_agent()) AND m.tags @> wanted);

-- The role of requests: the one asked for, else the one the policies name, else memgpt_agent.
CREATE FUNCTION memory_role() RETURNS name
LANGUAGE sql STABLE
RETURN coalesce(
    nullif(current_setting('memgpt.role', true), ''),
    (SELECT r.rolname FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles)
     WHERE p.polrelid = 'agents'::regclass AND p.polname = 'memgpt_agent'),
    'memgpt_agent')::name;

-- Lets a role work: what it may do, and that the policies are its own. A role that had that before loses it. Called here, and
-- by hand where an administrator made the role later.
DROP FUNCTION memory_allow_requests();

CREATE FUNCTION memory_allow_requests(role name DEFAULT memory_role()) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    home name;
    policy record;
    lookup regprocedure;
BEGIN
    IF NOT pg_has_role(current_user, role, 'SET') THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('the role %I belongs to somebody else: "%s" may not SET ROLE to it', role, current_user),
            HINT = format('An administrator can: GRANT %I TO %I. Or set MEMGPT_DB_ROLE to a role of your own.', role, current_user);
    END IF;
    SELECT n.nspname INTO home FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = 'agents'::regclass;
    IF NOT has_schema_privilege(role, home, 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', home, role);
    END IF;
    FOR policy IN
        SELECT p.polname AS name, c.oid::regclass AS relation, r.rolname AS before
        FROM pg_policy p
        JOIN pg_class c ON c.oid = p.polrelid
        LEFT JOIN pg_roles r ON r.oid = p.polroles[1] AND r.rolname <> role
        WHERE c.relnamespace = quote_ident(home)::regnamespace
            AND p.polname IN ('memgpt_agent', 'memgpt_listed', 'memgpt_shared', 'memgpt_shared_edit')
    LOOP
        IF policy.before IS NOT NULL THEN
            EXECUTE format('REVOKE ALL ON %s FROM %I', policy.relation, policy.before);
        END IF;
        EXECUTE format('ALTER POLICY %I ON %s TO %I', policy.name, policy.relation, role);
        EXECUTE format(
            'GRANT %s ON %s TO %I',
            CASE policy.name WHEN 'memgpt_agent' THEN 'SELECT, INSERT, UPDATE, DELETE' ELSE 'SELECT' END,
            policy.relation, role);
    END LOOP;
    EXECUTE format('REVOKE UPDATE ON core_memories FROM %I', role);
    EXECUTE format(
        'GRANT UPDATE (label, value, description, "limit", read_only, shared_with, version, metadata, created_at, updated_at) '
        'ON core_memories TO %I', role);
    EXECUTE format('GRANT SELECT ON embedding_models TO %I', role);
    FOR lookup IN
        SELECT p.oid::regprocedure FROM pg_proc p
        WHERE p.pronamespace = quote_ident(home)::regnamespace AND p.proname LIKE 'memory\_matching\_%' AND p.prosecdef
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', lookup, role);
    END LOOP;
END
$$;

-- The lookups are for that role alone (Supabase grants every new function to its roles).
DO $$
DECLARE
    lookup regprocedure;
    reader text;
BEGIN
    FOR lookup IN
        SELECT p.oid::regprocedure FROM pg_proc p
        WHERE p.pronamespace = (SELECT a.relnamespace FROM pg_class a WHERE a.oid = 'agents'::regclass)
            AND p.proname LIKE 'memory\_matching\_%' AND p.prosecdef
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', lookup);
        FOR reader IN SELECT r.rolname FROM pg_roles r WHERE r.rolname IN ('anon', 'authenticated', 'service_role') LOOP
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', lookup, reader);
        END LOOP;
    END LOOP;
END
$$;

-- As in 007, for a role of any name. What belongs to somebody else gets no rights, and loses those that 007 gave it: its
-- members could connect here and choose the settings that the policies read. Called here, and by `memgpt db migrate` where
-- MEMGPT_DB_ROLE names another role since.
CREATE FUNCTION memory_use_role(role name DEFAULT memory_role()) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    relation regclass;
BEGIN
    BEGIN
        IF to_regrole(quote_ident(role)) IS NULL THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
        IF NOT pg_has_role(current_user, role, 'SET') THEN
            EXECUTE format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE', role, current_user);
        END IF;
    EXCEPTION
        WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;  -- what counts is asked below
    END;
    IF to_regrole(quote_ident(role)) IS NOT NULL AND pg_has_role(current_user, to_regrole(quote_ident(role)), 'SET') THEN
        PERFORM memory_allow_requests(role);
        RETURN true;
    END IF;
    RAISE NOTICE 'the role %, as which requests of the service run, cannot be created or used by "%"', role, current_user
    USING HINT = format(
        'An administrator can: CREATE ROLE %I NOLOGIN; GRANT %I TO %I; then run memgpt db migrate again. Where the role belongs '
        'to somebody else, set MEMGPT_DB_ROLE to another name. The library works without it.', role, role, current_user);
    IF to_regrole('memgpt_agent') IS NOT NULL AND NOT pg_has_role(current_user, 'memgpt_agent', 'SET') THEN
        FOR relation IN
            SELECT p.polrelid::regclass FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
            WHERE p.polname = 'memgpt_agent'
                AND c.relnamespace = (SELECT a.relnamespace FROM pg_class a WHERE a.oid = 'agents'::regclass)
        LOOP
            EXECUTE format('REVOKE ALL ON %s FROM memgpt_agent', relation);
        END LOOP;
    END IF;
    RETURN false;
END
$$;

SELECT memory_use_role();

-- Requests make no temporary tables and no large objects, which row-level security does not know: revoked from everybody
-- but the owner, where that is ours to do and the database holds nothing of anybody else.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
            AND pg_get_userbyid(c.relowner) <> current_user
    ) THEN
        RETURN;
    END IF;
    IF has_database_privilege('public', current_database(), 'TEMPORARY')
        AND (SELECT pg_has_role(current_user, d.datdba, 'USAGE') FROM pg_database d WHERE d.datname = current_database())
    THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    END IF;
    IF has_function_privilege('public', 'pg_catalog.lo_creat(integer)', 'EXECUTE')
        AND (SELECT pg_has_role(current_user, p.proowner, 'USAGE') FROM pg_proc p WHERE p.oid = 'pg_catalog.lo_creat(integer)'::regprocedure)
        AND NOT EXISTS (SELECT FROM pg_largeobject_metadata)
    THEN
        REVOKE EXECUTE ON FUNCTION
            pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea)
        FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION
            pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea)
        TO pg_database_owner;
    END IF;
END
$$;

INSERT INTO schema_migrations (migration_name) VALUES ('013_tenant_isolation');

COMMIT;
