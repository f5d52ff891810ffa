"""The knowledge graph as ``memory.graph``: named things, and dated statements between two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from memgpt import inputs
from memgpt.database.connection import Connection
from memgpt.errors import ConflictError, InputError, NotFoundError
from memgpt.models import Entity, Json, Relationship
from memgpt.scope import Scope
from memgpt.stores.graph import EntityChange, GraphStore, NewEntity, NewRelationship

UNTYPED: Final = "thing"
"""The type of an entity nobody has said the type of; it gives way to the first that is said."""

MAX_NAME: Final = 255

PROVENANCE: Final = ("archival", "message", "chunk", "document", "block", "fact")
"""Kinds of rows a statement can be from."""

EntityRef: TypeAlias = Entity | int | str
"""An entity, its id, or one of its names."""

Direction = Literal["both", "out", "in"]


class Graph:
    """The entities and relationships of one agent."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def add_entity(
        self,
        name: str,
        type: str = UNTYPED,
        *,
        aliases: Sequence[str] = (),
        description: str = "",
        properties: Json | None = None,
    ) -> Entity:
        """The entity of that name and type, created if the agent has none.

        Upper and lower case are the same, and an alias is a name too. An entity that is there learns what is new: more
        aliases and properties, another description, and its type if that was ``thing``.
        """
        entity = NewEntity(
            name=_name(name, "name"),
            type=_name(type, "type"),
            aliases=[_name(alias, "alias") for alias in inputs.texts(aliases, "aliases")],
            description=inputs.text(description, "description", empty=True),
            properties=inputs.json_object(properties, "properties"),
        )
        there = _same(self.find(entity.name), entity)
        if there is None:
            [vector] = self._scope.embed([entity_text(entity.name, entity.description)])
            with self._scope.change() as (connection, change_id):
                there = self._create(connection, replace(entity, embedding=vector), change_id)
        return self._learn(there, entity)

    def get(self, entity: EntityRef) -> Entity:
        """One entity, by its id or one of its names.

        Raises:
            NotFoundError: the agent has no such entity.
            InputError: several entities go by that name.
        """
        if isinstance(entity, str):
            found = self.find(entity)
            if not found:
                raise NotFoundError(f"agent {self._scope.agent_id!r} has no entity called {entity!r}")
            return _only(found, entity)
        id = entity.id if isinstance(entity, Entity) else entity
        return self._scope.read(lambda connection: self._store(connection).get_entity(id))

    def find(self, name: str) -> Sequence[Entity]:
        """Entities of that name or alias, upper or lower case: those whose own name it is first, then the oldest."""
        wanted = _name(name, "name")
        return self._scope.read(lambda connection: self._store(connection).find_entities(wanted))

    def list(self, *, type: str | None = None, limit: int = 50, after: Entity | None = None) -> Sequence[Entity]:
        """Entities in the order of their names; ``after`` is the last one of the page before."""
        limit = inputs.limit(limit)
        return self._scope.read(
            lambda connection: self._store(connection).list_entities(limit=limit, type=type, after=after)
        )

    def update(
        self,
        entity: EntityRef,
        *,
        name: str | None = None,
        type: str | None = None,
        aliases: Sequence[str] | None = None,
        description: str | None = None,
        properties: Json | None = None,
    ) -> Entity:
        """Change what is given and keep the rest.

        Raises:
            ConflictError: another entity has that name and type.
        """
        there = self.get(entity)
        change = EntityChange(
            name=None if name is None else _name(name, "name"),
            type=None if type is None else _name(type, "type"),
            aliases=None if aliases is None else [_name(alias, "alias") for alias in inputs.texts(aliases, "aliases")],
            description=None if description is None else inputs.text(description, "description", empty=True),
            properties=None if properties is None else inputs.json_object(properties, "properties"),
        )
        return self._change(there, change)

    def delete(self, entity: EntityRef) -> None:
        """Remove an entity and every statement about it; the history keeps them and ``undo`` brings them back."""
        there = self.get(entity)
        with self._scope.change() as (connection, change_id):
            self._store(connection).delete_entity(there.id, change_id=change_id)

    def relate(
        self,
        source: EntityRef,
        type: str,
        target: EntityRef,
        *,
        fact: str | None = None,
        weight: float = 1.0,
        valid_from: datetime | str | None = None,
        valid_to: datetime | str | None = None,
        properties: Json | None = None,
        provenance: tuple[str, int] | None = None,
    ) -> Relationship:
        """Record a statement: ``relate("Ann", "works_at", "Acme", valid_from="2024-05-01")``.

        A name no entity has becomes one. ``fact`` is the statement in words, "Ann works at Acme" when absent; it is
        what is embedded and searched. ``valid_from`` and ``valid_to`` say when it was true in the world. ``provenance``
        is the kind and id of the row it is from. The same statement, if it is believed already, comes back as it is.

        Raises:
            NotFoundError: the agent has no entity of a given id.
            InputError: several entities go by a given name, or a value cannot be used; nothing was written.
        """
        kind = _name(type, "type")
        start, end = inputs.moment(valid_from, "valid_from"), inputs.moment(valid_to, "valid_to")
        if start is not None and end is not None and start >= end:
            raise InputError(f"valid_from {start.isoformat()} is not before valid_to {end.isoformat()}")
        from_kind, from_id = provenance or (None, None)
        if from_kind is not None:
            inputs.choice(from_kind, PROVENANCE, "the kind of provenance")
        ends = [self._end(source), self._end(target)]
        words = inputs.optional_text(fact, "fact") or f"{ends[0].name} {_in_words(kind)} {ends[1].name}"
        relationship = NewRelationship(
            0, 0, kind, words, inputs.number(weight, "weight"), inputs.json_object(properties, "properties"),
            start, end, from_kind, from_id,
        )  # fmt: skip
        texts = [words, *(entity_text(e.name, e.description) for e in ends)]
        vector, *of_ends = self._scope.embed(texts if any(isinstance(e, NewEntity) for e in ends) else texts[:1])
        with self._scope.change() as (connection, change_id):
            ids = [
                self._create(connection, replace(e, embedding=of_ends[n]), change_id).id
                if isinstance(e, NewEntity)
                else e.id
                for n, e in enumerate(ends)
            ]
            relationship = replace(relationship, source_id=ids[0], target_id=ids[1], embedding=vector)
            return self._store(connection).insert_relationship(relationship, change_id=change_id, **self._how())

    def relationship(self, id: int) -> Relationship:
        """One statement.

        Raises:
            NotFoundError: the agent has no relationship of that id.
        """
        return self._scope.read(lambda connection: self._store(connection).get_relationship(id))

    def relationships(
        self,
        entity: EntityRef | None = None,
        *,
        direction: Direction = "both",
        type: str | None = None,
        superseded: bool = False,
        limit: int = 100,
        after: Relationship | None = None,
    ) -> Sequence[Relationship]:
        """Statements from (``out``) or about (``in``) an entity, or all of them, newest first.

        Retracted ones are left out unless ``superseded``; ``after`` is the last one of the page before.
        """
        inputs.choice(direction, ("both", "out", "in"), "direction")
        limit = inputs.limit(limit)
        id = None if entity is None else self.get(entity).id
        return self._scope.read(
            lambda connection: self._store(connection).list_relationships(
                limit=limit,
                source_id=None if direction == "in" else id,
                target_id=None if direction == "out" else id,
                type=type,
                superseded=superseded,
                after=after,
            )
        )

    def retract(self, id: int) -> Relationship:
        """Stop believing a statement from now on. It stays, with the time, and no search finds it any more."""
        with self._scope.change() as (connection, change_id):
            return self._store(connection).retract_relationship(id, change_id=change_id)

    def delete_relationship(self, id: int) -> None:
        """Remove a statement; the history keeps it and ``undo`` brings it back."""
        with self._scope.change() as (connection, change_id):
            self._store(connection).delete_relationship(id, change_id=change_id)

    def _store(self, connection: Connection) -> GraphStore:
        return GraphStore(connection, self._scope.author)

    def _how(self) -> dict[str, str]:
        return {"language": self._scope.language, "embedding_model": self._scope.model.name}

    def _end(self, ref: EntityRef) -> Entity | NewEntity:
        """An end of a statement: the entity, or the one its name will become."""
        if isinstance(ref, str) and not self.find(ref):
            return NewEntity(_name(ref, "name"), UNTYPED, (), "", {})
        return self.get(ref)

    def _create(self, connection: Connection, entity: NewEntity, change_id: UUID) -> Entity:
        """The new entity, or the same one somebody else created since we looked."""
        store = self._store(connection)
        store.lock_names()
        there = _same(store.find_entities(entity.name), entity)
        return there or store.insert_entity(entity, change_id=change_id, **self._how())

    def _learn(self, there: Entity, given: NewEntity) -> Entity:
        """Add what is new about an entity to it; nothing is written when there is nothing new."""
        known = {name.lower() for name in (there.name, *there.aliases)}
        new = EntityChange(
            type=given.type if there.type == UNTYPED and given.type != UNTYPED else None,
            more_aliases=[
                alias for n, alias in enumerate(given.aliases)
                if alias.lower() not in known | {a.lower() for a in given.aliases[:n]}
            ],
            description=given.description if given.description not in ("", there.description) else None,
            more_properties={k: v for k, v in given.properties.items() if k not in there.properties
                             or there.properties[k] != v},
        )  # fmt: skip
        return self._change(there, new)

    def _change(self, there: Entity, change: EntityChange) -> Entity:
        if change == EntityChange(more_aliases=change.more_aliases, more_properties={}) and not change.more_aliases:
            return there
        if change.name is not None or change.description is not None:
            name = there.name if change.name is None else change.name
            description = there.description if change.description is None else change.description
            [vector] = self._scope.embed([entity_text(name, description)])
            change = replace(change, described=True, embedding=vector)
        with self._scope.change() as (connection, change_id):
            store = self._store(connection)
            if change.name is not None or change.type is not None:
                store.lock_names()
                _refuse_twin(store, there, change)
            return store.update_entity(there.id, change, change_id=change_id, embedding_model=self._scope.model.name)


def entity_text(name: str, description: str) -> str:
    """What is embedded for an entity."""
    return f"{name}: {description}" if description else name


def _same(found: Sequence[Entity], entity: NewEntity) -> Entity | None:
    """Which of the entities of its name is meant: the one of its type, or of a type that is not known."""
    for type in (entity.type, UNTYPED):
        same = [e for e in found if e.type.lower() == type.lower()]
        if same:
            return same[0]
    return _only(found, entity.name) if found and entity.type == UNTYPED else None


def _only(found: Sequence[Entity], name: str) -> Entity:
    """The one entity of a name; an entity's own name counts before another's alias."""
    own = [e for e in found if e.name.lower() == name.strip().lower()] or found
    if len(own) > 1:
        which = ", ".join(f"{e.id} ({e.type})" for e in own)
        raise InputError(f"{len(own)} entities are called {name!r}: give the id of the one you mean: {which}")
    return own[0]


def _refuse_twin(store: GraphStore, there: Entity, change: EntityChange) -> None:
    name, type = change.name or there.name, change.type or there.type
    for other in store.find_entities(name):
        if other.id != there.id and (other.name.lower(), other.type.lower()) == (name.lower(), type.lower()):
            raise ConflictError(f"entity {other.id} is called {other.name!r} and is a {other.type} already")


def _name(value: object, what: str) -> str:
    """A name on one line, with single spaces."""
    name = " ".join(inputs.text(value, what).split())
    if len(name) > MAX_NAME:
        raise InputError(f"{what} has {len(name)} characters; the limit is {MAX_NAME}")
    return name


def _in_words(type: str) -> str:
    """``works_at`` and ``WORKS_AT`` as "works at"."""
    words = type.replace("_", " ")
    return words.lower() if words.isupper() else words
