"""The cost of a switch: rows, tokens, money, time, disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from memgpt.database import queries
from memgpt.database.codes import code_bytes
from memgpt.database.dimensions import column
from memgpt.embeddings import EmbeddingModel
from memgpt.embeddings.providers import price
from memgpt.reembed.tables import EmbeddedTable

SQL = queries.beside(__name__)

_SAMPLE: Final = 50
"""Texts of each table that are embedded to measure: a fraction of a cent even where that costs."""
_WRITES_PER_SECOND: Final = 2_500
"""Rows a second that PostgreSQL takes on the machine this was measured on; embedding comes on top."""


@dataclass(frozen=True, slots=True)
class ReembedPlan:
    """A switch before it is begun. Money is in US dollars at list prices, None where a price is not known."""

    from_model: str
    from_dimensions: int
    to_model: str
    to_dimensions: int
    column_type: str
    rows: dict[str, int]
    tokens: int
    price_from: float | None
    price_to: float | None
    cost_from: float | None
    """What embedding everything by the old model would cost."""
    cost_to: float | None
    texts_per_second: float | None
    """The new model, measured on a sample; None where nothing is stored."""
    seconds: float
    disk_bytes: int
    """Needed while old and new are kept: every row is written once more, with both vectors."""

    @property
    def total_rows(self) -> int:
        return sum(self.rows.values())


def plan(
    connection: psycopg.Connection[Any], tables: Sequence[EmbeddedTable], active: tuple[str, int], model: EmbeddingModel
) -> ReembedPlan:
    """Look at the tables, and embed a small sample with the new model."""
    rows, characters, size, texts = {}, 0, 0, []
    for table in tables:
        parameters = {"table": table.identifier.as_string(connection)}
        volume = connection.execute(table.compose(SQL.volume), parameters).fetchone()
        assert volume is not None  # noqa: S101 - an aggregate always gives one row
        rows[table.name] = volume[0]
        characters += volume[1]
        size += volume[2] if volume[0] else 0
        texts += [row[0] for row in connection.execute(table.compose(SQL.sample), {"limit": _SAMPLE}).fetchall()]
    per_second = _measured(model, texts)
    tokens = round(sum(model.count_tokens(texts)) * characters / max(sum(map(len, texts)), 1))
    total = sum(rows.values())
    new = column(model.dimensions)
    vector = model.dimensions * (2 if new.type == "halfvec" else 4) + code_bytes(model.dimensions)
    prices = (price(active[0]), model.price_per_million_tokens)
    costs = [None if each is None else tokens * each / 1e6 for each in prices]
    return ReembedPlan(
        *active,
        to_model=model.name,
        to_dimensions=model.dimensions,
        column_type=f"{new.type}({new.dimensions})",
        rows=rows,
        tokens=tokens,
        price_from=prices[0],
        price_to=prices[1],
        cost_from=costs[0],
        cost_to=costs[1],
        texts_per_second=per_second,
        seconds=(total / per_second if per_second else 0.0) + total / _WRITES_PER_SECOND,
        disk_bytes=size + total * (vector + code_bytes(model.dimensions)),
    )


def _measured(model: EmbeddingModel, texts: Sequence[str]) -> float | None:
    if not texts:
        return None
    model.embed(texts[:1])  # loading and connecting are paid once
    started = time.perf_counter()
    model.embed(texts)
    return len(texts) / max(time.perf_counter() - started, 1e-6)
