-- sizes --
-- Embedded rows of one agent by kind, read from the covering indexes, and the last id: what a process begins with. From
-- then on every search counts what has come since (rows_now).
SELECT
    (SELECT count(*) FROM archival_memories
     WHERE agent_id = %(agent_id)s::text AND embedding_code IS NOT NULL AND superseded_at IS NULL) AS archival,
    (SELECT count(*) FROM conversations
     WHERE agent_id = %(agent_id)s::text AND embedding_code IS NOT NULL) AS message,
    (SELECT count(*) FROM document_chunks
     WHERE agent_id = %(agent_id)s::text AND embedding_code IS NOT NULL) AS chunk,
    (SELECT count(*) FROM kg_relationships
     WHERE agent_id = %(agent_id)s::text AND embedding_code IS NOT NULL AND superseded_at IS NULL) AS fact,
    (SELECT count(*) FROM store_items
     WHERE agent_id = %(agent_id)s::text AND embedding_code IS NOT NULL AND text <> '') AS item,
    (SELECT count(*) FROM file_chunks
     WHERE agent_id = %(agent_id)s::text AND embedding_code IS NOT NULL) AS file,
    (SELECT max(id) FROM archival_memories WHERE agent_id = %(agent_id)s::text) AS archival_last,
    (SELECT max(id) FROM conversations WHERE agent_id = %(agent_id)s::text) AS message_last,
    (SELECT max(id) FROM document_chunks WHERE agent_id = %(agent_id)s::text) AS chunk_last,
    (SELECT max(id) FROM kg_relationships WHERE agent_id = %(agent_id)s::text) AS fact_last,
    (SELECT max(id) FROM store_items WHERE agent_id = %(agent_id)s::text) AS item_last,
    (SELECT max(id) FROM file_chunks WHERE agent_id = %(agent_id)s::text) AS file_last,
    (SELECT cardinality(languages) FROM agents WHERE agent_id = %(agent_id)s::text LIMIT 1) AS languages

-- rows_now --
-- Embedded rows of a kind: those that were known, and those with a later id than any of them.
%({kind}_rows)s::bigint + (
    SELECT count(*) FROM {table} m
    WHERE m.agent_id = %(agent_id)s::text AND m.id > %({kind}_last)s::bigint AND m.embedding_model IS NOT NULL {living})

-- counts --
'{kind}', jsonb_build_array(
    {rows_now}, coalesce((SELECT max(m.id) FROM {table} m WHERE m.agent_id = %(agent_id)s::text), 0))

-- linked --
-- The graph arm: texts that mention the names the question asks for, and one step of a random walk from the best texts so
-- far: a text spreads its weight over its names (rare ones more), a name spreads it evenly over the other texts that mention
-- it. Names that too many texts mention tell nothing; of those no more than most_texts + 1 are read. Of the question's names
-- the longest count: "Bank of Ulm" does not also ask for Ulm. The walk goes neither by them, which count already, nor by
-- the name a text begins with, which leads to where it is. Both scores count from 0 to 1, or what is asked hides the step.
WITH seed AS MATERIALIZED (
    SELECT s.ord, s.kind, s.id, s.weight, s.beginning
    FROM unnest(%(seed_kinds)s::text[], %(seed_ids)s::bigint[], %(seed_weights)s::real[], %(seed_beginnings)s::text[])
        WITH ORDINALITY AS s (kind, id, weight, beginning, ord)
),
held AS MATERIALIZED (
    SELECT s.ord, s.weight, m.name
    FROM seed s
    JOIN kg_mentions m ON m.agent_id = %(agent_id)s::text AND s.kind = 'archival' AND m.archival_id = s.id
    WHERE m.name <> '' AND NOT starts_with(s.beginning, m.name)
    UNION ALL
    SELECT s.ord, s.weight, m.name
    FROM seed s
    JOIN kg_mentions m ON m.agent_id = %(agent_id)s::text AND s.kind = 'chunk' AND m.chunk_id = s.id
    WHERE m.name <> '' AND NOT starts_with(s.beginning, m.name)
    UNION ALL
    SELECT 0, 1, n.name FROM unnest(%(names)s::text[]) AS n (name)
),
spread AS MATERIALIZED (
    SELECT n.name, l.kind, l.row_id, l.texts, ln(1 + %(total)s::bigint / l.texts::real) AS rarity
    FROM (SELECT DISTINCT name FROM held) AS n
    CROSS JOIN LATERAL (
        SELECT k.kind, k.row_id, count(*) OVER () AS texts
        FROM (
            SELECT m.kind, m.row_id FROM kg_mentions m
            WHERE m.agent_id = %(agent_id)s::text AND m.name = n.name
            LIMIT %(most_texts)s::bigint + 1
        ) AS k
    ) AS l
    WHERE l.texts <= %(most_texts)s::bigint
),
known AS MATERIALIZED (SELECT DISTINCT name, texts, rarity FROM spread),
asked AS MATERIALIZED (
    SELECT h.name
    FROM held h
    JOIN known s ON s.name = h.name
    WHERE h.ord = 0 AND NOT EXISTS (
        SELECT FROM known longer
        JOIN held other ON other.ord = 0 AND other.name = longer.name
        WHERE longer.name <> h.name AND strpos(' ' || longer.name || ' ', ' ' || h.name || ' ') > 0)
),
part AS MATERIALIZED (
    SELECT h.ord, h.name, h.weight * s.rarity / sum(s.rarity) OVER (PARTITION BY h.ord) / s.texts AS weight
    FROM held h
    JOIN known s ON s.name = h.name
    WHERE (h.ord = 0) = (h.name IN (SELECT a.name FROM asked a))
),
weighed AS MATERIALIZED (
    SELECT
        p.name, coalesce(sum(p.weight) FILTER (WHERE p.ord = 0), 0) AS asked,
        coalesce(sum(p.weight) FILTER (WHERE p.ord > 0), 0) AS step
    FROM part p
    GROUP BY p.name
),
scored AS (
    SELECT
        r.kind, r.id, sum(r.asked) AS asked, sum(r.step) AS step,
        array_agg(r.name) AS names, array_agg(r.asked) AS by_asked, array_agg(r.step) AS by_step
    FROM (
        SELECT s.kind, s.row_id AS id, w.name, w.asked, w.step
        FROM spread s
        JOIN weighed w ON w.name = s.name
        UNION ALL
        SELECT s.kind, s.id, NULL, 0, %(stays)s::real * s.weight
            - coalesce((SELECT sum(p.weight) FROM part p WHERE p.ord = s.ord), 0)
        FROM seed s
    ) AS r
    WHERE r.kind = ANY (%(kinds)s::text[])
    GROUP BY r.kind, r.id
),
best AS MATERIALIZED (
    SELECT s.*
    FROM scored s
    ORDER BY
        s.asked / coalesce(nullif(max(s.asked) OVER (), 0), 1) + s.step / coalesce(nullif(max(s.step) OVER (), 0), 1) DESC,
        s.kind, s.id
    LIMIT %(limit)s::integer
)
SELECT
    t.kind, t.id, t.text, t.metadata, t.created_at, t.source,
    t.asked / coalesce(nullif(max(t.asked) OVER (), 0), 1)
        + t.step / coalesce(nullif(max(t.step) OVER (), 0), 1) AS similarity
FROM ({texts}) AS t
ORDER BY similarity DESC, t.kind, t.id

-- occurring --
-- Which of the phrases occur in any row that the filters leave: one that occurs nowhere is not demanded. They are parsed
-- first, since a policy keeps a condition that parses them from the index.
WITH {spoken},
asked AS MATERIALIZED (
    SELECT p.ord::integer AS ord, string_agg(
        DISTINCT '(' || nullif(websearch_to_tsquery(s.language, memory_bigrams(p.phrase))::text, '') || ')', ' | ')::tsquery AS query
    FROM spoken s
    CROSS JOIN unnest(%(phrases)s::text[]) WITH ORDINALITY AS p (phrase, ord)
    GROUP BY p.ord
)
SELECT p.ord
FROM asked p
WHERE {anywhere}
ORDER BY p.ord

-- occurs --
EXISTS (
    SELECT FROM {table} m
    WHERE {own}
        {occurs_match}
        AND m.search @@ p.query {open} {filters})

-- occurs_match --
-- As in match.
AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
    && memory_word_keys(%(agent_id)s::text, memory_query_words(p.query))
AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
    && memory_word_keys(%(agent_id)s::text, memory_query_words(p.query))

-- occurs_looked_up --
-- A scalar: of EXISTS the planner would make a join, and look up for each row anew.
coalesce((
    SELECT true FROM {table} m
    WHERE m.agent_id = %(agent_id)s::text
        AND m.id = ANY ((
            SELECT memory_matching_{kind}(p.query))::bigint[])
        {open} {filters}
    LIMIT 1), false)

-- vocabulary --
-- Which of these words, all of them one edit away from a word that no row has, the rows of the agent have: those of each
-- stem, of most rows first. The first rows that have any are looked at. They are one text, in which each has its place.
WITH {spoken},
readings AS MATERIALIZED (
    SELECT to_tsvector(s.language, %(words)s::text) AS vector FROM spoken s
),
asked AS MATERIALIZED (
    SELECT DISTINCT l.lexeme FROM readings r CROSS JOIN unnest(tsvector_to_array(r.vector)) AS l (lexeme)
)
SELECT ARRAY(
    SELECT DISTINCT (string_to_array(%(words)s::text, ' '))[p.place]
    FROM readings r
    CROSS JOIN LATERAL unnest(r.vector) AS u
    CROSS JOIN LATERAL unnest(u.positions) AS p (place)
    WHERE u.lexeme = best.lexeme)
FROM (
    SELECT a.lexeme, count(*) AS rows
    FROM ({texts}) AS t (lexeme)
    JOIN asked a ON a.lexeme = t.lexeme
    GROUP BY a.lexeme
    ORDER BY count(*) DESC, a.lexeme
    LIMIT 8
) AS best
ORDER BY best.rows DESC, best.lexeme

-- words_of --
(SELECT unnest(tsvector_to_array(m.search))
 FROM (
    SELECT m.search FROM {table} m
    WHERE {own}
        {match_any}
        AND m.search @@ {any_word}
        {open}
    LIMIT 300
 ) AS m)

-- any_word --
(SELECT string_agg('''' || replace(replace(a.lexeme, E'\\', E'\\\\'), '''', '''''') || '''', ' | ')::tsquery FROM asked a)

-- match_any --
-- Once, other than in match: an index scan compares each of hundreds of keys with each other one.
AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
    && (SELECT memory_word_keys(%(agent_id)s::text, array_agg(a.lexeme)) FROM asked a)

-- match_any_looked_up --
AND m.id = ANY ((SELECT memory_matching_{kind}({any_word}))::bigint[])

-- linked_text --
-- What names bring to a text that begins with them, and so is about them, counts several times.
SELECT '{kind}' AS kind, {hit}, b.asked + coalesce(o.asked, 0) AS asked, b.step + coalesce(o.step, 0) AS step
FROM best b
JOIN {table} m ON m.agent_id = %(agent_id)s::text AND m.id = b.id AND b.kind = '{kind}'
{joins}
CROSS JOIN LATERAL (
    SELECT (%(about)s::real - 1) * sum(n.asked) AS asked, (%(about)s::real - 1) * sum(n.step) AS step
    FROM (SELECT lower(left({titled}, 120)) AS beginning OFFSET 0) AS x
    CROSS JOIN unnest(b.names, b.by_asked, b.by_step) AS n (name, asked, step)
    WHERE starts_with(x.beginning, n.name) OR starts_with(x.beginning, 'the ' || n.name)
        OR starts_with(x.beginning, 'a ' || n.name) OR starts_with(x.beginning, 'an ' || n.name)
) AS o
WHERE true {open} {filters}

-- archival_titled --
m.text

-- chunk_titled --
concat_ws(E'\n', nullif(d.title, ''), m.chunk_text)

-- found --
-- The first row says, as of the same moment, of which model the searched vectors are, in which time zone the agent's people
-- live, how many rows it has now, and whether names of the graph are mentioned; it is there also where nothing is found. There is
-- one row of the agent; LIMIT 1 lets the search go on where a test takes the condition away and leaves isolation to the policies.
SELECT
    found.*,
    CASE WHEN row_number() OVER () = 1 THEN jsonb_build_object(
        'model', a.name, 'dimensions', a.dimensions,
        'time_zone', (SELECT g.time_zone FROM agents g WHERE g.agent_id = %(agent_id)s::text LIMIT 1),
        'languages', (SELECT cardinality(g.languages) FROM agents g WHERE g.agent_id = %(agent_id)s::text LIMIT 1),
        'mentions', EXISTS (SELECT FROM kg_mentions k WHERE k.agent_id = %(agent_id)s::text AND k.name > ''),
        'counts', jsonb_build_object({counts}))::text END AS head
FROM embedding_models a
LEFT JOIN ({found}) AS found ON true
WHERE a.active

-- What the kinds have in common is said once; {names} stand for what the next blocks say of each kind.

-- near --
-- Candidates by their codes: an index-only scan of the agent's rows. What the filters need would make it read the
-- table, so there is a form without and a form with filters.
SELECT m.id FROM {table} m
WHERE m.agent_id = %(agent_id)s::text AND m.embedding_code IS NOT NULL {open}
ORDER BY m.embedding_code {distance} (SELECT {code})
LIMIT {most}

-- near_filtered --
SELECT m.id FROM {table} m
WHERE m.agent_id = %(agent_id)s::text AND m.embedding_code IS NOT NULL {open} {tagged} {filters}
ORDER BY m.embedding_code {distance} (SELECT {code})
LIMIT {most}

-- near_nothing --
-- Without a vector nothing is near, whatever the type of the codes.
SELECT NULL::bigint WHERE false

-- most --
%({kind}_candidates)s::integer

-- most_needed --
(SELECT c.needed FROM confirmed c)

-- nearest --
-- Exact distances are ordered by a sum, which no approximate index serves: one that PostgreSQL took here would lose rows.
SELECT '{kind}' AS kind, {hit}, 1 - (m.embedding <=> %(embedding)s::vector) AS similarity
FROM {table} m
{joins}
WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (ARRAY({near}))
ORDER BY (m.embedding <=> %(embedding)s::vector) + 0, m.id
LIMIT %(limit)s::integer

-- nearest_by_bits --
-- Bits hardly tell the nearest apart where nothing is near, as among random vectors. The Hamming distance of a row is then
-- normal around half the bits; that of the last one found lies 2/pi * similarity * sqrt(dimensions) deviations below, give
-- or take one, and so many rows lie below that have to be proposed to hold it. The 1.9 is fitted to simulated Gaussian
-- vectors (1,000 to 30,000 rows, 256 to 1,536 dimensions) for recall 0.99 over ten neighbours. Where it takes a third of
-- all rows or more, the distances of all cost less. What is not needed is not executed.
WITH proposed AS MATERIALIZED (
    SELECT m.id, 1 - (m.embedding <=> %(embedding)s::vector) AS similarity
    FROM {table} m
    WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (ARRAY({near}))
    ORDER BY (m.embedding <=> %(embedding)s::vector) + 0, m.id
    LIMIT %(limit)s::integer
),
confirmed AS MATERIALIZED (
    SELECT CASE WHEN count(*) < %(limit)s::integer THEN 0 ELSE
        ceil(least(%({kind}_rows)s::bigint, %({kind}_rows)s::bigint / 2 * erfc(
            (2 / pi() * min(p.similarity) * sqrt(vector_dims(%(embedding)s::vector)) - 1.9) / sqrt(2))))::bigint END AS needed
    FROM proposed p
)
SELECT '{kind}' AS kind, {hit}, 1 - (m.embedding <=> %(embedding)s::vector) AS similarity
FROM {table} m
{joins}
WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (
    CASE WHEN (SELECT c.needed FROM confirmed c) <= %({kind}_candidates)s::integer THEN ARRAY(SELECT p.id FROM proposed p)
    WHEN (SELECT c.needed FROM confirmed c) < %({kind}_rows)s::bigint / 3 THEN ARRAY({near_again})
    ELSE ARRAY({exact}) END)
ORDER BY (m.embedding <=> %(embedding)s::vector) + 0, m.id
LIMIT %(limit)s::integer

-- exact --
SELECT m.id FROM {table} m
WHERE m.agent_id = %(agent_id)s::text AND m.embedding_code IS NOT NULL {open}
ORDER BY (m.embedding <=> %(embedding)s::vector) + 0, m.id
LIMIT %(limit)s::integer

-- exact_filtered --
SELECT m.id FROM {table} m
WHERE m.agent_id = %(agent_id)s::text AND m.embedding_code IS NOT NULL {open} {tagged} {filters}
ORDER BY (m.embedding <=> %(embedding)s::vector) + 0, m.id
LIMIT %(limit)s::integer

-- arms --
-- The best rows of the full-text arm (BM25 with the agent's own statistics), of the vector arm and, where asked, the
-- latest ones. Which words a row has are the bits of one number: words that all rows have cost a row each, not one for each
-- word, and what rows with the same words are worth is worked out once.
{spoken},
asked AS MATERIALIZED (
    SELECT
        w.lexemes, w.lexemes[1] AS lexeme, (row_number() OVER (ORDER BY w.place, w.lexemes))::integer AS ord,
        (SELECT string_agg(
            '''' || replace(replace(l.word, E'\\', E'\\\\'), '''', '''''') || '''', ' | ')
         FROM unnest(w.lexemes) AS l (word))::tsquery AS query
    FROM (
        SELECT p.lexemes, min(p.place) AS place
        FROM {words_by_place} AS p
        GROUP BY p.lexemes
        ORDER BY min(p.place), p.lexemes
        LIMIT 32
    ) AS w
),
demanded AS MATERIALIZED (
    SELECT string_agg('(' || d.query || ')', ' & ')::tsquery AS query
    FROM (
        SELECT string_agg(
            DISTINCT '(' || nullif(websearch_to_tsquery(s.language, memory_bigrams(p.phrase))::text, '') || ')', ' | ')
        FROM spoken s
        CROSS JOIN unnest(%(phrases)s::text[]) AS p (phrase)
        GROUP BY p.phrase
        UNION ALL
        SELECT DISTINCT '!(' || nullif(phraseto_tsquery(s.language, memory_bigrams(x.phrase))::text, '') || ')'
        FROM spoken s
        CROSS JOIN unnest(%(excluded)s::text[]) AS x (phrase)
    ) AS d (query)
),
matched AS MATERIALIZED (
    SELECT m.id, {said_in} length(m.search) AS length, w.words
    FROM {table} m
    CROSS JOIN LATERAL (
        SELECT bit_or(1::bigint << a.ord) AS words FROM asked a WHERE m.search @@ a.query
    ) AS w
    WHERE {own}
        {match}
        AND w.words IS NOT NULL
        {open} {filters}
        AND ((SELECT query FROM demanded) IS NULL OR m.search @@ (SELECT query FROM demanded))
),
alike AS MATERIALIZED (
    SELECT m.words, count(*) AS texts, sum(m.length) AS length FROM matched m GROUP BY m.words
),
frequencies AS MATERIALIZED (
    SELECT a.ord, a.lexeme, coalesce(sum(k.texts), 0)::bigint AS frequency, sum(k.length) AS length
    FROM asked a
    LEFT JOIN alike k ON k.words & (1::bigint << a.ord) <> 0
    GROUP BY a.ord, a.lexeme
),
statistics AS MATERIALIZED (
    SELECT
        coalesce(array_agg(f.lexeme ORDER BY f.ord), '{}') AS terms,
        coalesce(array_agg(f.frequency ORDER BY f.ord), '{}') AS document_frequencies,
        greatest({rows_now}, coalesce(max(f.frequency), 0)) AS total,
        coalesce(sum(f.length) / nullif(sum(f.frequency), 0), 1)::double precision AS mean_length
    FROM frequencies f
),
lexical AS (
    SELECT m.id, w.rarity / (1 + 0.9::float8 * (0.7::float8 + 0.3::float8 * m.length / s.mean_length)) AS score
    FROM (
        SELECT
            k.words,
            sum(ln(1 + (s.total - f.frequency + 0.5::float8) / (f.frequency + 0.5::float8)) ORDER BY f.ord) AS rarity
        FROM alike k
        JOIN frequencies f ON k.words & (1::bigint << f.ord) <> 0
        CROSS JOIN statistics s
        GROUP BY k.words
    ) AS w
    JOIN matched m ON m.words = w.words
    CROSS JOIN statistics s
    ORDER BY score DESC, m.id
    LIMIT %(lexical_seeds)s::integer
),
near AS (
    SELECT m.id FROM {table} m
    WHERE %(embedding)s::vector IS NOT NULL AND m.agent_id = %(agent_id)s::text AND m.id = ANY (ARRAY({near}))
        AND ((SELECT query FROM demanded) IS NULL OR m.search @@ (SELECT query FROM demanded))
    ORDER BY (m.embedding <=> %(embedding)s::vector) + 0, m.id
    LIMIT %(vector_seeds)s::integer
),
recent AS (
    SELECT m.id FROM {table} m
    WHERE m.agent_id = %(agent_id)s::text
        {open} {tagged} {filters}
        AND ((SELECT query FROM demanded) IS NULL OR m.search @@ (SELECT query FROM demanded))
    ORDER BY {recorded} DESC, m.id DESC
    LIMIT %(recent_seeds)s::integer
)

-- spoken --
-- The languages of the agent's texts, beside the configured one.
spoken AS MATERIALIZED (
    SELECT DISTINCT l.name::regconfig AS language, l.name = %(asked_in)s::text AS own
    FROM (
        SELECT %(language)s::text
        UNION ALL
        SELECT unnest(g.languages) FROM agents g WHERE g.agent_id = %(agent_id)s::text
    ) AS l (name)
)

-- words_by_place --
-- A word of the query is what each language makes of it: they count places alike. What is a stop word in the query's own
-- language is none.
(SELECT array_agg(DISTINCT v.lexeme) AS lexemes, v.place
 FROM (
    SELECT s.own, t.lexeme, unnest(t.positions) AS place
    FROM spoken s
    CROSS JOIN LATERAL unnest(to_tsvector(s.language, memory_bigrams(%(words)s::text))) AS t
 ) AS v
 GROUP BY v.place
 HAVING bool_or(v.own) OR NOT EXISTS (SELECT FROM spoken s WHERE s.own))

-- own --
m.agent_id = %(agent_id)s::text

-- own_by_key --
-- By bytes, as no index on agent_id compares: the keys have the agent, so it would only be read beside them.
m.agent_id = %(agent_id)s::text COLLATE "C"

-- match --
-- The index holds keys of agent and word; what they find is checked by its words. Twice, because the planner takes an array
-- that it does not know for a hundredth of the table, and plans workers and compilation for it; the index reads them once.
AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
    && (SELECT memory_word_keys(%(agent_id)s::text, array_agg(w.lexeme)) FROM asked q CROSS JOIN unnest(q.lexemes) AS w (lexeme))
AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
    && (SELECT memory_word_keys(%(agent_id)s::text, array_agg(w.lexeme)) FROM asked q CROSS JOIN unnest(q.lexemes) AS w (lexeme))

-- match_looked_up --
-- For a request, from which a policy keeps the index: the owner's function looks up which rows of the agent match. An
-- array, so that the rows are one scan, and the policy one test.
AND m.id = ANY ((
    SELECT memory_matching_{kind}(string_agg(q.query::text, ' | ')::tsquery) FROM asked q)::bigint[])

-- archival_match_looked_up --
AND m.id = ANY ((
    SELECT CASE WHEN %(tags)s::text[] IS NULL THEN memory_matching_archival(q.query)
        ELSE memory_matching_archival(q.query, %(tags)s::text[]) END
    FROM (SELECT string_agg(a.query::text, ' | ')::tsquery AS query FROM asked a) AS q)::bigint[])

-- named --
e.name_keys @@ memory_name_query(%(names)s::text[])

-- named_looked_up --
e.id = ANY ((SELECT memory_matching_entity(memory_name_query(%(names)s::text[])))::bigint[])

-- ranked --
-- Hybrid search: what the arms find, with everything the ranking needs to know about each, in one statement.
WITH {arms}
SELECT '{kind}' AS kind, {hit}, {alone}, NULL::integer AS hops, {terms}, {totals}
FROM {table} m
{joins}
CROSS JOIN statistics s_
WHERE m.agent_id = %(agent_id)s::text
    AND m.id = ANY (ARRAY(SELECT id FROM lexical UNION SELECT id FROM near UNION SELECT id FROM recent))

-- alone --
-- What only messages have, and the similarity.
{own_session} AS session, NULL::text AS role, NULL::text AS name, NULL::text AS intent, true AS candidate,
NULL::bigint[] AS before, NULL::bigint[] AS after, NULL::bigint[] AS session_frequencies,
1 - (m.embedding <=> %(embedding)s::vector) AS similarity

-- terms --
{frequencies_in} AS frequencies,
NULL::integer[] AS matches

-- frequencies_in --
-- How often a row has each word. Of most words it has none, which is cheap to tell: no join, which hashes anew for every row.
ARRAY(
    SELECT CASE WHEN m.search @@ a.query THEN (
        SELECT coalesce(sum(cardinality(u.positions)), 0)::integer
        FROM unnest(m.search) AS u WHERE u.lexeme = ANY (a.lexemes)) ELSE 0 END
    FROM asked a ORDER BY a.ord)

-- totals --
length(m.search) AS length,
CASE WHEN row_number() OVER () = 1 THEN s_.terms END AS terms,
CASE WHEN row_number() OVER () = 1 THEN s_.document_frequencies END AS document_frequencies,
s_.total, s_.mean_length

-- message_ranked --
-- The same for messages, which stand in a conversation: the neighbours of what the arms find are candidates too (an
-- answer follows its question), and their neighbours in turn come along as context (candidate = false).
WITH {arms},
windows AS MATERIALIZED (
    SELECT
        m.id, m.session,
        ARRAY(
            SELECT b.id FROM conversations b
            WHERE b.agent_id = %(agent_id)s::text AND b.session = m.session
                AND (b.created_at, b.id) < (m.created_at, m.id)
            ORDER BY b.created_at DESC, b.id DESC
            LIMIT 4) AS before,
        ARRAY(
            SELECT b.id FROM conversations b
            WHERE b.agent_id = %(agent_id)s::text AND b.session = m.session
                AND (b.created_at, b.id) > (m.created_at, m.id)
            ORDER BY b.created_at, b.id
            LIMIT 4) AS after
    FROM conversations m
    WHERE m.agent_id = %(agent_id)s::text
        AND m.id = ANY (ARRAY(SELECT id FROM lexical UNION SELECT id FROM near UNION SELECT id FROM recent))
),
{in_sessions}
SELECT
    -- what a kit keeps of its turn may be megabytes, of hundreds of candidates
    'message' AS kind, m.id, m.content AS text, (m.metadata - 'kit_turn')::text AS metadata, m.created_at AS created_at,
    NULL::text AS source,
    m.session, m.role, m.name, m.intent,
    c.candidate {filters}
        AND ((SELECT query FROM demanded) IS NULL OR m.search @@ (SELECT query FROM demanded)) AS candidate,
    c.before, c.after, CASE WHEN c.before IS NOT NULL THEN f_.frequencies END AS session_frequencies,
    1 - (m.embedding <=> %(embedding)s::vector) AS similarity, NULL::integer AS hops,
    NULL::bigint[] AS frequencies, ARRAY(SELECT a.ord FROM asked a WHERE m.search @@ a.query) AS matches,
    {totals}
FROM chosen c
JOIN conversations m ON m.agent_id = %(agent_id)s::text AND m.id = c.id
LEFT JOIN session_frequencies f_ ON f_.session = m.session
CROSS JOIN statistics s_

-- archival_ranked_beside --
-- The same for archival memories, of which many were turns: those that say of which session or source they are have
-- neighbours, the memories of the same one that were remembered beside them or, where that was not in the order of their
-- times, lie beside them in time.
WITH {arms},
found AS MATERIALIZED (
    SELECT m.id, m.created_at, {session_of} AS session
    FROM archival_memories m
    WHERE m.agent_id = %(agent_id)s::text
        AND m.id = ANY (ARRAY(SELECT id FROM lexical UNION SELECT id FROM near UNION SELECT id FROM recent))
),
windows AS MATERIALIZED (
    SELECT
        f.id, f.session,
        CASE WHEN f.session IS NOT NULL THEN coalesce(
            nullif(ARRAY(
                SELECT b.id
                FROM (
                    SELECT m.id, m.created_at, {session_of} AS session FROM archival_memories m
                    WHERE m.agent_id = %(agent_id)s::text AND m.id < f.id {living}
                    ORDER BY m.id DESC
                    LIMIT 8
                ) AS b
                WHERE b.session = f.session AND (b.created_at, b.id) < (f.created_at, f.id)
                ORDER BY b.created_at DESC, b.id DESC
                LIMIT 4), '{}'),
            ARRAY(
                SELECT b.id
                FROM (
                    SELECT m.id, m.created_at, {session_of} AS session FROM archival_memories m
                    WHERE m.agent_id = %(agent_id)s::text AND m.created_at < f.created_at {living}
                    ORDER BY m.created_at DESC
                    LIMIT 8
                ) AS b
                WHERE b.session = f.session
                ORDER BY b.created_at DESC, b.id DESC
                LIMIT 4)) END AS before,
        CASE WHEN f.session IS NOT NULL THEN coalesce(
            nullif(ARRAY(
                SELECT a.id
                FROM (
                    SELECT m.id, m.created_at, {session_of} AS session FROM archival_memories m
                    WHERE m.agent_id = %(agent_id)s::text AND m.id > f.id {living}
                    ORDER BY m.id
                    LIMIT 8
                ) AS a
                WHERE a.session = f.session AND (a.created_at, a.id) > (f.created_at, f.id)
                ORDER BY a.created_at, a.id
                LIMIT 4), '{}'),
            ARRAY(
                SELECT a.id
                FROM (
                    SELECT m.id, m.created_at, {session_of} AS session FROM archival_memories m
                    WHERE m.agent_id = %(agent_id)s::text AND m.created_at > f.created_at {living}
                    ORDER BY m.created_at
                    LIMIT 8
                ) AS a
                WHERE a.session = f.session
                ORDER BY a.created_at, a.id
                LIMIT 4)) END AS after
    FROM found f
),
{in_sessions}
SELECT
    'archival' AS kind, {hit}, c.session, CASE WHEN c.session IS NOT NULL THEN m.metadata ->> 'role' END AS role,
    CASE WHEN c.session IS NOT NULL THEN coalesce(
        m.metadata ->> 'speaker', m.metadata ->> 'name', m.metadata ->> 'author',
        substring(m.text FROM E'^([[:upper:]][^:.!?\\n]{0,39}): ')) END AS name,
    NULL::text AS intent,
    c.candidate {filters}
        AND ((SELECT query FROM demanded) IS NULL OR m.search @@ (SELECT query FROM demanded)) AS candidate,
    c.before, c.after, CASE WHEN c.before IS NOT NULL THEN f_.frequencies END AS session_frequencies,
    1 - (m.embedding <=> %(embedding)s::vector) AS similarity, NULL::integer AS hops,
    CASE WHEN c.found THEN {frequencies_in} END AS frequencies,
    CASE WHEN NOT c.found THEN ARRAY(SELECT a.ord FROM asked a WHERE m.search @@ a.query) END AS matches,
    {totals}
FROM chosen c
JOIN archival_memories m ON m.agent_id = %(agent_id)s::text AND m.id = c.id
LEFT JOIN session_frequencies f_ ON f_.session = c.session
CROSS JOIN statistics s_

-- session_of --
-- What a memory says of the conversation or the source it is from; most say nothing.
coalesce(
    CASE WHEN m.metadata <> '{}' THEN coalesce(
        m.metadata ->> 'session', m.metadata ->> 'session_id', m.metadata ->> 'conversation', m.metadata ->> 'conversation_id',
        m.metadata ->> 'thread_id', m.metadata ->> 'chat_id', m.metadata ->> 'run_id') END,
    m.source, m.metadata ->> 'source')

-- in_sessions --
-- The neighbours of what the arms find are candidates up to two turns away; the words of whole sessions.
chosen AS MATERIALIZED (
    SELECT
        u.id, min(u.distance) <= 2 AS candidate, {windowed} max(u.before) AS before, max(u.after) AS after
    FROM windows w
    CROSS JOIN LATERAL (
        SELECT w.id, 0 AS distance, w.before, w.after
        UNION ALL SELECT b.id, b.distance, NULL, NULL FROM unnest(w.before) WITH ORDINALITY AS b (id, distance)
        UNION ALL SELECT a.id, a.distance, NULL, NULL FROM unnest(w.after) WITH ORDINALITY AS a (id, distance)
    ) AS u (id, distance, before, after)
    GROUP BY u.id
),
session_frequencies AS MATERIALIZED (
    SELECT counted.session, array_agg(counted.frequency ORDER BY counted.ord) AS frequencies
    FROM (
        SELECT i.session, a.ord, count(m.id) AS frequency
        FROM (SELECT DISTINCT session FROM windows WHERE session IS NOT NULL) i
        CROSS JOIN asked a
        LEFT JOIN (
            SELECT {session} AS session, m.id, m.words FROM matched m
            WHERE EXISTS (SELECT FROM windows WHERE session IS NOT NULL)
        ) AS m ON m.session = i.session AND m.words & (1::bigint << a.ord) <> 0
        GROUP BY i.session, a.ord
    ) AS counted
    GROUP BY counted.session
)

-- fact_ranked --
-- Besides the arms: the facts about what the question names (hops 1) and about what stands beside it (hops 2), as far as
-- they are true now. Of each side of each thing no more than 25 are read, 5 on the second step.
WITH RECURSIVE {arms},
given AS (
    SELECT e.id, e.merged_into FROM kg_entities e
    WHERE e.agent_id = %(agent_id)s::text AND {named}
        AND memory_names(e.name, e.aliases) && %(names)s::text[]
        AND EXISTS (SELECT FROM kg_relationships r WHERE r.agent_id = %(agent_id)s::text)
    UNION
    SELECT e.id, e.merged_into FROM given g
    JOIN kg_entities e ON e.agent_id = %(agent_id)s::text AND e.id = g.merged_into
),
named AS MATERIALIZED (SELECT g.id FROM given g WHERE g.merged_into IS NULL LIMIT 50),
about AS MATERIALIZED (
    SELECT f.id, f.other
    FROM named n
    CROSS JOIN LATERAL (
        (SELECT r.id, r.target_id AS other FROM kg_relationships r
         WHERE r.agent_id = %(agent_id)s::text AND r.source_id = n.id AND {true_now} LIMIT 25)
        UNION ALL
        (SELECT r.id, r.source_id AS other FROM kg_relationships r
         WHERE r.agent_id = %(agent_id)s::text AND r.target_id = n.id AND {true_now} LIMIT 25)
    ) AS f
),
beside AS (
    SELECT f.id
    FROM (SELECT DISTINCT a.other FROM about a WHERE a.other <> ALL (ARRAY(SELECT n.id FROM named n)) LIMIT 100) AS b
    CROSS JOIN LATERAL (
        (SELECT r.id FROM kg_relationships r
         WHERE r.agent_id = %(agent_id)s::text AND r.source_id = b.other AND {true_now} LIMIT 5)
        UNION ALL
        (SELECT r.id FROM kg_relationships r
         WHERE r.agent_id = %(agent_id)s::text AND r.target_id = b.other AND {true_now} LIMIT 5)
    ) AS f
),
connected AS MATERIALIZED (
    SELECT m.id, min(c.hops) AS hops
    FROM (SELECT a.id, 1 AS hops FROM about a UNION ALL SELECT b.id, 2 FROM beside b) AS c
    JOIN kg_relationships m ON m.agent_id = %(agent_id)s::text AND m.id = c.id
    WHERE true {filters}
        AND ((SELECT query FROM demanded) IS NULL OR m.search @@ (SELECT query FROM demanded))
    GROUP BY m.id
    ORDER BY hops, m.id
    LIMIT 200
)
SELECT '{kind}' AS kind, {hit}, {alone}, n_.hops, {terms}, {totals}
FROM kg_relationships m
{joins}
LEFT JOIN connected n_ ON n_.id = m.id
CROSS JOIN statistics s_
WHERE m.agent_id = %(agent_id)s::text
    AND m.id = ANY (ARRAY(
        SELECT id FROM lexical UNION SELECT id FROM near UNION SELECT id FROM recent UNION SELECT id FROM connected))

-- true_now --
r.superseded_at IS NULL AND (r.valid_from IS NULL OR r.valid_from <= now())
AND (r.valid_to IS NULL OR r.valid_to > now())

-- filters --
{tags}
AND (%(since)s::timestamptz IS NULL OR {happened} >= %(since)s::timestamptz)
AND (%(until)s::timestamptz IS NULL OR {happened} < %(until)s::timestamptz)
AND (%(metadata)s::jsonb IS NULL OR {metadata} @> %(metadata)s::jsonb)
{said}

-- Most kinds: no tags, nothing is superseded, nobody says it.

-- tags --
AND %(tags)s::text[] IS NULL

-- tagged --

-- tagged_looked_up --

-- open --

-- living --
-- What is open, where rows are read in the order of their ids or times. An index of those that are not superseded cannot
-- serve this form: before there are statistics it seems to hold next to nothing, and would be read whole for each row.
{open}

-- archival_living --
AND (m.superseded_at IS NULL OR m.superseded_at > 'infinity'::timestamptz) AND (m.expires_at IS NULL OR m.expires_at > now())

-- fact_living --
AND (m.superseded_at IS NULL OR m.superseded_at > 'infinity'::timestamptz)

-- said --

-- said_in --

-- windowed --

-- archival_windowed --
min(u.distance) = 0 AS found, min(w.session) AS session,

-- own_session --
NULL::text

-- archival_own_session --
-- Where any memory is of one, the search is made anew with neighbours.
{session_of}

-- joins --

-- happened --
m.created_at

-- recorded --
m.created_at

-- metadata --
m.metadata

-- archival_said_in_beside --
-- What tells the session, which only the few rows of the sessions that are found are asked for.
m.metadata, m.source,

-- archival_session --
{session_of}

-- archival_table --
archival_memories

-- archival_hit --
m.id, m.text AS text, m.metadata::text AS metadata, m.created_at AS created_at,
jsonb_build_object('tags', m.tags, 'source', m.source, 'importance', m.importance)::text AS source

-- archival_open --
AND m.superseded_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > now())

-- archival_tags --
AND (%(tags)s::text[] IS NULL OR m.tags @> %(tags)s::text[])

-- archival_tagged_looked_up --
-- Where nothing else finds the rows: a policy keeps arrays' operators from their index.
AND (%(tags)s::text[] IS NULL OR m.id = ANY ((SELECT memory_matching_tags(%(tags)s::text[]))::bigint[]))

-- message_table --
conversations

-- message_hit --
m.id, m.content AS text, (m.metadata - 'kit_turn')::text AS metadata, m.created_at AS created_at,
jsonb_build_object('session', m.session, 'role', m.role, 'name', m.name, 'intent', m.intent)::text AS source

-- message_said --
AND (%(roles)s::text[] IS NULL OR m.role = ANY (%(roles)s::text[]))
AND (%(intents)s::text[] IS NULL OR m.intent = ANY (%(intents)s::text[]))

-- message_said_in --
m.session,

-- message_session --
m.session

-- chunk_table --
document_chunks

-- chunk_hit --
m.id, m.chunk_text AS text, m.metadata::text AS metadata, m.created_at AS created_at,
jsonb_build_object(
    'document_id', m.document_id, 'title', d.title, 'source', d.source, 'chunk_index', m.chunk_index,
    'page', m.page, 'heading_path', m.heading_path, 'char_start', m.char_start, 'char_end', m.char_end)::text AS source

-- chunk_joins --
LEFT JOIN documents d ON d.agent_id = %(agent_id)s::text AND d.id = m.document_id

-- fact_table --
kg_relationships

-- fact_hit --
m.id, m.fact AS text, m.properties::text AS metadata, m.recorded_at AS created_at,
jsonb_build_object(
    'source', s.name, 'type', m.type, 'target', t.name, 'valid_from', m.valid_from, 'valid_to', m.valid_to,
    'provenance_kind', m.provenance_kind, 'provenance_id', m.provenance_id)::text AS source

-- fact_joins --
JOIN kg_entities s ON s.agent_id = %(agent_id)s::text AND s.id = m.source_id
JOIN kg_entities t ON t.agent_id = %(agent_id)s::text AND t.id = m.target_id

-- fact_open --
AND m.superseded_at IS NULL

-- fact_happened --
coalesce(m.valid_from, m.recorded_at)

-- fact_recorded --
m.recorded_at

-- fact_metadata --
m.properties

-- item_table --
store_items

-- item_hit --
m.id, m.text AS text, m.value::text AS metadata, m.created_at AS created_at,
jsonb_build_object('namespace', m.namespace, 'key', m.key)::text AS source

-- item_open --
AND m.text <> '' AND (m.expires_at IS NULL OR m.expires_at > now())

-- item_metadata --
m.value

-- item_recorded --
m.updated_at

-- item_happened --
m.updated_at

-- file_table --
file_chunks

-- file_hit --
m.id, m.chunk_text AS text, i.metadata::text AS metadata, m.created_at AS created_at,
jsonb_build_object(
    'file_id', m.file_id, 'path', i.path, 'version', i.version, 'heading_path', m.heading_path)::text AS source

-- file_joins --
JOIN files i ON i.agent_id = %(agent_id)s::text AND i.id = m.file_id

-- file_metadata --
(SELECT x.metadata FROM files x WHERE x.agent_id = %(agent_id)s::text AND x.id = m.file_id)
