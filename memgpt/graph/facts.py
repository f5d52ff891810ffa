"""Facts about two entities, on two axes of time: when they are true, and when the memory knew them.

Nothing is overwritten. A fact that is superseded or retracted keeps its row, with the time in ``superseded_at``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal

from memgpt import validation
from memgpt.database.embedded_text import entity_text
from memgpt.errors import MismatchError
from memgpt.graph.entities import Entities, EntityRef, name_of
from memgpt.graph.facts_store import FactSpan, FactStore, Moments
from memgpt.graph.store import GraphStore, NewEntity, NewFact
from memgpt.models import Fact, Json
from memgpt.scope.scope import AgentScope

PROVENANCE: Final = ("archival", "message", "chunk", "document", "block", "fact")
"""Kinds of rows a fact can be from."""

Direction = Literal["both", "out", "in"]


class Facts:
    """The facts of one agent's graph."""

    def __init__(self, scope: AgentScope, entities: Entities) -> None:
        self._scope = scope
        self._entities = entities

    def add_fact(
        self,
        source: EntityRef,
        type: str,
        target: EntityRef,
        *,
        fact: str | None = None,
        weight: float | None = None,
        valid_from: datetime | str | None = None,
        valid_to: datetime | str | None = None,
        properties: Json | None = None,
        provenance: tuple[str, int] | None = None,
        functional: bool | None = None,
    ) -> Fact:
        """Add a fact: ``add_fact("Ann", "works_at", "Acme", valid_from="2024-05-01")``.

        A name no entity has becomes one. ``fact`` is the fact in words, "Ann works at Acme" when absent; it is
        what is embedded and searched. ``valid_from`` and ``valid_to`` say when it was true in the world. ``provenance``
        is the kind and id of the row it is from. A new fact has the ``weight`` 1 unless another is named.

        The same fact, if it is known already, learns what is new, as an update that ``undo`` takes back: of a
        property that both have the new value counts, a weight that is named counts, and one of no known provenance
        gets that.

        A ``functional`` fact has one target at a time: where it says something else than what was known, the older
        fact is superseded for the span the two share and kept for the rest. Absent, the type decides (see
        :meth:`declare_functional`).

        Raises:
            NotFoundError: the agent has no entity of a given id.
            InputError: several entities go by a given name, or a value cannot be used; nothing was written.
        """
        checked_fact = checked(type, fact, weight, (valid_from, valid_to), properties, provenance)
        return self._scope.repeat_on_switch(lambda: self.record(source, target, checked_fact, functional))

    def record(self, source: EntityRef, target: EntityRef, fact: NewFact, functional: bool | None) -> Fact:
        """Add a :func:`checked` fact about these ends, in words if it has none."""
        ends = self._entities.known_or_new(source, target)
        words = fact.fact or f"{ends[0].name} {_in_words(fact.type)} {ends[1].name}"
        texts = [words, *(entity_text(e.name, e.description) for e in ends)]
        vector, *of_ends = self._scope.embed(texts if any(isinstance(e, NewEntity) for e in ends) else texts[:1])
        new = {n: replace(e, embedding=of_ends[n]) for n, e in enumerate(ends) if isinstance(e, NewEntity)}
        with self._scope.change() as (connection, change_id):
            store = FactStore(connection, self._scope.author)
            at, declared = store.begin(fact.type, names=bool(new))
            created = dict(zip(new, self._entities.create_named(connection, [*new.values()], change_id), strict=True))
            ids = [created[n] if isinstance(e, NewEntity) else e.id for n, e in enumerate(ends)]
            if declared if functional is None else functional:
                span = (fact.valid_from, fact.valid_to)
                store.clear(FactSpan(ids[0], fact.type, *span, but=ids[1]), at=at, change_id=change_id)
            row = replace(fact, source_id=ids[0], target_id=ids[1], fact=words, embedding=vector, recorded_at=at)
            [language] = self._scope.languages_of(connection, [words])
            return GraphStore(connection, self._scope.author).insert_fact(
                row, change_id=change_id, language=language, embedding_model=self._scope.model.name
            )

    def declare_functional(self, type: str, functional: bool = True) -> Sequence[str]:
        """Declare that a type of fact has one target at a time (``lives_in``, ``works_at``), or that it has not.

        What is known already is left as it is; from now on a contradicting fact supersedes.

        Returns:
            Every functional type of the agent.
        """
        kind = name_of(type, "type")
        with self._scope.change() as (connection, _):
            return FactStore(connection, self._scope.author).declare(kind, functional=bool(functional))

    def functional_types(self) -> Sequence[str]:
        """Return the types of which an entity has one target at a time."""
        return self._scope.read(lambda connection: FactStore(connection, self._scope.author).declared())

    def fact(self, id: int) -> Fact:
        """Return one fact.

        Raises:
            NotFoundError: the agent has no fact of that id.
        """
        validation.row_id(id)
        return self._scope.read(lambda connection: GraphStore(connection, self._scope.author).get_fact(id))

    def facts(
        self,
        entity: EntityRef | None = None,
        *,
        direction: Direction = "both",
        type: str | None = None,
        superseded: bool = False,
        valid_at: datetime | str | None = None,
        known_at: datetime | str | None = None,
        limit: int = 100,
        after: Fact | None = None,
    ) -> Sequence[Fact]:
        """List facts from (``out``) or about (``in``) an entity, or all of them, newest first.

        Args:
            superseded: superseded and retracted facts too.
            valid_at: only what was true at this time.
            known_at: as it was known at this time, whatever became of it since.
            after: the last one of the page before.
        """
        validation.choice(direction, ("both", "out", "in"), "direction")
        limit = validation.limit(limit)
        type = None if type is None else name_of(type, "type")
        validation.row(after, "after", "recorded_at")
        moments = Moments(validation.moment(valid_at, "valid_at"), validation.moment(known_at, "known_at"))
        id = None if entity is None else self._entities.id_at(entity, moments.known_at)
        return self._scope.read(
            lambda connection: GraphStore(connection, self._scope.author).list_facts(
                limit=limit,
                source_id=None if direction == "in" else id,
                target_id=None if direction == "out" else id,
                type=type,
                superseded=superseded,
                moments=moments,
                after=after,
            )
        )

    def retract_fact(self, id: int) -> Fact:
        """Retract a fact from now on. It stays, with the time, and no search finds it any more."""
        validation.row_id(id)
        with self._scope.change() as (connection, change_id):
            at, _ = FactStore(connection, self._scope.author).begin("")
            return GraphStore(connection, self._scope.author).retract_fact(id, at=at, change_id=change_id)

    def end(
        self,
        source: EntityRef,
        type: str,
        target: EntityRef | None = None,
        *,
        valid_from: datetime | str | None = None,
        valid_to: datetime | str | None = None,
    ) -> int:
        """Supersede what is known of an entity for a span of time.

        ``end("Ann", "works_at", valid_from="2025-03-01")`` says that from then on she works nowhere we know of.

        Facts that reach out of the span are superseded and recorded anew for the rest of their time.

        Returns:
            How many facts it touched.
        """
        start, end = _span(valid_from, valid_to)
        source_id = self._entities.id_at(source, None)
        only = None if target is None else self._entities.id_at(target, None)
        span = FactSpan(source_id, name_of(type, "type"), start, end, only=only)
        with self._scope.change() as (connection, change_id):
            store = FactStore(connection, self._scope.author)
            at, _ = store.begin("")
            return store.clear(span, at=at, change_id=change_id)

    def delete_fact(self, id: int) -> None:
        """Remove a fact; the history keeps it and ``undo`` brings it back."""
        validation.row_id(id)
        with self._scope.change() as (connection, change_id):
            GraphStore(connection, self._scope.author).delete_fact(id, change_id=change_id)


def checked(
    type: str,
    fact: str | None,
    weight: float | None,
    valid: tuple[datetime | str | None, datetime | str | None],
    properties: Json | None,
    provenance: tuple[str, int] | None,
) -> NewFact:
    """Return a fact without its ends.

    Raises:
        InputError: a value cannot be used.
    """
    kind = name_of(type, "type")
    start, end = _span(*valid)
    from_kind, from_id = provenance or (None, None)
    if from_kind is not None:
        validation.choice(from_kind, PROVENANCE, "the kind of provenance")
        validation.row_id(from_id, "the id of provenance")
    return NewFact(
        0,
        0,
        kind,
        validation.optional_text(fact, "fact") or "",
        None if weight is None else validation.number(weight, "weight"),
        validation.json_object(properties, "properties"),
        start,
        end,
        from_kind,
        from_id,
    )


def _span(
    valid_from: datetime | str | None, valid_to: datetime | str | None
) -> tuple[datetime | None, datetime | None]:
    start, end = validation.moment(valid_from, "valid_from"), validation.moment(valid_to, "valid_to")
    if start is not None and end is not None and start >= end:
        raise MismatchError(f"valid_from {start.isoformat()} is not before valid_to {end.isoformat()}")
    return start, end


def _in_words(type: str) -> str:
    """``works_at`` and ``WORKS_AT`` as "works at"."""
    words = type.replace("_", " ")
    return words.lower() if words.isupper() else words
