-- 026_languages_read: whose texts were looked at for their language. What was written before 023 is in the configured language, English
-- mostly, whatever it is in; memgpt db languages reads it, agent by agent.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE agents ADD COLUMN languages_read boolean NOT NULL DEFAULT false;

-- New agents' texts are looked at when they are written.
ALTER TABLE agents ALTER COLUMN languages_read SET DEFAULT true;

INSERT INTO schema_migrations (migration_name) VALUES ('026_languages_read');

COMMIT;
