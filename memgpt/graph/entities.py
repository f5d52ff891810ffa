"""The entities of the graph: named things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from memgpt import validation
from memgpt.database.connection import Connection
from memgpt.database.embedded_text import entity_text
from memgpt.errors import ConflictError, InputError, MismatchError, NotFoundError
from memgpt.graph.store import EntityChange, GraphStore, NewEntity
from memgpt.models import Entity, Json
from memgpt.scope.scope import AgentScope

UNTYPED: Final = "thing"
"""The type of an entity nobody has said the type of; it gives way to the first that is said."""

MAX_NAME: Final = 255

EntityRef: TypeAlias = Entity | int | str
"""An entity, its id, or one of its names."""


class Entities:
    """The entities of one agent."""

    def __init__(self, scope: AgentScope) -> None:
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
        """Return the entity of that name and type, created if the agent has none.

        Upper and lower case are the same, and an alias is a name too. An entity that is there learns what is new: more
        aliases and properties, another description, and its type if that was ``thing``.
        """
        called = name_of(name, "name")
        entity = NewEntity(
            name=called,
            type=name_of(type, "type"),
            aliases=_new_names([name_of(alias, "alias") for alias in validation.texts(aliases, "aliases")], {called}),
            description=validation.description(description),
            properties=validation.json_object(properties, "properties"),
        )
        there = _same(self.find(entity.name), entity) or self._scope.repeat_on_switch(lambda: self._add(entity))
        return self._learn(there, entity)

    def get(self, entity: EntityRef) -> Entity:
        """Return one entity, by its id or one of its names. By its id, one that was merged comes as it was, with
        ``merged_into``.

        Raises:
            NotFoundError: the agent has no such entity.
            InputError: several entities go by that name.
        """
        if isinstance(entity, str):
            matches = self.find(entity)
            if not matches:
                raise NotFoundError(f"agent {self._scope.agent_id!r} has no entity called {entity!r}")
            return _only(matches, entity)
        id = validation.row_id(entity.id if isinstance(entity, Entity) else entity, "entity")
        return self._scope.read(lambda connection: self._store(connection).get_entity(id))

    def find(self, name: str) -> Sequence[Entity]:
        """Return entities of that name or alias in any case: those whose own name it is first, then the oldest.

        A name of what was merged into another entity finds the other.
        """
        wanted = name_of(name, "name")
        return self._scope.read(lambda connection: self._store(connection).find_entities(wanted))

    def names(self, ids: Sequence[int]) -> dict[int, str]:
        """Return the names of entities by their ids; one that was merged has its own. Unknown ids are left out."""
        wanted = [validation.row_id(id) for id in ids]
        return self._scope.read(lambda connection: self._store(connection).names(wanted))

    def list(self, *, type: str | None = None, limit: int = 50, after: Entity | None = None) -> Sequence[Entity]:
        """List entities in the order of their names; ``after`` is the last one of the page before."""
        limit = validation.limit(limit)
        validation.row(after, "after")
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
        there = self._unmerged(entity)
        change = EntityChange(
            name=None if name is None else name_of(name, "name"),
            type=None if type is None else name_of(type, "type"),
            aliases=None
            if aliases is None
            else [name_of(alias, "alias") for alias in validation.texts(aliases, "aliases")],
            description=None if description is None else validation.description(description),
            properties=None if properties is None else validation.json_object(properties, "properties"),
        )
        return self._change(there, change)

    def delete(self, entity: EntityRef) -> None:
        """Remove an entity, what was merged into it, and every fact about them; the history keeps them and
        ``undo`` brings them back."""
        there = self._unmerged(entity)
        with self._scope.change() as (connection, change_id):
            self._store(connection).delete_entity(there.id, change_id=change_id)

    def _unmerged(self, entity: EntityRef) -> Entity:
        there = self.get(entity)
        if there.merged_into is not None:
            raise ConflictError(
                f"entity {there.id} ({there.name}) was merged into entity {there.merged_into}: use that one, "
                "or revert the merge"
            )
        return there

    def id_at(self, entity: EntityRef, known_at: datetime | None) -> int:
        """Return the id an entity went by at a time (None: now), whatever it was merged into since."""
        if isinstance(entity, str):
            wanted = name_of(entity, "name")
            candidates = self._scope.read(
                lambda connection: self._store(connection).find_entities(wanted, known_at=known_at)
            )
            return _only(candidates, entity).id if candidates else self.get(entity).id
        id = validation.row_id(entity.id if isinstance(entity, Entity) else entity, "entity")
        return self._scope.read(lambda connection: self._store(connection).survivor(id, known_at=known_at))

    def _store(self, connection: Connection) -> GraphStore:
        return GraphStore(connection, self._scope.author)

    def _add(self, entity: NewEntity) -> Entity:
        [vector] = self._scope.embed([entity_text(entity.name, entity.description)])
        with self._scope.change() as (connection, change_id):
            return self.create(connection, replace(entity, embedding=vector), change_id)

    def create(self, connection: Connection, entity: NewEntity, change_id: UUID) -> Entity:
        """Insert a new entity, or return the same one somebody else created since we looked."""
        store = self._store(connection)
        store.lock_names()
        there = _same(store.find_entities(entity.name), entity)
        if there is not None:
            return there
        return store.insert_entity(
            entity, change_id=change_id, language=self._scope.language, embedding_model=self._scope.model.name
        )

    def known_or_new(self, *refs: EntityRef) -> Sequence[Entity | NewEntity]:
        """Return the entities, or for a name that none goes by, what it will become. Names are looked up together."""
        names = [name_of(ref, "name") for ref in refs if isinstance(ref, str)]
        by_name = iter(self._scope.read(lambda connection: self._store(connection).find_each(names)) if names else ())
        ends: list[Entity | NewEntity] = []
        for ref in refs:
            if not isinstance(ref, str):
                there = self.get(ref)
                ends.append(there if there.merged_into is None else self.get(self.id_at(there, None)))
            elif entities := next(by_name):
                ends.append(_only(entities, ref))
            else:
                ends.append(NewEntity(name_of(ref, "name"), UNTYPED, (), "", {}))
        return ends

    def create_named(self, connection: Connection, entities: Sequence[NewEntity], change_id: UUID) -> Sequence[int]:
        """Insert entities of which only the names are known, under the lock of names; return their ids, or the ids of
        those that somebody else has named so since we looked."""
        if not entities:
            return []
        store = self._store(connection)
        ids = store.insert_named(
            entities, change_id=change_id, language=self._scope.language, embedding_model=self._scope.model.name
        )
        return [
            _only(store.find_entities(entity.name), entity.name).id if id is None else id
            for id, entity in zip(ids, entities, strict=True)
        ]

    def _learn(self, there: Entity, details: NewEntity) -> Entity:
        """Add what is new about an entity to it; nothing is written when there is nothing new."""
        new = EntityChange(
            type=details.type if there.type == UNTYPED and details.type != UNTYPED else None,
            more_aliases=_new_names(details.aliases, {there.name, *there.aliases}),
            description=details.description if details.description not in ("", there.description) else None,
            more_properties={k: v for k, v in details.properties.items() if k not in there.properties
                             or there.properties[k] != v},
        )  # fmt: skip
        return self._change(there, new)

    def _change(self, there: Entity, change: EntityChange) -> Entity:
        if change == EntityChange(more_aliases=change.more_aliases, more_properties={}) and not change.more_aliases:
            return there
        return self._scope.repeat_on_switch(lambda: self._write(there, change))

    def _write(self, there: Entity, change: EntityChange) -> Entity:
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


def _new_names(aliases: Sequence[str], names: set[str]) -> Sequence[str]:
    """Return the aliases that are not known in upper or lower case, each once."""
    new = {alias.lower(): alias for alias in reversed(aliases)}
    lowered = {name.lower() for name in names}
    return [alias for alias in aliases if new[alias.lower()] is alias and alias.lower() not in lowered]


def _same(candidates: Sequence[Entity], entity: NewEntity) -> Entity | None:
    """Return which of the entities of its name is meant: the one of its type, or of a type that is not known."""
    for type in (entity.type, UNTYPED):
        same = [e for e in candidates if e.type.lower() == type.lower()]
        if same:
            return same[0]
    return _only(candidates, entity.name) if candidates and entity.type == UNTYPED else None


def _only(candidates: Sequence[Entity], name: str) -> Entity:
    """Return the one entity of a name; an entity's own name counts before another's alias."""
    own = [e for e in candidates if e.name.lower() == name.strip().lower()] or candidates
    if len(own) > 1:
        which = ", ".join(f"{e.id} ({e.type})" for e in own)
        raise MismatchError(f"{len(own)} entities are called {name!r}: give the id of the one you mean: {which}")
    return own[0]


def _refuse_twin(store: GraphStore, there: Entity, change: EntityChange) -> None:
    name, type = change.name or there.name, change.type or there.type
    for other in store.find_entities(name):
        if other.id != there.id and (other.name.lower(), other.type.lower()) == (name.lower(), type.lower()):
            raise ConflictError(f"entity {other.id} is called {other.name!r} and is a {other.type} already")


def name_of(value: object, what: str) -> str:
    """Return a name on one line, with single spaces."""
    name = validation.normal(" ".join(validation.text(value, what).split()))
    if len(name) > MAX_NAME:
        raise InputError(f"{what} has {len(name)} characters; the limit is {MAX_NAME}")
    return name
