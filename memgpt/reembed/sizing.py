"""Sizing: the room that a memory takes and will take, from the live database's bytes and, where it has few rows yet,
constants.

The constants are measured by ``benchmarks/sizing.py``, which writes ``sizing.json`` and ``docs/sizing.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Any, Final

import psycopg
from psycopg import sql

from memgpt.config import Settings, settings
from memgpt.database import queries
from memgpt.database.codes import code_bytes
from memgpt.database.connection import connect, locate
from memgpt.database.dimensions import column
from memgpt.errors import DatabaseError

SQL = queries.beside(__name__)

TABLES: Final = {"archival_memories": "archival memories", "conversations": "messages", "document_chunks": "chunks"}
ENOUGH: Final = 1000
"""Rows from which on a table's own bytes say more than the constants."""

READ_ALONE: Final = "agent_embedding"
"""In the name of the index that a search by vector reads without its table: what memory is for."""


@dataclass(frozen=True, slots=True)
class PerRow:
    """Bytes and microseconds of one row. Those of an index are 0 where a model has none of its kind."""

    table: float
    indexes: Mapping[str, float]
    build: Mapping[str, float]
    """Microseconds to build each index, with the memory of the measurement."""
    insert: float
    """Microseconds to write a row among many, all indexes included."""

    @property
    def bytes(self) -> float:
        return self.table + sum(self.indexes.values())

    @property
    def searched(self) -> float:
        return sum(size for name, size in self.indexes.items() if READ_ALONE in name)


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table now, and at another number of rows. Bytes, seconds."""

    table: str
    what: str
    rows: int
    bytes: int
    own: bool
    """Whether the bytes of a row are this database's own, or the constants."""
    per_row: PerRow
    then_rows: int

    @property
    def then_bytes(self) -> float:
        return self.then_rows * self.per_row.bytes

    @property
    def then_searched(self) -> float:
        return self.then_rows * self.per_row.searched

    @property
    def then_build(self) -> float:
        return self.then_rows * sum(self.per_row.build.values()) / 1e6

    @property
    def then_load(self) -> float:
        return self.then_rows * self.per_row.insert / 1e6


@dataclass(frozen=True, slots=True)
class SizingReport:
    """Sizes that :func:`examine` found."""

    dimensions: int
    database_bytes: int
    shared_buffers: int
    tables: Sequence[TableSize]
    advice: Sequence[str]


def examine(dsn: str | None = None, *, rows: int = 1_000_000, options: Settings | None = None) -> SizingReport:
    """Measure the live database, and estimate each of its tables at so many rows; only reads.

    Raises:
        DatabaseError: there is no memory in this database.
    """
    options = options or settings()
    parameters = {"schema": options.db_schema, "names": list(TABLES)}
    with connect(locate(options) if dsn is None else dsn, options=options, autocommit=True) as connection:
        indexes: dict[str, dict[str, int]] = {}
        for table, name, size in connection.execute(SQL.indexes, parameters).fetchall():
            indexes.setdefault(table, {})[name] = size
        measured = connection.execute(SQL.tables, parameters).fetchall()
        if not measured:
            raise DatabaseError(f"schema {options.db_schema} has no memory: run `memgpt db migrate` first")
        tables = []
        for name, estimate, size, dimensions in measured:
            there = _rows(connection, options.db_schema, name, estimate)
            tables.append(_size(name, there, size, indexes.get(name, {}), dimensions, rows))
        row = connection.execute(SQL.server).fetchone()
    database_bytes, shared_buffers = row if row else (0, 0)
    return SizingReport(
        max(f[3] for f in measured), database_bytes, shared_buffers, tables, advice(tables, shared_buffers)
    )


def _rows(connection: psycopg.Connection[Any], schema: str, table: str, estimate: int) -> int:
    if estimate >= ENOUGH:
        return estimate
    counted = connection.execute(sql.SQL(SQL.count.decode()).format(table=sql.Identifier(schema, table))).fetchone()
    return int(counted[0]) if counted else 0


def _size(name: str, rows: int, size: int, indexes: Mapping[str, int], dimensions: int, then: int) -> TableSize:
    constant = per_row(name, dimensions)
    own = rows >= ENOUGH
    if own:
        measured = {index: there / rows for index, there in indexes.items()}
        constant = PerRow(size / rows, measured, constant.build, constant.insert)
    return TableSize(name, TABLES[name], rows, size + sum(indexes.values()), own, constant, then)


def per_row(table: str, dimensions: int) -> PerRow:
    """Return the constants of a table for vectors of this length, between those that were measured."""
    stored = dimensions * (2 if column(dimensions).type == "halfvec" else 4)
    measured = {int(length): values[table] for length, values in constants()["dimensions"].items()}

    def at(values: Mapping[int, float], where: float) -> float:
        return _between({4 * length: value for length, value in values.items()}, where)

    def each(kind: str) -> dict[str, float]:
        return {
            name: beside_codes({n: m[kind][name] for n, m in measured.items()})
            if READ_ALONE in name and kind == "indexes"
            else at({n: m[kind][name] for n, m in measured.items()}, stored)
            for name in next(iter(measured.values()))[kind]
            if column(dimensions).operators or not name.endswith("_embedding_idx") or READ_ALONE in name
        }

    def beside_codes(values: Mapping[int, float]) -> float:
        """Return what goes with the bytes of vectors, and the codes, which are of two kinds, apart from it."""
        return at({n: value - code_bytes(n) for n, value in values.items()}, stored) + code_bytes(dimensions)

    def one(kind: str) -> float:
        return at({n: m[kind] for n, m in measured.items()}, stored)

    return PerRow(
        beside_codes({n: m["table"] for n, m in measured.items()}), each("indexes"), each("build"), one("insert")
    )


def _between(values: Mapping[float, float], where: float) -> float:
    """On the line through the two nearest points; beyond them, on the line through the last two."""
    points = sorted(values.items())
    if len(points) == 1:
        return points[0][1]
    (x, y), (to_x, to_y) = next(((a, b) for a, b in pairwise(points) if where <= b[0]), (points[-2], points[-1]))
    return max(0.0, y + (to_y - y) * (where - x) / (to_x - x))


def advice(tables: Sequence[TableSize], shared_buffers: int) -> list[str]:
    """Return what the numbers mean for memory, replicas and partitions."""
    rows = tables[0].then_rows
    searched = sum(table.then_searched for table in tables)
    total = sum(table.then_bytes for table in tables)
    largest = max(tables, key=lambda table: table.then_build)
    per = sum(table.per_row.searched for table in tables)
    fits = f"{shared_buffers / per:,.0f} rows of each" if per else "any number of rows"
    needed = f"At {rows:,} rows of each the indexes that searches by vector read take {gigabytes(searched)}"
    limit = HUGE / max(table.per_row.bytes for table in tables)
    return [
        f"Memory: {needed}; shared_buffers is {gigabytes(shared_buffers)}, enough for {fits}. The rows of agents that "
        "are active should fit into the system's cache, the rest may be on disk.",
        f"Disk: {gigabytes(total)} for rows and indexes; have as much again for index builds, the log and a backup.",
        f"Index builds: all of {largest.what} again take about {duration(largest.then_build)}.",
        "Replicas: when reads fill the processors. Agents cost storage, not time: a search reads its own agent's rows.",
        f"Partitions by agent_id: when one table passes about {gigabytes(HUGE)} ({limit:,.0f} rows of the largest), "
        "because vacuum and index builds go through it as a whole. Citus: when one machine's disk or memory ends; "
        "keys begin with agent_id.",
    ]


HUGE: Final = 200 * 10**9
"""Bytes of a table and its indexes from which on its care, not its searches, becomes the work of a day."""


def gigabytes(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@cache
def constants() -> dict[str, Any]:
    """As measured: by dimensions and table."""
    file = resources.files("memgpt.reembed") / "sizing.json"
    return dict(json.loads(file.read_text(encoding="utf-8")))
