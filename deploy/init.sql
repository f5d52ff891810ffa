-- What a superuser prepares once, and then is not needed any more: the service connects as memgpt, which owns its database
-- and nothing else. PostgreSQL's image runs it when its volume is empty (compose.yaml); by hand:
--   OWNER_PASSWORD=... psql -v ON_ERROR_STOP=1 -f deploy/init.sql postgres
\getenv password OWNER_PASSWORD
CREATE ROLE memgpt LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';

-- The role of requests: another database of the server may have it already.
SELECT 'CREATE ROLE memgpt_agent NOLOGIN' WHERE to_regrole('memgpt_agent') IS NULL \gexec
GRANT memgpt_agent TO memgpt WITH INHERIT FALSE, SET TRUE;

CREATE DATABASE memgpt OWNER memgpt ENCODING 'UTF8' TEMPLATE template0;
-- Who is not the owner has nothing to connect for, and makes no temporary tables.
REVOKE ALL ON DATABASE memgpt FROM PUBLIC;

\connect memgpt
CREATE EXTENSION vector;
-- Lets full-text search use its index under row-level security; only a superuser can say so.
ALTER FUNCTION pg_catalog.ts_match_vq(tsvector, tsquery) LEAKPROOF;
-- Large objects belong to no agent, and row-level security does not know them. The owner keeps them, under a name that
-- every server has: a dump carries these rights along.
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) TO pg_database_owner;
