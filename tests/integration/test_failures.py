"""No exception of the database driver leaves the library: each becomes one of memgpt's, with it as the cause."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from memgpt import Agents, Memory
from memgpt.config import Settings
from memgpt.database.admin import migrate, verify
from memgpt.database.connection import Database
from memgpt.database.failures import translation
from memgpt.errors import (
    ConflictError,
    ContentionError,
    DatabaseError,
    DeniedError,
    InputError,
    MemgptError,
    ReadOnlyError,
    UnavailableError,
)
from memgpt.memory import scope_of
from tests.conftest import MODEL, Server

MEMGPT = Path(sys.executable).with_name("memgpt")
OPTIONS = Settings(embedding_model="none", pool_size=2, connect_timeout=2)

STATES = {
    "08006": UnavailableError,  # connection_failure
    "22001": InputError,  # string_data_right_truncation
    "22021": InputError,  # character_not_in_repertoire
    "22P05": InputError,  # untranslatable_character
    "23502": InputError,  # not_null_violation
    "23503": ConflictError,  # foreign_key_violation
    "23505": ConflictError,  # unique_violation
    "23514": InputError,  # check_violation
    "23P01": ConflictError,  # exclusion_violation
    "25006": ReadOnlyError,  # read_only_sql_transaction
    "40001": ContentionError,  # serialization_failure
    "40P01": ContentionError,  # deadlock_detected
    "42501": DeniedError,  # insufficient_privilege
    "42703": DatabaseError,  # undefined_column
    "42P01": DatabaseError,  # undefined_table
    "53100": UnavailableError,  # disk_full
    "53200": UnavailableError,  # out_of_memory
    "53300": UnavailableError,  # too_many_connections
    "54000": InputError,  # program_limit_exceeded
    "54001": InputError,  # statement_too_complex
    "55P03": ContentionError,  # lock_not_available
    "57014": DatabaseError,  # query_canceled
    "57P01": UnavailableError,  # admin_shutdown
    "58030": DatabaseError,  # io_error
    "XX000": DatabaseError,  # internal_error
    "XX002": DatabaseError,  # index_corrupted
    "P0001": DatabaseError,  # raise_exception
}


@pytest.fixture
def direct(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn, options=OPTIONS) as memory:
        memory.remember("there before")
        yield memory


def fail_with(direct: psycopg.Connection[Any], state: str) -> None:
    """Have PostgreSQL itself raise that state for every text that is kept."""
    raising = f"BEGIN IF new.text LIKE 'fails%' THEN RAISE EXCEPTION SQLSTATE '{state}'; END IF; RETURN new; END"
    direct.execute(f"CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $${raising}$$")
    direct.execute(
        "CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON archival_memories FOR EACH ROW EXECUTE FUNCTION fail()"
    )


def test_every_state_leaves_as_an_error_of_memgpt(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    for state, kind in STATES.items():
        fail_with(direct, state)
        for attempt in (lambda: memory.remember("fails"), lambda: memory.remember_many([{"text": "fails, too"}])):
            with pytest.raises(MemgptError) as caught:
                attempt()
            assert type(caught.value) is kind, state
            assert isinstance(caught.value.__cause__, psycopg.Error)
            assert "\n" not in str(caught.value)
        with memory.transaction():  # also inside of one, which goes on
            with pytest.raises(kind):
                memory.remember("fails")
            memory.remember(f"kept in spite of {state}")
    assert len(memory.archival.list(limit=100)) == len(STATES) + 1


def test_every_class_of_the_driver_has_a_translation() -> None:
    classes = [psycopg.errors.lookup(state) for state in STATES]
    for kind in {
        psycopg.Error,
        *(c for c in vars(psycopg.errors).values() if isinstance(c, type) and issubclass(c, psycopg.Error)),
        *classes,
    }:
        assert isinstance(translation(kind("something")), MemgptError)  # type: ignore[operator]


def calls(memory: Memory) -> dict[str, Callable[[], object]]:
    """One of each part of the public face."""
    return {
        "search": lambda: memory.search("there"),
        "list": lambda: memory.archival.list(),
        "remember": lambda: memory.remember("x"),
        "message": lambda: memory.messages.append("user", "x"),
        "block": lambda: memory.core.create("human", "x"),
        "relate": lambda: memory.graph.add_fact("Ann", "knows", "Bob"),
        "history": lambda: memory.history(),
        "undo": lambda: memory.undo(),
        "context": lambda: memory.context("x"),
        "stats": lambda: memory.stats(),
        "ingest": lambda: memory.ingest(text="some text", title="x"),
        "forget": lambda: memory.forget_agent(),
    }


def all_refused(memory: Memory, kind: type[MemgptError]) -> None:
    for name, call in calls(memory).items():
        with pytest.raises(kind) as caught:
            call()
        assert not isinstance(caught.value, psycopg.Error), name


def test_a_database_without_the_tables(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as direct:
        direct.execute("CREATE EXTENSION vector")
    with Memory("ann", dsn=empty_dsn, options=OPTIONS) as memory:
        all_refused(memory, DatabaseError)


def test_a_role_without_rights(memory: Memory, dsn: str, direct: psycopg.Connection[Any]) -> None:
    with contextlib.suppress(psycopg.errors.DuplicateObject):
        direct.execute("CREATE ROLE nothing_granted LOGIN PASSWORD 'x'")
    with Memory("ann", dsn=make_conninfo(dsn, user="nothing_granted", password="x"), options=OPTIONS) as stranger:
        all_refused(stranger, DeniedError)


def test_a_lost_connection(memory: Memory, dsn: str, direct: psycopg.Connection[Any]) -> None:
    def interrupted() -> None:
        with memory.transaction():
            memory.remember("rolled back")
            direct.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            memory.remember("nowhere")

    with pytest.raises(UnavailableError):
        interrupted()
    assert [kept.text for kept in memory.archival.list()] == ["there before"]


def test_a_server_that_is_not_there(dsn: str) -> None:
    for wrong in ({"port": "1"}, {"user": "nobody-at-all"}, {"dbname": "no_such_database"}, {"host": "no.invalid"}):
        with Memory("ann", dsn=make_conninfo(dsn, **wrong), options=OPTIONS) as memory:
            all_refused(memory, UnavailableError)


def test_a_pool_that_is_used_up(memory: Memory) -> None:
    database = scope_of(memory).database
    with (
        database.connection(),
        database.connection(),
        pytest.raises(UnavailableError, match="MEMGPT_POOL_SIZE"),
    ):
        memory.archival.list()


def test_a_deadlock_and_a_lock_that_is_held(memory: Memory, dsn: str, direct: psycopg.Connection[Any]) -> None:
    first = memory.remember("first")
    with psycopg.connect(dsn) as holder:
        holder.execute("SELECT FROM archival_memories WHERE id = %s FOR UPDATE", [first.id])
        with scope_of(memory).unit_of_work():
            scope_of(memory).read(lambda c: c.execute("SET LOCAL lock_timeout = '10ms'"))
            with pytest.raises(ContentionError):
                memory.archival.update(first.id, text="changed")
            memory.remember("the transaction goes on")
    second = memory.remember("second")
    met = threading.Barrier(2)
    outcomes: list[object] = []

    def both(one: int, other: int) -> None:
        try:
            with memory.transaction():
                memory.archival.update(one, importance=0.1)
                with contextlib.suppress(threading.BrokenBarrierError):
                    met.wait(10)
                memory.archival.update(other, importance=0.2)
            outcomes.append("done")
        except MemgptError as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=both, args=ids) for ids in ((first.id, second.id), (second.id, first.id))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == sorted(map(str, ["done", ContentionError]))


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_is_not_utf8_is_refused_in_one_line(server: Server, encoding: str) -> None:
    name = f"test_{encoding.lower()}"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name}")
        admin.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0"
        )
    dsn = server.dsn(name)
    with pytest.raises(DatabaseError, match=rf"encoded as {encoding}.*ENCODING 'UTF8'"):
        migrate.apply(dsn, model=MODEL)
    with Memory("ann", dsn=dsn, options=OPTIONS) as memory:
        all_refused(memory, DatabaseError)
    done = subprocess.run([MEMGPT, "db", "migrate", "--dsn", dsn], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: this database is encoded as")
    assert len(done.stderr.splitlines()) == 1
    server.drop(name)


SETTINGS = {
    "standard_conforming_strings": "off",
    "backslash_quote": "off",
    "bytea_output": "escape",
    "intervalstyle": "sql_standard",
    "extra_float_digits": "-15",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "transform_null_equals": "on",
    "row_security": "off",
    "client_encoding": "LATIN1",
    "xmloption": "document",
    "default_transaction_isolation": "serializable",
}


def set_all(direct: psycopg.Connection[Any], settings: dict[str, str]) -> None:
    for name, value in settings.items():
        words = sql.SQL("ALTER DATABASE {} SET {} TO {}")
        database = sql.Identifier(direct.info.dbname)
        direct.execute(words.format(database, sql.Identifier(name), sql.Literal(value)))


@pytest.mark.parametrize("which", ["dsn", "pooled_dsn"])
def test_settings_of_a_database_change_no_answer(
    which: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, direct: psycopg.Connection[Any]
) -> None:
    set_all(direct, SETTINGS)
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with Memory("ann", dsn=request.getfixturevalue(which), isolated=True, options=Settings(pool_size=2)) as memory:
        memory.core.create("human", r"C:\new 'quoted' 🙂")
        text = r"a path C:\temp\new, a quotation 'so', an ümlaut and 🙂"
        kept = memory.remember(text, importance=0.123456789, metadata={"a": r"\x", "b": None}, tags=["NULL", r"a\b"])
        found = memory.archival.get(kept.id)
        assert (found.text, found.metadata, found.tags) == (text, {"a": r"\x", "b": None}, ["NULL", r"a\b"])
        assert found.importance == pytest.approx(0.123456789, rel=1e-6)
        assert [hit.text for hit in memory.search(r"path C:\temp\new 'so'", kinds=["archival"])] == [text]
        memory.graph.add_fact("Ann", "knows", r"B\ob")
        memory.messages.append("user", r"\d+")
        assert len(memory.history()) >= 4
        memory.undo()


def test_migrations_do_not_depend_on_settings(empty_dsn: str, dump: Callable[..., str], dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as direct:
        set_all(direct, SETTINGS)
        migrate.apply(empty_dsn, model=MODEL)
        assert migrate.status(empty_dsn).pending == 0
        assert verify.verify(empty_dsn).drifts == ()
        direct.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(direct.info.dbname)))
    assert dump(empty_dsn) == dump(dsn)


def test_a_role_that_only_reads_is_told_so(memory: Memory, dsn: str) -> None:
    reading = make_conninfo(dsn, options="-c default_transaction_read_only=on")
    with Memory("ann", dsn=reading, options=OPTIONS) as reader:
        assert [kept.text for kept in reader.archival.list()] == ["there before"]
        with pytest.raises(ReadOnlyError, match="default_transaction_read_only"):
            reader.remember("x")


def test_agents_and_connections_of_one_s_own(dsn: str, direct: psycopg.Connection[Any]) -> None:
    with Agents(dsn, options=OPTIONS) as agents:
        direct.execute("ALTER TABLE agents RENAME TO elsewhere")
        for call in (agents.list, lambda: agents.create("bob"), lambda: agents.describe("bob")):
            with pytest.raises(DatabaseError, match="memgpt db migrate"):
                call()
    database = Database(dsn, options=OPTIONS)
    with pytest.raises(DatabaseError), database.connection() as connection:
        connection.execute("no statement")
    database.close()


def test_commands_end_in_one_line(dsn: str, direct: psycopg.Connection[Any]) -> None:
    fail_with(direct, "53100")
    done = subprocess.run(
        [MEMGPT, "remember", "fails", "--agent", "ann", "--dsn", dsn], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the server's disk is full")
    assert len(done.stderr.splitlines()) == 1


def test_no_literal_in_our_sql_depends_on_a_setting() -> None:
    """A backslash in a plain literal means what standard_conforming_strings says; E'' always the same."""
    import re

    import memgpt

    files = [*Path(memgpt.__file__).parent.rglob("*.sql")]
    assert len(files) > 30
    for file in files:
        code = re.sub(r"--[^\n]*", "", file.read_text("utf-8"))
        for literal in re.finditer(r"(\b[Ee])?'(?:[^']|'')*'", code):
            assert literal[1] or "\\" not in literal[0], f"{file.name}: {literal[0]}"
