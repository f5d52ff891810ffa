-- entities --
INSERT INTO kg_entities (agent_id, id, name, type)
SELECT %(agent_id)s::text, 100000 + n, 'Thing ' || n, 'type ' || n %% 9 FROM generate_series(0, %(nodes)s::bigint - 1) AS n

-- facts --
-- Two of each thing, each along a way of its own, so that few steps reach everything.
INSERT INTO kg_relationships (agent_id, source_id, target_id, type)
SELECT %(agent_id)s::text, 100000 + n, 100000 + (n * m + 1) %% %(nodes)s::bigint, 'near'
FROM generate_series(0, %(nodes)s::bigint - 1) AS n
CROSS JOIN (VALUES (7), (13)) AS v (m)
