-- lock --
-- One runner at a time on this database; released with the transaction, so it is safe behind a transaction pooler.
SELECT pg_advisory_xact_lock(7236834105921462::bigint)

-- record_checksum --
-- A file that psql applied has no checksum yet: it is adopted as it is now. A recorded one is never replaced.
INSERT INTO schema_migration_checksums (migration_name, checksum)
VALUES (%(name)s::varchar, %(checksum)s::text)
ON CONFLICT (migration_name) DO NOTHING

-- forget_checksum --
DELETE FROM schema_migration_checksums WHERE migration_name = %(name)s::varchar

-- forget_unapplied --
-- A file undone by psql keeps its checksum row; it is dropped before the file is applied again.
DELETE FROM schema_migration_checksums c
WHERE NOT EXISTS (SELECT FROM schema_migrations m WHERE m.migration_name = c.migration_name)

-- still_recorded --
SELECT EXISTS (SELECT FROM schema_migrations WHERE migration_name = %(name)s::varchar)

-- backend --
SELECT pg_backend_pid()

-- notice_lost_client --
-- A runner that is killed while its statement waits for a lock would otherwise keep its own locks until that is granted.
-- Only where the server can look (not on Windows).
SELECT set_config('client_connection_check_interval', '1s', true) WHERE version() ~* 'linux|darwin|bsd'

-- no_timeouts --
-- An index build takes as long as it takes; roles of hosted servers often have a limit of seconds.
SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('statement_timeout', 'transaction_timeout')

-- can_use_role --
SELECT to_regprocedure('memory_use_role(name)') IS NOT NULL
