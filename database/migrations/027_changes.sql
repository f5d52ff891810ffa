-- 027_changes: what one change did to which rows, and which changes were taken back, are looked up. Both were found by reading all
-- of an agent's history.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

CREATE INDEX memory_history_change_idx ON memory_history (agent_id, change_id);

-- Few changes are an undo, so this one costs the others nothing.
CREATE INDEX memory_history_undoes_idx ON memory_history (agent_id, undoes) WHERE undoes IS NOT NULL;

INSERT INTO schema_migrations (migration_name) VALUES ('027_changes');

COMMIT;
