-- insert --
INSERT INTO api_keys (key_id, name, secret_hash, permissions, agents, requests_per_minute, expires_at, replaces)
VALUES (
    %(key_id)s::text, %(name)s::text, %(secret_hash)s::bytea, %(permissions)s::text[], %(agents)s::text[],
    %(requests_per_minute)s::integer, %(expires_at)s::timestamptz, %(replaces)s::text)
RETURNING key_id, name, permissions, agents, requests_per_minute, created_at, expires_at, revoked_at, replaces

-- get --
SELECT key_id, name, permissions, agents, requests_per_minute, created_at, expires_at, revoked_at, replaces
FROM api_keys
WHERE key_id = %(key_id)s::text

-- secret_hashes --
SELECT key_id, secret_hash FROM api_keys

-- list --
SELECT key_id, name, permissions, agents, requests_per_minute, created_at, expires_at, revoked_at, replaces
FROM api_keys
ORDER BY created_at, key_id

-- any --
SELECT EXISTS (SELECT FROM api_keys)

-- revoke --
-- A key that is to end later ends now; one revoked before stays as it was.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())
WHERE key_id = %(key_id)s::text
RETURNING key_id, name, permissions, agents, requests_per_minute, created_at, expires_at, revoked_at, replaces

-- expire --
UPDATE api_keys SET expires_at = least(expires_at, %(expires_at)s::timestamptz)
WHERE key_id = %(key_id)s::text

-- audit --
INSERT INTO audit_log (logged_at, request_id, key_id, agent_id, action, status, client)
SELECT * FROM unnest(
    %(logged_at)b::timestamptz[], %(request_id)b::text[], %(key_id)b::text[], %(agent_id)b::text[], %(action)b::text[],
    %(status)b::integer[], %(client)b::text[])

-- prune_audit --
-- Lines are kept for 90 days, and the latest million of them.
DELETE FROM audit_log
WHERE logged_at < now() - interval '90 days' OR id <= (SELECT max(id) FROM audit_log) - 1000000

-- audited --
-- Newest first, along the primary key: the log is short enough to be read through where few lines fit.
SELECT id, logged_at, request_id, key_id, agent_id, action, status, client
FROM audit_log
WHERE (%(before)s::bigint IS NULL OR id < %(before)s::bigint)
    AND (%(key_id)s::text IS NULL OR key_id = %(key_id)s::text)
    AND (%(agent_id)s::text IS NULL OR agent_id = %(agent_id)s::text)
    AND (%(refused)s::boolean IS NULL OR (status >= 400) = %(refused)s::boolean)
    AND (%(since)s::timestamptz IS NULL OR logged_at >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR logged_at < %(until)s::timestamptz)
ORDER BY id DESC
LIMIT %(limit)s::integer

-- claim --
-- The right to answer a request that has an Idempotency-Key: nothing comes back where somebody has it. Answers are kept
-- for a day; one that never came, because a process died, is given up after a minute.
INSERT INTO idempotent_answers (key_id, idempotency_key, request_hash, agent_id)
VALUES (%(key_id)s::text, %(idempotency_key)s::text, %(request_hash)s::bytea, %(agent_id)s::text)
ON CONFLICT (key_id, idempotency_key) DO UPDATE SET
    request_hash = excluded.request_hash, agent_id = excluded.agent_id, created_at = clock_timestamp(), status = NULL,
    headers = NULL, body = NULL
WHERE idempotent_answers.created_at < now() - CASE
    WHEN idempotent_answers.status IS NULL THEN interval '1 minute' ELSE interval '1 day' END
RETURNING created_at

-- answer --
SELECT request_hash, status, headers, body FROM idempotent_answers
WHERE key_id = %(key_id)s::text AND idempotency_key = %(idempotency_key)s::text

-- keep_answer --
-- Nothing comes back where the claim was given up as too old, and another request has it.
UPDATE idempotent_answers SET status = %(status)s::integer, headers = %(headers)s::jsonb, body = %(body)s::bytea
WHERE key_id = %(key_id)s::text AND idempotency_key = %(idempotency_key)s::text
    AND created_at = %(claimed_at)s::timestamptz AND status IS NULL
RETURNING true

-- give_up --
DELETE FROM idempotent_answers
WHERE key_id = %(key_id)s::text AND idempotency_key = %(idempotency_key)s::text
    AND created_at = %(claimed_at)s::timestamptz AND status IS NULL

-- remove_old_answers --
DELETE FROM idempotent_answers WHERE created_at < now() - interval '1 day'
