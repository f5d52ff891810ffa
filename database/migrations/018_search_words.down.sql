-- Undoes 018_search_words. Texts of languages without blanks are found by whole runs of characters again.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DO $$
BEGIN
    PERFORM set_config('search_path', concat_ws(', ', current_setting('search_path'), quote_ident(n.nspname)), true)
    FROM pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'vector' AND NOT n.nspname = ANY (current_schemas(true));
END
$$;

-- As in 014.
CREATE OR REPLACE FUNCTION memory_search_vector(language text, body text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE AS $$
DECLARE
    read text := normalize(body);
BEGIN
    IF octet_length(read) <= 100000 THEN
        RETURN to_tsvector(language::regconfig, read);
    END IF;
    LOOP
        BEGIN
            RETURN to_tsvector(language::regconfig, read);
        EXCEPTION WHEN program_limit_exceeded THEN
            read := left(read, char_length(read) / 2);
        END;
    END LOOP;
END
$$;

-- Where 001 was undone by hand before, there are no tables.
DO $$
DECLARE
    kind text;
    relation text;
    body text;
BEGIN
    FOR kind, relation, body IN
        VALUES ('archival', 'archival_memories', 'text'), ('chunk', 'document_chunks', 'chunk_text'),
            ('message', 'conversations', 'content'), ('fact', 'kg_relationships', 'fact')
    LOOP
        CONTINUE WHEN to_regclass(relation) IS NULL;
        EXECUTE format('UPDATE %I SET %I = %2$I WHERE %2$I ~ memory_unspaced()', relation, body);
        EXECUTE format('ALTER INDEX IF EXISTS %I RENAME TO %I', relation || '_search_idx', relation || '_old_search_idx');
        EXECUTE format('CREATE INDEX %I ON %I USING gin (search)', relation || '_search_idx', relation);
        EXECUTE format('DROP INDEX IF EXISTS %I', relation || '_old_search_idx');
        EXECUTE format(
            'CREATE OR REPLACE FUNCTION memory_matching_%s(query tsquery) RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER '
            'RETURN ARRAY(SELECT m.id FROM %I m WHERE m.agent_id = (SELECT memory_agent()) AND m.search @@ query)',
            kind, relation);
    END LOOP;
    IF to_regclass('archival_memories') IS NOT NULL THEN
        CREATE OR REPLACE FUNCTION memory_matching_archival(query tsquery, wanted text[]) RETURNS bigint[]
        LANGUAGE sql STABLE SECURITY DEFINER
        RETURN ARRAY(
            SELECT m.id FROM archival_memories m
            WHERE m.agent_id = (SELECT memory_agent()) AND m.search @@ query AND m.tags @> wanted);
    END IF;
END
$$;

DROP FUNCTION IF EXISTS memory_query_words(tsquery);
DROP FUNCTION IF EXISTS memory_word_keys(text, text[]);
DROP FUNCTION IF EXISTS memory_fitting_vector(text, text, text);
DROP FUNCTION IF EXISTS memory_unigrams(text);
DROP FUNCTION IF EXISTS memory_bigrams(text);
DROP FUNCTION IF EXISTS memory_unspaced();

DELETE FROM schema_migrations WHERE migration_name = '018_search_words';

COMMIT;
