-- 023_languages: a memory holds texts in several languages, and a search is in all that its agent has.
--
-- Each text is stemmed in its own language already (its column language); new ones get it from the text itself. Which
-- languages an agent has texts in stands with the agent, so that no search has to look for them. English need not stand
-- there: every search is in the configured language, or else in English, besides. What was written before stays in the
-- language it was written in.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE agents ADD COLUMN languages text[] NOT NULL DEFAULT '{}';

INSERT INTO schema_migrations (migration_name) VALUES ('023_languages');

COMMIT;
