-- dimensions --
-- Of the columns that carry a vector index; null before the first migration.
SELECT max(a.atttypmod)
FROM pg_attribute a
WHERE a.attname = 'embedding' AND NOT a.attisdropped
    AND a.attrelid IN (
        to_regclass(format('%%I.document_chunks', %(schema)s::text)),
        to_regclass(format('%%I.archival_memories', %(schema)s::text)))

-- any_row --
SELECT EXISTS (SELECT FROM document_chunks WHERE embedding IS NOT NULL)
    OR EXISTS (SELECT FROM archival_memories WHERE embedding IS NOT NULL)
