-- Undoes 005_embedding_models. WARNING: drops the cached vectors and the record of what models cost.
-- The stored vectors stay.

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

DO $$
BEGIN
    IF EXISTS (SELECT FROM embedding_switches WHERE state IN ('running', 'switched')) THEN
        RAISE EXCEPTION 'a change of the embedding model is under way'
        USING HINT = 'memgpt reembed --finish keeps the new vectors, memgpt reembed --rollback the old ones.';
    END IF;
END
$$;

-- Bits kept by the trigger become a generated column again: the tables are rewritten.
DO $$
DECLARE
    bits record;
    index_definition text;
BEGIN
    FOR bits IN
        SELECT a.attrelid::regclass AS name, a.atttypmod AS dimensions, i.indexrelid
        FROM pg_trigger g
        JOIN pg_attribute a ON a.attrelid = g.tgrelid AND a.attname = 'embedding_bits' AND a.attgenerated = ''
        LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND a.attnum = ANY (i.indkey)
        WHERE g.tgfoid = 'memory_embedding_bits'::regproc
    LOOP
        index_definition := pg_get_indexdef(bits.indexrelid);
        EXECUTE format('ALTER TABLE %s DROP COLUMN embedding_bits', bits.name);
        EXECUTE format(
            'ALTER TABLE %s ADD COLUMN embedding_bits bit(%s) GENERATED ALWAYS AS (binary_quantize(embedding)::bit(%2$s)) STORED',
            bits.name, bits.dimensions);
        IF index_definition IS NOT NULL THEN
            EXECUTE index_definition;
        END IF;
    END LOOP;
END
$$;

DROP FUNCTION IF EXISTS memory_embedding_bits() CASCADE;
DROP TABLE IF EXISTS embedding_switches;
DROP TABLE IF EXISTS embedding_usage;
DROP TABLE IF EXISTS embedding_cache;

DELETE FROM schema_migrations WHERE migration_name = '005_embedding_models';

COMMIT;
