-- active_model --
-- Inside a transaction this also holds the model: a switch waits until the transaction has ended.
SELECT name, dimensions FROM embedding_models WHERE active

-- is_known --
SELECT EXISTS (SELECT FROM embedding_models WHERE name = %(name)s::text)
