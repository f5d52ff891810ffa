-- stems --
-- The words of each text as a text search configuration stems them, and how often each occurs.
SELECT t.n::integer - 1 AS n, w.lexeme, cardinality(w.positions) AS frequency
FROM unnest(%(texts)s::text[]) WITH ORDINALITY AS t (text, n)
CROSS JOIN LATERAL unnest(to_tsvector(%(language)s::regconfig, t.text)) AS w
