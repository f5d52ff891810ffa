"""Whatever is wrong: one line that says what and what to do, and nothing changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from memgpt.config import Settings
from memgpt.database.admin import migrate
from memgpt.errors import ConfigurationError, DatabaseError, MemgptError, MigrationError, ReadOnlyError

FILES = Path(__file__).parents[2] / "database" / "migrations"
ALL = len(migrate.discover())


@pytest.fixture
def role(server: Any) -> Iterator[dict[str, str]]:
    """A role that may log in and nothing else; it may own databases."""
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE ROLE plain LOGIN PASSWORD 'p'")
    yield {"user": "plain", "password": "p"}
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        for (name,) in admin.execute("SELECT datname FROM pg_database WHERE datdba = 'plain'::regrole").fetchall():
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        admin.execute("DROP ROLE plain")


def execute(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


def refused(dsn: str, kind: type[MemgptError], match: str, dump: Any = None, **options: Any) -> None:
    before = dump(dsn) if dump else None
    with pytest.raises(kind, match=match) as caught:
        migrate.apply(dsn, **options)
    assert "\n" not in str(caught.value)
    if dump:
        assert dump(dsn) == before


def test_an_unreadable_connection_string() -> None:
    refused("nonsense", ConfigurationError, r"postgresql://user:password@host")


def test_a_wrong_password(empty_dsn: str) -> None:
    refused(make_conninfo(empty_dsn, password="wrong"), DatabaseError, "check the user and password")


def test_a_database_that_is_not_there(server: Any) -> None:
    refused(server.dsn("absent"), DatabaseError, r"absent.*create it first")


def test_no_right_to_create_the_extension(server: Any, empty_dsn: str, role: dict[str, str], dump: Any) -> None:
    name = psycopg.conninfo.conninfo_to_dict(empty_dsn)["dbname"]
    execute(empty_dsn, f"GRANT ALL ON DATABASE {name} TO plain; GRANT ALL ON SCHEMA public TO plain")
    refused(make_conninfo(empty_dsn, **role), MigrationError, "superuser run CREATE EXTENSION vector")
    assert "CREATE TABLE" not in dump(empty_dsn)
    execute(empty_dsn, "DROP OWNED BY plain")


def test_no_right_in_the_schema(empty_dsn: str, role: dict[str, str]) -> None:
    execute(empty_dsn, "CREATE EXTENSION vector")
    plain = make_conninfo(empty_dsn, **role)
    refused(plain, DatabaseError, "may not create tables in schema 'public'")
    refused(plain, DatabaseError, "may not create it", options=Settings(db_schema="mine"))


def test_a_read_only_session(empty_dsn: str) -> None:
    read_only = make_conninfo(empty_dsn, options="-c default_transaction_read_only=on")
    refused(read_only, ReadOnlyError, "migrate the primary")
    assert migrate.status(read_only).pending == ALL


def test_an_edited_migration(empty_dsn: str, tmp_path: Path, dump: Any) -> None:
    files = shutil.copytree(FILES, tmp_path / "files")
    migrate.apply(empty_dsn, directory=files)
    edited = files / "002_optimize_indexes.sql"
    edited.write_text(edited.read_text().replace("lists = 200", "lists = 300"))
    refused(empty_dsn, MigrationError, r"002_optimize_indexes\.sql was edited.*new migration", dump, directory=files)
    edited_ones = [r.name for r in migrate.status(empty_dsn, directory=files).records if r.state != "applied"]
    assert edited_ones == ["002_optimize_indexes"]


def test_a_newer_database(empty_dsn: str, dump: Any) -> None:
    migrate.apply(empty_dsn)
    execute(empty_dsn, "INSERT INTO schema_migrations (migration_name) VALUES ('099_future')")
    refused(empty_dsn, MigrationError, r"099_future.*upgrade memgpt", dump)
    assert migrate.status(empty_dsn).records[-1].state == "unknown"


def test_a_hole_in_what_is_applied(empty_dsn: str, dump: Any) -> None:
    migrate.apply(empty_dsn)
    execute(empty_dsn, "DELETE FROM schema_migrations WHERE migration_name LIKE '002%'")
    refused(
        empty_dsn, MigrationError, r"003_\w+ is recorded but 002_optimize_indexes before it is not.*--target 001", dump
    )


def test_a_table_of_somebody_else(empty_dsn: str, dump: Any) -> None:
    execute(empty_dsn, "CREATE TABLE conversations (id int)")
    refused(empty_dsn, MigrationError, r"already has conversations.*--schema NAME", dump)
    migrate.apply(empty_dsn, options=Settings(db_schema="mine"))


def test_a_tracking_table_of_somebody_else(empty_dsn: str, dump: Any) -> None:
    execute(empty_dsn, "CREATE TABLE schema_migrations (version text)")
    refused(empty_dsn, MigrationError, r"schema_migrations belongs to another program.*--schema NAME", dump)


def test_a_statement_that_fails(empty_dsn: str, tmp_path: Path, dump: Any) -> None:
    files = shutil.copytree(FILES, tmp_path / "files")
    migrate.apply(empty_dsn, directory=files)
    text = (
        "BEGIN;\nCREATE TABLE half (id int);\nSELECT 1/0;\n"
        "INSERT INTO schema_migrations (migration_name) VALUES ('{}');\nCOMMIT;\n"
    )
    name = f"{ALL + 1:03}_broken"
    (files / f"{name}.sql").write_text(text.format(name))
    (files / f"{name}.down.sql").write_text(f"BEGIN; SELECT '{name}'; COMMIT;")
    refused(
        empty_dsn, MigrationError, rf"{name}\.sql line 3: division by zero\. Nothing of this", dump, directory=files
    )


def test_a_schema_of_its_own_does_not_capture_the_extension(empty_dsn: str) -> None:
    migrate.apply(empty_dsn, options=Settings(db_schema="My Memory"))
    with psycopg.connect(empty_dsn) as connection:
        schemas = dict(  # type: ignore[var-annotated]
            connection.execute(
                "SELECT 'vector', extnamespace::regnamespace::text FROM pg_extension "
                "WHERE extname = 'vector' UNION ALL "
                "SELECT tablename, schemaname FROM pg_tables WHERE tablename = 'conversations'"
            ).fetchall()
        )
    assert schemas == {"vector": "public", "conversations": "My Memory"}
    assert migrate.status(empty_dsn).pending == ALL
    assert migrate.status(empty_dsn, options=Settings(db_schema="My Memory")).pending == 0


def test_a_full_disk(own_server: Any) -> None:
    """The server's error of a full disk, raised where an index is made."""
    dsn = own_server.dsn(own_server.create())
    migrate.apply(dsn, target="1")
    execute(
        dsn,
        "CREATE FUNCTION fail() RETURNS event_trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$; "
        "CREATE EVENT TRIGGER fail ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION fail()",
    )
    refused(dsn, MigrationError, r"002\w+\.sql line \d+: the server's disk is full.*free space")
    assert migrate.status(dsn).pending == ALL - 1


def test_the_time_limits_of_a_role_do_not_hold_for_migrations(empty_dsn: str, tmp_path: Path) -> None:
    files = shutil.copytree(FILES, tmp_path / "files")
    name = f"{ALL + 1:03}_slow"
    (files / f"{name}.sql").write_text(
        "BEGIN; DO $$ BEGIN ASSERT current_setting('statement_timeout') = '0'; END $$; "
        f"INSERT INTO schema_migrations (migration_name) VALUES ('{name}'); COMMIT;"
    )
    (files / f"{name}.down.sql").write_text(f"BEGIN; SELECT '{name}'; COMMIT;")
    limited = make_conninfo(empty_dsn, options="-c statement_timeout=30s")
    assert migrate.apply(limited, directory=files).steps[-1].name == name
