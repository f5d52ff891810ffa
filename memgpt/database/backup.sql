-- present --
-- What a restore must neither make nor drop: the target has it, and a plain role does not own it.
SELECT 'SCHEMA' AS kind, nspname::text AS name FROM pg_namespace
UNION ALL
SELECT 'EXTENSION', extname::text FROM pg_extension
