-- Undoes 015_forgetting: what was answered to requests with an Idempotency-Key is gone, and PostgreSQL samples every
-- column again.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DO $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT c.relname AS relation, a.attname AS name
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = (SELECT m.relnamespace FROM pg_class m WHERE m.oid = 'schema_migrations'::regclass)
            AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget = 0
    LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET STATISTICS -1', part.relation, part.name);
    END LOOP;
END
$$;

DROP INDEX IF EXISTS idempotent_answers_agent_id_idx;
DELETE FROM idempotent_answers;
ALTER TABLE idempotent_answers DROP COLUMN IF EXISTS agent_id;
ALTER TABLE jobs DROP COLUMN IF EXISTS forgotten;

DELETE FROM schema_migrations WHERE migration_name = '015_forgetting';

COMMIT;
