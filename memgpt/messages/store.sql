-- insert --
-- Appends many messages at once; ids ascend in the order of the input, which decides between equal times. A single
-- statement: it answers with the active model, and no message where the vectors are of another, or the intents by examples
-- of another version than those there are now.
WITH {guard},
incoming AS (
    SELECT * FROM unnest(
        %(session)b::text[], %(role)b::text[], %(name)b::text[], %(content)b::text[], %(intent)b::text[],
        %(intent_confidence)b::real[], %(tokens)b::integer[], %(tool_calls)b::jsonb[], %(tool_call_id)b::text[],
        %(metadata)b::jsonb[], %(language)b::text[], %(created_at)b::timestamptz[], %(embedding)b::vector[]
    ) WITH ORDINALITY AS i (
        session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id, metadata,
        language, created_at, embedding, ord)
),
inserted AS (
    INSERT INTO conversations (
        agent_id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id, metadata,
        language, created_at, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, i.session, i.role, i.name, i.content, i.intent, i.intent_confidence, i.tokens, i.tool_calls,
        i.tool_call_id, i.metadata, i.language, coalesce(i.created_at, now()),
        CASE WHEN i.embedding IS NOT NULL THEN %(embedding_model)s::text END, i.embedding
    FROM current c
    CROSS JOIN incoming i
    WHERE %(examples)s::bigint IS NULL OR %(examples)s::bigint = (
        SELECT coalesce(bit_xor(hashtextextended(e.intent || E'\n' || e.text, 0)), 0) FROM intent_examples e
        WHERE e.agent_id = %(agent_id)s::text)
    ORDER BY i.ord
    RETURNING
        id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id, metadata, created_at
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'message', id, 'insert' FROM inserted
)
SELECT m.name AS active_model, m.dimensions AS active_dimensions, i.*
FROM model m
LEFT JOIN inserted i ON true
ORDER BY i.id

-- get --
SELECT id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id, metadata, created_at
FROM conversations
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint

-- transcript_ids --
-- What imported messages of a session are called in the file they are from.
SELECT metadata ->> 'transcript_id'
FROM conversations
WHERE agent_id = %(agent_id)s::text AND session = %(session)s::text AND metadata ->> 'transcript_id' IS NOT NULL

-- list --
-- The newest messages that fit, oldest of them first; a page goes on before the first row of the one after it.
SELECT * FROM (
    SELECT
        id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id, metadata, created_at
    FROM conversations
    WHERE agent_id = %(agent_id)s::text
        AND (%(session)s::text IS NULL OR session = %(session)s::text)
        AND (%(roles)b::text[] IS NULL OR role = ANY (%(roles)b::text[]))
        AND (%(intent)s::text IS NULL OR intent = %(intent)s::text)
        AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s::timestamptz)
        AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s::timestamptz)
        AND (%(before)s::timestamptz IS NULL
            OR (created_at, id) < (%(before)s::timestamptz, %(before_id)s::bigint))
    ORDER BY created_at DESC, id DESC
    LIMIT %(limit)s::integer
) AS newest
ORDER BY created_at, id

-- voices --
-- Who speaks in a session: the names of its latest messages, and how those begin.
SELECT name, role, left(content, %(characters)s::integer) AS beginning
FROM conversations
WHERE agent_id = %(agent_id)s::text AND session = %(session)s::text
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s::integer

-- sessions --
-- The conversations of an agent, the one last spoken in first.
WITH position AS (
    SELECT max(created_at) AS last FROM conversations
    WHERE agent_id = %(agent_id)s::text AND session = %(after)s::text
)
SELECT c.session, count(*) AS messages, min(c.created_at) AS first, max(c.created_at) AS last
FROM conversations c
WHERE c.agent_id = %(agent_id)s::text
GROUP BY c.session
HAVING %(after)s::text IS NULL OR max(c.created_at) < (SELECT last FROM position)
    OR max(c.created_at) = (SELECT last FROM position) AND c.session > %(after)s::text
ORDER BY last DESC, c.session
LIMIT %(limit)s::integer

-- update --
-- Every field that is null in the call keeps its value. A new content brings its tokens and its vector along.
WITH before AS (
    SELECT
        id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id, metadata, language,
        created_at, embedding_model, embedding
    FROM conversations
    WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint
    FOR UPDATE
),
changed AS (
    UPDATE conversations m SET
        name = coalesce(%(name)s::text, b.name),
        content = coalesce(%(content)s::text, b.content),
        intent = coalesce(%(intent)s::text, b.intent),
        intent_confidence = CASE
            WHEN %(intent)s::text IS NULL THEN coalesce(%(intent_confidence)s::real, b.intent_confidence)
            ELSE %(intent_confidence)s::real END,
        metadata = coalesce(%(metadata)s::jsonb, b.metadata),
        tokens = CASE WHEN %(content)s::text IS NULL THEN m.tokens ELSE %(tokens)s::integer END,
        embedding = CASE WHEN %(content)s::text IS NULL THEN m.embedding ELSE %(embedding)s::vector END,
        embedding_model = CASE WHEN %(content)s::text IS NULL THEN m.embedding_model ELSE %(embedding_model)s::text END
    FROM before b
    WHERE m.agent_id = %(agent_id)s::text AND m.id = b.id
    RETURNING
        m.id, m.session, m.role, m.name, m.content, m.intent, m.intent_confidence, m.tokens, m.tool_calls,
        m.tool_call_id, m.metadata, m.created_at
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old, old_embedding)
    SELECT
        %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'message', b.id, 'update', to_jsonb(b) - 'embedding',
        CASE WHEN %(content)s::text IS NOT NULL THEN b.embedding END
    FROM before b
)
SELECT * FROM changed

-- delete --
WITH gone AS (
    DELETE FROM conversations WHERE agent_id = %(agent_id)s::text AND id = ANY (%(ids)s::bigint[])
    RETURNING
        id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id, metadata, language,
        created_at, embedding_model, embedding
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'message', id, 'delete', to_jsonb(g) - 'embedding',
    g.embedding
FROM gone g
RETURNING row_id

-- delete_session --
-- A whole conversation. Its summaries quote it, so they go too: an agent makes them anew when it comes back.
WITH summaries AS (
    DELETE FROM agent_steps
    WHERE agent_id = %(agent_id)s::text AND session = %(session)s::text AND kind = 'summary'
),
gone AS (
    DELETE FROM conversations WHERE agent_id = %(agent_id)s::text AND session = %(session)s::text
    RETURNING
        id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id, metadata, language,
        created_at, embedding_model, embedding
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'message', id, 'delete', to_jsonb(g) - 'embedding',
    g.embedding
FROM gone g

-- count --
SELECT count(*) FROM conversations
WHERE agent_id = %(agent_id)s::text AND (%(session)s::text IS NULL OR session = %(session)s::text)

-- lock_session --
-- Until the end of the transaction nobody else who asks for it adds to this session.
SELECT pg_advisory_xact_lock(hashtextextended('memgpt session ' || %(agent_id)s::text || '/' || %(session)s::text, 0))

-- clock --
-- The time now, not that of the beginning of the transaction, which may have waited.
SELECT clock_timestamp()
