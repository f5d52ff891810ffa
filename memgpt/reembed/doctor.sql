-- active --
SELECT name, dimensions FROM embedding_models WHERE active

-- models --
-- Which models the rows of a table are of; null where a text has no vector.
SELECT CASE WHEN embedding IS NOT NULL THEN coalesce(embedding_model, '') END AS model, count(*) AS rows,
    count(*) FILTER (WHERE embedding IS NOT NULL AND embedding_code IS NULL) AS without_code
FROM {table}
WHERE btrim({text}) <> ''
GROUP BY 1
ORDER BY 1

-- indexes --
-- The indexes over embeddings that are there, and whether they can be used.
SELECT c.relname::text AS name, i.indisvalid AND i.indisready AS valid
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s::text)) AND i.indrelid = to_regclass(%(table)s::text)

-- visibility --
-- Searches read the index alone only where pages are known to be visible to all.
SELECT c.reltuples::bigint AS rows, c.relpages AS pages, c.relallvisible AS visible
FROM pg_class c WHERE c.oid = to_regclass(%(table)s::text)

-- cache --
-- Vectors kept of each model, so that they are not paid for again.
SELECT model, count(*) AS vectors, sum(pg_column_size(embedding))::bigint AS bytes FROM embedding_cache GROUP BY model ORDER BY model
