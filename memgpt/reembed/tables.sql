-- text_archival_memories --
-- What is embedded for a row of each table; the writers of memgpt embed the same.
text

-- text_conversations --
CASE WHEN content = '' OR name IS NULL OR starts_with(content, name) THEN content ELSE name || ': ' || content END

-- text_document_chunks --
coalesce(nullif(metadata ->> 'context', '') || E'\n', '') || chunk_text

-- text_file_chunks --
coalesce(nullif(metadata ->> 'context', '') || E'\n', '') || chunk_text

-- text_kg_entities --
name || CASE WHEN description <> '' THEN ': ' || description ELSE '' END

-- text_kg_relationships --
fact

-- text_store_items --
text

-- add_columns --
-- Adds no more than a line to the catalog: no generated column, no default, so no row is touched.
ALTER TABLE {table}
ADD COLUMN IF NOT EXISTS embedding_next {type},
ADD COLUMN IF NOT EXISTS embedding_next_code {code},
ADD COLUMN IF NOT EXISTS embedding_next_model text,
ADD COLUMN IF NOT EXISTS embedding_next_hash uuid

-- drop_columns --
ALTER TABLE {table}
DROP COLUMN IF EXISTS {code},
DROP COLUMN IF EXISTS {embedding},
DROP COLUMN IF EXISTS {model},
DROP COLUMN IF EXISTS {hash}

-- index_missing --
-- The rows without a current new vector: what a writer adds, or changes the text of, enters it by itself.
CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON {table} (agent_id, id)
WHERE embedding IS NOT NULL AND embedding_next_hash IS DISTINCT FROM md5({text})::uuid AND btrim({text}) <> ''

-- drop_index --
DROP INDEX IF EXISTS {index}

-- drop_index_concurrently --
DROP INDEX CONCURRENTLY IF EXISTS {index}

-- invalid_indexes --
-- What is left of an index build that was killed.
SELECT c.relname::text FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s::text)) AND NOT i.indisvalid
    AND c.relname = ANY (%(names)s::text[])

-- rename_column --
ALTER TABLE {table} RENAME COLUMN {old} TO {new}

-- rename_index --
ALTER INDEX IF EXISTS {old} RENAME TO {new}

-- set_storage --
ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE {storage}

-- lock_models --
LOCK TABLE embedding_models IN ACCESS EXCLUSIVE MODE

-- lock_tables --
LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE

-- is_generated --
SELECT attgenerated <> '' FROM pg_attribute
WHERE attrelid = to_regclass(%(table)s::text) AND attname = %(column)s::text AND NOT attisdropped

-- dimensions --
SELECT atttypmod FROM pg_attribute
WHERE attrelid = to_regclass(%(table)s::text) AND attname = %(column)s::text AND NOT attisdropped

-- leave_code --
DROP TRIGGER IF EXISTS {trigger} ON {table}

-- renew_function --
-- Sessions that have run the function compile it again: the column's type may be another one now.
ALTER FUNCTION memory_embedding_code() COST 100

-- vacuum --
VACUUM (ANALYZE) {table}

-- vacuum_lightly --
-- Marks the pages of new row versions as visible to all, so that searches go on reading the index only.
VACUUM (INDEX_CLEANUP OFF, TRUNCATE OFF) {table}
