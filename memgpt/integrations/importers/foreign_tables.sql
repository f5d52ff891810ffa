-- candidates --
-- Tables that have the columns of a memory of mem0 (pgvector) or of LangGraph's store.
SELECT c.table_schema::text AS schema, c.table_name::text AS name, 'payload' = ANY (array_agg(c.column_name::text)) AS is_mem0
FROM information_schema.columns c
WHERE c.table_schema NOT IN ('pg_catalog', 'information_schema')
GROUP BY c.table_schema, c.table_name
HAVING array_agg(c.column_name::text) @> ARRAY['id', 'vector', 'payload']
    OR array_agg(c.column_name::text) @> ARRAY['prefix', 'key', 'value', 'created_at', 'updated_at']
ORDER BY 1, 2

-- open_rows --
-- Every row, with the column names of the table's own.
DECLARE memgpt_import NO SCROLL CURSOR FOR SELECT {columns} FROM {table} ORDER BY {order}

-- more_rows --
FETCH FORWARD 500 FROM memgpt_import
