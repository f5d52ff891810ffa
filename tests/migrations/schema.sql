CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';

CREATE FUNCTION public.memory_in_scope(agent text) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    AS $$
DECLARE
    scope jsonb := nullif(current_setting('memgpt.scope', true), '');
    pattern text;
BEGIN
    FOR n IN 0 .. coalesce(jsonb_array_length(scope), 0) - 1 LOOP
        pattern := scope ->> n;
        IF agent = pattern OR right(pattern, 1) = '*' AND starts_with(agent, left(pattern, -1)) THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;

CREATE FUNCTION public.memory_agent() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN (current_setting('memgpt.agent_id'::text, true) = ''::text) THEN NULL::text WHEN ((current_setting('memgpt.agent_id'::text, true) = current_setting('memgpt.entered'::text, true)) OR public.memory_in_scope(current_setting('memgpt.agent_id'::text, true))) THEN current_setting('memgpt.agent_id'::text, true) ELSE NULL::text END;

CREATE TABLE public.agents (
    agent_id text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    functional_types text[] DEFAULT '{}'::text[] NOT NULL,
    time_zone text,
    languages text[] DEFAULT '{}'::text[] NOT NULL,
    languages_read boolean DEFAULT true NOT NULL,
    CONSTRAINT agents_agent_id_check CHECK (((agent_id <> ''::text) AND (char_length(agent_id) <= 255)))
);
ALTER TABLE ONLY public.agents ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.agents ALTER COLUMN description SET STATISTICS 0;
ALTER TABLE ONLY public.agents ALTER COLUMN metadata SET STATISTICS 0;
ALTER TABLE ONLY public.agents ALTER COLUMN functional_types SET STATISTICS 0;

ALTER TABLE ONLY public.agents FORCE ROW LEVEL SECURITY;

CREATE FUNCTION public.memory_role() RETURNS name
    LANGUAGE sql STABLE
    RETURN (COALESCE(NULLIF(current_setting('memgpt.role'::text, true), ''::text), ((SELECT r.rolname FROM (pg_policy p JOIN pg_roles r ON ((r.oid = ANY (p.polroles)))) WHERE ((p.polrelid = ('public.agents'::regclass)::oid) AND (p.polname = 'memgpt_agent'::name))))::text, 'memgpt_agent'::text))::name;

CREATE FUNCTION public.memory_allow_requests(role name DEFAULT public.memory_role()) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    home name;
    policy record;
    lookup regprocedure;
BEGIN
    IF NOT pg_has_role(current_user, role, 'SET') THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('the role %I belongs to somebody else: "%s" may not SET ROLE to it', role, current_user),
            HINT = format('An administrator can: GRANT %I TO %I. Or set MEMGPT_DB_ROLE to a role of your own.', role, current_user);
    END IF;
    SELECT n.nspname INTO home FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = 'agents'::regclass;
    IF NOT has_schema_privilege(role, home, 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', home, role);
    END IF;
    FOR policy IN
        SELECT p.polname AS name, c.oid::regclass AS relation, r.rolname AS before
        FROM pg_policy p
        JOIN pg_class c ON c.oid = p.polrelid
        LEFT JOIN pg_roles r ON r.oid = p.polroles[1] AND r.rolname <> role
        WHERE c.relnamespace = quote_ident(home)::regnamespace
            AND p.polname IN ('memgpt_agent', 'memgpt_listed', 'memgpt_shared', 'memgpt_shared_edit')
    LOOP
        IF policy.before IS NOT NULL THEN
            EXECUTE format('REVOKE ALL ON %s FROM %I', policy.relation, policy.before);
        END IF;
        EXECUTE format('ALTER POLICY %I ON %s TO %I', policy.name, policy.relation, role);
        EXECUTE format(
            'GRANT %s ON %s TO %I',
            CASE policy.name WHEN 'memgpt_agent' THEN 'SELECT, INSERT, UPDATE, DELETE' ELSE 'SELECT' END,
            policy.relation, role);
    END LOOP;
    EXECUTE format('REVOKE UPDATE ON core_memories FROM %I', role);
    EXECUTE format(
        'GRANT UPDATE (label, value, description, "limit", read_only, shared_with, version, metadata, created_at, updated_at) '
        'ON core_memories TO %I', role);
    EXECUTE format('GRANT SELECT ON embedding_models TO %I', role);
    FOR lookup IN
        SELECT p.oid::regprocedure FROM pg_proc p
        WHERE p.pronamespace = quote_ident(home)::regnamespace AND p.proname LIKE 'memory\_matching\_%' AND p.prosecdef
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', lookup, role);
    END LOOP;
END
$$;

CREATE FUNCTION public.memory_unspaced() RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN '[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]'::text;

CREATE FUNCTION public.memory_bigrams(body text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((octet_length(body) > char_length(body)) AND (body ~ public.memory_unspaced())) THEN regexp_replace(regexp_replace("left"(body, 400000), (('('::text || public.memory_unspaced()) || '+)|[\u2010-\u205e\u3000-\u3004\u3008-\u303f\u30fb\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]+'::text), ' \1 '::text, 'g'::text), (((((('(?<='::text || public.memory_unspaced()) || ')('::text) || public.memory_unspaced()) || ')(?='::text) || public.memory_unspaced()) || ')'::text), '\1 \1'::text, 'g'::text) ELSE body END;

CREATE FUNCTION public.memory_bits(embedding public.vector) RETURNS bit varying
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'public'
    AS $$
DECLARE
    dimensions CONSTANT integer := vector_dims(embedding);
    turned vector := CASE WHEN dimensions % 2 = 0 THEN embedding ELSE embedding || '[0]' END;
    size CONSTANT integer := vector_dims(turned);
    half CONSTANT integer := size / 2;
    one integer;
    other integer;
    head vector;
    tail vector;
BEGIN
    FOR round IN 1..14 LOOP
        one := size * (round * 618 % 1000) / 1000;
        other := size * (round * 755 % 1000) / 1000;
        IF one > other THEN
            turned := subvector(turned, one + 1, size - one) || subvector(turned, other + 1, one - other)
                || subvector(turned, 1, other);
        ELSE
            turned := subvector(turned, other + 1, size - other) || subvector(turned, one + 1, other - one)
                || subvector(turned, 1, one);
        END IF;
        head := subvector(turned, 1, half);
        tail := subvector(turned, half + 1, half);
        turned := (head + tail) || (head - tail);
    END LOOP;
    RETURN binary_quantize(subvector(turned, 1, dimensions));
END
$$;

CREATE FUNCTION public.memory_embedding_code() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF vector_dims(NEW.embedding) <= 1024 THEN
        NEW.embedding_code := l2_normalize(NEW.embedding::vector)::halfvec;
    ELSE
        NEW.embedding_code := memory_bits(NEW.embedding::vector);
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION public.memory_fitting_vector(language text, words text, characters text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE
    AS $$
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

CREATE FUNCTION public.memory_query_words(query tsquery) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ARRAY(SELECT replace(replace(q.word[1], ''''''::text, ''''::text), '\\'::text, '\'::text) AS replace FROM regexp_matches((memory_query_words.query)::text, '''((?:[^'']|'''')*)'''::text, 'g'::text) q(word));

CREATE FUNCTION public.memory_unigrams(body text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((octet_length(body) > char_length(body)) AND (body ~ public.memory_unspaced())) THEN (SELECT string_agg(c."character", ' '::text) AS string_agg FROM unnest(string_to_array("left"(memory_unigrams.body, 400000), NULL::text)) c("character") WHERE ((ascii(c."character") >= 12293) AND (c."character" ~ public.memory_unspaced()))) ELSE NULL::text END;

CREATE FUNCTION public.memory_search_vector(language text, body text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE
    RETURN public.memory_fitting_vector(language, public.memory_bigrams(NORMALIZE(body)), public.memory_unigrams(NORMALIZE(body)));

CREATE FUNCTION public.memory_text_hash(body text) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (md5(NORMALIZE(body)))::uuid;

CREATE FUNCTION public.memory_word_keys(agent text, words text[]) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE COST 1000 PARALLEL SAFE
    RETURN (SELECT array_agg((((hashtext(memory_word_keys.agent))::bigint << 32) + hashtext(w.word))) AS array_agg FROM unnest(memory_word_keys.words) w(word));

CREATE TABLE public.archival_memories (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    text text NOT NULL,
    text_hash uuid GENERATED ALWAYS AS ((md5(text))::uuid) STORED,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    importance real DEFAULT 0.5 NOT NULL,
    source text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    language text DEFAULT 'english'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    superseded_at timestamp with time zone,
    superseded_by bigint,
    accessed_at timestamp with time zone DEFAULT now() NOT NULL,
    access_count integer DEFAULT 0 NOT NULL,
    embedding_model text,
    embedding public.vector(1536),
    search tsvector GENERATED ALWAYS AS (public.memory_search_vector(language, text)) STORED,
    normal_hash uuid GENERATED ALWAYS AS (public.memory_text_hash(text)) STORED,
    embedding_code bit(1536) GENERATED ALWAYS AS ((public.memory_bits((embedding)::public.vector))::bit(1536)) STORED,
    CONSTRAINT archival_memories_importance_check CHECK (((importance >= (0)::double precision) AND (importance <= (1)::double precision)))
)
WITH (toast_tuple_target='8160', autovacuum_vacuum_insert_threshold='500', autovacuum_vacuum_insert_scale_factor='0.01');
ALTER TABLE ONLY public.archival_memories ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.archival_memories ALTER COLUMN text SET STATISTICS 0;
ALTER TABLE ONLY public.archival_memories ALTER COLUMN text_hash SET STATISTICS 0;
ALTER TABLE ONLY public.archival_memories ALTER COLUMN tags SET STATISTICS 0;
ALTER TABLE ONLY public.archival_memories ALTER COLUMN source SET STATISTICS 0;
ALTER TABLE ONLY public.archival_memories ALTER COLUMN metadata SET STATISTICS 0;
ALTER TABLE ONLY public.archival_memories ALTER COLUMN embedding SET STATISTICS 0;
ALTER TABLE ONLY public.archival_memories ALTER COLUMN embedding SET STORAGE PLAIN;
ALTER TABLE ONLY public.archival_memories ALTER COLUMN search SET STATISTICS 0;
ALTER TABLE ONLY public.archival_memories ALTER COLUMN normal_hash SET STATISTICS 0;
ALTER TABLE ONLY public.archival_memories ALTER COLUMN embedding_code SET STATISTICS 0;

ALTER TABLE ONLY public.archival_memories FORCE ROW LEVEL SECURITY;

CREATE FUNCTION public.memory_matching_archival(query tsquery) RETURNS bigint[]
    LANGUAGE sql STABLE SECURITY DEFINER
    RETURN ARRAY(SELECT m.id FROM public.archival_memories m WHERE ((m.agent_id = ((SELECT public.memory_agent() AS memory_agent) COLLATE "C")) AND (public.memory_word_keys(m.agent_id, tsvector_to_array(m.search)) && (SELECT public.memory_word_keys(public.memory_agent(), public.memory_query_words(memory_matching_archival.query)) AS memory_word_keys)) AND (public.memory_word_keys(m.agent_id, tsvector_to_array(m.search)) && (SELECT public.memory_word_keys(public.memory_agent(), public.memory_query_words(memory_matching_archival.query)) AS memory_word_keys)) AND (m.search @@ memory_matching_archival.query)));

CREATE FUNCTION public.memory_matching_archival(query tsquery, wanted text[]) RETURNS bigint[]
    LANGUAGE sql STABLE SECURITY DEFINER
    RETURN ARRAY(SELECT m.id FROM public.archival_memories m WHERE ((m.agent_id = ((SELECT public.memory_agent() AS memory_agent) COLLATE "C")) AND (public.memory_word_keys(m.agent_id, tsvector_to_array(m.search)) && (SELECT public.memory_word_keys(public.memory_agent(), public.memory_query_words(memory_matching_archival.query)) AS memory_word_keys)) AND (public.memory_word_keys(m.agent_id, tsvector_to_array(m.search)) && (SELECT public.memory_word_keys(public.memory_agent(), public.memory_query_words(memory_matching_archival.query)) AS memory_word_keys)) AND (m.search @@ memory_matching_archival.query) AND (m.tags @> memory_matching_archival.wanted)));

CREATE TABLE public.document_chunks (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    document_id bigint,
    chunk_index integer DEFAULT 0 NOT NULL,
    chunk_text text NOT NULL,
    heading_path text[] DEFAULT '{}'::text[] NOT NULL,
    page integer,
    char_start integer,
    char_end integer,
    tokens integer,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    language text DEFAULT 'english'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    embedding_model text,
    embedding public.vector(1536),
    search tsvector GENERATED ALWAYS AS (public.memory_search_vector(language, chunk_text)) STORED,
    embedding_code bit(1536) GENERATED ALWAYS AS ((public.memory_bits((embedding)::public.vector))::bit(1536)) STORED,
    CONSTRAINT document_chunks_span_check CHECK ((char_start <= char_end))
)
WITH (toast_tuple_target='8160', autovacuum_vacuum_insert_threshold='500', autovacuum_vacuum_insert_scale_factor='0.01');
ALTER TABLE ONLY public.document_chunks ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.document_chunks ALTER COLUMN chunk_text SET STATISTICS 0;
ALTER TABLE ONLY public.document_chunks ALTER COLUMN heading_path SET STATISTICS 0;
ALTER TABLE ONLY public.document_chunks ALTER COLUMN metadata SET STATISTICS 0;
ALTER TABLE ONLY public.document_chunks ALTER COLUMN embedding SET STATISTICS 0;
ALTER TABLE ONLY public.document_chunks ALTER COLUMN embedding SET STORAGE PLAIN;
ALTER TABLE ONLY public.document_chunks ALTER COLUMN search SET STATISTICS 0;
ALTER TABLE ONLY public.document_chunks ALTER COLUMN embedding_code SET STATISTICS 0;

ALTER TABLE ONLY public.document_chunks FORCE ROW LEVEL SECURITY;

CREATE FUNCTION public.memory_matching_chunk(query tsquery) RETURNS bigint[]
    LANGUAGE sql STABLE SECURITY DEFINER
    RETURN ARRAY(SELECT m.id FROM public.document_chunks m WHERE ((m.agent_id = ((SELECT public.memory_agent() AS memory_agent) COLLATE "C")) AND (public.memory_word_keys(m.agent_id, tsvector_to_array(m.search)) && (SELECT public.memory_word_keys(public.memory_agent(), public.memory_query_words(memory_matching_chunk.query)) AS memory_word_keys)) AND (public.memory_word_keys(m.agent_id, tsvector_to_array(m.search)) && (SELECT public.memory_word_keys(public.memory_agent(), public.memory_query_words(memory_matching_chunk.query)) AS memory_word_keys)) AND (m.search @@ memory_matching_chunk.query)));

CREATE FUNCTION public.memory_names(name text, aliases text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN string_to_array(lower(array_to_string((name || aliases), ''::text)), ''::text);

CREATE FUNCTION public.memory_name_keys(name text, aliases text[]) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT array_to_tsvector(array_agg(to_hex(hashtextextended(n.name, (0)::bigint)))) AS array_to_tsvector
    FROM unnest(public.memory_names(memory_name_keys.name, memory_name_keys.aliases)) n(name);
END;

CREATE TABLE public.kg_entities (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    name text NOT NULL,
    type text DEFAULT 'thing'::text NOT NULL,
    aliases text[] DEFAULT '{}'::text[] NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    properties jsonb DEFAULT '{}'::jsonb NOT NULL,
    language text DEFAULT 'english'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    embedding_model text,
    embedding public.vector(1536),
    name_keys tsvector GENERATED ALWAYS AS (public.memory_name_keys(name, aliases)) STORED,
    merged_into bigint,
    merged_at timestamp with time zone,
    embedding_code bit(1536) GENERATED ALWAYS AS ((public.memory_bits((embedding)::public.vector))::bit(1536)) STORED,
    CONSTRAINT kg_entities_merged_check CHECK ((((merged_into IS NULL) = (merged_at IS NULL)) AND (merged_into IS DISTINCT FROM id))),
    CONSTRAINT kg_entities_name_check CHECK ((name <> ''::text))
)
WITH (toast_tuple_target='8160', autovacuum_vacuum_insert_threshold='500', autovacuum_vacuum_insert_scale_factor='0.01');
ALTER TABLE ONLY public.kg_entities ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.kg_entities ALTER COLUMN name SET STATISTICS 0;
ALTER TABLE ONLY public.kg_entities ALTER COLUMN type SET STATISTICS 0;
ALTER TABLE ONLY public.kg_entities ALTER COLUMN aliases SET STATISTICS 0;
ALTER TABLE ONLY public.kg_entities ALTER COLUMN description SET STATISTICS 0;
ALTER TABLE ONLY public.kg_entities ALTER COLUMN properties SET STATISTICS 0;
ALTER TABLE ONLY public.kg_entities ALTER COLUMN embedding SET STATISTICS 0;
ALTER TABLE ONLY public.kg_entities ALTER COLUMN embedding SET STORAGE PLAIN;
ALTER TABLE ONLY public.kg_entities ALTER COLUMN name_keys SET STATISTICS 0;
ALTER TABLE ONLY public.kg_entities ALTER COLUMN embedding_code SET STATISTICS 0;

ALTER TABLE ONLY public.kg_entities FORCE ROW LEVEL SECURITY;

CREATE FUNCTION public.memory_matching_entity(query tsquery) RETURNS bigint[]
    LANGUAGE sql STABLE SECURITY DEFINER
    RETURN ARRAY(SELECT m.id FROM public.kg_entities m WHERE ((m.agent_id = (SELECT public.memory_agent() AS memory_agent)) AND (m.name_keys @@ memory_matching_entity.query)));

CREATE TABLE public.kg_relationships (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    source_id bigint NOT NULL,
    target_id bigint NOT NULL,
    type text NOT NULL,
    fact text DEFAULT ''::text NOT NULL,
    weight real DEFAULT 1 NOT NULL,
    properties jsonb DEFAULT '{}'::jsonb NOT NULL,
    valid_from timestamp with time zone,
    valid_to timestamp with time zone,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    superseded_at timestamp with time zone,
    provenance_kind text,
    provenance_id bigint,
    language text DEFAULT 'english'::text NOT NULL,
    embedding_model text,
    embedding public.vector(1536),
    search tsvector GENERATED ALWAYS AS (public.memory_search_vector(language, fact)) STORED,
    embedding_code bit(1536) GENERATED ALWAYS AS ((public.memory_bits((embedding)::public.vector))::bit(1536)) STORED,
    CONSTRAINT kg_relationships_type_check CHECK ((type <> ''::text)),
    CONSTRAINT kg_relationships_valid_check CHECK ((valid_from < valid_to))
)
WITH (toast_tuple_target='8160', autovacuum_vacuum_insert_threshold='500', autovacuum_vacuum_insert_scale_factor='0.01');
ALTER TABLE ONLY public.kg_relationships ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.kg_relationships ALTER COLUMN type SET STATISTICS 0;
ALTER TABLE ONLY public.kg_relationships ALTER COLUMN fact SET STATISTICS 0;
ALTER TABLE ONLY public.kg_relationships ALTER COLUMN properties SET STATISTICS 0;
ALTER TABLE ONLY public.kg_relationships ALTER COLUMN embedding SET STATISTICS 0;
ALTER TABLE ONLY public.kg_relationships ALTER COLUMN embedding SET STORAGE PLAIN;
ALTER TABLE ONLY public.kg_relationships ALTER COLUMN search SET STATISTICS 0;
ALTER TABLE ONLY public.kg_relationships ALTER COLUMN embedding_code SET STATISTICS 0;

ALTER TABLE ONLY public.kg_relationships FORCE ROW LEVEL SECURITY;

CREATE FUNCTION public.memory_matching_fact(query tsquery) RETURNS bigint[]
    LANGUAGE sql STABLE SECURITY DEFINER
    RETURN ARRAY(SELECT m.id FROM public.kg_relationships m WHERE ((m.agent_id = ((SELECT public.memory_agent() AS memory_agent) COLLATE "C")) AND (public.memory_word_keys(m.agent_id, tsvector_to_array(m.search)) && (SELECT public.memory_word_keys(public.memory_agent(), public.memory_query_words(memory_matching_fact.query)) AS memory_word_keys)) AND (public.memory_word_keys(m.agent_id, tsvector_to_array(m.search)) && (SELECT public.memory_word_keys(public.memory_agent(), public.memory_query_words(memory_matching_fact.query)) AS memory_word_keys)) AND (m.search @@ memory_matching_fact.query)));

CREATE TABLE public.file_chunks (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    file_id bigint NOT NULL,
    chunk_text text NOT NULL,
    heading_path text[] DEFAULT '{}'::text[] NOT NULL,
    tokens integer,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    language text DEFAULT 'english'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    embedding_model text,
    search tsvector GENERATED ALWAYS AS (public.memory_search_vector(language, ((COALESCE((metadata ->> 'context'::text), ''::text) || '
'::text) || chunk_text))) STORED,
    embedding public.vector(1536),
    embedding_code bit(1536) GENERATED ALWAYS AS ((public.memory_bits((embedding)::public.vector))::bit(1536)) STORED
)
WITH (toast_tuple_target='8160', autovacuum_vacuum_insert_threshold='500', autovacuum_vacuum_insert_scale_factor='0.01');
ALTER TABLE ONLY public.file_chunks ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.file_chunks ALTER COLUMN chunk_text SET STATISTICS 0;
ALTER TABLE ONLY public.file_chunks ALTER COLUMN heading_path SET STATISTICS 0;
ALTER TABLE ONLY public.file_chunks ALTER COLUMN metadata SET STATISTICS 0;
ALTER TABLE ONLY public.file_chunks ALTER COLUMN search SET STATISTICS 0;
ALTER TABLE ONLY public.file_chunks ALTER COLUMN embedding SET STATISTICS 0;
ALTER TABLE ONLY public.file_chunks ALTER COLUMN embedding SET STORAGE PLAIN;
ALTER TABLE ONLY public.file_chunks ALTER COLUMN embedding_code SET STATISTICS 0;

ALTER TABLE ONLY public.file_chunks FORCE ROW LEVEL SECURITY;

CREATE FUNCTION public.memory_matching_file(query tsquery) RETURNS bigint[]
    LANGUAGE sql STABLE SECURITY DEFINER
    RETURN ARRAY(SELECT m.id FROM public.file_chunks m WHERE ((m.agent_id = ((SELECT public.memory_agent() AS memory_agent) COLLATE "C")) AND (public.memory_word_keys(m.agent_id, tsvector_to_array(m.search)) && (SELECT public.memory_word_keys(public.memory_agent(), public.memory_query_words(memory_matching_file.query)) AS memory_word_keys)) AND (public.memory_word_keys(m.agent_id, tsvector_to_array(m.search)) && (SELECT public.memory_word_keys(public.memory_agent(), public.memory_query_words(memory_matching_file.query)) AS memory_word_keys)) AND (m.search @@ memory_matching_file.query)));

CREATE TABLE public.store_items (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    namespace text[] NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    value jsonb NOT NULL,
    text text DEFAULT ''::text NOT NULL,
    language text DEFAULT 'english'::text NOT NULL,
    ttl_minutes double precision,
    expires_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    search tsvector GENERATED ALWAYS AS (public.memory_search_vector(language, text)) STORED,
    embedding_model text,
    embedding public.vector(1536),
    embedding_code bit(1536) GENERATED ALWAYS AS ((public.memory_bits((embedding)::public.vector))::bit(1536)) STORED,
    CONSTRAINT store_items_ttl_minutes_check CHECK (((ttl_minutes IS NULL) OR ((ttl_minutes > (0)::double precision) AND (expires_at IS NOT NULL)))),
    CONSTRAINT store_items_value_check CHECK ((jsonb_typeof(value) = 'object'::text))
)
WITH (toast_tuple_target='8160', autovacuum_vacuum_insert_threshold='500', autovacuum_vacuum_insert_scale_factor='0.01');
ALTER TABLE ONLY public.store_items ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.store_items ALTER COLUMN namespace SET STATISTICS 0;
ALTER TABLE ONLY public.store_items ALTER COLUMN key SET STATISTICS 0;
ALTER TABLE ONLY public.store_items ALTER COLUMN value SET STATISTICS 0;
ALTER TABLE ONLY public.store_items ALTER COLUMN text SET STATISTICS 0;
ALTER TABLE ONLY public.store_items ALTER COLUMN search SET STATISTICS 0;
ALTER TABLE ONLY public.store_items ALTER COLUMN embedding SET STATISTICS 0;
ALTER TABLE ONLY public.store_items ALTER COLUMN embedding SET STORAGE PLAIN;
ALTER TABLE ONLY public.store_items ALTER COLUMN embedding_code SET STATISTICS 0;

ALTER TABLE ONLY public.store_items FORCE ROW LEVEL SECURITY;

CREATE FUNCTION public.memory_matching_item(query tsquery) RETURNS bigint[]
    LANGUAGE sql STABLE SECURITY DEFINER
    RETURN ARRAY(SELECT m.id FROM public.store_items m WHERE ((m.agent_id = ((SELECT public.memory_agent() AS memory_agent) COLLATE "C")) AND (public.memory_word_keys(m.agent_id, tsvector_to_array(m.search)) && (SELECT public.memory_word_keys(public.memory_agent(), public.memory_query_words(memory_matching_item.query)) AS memory_word_keys)) AND (public.memory_word_keys(m.agent_id, tsvector_to_array(m.search)) && (SELECT public.memory_word_keys(public.memory_agent(), public.memory_query_words(memory_matching_item.query)) AS memory_word_keys)) AND (m.search @@ memory_matching_item.query)));

CREATE TABLE public.conversations (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    session text DEFAULT 'default'::text NOT NULL,
    role text NOT NULL,
    name text,
    content text DEFAULT ''::text NOT NULL,
    intent text,
    intent_confidence real,
    tokens integer,
    tool_calls jsonb,
    tool_call_id text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    language text DEFAULT 'english'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    embedding_model text,
    embedding public.vector(1536),
    search tsvector GENERATED ALWAYS AS (public.memory_search_vector(language, content)) STORED,
    embedding_code bit(1536) GENERATED ALWAYS AS ((public.memory_bits((embedding)::public.vector))::bit(1536)) STORED,
    CONSTRAINT conversations_role_check CHECK ((role = ANY (ARRAY['system'::text, 'developer'::text, 'user'::text, 'assistant'::text, 'tool'::text])))
)
WITH (toast_tuple_target='8160', autovacuum_vacuum_insert_threshold='500', autovacuum_vacuum_insert_scale_factor='0.01');
ALTER TABLE ONLY public.conversations ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.conversations ALTER COLUMN session SET STATISTICS 0;
ALTER TABLE ONLY public.conversations ALTER COLUMN name SET STATISTICS 0;
ALTER TABLE ONLY public.conversations ALTER COLUMN content SET STATISTICS 0;
ALTER TABLE ONLY public.conversations ALTER COLUMN intent SET STATISTICS 0;
ALTER TABLE ONLY public.conversations ALTER COLUMN tool_calls SET STATISTICS 0;
ALTER TABLE ONLY public.conversations ALTER COLUMN tool_call_id SET STATISTICS 0;
ALTER TABLE ONLY public.conversations ALTER COLUMN metadata SET STATISTICS 0;
ALTER TABLE ONLY public.conversations ALTER COLUMN embedding SET STATISTICS 0;
ALTER TABLE ONLY public.conversations ALTER COLUMN embedding SET STORAGE PLAIN;
ALTER TABLE ONLY public.conversations ALTER COLUMN search SET STATISTICS 0;
ALTER TABLE ONLY public.conversations ALTER COLUMN embedding_code SET STATISTICS 0;

ALTER TABLE ONLY public.conversations FORCE ROW LEVEL SECURITY;

CREATE FUNCTION public.memory_matching_message(query tsquery) RETURNS bigint[]
    LANGUAGE sql STABLE SECURITY DEFINER
    RETURN ARRAY(SELECT m.id FROM public.conversations m WHERE ((m.agent_id = ((SELECT public.memory_agent() AS memory_agent) COLLATE "C")) AND (public.memory_word_keys(m.agent_id, tsvector_to_array(m.search)) && (SELECT public.memory_word_keys(public.memory_agent(), public.memory_query_words(memory_matching_message.query)) AS memory_word_keys)) AND (public.memory_word_keys(m.agent_id, tsvector_to_array(m.search)) && (SELECT public.memory_word_keys(public.memory_agent(), public.memory_query_words(memory_matching_message.query)) AS memory_word_keys)) AND (m.search @@ memory_matching_message.query)));

CREATE FUNCTION public.memory_matching_tags(wanted text[]) RETURNS bigint[]
    LANGUAGE sql STABLE SECURITY DEFINER
    RETURN ARRAY(SELECT m.id FROM public.archival_memories m WHERE ((m.agent_id = (SELECT public.memory_agent() AS memory_agent)) AND (m.tags @> memory_matching_tags.wanted)));

CREATE TABLE public.core_memories (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    label text NOT NULL,
    value text DEFAULT ''::text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    "limit" integer DEFAULT 5000 NOT NULL,
    read_only boolean DEFAULT false NOT NULL,
    shared_with text[] DEFAULT '{}'::text[] NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT core_memories_label_check CHECK ((label <> ''::text)),
    CONSTRAINT core_memories_label_text_check CHECK ((label !~ '[/[:cntrl:]]'::text)),
    CONSTRAINT core_memories_limit_check CHECK ((("limit" > 0) AND (char_length(value) <= "limit")))
);
ALTER TABLE ONLY public.core_memories ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.core_memories ALTER COLUMN label SET STATISTICS 0;
ALTER TABLE ONLY public.core_memories ALTER COLUMN value SET STATISTICS 0;
ALTER TABLE ONLY public.core_memories ALTER COLUMN description SET STATISTICS 0;
ALTER TABLE ONLY public.core_memories ALTER COLUMN metadata SET STATISTICS 0;

ALTER TABLE ONLY public.core_memories FORCE ROW LEVEL SECURITY;

CREATE FUNCTION public.memory_may_share(owner text, block bigint, agents text[]) RETURNS boolean
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT (NOT (EXISTS ( SELECT
            FROM unnest(memory_may_share.agents) a(agent_id)
           WHERE ((NOT public.memory_in_scope(a.agent_id)) AND (NOT (EXISTS ( SELECT
                    FROM public.core_memories b
                   WHERE ((b.agent_id = memory_may_share.owner) AND (b.id = memory_may_share.block) AND (b.shared_with @> ARRAY[a.agent_id])))))))));
END;

CREATE FUNCTION public.memory_mentions(body text) RETURNS SETOF text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT DISTINCT n.name
    FROM (( SELECT
                 CASE
                     WHEN ((t.name ~~ '%''s'::text) OR (t.name ~~ '%’s'::text)) THEN "left"(t.name, '-2'::integer)
                     ELSE rtrim(t.name, '''’-'::text)
                 END AS rtrim
            FROM ( SELECT
                         CASE
                             WHEN (w.words[1] <> ALL (w.idle)) THEN array_to_string(w.words, ' '::text)
                             WHEN (w.words[2] <> ALL (w.idle)) THEN array_to_string(w.words[2:], ' '::text)
                             WHEN (w.words[3] <> ALL (w.idle)) THEN array_to_string(w.words[3:], ' '::text)
                             ELSE NULL::text
                         END AS "case"
                    FROM ( SELECT string_to_array(lower(m.run[1]), ' '::text) AS string_to_array,
                             '{the,a,an,in,on,at,it,he,she,they,this,that,these,those,his,her,its,their,there,when,after,before,during,as,for,with,from,by,however,also,although,while,and,but,or,if,since,where,which,who,what,how,why,was,is,are,did,does,do,to,of,i,we,you,under,over,many,most,some,all,one,two,three,several,both,each,january,february,march,april,may,june,july,august,september,october,november,december,monday,tuesday,wednesday,thursday,friday,saturday,sunday,mr,mrs,ms,dr}'::text[] AS text
                            FROM regexp_matches(memory_mentions.body, '\m[[:upper:]0-9][[:alnum:]_''’-]*(?: (?:(?:of|the|and|de|la|von|van|du|der|for|in|on|at|&) )?(?:the )?[[:upper:]][[:alnum:]_''’-]*)*'::text, 'g'::text) m(run)
                          OFFSET 0) w(words, idle)
                  OFFSET 0) t(name)
          OFFSET 0)
         UNION ALL
          SELECT rtrim(split_part(lower(t.line), ' ('::text, 1)) AS rtrim
            FROM ( SELECT split_part(memory_mentions.body, '
'::text, 1) AS split_part) t(line)
           WHERE ((t.line <> memory_mentions.body) AND ((char_length(t.line) >= 2) AND (char_length(t.line) <= 100)) AND ("right"(t.line, 1) <> ALL (ARRAY['.'::text, ','::text, '!'::text, '?'::text, ';'::text, ':'::text])))) n(name)
   WHERE ((char_length(n.name) >= 2) AND (char_length(n.name) <= 100));
END;

CREATE FUNCTION public.memory_name_query(names text[]) RETURNS tsquery
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT (string_agg(to_hex(hashtextextended(n.name, (0)::bigint)), ' | '::text))::tsquery AS string_agg
    FROM unnest(memory_name_query.names) n(name);
END;

CREATE FUNCTION public.memory_plain_name(name text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN btrim(regexp_replace(lower(NORMALIZE(name, NFKC)), '[^[:alnum:]]+'::text, ' '::text, 'g'::text));

CREATE FUNCTION public.memory_shares(owner text, block bigint) RETURNS boolean
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT (EXISTS ( SELECT
            FROM public.core_memories b
           WHERE ((b.agent_id = memory_shares.owner) AND (b.id = memory_shares.block) AND (b.shared_with @> ARRAY[public.memory_agent()])))) AS "exists";
END;

CREATE FUNCTION public.memory_use_role(role name DEFAULT public.memory_role()) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
    relation regclass;
BEGIN
    BEGIN
        IF to_regrole(quote_ident(role)) IS NULL THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
        IF NOT pg_has_role(current_user, role, 'SET') THEN
            EXECUTE format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE', role, current_user);
        END IF;
    EXCEPTION
        WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;  -- what counts is asked below
    END;
    IF to_regrole(quote_ident(role)) IS NOT NULL AND pg_has_role(current_user, to_regrole(quote_ident(role)), 'SET') THEN
        PERFORM memory_allow_requests(role);
        RETURN true;
    END IF;
    RAISE NOTICE 'the role %, as which requests of the service run, cannot be created or used by "%"', role, current_user
    USING HINT = format(
        'An administrator can: CREATE ROLE %I NOLOGIN; GRANT %I TO %I; then run memgpt db migrate again. Where the role belongs '
        'to somebody else, set MEMGPT_DB_ROLE to another name. The library works without it.', role, role, current_user);
    IF to_regrole('memgpt_agent') IS NOT NULL AND NOT pg_has_role(current_user, 'memgpt_agent', 'SET') THEN
        FOR relation IN
            SELECT p.polrelid::regclass FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
            WHERE p.polname = 'memgpt_agent'
                AND c.relnamespace = (SELECT a.relnamespace FROM pg_class a WHERE a.oid = 'agents'::regclass)
        LOOP
            EXECUTE format('REVOKE ALL ON %s FROM memgpt_agent', relation);
        END LOOP;
    END IF;
    RETURN false;
END
$$;

CREATE FUNCTION public.schema_migrations_once() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
DECLARE
    recorded boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %I.%I WHERE migration_name = $1)', TG_TABLE_SCHEMA, TG_TABLE_NAME)
    INTO recorded USING NEW.migration_name;
    RETURN CASE WHEN recorded THEN NULL ELSE NEW END;
END
$_$;

CREATE TABLE public.agent_steps (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    turn_id bigint NOT NULL,
    number integer NOT NULL,
    session text NOT NULL,
    kind text DEFAULT 'answer'::text NOT NULL,
    model text NOT NULL,
    system text,
    tools jsonb DEFAULT '[]'::jsonb NOT NULL,
    message_ids bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    longest integer NOT NULL,
    sent_hash text NOT NULL,
    tokens_by_part jsonb DEFAULT '{}'::jsonb NOT NULL,
    answer_id bigint,
    calls integer DEFAULT 0 NOT NULL,
    calls_done integer DEFAULT 0 NOT NULL,
    summary text,
    summary_until timestamp with time zone,
    summary_until_id bigint,
    input_tokens integer,
    output_tokens integer,
    cost double precision,
    seconds real,
    finish_reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT agent_steps_calls_check CHECK (((calls_done >= 0) AND (calls_done <= calls))),
    CONSTRAINT agent_steps_kind_check CHECK ((kind = ANY (ARRAY['answer'::text, 'summary'::text])))
);
ALTER TABLE ONLY public.agent_steps ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.agent_steps ALTER COLUMN session SET STATISTICS 0;
ALTER TABLE ONLY public.agent_steps ALTER COLUMN system SET STATISTICS 0;
ALTER TABLE ONLY public.agent_steps ALTER COLUMN tools SET STATISTICS 0;
ALTER TABLE ONLY public.agent_steps ALTER COLUMN sent_hash SET STATISTICS 0;
ALTER TABLE ONLY public.agent_steps ALTER COLUMN summary SET STATISTICS 0;

ALTER TABLE ONLY public.agent_steps FORCE ROW LEVEL SECURITY;

ALTER TABLE public.agent_steps ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.agent_steps_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.agent_turns (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    session text NOT NULL,
    message_id bigint NOT NULL,
    status text DEFAULT 'running'::text NOT NULL,
    reason text,
    runner uuid NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT agent_turns_status_check CHECK ((status = ANY (ARRAY['running'::text, 'done'::text, 'stopped'::text, 'failed'::text, 'cancelled'::text])))
);
ALTER TABLE ONLY public.agent_turns ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.agent_turns ALTER COLUMN session SET STATISTICS 0;
ALTER TABLE ONLY public.agent_turns ALTER COLUMN reason SET STATISTICS 0;

ALTER TABLE ONLY public.agent_turns FORCE ROW LEVEL SECURITY;

ALTER TABLE public.agent_turns ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.agent_turns_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.api_keys (
    key_id text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    secret_hash bytea NOT NULL,
    permissions text[] NOT NULL,
    agents text[] NOT NULL,
    requests_per_minute integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    replaces text,
    CONSTRAINT api_keys_agents_check CHECK ((agents <> '{}'::text[])),
    CONSTRAINT api_keys_permissions_check CHECK (((permissions <@ ARRAY['read'::text, 'write'::text, 'admin'::text, 'metrics'::text]) AND (permissions <> '{}'::text[]))),
    CONSTRAINT api_keys_requests_per_minute_check CHECK ((requests_per_minute > 0)),
    CONSTRAINT api_keys_secret_hash_check CHECK ((octet_length(secret_hash) = 32))
);

ALTER TABLE ONLY public.api_keys FORCE ROW LEVEL SECURITY;

ALTER TABLE public.archival_memories ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.archival_memories_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.audit_log (
    id bigint NOT NULL,
    logged_at timestamp with time zone DEFAULT now() NOT NULL,
    request_id text NOT NULL,
    key_id text,
    agent_id text,
    action text NOT NULL,
    status integer NOT NULL,
    client text
);
ALTER TABLE ONLY public.audit_log ALTER COLUMN agent_id SET STATISTICS 0;

ALTER TABLE ONLY public.audit_log FORCE ROW LEVEL SECURITY;

ALTER TABLE public.audit_log ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.audit_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.console_sessions (
    cookie_hash bytea NOT NULL,
    key_id text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    used_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT console_sessions_cookie_hash_check CHECK ((octet_length(cookie_hash) = 32))
);
ALTER TABLE ONLY public.console_sessions ALTER COLUMN cookie_hash SET STATISTICS 0;
ALTER TABLE ONLY public.console_sessions ALTER COLUMN key_id SET STATISTICS 0;

ALTER TABLE ONLY public.console_sessions FORCE ROW LEVEL SECURITY;

ALTER TABLE public.conversations ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.conversations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.core_memories ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.core_memories_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.document_chunks ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.document_chunks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.documents (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    title text DEFAULT ''::text NOT NULL,
    source text,
    media_type text,
    content_hash text,
    tokens integer,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY public.documents ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.documents ALTER COLUMN title SET STATISTICS 0;
ALTER TABLE ONLY public.documents ALTER COLUMN source SET STATISTICS 0;
ALTER TABLE ONLY public.documents ALTER COLUMN media_type SET STATISTICS 0;
ALTER TABLE ONLY public.documents ALTER COLUMN content_hash SET STATISTICS 0;
ALTER TABLE ONLY public.documents ALTER COLUMN metadata SET STATISTICS 0;

ALTER TABLE ONLY public.documents FORCE ROW LEVEL SECURITY;

ALTER TABLE public.documents ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.documents_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.embedding_cache (
    agent_id text NOT NULL,
    model text NOT NULL,
    hash bytea NOT NULL,
    embedding public.vector NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT embedding_cache_hash_check CHECK ((octet_length(hash) = 32))
);
ALTER TABLE ONLY public.embedding_cache ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.embedding_cache ALTER COLUMN hash SET STATISTICS 0;
ALTER TABLE ONLY public.embedding_cache ALTER COLUMN embedding SET STATISTICS 0;

ALTER TABLE ONLY public.embedding_cache FORCE ROW LEVEL SECURITY;

CREATE TABLE public.embedding_models (
    name text NOT NULL,
    dimensions integer NOT NULL,
    active boolean DEFAULT false NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT embedding_models_dimensions_check CHECK (((dimensions >= 1) AND (dimensions <= 16000)))
);

ALTER TABLE ONLY public.embedding_models FORCE ROW LEVEL SECURITY;

CREATE TABLE public.embedding_switches (
    id bigint NOT NULL,
    from_model text NOT NULL,
    from_dimensions integer NOT NULL,
    to_model text NOT NULL,
    to_dimensions integer NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    backward boolean DEFAULT false NOT NULL,
    rows_total bigint DEFAULT 0 NOT NULL,
    rows_done bigint DEFAULT 0 NOT NULL,
    tokens bigint DEFAULT 0 NOT NULL,
    cost numeric DEFAULT 0,
    phase text DEFAULT ''::text NOT NULL,
    verification jsonb,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    switched_at timestamp with time zone,
    ended_at timestamp with time zone,
    CONSTRAINT embedding_switches_state_check CHECK ((state = ANY (ARRAY['running'::text, 'switched'::text, 'finished'::text, 'rolled back'::text, 'cancelled'::text])))
);

ALTER TABLE ONLY public.embedding_switches FORCE ROW LEVEL SECURITY;

ALTER TABLE public.embedding_switches ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.embedding_switches_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.embedding_usage (
    agent_id text NOT NULL,
    model text NOT NULL,
    day date DEFAULT CURRENT_DATE NOT NULL,
    texts bigint DEFAULT 0 NOT NULL,
    requests bigint DEFAULT 0 NOT NULL,
    tokens bigint DEFAULT 0 NOT NULL,
    cost numeric
);
ALTER TABLE ONLY public.embedding_usage ALTER COLUMN agent_id SET STATISTICS 0;

ALTER TABLE ONLY public.embedding_usage FORCE ROW LEVEL SECURITY;

ALTER TABLE public.file_chunks ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.file_chunks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.file_syncs (
    agent_id text NOT NULL,
    folder text NOT NULL,
    path text NOT NULL COLLATE pg_catalog."C",
    sha256 text NOT NULL
);
ALTER TABLE ONLY public.file_syncs ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.file_syncs ALTER COLUMN folder SET STATISTICS 0;
ALTER TABLE ONLY public.file_syncs ALTER COLUMN path SET STATISTICS 0;
ALTER TABLE ONLY public.file_syncs ALTER COLUMN sha256 SET STATISTICS 0;

ALTER TABLE ONLY public.file_syncs FORCE ROW LEVEL SECURITY;

CREATE TABLE public.files (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    path text NOT NULL COLLATE pg_catalog."C",
    content text NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT files_path_check CHECK ((path ~ '^(/[^/]+)+$'::text))
);
ALTER TABLE ONLY public.files ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.files ALTER COLUMN path SET STATISTICS 0;
ALTER TABLE ONLY public.files ALTER COLUMN content SET STATISTICS 0;
ALTER TABLE ONLY public.files ALTER COLUMN metadata SET STATISTICS 0;

ALTER TABLE ONLY public.files FORCE ROW LEVEL SECURITY;

ALTER TABLE public.files ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.files_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.idempotent_answers (
    key_id text NOT NULL,
    idempotency_key text NOT NULL,
    request_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    status integer,
    headers jsonb,
    body bytea,
    agent_id text
);
ALTER TABLE ONLY public.idempotent_answers ALTER COLUMN idempotency_key SET STATISTICS 0;
ALTER TABLE ONLY public.idempotent_answers ALTER COLUMN request_hash SET STATISTICS 0;
ALTER TABLE ONLY public.idempotent_answers ALTER COLUMN headers SET STATISTICS 0;
ALTER TABLE ONLY public.idempotent_answers ALTER COLUMN body SET STATISTICS 0;
ALTER TABLE ONLY public.idempotent_answers ALTER COLUMN agent_id SET STATISTICS 0;

ALTER TABLE ONLY public.idempotent_answers FORCE ROW LEVEL SECURITY;

CREATE TABLE public.intent_examples (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    intent text NOT NULL,
    text text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT intent_examples_text_check CHECK ((char_length(text) <= 400))
);
ALTER TABLE ONLY public.intent_examples ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.intent_examples ALTER COLUMN intent SET STATISTICS 0;
ALTER TABLE ONLY public.intent_examples ALTER COLUMN text SET STATISTICS 0;

ALTER TABLE ONLY public.intent_examples FORCE ROW LEVEL SECURITY;

ALTER TABLE public.intent_examples ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.intent_examples_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.job_files (
    agent_id text NOT NULL,
    job_id bigint NOT NULL,
    number integer NOT NULL,
    name text NOT NULL,
    content bytea NOT NULL
);
ALTER TABLE ONLY public.job_files ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.job_files ALTER COLUMN name SET STATISTICS 0;
ALTER TABLE ONLY public.job_files ALTER COLUMN content SET STATISTICS 0;

ALTER TABLE ONLY public.job_files FORCE ROW LEVEL SECURITY;

CREATE TABLE public.jobs (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    kind text NOT NULL,
    arguments jsonb DEFAULT '{}'::jsonb NOT NULL,
    status text DEFAULT 'queued'::text NOT NULL,
    done bigint DEFAULT 0 NOT NULL,
    total bigint,
    message text DEFAULT ''::text NOT NULL,
    result jsonb,
    error text,
    requested_by text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    runner uuid,
    cancel_requested_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    forgotten boolean DEFAULT false NOT NULL,
    CONSTRAINT jobs_done_check CHECK (((done >= 0) AND (total >= 0))),
    CONSTRAINT jobs_finished_at_check CHECK (((finished_at IS NULL) = (status = ANY (ARRAY['queued'::text, 'running'::text])))),
    CONSTRAINT jobs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text])))
);
ALTER TABLE ONLY public.jobs ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.jobs ALTER COLUMN arguments SET STATISTICS 0;
ALTER TABLE ONLY public.jobs ALTER COLUMN message SET STATISTICS 0;
ALTER TABLE ONLY public.jobs ALTER COLUMN result SET STATISTICS 0;
ALTER TABLE ONLY public.jobs ALTER COLUMN error SET STATISTICS 0;

ALTER TABLE ONLY public.jobs FORCE ROW LEVEL SECURITY;

ALTER TABLE public.jobs ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.kg_entities ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.kg_entities_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.kg_extractions (
    agent_id text NOT NULL,
    recipe uuid NOT NULL,
    kind text NOT NULL,
    row_id bigint NOT NULL,
    archival_id bigint GENERATED ALWAYS AS (
CASE
    WHEN (kind = 'archival'::text) THEN row_id
    ELSE NULL::bigint
END) STORED,
    message_id bigint GENERATED ALWAYS AS (
CASE
    WHEN (kind = 'message'::text) THEN row_id
    ELSE NULL::bigint
END) STORED,
    chunk_id bigint GENERATED ALWAYS AS (
CASE
    WHEN (kind = 'chunk'::text) THEN row_id
    ELSE NULL::bigint
END) STORED,
    model text NOT NULL,
    text_hash uuid NOT NULL,
    answer jsonb,
    reason text,
    attempts integer DEFAULT 1 NOT NULL,
    input_tokens bigint DEFAULT 0 NOT NULL,
    output_tokens bigint DEFAULT 0 NOT NULL,
    cost numeric,
    extracted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    applied_at timestamp with time zone,
    CONSTRAINT kg_extractions_answer_check CHECK (((answer IS NOT NULL) OR (reason IS NOT NULL))),
    CONSTRAINT kg_extractions_applied_check CHECK (((applied_at IS NULL) OR ((answer IS NOT NULL) AND (reason IS NULL)))),
    CONSTRAINT kg_extractions_kind_check CHECK ((kind = ANY (ARRAY['archival'::text, 'message'::text, 'chunk'::text])))
);
ALTER TABLE ONLY public.kg_extractions ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.kg_extractions ALTER COLUMN text_hash SET STATISTICS 0;
ALTER TABLE ONLY public.kg_extractions ALTER COLUMN answer SET STATISTICS 0;
ALTER TABLE ONLY public.kg_extractions ALTER COLUMN reason SET STATISTICS 0;

ALTER TABLE ONLY public.kg_extractions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.kg_mentions (
    agent_id text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    row_id bigint NOT NULL,
    archival_id bigint GENERATED ALWAYS AS (
CASE
    WHEN (kind = 'archival'::text) THEN row_id
    ELSE NULL::bigint
END) STORED,
    chunk_id bigint GENERATED ALWAYS AS (
CASE
    WHEN (kind = 'chunk'::text) THEN row_id
    ELSE NULL::bigint
END) STORED,
    text_hash uuid,
    CONSTRAINT kg_mentions_kind_check CHECK ((kind = ANY (ARRAY['archival'::text, 'chunk'::text]))),
    CONSTRAINT kg_mentions_text_hash_check CHECK (((name = ''::text) = (text_hash IS NOT NULL)))
)
WITH (autovacuum_vacuum_insert_scale_factor='0.02');
ALTER TABLE ONLY public.kg_mentions ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.kg_mentions ALTER COLUMN name SET STATISTICS 0;
ALTER TABLE ONLY public.kg_mentions ALTER COLUMN text_hash SET STATISTICS 0;

ALTER TABLE ONLY public.kg_mentions FORCE ROW LEVEL SECURITY;

ALTER TABLE public.kg_relationships ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.kg_relationships_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.memory_history (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    change_id uuid NOT NULL,
    actor text NOT NULL,
    kind text NOT NULL,
    row_id bigint NOT NULL,
    action text NOT NULL,
    old jsonb,
    old_embedding public.vector,
    undoes uuid,
    CONSTRAINT memory_history_action_check CHECK ((action = ANY (ARRAY['insert'::text, 'update'::text, 'delete'::text]))),
    CONSTRAINT memory_history_kind_check CHECK ((kind = ANY (ARRAY['block'::text, 'archival'::text, 'message'::text, 'document'::text, 'chunk'::text, 'entity'::text, 'fact'::text, 'item'::text, 'file'::text, 'file_chunk'::text])))
);
ALTER TABLE ONLY public.memory_history ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.memory_history ALTER COLUMN old SET STATISTICS 0;
ALTER TABLE ONLY public.memory_history ALTER COLUMN old_embedding SET STATISTICS 0;

ALTER TABLE ONLY public.memory_history FORCE ROW LEVEL SECURITY;

ALTER TABLE public.memory_history ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.memory_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.proposals (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    kind text NOT NULL,
    status text DEFAULT 'proposed'::text NOT NULL,
    reason text NOT NULL,
    score real,
    about text[] DEFAULT '{}'::text[] NOT NULL,
    evidence jsonb DEFAULT '{}'::jsonb NOT NULL,
    change jsonb NOT NULL,
    fingerprint uuid NOT NULL,
    change_id uuid,
    actor text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    decided_at timestamp with time zone,
    CONSTRAINT proposals_change_id_check CHECK (((status = ANY (ARRAY['applied'::text, 'reverted'::text])) = (change_id IS NOT NULL))),
    CONSTRAINT proposals_decided_check CHECK (((status = 'proposed'::text) = (decided_at IS NULL))),
    CONSTRAINT proposals_kind_check CHECK ((kind = ANY (ARRAY['merge'::text, 'duplicates'::text, 'decay'::text, 'expiry'::text, 'consolidation'::text, 'tidying'::text, 'facts'::text, 'standing'::text]))),
    CONSTRAINT proposals_status_check CHECK ((status = ANY (ARRAY['proposed'::text, 'applied'::text, 'rejected'::text, 'reverted'::text])))
);
ALTER TABLE ONLY public.proposals ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.proposals ALTER COLUMN reason SET STATISTICS 0;
ALTER TABLE ONLY public.proposals ALTER COLUMN evidence SET STATISTICS 0;
ALTER TABLE ONLY public.proposals ALTER COLUMN change SET STATISTICS 0;
ALTER TABLE ONLY public.proposals ALTER COLUMN fingerprint SET STATISTICS 0;

ALTER TABLE ONLY public.proposals FORCE ROW LEVEL SECURITY;

ALTER TABLE public.proposals ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.proposals_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.schema_migration_checksums (
    migration_name character varying(255) NOT NULL,
    checksum text NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY public.schema_migration_checksums FORCE ROW LEVEL SECURITY;

CREATE TABLE public.schema_migrations (
    id integer NOT NULL,
    migration_name character varying(255) NOT NULL,
    applied_at timestamp without time zone DEFAULT CURRENT_TIMESTAMP
);

ALTER TABLE ONLY public.schema_migrations FORCE ROW LEVEL SECURITY;

CREATE SEQUENCE public.schema_migrations_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.schema_migrations_id_seq OWNED BY public.schema_migrations.id;

ALTER TABLE public.store_items ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.store_items_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.store_vectors (
    agent_id text NOT NULL,
    id bigint NOT NULL,
    item_id bigint NOT NULL,
    collection text NOT NULL COLLATE pg_catalog."C",
    field text NOT NULL,
    item_embedding public.vector NOT NULL,
    created_at timestamp with time zone NOT NULL
);
ALTER TABLE ONLY public.store_vectors ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.store_vectors ALTER COLUMN collection SET STATISTICS 0;
ALTER TABLE ONLY public.store_vectors ALTER COLUMN field SET STATISTICS 0;
ALTER TABLE ONLY public.store_vectors ALTER COLUMN item_embedding SET STATISTICS 0;

ALTER TABLE ONLY public.store_vectors FORCE ROW LEVEL SECURITY;

ALTER TABLE public.store_vectors ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.store_vectors_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.thread_checkpoints (
    agent_id text NOT NULL,
    thread_id text NOT NULL COLLATE pg_catalog."C",
    namespace text NOT NULL COLLATE pg_catalog."C",
    checkpoint_id text NOT NULL COLLATE pg_catalog."C",
    parent_id text COLLATE pg_catalog."C",
    run_id text COLLATE pg_catalog."C",
    channel_versions jsonb NOT NULL,
    labels jsonb NOT NULL,
    checkpoint_type text NOT NULL,
    checkpoint bytea NOT NULL,
    metadata_type text NOT NULL,
    metadata bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE ONLY public.thread_checkpoints ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.thread_checkpoints ALTER COLUMN thread_id SET STATISTICS 0;
ALTER TABLE ONLY public.thread_checkpoints ALTER COLUMN namespace SET STATISTICS 0;
ALTER TABLE ONLY public.thread_checkpoints ALTER COLUMN checkpoint_id SET STATISTICS 0;
ALTER TABLE ONLY public.thread_checkpoints ALTER COLUMN parent_id SET STATISTICS 0;
ALTER TABLE ONLY public.thread_checkpoints ALTER COLUMN run_id SET STATISTICS 0;
ALTER TABLE ONLY public.thread_checkpoints ALTER COLUMN channel_versions SET STATISTICS 0;
ALTER TABLE ONLY public.thread_checkpoints ALTER COLUMN labels SET STATISTICS 0;
ALTER TABLE ONLY public.thread_checkpoints ALTER COLUMN checkpoint SET STATISTICS 0;
ALTER TABLE ONLY public.thread_checkpoints ALTER COLUMN metadata SET STATISTICS 0;

ALTER TABLE ONLY public.thread_checkpoints FORCE ROW LEVEL SECURITY;

CREATE TABLE public.thread_values (
    agent_id text NOT NULL,
    thread_id text NOT NULL COLLATE pg_catalog."C",
    namespace text NOT NULL COLLATE pg_catalog."C",
    channel text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL,
    value bytea NOT NULL
);
ALTER TABLE ONLY public.thread_values ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.thread_values ALTER COLUMN thread_id SET STATISTICS 0;
ALTER TABLE ONLY public.thread_values ALTER COLUMN namespace SET STATISTICS 0;
ALTER TABLE ONLY public.thread_values ALTER COLUMN channel SET STATISTICS 0;
ALTER TABLE ONLY public.thread_values ALTER COLUMN version SET STATISTICS 0;
ALTER TABLE ONLY public.thread_values ALTER COLUMN value SET STATISTICS 0;

ALTER TABLE ONLY public.thread_values FORCE ROW LEVEL SECURITY;

CREATE TABLE public.thread_writes (
    agent_id text NOT NULL,
    thread_id text NOT NULL COLLATE pg_catalog."C",
    namespace text NOT NULL COLLATE pg_catalog."C",
    checkpoint_id text NOT NULL COLLATE pg_catalog."C",
    task_id text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    task_path text NOT NULL COLLATE pg_catalog."C",
    channel text NOT NULL,
    type text NOT NULL,
    value bytea NOT NULL
);
ALTER TABLE ONLY public.thread_writes ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE ONLY public.thread_writes ALTER COLUMN thread_id SET STATISTICS 0;
ALTER TABLE ONLY public.thread_writes ALTER COLUMN namespace SET STATISTICS 0;
ALTER TABLE ONLY public.thread_writes ALTER COLUMN checkpoint_id SET STATISTICS 0;
ALTER TABLE ONLY public.thread_writes ALTER COLUMN task_id SET STATISTICS 0;
ALTER TABLE ONLY public.thread_writes ALTER COLUMN task_path SET STATISTICS 0;
ALTER TABLE ONLY public.thread_writes ALTER COLUMN channel SET STATISTICS 0;
ALTER TABLE ONLY public.thread_writes ALTER COLUMN value SET STATISTICS 0;

ALTER TABLE ONLY public.thread_writes FORCE ROW LEVEL SECURITY;

ALTER TABLE ONLY public.schema_migrations ALTER COLUMN id SET DEFAULT nextval('public.schema_migrations_id_seq'::regclass);

ALTER TABLE ONLY public.agent_steps
    ADD CONSTRAINT agent_steps_number_key UNIQUE (agent_id, turn_id, number);

ALTER TABLE ONLY public.agent_steps
    ADD CONSTRAINT agent_steps_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.agent_turns
    ADD CONSTRAINT agent_turns_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT agents_pkey PRIMARY KEY (agent_id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (key_id);

ALTER TABLE ONLY public.archival_memories
    ADD CONSTRAINT archival_memories_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.console_sessions
    ADD CONSTRAINT console_sessions_pkey PRIMARY KEY (cookie_hash);

ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.core_memories
    ADD CONSTRAINT core_memories_label_key UNIQUE (agent_id, label);

ALTER TABLE ONLY public.core_memories
    ADD CONSTRAINT core_memories_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.document_chunks
    ADD CONSTRAINT document_chunks_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.documents
    ADD CONSTRAINT documents_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.documents
    ADD CONSTRAINT documents_source_key UNIQUE (agent_id, source);

ALTER TABLE ONLY public.embedding_cache
    ADD CONSTRAINT embedding_cache_pkey PRIMARY KEY (agent_id, model, hash);

ALTER TABLE ONLY public.embedding_models
    ADD CONSTRAINT embedding_models_pkey PRIMARY KEY (name, dimensions);

ALTER TABLE ONLY public.embedding_switches
    ADD CONSTRAINT embedding_switches_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.embedding_usage
    ADD CONSTRAINT embedding_usage_pkey PRIMARY KEY (agent_id, model, day);

ALTER TABLE ONLY public.file_chunks
    ADD CONSTRAINT file_chunks_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.file_syncs
    ADD CONSTRAINT file_syncs_pkey PRIMARY KEY (agent_id, folder, path);

ALTER TABLE ONLY public.files
    ADD CONSTRAINT files_path_key UNIQUE (agent_id, path);

ALTER TABLE ONLY public.files
    ADD CONSTRAINT files_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.idempotent_answers
    ADD CONSTRAINT idempotent_answers_pkey PRIMARY KEY (key_id, idempotency_key);

ALTER TABLE ONLY public.intent_examples
    ADD CONSTRAINT intent_examples_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.intent_examples
    ADD CONSTRAINT intent_examples_text_key UNIQUE (agent_id, text);

ALTER TABLE ONLY public.job_files
    ADD CONSTRAINT job_files_pkey PRIMARY KEY (agent_id, job_id, number);

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.kg_entities
    ADD CONSTRAINT kg_entities_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.kg_extractions
    ADD CONSTRAINT kg_extractions_pkey PRIMARY KEY (agent_id, recipe, kind, row_id);

ALTER TABLE ONLY public.kg_mentions
    ADD CONSTRAINT kg_mentions_pkey PRIMARY KEY (agent_id, name, kind, row_id);

ALTER TABLE ONLY public.kg_relationships
    ADD CONSTRAINT kg_relationships_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.memory_history
    ADD CONSTRAINT memory_history_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.proposals
    ADD CONSTRAINT proposals_fingerprint_key UNIQUE (agent_id, fingerprint);

ALTER TABLE ONLY public.proposals
    ADD CONSTRAINT proposals_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.schema_migration_checksums
    ADD CONSTRAINT schema_migration_checksums_pkey PRIMARY KEY (migration_name);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_migration_name_key UNIQUE (migration_name);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.store_items
    ADD CONSTRAINT store_items_key UNIQUE (agent_id, namespace, key);

ALTER TABLE ONLY public.store_items
    ADD CONSTRAINT store_items_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.store_vectors
    ADD CONSTRAINT store_vectors_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.thread_checkpoints
    ADD CONSTRAINT thread_checkpoints_pkey PRIMARY KEY (agent_id, thread_id, namespace, checkpoint_id);

ALTER TABLE ONLY public.thread_values
    ADD CONSTRAINT thread_values_pkey PRIMARY KEY (agent_id, thread_id, namespace, channel, version);

ALTER TABLE ONLY public.thread_writes
    ADD CONSTRAINT thread_writes_pkey PRIMARY KEY (agent_id, thread_id, namespace, checkpoint_id, task_id, number);

CREATE INDEX agent_steps_summary_idx ON public.agent_steps USING btree (agent_id, session, id DESC) WHERE (kind = 'summary'::text);

CREATE UNIQUE INDEX agent_turns_running_idx ON public.agent_turns USING btree (agent_id, session) WHERE (status = 'running'::text);

CREATE INDEX agent_turns_session_idx ON public.agent_turns USING btree (agent_id, session, id DESC);

CREATE INDEX archival_memories_accessed_at_idx ON public.archival_memories USING btree (agent_id, accessed_at DESC);

CREATE INDEX archival_memories_agent_embedding_idx ON public.archival_memories USING btree (agent_id) INCLUDE (id, embedding_code, created_at, importance, expires_at) WHERE ((embedding_code IS NOT NULL) AND (superseded_at IS NULL));

CREATE INDEX archival_memories_agent_id_idx ON public.archival_memories USING btree (agent_id);

CREATE INDEX archival_memories_created_at_idx ON public.archival_memories USING btree (agent_id, created_at DESC);

CREATE INDEX archival_memories_embedding_idx ON public.archival_memories USING ivfflat (embedding public.vector_cosine_ops) WITH (lists='200');

CREATE INDEX archival_memories_expires_at_idx ON public.archival_memories USING btree (agent_id, expires_at) WHERE (expires_at IS NOT NULL);

CREATE INDEX archival_memories_search_idx ON public.archival_memories USING gin (public.memory_word_keys(agent_id, tsvector_to_array(search))) WITH (gin_pending_list_limit='64');
ALTER INDEX public.archival_memories_search_idx ALTER COLUMN 1 SET STATISTICS 0;

CREATE INDEX archival_memories_tags_idx ON public.archival_memories USING gin (tags);

CREATE UNIQUE INDEX archival_memories_text_key ON public.archival_memories USING btree (agent_id, normal_hash) WHERE (superseded_at IS NULL);

CREATE INDEX audit_log_logged_at_idx ON public.audit_log USING btree (logged_at);

CREATE INDEX conversations_agent_embedding_idx ON public.conversations USING btree (agent_id) INCLUDE (id, embedding_code) WHERE (embedding_code IS NOT NULL);

CREATE INDEX conversations_agent_id_idx ON public.conversations USING btree (agent_id);

CREATE INDEX conversations_created_at_idx ON public.conversations USING btree (agent_id, created_at DESC);

CREATE INDEX conversations_intent_idx ON public.conversations USING btree (agent_id, intent, created_at DESC);

CREATE INDEX conversations_search_idx ON public.conversations USING gin (public.memory_word_keys(agent_id, tsvector_to_array(search))) WITH (gin_pending_list_limit='64');
ALTER INDEX public.conversations_search_idx ALTER COLUMN 1 SET STATISTICS 0;

CREATE INDEX conversations_session_idx ON public.conversations USING btree (agent_id, session, created_at, id);

CREATE INDEX core_memories_agent_id_idx ON public.core_memories USING btree (agent_id);

CREATE INDEX core_memories_shared_with_idx ON public.core_memories USING gin (shared_with);

CREATE INDEX core_memories_type_idx ON public.core_memories USING btree (agent_id, label);

CREATE INDEX document_chunks_agent_embedding_idx ON public.document_chunks USING btree (agent_id) INCLUDE (id, embedding_code) WHERE (embedding_code IS NOT NULL);

CREATE INDEX document_chunks_agent_id_idx ON public.document_chunks USING btree (agent_id);

CREATE INDEX document_chunks_created_at_idx ON public.document_chunks USING btree (agent_id, created_at DESC);

CREATE INDEX document_chunks_document_idx ON public.document_chunks USING btree (agent_id, document_id, chunk_index);

CREATE INDEX document_chunks_embedding_idx ON public.document_chunks USING ivfflat (embedding public.vector_cosine_ops) WITH (lists='200');

CREATE INDEX document_chunks_search_idx ON public.document_chunks USING gin (public.memory_word_keys(agent_id, tsvector_to_array(search))) WITH (gin_pending_list_limit='64');
ALTER INDEX public.document_chunks_search_idx ALTER COLUMN 1 SET STATISTICS 0;

CREATE UNIQUE INDEX embedding_models_active_idx ON public.embedding_models USING btree (active) WHERE active;

CREATE UNIQUE INDEX embedding_switches_current_idx ON public.embedding_switches USING btree ((true)) WHERE (state = ANY (ARRAY['running'::text, 'switched'::text]));

CREATE INDEX file_chunks_agent_embedding_idx ON public.file_chunks USING btree (agent_id) INCLUDE (id, embedding_code) WHERE (embedding_code IS NOT NULL);

CREATE INDEX file_chunks_created_at_idx ON public.file_chunks USING btree (agent_id, created_at DESC);

CREATE INDEX file_chunks_file_idx ON public.file_chunks USING btree (agent_id, file_id);

CREATE INDEX file_chunks_search_idx ON public.file_chunks USING gin (public.memory_word_keys(agent_id, tsvector_to_array(search))) WITH (gin_pending_list_limit='64');
ALTER INDEX public.file_chunks_search_idx ALTER COLUMN 1 SET STATISTICS 0;

CREATE INDEX idempotent_answers_agent_id_idx ON public.idempotent_answers USING btree (agent_id);

CREATE INDEX idempotent_answers_created_at_idx ON public.idempotent_answers USING btree (created_at);

CREATE INDEX jobs_finished_at_idx ON public.jobs USING btree (finished_at) WHERE (finished_at IS NOT NULL);

CREATE INDEX jobs_requested_by_idx ON public.jobs USING btree (requested_by) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));

CREATE INDEX jobs_unfinished_idx ON public.jobs USING btree (agent_id) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));

CREATE INDEX kg_entities_agent_embedding_idx ON public.kg_entities USING btree (agent_id) INCLUDE (id, embedding_code) WHERE (embedding_code IS NOT NULL);

CREATE INDEX kg_entities_agent_id_idx ON public.kg_entities USING btree (agent_id);

CREATE INDEX kg_entities_merged_idx ON public.kg_entities USING btree (agent_id, merged_into) WHERE (merged_into IS NOT NULL);

CREATE INDEX kg_entities_name_idx ON public.kg_entities USING btree (agent_id, name) INCLUDE (id, type);

CREATE INDEX kg_entities_name_keys_idx ON public.kg_entities USING gin (name_keys);

CREATE INDEX kg_extractions_archival_idx ON public.kg_extractions USING btree (agent_id, archival_id) WHERE (archival_id IS NOT NULL);

CREATE INDEX kg_extractions_chunk_idx ON public.kg_extractions USING btree (agent_id, chunk_id) WHERE (chunk_id IS NOT NULL);

CREATE INDEX kg_extractions_message_idx ON public.kg_extractions USING btree (agent_id, message_id) WHERE (message_id IS NOT NULL);

CREATE INDEX kg_extractions_text_idx ON public.kg_extractions USING btree (agent_id, recipe, text_hash);

CREATE INDEX kg_mentions_archival_idx ON public.kg_mentions USING btree (agent_id, archival_id) INCLUDE (name) WHERE (archival_id IS NOT NULL);

CREATE INDEX kg_mentions_chunk_idx ON public.kg_mentions USING btree (agent_id, chunk_id) INCLUDE (name) WHERE (chunk_id IS NOT NULL);

CREATE INDEX kg_relationships_agent_embedding_idx ON public.kg_relationships USING btree (agent_id) INCLUDE (id, embedding_code) WHERE ((embedding_code IS NOT NULL) AND (superseded_at IS NULL));

CREATE INDEX kg_relationships_agent_id_idx ON public.kg_relationships USING btree (agent_id);

CREATE INDEX kg_relationships_search_idx ON public.kg_relationships USING gin (public.memory_word_keys(agent_id, tsvector_to_array(search))) WITH (gin_pending_list_limit='64');
ALTER INDEX public.kg_relationships_search_idx ALTER COLUMN 1 SET STATISTICS 0;

CREATE INDEX kg_relationships_source_idx ON public.kg_relationships USING btree (agent_id, source_id, type) INCLUDE (target_id, weight, valid_from, valid_to, recorded_at, superseded_at, id);

CREATE INDEX kg_relationships_target_idx ON public.kg_relationships USING btree (agent_id, target_id, type) INCLUDE (source_id, weight, valid_from, valid_to, recorded_at, superseded_at, id);

CREATE INDEX kg_relationships_type_idx ON public.kg_relationships USING btree (agent_id, type);

CREATE INDEX memory_history_change_idx ON public.memory_history USING btree (agent_id, change_id);

CREATE INDEX memory_history_row_idx ON public.memory_history USING btree (agent_id, kind, row_id, id DESC);

CREATE INDEX memory_history_undoes_idx ON public.memory_history USING btree (agent_id, undoes) WHERE (undoes IS NOT NULL);

CREATE INDEX proposals_status_idx ON public.proposals USING btree (agent_id, status, id DESC);

CREATE INDEX store_items_agent_embedding_idx ON public.store_items USING btree (agent_id) INCLUDE (id, embedding_code, expires_at) WHERE ((embedding_code IS NOT NULL) AND (text <> ''::text));

CREATE INDEX store_items_expires_at_idx ON public.store_items USING btree (agent_id, expires_at) WHERE (expires_at IS NOT NULL);

CREATE INDEX store_items_search_idx ON public.store_items USING gin (public.memory_word_keys(agent_id, tsvector_to_array(search))) WITH (gin_pending_list_limit='64');
ALTER INDEX public.store_items_search_idx ALTER COLUMN 1 SET STATISTICS 0;

CREATE INDEX store_items_updated_at_idx ON public.store_items USING btree (agent_id, updated_at DESC);

CREATE INDEX store_vectors_item_idx ON public.store_vectors USING btree (agent_id, item_id, collection);

CREATE INDEX thread_checkpoints_run_idx ON public.thread_checkpoints USING btree (agent_id, run_id) WHERE (run_id IS NOT NULL);

CREATE TRIGGER schema_migrations_once BEFORE INSERT ON public.schema_migrations FOR EACH ROW EXECUTE FUNCTION public.schema_migrations_once();

ALTER TABLE ONLY public.agent_steps
    ADD CONSTRAINT agent_steps_turn_fkey FOREIGN KEY (agent_id, turn_id) REFERENCES public.agent_turns(agent_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.document_chunks
    ADD CONSTRAINT document_chunks_document_fkey FOREIGN KEY (agent_id, document_id) REFERENCES public.documents(agent_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.file_chunks
    ADD CONSTRAINT file_chunks_file_fkey FOREIGN KEY (agent_id, file_id) REFERENCES public.files(agent_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.job_files
    ADD CONSTRAINT job_files_job_fkey FOREIGN KEY (agent_id, job_id) REFERENCES public.jobs(agent_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.kg_extractions
    ADD CONSTRAINT kg_extractions_archival_fkey FOREIGN KEY (agent_id, archival_id) REFERENCES public.archival_memories(agent_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.kg_extractions
    ADD CONSTRAINT kg_extractions_chunk_fkey FOREIGN KEY (agent_id, chunk_id) REFERENCES public.document_chunks(agent_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.kg_extractions
    ADD CONSTRAINT kg_extractions_message_fkey FOREIGN KEY (agent_id, message_id) REFERENCES public.conversations(agent_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.kg_mentions
    ADD CONSTRAINT kg_mentions_archival_fkey FOREIGN KEY (agent_id, archival_id) REFERENCES public.archival_memories(agent_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.kg_mentions
    ADD CONSTRAINT kg_mentions_chunk_fkey FOREIGN KEY (agent_id, chunk_id) REFERENCES public.document_chunks(agent_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.kg_relationships
    ADD CONSTRAINT kg_relationships_source_fkey FOREIGN KEY (agent_id, source_id) REFERENCES public.kg_entities(agent_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.kg_relationships
    ADD CONSTRAINT kg_relationships_target_fkey FOREIGN KEY (agent_id, target_id) REFERENCES public.kg_entities(agent_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.store_vectors
    ADD CONSTRAINT store_vectors_item_fkey FOREIGN KEY (agent_id, item_id) REFERENCES public.store_items(agent_id, id) ON DELETE CASCADE;

ALTER TABLE public.agent_steps ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.agent_turns ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.agents ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.api_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.archival_memories ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.audit_log ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.console_sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.conversations ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.core_memories ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.document_chunks ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.documents ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.embedding_cache ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.embedding_models ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.embedding_switches ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.embedding_usage ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.file_chunks ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.file_syncs ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.files ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.idempotent_answers ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.intent_examples ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.job_files ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.jobs ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.kg_entities ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.kg_extractions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.kg_mentions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.kg_relationships ENABLE ROW LEVEL SECURITY;

CREATE POLICY memgpt_agent ON public.agent_steps TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.agent_turns TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.agents TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.archival_memories TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.conversations TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.core_memories TO memgpt_agent USING ((agent_id = public.memory_agent())) WITH CHECK (((agent_id = public.memory_agent()) AND ((shared_with = '{}'::text[]) OR public.memory_may_share(agent_id, id, shared_with))));

CREATE POLICY memgpt_agent ON public.document_chunks TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.documents TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.embedding_cache TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.embedding_usage TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.file_chunks TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.file_syncs TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.files TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.intent_examples TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.job_files TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.jobs TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.kg_entities TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.kg_extractions TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.kg_mentions TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.kg_relationships TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.memory_history TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.proposals TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.store_items TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.store_vectors TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.thread_checkpoints TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.thread_values TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_agent ON public.thread_writes TO memgpt_agent USING ((agent_id = public.memory_agent()));

CREATE POLICY memgpt_listed ON public.agents FOR SELECT TO memgpt_agent USING (public.memory_in_scope(agent_id));

CREATE POLICY memgpt_owner ON public.agent_steps TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.agent_turns TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.agents TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.api_keys TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.archival_memories TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.audit_log TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.console_sessions TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.conversations TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.core_memories TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.document_chunks TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.documents TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.embedding_cache TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.embedding_models TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.embedding_switches TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.embedding_usage TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.file_chunks TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.file_syncs TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.files TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.idempotent_answers TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.intent_examples TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.job_files TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.jobs TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.kg_entities TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.kg_extractions TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.kg_mentions TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.kg_relationships TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.memory_history TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.proposals TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.schema_migration_checksums TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.schema_migrations TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.store_items TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.store_vectors TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.thread_checkpoints TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.thread_values TO pg_database_owner USING (true);

CREATE POLICY memgpt_owner ON public.thread_writes TO pg_database_owner USING (true);

CREATE POLICY memgpt_shared ON public.core_memories FOR SELECT TO memgpt_agent USING ((shared_with @> ARRAY[public.memory_agent()]));

CREATE POLICY memgpt_shared_edit ON public.core_memories FOR UPDATE TO memgpt_agent USING ((shared_with @> ARRAY[public.memory_agent()])) WITH CHECK (((shared_with = '{}'::text[]) OR public.memory_may_share(agent_id, id, shared_with)));

CREATE POLICY memgpt_shared_edit ON public.memory_history FOR INSERT TO memgpt_agent WITH CHECK (((kind = 'block'::text) AND (action = 'update'::text) AND public.memory_shares(agent_id, row_id)));

CREATE POLICY memgpt_status ON public.embedding_models FOR SELECT USING (true);

CREATE POLICY memgpt_status ON public.schema_migration_checksums FOR SELECT USING (true);

CREATE POLICY memgpt_status ON public.schema_migrations FOR SELECT USING (true);

ALTER TABLE public.memory_history ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.proposals ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.schema_migration_checksums ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.schema_migrations ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.store_items ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.store_vectors ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.thread_checkpoints ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.thread_values ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.thread_writes ENABLE ROW LEVEL SECURITY;
