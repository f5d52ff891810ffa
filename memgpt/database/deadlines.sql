-- lift --
-- Until the end of the transaction the server keeps no limit of time, whatever the role, the database or a pooler has set.
-- Those of newer servers count as far as there are any.
SELECT set_config(name, '0', true) FROM pg_settings
WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')
