-- learn --
-- A text is an example of one intent: given again under another label, it changes sides.
INSERT INTO intent_examples (agent_id, intent, text)
SELECT %(agent_id)s::text, %(intent)s::text, t.text FROM unnest(%(texts)s::text[]) WITH ORDINALITY AS t (text, ord)
ORDER BY t.ord
ON CONFLICT (agent_id, text) DO UPDATE SET intent = excluded.intent

-- unlearn --
DELETE FROM intent_examples
WHERE agent_id = %(agent_id)s::text AND intent = %(intent)s::text
    AND (%(texts)s::text[] IS NULL OR text = ANY (%(texts)s::text[]))

-- examples --
-- With their version: what message insertion compares (insert in store.sql).
SELECT intent, text, bit_xor(hashtextextended(intent || E'\n' || text, 0)) OVER () AS version
FROM intent_examples
WHERE agent_id = %(agent_id)s::text
ORDER BY id

-- statistics --
-- Messages by intent, from conversations_intent_idx alone.
SELECT intent, count(*) AS messages, min(created_at) AS first, max(created_at) AS last
FROM conversations
WHERE agent_id = %(agent_id)s::text AND intent IS NOT NULL
    AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s::timestamptz)
GROUP BY intent
ORDER BY messages DESC, intent
