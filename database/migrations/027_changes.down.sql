-- Undoes 027_changes: an undo reads all of an agent's history again.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DROP INDEX IF EXISTS memory_history_change_idx;
DROP INDEX IF EXISTS memory_history_undoes_idx;

DELETE FROM schema_migrations WHERE migration_name = '027_changes';

COMMIT;
