-- marked --
-- Some texts of rows with marks around the words that a query has, by the language of each row: the query's words are what
-- every language of the agent makes of them, without the stop words of its own, as in a search. Answers with those words, and
-- with the texts that have any.
WITH {spoken},
asked AS MATERIALIZED (
    SELECT
        array_agg(DISTINCT w.lexeme) AS lexemes,
        string_agg(
            DISTINCT '''' || replace(replace(w.lexeme, E'\\', E'\\\\'), '''', '''''') || '''', ' | ')::tsquery AS query
    FROM (
        SELECT unnest(p.lexemes) AS lexeme FROM {words_by_place} AS p
        ORDER BY p.place
        LIMIT 200
    ) AS w
)
SELECT
    a.lexemes,
    ts_headline(coalesce(l.language, %(language)s::text)::regconfig, t.text, a.query, %(marks)s::text) AS marked
FROM asked a
CROSS JOIN unnest(%(kinds)s::text[], %(ids)s::bigint[], %(texts)s::text[]) WITH ORDINALITY AS t (kind, id, text, ord)
CROSS JOIN LATERAL (
    SELECT CASE t.kind
        WHEN 'archival' THEN (
            SELECT m.language FROM archival_memories m WHERE m.agent_id = %(agent_id)s::text AND m.id = t.id)
        WHEN 'message' THEN (
            SELECT m.language FROM conversations m WHERE m.agent_id = %(agent_id)s::text AND m.id = t.id)
        WHEN 'chunk' THEN (
            SELECT m.language FROM document_chunks m WHERE m.agent_id = %(agent_id)s::text AND m.id = t.id)
        WHEN 'fact' THEN (
            SELECT m.language FROM kg_relationships m WHERE m.agent_id = %(agent_id)s::text AND m.id = t.id)
        WHEN 'item' THEN (
            SELECT m.language FROM store_items m WHERE m.agent_id = %(agent_id)s::text AND m.id = t.id)
        WHEN 'file' THEN (
            SELECT m.language FROM file_chunks m WHERE m.agent_id = %(agent_id)s::text AND m.file_id = t.id LIMIT 1)
    END AS language
) AS l
WHERE a.query IS NOT NULL
ORDER BY t.ord
