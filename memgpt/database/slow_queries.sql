-- explain --
EXPLAIN (VERBOSE OFF, SETTINGS) {statement}

-- explain_analyzed --
EXPLAIN (ANALYZE, BUFFERS, SETTINGS) {statement}
