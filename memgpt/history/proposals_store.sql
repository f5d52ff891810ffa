-- insert --
-- One that was proposed before, whatever became of it, is not proposed again: nothing comes back.
INSERT INTO proposals (agent_id, kind, status, reason, score, about, evidence, change, fingerprint, actor, decided_at)
VALUES (
    %(agent_id)s::text, %(kind)s::text, %(status)s::text, %(reason)s::text, %(score)s::real, %(about)b::text[],
    %(evidence)s::jsonb, %(change)s::jsonb, %(fingerprint)s::uuid, %(actor)s::text,
    CASE WHEN %(status)s::text <> 'proposed' THEN clock_timestamp() END)
ON CONFLICT (agent_id, fingerprint) DO NOTHING
RETURNING id, kind, status, reason, score, about, evidence, change, change_id, actor, created_at, decided_at

-- known --
-- Which of some fingerprints were proposed before.
SELECT fingerprint FROM proposals
WHERE agent_id = %(agent_id)s::text AND fingerprint = ANY (%(fingerprints)s::uuid[])

-- get --
SELECT id, kind, status, reason, score, about, evidence, change, change_id, actor, created_at, decided_at
FROM proposals
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint

-- get_locked --
-- The same, and nobody else decides on it until the end of the transaction.
SELECT id, kind, status, reason, score, about, evidence, change, change_id, actor, created_at, decided_at
FROM proposals
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint
FOR UPDATE

-- list --
-- Newest first; a page goes on after the last row of the one before.
SELECT id, kind, status, reason, score, about, evidence, change, change_id, actor, created_at, decided_at
FROM proposals
WHERE agent_id = %(agent_id)s::text
    AND (%(status)s::text IS NULL OR status = %(status)s::text)
    AND (%(kind)s::text IS NULL OR kind = %(kind)s::text)
    AND (%(about)s::text IS NULL OR about @> ARRAY[%(about)s::text])
    AND (%(before)s::bigint IS NULL OR id < %(before)s::bigint)
ORDER BY id DESC
LIMIT %(limit)s::integer

-- decide --
UPDATE proposals SET
    status = %(status)s::text,
    change_id = coalesce(%(change_id)s::uuid, change_id),
    decided_at = clock_timestamp()
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint
RETURNING id, kind, status, reason, score, about, evidence, change, change_id, actor, created_at, decided_at
