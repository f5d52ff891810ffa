-- Undoes 003_embedding_model_migration: no schema changes, nothing to undo but the record.
-- Switch MEMGPT_EMBEDDING_MODEL (config.py) back to the old model.

BEGIN;

DELETE FROM schema_migrations WHERE migration_name = '003_embedding_model_migration';

COMMIT;
