-- insert --
-- Creates a document, unless the agent has one from that source already: then no row comes back.
WITH inserted AS (
    INSERT INTO documents (agent_id, title, source, media_type, content_hash, tokens, metadata)
    VALUES (
        %(agent_id)s::text, %(title)s::text, %(source)s::text, %(media_type)s::text, %(content_hash)s::text,
        %(tokens)s::integer, %(metadata)s::jsonb)
    ON CONFLICT (agent_id, source) DO NOTHING
    RETURNING id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'document', id, 'insert' FROM inserted
)
SELECT * FROM inserted

-- insert_chunks --
-- Adds chunks to a document.
WITH incoming AS (
    SELECT * FROM unnest(
        %(chunk_index)b::integer[], %(chunk_text)b::text[], %(heading_path)b::jsonb[], %(page)b::integer[], %(char_start)b::integer[],
        %(char_end)b::integer[], %(tokens)b::integer[], %(metadata)b::jsonb[], %(language)b::text[], %(embedding)b::vector[]
    ) WITH ORDINALITY AS i (
        chunk_index, chunk_text, heading_path, page, char_start, char_end, tokens, metadata, language, embedding, ord)
),
inserted AS (
    INSERT INTO document_chunks (
        agent_id, document_id, chunk_index, chunk_text, heading_path, page, char_start, char_end, tokens, metadata,
        language, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, %(document_id)s::bigint, i.chunk_index, i.chunk_text,
        ARRAY(SELECT jsonb_array_elements_text(i.heading_path)), i.page, i.char_start, i.char_end, i.tokens, i.metadata,
        i.language, CASE WHEN i.embedding IS NOT NULL THEN %(embedding_model)s::text END, i.embedding
    FROM incoming i
    ORDER BY i.ord
    RETURNING id
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'chunk', id, 'insert' FROM inserted

-- get --
SELECT id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at
FROM documents
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint

-- find --
SELECT id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at
FROM documents
WHERE agent_id = %(agent_id)s::text AND source = %(source)s::text

-- list --
-- Newest first; a page goes on after the last row of the one before.
SELECT id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at
FROM documents
WHERE agent_id = %(agent_id)s::text
    AND (%(before)s::timestamptz IS NULL
        OR (created_at, id) < (%(before)s::timestamptz, %(before_id)s::bigint))
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s::integer

-- fingerprints --
-- What is there from one of these sources, or with one of these contents; everything when both are null.
SELECT id, source, content_hash
FROM documents
WHERE agent_id = %(agent_id)s::text
    AND (%(sources)s::text[] IS NULL OR source = ANY (%(sources)s::text[]) OR content_hash = ANY (%(hashes)s::text[]))
ORDER BY id

-- lock --
-- Makes other writers of this document wait.
SELECT content_hash FROM documents WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint FOR UPDATE

-- move_chunks --
-- Chunks whose text did not change, at their new places; those that did not move are not written.
WITH incoming AS (
    SELECT * FROM unnest(
        %(ids)b::bigint[], %(chunk_index)b::integer[], %(page)b::integer[], %(char_start)b::integer[],
        %(char_end)b::integer[], %(metadata)b::jsonb[]
    ) AS i (id, chunk_index, page, char_start, char_end, metadata)
),
before AS (
    SELECT
        c.id, c.document_id, c.chunk_index, c.chunk_text, c.heading_path, c.page, c.char_start, c.char_end, c.tokens,
        c.metadata, c.language, c.created_at, c.embedding_model
    FROM document_chunks c
    JOIN incoming i ON i.id = c.id
    WHERE c.agent_id = %(agent_id)s::text
        AND (c.chunk_index, c.page, c.char_start, c.char_end, c.metadata)
            IS DISTINCT FROM (i.chunk_index, i.page, i.char_start, i.char_end, i.metadata)
),
moved AS (
    UPDATE document_chunks c SET
        chunk_index = i.chunk_index, page = i.page, char_start = i.char_start, char_end = i.char_end,
        metadata = i.metadata
    FROM incoming i
    WHERE c.agent_id = %(agent_id)s::text AND c.id = i.id AND c.id IN (SELECT id FROM before)
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'chunk', b.id, 'update', to_jsonb(b) FROM before b

-- delete_chunks --
WITH gone AS (
    DELETE FROM document_chunks WHERE agent_id = %(agent_id)s::text AND id = ANY (%(ids)s::bigint[])
    RETURNING
        id, document_id, chunk_index, chunk_text, heading_path, page, char_start, char_end, tokens, metadata, language,
        created_at, embedding_model, embedding
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'chunk', id, 'delete', to_jsonb(g) - 'embedding',
    g.embedding
FROM gone g

-- renew --
-- A document as its source says it now; who wrote it meanwhile has been waited for by "lock".
WITH before AS (
    SELECT id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at
    FROM documents
    WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint
),
changed AS (
    UPDATE documents d SET
        title = %(title)s::text, media_type = %(media_type)s::text, content_hash = %(content_hash)s::text,
        tokens = %(tokens)s::integer, metadata = b.metadata || %(metadata)s::jsonb, updated_at = now()
    FROM before b
    WHERE d.agent_id = %(agent_id)s::text AND d.id = b.id
    RETURNING
        d.id, d.title, d.source, d.media_type, d.content_hash, d.tokens, d.metadata, d.created_at, d.updated_at
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'document', b.id, 'update', to_jsonb(b) FROM before b
)
SELECT * FROM changed

-- get_chunk --
SELECT
    id, document_id, chunk_index, chunk_text, heading_path, page, char_start, char_end, tokens, metadata, created_at
FROM document_chunks
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint

-- chunks --
-- In the order of the document; a page goes on after the last row of the one before.
SELECT
    id, document_id, chunk_index, chunk_text, heading_path, page, char_start, char_end, tokens, metadata, created_at
FROM document_chunks
WHERE agent_id = %(agent_id)s::text AND document_id = %(document_id)s::bigint
    AND (chunk_index, id) > (%(after)s::integer, %(after_id)s::bigint)
ORDER BY chunk_index, id
LIMIT %(limit)s::integer

-- chunk_ids --
SELECT id FROM document_chunks WHERE agent_id = %(agent_id)s::text AND document_id = %(document_id)s::bigint

-- all_chunks --
SELECT
    id, document_id, chunk_index, chunk_text, heading_path, page, char_start, char_end, tokens, metadata, created_at
FROM document_chunks
WHERE agent_id = %(agent_id)s::text AND document_id = %(document_id)s::bigint
ORDER BY chunk_index, id

-- update --
-- Every field that is null in the call keeps its value.
WITH before AS (
    SELECT id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at
    FROM documents
    WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint
    FOR UPDATE
),
changed AS (
    UPDATE documents d SET
        title = coalesce(%(title)s::text, b.title),
        source = coalesce(%(source)s::text, b.source),
        metadata = coalesce(%(metadata)s::jsonb, b.metadata),
        updated_at = now()
    FROM before b
    WHERE d.agent_id = %(agent_id)s::text AND d.id = b.id
    RETURNING
        d.id, d.title, d.source, d.media_type, d.content_hash, d.tokens, d.metadata, d.created_at, d.updated_at
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'document', b.id, 'update', to_jsonb(b) FROM before b
)
SELECT * FROM changed

-- learn --
-- Merges metadata into a document (of a key that both have the new value) and gives it a title, unless that is null. No row
-- comes back, and nothing is written, where nothing is new.
WITH before AS (
    SELECT id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at
    FROM documents
    WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint
    FOR UPDATE
),
changed AS (
    UPDATE documents d SET
        title = coalesce(%(title)s::text, b.title), metadata = b.metadata || %(metadata)s::jsonb, updated_at = now()
    FROM before b
    WHERE d.agent_id = %(agent_id)s::text AND d.id = b.id
        AND (coalesce(%(title)s::text, b.title), b.metadata || %(metadata)s::jsonb) IS DISTINCT FROM (b.title, b.metadata)
    RETURNING
        d.id, d.title, d.source, d.media_type, d.content_hash, d.tokens, d.metadata, d.created_at, d.updated_at
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'document', b.id, 'update', to_jsonb(b)
    FROM before b
    JOIN changed c ON c.id = b.id
)
SELECT * FROM changed

-- delete --
-- Removes a document and its chunks. The chunks are deleted here, not by the foreign key, which writes no history.
WITH gone_chunks AS (
    DELETE FROM document_chunks WHERE agent_id = %(agent_id)s::text AND document_id = %(id)s::bigint
    RETURNING
        id, document_id, chunk_index, chunk_text, heading_path, page, char_start, char_end, tokens, metadata, language,
        created_at, embedding_model, embedding
),
gone AS (
    DELETE FROM documents WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint
    RETURNING id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at
),
logged_chunks AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old, old_embedding)
    SELECT
        %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'chunk', id, 'delete', to_jsonb(g) - 'embedding',
        g.embedding
    FROM gone_chunks g
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'document', id, 'delete', to_jsonb(g) FROM gone g
)
SELECT id FROM gone

-- count --
SELECT count(*) FROM documents WHERE agent_id = %(agent_id)s::text
