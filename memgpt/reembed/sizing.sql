-- tables --
-- Rows and bytes of the tables with embeddings; rows are the planner's number where it has one.
SELECT c.relname::text AS name, c.reltuples::bigint AS rows, pg_table_size(c.oid) AS bytes, a.atttypmod AS dimensions
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'embedding'
WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s::text)) AND c.relname = ANY (%(names)s::text[])
ORDER BY c.relname

-- indexes --
SELECT t.relname::text AS table_name, c.relname::text AS name, pg_relation_size(c.oid) AS bytes
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
WHERE t.relnamespace = to_regnamespace(quote_ident(%(schema)s::text)) AND t.relname = ANY (%(names)s::text[])
ORDER BY c.relname

-- count --
-- A table that was never analyzed has no estimate.
SELECT count(*) FROM {table}

-- server --
SELECT pg_database_size(current_database()) AS database_bytes,
    pg_size_bytes(current_setting('shared_buffers')) AS shared_buffers
