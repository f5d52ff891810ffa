-- Undoes 017_search_vectors: one bit a dimension of the vector as it is, generated, whatever its length; samples of agents, and
-- vacuum as before. The tables with embeddings are rewritten.

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

-- Rewriting a table builds its vector indexes again, for which k-means keeps its samples in maintenance_work_mem (see 002).
DO $$
DECLARE
    lists CONSTANT bigint := 200;
    samples CONSTANT bigint := greatest(50 * lists, 10000);
    dimensions bigint := (
        SELECT max(atttypmod) FROM pg_attribute
        WHERE attrelid IN (to_regclass('document_chunks'), to_regclass('archival_memories')) AND attname = 'embedding');
    needed_kb bigint := 1024 + (
        samples * (8 + 4 * dimensions) + 3 * lists * (8 + 4 * dimensions)
        + 4 * samples * lists + 8 * samples + 4 * lists * lists) / 1024;
    limit_kb bigint := pg_size_bytes(nullif(current_setting('memgpt.maintenance_work_mem_limit', true), '')) / 1024;
BEGIN
    IF needed_kb IS NOT NULL THEN
        PERFORM set_config('maintenance_work_mem', greatest(
            least(needed_kb, limit_kb), pg_size_bytes(current_setting('maintenance_work_mem')) / 1024) || 'kB', true);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION memory_embedding_bits() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.embedding_bits := binary_quantize(NEW.embedding);
    RETURN NEW;
END
$$;

DO $$
DECLARE
    part record;
    bits text;
    index_definitions text[];
    index_definition text;
BEGIN
    FOR part IN
        SELECT c.oid, c.relname AS relation, a.attname AS vectors, a.attname || '_bits' AS bits, a.attname || '_code' AS code,
            a.atttypmod AS dimensions, a.attname = 'embedding' AS live
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.oid IN (
                to_regclass('archival_memories'), to_regclass('conversations'), to_regclass('document_chunks'),
                to_regclass('kg_entities'), to_regclass('kg_relationships'))
            AND a.attname IN ('embedding', 'embedding_next', 'embedding_previous') AND NOT a.attisdropped
    LOOP
        bits := format('binary_quantize(%I)::bit(%s)', part.vectors, part.dimensions);
        SELECT coalesce(array_agg(replace(pg_get_indexdef(i.indexrelid), part.code, part.bits)), '{}') INTO index_definitions
        FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = part.code AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = part.oid;
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON %I', part.relation || '_embedding_code', part.relation);
        EXECUTE format('ALTER TABLE %I DROP COLUMN IF EXISTS %I', part.relation, part.code);
        IF part.live THEN
            EXECUTE format(
                'ALTER TABLE %I ADD COLUMN %I bit(%s) GENERATED ALWAYS AS (%s) STORED',
                part.relation, part.bits, part.dimensions, bits);
        ELSE
            EXECUTE format('ALTER TABLE %I ADD COLUMN %I bit(%s)', part.relation, part.bits, part.dimensions);
            EXECUTE format('UPDATE %I SET %I = %s WHERE %I IS NOT NULL', part.relation, part.bits, bits, part.vectors);
        END IF;
        FOREACH index_definition IN ARRAY index_definitions LOOP
            EXECUTE index_definition;
        END LOOP;
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET STATISTICS 0', part.relation, part.bits);
    END LOOP;
END
$$;

DROP FUNCTION IF EXISTS memory_embedding_code();
DROP FUNCTION IF EXISTS memory_bits(vector);

DO $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT c.relname AS relation
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = (SELECT m.relnamespace FROM pg_class m WHERE m.oid = 'schema_migrations'::regclass)
            AND c.relkind IN ('r', 'p') AND a.attname = 'agent_id' AND NOT a.attisdropped
    LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN agent_id SET STATISTICS -1', part.relation);
    END LOOP;
END
$$;

ALTER TABLE IF EXISTS document_chunks RESET (autovacuum_vacuum_insert_threshold);
ALTER TABLE IF EXISTS document_chunks SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE IF EXISTS archival_memories RESET (autovacuum_vacuum_insert_threshold);
ALTER TABLE IF EXISTS archival_memories SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE IF EXISTS conversations RESET (autovacuum_vacuum_insert_threshold);
ALTER TABLE IF EXISTS conversations SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE IF EXISTS kg_entities RESET (autovacuum_vacuum_insert_threshold);
ALTER TABLE IF EXISTS kg_entities SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE IF EXISTS kg_relationships RESET (autovacuum_vacuum_insert_threshold);
ALTER TABLE IF EXISTS kg_relationships SET (autovacuum_vacuum_insert_scale_factor = 0.02);

DELETE FROM schema_migrations WHERE migration_name = '017_search_vectors';

COMMIT;
