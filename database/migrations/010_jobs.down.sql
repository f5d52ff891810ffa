-- Undoes 010_jobs. WARNING: drops all jobs, done or not. The queue's own schema stays: DROP SCHEMA memgpt_queue CASCADE
-- removes it, when no other memory in this database uses it.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DROP TABLE IF EXISTS job_files;
DROP TABLE IF EXISTS jobs;

DELETE FROM schema_migrations WHERE migration_name = '010_jobs';

COMMIT;
