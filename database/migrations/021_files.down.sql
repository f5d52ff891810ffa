-- Undoes 021_files. WARNING: the files are removed, with what the history says of them.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

-- Its end needs every table with embeddings.
DO $$
BEGIN
    IF to_regclass('embedding_switches') IS NOT NULL
        AND EXISTS (SELECT FROM embedding_switches WHERE state IN ('running', 'switched')) THEN
        RAISE EXCEPTION 'a change of the embedding model is under way'
        USING HINT = 'memgpt reembed --finish keeps the new vectors, memgpt reembed --rollback the old ones.';
    END IF;
END
$$;

DROP FUNCTION IF EXISTS memory_matching_file(tsquery);

DROP TABLE IF EXISTS file_chunks;
DROP TABLE IF EXISTS files;

-- Where 004 was undone by hand before, there is no history.
DO $$
DECLARE
    kinds text := (
        SELECT pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = to_regclass('memory_history') AND conname = 'memory_history_kind_check');
BEGIN
    IF kinds IS NOT NULL THEN
        DELETE FROM memory_history WHERE kind IN ('file', 'file_chunk');
        ALTER TABLE memory_history DROP CONSTRAINT memory_history_kind_check;
        EXECUTE 'ALTER TABLE memory_history ADD CONSTRAINT memory_history_kind_check '
            || replace(kinds, ', ''file''::text, ''file_chunk''::text', '');
    END IF;
END
$$;

DELETE FROM schema_migrations WHERE migration_name = '021_files';

COMMIT;
