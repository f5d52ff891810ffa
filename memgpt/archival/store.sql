-- lock_texts --
-- One batch of an agent at a time: two that share texts in different orders would wait for each other. The lock ends with
-- the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('memgpt archival texts ' || %(agent_id)s::text, 0))

-- remember --
-- One new text: its near-duplicates, the row and its history, in one statement that needs no transaction around it.
-- Answers with the active model; no id where nothing was written, also because a memory has the text already.
WITH {guard},
near AS MATERIALIZED (
    SELECT n.id, n.similarity FROM ({near_duplicates}) AS n
    WHERE %(embedding)s::vector IS NOT NULL AND EXISTS (SELECT FROM current)
),
inserted AS (
    INSERT INTO archival_memories (
        agent_id, text, tags, importance, source, metadata, language, created_at, expires_at, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, %(text)s::text, %(tags)b::text[], %(importance)s::real, %(source)s::text,
        %(metadata)s::jsonb, %(language)s::text, coalesce(%(created_at)s::timestamptz, now()),
        %(expires_at)s::timestamptz,
        CASE WHEN %(embedding)s::vector IS NOT NULL THEN %(embedding_model)s::text END, %(embedding)s::vector
    FROM current
    ON CONFLICT (agent_id, normal_hash) WHERE superseded_at IS NULL DO NOTHING
    RETURNING id
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'archival', id, 'insert' FROM inserted
)
SELECT m.name, m.dimensions, i.id, ARRAY(SELECT n.id FROM near n ORDER BY n.similarity DESC, n.id) AS "similar"
FROM model m
LEFT JOIN inserted i ON true

-- insert --
-- Inserts many texts, each of them once; answers with the place and the id of those that are new. A text that a living
-- memory has already is left to merge, one that an expired memory has to retire_expired.
-- History is written by the same statement. ord keeps the order of the input.
WITH incoming AS (
    SELECT * FROM unnest(
        %(text)b::text[], %(tags)b::jsonb[], %(importance)b::real[], %(source)b::text[], %(metadata)b::jsonb[],
        %(language)b::text[], %(created_at)b::timestamptz[], %(expires_at)b::timestamptz[], %(embedding)b::vector[]
    ) WITH ORDINALITY AS i (
        text, tags, importance, source, metadata, language, created_at, expires_at, embedding, ord)
),
inserted AS (
    INSERT INTO archival_memories (
        agent_id, text, tags, importance, source, metadata, language, created_at, expires_at, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, i.text, ARRAY(SELECT jsonb_array_elements_text(i.tags)), i.importance, i.source, i.metadata,
        i.language, coalesce(i.created_at, now()), i.expires_at,
        CASE WHEN i.embedding IS NOT NULL THEN %(embedding_model)s::text END, i.embedding
    FROM incoming i
    ORDER BY i.ord
    ON CONFLICT (agent_id, normal_hash) WHERE superseded_at IS NULL DO NOTHING
    RETURNING id, text
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'archival', id, 'insert' FROM inserted
)
SELECT i.ord::integer - 1 AS place, n.id
FROM incoming i
JOIN inserted n ON n.text = i.text

-- merge --
-- Folds texts into the living memories that say the same: tags united, metadata merged (of a key that both have the new
-- value), the larger importance, the later expiry, of which none is the latest; a source and a vector where there was
-- none. Answers with the place and the id of each text that lives. A memory that gains nothing is not written. One that
-- comes with an id of its own is not folded into itself.
WITH incoming AS (
    SELECT * FROM unnest(
        %(id)b::bigint[], %(text)b::text[], %(tags)b::jsonb[], %(importance)b::real[], %(source)b::text[],
        %(metadata)b::jsonb[], %(expires_at)b::timestamptz[], %(embedding)b::vector[]
    ) WITH ORDINALITY AS i (id, text, tags, importance, source, metadata, expires_at, embedding, ord)
),
before AS (
    SELECT
        id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at, superseded_by,
        accessed_at, access_count, embedding_model
    FROM archival_memories
    WHERE agent_id = %(agent_id)s::text AND superseded_at IS NULL AND (expires_at IS NULL OR expires_at > now())
        AND normal_hash = ANY (ARRAY(SELECT memory_text_hash(t) FROM unnest(%(text)b::text[]) AS t))
    ORDER BY id
    FOR UPDATE
),
merged AS (
    SELECT
        i.ord, b.id,
        b.tags || ARRAY(
            SELECT t.tag FROM jsonb_array_elements_text(i.tags) WITH ORDINALITY AS t (tag, ord)
            WHERE t.tag <> ALL (b.tags) ORDER BY t.ord) AS tags,
        greatest(b.importance, i.importance) AS importance,
        coalesce(b.source, i.source) AS source,
        b.metadata || i.metadata AS metadata,
        CASE WHEN b.expires_at IS NOT NULL AND i.expires_at IS NOT NULL THEN greatest(b.expires_at, i.expires_at) END
            AS expires_at,
        b.embedding_model IS NULL AND i.embedding IS NOT NULL AS embedded, i.embedding
    FROM incoming i
    JOIN before b ON memory_text_hash(b.text) = memory_text_hash(i.text) AND b.id IS DISTINCT FROM i.id
),
changed AS (
    UPDATE archival_memories m SET
        tags = n.tags,
        importance = n.importance,
        source = n.source,
        metadata = n.metadata,
        expires_at = n.expires_at,
        embedding = CASE WHEN n.embedded THEN n.embedding ELSE m.embedding END,
        embedding_model = CASE WHEN n.embedded THEN %(embedding_model)s::text ELSE b.embedding_model END
    FROM before b
    JOIN merged n ON n.id = b.id
    WHERE m.agent_id = %(agent_id)s::text AND m.id = b.id AND (n.embedded
        OR (n.tags, n.importance, n.source, n.metadata, n.expires_at)
            IS DISTINCT FROM (b.tags, b.importance, b.source, b.metadata, b.expires_at))
    RETURNING m.id
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'archival', b.id, 'update', to_jsonb(b)
    FROM before b
    JOIN changed c ON c.id = b.id
)
SELECT n.ord::integer - 1 AS place, n.id FROM merged n

-- retire_expired --
-- Expired memories give up their texts, so that the same can be remembered again; some keep them.
WITH before AS (
    SELECT
        id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at, superseded_by,
        accessed_at, access_count, embedding_model
    FROM archival_memories
    WHERE agent_id = %(agent_id)s::text AND superseded_at IS NULL AND expires_at <= now()
        AND id <> ALL (%(but)s::bigint[])
        AND normal_hash = ANY (ARRAY(SELECT memory_text_hash(t) FROM unnest(%(texts)s::text[]) AS t))
    ORDER BY id
    FOR UPDATE
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'archival', b.id, 'update', to_jsonb(b) FROM before b
)
UPDATE archival_memories m SET superseded_at = now()
FROM before b
WHERE m.agent_id = %(agent_id)s::text AND m.id = b.id

-- of_text --
-- The memory that has a text now.
SELECT id FROM archival_memories
WHERE agent_id = %(agent_id)s::text AND normal_hash = memory_text_hash(%(text)s::text) AND superseded_at IS NULL

-- hold --
-- A memory that is not superseded: nobody else changes it until the end of the transaction.
SELECT
    id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at, superseded_by,
    accessed_at, access_count
FROM archival_memories
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint AND superseded_at IS NULL
FOR UPDATE

-- get --
SELECT
    id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at, superseded_by,
    accessed_at, access_count
FROM archival_memories
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint

-- list --
-- Newest first; a page goes on after the last row of the one before.
SELECT
    id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at, superseded_by,
    accessed_at, access_count
FROM archival_memories
WHERE agent_id = %(agent_id)s::text
    AND (%(superseded)s::boolean OR superseded_at IS NULL)
    AND (expires_at IS NULL OR expires_at > now())
    {tagged}
    AND (%(tags)b::text[] IS NULL OR tags @> %(tags)b::text[])
    AND (%(before)s::timestamptz IS NULL
        OR (created_at, id) < (%(before)s::timestamptz, %(before_id)s::bigint))
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s::integer

-- tagged --
-- For a request: a policy keeps arrays' operators from their index, so the owner's function looks up.
AND (%(tags)b::text[] IS NULL OR id = ANY ((SELECT memory_matching_tags(%(tags)b::text[]))::bigint[]))

-- update --
-- Every field that is null in the call keeps its value. A new text brings its vector along. What is superseded stays as
-- it is: whoever supersedes first wins, however many try at the same time.
WITH before AS (
    SELECT
        id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at, superseded_by,
        accessed_at, access_count, embedding_model
    FROM archival_memories
    WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint AND superseded_at IS NULL
    FOR UPDATE
),
vector AS (
    SELECT m.embedding FROM archival_memories m
    WHERE m.agent_id = %(agent_id)s::text AND m.id = %(id)s::bigint AND %(text)s::text IS NOT NULL
),
changed AS (
    UPDATE archival_memories m SET
        text = coalesce(%(text)s::text, b.text),
        language = coalesce(%(language)s::text, b.language),
        tags = coalesce(%(tags)b::text[], b.tags),
        importance = coalesce(%(importance)s::real, b.importance),
        source = coalesce(%(source)s::text, b.source),
        metadata = coalesce(%(metadata)s::jsonb, b.metadata),
        expires_at = CASE WHEN %(clear_expiry)s::boolean THEN NULL ELSE coalesce(%(expires_at)s::timestamptz, b.expires_at) END,
        superseded_at = CASE WHEN %(superseded_by)s::bigint IS NULL THEN b.superseded_at ELSE now() END,
        superseded_by = coalesce(%(superseded_by)s::bigint, b.superseded_by),
        embedding = CASE WHEN %(text)s::text IS NULL THEN m.embedding ELSE %(embedding)s::vector END,
        embedding_model = CASE WHEN %(text)s::text IS NULL THEN m.embedding_model ELSE %(embedding_model)s::text END
    FROM before b
    WHERE m.agent_id = %(agent_id)s::text AND m.id = b.id
    RETURNING
        m.id, m.text, m.tags, m.importance, m.source, m.metadata, m.language, m.created_at, m.expires_at,
        m.superseded_at, m.superseded_by, m.accessed_at, m.access_count
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old, old_embedding)
    SELECT
        %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'archival', b.id, 'update', to_jsonb(b),
        (SELECT v.embedding FROM vector v)
    FROM before b
)
SELECT * FROM changed

-- delete --
WITH gone AS (
    DELETE FROM archival_memories WHERE agent_id = %(agent_id)s::text AND id = ANY (%(ids)s::bigint[])
    RETURNING
        id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at, superseded_by,
        accessed_at, access_count, embedding_model, embedding
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'archival', id, 'delete', to_jsonb(g) - 'embedding',
    g.embedding
FROM gone g
RETURNING row_id

-- touch --
-- Says that memories were used. Not part of any read, so that a standby can answer searches; not part of the history.
-- One row in a minute at most: the row is wide, and nobody needs the second.
UPDATE archival_memories SET accessed_at = now(), access_count = access_count + 1
WHERE agent_id = %(agent_id)s::text AND id = ANY (%(ids)s::bigint[])
    AND accessed_at < now() - interval '1 minute'

-- near_duplicates --
-- The nearest living memories of one vector: candidates by their codes, decided by the exact distance
-- (a sum, which no approximate index serves).
SELECT m.id, 1 - (m.embedding <=> {vector}::vector) AS similarity
FROM archival_memories m
WHERE m.agent_id = %(agent_id)s::text
    AND m.id = ANY (ARRAY(
        SELECT x.id FROM archival_memories x
        WHERE x.agent_id = %(agent_id)s::text AND x.embedding_code IS NOT NULL AND x.superseded_at IS NULL
            AND (x.expires_at IS NULL OR x.expires_at > now())
        ORDER BY x.embedding_code {distance} (SELECT {code})
        LIMIT greatest(50, 2 * %(limit)s::integer)))
    AND 1 - (m.embedding <=> {vector}::vector) >= %(threshold)s::real
ORDER BY (m.embedding <=> {vector}::vector) + 0, m.id
LIMIT %(limit)s::integer

-- alike --
-- The same with the memories themselves, of a vector or of the one that a memory has; there is a row also where none is
-- near, which says whether that one has a vector. A memory is no duplicate of itself.
WITH own AS MATERIALIZED (
    SELECT m.embedding FROM archival_memories m WHERE m.agent_id = %(agent_id)s::text AND m.id = %(id)s::bigint
    UNION ALL
    SELECT %(embedding)s::vector WHERE %(id)s::bigint IS NULL
)
SELECT
    m.id, m.text, m.tags, m.importance, m.source, m.metadata, m.language, m.created_at, m.expires_at, m.superseded_at,
    m.superseded_by, m.accessed_at, m.access_count, n.similarity, o.embedding IS NOT NULL AS embedded
FROM own o
LEFT JOIN ({near_duplicates}) AS n ON n.id IS DISTINCT FROM %(id)s::bigint
LEFT JOIN archival_memories m ON m.agent_id = %(agent_id)s::text AND m.id = n.id
ORDER BY n.similarity DESC, n.id
