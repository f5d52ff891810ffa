-- survey --
-- Everything a plan needs to know about the server and the schema, before anything is touched.
SELECT
    %(schema)s::text AS schema,
    current_database()::text AS database,
    current_setting('server_version')::text AS server_version,
    current_setting('server_encoding') AS encoding,
    pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only,
    to_regnamespace(quote_ident(%(schema)s::text)) IS NOT NULL AS schema_exists,
    has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
    coalesce(has_schema_privilege(to_regnamespace(quote_ident(%(schema)s::text)), 'CREATE'), false) AS may_create,
    (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
     WHERE e.extname = 'vector') AS vector_schema,
    (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'vector') AS vector_version,
    EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') AS vector_available,
    (SELECT array_agg(c.relname::text ORDER BY c.relname) FROM pg_class c
     WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s::text))
         AND c.relkind IN ('r', 'p', 'v', 'm', 'f')) AS relations,
    EXISTS (SELECT FROM pg_attribute a
            WHERE a.attrelid = to_regclass(format('%%I.schema_migrations', %(schema)s::text))
                AND a.attname = 'migration_name' AND NOT a.attisdropped) AS tracking_is_ours,
    nullif(current_setting('memgpt.maintenance_work_mem_limit', true), '') AS memory_limit,
    pg_size_bytes(nullif(current_setting('memgpt.maintenance_work_mem_limit', true), '')) AS memory_limit_bytes

-- applied --
-- The documented column has no zone: it is in the session's, as it was written.
SELECT migration_name AS name, applied_at::timestamptz AS applied_at FROM schema_migrations ORDER BY id

-- checksums --
SELECT migration_name AS name, checksum FROM schema_migration_checksums

-- tracking_tables --
SELECT
    to_regclass(format('%%I.schema_migrations', %(schema)s::text)) IS NOT NULL AS records,
    to_regclass(format('%%I.schema_migration_checksums', %(schema)s::text)) IS NOT NULL AS checksums
