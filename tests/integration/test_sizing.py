"""Sizing: the database's own bytes where it has rows, constants where it has none, and what follows from them."""

from __future__ import annotations

import json

import psycopg
import pytest
from typer.testing import CliRunner

from memgpt import Memory
from memgpt.cli import app
from memgpt.config import NO_MODEL, Settings
from memgpt.database.codes import code_bytes
from memgpt.errors import DatabaseError
from memgpt.reembed import sizing


def test_constants_lie_between_those_measured() -> None:
    small, between, large = (sizing.per_row("archival_memories", n) for n in (256, 512, 768))
    assert small.table < between.table < large.table
    assert small.searched < between.searched < large.searched
    assert small.indexes.keys() == large.indexes.keys()


def test_long_vectors_take_two_bytes_a_number_but_as_many_bits() -> None:
    whole, half = sizing.per_row("document_chunks", 1536), sizing.per_row("document_chunks", 3072)
    assert half.table == pytest.approx(whole.table + code_bytes(3072) - code_bytes(1536))
    assert half.searched > whole.searched * 1.5


def test_codes_of_two_bytes_a_number_end_at_1024_dimensions() -> None:
    halfvec, bits = sizing.per_row("conversations", 1024), sizing.per_row("conversations", 1025)
    assert halfvec.searched - bits.searched == pytest.approx(code_bytes(1024) - code_bytes(1025), abs=1)
    assert halfvec.table > bits.table


def test_vectors_too_long_for_an_index_have_none() -> None:
    assert "document_chunks_embedding_idx" in sizing.per_row("document_chunks", 4000).indexes
    assert "document_chunks_embedding_idx" not in sizing.per_row("document_chunks", 4096).indexes


def test_an_empty_memory_is_sized_by_constants(dsn: str) -> None:
    found = sizing.examine(dsn, rows=5_000_000)
    assert found.dimensions == 256
    assert [table.what for table in found.tables] == ["archival memories", "messages", "chunks"]
    assert not any(table.own or table.rows for table in found.tables)
    archival = found.tables[0]
    assert archival.per_row == sizing.per_row("archival_memories", 256)
    assert archival.then_bytes == 5_000_000 * archival.per_row.bytes
    assert found.database_bytes > 1_000_000
    assert any("At 5,000,000 rows of each" in line for line in found.advice)


def test_a_table_with_rows_is_sized_by_its_own_bytes(dsn: str) -> None:
    long = "a much longer text than those of the constants, " * 40
    with Memory("sized", dsn=dsn) as memory:
        memory.remember_many({"text": f"{n} {long}"} for n in range(sizing.ENOUGH))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ANALYZE archival_memories")
    archival = sizing.examine(dsn).tables[0]
    assert archival.own
    assert archival.rows == sizing.ENOUGH
    assert archival.per_row.bytes * archival.rows == pytest.approx(archival.bytes)
    assert archival.per_row.table > sizing.per_row("archival_memories", 256).table


def test_a_database_without_a_memory_is_named(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    with pytest.raises(DatabaseError, match="has no memory: run `memgpt db migrate` first"):
        sizing.examine(empty_dsn, options=Settings(embedding_model=NO_MODEL))


def test_doctor_prints_sizes(dsn: str) -> None:
    done = CliRunner().invoke(app, ["doctor", "--sizing", "--rows", "2000000", "--dsn", dsn])
    assert done.exit_code == 0, done.output
    assert "at 2,000,000" in done.output
    assert "archival memories" in done.output
    assert "* not enough rows yet" in done.output
    as_json = CliRunner().invoke(app, ["doctor", "--sizing", "--json", "--dsn", dsn])
    assert json.loads(as_json.output)["tables"][0]["then_rows"] == 1_000_000
