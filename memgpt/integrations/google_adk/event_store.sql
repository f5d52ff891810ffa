-- messages_of_event --
-- The messages of an agent that are of one event, in whatever session.
SELECT id
FROM conversations
WHERE agent_id = %(agent_id)s::text AND metadata ->> 'transcript_id' = %(event_id)s::text
