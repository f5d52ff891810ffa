-- 017_search_vectors: a search by vector costs the same right after a load, for every agent, and at any number of calls.
--
-- What a search reads of an embedding from the covering index, its code, is in embedding_code: to 1,024 dimensions the vector
-- itself with two bytes a number, so that the index alone orders the rows; above that one bit a dimension, as before, but of
-- the vector turned by a fixed rotation, so that leading dimensions that say more than others spread over all bits. And
-- PostgreSQL plans for an agent of average size instead of for none, or for the one it looked at when it took its samples.

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
        WHERE attrelid IN ('document_chunks'::regclass, 'archival_memories'::regclass) AND attname = 'embedding');
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

-- The bits of a vector after an orthogonal transform that mixes all its dimensions: fourteen times three pieces change places
-- and both halves become their sum and their difference. Distances stay what they are.
CREATE FUNCTION memory_bits(embedding vector) RETURNS bit varying
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    dimensions CONSTANT integer := vector_dims(embedding);
    turned vector := CASE WHEN dimensions % 2 = 0 THEN embedding ELSE embedding || '[0]' END;
    size CONSTANT integer := vector_dims(turned);
    half CONSTANT integer := size / 2;
    one integer;
    other integer;
    head vector;
    tail vector;
BEGIN
    FOR round IN 1..14 LOOP
        one := size * (round * 618 % 1000) / 1000;
        other := size * (round * 755 % 1000) / 1000;
        IF one > other THEN
            turned := subvector(turned, one + 1, size - one) || subvector(turned, other + 1, one - other)
                || subvector(turned, 1, other);
        ELSE
            turned := subvector(turned, other + 1, size - other) || subvector(turned, one + 1, other - one)
                || subvector(turned, 1, one);
        END IF;
        head := subvector(turned, 1, half);
        tail := subvector(turned, half + 1, half);
        turned := (head + tail) || (head - tail);
    END LOOP;
    RETURN binary_quantize(subvector(turned, 1, dimensions));
END
$$;

-- A generated column calls it while a dump is restored, when no schema is on the path.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION memory_bits(vector) SET search_path TO %I', (
        SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'));
END
$$;

-- After a change of the model embedding_code is an ordinary column that this keeps (decision 12): of the kind that fits the
-- vectors' length.
CREATE FUNCTION memory_embedding_code() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF vector_dims(NEW.embedding) <= 1024 THEN
        NEW.embedding_code := l2_normalize(NEW.embedding::vector)::halfvec;
    ELSE
        NEW.embedding_code := memory_bits(NEW.embedding::vector);
    END IF;
    RETURN NEW;
END
$$;

-- The columns, of the size and kind that the live vectors have; those of a change of the model that is under way, too, with
-- their indexes. A live column that a trigger kept becomes a generated one again. PostgreSQL takes no samples of any.
DO $$
DECLARE
    part record;
    code text;
    made text;
    index_definitions text[];
    index_definition text;
BEGIN
    FOR part IN
        SELECT c.oid, c.relname AS relation, a.attname AS vectors, a.attname || '_bits' AS bits, a.attname || '_code' AS name,
            a.atttypmod AS dimensions, a.attname = 'embedding' AS live
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.oid IN (
                'archival_memories'::regclass, 'conversations'::regclass, 'document_chunks'::regclass,
                'kg_entities'::regclass, 'kg_relationships'::regclass)
            AND a.attname IN ('embedding', 'embedding_next', 'embedding_previous') AND NOT a.attisdropped
    LOOP
        code := CASE WHEN part.dimensions <= 1024 THEN 'halfvec' ELSE 'bit' END;
        made := format(
            CASE code WHEN 'halfvec' THEN '(l2_normalize(%I::vector)::halfvec)' ELSE 'memory_bits(%I::vector)' END || '::%s(%s)',
            part.vectors, code, part.dimensions);
        SELECT coalesce(array_agg(replace(pg_get_indexdef(i.indexrelid), part.bits, part.name)), '{}') INTO index_definitions
        FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = part.bits AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = part.oid;
        IF part.live THEN
            EXECUTE format('DROP TRIGGER IF EXISTS %I ON %I', part.relation || '_embedding_bits', part.relation);
        END IF;
        EXECUTE format('ALTER TABLE %I DROP COLUMN IF EXISTS %I', part.relation, part.bits);
        IF part.live THEN
            EXECUTE format(
                'ALTER TABLE %I ADD COLUMN %I %s(%s) GENERATED ALWAYS AS (%s) STORED',
                part.relation, part.name, code, part.dimensions, made);
        ELSE
            EXECUTE format('ALTER TABLE %I ADD COLUMN %I %s(%s)', part.relation, part.name, code, part.dimensions);
            EXECUTE format('UPDATE %I SET %I = %s WHERE %I IS NOT NULL', part.relation, part.name, made, part.vectors);
            FOREACH index_definition IN ARRAY index_definitions LOOP
                EXECUTE index_definition;
            END LOOP;
        END IF;
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET STATISTICS 0', part.relation, part.name);
    END LOOP;
END
$$;

DROP FUNCTION IF EXISTS memory_embedding_bits();

-- Agent + embedding: an index-only scan of one agent orders its rows, or finds those whose exact distances decide.
CREATE INDEX document_chunks_agent_embedding_idx ON document_chunks (agent_id)
INCLUDE (id, embedding_code)
WHERE embedding_code IS NOT NULL;

CREATE INDEX archival_memories_agent_embedding_idx ON archival_memories (agent_id)
INCLUDE (id, embedding_code, created_at, importance, expires_at)
WHERE embedding_code IS NOT NULL AND superseded_at IS NULL;

CREATE INDEX conversations_agent_embedding_idx ON conversations (agent_id)
INCLUDE (id, embedding_code)
WHERE embedding_code IS NOT NULL;

CREATE INDEX kg_entities_agent_embedding_idx ON kg_entities (agent_id)
INCLUDE (id, embedding_code)
WHERE embedding_code IS NOT NULL;

CREATE INDEX kg_relationships_agent_embedding_idx ON kg_relationships (agent_id)
INCLUDE (id, embedding_code)
WHERE embedding_code IS NOT NULL AND superseded_at IS NULL;

-- A sample of agents says of the next one either nothing or that it has one row, and a statement that was planned for an
-- average of them serves the largest. Without samples every agent is planned for as a two-hundredth of the table, in every
-- statement. Samples that were taken before are removed as in 015.
DO $$
DECLARE
    part record;
    left_over text[] := '{}';
BEGIN
    FOR part IN
        SELECT c.oid, n.nspname AS home, c.relname AS relation, c.reltuples, a.attname AS name, a.attnum
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relnamespace = (SELECT m.relnamespace FROM pg_class m WHERE m.oid = 'schema_migrations'::regclass)
            AND c.relkind IN ('r', 'p') AND a.attname = 'agent_id' AND NOT a.attisdropped
    LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET STATISTICS 0', part.relation, part.name);
        CONTINUE WHEN part.reltuples < 0;
        IF current_setting('server_version_num')::integer >= 180000 THEN
            EXECUTE format('SELECT pg_clear_attribute_stats(%L, %L, %L, false)', part.home, part.relation, part.name);
        ELSIF current_setting('is_superuser')::boolean THEN
            EXECUTE format('DELETE FROM pg_statistic WHERE starelid = %s AND staattnum = %s', part.oid, part.attnum);
        ELSE
            left_over := left_over || format('%I.%I', part.relation, part.name);
        END IF;
    END LOOP;
    IF left_over <> '{}' THEN
        RAISE NOTICE 'searches go on being planned by old samples of %', array_to_string(left_over, ', ')
        USING HINT = 'A superuser can remove them: DELETE FROM pg_statistic WHERE (starelid, staattnum) IN (SELECT attrelid, '
            'attnum FROM pg_attribute WHERE attname = ''agent_id'' AND attstattarget = 0).';
    END IF;
END
$$;

-- An index alone answers only for pages that a vacuum has looked at: after fewer new rows than PostgreSQL would wait for.
ALTER TABLE document_chunks SET (autovacuum_vacuum_insert_threshold = 500, autovacuum_vacuum_insert_scale_factor = 0.01);
ALTER TABLE archival_memories SET (autovacuum_vacuum_insert_threshold = 500, autovacuum_vacuum_insert_scale_factor = 0.01);
ALTER TABLE conversations SET (autovacuum_vacuum_insert_threshold = 500, autovacuum_vacuum_insert_scale_factor = 0.01);
ALTER TABLE kg_entities SET (autovacuum_vacuum_insert_threshold = 500, autovacuum_vacuum_insert_scale_factor = 0.01);
ALTER TABLE kg_relationships SET (autovacuum_vacuum_insert_threshold = 500, autovacuum_vacuum_insert_scale_factor = 0.01);

INSERT INTO schema_migrations (migration_name) VALUES ('017_search_vectors');

COMMIT;
