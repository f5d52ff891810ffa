-- describe_server --
-- One look at a new server: what it is, where pgvector is, and whether somebody sits between us and it
-- (a pooler reports another process id at connect time than the backend that answers).
SELECT
    current_setting('server_version_num')::integer AS version,
    pg_backend_pid() AS backend_pid,
    pg_is_in_recovery() AS standby,
    EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') AS citus,
    (SELECT p.proleakproof FROM pg_proc p
     WHERE p.oid = 'pg_catalog.ts_match_vq(tsvector, tsquery)'::regprocedure) AS leakproof,
    current_schemas(false)::text[] AS schemas,
    n.nspname::text AS vector_schema,
    e.extversion AS vector_version,
    (SELECT jsonb_object_agg(t.typname, jsonb_build_array(t.oid::bigint, t.typarray::bigint))
     FROM pg_type t
     WHERE t.typnamespace = e.extnamespace AND t.typname IN ('vector', 'halfvec', 'sparsevec')) AS types,
    current_setting('server_encoding') AS encoding,
    (SELECT CASE d.datlocprovider
        WHEN 'b' THEN true WHEN 'c' THEN d.datcollate IN ('C', 'POSIX') OR d.datcollate ILIKE 'C.UTF%%8' ELSE false END
     FROM pg_database d WHERE d.datname = current_database()) AS by_code_point,
    (SELECT coalesce(jsonb_object_agg(w.key, current_setting(w.key)), '{}')
     FROM jsonb_each_text(%(session)s::jsonb) w
     WHERE current_setting(w.key) <> w.value) AS settings
FROM (SELECT 1) AS one
LEFT JOIN pg_extension e ON e.extname = 'vector'
LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
