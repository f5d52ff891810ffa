"""One agent's rows on their way to a file and back, table by table, in an order that foreign keys accept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pgvector import Vector
from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from memgpt.database import queries, times
from memgpt.database.tables import BY_NAME, HISTORY, expressions, for_each, in_files, tables
from memgpt.models import Author, Json

SQL = queries.beside(__name__)

BATCH: Final = 500
"""Rows fetched or sent at once: about 3 MB at 1536 dimensions."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row on its way in."""

    number: int
    """Of the line in the file, from 1."""
    table: str
    row: Json
    embedding: Vector | None
    given: bool
    """The vector is from the file: a row that is there already must have the same."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of a row: inserted, or there already, the same or not."""

    position: int
    inserted: bool
    differs: bool


class TransferStore:
    """The rows of one agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def header(self) -> Json:
        """Return the agent, the model of its vectors, and its rows per table."""
        given = {"agent_id": self._author.agent_id}
        [agent, model, counts] = [
            self._connection.execute(query, given).fetchone() for query in (SQL.agent, SQL.model, _counts())
        ]
        assert counts is not None  # noqa: S101 - the statement always gives one row
        default = {"agent_id": self._author.agent_id, "description": "", "metadata": {}, "functional_types": []}
        return {"agent": agent[0] if agent else default, "embedding": model and model[0], "counts": counts[0]}

    def rows(self, table: str) -> Iterator[tuple[str, Vector | None]]:
        """Yield the rows of a table as JSON objects in text, with their vectors, in the order of their ids; times in
        UTC."""
        self._connection.execute(SQL.in_utc)
        with self._connection.cursor(f"export_{table}", binary=True) as cursor:
            cursor.itersize = BATCH
            rows = cursor.execute(_export(table), {"agent_id": self._author.agent_id})
            yield from map(_with_old_in_utc, rows) if table == HISTORY else rows

    def describe(
        self, description: str, metadata: Json, functional_types: Sequence[str], time_zone: str | None
    ) -> None:
        """Describe the agent, unless it is described already."""
        given: Json = {"agent_id": self._author.agent_id, "description": description, "metadata": Jsonb(metadata)}
        given |= {"functional_types": [*functional_types], "time_zone": time_zone}
        self._connection.execute(SQL.describe, given)

    def insert(
        self, lines: Sequence[Line], *, change_id: UUID, embedding_model: str | None, logged: bool
    ) -> Sequence[Outcome]:
        """Insert rows of one table with the ids they have; ``logged`` enters them in the history."""
        given = {
            "agent_id": self._author.agent_id,
            "actor": self._author.actor,
            "change_id": change_id,
            "embedding_model": embedding_model,
            "logged": logged,
            "rows": [Jsonb(line.row) for line in lines],
            "embeddings": [line.embedding for line in lines],
            "given": [line.given for line in lines],
        }
        with self._connection.cursor(row_factory=class_row(Outcome)) as cursor:
            return cursor.execute(_take_in(lines[0].table), given).fetchall()

    def last_ids(self) -> Mapping[str, int]:
        """Return the last id that each table has handed out. The sequences are everybody's: as the owner."""
        return dict(self._connection.execute(SQL.last_ids, {"tables": [*in_files()]}).fetchall())

    def reserve(self, counts: Mapping[str, int]) -> Mapping[str, list[int]]:
        """Reserve the next ids of tables, so many of each. As the owner."""
        ids: dict[str, list[int]] = {table: [] for table in counts}
        given = {"tables": [*counts], "counts": [*counts.values()]}
        for table, id in self._connection.execute(SQL.reserve, given):
            ids[table].append(id)
        return ids

    def there(self, table: str, rows: Sequence[Json]) -> Mapping[int, bool]:
        """Positions of rows whose ids the agent has, and whether each is the same row, maybe changed since."""
        given = {"agent_id": self._author.agent_id, "rows": [Jsonb(row) for row in rows]}
        return dict(self._connection.execute(_there(table), given).fetchall())

    def same(self, table: str, rows: Sequence[Json]) -> Mapping[int, Json]:
        """Rows of the agent that say what some others say, whatever their ids, by the position of those."""
        given = {"agent_id": self._author.agent_id, "rows": [Jsonb(row) for row in rows]}
        return dict(self._connection.execute(_same(table), given).fetchall())


def _with_old_in_utc(line: tuple[str, Vector | None]) -> tuple[str, Vector | None]:
    """Convert the times of a row of the history to UTC: they were written in the zone of their day."""
    text, vector = line
    row = json.loads(text)
    return json.dumps(row | {"old": row["old"] and times.in_utc(row["old"])}), vector


def _counts() -> bytes:
    return queries.compose(SQL.counts, counts=for_each(SQL.count_rows, tables("memory")))


def _export(name: str) -> bytes:
    table = BY_NAME[name]
    exported = queries.identifiers(table.columns, "t")
    return table.complete(SQL.export, exported=exported, t_vector=table.vector_of("t"))


def _there(name: str) -> bytes:
    table = BY_NAME[name]
    return table.complete(SQL.there, created=queries.identifier(table.created))


def _same(name: str) -> bytes:
    table = BY_NAME[name]
    content = {f"{alias}_content": queries.identifiers(table.content, alias) for alias in ("n", "t")}
    return table.complete(SQL.same, o_columns=queries.identifiers(table.columns, "o"), **content)


def _take_in(name: str) -> bytes:
    table = BY_NAME[name]
    compared = [column for column in table.columns if column not in ("embedding_model", *table.counters)]
    return table.complete(
        SQL.take_in,
        incoming=expressions(SQL, "incoming", "n", table.stored),
        t_vector=table.vector_of("t"),
        t_compared=queries.identifiers(compared, "t"),
        n_compared=queries.identifiers(compared, "n"),
    )
