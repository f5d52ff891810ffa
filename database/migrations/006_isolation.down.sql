-- Undoes 006_isolation. WARNING: drops the keys of the service and its audit log.
-- The role memgpt_agent belongs to the whole server: it goes when no other database uses it.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DO $$
DECLARE
    policy record;
BEGIN
    FOR policy IN
        SELECT p.polname AS name, c.oid::regclass AS relation
        FROM pg_policy p
        JOIN pg_class c ON c.oid = p.polrelid
        WHERE c.relnamespace = (SELECT a.relnamespace FROM pg_class a WHERE a.oid = 'agents'::regclass)
            AND p.polname LIKE 'memgpt\_%'
    LOOP
        EXECUTE format('DROP POLICY %I ON %s', policy.name, policy.relation);
        EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', policy.relation);
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', policy.relation);
        IF to_regrole('memgpt_agent') IS NOT NULL THEN
            EXECUTE format('REVOKE ALL ON %s FROM memgpt_agent', policy.relation);
        END IF;
        IF to_regrole('authenticated') IS NOT NULL THEN
            EXECUTE format('REVOKE ALL ON %s FROM authenticated', policy.relation);
        END IF;
    END LOOP;
    IF to_regrole('memgpt_agent') IS NOT NULL THEN
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM memgpt_agent', (
            SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.oid = 'agents'::regclass));
        BEGIN
            DROP ROLE memgpt_agent;
        EXCEPTION
            WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;
        END;
    END IF;
END
$$;

DO $$
BEGIN
    IF current_setting('is_superuser')::boolean THEN
        ALTER FUNCTION pg_catalog.ts_match_vq(tsvector, tsquery) NOT LEAKPROOF;
    END IF;
END
$$;

DROP FUNCTION IF EXISTS memory_allow_requests();
DROP FUNCTION IF EXISTS memory_agent();
DROP FUNCTION IF EXISTS memory_in_scope(text);
DROP TABLE IF EXISTS idempotent_answers;
DROP TABLE IF EXISTS audit_log;
DROP TABLE IF EXISTS api_keys;

DELETE FROM schema_migrations WHERE migration_name = '006_isolation';

COMMIT;
