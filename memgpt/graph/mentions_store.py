"""Mentions: which texts of an agent contain which names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from memgpt.database import queries

SQL = queries.beside(__name__)

Linkable = Literal["archival", "chunk"]
TextRow = tuple[str, int, str, str | None, int | None]
"""Kind, id, the beginning of the text, the place and the document of a row."""

_STATEMENTS: Final[Mapping[Linkable, bytes]] = {
    "archival": queries.compose(SQL.link_archival, noted=queries.compose(SQL.noted, kind=b"archival")),
    "chunk": queries.compose(SQL.link_chunk, noted=queries.compose(SQL.noted, kind=b"chunk")),
}


@dataclass(frozen=True, slots=True)
class MentionBatch:
    """Result of one statement."""

    last: int | None
    """The last id it saw; None when there was nothing after the given one."""
    seen: int
    linked: int
    """Texts whose names were taken: those that are new or changed."""
    mentions: int


class MentionStore:
    """The names in one agent's texts, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], agent_id: str) -> None:
        self._connection = connection
        self._agent_id = agent_id

    def totals(self) -> dict[Linkable, int]:
        """Texts of each kind."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(SQL.totals, {"agent_id": self._agent_id}).fetchone()
        assert row is not None  # noqa: S101 - the statement always gives one row
        return {"archival": row["archival"], "chunk": row["chunk"]}

    def link(self, kind: Linkable, *, after: int, batch: int) -> MentionBatch:
        """Take the names from the next texts of a kind; those that were linked and not changed cost a look."""
        self._connection.execute(SQL.lock, {"agent_id": self._agent_id})
        parameters = {"agent_id": self._agent_id, "after": after, "batch": batch}
        with self._connection.cursor(row_factory=class_row(MentionBatch)) as cursor:
            row = cursor.execute(_STATEMENTS[kind], parameters).fetchone()
        assert row is not None  # noqa: S101 - the statement always gives one row
        return row

    def together(self, name: str, *, limit: int) -> list[tuple[str, int]]:
        """Names in the texts that mention one, given in lower case, and in how many of these; most first."""
        parameters = {"agent_id": self._agent_id, "name": name, "limit": limit}
        return self._connection.execute(SQL.together, parameters).fetchall()

    def naming(self, names: Sequence[str], *, limit: int) -> list[TextRow]:
        """Return the latest texts that mention one of some names, given in lower case."""
        return self._texts(SQL.of_names, limit, names=[*names])

    def texts(self, rows: Sequence[tuple[str, int]]) -> list[TextRow]:
        """Return the beginnings of what some rows say, given as kinds and ids."""
        return self._texts(SQL.of_rows, len(rows), kinds=[kind for kind, _ in rows], ids=[id for _, id in rows])

    def _texts(self, wanted: bytes, limit: int, **parameters: Any) -> list[TextRow]:
        statement = queries.compose(SQL.texts, wanted=wanted)
        return self._connection.execute(
            statement, {"agent_id": self._agent_id, "limit": limit, **parameters}
        ).fetchall()
