-- present --
-- What a restore must neither make nor drop: the target has it, and a plain role does not own it.
SELECT 'SCHEMA' AS kind, nspname::text AS name FROM pg_namespace
UNION ALL
SELECT 'EXTENSION', extname::text FROM pg_extension

-- owns --
-- Whether this user owns every table under row-level security: its policy shows it every row then, and pg_dump, which
-- refuses tables whose policies are forced, may leave them on.
SELECT coalesce(bool_and(pg_has_role(c.relowner, 'USAGE')), false)
FROM pg_policy p
JOIN pg_class c ON c.oid = p.polrelid
WHERE p.polname = 'memgpt_owner'
