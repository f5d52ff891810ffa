-- upstream_table --
-- LangGraph's own table, as its tests read and change it past the store.
CREATE TEMPORARY VIEW store AS
SELECT array_to_string(namespace, '.') AS prefix, key, value, created_at, updated_at, expires_at, ttl_minutes FROM store_items
