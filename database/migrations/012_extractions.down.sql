-- Undoes 012_extractions: what models answered is lost and would be paid for again; the facts taken from it stay.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DROP TABLE IF EXISTS kg_extractions;

DELETE FROM schema_migrations WHERE migration_name = '012_extractions';

COMMIT;
