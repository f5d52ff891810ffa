"""The order in which facts become known, and superseding them for a span of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection

from memgpt.database import queries
from memgpt.models import Author

SQL = queries.beside(__name__)


@dataclass(frozen=True, slots=True)
class Moments:
    """A point on each axis of time: true at, known at. None: any time, and now."""

    valid_at: datetime | None = None
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FactSpan:
    """Facts about an entity over a span of time: with every target, with one, or with all but one."""

    source_id: int
    type: str
    valid_from: datetime | None
    valid_to: datetime | None
    only: int | None = None
    but: int | None = None


class FactStore:
    """Facts of one agent over time, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def begin(self, type: str, *, names: bool = False) -> tuple[datetime, bool]:
        """Return the time of a new fact, later than all before it, and whether the type is functional.

        Until the transaction ends nobody else changes what the agent knows.
        """
        row = self._connection.execute(SQL.begin, self._parameters(type=type, names=names)).fetchone()
        assert row is not None  # noqa: S101 - the statement always gives one row
        return row[0], row[1]

    def clear(self, span: FactSpan, *, at: datetime, change_id: UUID) -> int:
        """Supersede the facts of a span, record again what of them lies outside it, and return how many they were."""
        parameters = self._parameters(at=at, change_id=change_id, **asdict(span))
        row = self._connection.execute(SQL.clear, parameters).fetchone()
        assert row is not None  # noqa: S101 - count(*) always gives one row
        return int(row[0])

    def declare(self, type: str, *, functional: bool) -> Sequence[str]:
        row = self._connection.execute(SQL.declare, self._parameters(type=type, functional=functional)).fetchone()
        assert row is not None  # noqa: S101 - every writer makes the agent first
        return list(row[0])

    def declared(self) -> Sequence[str]:
        row = self._connection.execute(SQL.declared, self._parameters()).fetchone()
        return [] if row is None else list(row[0])

    def _parameters(self, **values: Any) -> dict[str, Any]:
        return {"agent_id": self._author.agent_id, "actor": self._author.actor, **values}
