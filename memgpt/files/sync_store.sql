-- list --
-- What a folder and the memory had in common when they were last synchronized.
SELECT path, sha256 FROM file_syncs WHERE agent_id = %(agent_id)s::text AND folder = %(folder)s::text

-- set --
INSERT INTO file_syncs (agent_id, folder, path, sha256)
VALUES (%(agent_id)s::text, %(folder)s::text, %(path)s::text, %(sha256)s::text)
ON CONFLICT (agent_id, folder, path) DO UPDATE SET sha256 = excluded.sha256

-- delete --
DELETE FROM file_syncs
WHERE agent_id = %(agent_id)s::text AND folder = %(folder)s::text AND path = %(path)s::text
