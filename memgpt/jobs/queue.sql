-- found --
-- The last of the library's migrations that the queue has; null where there is no queue.
SELECT coalesce(obj_description(to_regnamespace('memgpt_queue'), 'pg_namespace'), '')

-- lock --
-- One process sets the queue up.
SELECT pg_advisory_xact_lock(hashtextextended('memgpt_queue', 0))

-- create_schema --
CREATE SCHEMA IF NOT EXISTS memgpt_queue

-- path --
SELECT current_setting('search_path')

-- set_path --
-- The library's names have no schema.
SELECT set_config('search_path', %(path)s::text, true)

-- enter_queue --
SELECT set_config('search_path', 'memgpt_queue', true)
