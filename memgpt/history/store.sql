-- lock_agent --
-- One undo at a time for an agent.
SELECT agent_id FROM agents WHERE agent_id = %(agent_id)s::text FOR UPDATE

-- undos --
-- Which change took back which, oldest first.
SELECT change_id, undoes FROM memory_history
WHERE agent_id = %(agent_id)s::text AND undoes IS NOT NULL
GROUP BY change_id, undoes
ORDER BY min(id)

-- last_change --
-- The newest change that is no undo and is not taken back.
SELECT change_id FROM memory_history
WHERE agent_id = %(agent_id)s::text AND undoes IS NULL AND change_id <> ALL (%(undone)s::uuid[])
ORDER BY id DESC
LIMIT 1

-- steps --
-- What one change did, oldest first.
SELECT id, kind, row_id, undoes, old IS NOT NULL AS existed, old_embedding IS NOT NULL AS has_vector
FROM memory_history
WHERE agent_id = %(agent_id)s::text AND change_id = %(change_id)s::uuid
ORDER BY id

-- later --
-- What happened afterwards to the rows of a change, newest first; our own undo of it does not count.
SELECT h.id, h.kind, h.row_id, h.change_id, h.undoes, h.actor, h.changed_at
FROM memory_history c
JOIN memory_history h
    ON h.agent_id = %(agent_id)s::text AND h.kind = c.kind AND h.row_id = c.row_id AND h.id > c.id
WHERE c.agent_id = %(agent_id)s::text AND c.id = ANY (%(entries)s::bigint[])
    AND h.change_id <> %(undone)s::uuid AND h.change_id <> %(change_id)s::uuid
ORDER BY h.id DESC

-- entries --
-- The history, newest first. The row after a change is what the next change of that row found, or the live row. An undo
-- writes an entry for each row of the change it takes back, so the last undo of a change is found by the rows; the change is
-- taken back unless that undo is, and so on.
WITH RECURSIVE page AS (
    {page}
),
last_undo AS MATERIALIZED (
    SELECT DISTINCT ON (u.undoes) u.undoes, u.change_id
    FROM (SELECT p.kind, p.row_id, min(p.id) AS id FROM page p GROUP BY p.kind, p.row_id) AS r
    JOIN memory_history u
        ON u.agent_id = %(agent_id)s::text AND u.kind = r.kind AND u.row_id = r.row_id AND u.id > r.id
    WHERE u.undoes IS NOT NULL
    ORDER BY u.undoes, u.id DESC
),
turn (change_id, first, last, number) AS (
    SELECT l.undoes, l.change_id, l.change_id, 1 FROM last_undo l WHERE l.undoes IN (SELECT p.change_id FROM page p)
    UNION ALL
    SELECT t.change_id, t.first, l.change_id, t.number + 1 FROM turn t JOIN last_undo l ON l.undoes = t.last
)
SELECT
    h.id, h.change_id, h.changed_at, h.actor, h.kind, h.row_id, h.action, h.old, h.undoes,
    CASE WHEN n.id IS NOT NULL THEN n.old ELSE
        CASE h.kind
            {rows_now}
        END
    END AS new,
    (SELECT t.first FROM turn t WHERE t.change_id = h.change_id GROUP BY t.first HAVING max(t.number) %% 2 = 1) AS undone_by
FROM page h
LEFT JOIN LATERAL (
    SELECT x.id, x.old FROM memory_history x
    WHERE x.agent_id = %(agent_id)s::text AND x.kind = h.kind AND x.row_id = h.row_id AND x.id > h.id
    ORDER BY x.id
    LIMIT 1
) n ON true
ORDER BY h.id DESC

-- entries_page --
-- Which entries those are.
SELECT h.id, h.change_id, h.changed_at, h.actor, h.kind, h.row_id, h.action, h.old, h.undoes
FROM memory_history h
WHERE h.agent_id = %(agent_id)s::text
    AND (%(kind)s::text IS NULL OR h.kind = %(kind)s::text)
    AND (%(row_id)s::bigint IS NULL OR h.row_id = %(row_id)s::bigint)
    AND (%(change_id)s::uuid IS NULL OR h.change_id = %(change_id)s::uuid)
    AND (%(before)s::bigint IS NULL OR h.id < %(before)s::bigint)
    AND (%(actor)s::text IS NULL OR h.actor = %(actor)s::text)
    AND (%(action)s::text IS NULL OR h.action = %(action)s::text)
    AND (%(since)s::timestamptz IS NULL OR h.changed_at >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR h.changed_at < %(until)s::timestamptz)
    AND (%(label)s::text IS NULL OR h.kind = 'block' AND h.row_id IN (
        SELECT b.id FROM core_memories b WHERE b.agent_id = %(agent_id)s::text AND b.label = %(label)s::text
        UNION ALL
        SELECT b.row_id FROM memory_history b
        WHERE b.agent_id = %(agent_id)s::text AND b.kind = 'block' AND b.old ->> 'label' = %(label)s::text))
ORDER BY h.id DESC
LIMIT %(limit)s::bigint

-- row_now --
WHEN {kind} THEN (SELECT to_jsonb(r) FROM (
    SELECT {columns} FROM {table} WHERE agent_id = %(agent_id)s::text AND id = h.row_id) AS r)

-- put --
-- Rows as they were before a change, read from its entries; a row that is gone comes back with its id. What target reads
-- of the rows there are is locked and read before it is written.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
before AS (
    SELECT {stored} FROM {table}
    WHERE agent_id = %(agent_id)s::text AND id IN (
        SELECT h.row_id FROM memory_history h
        WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[]))
    FOR UPDATE
),
target AS (
    SELECT {brought_back}, m.id IS NOT NULL AS existed
    FROM memory_history h
    CROSS JOIN moment
    CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, h.old) t
    LEFT JOIN before m ON m.id = h.row_id
    LEFT JOIN memory_history e
        ON e.agent_id = %(agent_id)s::text AND e.id = ANY (%(vectors)s::bigint[]) AND e.kind = {kind}
            AND e.row_id = h.row_id
    LEFT JOIN embedding_models a
        ON a.active AND a.name = h.old ->> 'embedding_model' AND a.dimensions = vector_dims(e.old_embedding)
    WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[])
),
put AS (
    INSERT INTO {table} (agent_id, {stored})
    SELECT %(agent_id)s::text, {stored} FROM target
    ON CONFLICT (agent_id, id) DO UPDATE SET {excluded}
    RETURNING id
)
INSERT INTO memory_history (agent_id, changed_at, change_id, actor, kind, row_id, action, undoes, old, old_embedding)
SELECT
    %(agent_id)s::text, moment.now, %(change_id)s::uuid, %(actor)s::text, {kind}, t.id,
    CASE WHEN t.existed THEN 'update' ELSE 'insert' END, %(undoes)s::uuid, to_jsonb(b) - 'embedding',
    CASE WHEN {b_vector} IS DISTINCT FROM {t_vector} THEN {b_vector} END
FROM put p
CROSS JOIN moment
JOIN target t ON t.id = p.id
LEFT JOIN before b ON b.id = p.id
RETURNING row_id

-- brought_back_version --
coalesce(m.version, t.version) + 1

-- brought_back_updated_at --
moment.now

-- brought_back_embedding --
-- The vector is the one an entry of the change kept; where none did, the row keeps the vector it has. A vector of
-- another model than the active one stays away: it would be compared with vectors it has nothing to do with.
CASE
    WHEN e.id IS NULL THEN CASE WHEN t.embedding_model IS NOT NULL THEN m.embedding END
    WHEN a.name IS NOT NULL THEN e.old_embedding
END

-- brought_back_embedding_model --
CASE WHEN e.id IS NOT NULL THEN a.name WHEN t.embedding_model IS NOT NULL THEN m.embedding_model END

-- delete --
-- Rows a change had made. A row that later ones depend on stays, and is missing from the answer.
WITH gone AS (
    DELETE FROM {table} m
    WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (%(ids)s::bigint[]) {unless}
    RETURNING {stored}
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, {kind}, g.id, 'delete', %(undoes)s::uuid,
    to_jsonb(g) - 'embedding', {g_vector}
FROM gone g
RETURNING row_id

-- unless_document --
AND NOT EXISTS (SELECT FROM document_chunks c WHERE c.agent_id = %(agent_id)s::text AND c.document_id = m.id)

-- unless_file --
AND NOT EXISTS (SELECT FROM file_chunks c WHERE c.agent_id = %(agent_id)s::text AND c.file_id = m.id)

-- unless_entity --
AND NOT EXISTS (SELECT FROM kg_relationships r WHERE r.agent_id = %(agent_id)s::text AND r.source_id = m.id)
AND NOT EXISTS (SELECT FROM kg_relationships r WHERE r.agent_id = %(agent_id)s::text AND r.target_id = m.id)
AND NOT EXISTS (
    SELECT FROM kg_entities o
    WHERE o.agent_id = %(agent_id)s::text AND o.merged_into = m.id AND o.id <> ALL (%(ids)s::bigint[]))

-- as_of --
-- The first later change of a row tells what it was; a row without one is as it is now. The last change that had begun by
-- then counts as a whole, for its entries are some microseconds apart.
WITH begun AS (
    SELECT change_id FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND changed_at <= %(time)s::timestamptz
    ORDER BY id DESC
    LIMIT 1
),
later AS (
    SELECT DISTINCT ON (row_id) row_id, old FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND kind = {kind} AND changed_at > %(time)s::timestamptz
        AND (%(id)s::bigint IS NULL OR row_id = %(id)s::bigint)
        AND (%(after)s::bigint IS NULL OR row_id > %(after)s::bigint)
        AND change_id IS DISTINCT FROM (SELECT change_id FROM begun)
    ORDER BY row_id, id
)
SELECT {then}
FROM later l
CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, l.old) t
WHERE l.old IS NOT NULL {t_parent}
UNION ALL
SELECT {now}
FROM {table} m
WHERE m.agent_id = %(agent_id)s::text AND (%(id)s::bigint IS NULL OR m.id = %(id)s::bigint)
    AND (%(after)s::bigint IS NULL OR m.id > %(after)s::bigint)
    AND NOT EXISTS (SELECT FROM later l WHERE l.row_id = m.id) {m_parent}
ORDER BY id
LIMIT %(limit)s::bigint

-- session_then --
AND (%(parent)s::text IS NULL OR t.session = %(parent)s::text)

-- session_now --
AND (%(parent)s::text IS NULL OR m.session = %(parent)s::text)

-- document_then --
AND (%(parent)s::text IS NULL OR t.document_id = %(parent)s::bigint)

-- document_now --
AND (%(parent)s::text IS NULL OR m.document_id = %(parent)s::bigint)

-- of_agent_id --
-- An entry of the history does not say whose it is: it is the agent's.
%(agent_id)s::text
