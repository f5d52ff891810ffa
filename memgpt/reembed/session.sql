-- set_memory --
-- For this session only, which ends with the process; never less than it has, never more than its limit allows.
SELECT set_config('maintenance_work_mem', least(
    greatest(%(kilobytes)s::bigint, pg_size_bytes(current_setting('maintenance_work_mem')) / 1024),
    pg_size_bytes(nullif(current_setting('memgpt.maintenance_work_mem_limit', true), '')) / 1024)::text || 'kB', false)

-- alone --
-- One processor for a build is enough: the others are for those who search meanwhile.
SELECT set_config('max_parallel_maintenance_workers', '0', false)
