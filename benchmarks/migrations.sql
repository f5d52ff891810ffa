-- indexes --
SELECT indexname, indexdef, pg_relation_size(indexname::regclass)
FROM pg_indexes WHERE tablename = 'document_chunks' AND indexname <> 'document_chunks_pkey' ORDER BY indexname

-- sample --
CREATE TABLE sample (embedding vector(1536) STORAGE PLAIN)

-- fill_sample --
INSERT INTO sample SELECT embedding FROM document_chunks LIMIT %(rows)s::bigint

-- table_size --
SELECT pg_table_size('document_chunks'), count(*) FROM document_chunks
