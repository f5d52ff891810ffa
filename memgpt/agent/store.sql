-- begin --
INSERT INTO agent_turns (agent_id, session, message_id, runner)
VALUES (%(agent_id)s::text, %(session)s::text, %(message_id)s::bigint, %(runner)s::uuid)
RETURNING id, session, message_id, status, reason, started_at, ended_at

-- latest --
-- The turn a session is in, or was in last.
SELECT id, session, message_id, status, reason, started_at, ended_at
FROM agent_turns
WHERE agent_id = %(agent_id)s::text AND session = %(session)s::text
ORDER BY id DESC
LIMIT 1

-- turns --
SELECT id, session, message_id, status, reason, started_at, ended_at
FROM agent_turns
WHERE agent_id = %(agent_id)s::text AND session = %(session)s::text
ORDER BY id DESC
LIMIT %(limit)s::integer

-- outlines --
-- Steps without the texts they sent.
SELECT id, turn_id, number, kind, model, input_tokens, output_tokens, cost, seconds
FROM agent_steps
WHERE agent_id = %(agent_id)s::text AND turn_id = ANY (%(turn_ids)s::bigint[])
ORDER BY id

-- take_over --
-- Whoever ran the turn before notices at its next write.
UPDATE agent_turns SET runner = %(runner)s::uuid, status = 'running', reason = NULL, ended_at = NULL
WHERE agent_id = %(agent_id)s::text AND id = %(turn_id)s::bigint AND status IN ('running', 'failed')
RETURNING id, session, message_id, status, reason, started_at, ended_at

-- end --
UPDATE agent_turns SET status = %(status)s::text, reason = %(reason)s::text, ended_at = now()
WHERE agent_id = %(agent_id)s::text AND id = %(turn_id)s::bigint AND status = 'running'
    AND runner = %(runner)s::uuid
RETURNING id

-- hold --
-- Whether the turn still is this runner's; it cannot be taken over or cancelled before the transaction ends.
SELECT id FROM agent_turns
WHERE agent_id = %(agent_id)s::text AND id = %(turn_id)s::bigint AND status = 'running' AND runner = %(runner)s::uuid
FOR UPDATE

-- add_step --
INSERT INTO agent_steps (
    agent_id, turn_id, number, session, kind, model, system, tools, message_ids, longest, sent_hash, tokens_by_part,
    answer_id, calls, summary, summary_until, summary_until_id, input_tokens, output_tokens, cost, seconds,
    finish_reason)
VALUES (
    %(agent_id)s::text, %(turn_id)s::bigint, %(number)s::integer, %(session)s::text, %(kind)s::text, %(model)s::text,
    %(system)s::text, %(tools)s::jsonb, %(message_ids)s::bigint[], %(longest)s::integer, %(sent_hash)s::text,
    %(tokens_by_part)s::jsonb, %(answer_id)s::bigint, %(calls)s::integer, %(summary)s::text,
    %(summary_until)s::timestamptz, %(summary_until_id)s::bigint, %(input_tokens)s::integer,
    %(output_tokens)s::integer, %(cost)s::double precision, %(seconds)s::real, %(finish_reason)s::text)
RETURNING id

-- claim --
-- The next tool call of a step, once: whoever asks second, or no longer runs the turn, gets no row.
UPDATE agent_steps s SET calls_done = s.calls_done + 1
FROM agent_turns t
WHERE s.agent_id = %(agent_id)s::text AND s.id = %(step_id)s::bigint AND s.calls_done = %(call)s::integer
    AND t.agent_id = %(agent_id)s::text AND t.id = s.turn_id AND t.status = 'running' AND t.runner = %(runner)s::uuid
RETURNING s.id

-- steps --
SELECT
    id, turn_id, number, session, kind, model, system, tools, message_ids, longest, sent_hash, tokens_by_part,
    answer_id, calls, calls_done, summary, summary_until, summary_until_id, input_tokens, output_tokens, cost, seconds,
    finish_reason, created_at
FROM agent_steps
WHERE agent_id = %(agent_id)s::text
    AND (%(turn_id)s::bigint IS NULL OR turn_id = %(turn_id)s::bigint)
    AND (%(step_id)s::bigint IS NULL OR id = %(step_id)s::bigint)
ORDER BY id DESC
LIMIT %(limit)s::integer

-- window --
-- The newest messages of a session after its last summary, oldest first, each with that summary.
WITH last AS MATERIALIZED (
    SELECT summary, summary_until, summary_until_id
    FROM agent_steps
    WHERE agent_id = %(agent_id)s::text AND session = %(session)s::text AND kind = 'summary'
    ORDER BY id DESC
    LIMIT 1
),
newest AS (
    SELECT
        id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id, metadata,
        created_at
    FROM conversations
    WHERE agent_id = %(agent_id)s::text AND session = %(session)s::text
        AND (created_at, id) > (
            coalesce((SELECT summary_until FROM last), '-infinity'), coalesce((SELECT summary_until_id FROM last), 0))
    ORDER BY created_at DESC, id DESC
    LIMIT %(limit)s::integer
)
SELECT n.*, (SELECT summary FROM last) AS summary FROM newest n ORDER BY n.created_at, n.id

-- messages --
SELECT id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id, metadata, created_at
FROM conversations
WHERE agent_id = %(agent_id)s::text AND id = ANY (%(ids)s::bigint[])
ORDER BY created_at, id
