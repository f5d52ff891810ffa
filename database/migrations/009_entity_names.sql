-- 009_entity_names: entities are found by their names through an index under row-level security too.
--
-- A policy comes before every condition that might tell what it sees, and PostgreSQL takes the operators of arrays for
-- such: a request that looked a name up read every entity of its agent. The names become a tsvector of their hashes, which
-- @@ looks up, and that may be used below a policy (see 007_isolation). Who looks a name up compares the names themselves
-- afterwards.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

CREATE FUNCTION memory_name_keys(name text, aliases text[]) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT array_to_tsvector(array_agg(to_hex(hashtextextended(n.name, 0)))) FROM unnest(memory_names(name, aliases)) AS n (name);
END;

-- What finds entities that go by any of these names, given in lower case; null where there are none.
CREATE FUNCTION memory_name_query(names text[]) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT string_agg(to_hex(hashtextextended(n.name, 0)), ' | ')::tsquery FROM unnest(names) AS n (name);
END;

-- A column, because what an index on the function looks up would have to be declared leakproof itself, and a dump with such
-- a function can be restored by superusers only.
ALTER TABLE kg_entities ADD COLUMN name_keys tsvector GENERATED ALWAYS AS (memory_name_keys(name, aliases)) STORED;

CREATE INDEX kg_entities_name_keys_idx ON kg_entities USING gin (name_keys);
DROP INDEX IF EXISTS kg_entities_names_idx;

INSERT INTO schema_migrations (migration_name) VALUES ('009_entity_names');

COMMIT;
