-- vacuum --
-- Looks only at pages with new rows. It waits for nobody, and leaves indexes and the end of the file to autovacuum.
VACUUM (SKIP_LOCKED, INDEX_CLEANUP OFF, TRUNCATE OFF) {table}
