-- 018_search_words: full text is looked up within one agent, and languages without blanks are found by two characters.
--
-- An index over words reads what everybody wrote. It now holds keys of agent and word: a search reads the postings of its own
-- agent, whatever else the table holds. What the keys find is checked against the words themselves, so that two words of one
-- key do no harm. Chinese, Japanese, Thai, Lao, Burmese and Khmer have no blanks between words: of a run of their characters
-- each two neighbours are a word, in texts and in queries.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DO $$
BEGIN
    PERFORM set_config('search_path', concat_ws(', ', current_setting('search_path'), quote_ident(n.nspname)), true)
    FROM pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'vector' AND NOT n.nspname = ANY (current_schemas(true));
END
$$;

-- Keys of an agent's words, the agent in the upper half, so that what one agent writes lies together in the index. It costs so
-- much that no plan makes the keys of many rows anew.
CREATE FUNCTION memory_word_keys(agent text, words text[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1000
RETURN (SELECT array_agg((hashtext(agent)::bigint << 32) + hashtext(w.word)) FROM unnest(words) AS w (word));

-- The words of a query, without its operators. No function of PostgreSQL tells them but as text, in quotes.
CREATE FUNCTION memory_query_words(query tsquery) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
    SELECT replace(replace(q.word[1], '''''', ''''), E'\\\\', E'\\')
    FROM regexp_matches(query::text, '''((?:[^'']|'''')*)''', 'g') AS q (word));

-- The characters of languages without blanks, for a regular expression.
CREATE FUNCTION memory_unspaced() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN E'[\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff\\u3005-\\u3007\\u3041-\\u30fa\\u30fc-\\u30ff\\u31f0-\\u31ff\\u3400-\\u4dbf'
    '\\u4e00-\\u9fff\\uf900-\\ufaff\\uff66-\\uff9f\\U00020000-\\U0003ffff]';

-- A text in which each two neighbours of such a run stand apart ("ab bc cd" for "abcd"), without the punctuation around them,
-- which in some locales the parser takes for letters. Of such a text 400,000 characters are read, of which more hardly fit into
-- a tsvector. Any other text is as it was.
CREATE FUNCTION memory_bigrams(body text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN octet_length(body) > char_length(body) AND body ~ memory_unspaced() THEN
        regexp_replace(
            regexp_replace(
                left(body, 400000),
                '(' || memory_unspaced() || E'+)|[\\u2010-\\u205e\\u3000-\\u3004\\u3008-\\u303f\\u30fb\\uff00-\\uff0f\\uff1a-\\uff20'
                '\\uff3b-\\uff40\\uff5b-\\uff65]+',
                E' \\1 ', 'g'),
            '(?<=' || memory_unspaced() || ')(' || memory_unspaced() || ')(?=' || memory_unspaced() || ')',
            E'\\1 \\1', 'g')
    ELSE body
END;

-- The characters of the same text that may be words of their own, as Chinese and Japanese have them.
CREATE FUNCTION memory_unigrams(body text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN octet_length(body) > char_length(body) AND body ~ memory_unspaced() THEN (
        SELECT string_agg(c.character, ' ')
        FROM unnest(string_to_array(left(body, 400000), NULL)) AS c (character)
        WHERE ascii(c.character) >= 12293 AND c.character ~ memory_unspaced())
END;

-- The longest beginning that fits, as in 014. It calls nothing of ours: a restore looks for no names inside such a function.
CREATE FUNCTION memory_fitting_vector(language text, words text, characters text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE AS $$
BEGIN
    IF octet_length(words) <= 100000 AND characters IS NULL THEN
        RETURN to_tsvector(language::regconfig, words);
    END IF;
    LOOP
        BEGIN
            RETURN to_tsvector(language::regconfig, words) || to_tsvector('simple', coalesce(characters, ''));
        EXCEPTION WHEN program_limit_exceeded THEN
            words := left(words, char_length(words) / 2);
            characters := left(characters, char_length(characters) / 2);
        END;
    END LOOP;
END
$$;

-- The same answer as before for every text of a language with blanks. Others are also found by words of one character; a
-- question has them only where one stands alone.
CREATE OR REPLACE FUNCTION memory_search_vector(language text, body text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL UNSAFE
RETURN memory_fitting_vector(language, memory_bigrams(normalize(body)), memory_unigrams(normalize(body)));

UPDATE archival_memories SET text = text WHERE text ~ memory_unspaced();

UPDATE document_chunks SET chunk_text = chunk_text WHERE chunk_text ~ memory_unspaced();

UPDATE conversations SET content = content WHERE content ~ memory_unspaced();

UPDATE kg_relationships SET fact = fact WHERE fact ~ memory_unspaced();

-- The old indexes serve readers until the new ones are there.
ALTER INDEX archival_memories_search_idx RENAME TO archival_memories_old_search_idx;
ALTER INDEX document_chunks_search_idx RENAME TO document_chunks_old_search_idx;
ALTER INDEX conversations_search_idx RENAME TO conversations_old_search_idx;
ALTER INDEX kg_relationships_search_idx RENAME TO kg_relationships_old_search_idx;

-- New keys wait in a list that every search reads, and the planner counts: a short one. Nobody asks for statistics of keys.
CREATE INDEX archival_memories_search_idx ON archival_memories USING gin (memory_word_keys(agent_id, tsvector_to_array(search)))
WITH (gin_pending_list_limit = 64);
ALTER INDEX archival_memories_search_idx ALTER COLUMN 1 SET STATISTICS 0;

CREATE INDEX document_chunks_search_idx ON document_chunks USING gin (memory_word_keys(agent_id, tsvector_to_array(search)))
WITH (gin_pending_list_limit = 64);
ALTER INDEX document_chunks_search_idx ALTER COLUMN 1 SET STATISTICS 0;

CREATE INDEX conversations_search_idx ON conversations USING gin (memory_word_keys(agent_id, tsvector_to_array(search)))
WITH (gin_pending_list_limit = 64);
ALTER INDEX conversations_search_idx ALTER COLUMN 1 SET STATISTICS 0;

CREATE INDEX kg_relationships_search_idx ON kg_relationships USING gin (memory_word_keys(agent_id, tsvector_to_array(search)))
WITH (gin_pending_list_limit = 64);
ALTER INDEX kg_relationships_search_idx ALTER COLUMN 1 SET STATISTICS 0;

-- At the end, for it waits for readers.
DROP INDEX archival_memories_old_search_idx;
DROP INDEX document_chunks_old_search_idx;
DROP INDEX conversations_old_search_idx;
DROP INDEX kg_relationships_old_search_idx;

-- Neither && nor our own function is leakproof, so every request asks these, as in 013. A query needs at least one of its words.
-- Agents are compared by bytes, as no index on agent_id does: the keys have the agent, so it would only be read beside them. The
-- keys are asked for twice because the planner takes an array that it does not know for a hundredth of the table, and plans
-- workers and compilation for it; the index reads them once.
CREATE OR REPLACE FUNCTION memory_matching_archival(query tsquery) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER
RETURN ARRAY(
    SELECT m.id FROM archival_memories m
    WHERE m.agent_id = (SELECT memory_agent()) COLLATE "C"
        AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
            && (SELECT memory_word_keys(memory_agent(), memory_query_words(query)))
        AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
            && (SELECT memory_word_keys(memory_agent(), memory_query_words(query)))
        AND m.search @@ query);

CREATE OR REPLACE FUNCTION memory_matching_archival(query tsquery, wanted text[]) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER
RETURN ARRAY(
    SELECT m.id FROM archival_memories m
    WHERE m.agent_id = (SELECT memory_agent()) COLLATE "C"
        AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
            && (SELECT memory_word_keys(memory_agent(), memory_query_words(query)))
        AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
            && (SELECT memory_word_keys(memory_agent(), memory_query_words(query)))
        AND m.search @@ query
        AND m.tags @> wanted);

CREATE OR REPLACE FUNCTION memory_matching_chunk(query tsquery) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER
RETURN ARRAY(
    SELECT m.id FROM document_chunks m
    WHERE m.agent_id = (SELECT memory_agent()) COLLATE "C"
        AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
            && (SELECT memory_word_keys(memory_agent(), memory_query_words(query)))
        AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
            && (SELECT memory_word_keys(memory_agent(), memory_query_words(query)))
        AND m.search @@ query);

CREATE OR REPLACE FUNCTION memory_matching_message(query tsquery) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER
RETURN ARRAY(
    SELECT m.id FROM conversations m
    WHERE m.agent_id = (SELECT memory_agent()) COLLATE "C"
        AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
            && (SELECT memory_word_keys(memory_agent(), memory_query_words(query)))
        AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
            && (SELECT memory_word_keys(memory_agent(), memory_query_words(query)))
        AND m.search @@ query);

CREATE OR REPLACE FUNCTION memory_matching_fact(query tsquery) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER
RETURN ARRAY(
    SELECT m.id FROM kg_relationships m
    WHERE m.agent_id = (SELECT memory_agent()) COLLATE "C"
        AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
            && (SELECT memory_word_keys(memory_agent(), memory_query_words(query)))
        AND memory_word_keys(m.agent_id, tsvector_to_array(m.search))
            && (SELECT memory_word_keys(memory_agent(), memory_query_words(query)))
        AND m.search @@ query);

INSERT INTO schema_migrations (migration_name) VALUES ('018_search_words');

COMMIT;
