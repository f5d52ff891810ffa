-- 015_forgetting: what "forget" has to reach. Answers kept for an Idempotency-Key say whose they are, so that they go with
-- what they tell of; so do jobs; and PostgreSQL samples no column that holds what people said: samples outlive the rows.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

-- No foreign key, like the log of the service: the row stays, without its answer, where the agent is deleted.
ALTER TABLE idempotent_answers ADD COLUMN agent_id text;
CREATE INDEX idempotent_answers_agent_id_idx ON idempotent_answers (agent_id);

-- From now on only a hash of the client's key is kept, for a key may be made of what is sent. What was kept before does
-- not say whose it is: it goes.
DELETE FROM idempotent_answers;

-- A job that is under way while something is forgotten may say it in the end: of such a job only the status is kept.
ALTER TABLE jobs ADD COLUMN forgotten boolean NOT NULL DEFAULT false;

-- Samples that were taken before are removed too: by the function that PostgreSQL has from 18 on, before it by a
-- superuser; an owner who is none changes the column's type to what it is, which cannot be done where another column is
-- generated from it. What stays then is named.
DO $$
DECLARE
    part record;
    left_over text[] := '{}';
BEGIN
    FOR part IN
        SELECT c.oid, n.nspname AS home, c.relname AS relation, c.reltuples,
            a.attname AS name, a.attnum, format_type(a.atttypid, a.atttypmod) AS type
        FROM (VALUES
            ('agents', '{description,metadata,functional_types}'::text[]),
            ('core_memories', '{label,value,description,metadata}'),
            ('archival_memories', '{text,text_hash,normal_hash,tags,source,metadata,embedding,embedding_bits,search}'),
            ('conversations',
                '{session,name,content,intent,tool_calls,tool_call_id,metadata,embedding,embedding_bits,search}'),
            ('documents', '{title,source,media_type,content_hash,metadata}'),
            ('document_chunks', '{chunk_text,heading_path,metadata,embedding,embedding_bits,search}'),
            ('kg_entities', '{name,type,aliases,description,properties,embedding,embedding_bits,name_keys}'),
            ('kg_relationships', '{type,fact,properties,embedding,embedding_bits,search}'),
            ('kg_mentions', '{name,text_hash}'),
            ('kg_extractions', '{text_hash,answer,reason}'),
            ('memory_history', '{old,old_embedding}'),
            ('proposals', '{reason,evidence,change,fingerprint}'),
            ('agent_turns', '{session,reason}'),
            ('agent_steps', '{session,system,tools,sent_hash,summary}'),
            ('intent_examples', '{intent,text}'),
            ('embedding_cache', '{hash,embedding}'),
            ('jobs', '{arguments,message,result,error}'),
            ('job_files', '{name,content}'),
            ('idempotent_answers', '{idempotency_key,request_hash,headers,body}')
        ) AS said (relation, names)
        JOIN pg_class c ON c.oid = to_regclass(said.relation)
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
            AND (a.attname = ANY (said.names) OR a.attname ~ '^embedding_(next|previous)')
    LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET STATISTICS 0', part.relation, part.name);
        CONTINUE WHEN part.reltuples < 0; -- never analysed; pg_stats says nothing to an owner under row-level security
        IF current_setting('server_version_num')::integer >= 180000 THEN
            EXECUTE format(
                'SELECT pg_clear_attribute_stats(%L, %L, %L, false)', part.home, part.relation, part.name);
        ELSIF current_setting('is_superuser')::boolean THEN
            EXECUTE format('DELETE FROM pg_statistic WHERE starelid = %s AND staattnum = %s', part.oid, part.attnum);
        ELSE
            BEGIN
                EXECUTE format('ALTER TABLE %I ALTER COLUMN %I TYPE %s', part.relation, part.name, part.type);
            EXCEPTION WHEN syntax_error OR feature_not_supported THEN
                left_over := left_over || format('%I.%I', part.relation, part.name);
            END;
        END IF;
    END LOOP;
    IF left_over <> '{}' THEN
        RAISE NOTICE 'samples of % may stay in pg_statistic: only a superuser can remove them (docs/security.md)',
            array_to_string(left_over, ', ');
    END IF;
END
$$;

INSERT INTO schema_migrations (migration_name) VALUES ('015_forgetting');

COMMIT;
