"""The knowledge graph: entities, and the facts about two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from pgvector import Vector
from psycopg import Connection
from psycopg.rows import class_row, kwargs_row
from psycopg.types.json import Jsonb

from memgpt.database import queries
from memgpt.database.driver import hidden_operators
from memgpt.errors import NotFoundError
from memgpt.graph.facts_store import Moments
from memgpt.models import Author, Entity, Fact, Json

SQL = queries.beside(__name__)

NOW: Final = Moments()


@dataclass(frozen=True, slots=True)
class NewEntity:
    """A thing to be named, checked and embedded."""

    name: str
    type: str
    aliases: Sequence[str]
    description: str
    properties: Json
    embedding: Vector | None = None


@dataclass(frozen=True, slots=True)
class EntityChange:
    """Changes of an entity; None keeps the value, ``more_`` adds to it."""

    name: str | None = None
    type: str | None = None
    aliases: Sequence[str] | None = None
    more_aliases: Sequence[str] = ()
    description: str | None = None
    properties: Json | None = None
    more_properties: Json | None = None
    described: bool = False
    """The text that is embedded has changed: ``embedding`` replaces the vector."""
    embedding: Vector | None = None


@dataclass(frozen=True, slots=True)
class NewFact:
    """A fact to be added, checked and embedded."""

    source_id: int
    target_id: int
    type: str
    fact: str
    weight: float | None
    properties: Json
    valid_from: datetime | None
    valid_to: datetime | None
    provenance_kind: str | None
    provenance_id: int | None
    embedding: Vector | None = None
    recorded_at: datetime | None = None
    """None: now."""
    only_lacking: bool = False
    """What the same fact has already is kept, where it is known."""


class GraphStore:
    """The rows of ``kg_entities`` and ``kg_relationships`` of one agent, on a connection (and in a transaction) of the
    caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def lock_names(self) -> None:
        """Until the end of the transaction, nobody else names a new entity of this agent under this lock."""
        self._connection.execute(SQL.lock_names, self._parameters())

    def insert_entity(
        self, entity: NewEntity, *, change_id: UUID, language: str, embedding_model: str | None
    ) -> Entity:
        parameters = self._parameters(
            change_id=change_id,
            language=language,
            embedding_model=None if entity.embedding is None else embedding_model,
            **asdict(entity) | {"aliases": [*entity.aliases], "properties": Jsonb(entity.properties)},
        )
        with self._connection.cursor(row_factory=class_row(Entity)) as cursor:
            inserted = cursor.execute(SQL.insert_entity, parameters).fetchone()
        assert inserted is not None  # noqa: S101 - one row is inserted, or an error raised
        return inserted

    def get_entity(self, id: int) -> Entity:
        """One entity.

        Raises:
            NotFoundError: the agent has no entity of that id.
        """
        return self._entity(_with_aliases(SQL.get_entity), id=id)

    def survivor(self, id: int, *, known_at: datetime | None = None) -> int:
        """Return the entity that an entity was, or had turned out to be, at a time.

        Raises:
            NotFoundError: the agent has no entity of that id.
        """
        row = self._connection.execute(SQL.survivor, self._parameters(id=id, known_at=known_at)).fetchone()
        if row is None:
            raise self._not_found("entity", id)
        return int(row[0])

    def names(self, ids: Sequence[int]) -> dict[int, str]:
        """Return the names of entities by their ids."""
        return dict(self._connection.execute(SQL.names, self._parameters(ids=[*ids])).fetchall())

    def find_entities(self, name: str, *, known_at: datetime | None = None) -> Sequence[Entity]:
        """Entities of that name or alias, upper or lower case: those whose own name it is first, then the oldest.

        What was merged into another entity stands for the other; at a time before, for itself.
        """
        parameters = self._parameters(name=name, known_at=known_at)
        with self._connection.cursor(row_factory=class_row(Entity)) as cursor:
            return cursor.execute(_find_entities(hidden_operators(self._connection)), parameters).fetchall()

    def find_each(self, names: Sequence[str]) -> Sequence[Sequence[Entity]]:
        """Find the entities of several names in one statement."""
        parameters = self._parameters(known_at=None, **{f"name_{place}": name for place, name in enumerate(names)})
        entities: list[list[Entity]] = [[] for _ in names]
        with self._connection.cursor(row_factory=kwargs_row(_placed)) as cursor:
            statement = _find_each(len(names), hidden_operators(self._connection))
            for place, entity in cursor.execute(statement, parameters):
                entities[place].append(entity)
        return entities

    def insert_named(
        self, entities: Sequence[NewEntity], *, change_id: UUID, language: str, embedding_model: str | None
    ) -> Sequence[int | None]:
        """Insert entities of which nothing is known but the names; the id of each, None where a name is taken."""
        parameters = self._parameters(
            change_id=change_id,
            language=language,
            embedding_model=embedding_model,
            type=entities[0].type,
            names=[entity.name for entity in entities],
            embeddings=[entity.embedding for entity in entities],
        )
        statement = _insert_named(hidden_operators(self._connection))
        return [id for (id,) in self._connection.execute(statement, parameters)]

    def list_entities(self, *, limit: int, type: str | None = None, after: Entity | None = None) -> Sequence[Entity]:
        """Entities in the order of their names; ``after`` is the last one of the page before."""
        parameters = self._parameters(limit=limit, type=type, after=after and after.name, after_id=after and after.id)
        with self._connection.cursor(row_factory=class_row(Entity)) as cursor:
            return cursor.execute(_with_aliases(SQL.list_entities), parameters).fetchall()

    def update_entity(self, id: int, change: EntityChange, *, change_id: UUID, embedding_model: str | None) -> Entity:
        """Change what is given, keep the rest."""
        fields = asdict(change) | {
            "aliases": None if change.aliases is None else [*change.aliases],
            "more_aliases": [*change.more_aliases],
            "properties": None if change.properties is None else Jsonb(change.properties),
            "more_properties": Jsonb(change.more_properties or {}),
            "embedding_model": None if change.embedding is None else embedding_model,
        }
        return self._entity(_with_aliases(SQL.update_entity), id=id, change_id=change_id, **fields)

    def delete_entity(self, id: int, *, change_id: UUID) -> None:
        """Remove an entity and every fact about it, keeping them in the history."""
        if self._connection.execute(SQL.delete_entity, self._parameters(id=id, change_id=change_id)).fetchone() is None:
            raise self._not_found("entity", id)

    def insert_fact(self, fact: NewFact, *, change_id: UUID, language: str, embedding_model: str | None) -> Fact:
        """Add a fact; the same one, if it is known already, learns what is new."""
        parameters = self._parameters(
            change_id=change_id,
            language=language,
            embedding_model=None if fact.embedding is None else embedding_model,
            **asdict(fact) | {"properties": Jsonb(fact.properties)},
        )
        with self._connection.cursor(row_factory=class_row(Fact)) as cursor:
            inserted = cursor.execute(SQL.insert_fact, parameters).fetchone()
        assert inserted is not None  # noqa: S101 - the new row or the one that was there
        return inserted

    def get_fact(self, id: int) -> Fact:
        """Return one fact.

        Raises:
            NotFoundError: the agent has no fact of that id.
        """
        return self._fact(SQL.get_fact, id=id)

    def list_facts(
        self,
        *,
        limit: int,
        source_id: int | None = None,
        target_id: int | None = None,
        type: str | None = None,
        superseded: bool = False,
        moments: Moments = NOW,
        after: Fact | None = None,
    ) -> Sequence[Fact]:
        """Return facts from ``source_id`` or to ``target_id`` (all of them when neither is given), newest first."""
        parameters = self._parameters(
            limit=limit,
            source_id=source_id,
            target_id=target_id,
            type=type,
            superseded=superseded,
            **asdict(moments),
            before=after and after.recorded_at,
            before_id=after and after.id,
        )
        with self._connection.cursor(row_factory=class_row(Fact)) as cursor:
            # Never prepared: which index serves depends on the filters given, which a generic plan does not see.
            return cursor.execute(SQL.list_facts, parameters, prepare=False).fetchall()

    def retract_fact(self, id: int, *, at: datetime, change_id: UUID) -> Fact:
        """Retract a fact from a time on; one that was retracted before is left as it is."""
        return self._fact(SQL.retract_fact, id=id, at=at, change_id=change_id)

    def delete_fact(self, id: int, *, change_id: UUID) -> None:
        """Remove a fact, keeping it in the history."""
        parameters = self._parameters(id=id, change_id=change_id)
        if self._connection.execute(SQL.delete_fact, parameters).fetchone() is None:
            raise self._not_found("fact", id)

    def _entity(self, query: bytes, *, id: int, **values: Any) -> Entity:
        with self._connection.cursor(row_factory=class_row(Entity)) as cursor:
            entity = cursor.execute(query, self._parameters(id=id, **values)).fetchone()
        if entity is None:
            raise self._not_found("entity", id)
        return entity

    def _fact(self, query: bytes, *, id: int, **values: Any) -> Fact:
        with self._connection.cursor(row_factory=class_row(Fact)) as cursor:
            fact = cursor.execute(query, self._parameters(id=id, **values)).fetchone()
        if fact is None:
            raise self._not_found("fact", id)
        return fact

    def _parameters(self, **values: Any) -> dict[str, Any]:
        return {"agent_id": self._author.agent_id, "actor": self._author.actor, **values}

    def _not_found(self, what: str, id: int) -> NotFoundError:
        return NotFoundError(f"agent {self._author.agent_id!r} has no {what} {id}")


def _with_aliases(query: bytes) -> bytes:
    return queries.compose(query, aliases=SQL.aliases)


def _placed(place: int, **fields: Any) -> tuple[int, Entity]:
    return place, Entity(**fields)


@cache
def _find_each(names: int, hidden: frozenset[str] = frozenset()) -> bytes:
    one = _find_entities(hidden)
    return b"\nUNION ALL\n".join(
        b"SELECT %d AS place, f.* FROM (%s) AS f" % (place, one.replace(b"%(name)s", b"%%(name_%d)s" % place))
        for place in range(names)
    )


@cache
def _insert_named(hidden: frozenset[str] = frozenset()) -> bytes:
    named = SQL.named_looked_up if "@@" in hidden else SQL.named
    return queries.compose(SQL.insert_named, named=named.replace(b"%(name)s::text", b"i.name"))


def _find_entities(hidden: frozenset[str] = frozenset()) -> bytes:
    named = SQL.named_looked_up if "@@" in hidden else SQL.named
    return queries.compose(SQL.find_entities, aliases=SQL.aliases, named=named)
