-- 019_console: who is signed in to the console. Of the cookie only its hash is kept, as of the secret of a key.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

-- No key: signed in by the person who started the service as `memgpt console`, on the same machine.
CREATE TABLE console_sessions (
    cookie_hash bytea NOT NULL,
    key_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT console_sessions_pkey PRIMARY KEY (cookie_hash),
    CONSTRAINT console_sessions_cookie_hash_check CHECK (octet_length(cookie_hash) = 32)
);

ALTER TABLE console_sessions ALTER COLUMN cookie_hash SET STATISTICS 0;
ALTER TABLE console_sessions ALTER COLUMN key_id SET STATISTICS 0;

-- The owner's alone: requests have no right to it, and on Supabase nobody else has.
DO $$
DECLARE
    owner text := CASE WHEN pg_has_role(current_user, 'pg_database_owner', 'MEMBER')
        THEN 'pg_database_owner' ELSE quote_ident(current_user) END;
    role text;
BEGIN
    ALTER TABLE console_sessions ENABLE ROW LEVEL SECURITY;
    ALTER TABLE console_sessions FORCE ROW LEVEL SECURITY;
    EXECUTE format('CREATE POLICY memgpt_owner ON console_sessions TO %s USING (true)', owner);
    FOR role IN SELECT r.rolname FROM pg_roles r WHERE r.rolname IN ('anon', 'authenticated') LOOP
        EXECUTE format('REVOKE ALL ON console_sessions FROM %I', role);
    END LOOP;
END
$$;

INSERT INTO schema_migrations (migration_name) VALUES ('019_console');

COMMIT;
