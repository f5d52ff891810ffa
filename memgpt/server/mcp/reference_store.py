"""The rows behind the tools of the reference MCP memory server: those a tool asks for, not the whole graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from memgpt.database import queries

SQL = queries.beside(__name__)


@dataclass(frozen=True, slots=True)
class NodeRow:
    """An entity, as far as a node shows it."""

    id: int
    name: str
    type: str
    description: str
    observations: Any
    """As its properties have them: a list of texts, or whatever else somebody put there."""


@dataclass(frozen=True, slots=True)
class RelationRow:
    """A fact by the names of its ends; an end that is not there has the empty name."""

    id: int
    source: str
    target: str
    type: str


class ReferenceStore:
    """The nodes and relations of one agent, oldest first, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], agent_id: str) -> None:
        self._connection = connection
        self._agent_id = agent_id

    def nodes(self) -> Sequence[NodeRow]:
        """Return every node."""
        return self._nodes(SQL.nodes)

    def nodes_named(self, names: Iterable[str]) -> Sequence[NodeRow]:
        """Return the nodes of these names."""
        return self._nodes(SQL.nodes_named, names=_storable(names))

    def nodes_with(self, text: str) -> Sequence[NodeRow]:
        """Return the nodes that have a text in their name, type or observations."""
        return self._nodes(SQL.nodes_with, text=text)

    def relations(self) -> Sequence[RelationRow]:
        """Return every relation."""
        return self._relations(SQL.relations)

    def relations_of(self, names: Iterable[str]) -> Sequence[RelationRow]:
        """Return the relations from and to nodes of these names."""
        return self._relations(SQL.relations_of, names=_storable(names))

    def relations_there(self, wanted: Sequence[tuple[str, str, str]]) -> Sequence[RelationRow]:
        """Return the relations with the source, target and type of a wanted one."""
        possible = [one for one in wanted if len(_storable(one)) == len(one)]
        sources, targets, types = ([one[part] for one in possible] for part in range(3))
        return self._relations(SQL.relations_there, sources=sources, targets=targets, types=types)

    def _nodes(self, statement: bytes, **values: Any) -> Sequence[NodeRow]:
        with self._connection.cursor(row_factory=class_row(NodeRow)) as cursor:
            return cursor.execute(statement, {"agent_id": self._agent_id, **values}).fetchall()

    def _relations(self, statement: bytes, **values: Any) -> Sequence[RelationRow]:
        with self._connection.cursor(row_factory=class_row(RelationRow)) as cursor:
            return cursor.execute(statement, {"agent_id": self._agent_id, **values}).fetchall()


def _storable(texts: Iterable[str]) -> list[str]:
    """Return the texts that a database can hold: nothing has a name of the others."""
    return [text for text in texts if "\0" not in text and text == text.encode(errors="ignore").decode()]
