-- Undoes 007_agent. WARNING: drops the examples of intents, the turns and the record of what was sent to models.
-- The conversations stay.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DROP TABLE IF EXISTS agent_steps;
DROP TABLE IF EXISTS agent_turns;
DROP TABLE IF EXISTS intent_examples;

DELETE FROM schema_migrations WHERE migration_name = '007_agent';

COMMIT;
