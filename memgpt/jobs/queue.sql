-- found --
-- The last of the library's migrations that the queue has; empty where there is no queue.
SELECT coalesce(
    (SELECT obj_description(n.oid, 'pg_namespace') FROM pg_namespace n WHERE n.nspname = 'memgpt_queue'), '')

-- lock --
-- One process sets the queue up. A table's lock, as the migrations take it: who waited for an advisory lock may go on
-- with what it remembers of the catalog, which is that there is no such schema.
LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE

-- create_schema --
CREATE SCHEMA IF NOT EXISTS memgpt_queue

-- path --
SELECT current_setting('search_path')

-- set_path --
-- The library's names have no schema.
SELECT set_config('search_path', %(path)s::text, true)

-- enter_queue --
-- The library reads its times as text, in the one style its driver knows.
SELECT set_config('search_path', 'memgpt_queue', true), set_config('datestyle', 'ISO', true), set_config('timezone', 'UTC', true)

-- turn --
-- The priority of an agent's next job: that of the round which is being worked on, or one less than its last job's. So
-- rounds go down, each has one job of an agent, and nobody waits for more than one job of each other agent.
SELECT coalesce(least(max(priority), min(priority) FILTER (WHERE lock = %(lock)s::text) - 1), 0)
FROM procrastinate_jobs
WHERE queue_name = %(queue)s::text AND lock IS NOT NULL AND status IN ('todo', 'doing')
