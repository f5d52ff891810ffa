-- hold --
-- What is limited is counted before it is let in, by one at a time: for the agent, then for who asks.
SELECT
    pg_advisory_xact_lock(hashtextextended('jobs of agent ' || %(agent_id)s::text, 0)),
    pg_advisory_xact_lock(hashtextextended('jobs for ' || %(requested_by)s::text, 1))

-- under_way --
SELECT
    (SELECT count(*) FROM jobs WHERE agent_id = %(agent_id)s::text AND status IN ('queued', 'running')),
    (SELECT coalesce(sum(octet_length(content)), 0) FROM job_files WHERE agent_id = %(agent_id)s::text)

-- under_way_of --
-- Of every agent: what one key has asked for.
SELECT count(*), coalesce(sum(f.size), 0)
FROM jobs j
LEFT JOIN LATERAL (
    SELECT sum(octet_length(f.content)) AS size FROM job_files f WHERE f.agent_id = j.agent_id AND f.job_id = j.id
) f ON true
WHERE j.requested_by = %(requested_by)s::text AND j.status IN ('queued', 'running')

-- insert --
INSERT INTO jobs (agent_id, kind, arguments, requested_by)
VALUES (%(agent_id)s::text, %(kind)s::text, %(arguments)s::jsonb, %(requested_by)s::text)
RETURNING
    agent_id, id, kind, arguments, status, done, total, message, result, error, requested_by, attempts,
    cancel_requested_at, created_at, started_at, finished_at

-- insert_file --
INSERT INTO job_files (agent_id, job_id, number, name, content)
VALUES (%(agent_id)s::text, %(job_id)s::bigint, %(number)s::integer, %(name)s::text, %(content)b::bytea)

-- files --
SELECT name, content FROM job_files
WHERE agent_id = %(agent_id)s::text AND job_id = %(job_id)s::bigint
ORDER BY number

-- get --
SELECT
    agent_id, id, kind, arguments, status, done, total, message, result, error, requested_by, attempts,
    cancel_requested_at, created_at, started_at, finished_at
FROM jobs
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint

-- list --
-- Newest first.
SELECT
    agent_id, id, kind, arguments, status, done, total, message, result, error, requested_by, attempts,
    cancel_requested_at, created_at, started_at, finished_at
FROM jobs
WHERE agent_id = %(agent_id)s::text
    AND (%(status)s::text IS NULL OR status = %(status)s::text)
    AND (%(before)s::bigint IS NULL OR id < %(before)s::bigint)
ORDER BY id DESC
LIMIT %(limit)s::integer

-- list_all --
-- Of every agent, newest first: for the operator, never for a request.
SELECT
    agent_id, id, kind, arguments, status, done, total, message, result, error, requested_by, attempts,
    cancel_requested_at, created_at, started_at, finished_at
FROM jobs
WHERE (%(status)s::text IS NULL OR status = %(status)s::text)
    AND (%(before)s::bigint IS NULL OR id < %(before)s::bigint)
ORDER BY id DESC
LIMIT %(limit)s::integer

-- without --
-- Agents that have no work of a kind under way.
SELECT a.agent_id FROM agents a
WHERE NOT EXISTS (
    SELECT FROM jobs j
    WHERE j.agent_id = a.agent_id AND j.kind = %(kind)s::text AND j.status IN ('queued', 'running'))
ORDER BY a.agent_id

-- start --
-- A job begins, or begins again after its runner died: not if it was cancelled meanwhile, nor for ever.
UPDATE jobs SET
    status = CASE
        WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
        WHEN attempts >= %(most)s::integer THEN 'failed'
        ELSE 'running' END,
    error = CASE WHEN cancel_requested_at IS NULL AND attempts >= %(most)s::integer
        THEN 'the process that worked on it died ' || attempts || ' times' END,
    finished_at = CASE WHEN cancel_requested_at IS NOT NULL OR attempts >= %(most)s::integer THEN now() END,
    attempts = CASE WHEN cancel_requested_at IS NOT NULL OR attempts >= %(most)s::integer THEN attempts
        ELSE attempts + 1 END,
    arguments = CASE WHEN forgotten AND (cancel_requested_at IS NOT NULL OR attempts >= %(most)s::integer) THEN '{}'
        ELSE arguments END,
    runner = %(runner)s::uuid,
    started_at = coalesce(started_at, now())
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint AND status IN ('queued', 'running')
RETURNING
    agent_id, id, kind, arguments, status, done, total, message, result, error, requested_by, attempts,
    cancel_requested_at, created_at, started_at, finished_at

-- progress --
-- How far a runner is; it never goes back, also when the work begins again. Nothing comes back where the job is no longer
-- this runner's.
UPDATE jobs SET
    done = greatest(done, %(done)s::bigint),
    total = greatest(total, %(total)s::bigint),
    message = CASE WHEN forgotten THEN '' ELSE %(message)s::text END
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint AND runner = %(runner)s::uuid AND status = 'running'
RETURNING cancel_requested_at IS NOT NULL AS cancelled

-- finish --
-- Where something of the agent was forgotten meanwhile, what it says could repeat it.
UPDATE jobs SET
    status = %(status)s::text, finished_at = now(),
    arguments = CASE WHEN forgotten THEN '{}' ELSE arguments END,
    result = CASE WHEN NOT forgotten THEN %(result)s::jsonb END,
    error = CASE WHEN NOT forgotten THEN %(error)s::text END
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint AND runner = %(runner)s::uuid AND status = 'running'
RETURNING id

-- requeue --
-- The runner stops before the end: somebody else goes on.
UPDATE jobs SET
    status = 'queued', runner = NULL, error = CASE WHEN NOT forgotten THEN %(error)s::text END,
    attempts = attempts - CASE WHEN %(error)s::text IS NULL THEN 1 ELSE 0 END
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint AND runner = %(runner)s::uuid AND status = 'running'
RETURNING id

-- cancel --
-- One that waits is cancelled at once; one that runs is told at its next step.
UPDATE jobs SET
    cancel_requested_at = coalesce(cancel_requested_at, now()),
    status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END,
    arguments = CASE WHEN forgotten AND status = 'queued' THEN '{}' ELSE arguments END,
    finished_at = CASE status WHEN 'queued' THEN now() END
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint AND status IN ('queued', 'running')
RETURNING
    agent_id, id, kind, arguments, status, done, total, message, result, error, requested_by, attempts,
    cancel_requested_at, created_at, started_at, finished_at

-- remove_files --
DELETE FROM job_files WHERE agent_id = %(agent_id)s::text AND job_id = %(job_id)s::bigint

-- remove_old --
-- Of every agent: jobs that ended a month ago.
DELETE FROM jobs WHERE finished_at < now() - interval '30 days'
