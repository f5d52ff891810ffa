-- 024_file_sync: what a folder of a disk and the files of an agent had in common when they were last synchronized, so that a change
-- of one side is told from a change of the other.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

-- One row for each file that both sides had. folder is a hash of the machine, the folder and the directory of the memory; path is
-- below both; sha256 is of the content. Without a history: an undo of a file is a change that the next synchronization carries over.
CREATE TABLE file_syncs (
    agent_id text NOT NULL,
    folder text NOT NULL,
    path text COLLATE "C" NOT NULL,
    sha256 text NOT NULL,
    CONSTRAINT file_syncs_pkey PRIMARY KEY (agent_id, folder, path)
);

-- No samples of what somebody wrote, and none of agents, as in 015 and 017.
ALTER TABLE file_syncs ALTER COLUMN agent_id SET STATISTICS 0;
ALTER TABLE file_syncs ALTER COLUMN folder SET STATISTICS 0;
ALTER TABLE file_syncs ALTER COLUMN path SET STATISTICS 0;
ALTER TABLE file_syncs ALTER COLUMN sha256 SET STATISTICS 0;

-- Isolated as in 013, and not exposed to anybody on Supabase.
DO $$
DECLARE
    owner text := CASE WHEN pg_has_role(current_user, 'pg_database_owner', 'MEMBER')
        THEN 'pg_database_owner' ELSE quote_ident(current_user) END;
    reader text;
BEGIN
    ALTER TABLE file_syncs ENABLE ROW LEVEL SECURITY;
    ALTER TABLE file_syncs FORCE ROW LEVEL SECURITY;
    CREATE POLICY memgpt_agent ON file_syncs USING (agent_id = memory_agent());
    EXECUTE format('CREATE POLICY memgpt_owner ON file_syncs TO %s USING (true)', owner);
    FOR reader IN SELECT r.rolname FROM pg_roles r WHERE r.rolname IN ('anon', 'authenticated') LOOP
        EXECUTE format('REVOKE ALL ON file_syncs FROM %I', reader);
    END LOOP;
END
$$;

SELECT memory_use_role();

INSERT INTO schema_migrations (migration_name) VALUES ('024_file_sync');

COMMIT;
