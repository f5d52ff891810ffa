"""Facts and entities of a model's answer, added to the graph without overwriting what is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from memgpt.database.embedded_text import entity_text
from memgpt.errors import InputError
from memgpt.graph.entities import UNTYPED, Entities
from memgpt.graph.extraction import ExtractedEntity, Schema
from memgpt.graph.facts import Facts, checked
from memgpt.models import Entity, Json

TakeOver = Callable[[Schema, Json, tuple[str, int]], tuple[int, int]]
"""What is done with an answer and the kind and id of its text; how many entities and facts it has."""


def take_over(
    entities: Entities, facts: Facts, schema: Schema, answer: Json, provenance: tuple[str, int]
) -> tuple[int, int]:
    """Add what one answer says and return how many entities and facts it has.

    Raises:
        InputError: a name or value cannot be used, or is the name of several entities.
    """
    same, stated = schema.parse(answer)
    ends: dict[str, Entity] = {}
    for thing in same:
        entity = _entity(entities, thing)
        for name in (*thing.aliases, thing.name):
            ends[_key(name)] = entity
    for said in stated:
        span = (said.valid_from, said.valid_to)
        fact = checked(said.type, said.fact, said.weight, span, said.properties, provenance)
        ends_of = (_end(entities, ends, said.source), _end(entities, ends, said.target))
        facts.record(*ends_of, replace(fact, only_lacking=True), said.functional)
    return len({entity.id for entity in ends.values()}), len(stated)


def texts(schema: Schema, answers: Sequence[Json]) -> list[str]:
    """Return what will be embedded for these answers; those that cannot be used have nothing."""
    embedded: list[str] = []
    for answer in answers:
        try:
            things, stated = schema.parse(answer)
        except InputError:
            continue
        embedded += [entity_text(thing.name, thing.description) for thing in things]
        embedded += [said.fact for said in stated if said.fact]
    return embedded


def _entity(entities: Entities, thing: ExtractedEntity) -> Entity:
    """Return the entity of that name and type; what it has already is kept, what it lacks is added."""
    there = next((e for e in entities.find(thing.name) if e.type.lower() in (thing.type.lower(), UNTYPED)), None)
    new = {key: value for key, value in thing.properties.items() if there is None or key not in there.properties}
    described = thing.description if there is None or not there.description else ""
    return entities.add_entity(thing.name, thing.type, aliases=thing.aliases, description=described, properties=new)


def _end(entities: Entities, ends: dict[str, Entity], name: str) -> Entity:
    """Return an end of a fact: what the answer names so, else what the graph knows by that name, else something new."""
    if _key(name) not in ends:
        ends[_key(name)] = entities.get(name) if entities.find(name) else entities.add_entity(name)
    return ends[_key(name)]


def _key(name: str) -> str:
    return " ".join(name.split()).lower()
