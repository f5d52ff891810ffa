-- lock --
-- Lets nobody else make or move a file until the end of the transaction, or a file could lie where a directory is.
SELECT agent_id FROM agents WHERE agent_id = %(agent_id)s::text FOR NO KEY UPDATE

-- in_the_way --
-- What keeps a path from being a file's: that file, a file that is one of its directories, or what lies below it. A range of
-- the key is read: "0" comes after "/".
SELECT path FROM files
WHERE agent_id = %(agent_id)s::text AND (
    path = %(path)s::text OR path = ANY (%(parents)s::text[])
    OR path > %(path)s::text || '/' AND path < %(path)s::text || '0')
ORDER BY path <> %(path)s::text, path
LIMIT 1

-- get --
SELECT id, path, content, version, metadata, created_at, updated_at
FROM files
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint

-- find --
SELECT id, path, content, version, metadata, created_at, updated_at
FROM files
WHERE agent_id = %(agent_id)s::text AND path = %(path)s::text

-- list --
-- Files below a directory, by path; a page goes on after a path.
SELECT
    id, path, octet_length(content) AS size, encode(sha256(convert_to(content, 'UTF8')), 'hex') AS sha256, version, metadata,
    created_at, updated_at
FROM files
WHERE agent_id = %(agent_id)s::text
    AND path > %(directory)s::text || '/' AND path < %(directory)s::text || '0'
    AND (%(after)s::text IS NULL OR path > %(after)s::text)
ORDER BY path
LIMIT %(limit)s::integer

-- passages --
SELECT id, metadata ->> 'context' AS context, chunk_text
FROM file_chunks
WHERE agent_id = %(agent_id)s::text AND file_id = %(file_id)s::bigint

-- insert --
WITH inserted AS (
    INSERT INTO files (agent_id, path, content, metadata)
    VALUES (%(agent_id)s::text, %(path)s::text, %(content)s::text, %(metadata)s::jsonb)
    RETURNING id, path, content, version, metadata, created_at, updated_at
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'file', id, 'insert' FROM inserted
)
SELECT * FROM inserted

-- update --
-- A file of this version with another path, content or metadata; no row where somebody else has changed it.
WITH before AS (
    SELECT id, path, content, version, metadata, created_at, updated_at
    FROM files
    WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint AND version = %(version)s::integer
    FOR UPDATE
),
changed AS (
    UPDATE files f SET
        path = %(path)s::text, content = %(content)s::text, metadata = %(metadata)s::jsonb, version = b.version + 1,
        updated_at = now()
    FROM before b
    WHERE f.agent_id = %(agent_id)s::text AND f.id = b.id
    RETURNING f.id, f.path, f.content, f.version, f.metadata, f.created_at, f.updated_at
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'file', b.id, 'update', to_jsonb(b) FROM before b
)
SELECT * FROM changed

-- move --
-- Everything below a directory, to another one. The passages stay: they know the names of their files only.
WITH before AS (
    SELECT id, path, content, version, metadata, created_at, updated_at
    FROM files
    WHERE agent_id = %(agent_id)s::text
        AND path > %(directory)s::text || '/' AND path < %(directory)s::text || '0'
    FOR UPDATE
),
changed AS (
    UPDATE files f SET
        path = %(to)s::text || substr(b.path, char_length(%(directory)s::text) + 1), version = b.version + 1,
        updated_at = now()
    FROM before b
    WHERE f.agent_id = %(agent_id)s::text AND f.id = b.id
    RETURNING f.id, f.path
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'file', b.id, 'update', to_jsonb(b) FROM before b
)
SELECT path FROM changed ORDER BY path

-- delete --
-- A file, or everything below a directory, with the passages: those are deleted here, not by the foreign key, which writes no
-- history. With a version only a file that has it.
WITH doomed AS (
    SELECT id FROM files
    WHERE agent_id = %(agent_id)s::text
        AND (path = %(path)s::text OR path > %(path)s::text || '/' AND path < %(path)s::text || '0')
        AND (%(version)s::integer IS NULL OR version = %(version)s::integer)
    FOR UPDATE
),
gone_chunks AS (
    DELETE FROM file_chunks WHERE agent_id = %(agent_id)s::text AND file_id IN (SELECT id FROM doomed)
    RETURNING
        id, file_id, chunk_text, heading_path, tokens, metadata, language, created_at, embedding_model, embedding
),
gone AS (
    DELETE FROM files WHERE agent_id = %(agent_id)s::text AND id IN (SELECT id FROM doomed)
    RETURNING id, path, content, version, metadata, created_at, updated_at
),
logged_chunks AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old, old_embedding)
    SELECT
        %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'file_chunk', id, 'delete', to_jsonb(g) - 'embedding',
        g.embedding
    FROM gone_chunks g
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'file', id, 'delete', to_jsonb(g) FROM gone g
)
SELECT path FROM gone ORDER BY path

-- insert_passages --
WITH incoming AS (
    SELECT * FROM unnest(
        %(chunk_text)b::text[], %(heading_path)b::jsonb[], %(tokens)b::integer[], %(metadata)b::jsonb[],
        %(language)b::text[], %(embedding)b::vector[]
    ) WITH ORDINALITY AS i (chunk_text, heading_path, tokens, metadata, language, embedding, ord)
),
inserted AS (
    INSERT INTO file_chunks (
        agent_id, file_id, chunk_text, heading_path, tokens, metadata, language, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, %(file_id)s::bigint, i.chunk_text, ARRAY(SELECT jsonb_array_elements_text(i.heading_path)),
        i.tokens, i.metadata, i.language, CASE WHEN i.embedding IS NOT NULL THEN %(embedding_model)s::text END,
        i.embedding
    FROM incoming i
    ORDER BY i.ord
    RETURNING id
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'file_chunk', id, 'insert' FROM inserted

-- delete_passages --
WITH gone AS (
    DELETE FROM file_chunks WHERE agent_id = %(agent_id)s::text AND id = ANY (%(ids)s::bigint[])
    RETURNING
        id, file_id, chunk_text, heading_path, tokens, metadata, language, created_at, embedding_model, embedding
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'file_chunk', id, 'delete', to_jsonb(g) - 'embedding',
    g.embedding
FROM gone g
