-- volume --
-- What there is to embed, and how large the table is.
SELECT count(*) AS rows, coalesce(sum(char_length({text})), 0)::bigint AS characters,
    pg_table_size(%(table)s::regclass) AS bytes
FROM {table} WHERE embedding IS NOT NULL

-- sample --
-- Texts of rows spread over the table.
SELECT {text} FROM {table}
WHERE embedding IS NOT NULL AND btrim({text}) <> ''
ORDER BY md5(agent_id || ' ' || id::text)
LIMIT %(limit)s::integer
