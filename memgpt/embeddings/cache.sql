-- get_many --
SELECT hash, embedding FROM embedding_cache
WHERE agent_id = %(agent_id)s::text AND model = %(model)s::text AND hash = ANY (%(hashes)b::bytea[])

-- pay --
-- Keeps vectors, and adds what was paid for them to the day's account.
WITH cached AS (
    INSERT INTO embedding_cache (agent_id, model, hash, embedding)
    SELECT %(agent_id)s::text, %(model)s::text, v.hash, v.embedding
    FROM unnest(%(hashes)b::bytea[], %(embeddings)b::vector[]) AS v (hash, embedding)
    ORDER BY v.hash
    ON CONFLICT (agent_id, model, hash) DO NOTHING
)
INSERT INTO embedding_usage AS u (agent_id, model, texts, requests, tokens, cost)
VALUES (
    %(agent_id)s::text, %(model)s::text, %(texts)s::bigint, %(requests)s::bigint, %(tokens)s::bigint, %(cost)s::numeric)
ON CONFLICT (agent_id, model, day) DO UPDATE SET
    texts = u.texts + excluded.texts, requests = u.requests + excluded.requests, tokens = u.tokens + excluded.tokens,
    cost = u.cost + excluded.cost

-- record --
-- What was paid for, added to the day's.
INSERT INTO embedding_usage AS u (agent_id, model, texts, requests, tokens, cost)
VALUES (
    %(agent_id)s::text, %(model)s::text, %(texts)s::bigint, %(requests)s::bigint, %(tokens)s::bigint, %(cost)s::numeric)
ON CONFLICT (agent_id, model, day) DO UPDATE SET
    texts = u.texts + excluded.texts, requests = u.requests + excluded.requests, tokens = u.tokens + excluded.tokens,
    cost = u.cost + excluded.cost
