"""Checks before the new vectors take over: counts, neighbours of a sample, the user's own queries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from pgvector import Vector
from psycopg import sql

from memgpt import validation
from memgpt.database import codes, queries
from memgpt.embeddings import EmbeddingModel
from memgpt.errors import EmbeddingError, InputError
from memgpt.reembed.rows import counted
from memgpt.reembed.tables import EmbeddedTable, dimensions_of

SQL = queries.beside(__name__)

NEIGHBOURS: Final = 10
_SAMPLE: Final = 20
"""Rows looked at in each table."""
_TOLERANCE: Final = 0.05
_TABLE_OF: Final = {
    "archival": "archival_memories",
    "message": "conversations",
    "chunk": "document_chunks",
    "fact": "kg_relationships",
    "item": "store_items",
}


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """One line of a queries file: ``{"agent": "a", "query": "…", "expected": [12, 40], "kind": "archival"}``."""

    agent: str
    query: str
    expected: Sequence[int]
    kind: str


@dataclass(frozen=True, slots=True)
class VectorComparison:
    """The old and the new vectors, compared."""

    rows: int
    missing: int
    overlap: float | None
    """Share of the ten nearest neighbours that both models agree on; None where no row has a neighbour."""
    recall_before: float | None
    recall_after: float | None
    """Share of the expected rows among the ten nearest to the user's own queries; None without a queries file."""


def read_queries(file: Path) -> list[SavedQuery]:
    """Read the queries of a file of JSON lines.

    Raises:
        InputError: the file cannot be read; the message names the line.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    return [_saved(line, f"{file}:{number}") for number, line in enumerate(lines, start=1) if line.strip()]


def _saved(line: str, where: str) -> SavedQuery:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where} is not JSON: {error}") from None
    value = validation.item(value, where, ("agent", "query", "expected", "kind"))
    expected = value.get("expected")
    if not isinstance(expected, list) or not expected or not all(type(id) is int for id in expected):
        raise InputError(f"{where}: expected must be a list of ids, the rows the query should find")
    kind = validation.choice(value.get("kind", "archival"), list(_TABLE_OF), f"{where}: kind")
    agent = validation.text(value.get("agent", "default"), f"{where}: agent")
    return SavedQuery(agent, validation.text(value.get("query"), f"{where}: query"), expected, kind)


def verify(
    connection: psycopg.Connection[Any],
    tables: Sequence[EmbeddedTable],
    old: EmbeddingModel | None,
    new: EmbeddingModel,
    saved: Sequence[SavedQuery],
) -> VectorComparison:
    """Compare; ``old`` is None where it cannot be used any more, and queries are then tried with the new one only."""
    counts = list(counted(connection, tables))
    shares = [share for table in tables for share in _overlaps(connection, table)]
    return VectorComparison(
        rows=sum(rows for _, rows, _ in counts),
        missing=sum(missing for _, _, missing in counts),
        overlap=sum(shares) / len(shares) if shares else None,
        recall_before=_recall(connection, tables, old, "", saved) if saved and old else None,
        recall_after=_recall(connection, tables, new, "_next", saved) if saved else None,
    )


def check(comparison: VectorComparison, minimum: float | None) -> None:
    """Stop a switch that would make the user's own searches worse.

    Raises:
        EmbeddingError: the recall is below ``minimum``, or without one clearly below what it was.
    """
    after = comparison.recall_after
    if after is None:
        return
    wanted = minimum if minimum is not None else (comparison.recall_before or 0.0) - _TOLERANCE
    if after < wanted:
        before = "unknown" if comparison.recall_before is None else f"{comparison.recall_before:.3f}"
        raise EmbeddingError(
            f"recall@{NEIGHBOURS} of your queries is {after:.3f} with the new model (with the old one: {before}), less "
            f"than {wanted:.3f}. Nothing was switched. `--min-recall {after:.2f}` switches all the same, "
            "`memgpt reembed --rollback` removes the new vectors"
        )


def _overlaps(connection: psycopg.Connection[Any], table: EmbeddedTable) -> Sequence[float]:
    """For each row of a sample, the share of its old neighbours that are also its new ones."""
    sample = connection.execute(table.compose(SQL.sample), {"limit": _SAMPLE}).fetchall()
    shares = []
    for agent_id, id in sample:
        parameters = {"agent_id": agent_id, "id": id, "limit": NEIGHBOURS}
        old, new = (_ids(connection, table, SQL.neighbours, side, parameters) for side in ("", "_next"))
        if old:
            shares.append(len(old & new) / len(old))
    return shares


def _recall(
    connection: psycopg.Connection[Any],
    tables: Sequence[EmbeddedTable],
    model: EmbeddingModel,
    side: str,
    saved: Sequence[SavedQuery],
) -> float:
    by_name = {table.name: table for table in tables}
    vectors = model.embed([one.query for one in saved], purpose="query")
    shares = []
    for one, vector in zip(saved, vectors, strict=True):
        parameters = {"agent_id": one.agent, "embedding": Vector(vector), "limit": NEIGHBOURS}
        ids = _ids(connection, by_name[_TABLE_OF[one.kind]], SQL.nearest, side, parameters)
        shares.append(len(ids & set(one.expected)) / min(len(set(one.expected)), NEIGHBOURS))
    return sum(shares) / len(shares)


def _ids(
    connection: psycopg.Connection[Any], table: EmbeddedTable, statement: bytes, side: str, parameters: dict[str, Any]
) -> set[int]:
    names = {"codes": sql.Identifier(f"embedding{side}_code"), "embedding": sql.Identifier(f"embedding{side}")}
    statement = codes.completed(statement, dimensions_of(connection, table, f"embedding{side}"))
    return {row[0] for row in connection.execute(table.compose(statement, **names), parameters).fetchall()}
