-- insert --
INSERT INTO console_sessions (cookie_hash, key_id, expires_at)
VALUES (%(cookie_hash)s::bytea, %(key_id)s::text, now() + %(lasts)s::interval)

-- find --
-- Who is signed in by a cookie, with the key as it is now. One that was revoked or has expired signs nobody in.
SELECT
    s.created_at AS signed_in_at, s.used_at < now() - interval '5 minutes' AS to_be_marked, k.key_id, k.name, k.permissions,
    k.agents, k.requests_per_minute, k.created_at, k.expires_at, k.revoked_at, k.replaces
FROM console_sessions s
LEFT JOIN api_keys k ON k.key_id = s.key_id
WHERE s.cookie_hash = %(cookie_hash)s::bytea
    AND s.expires_at > now()
    AND s.used_at > now() - %(idle)s::interval
    AND (s.key_id IS NULL OR k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()))

-- mark_used --
UPDATE console_sessions SET used_at = now() WHERE cookie_hash = %(cookie_hash)s::bytea

-- delete --
DELETE FROM console_sessions WHERE cookie_hash = %(cookie_hash)s::bytea

-- delete_ended --
DELETE FROM console_sessions WHERE expires_at <= now() OR used_at <= now() - %(idle)s::interval
