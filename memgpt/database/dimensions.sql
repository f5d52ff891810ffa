-- columns --
-- The embedding columns, with the type each has now.
SELECT c.relname::text AS table, format_type(a.atttypid, NULL)::text AS type, a.atttypmod AS dimensions
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
WHERE a.attname = 'embedding' AND NOT a.attisdropped
    AND a.attrelid IN (SELECT to_regclass(format('%%I.%%I', %(schema)s::text, name)) FROM unnest(%(tables)s::text[]) AS name)
ORDER BY c.relname

-- there --
SELECT name FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS t (name, place)
WHERE to_regclass(name) IS NOT NULL
ORDER BY place

-- any_embedding --
SELECT {has_embedding}

-- has_embedding --
EXISTS (SELECT FROM {table} WHERE embedding IS NOT NULL)

-- active --
SELECT name, dimensions FROM embedding_models WHERE active

-- deactivate --
UPDATE embedding_models SET active = false WHERE active

-- activate --
INSERT INTO embedding_models (name, dimensions, active) VALUES (%(name)s::text, %(dimensions)s::integer, true)
ON CONFLICT (name, dimensions) DO UPDATE SET active = true

-- drop_code --
-- PostgreSQL does not alter the type of a column that a generated column is made from. Its index goes with it.
ALTER TABLE {table} DROP COLUMN IF EXISTS {name}

-- drop_index --
DROP INDEX IF EXISTS {index}

-- set_type --
-- No row has an embedding here. Setting a type also resets the storage, so that is set again.
ALTER TABLE {table}
ALTER COLUMN embedding TYPE {type} USING NULL,
ALTER COLUMN embedding SET STORAGE {storage}

-- add_bits --
ALTER TABLE {table}
ADD COLUMN embedding_bits bit({dimensions}) GENERATED ALWAYS AS (binary_quantize(embedding)::bit({dimensions})) STORED

-- add_code --
ALTER TABLE {table}
ADD COLUMN embedding_code {type}({dimensions}) GENERATED ALWAYS AS (({code})::{type}({dimensions})) STORED

-- code_name --
-- What search reads of an embedding: embedding_bits before migration 017.
SELECT attname FROM pg_attribute
WHERE attrelid = to_regclass(%(table)s::text) AND attname IN ('embedding_bits', 'embedding_code') AND NOT attisdropped

-- unsampled --
-- Whether PostgreSQL takes no samples of the vectors (migration 015).
SELECT coalesce(attstattarget = 0, false) FROM pg_attribute
WHERE attrelid = to_regclass(%(table)s::text) AND attname = 'embedding'

-- take_no_samples --
-- A new column is sampled by default, and samples outlive what is forgotten.
ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0

-- code_is_kept --
SELECT EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid IN (SELECT to_regclass(format('%%I.%%I', %(schema)s::text, name)) FROM unnest(%(tables)s::text[]) AS name)
        AND attname IN ('embedding_bits', 'embedding_code') AND attgenerated = '' AND NOT attisdropped)

-- keep_code --
ALTER TABLE {table} ALTER COLUMN {name} DROP EXPRESSION

-- keep_code_trigger --
CREATE OR REPLACE TRIGGER {trigger} BEFORE INSERT OR UPDATE OF embedding ON {table}
FOR EACH ROW EXECUTE FUNCTION {function}()
