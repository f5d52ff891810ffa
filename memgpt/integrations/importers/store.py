"""Records of what was imported from other memories, by the ids used there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from memgpt.database import queries
from memgpt.models import Author

SQL = queries.beside(__name__)


class ImportStore:
    """The imported rows of one agent, on a connection of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def known(self, system: str) -> set[tuple[str, str]]:
        """Return the kind and id of everything that was imported from a system."""
        parameters = {"agent_id": self._author.agent_id, "system": system}
        return {(kind, id) for kind, id in self._connection.execute(SQL.known, parameters)}

    def imported_texts(self, texts: Sequence[str]) -> list[bool]:
        """Tell for each text whether a living memory with it was imported."""
        parameters = {"agent_id": self._author.agent_id, "texts": [*texts]}
        there = {place for (place,) in self._connection.execute(SQL.imported_texts, parameters)}
        return [n in there for n in range(len(texts))]
