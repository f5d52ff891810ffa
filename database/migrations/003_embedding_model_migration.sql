-- 003_embedding_model_migration: text-embedding-ada-002 -> text-embedding-3-small.
--
-- Schema impact: NONE. Both models have 1536 dimensions; rows stay where they are and no table is altered.
--
--   old  text-embedding-ada-002   $0.0001  per 1K tokens
--   new  text-embedding-3-small   $0.00002 per 1K tokens    80% cheaper: $120/month becomes $24/month
--
-- Your own figures, from the tokens this database stores:
--   memgpt embeddings cost --from text-embedding-ada-002 --to text-embedding-3-small
--
-- When to run: after MEMGPT_EMBEDDING_MODEL (config.py) names the new model.
--
-- Vectors of the two models have the same length but not the same meaning: a query embedded by one finds nothing
-- sensible among vectors of the other. So re-embedding is optional for the schema, and needed for good results. It
-- runs beside the live tables, can be stopped and resumed, and keeps the old vectors until you drop them:
--   memgpt reembed --to text-embedding-3-small --plan      what it will cost and how long it will take
--   memgpt reembed --to text-embedding-3-small
-- or from Python:
--   from memgpt.reembed import reembed
--   reembed(to="text-embedding-3-small")

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

-- The check: all embedding columns have one size, and it is one both models can fill. A memory sized for another
-- model is told so, and is left as it is.
DO $$
DECLARE
    sizes integer[] := (
        SELECT array_agg(DISTINCT a.atttypmod)
        FROM pg_attribute a
        WHERE a.attrelid IN ('document_chunks'::regclass, 'archival_memories'::regclass, 'conversations'::regclass)
            AND a.attname = 'embedding' AND NOT a.attisdropped);
BEGIN
    IF cardinality(sizes) <> 1 THEN
        RAISE EXCEPTION 'the embedding columns have different dimensions: %', sizes
        USING HINT = 'memgpt db verify names the columns that differ.';
    END IF;
    IF sizes[1] <> 1536 THEN
        RAISE NOTICE 'the embeddings have % dimensions, not the 1536 of text-embedding-ada-002 and text-embedding-3-small', sizes[1];
    END IF;
END
$$;

INSERT INTO schema_migrations (migration_name) VALUES ('003_embedding_model_migration');

COMMIT;
