-- 008_knowledge_graph: types of which a thing has one at a time, and the names that texts mention.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

-- Types of statements that have one target at a time: asserting another one supersedes what was believed.
ALTER TABLE agents ADD COLUMN functional_types text[] NOT NULL DEFAULT '{}';

-- Traversals read the visibility map, so statements that arrive in bulk are vacuumed early, like the other tables.
ALTER TABLE kg_relationships SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE kg_entities SET (autovacuum_vacuum_insert_scale_factor = 0.02);

-- The names a text mentions, by rule: runs of capitalised words (joined by "of", "the" and their like), and the first
-- line where it stands above the text like a title. In lower case; without articles and words that are capitalised only
-- because a sentence begins, and without the genitive. A rule, not an understanding: it finds names, not things.
-- OFFSET 0 keeps the planner from writing each expression into every place it is used in: three times as slow.
CREATE OR REPLACE FUNCTION memory_mentions(body text) RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT DISTINCT n.name
    FROM (
        (SELECT CASE WHEN t.name LIKE '%''s' OR t.name LIKE '%’s' THEN left(t.name, -2) ELSE rtrim(t.name, '''’-') END
        FROM (
            SELECT CASE
                WHEN w.words[1] <> ALL (w.idle) THEN array_to_string(w.words, ' ')
                WHEN w.words[2] <> ALL (w.idle) THEN array_to_string(w.words[2:], ' ')
                WHEN w.words[3] <> ALL (w.idle) THEN array_to_string(w.words[3:], ' ')
            END
            FROM (
                SELECT string_to_array(lower(m.run[1]), ' '),
                    '{the,a,an,in,on,at,it,he,she,they,this,that,these,those,his,her,its,their,there,when,after,before,during,as,for,with,from,by,however,also,although,while,and,but,or,if,since,where,which,who,what,how,why,was,is,are,did,does,do,to,of,i,we,you,under,over,many,most,some,all,one,two,three,several,both,each,january,february,march,april,may,june,july,august,september,october,november,december,monday,tuesday,wednesday,thursday,friday,saturday,sunday,mr,mrs,ms,dr}'::text[]
                FROM regexp_matches(body,
                    '\m[[:upper:]0-9][[:alnum:]_''’-]*(?: (?:(?:of|the|and|de|la|von|van|du|der|for|in|on|at|&) )?(?:the )?[[:upper:]][[:alnum:]_''’-]*)*',
                    'g') AS m (run)
                OFFSET 0
            ) AS w (words, idle)
            OFFSET 0
        ) AS t (name)
        OFFSET 0
        ) UNION ALL
        SELECT rtrim(split_part(lower(t.line), ' (', 1))
        FROM (SELECT split_part(body, E'\n', 1)) AS t (line)
        WHERE t.line <> body AND char_length(t.line) BETWEEN 2 AND 100
            AND right(t.line, 1) <> ALL (ARRAY['.', ',', '!', '?', ';', ':'])
    ) AS n (name)
    WHERE char_length(n.name) BETWEEN 2 AND 100;
END;

-- Which texts mention which names: an index somebody asks for (memgpt graph link), not one that every write pays for.
-- Not exported, not in the history, and kept apart from what was asserted. The rows go with the texts. A text that was
-- looked at has a row with an empty name and the hash of what was looked at, whether it mentions anything or not.
CREATE TABLE kg_mentions (
    agent_id text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    row_id bigint NOT NULL,
    archival_id bigint GENERATED ALWAYS AS (CASE WHEN kind = 'archival' THEN row_id END) STORED,
    chunk_id bigint GENERATED ALWAYS AS (CASE WHEN kind = 'chunk' THEN row_id END) STORED,
    text_hash uuid,
    CONSTRAINT kg_mentions_pkey PRIMARY KEY (agent_id, name, kind, row_id),
    CONSTRAINT kg_mentions_kind_check CHECK (kind IN ('archival', 'chunk')),
    CONSTRAINT kg_mentions_text_hash_check CHECK ((name = '') = (text_hash IS NOT NULL)),
    CONSTRAINT kg_mentions_archival_fkey FOREIGN KEY (agent_id, archival_id)
        REFERENCES archival_memories (agent_id, id) ON DELETE CASCADE,
    CONSTRAINT kg_mentions_chunk_fkey FOREIGN KEY (agent_id, chunk_id)
        REFERENCES document_chunks (agent_id, id) ON DELETE CASCADE
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02);

CREATE INDEX kg_mentions_archival_idx ON kg_mentions (agent_id, archival_id) INCLUDE (name)
WHERE archival_id IS NOT NULL;

CREATE INDEX kg_mentions_chunk_idx ON kg_mentions (agent_id, chunk_id) INCLUDE (name) WHERE chunk_id IS NOT NULL;

-- Isolated like the tables of 007_isolation, and as there not exposed to anybody on Supabase.
ALTER TABLE kg_mentions ENABLE ROW LEVEL SECURITY;
ALTER TABLE kg_mentions FORCE ROW LEVEL SECURITY;
CREATE POLICY memgpt_agent ON kg_mentions USING (agent_id = (SELECT memory_agent()));

DO $$
DECLARE
    role text;
BEGIN
    EXECUTE format(
        'CREATE POLICY memgpt_owner ON kg_mentions TO %s USING (true)',
        CASE WHEN pg_has_role(current_user, 'pg_database_owner', 'MEMBER')
            THEN 'pg_database_owner' ELSE quote_ident(current_user) END);
    FOR role IN SELECT r.rolname FROM pg_roles r WHERE r.rolname IN ('anon', 'authenticated') LOOP
        EXECUTE format('REVOKE ALL ON kg_mentions FROM %I', role);
    END LOOP;
    IF to_regrole('memgpt_agent') IS NOT NULL THEN
        PERFORM memory_allow_requests();
    END IF;
END
$$;

INSERT INTO schema_migrations (migration_name) VALUES ('008_knowledge_graph');

COMMIT;
