-- tables --
-- Every table of the schema with what it takes, the largest first. Rows are the planner's estimate.
SELECT
    c.relname::text AS "table", greatest(c.reltuples, 0)::bigint AS rows, coalesce(s.n_dead_tup, 0) AS dead_rows,
    pg_table_size(c.oid) AS table_bytes, pg_indexes_size(c.oid) AS index_bytes,
    greatest(s.last_vacuum, s.last_autovacuum) AS vacuumed_at,
    greatest(s.last_analyze, s.last_autoanalyze) AS analyzed_at
FROM pg_class c
LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s::text)) AND c.relkind IN ('r', 'p')
ORDER BY pg_total_relation_size(c.oid) DESC, c.relname

-- indexes --
-- Every index of the schema: what it takes, whether it is whole, and how often it was read since statistics began.
SELECT
    t.relname::text AS "table", i.relname::text AS "index", a.amname::text AS method, pg_relation_size(i.oid) AS bytes,
    x.indisvalid AND x.indisready AS valid, coalesce(s.idx_scan, 0) AS scans, s.last_idx_scan AS last_scan_at
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_am a ON a.oid = i.relam
LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = x.indexrelid
WHERE t.relnamespace = to_regnamespace(quote_ident(%(schema)s::text)) AND t.relkind IN ('r', 'p')
ORDER BY x.indisvalid AND x.indisready, pg_relation_size(i.oid) DESC, i.relname

-- statistics --
-- The schema of pg_stat_statements; no row where the extension is not there, or the server does not load its library.
SELECT n.nspname::text
FROM pg_extension e
JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements' AND current_setting('pg_stat_statements.max', true) IS NOT NULL

-- statements --
-- On what the server spent the most time in this database.
SELECT
    s.query AS statement, s.calls, s.rows, round(s.total_exec_time::numeric, 1)::double precision AS total_ms,
    round(s.mean_exec_time::numeric, 2)::double precision AS mean_ms,
    round(s.max_exec_time::numeric, 1)::double precision AS most_ms
FROM {view} s
WHERE s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
ORDER BY s.total_exec_time DESC
LIMIT %(limit)s::integer
