"""Facts and entities of a model's answer, added to the graph without overwriting what is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from memgpt.errors import InputError
from memgpt.graph.entities import UNTYPED, entity_text
from memgpt.graph.extraction import ExtractedEntity, Schema
from memgpt.graph.facts import Facts, checked
from memgpt.models import Entity, Json

TakeOver = Callable[[Schema, Json, tuple[str, int]], tuple[int, int]]
"""What is done with an answer and the kind and id of its text; how many entities and facts it has."""


def take_over(graph: Facts, schema: Schema, answer: Json, provenance: tuple[str, int]) -> tuple[int, int]:
    """Add what one answer says and return how many entities and facts it has.

    Raises:
        InputError: a name or value cannot be used, or is the name of several entities.
    """
    things, facts = schema.understood(answer)
    ends: dict[str, Entity] = {}
    for thing in things:
        entity = _entity(graph, thing)
        for name in (*thing.aliases, thing.name):
            ends[_key(name)] = entity
    for said in facts:
        span = (said.valid_from, said.valid_to)
        fact = checked(said.type, said.fact, said.weight, span, said.properties, provenance)
        ends_of = (_end(graph, ends, said.source), _end(graph, ends, said.target))
        graph.record(*ends_of, replace(fact, only_lacking=True), said.functional)
    return len({entity.id for entity in ends.values()}), len(facts)


def texts(schema: Schema, answers: Sequence[Json]) -> list[str]:
    """What will be embedded for these answers; those that cannot be used have nothing."""
    found = []
    for answer in answers:
        try:
            things, facts = schema.understood(answer)
        except InputError:
            continue
        found += [entity_text(thing.name, thing.description) for thing in things]
        found += [said.fact for said in facts if said.fact]
    return found


def _entity(graph: Facts, thing: ExtractedEntity) -> Entity:
    """The entity of that name and type; what it has already is kept, what it lacks is added."""
    there = next((e for e in graph.find(thing.name) if e.type.lower() in (thing.type.lower(), UNTYPED)), None)
    new = {key: value for key, value in thing.properties.items() if there is None or key not in there.properties}
    described = thing.description if there is None or not there.description else ""
    return graph.add_entity(thing.name, thing.type, aliases=thing.aliases, description=described, properties=new)


def _end(graph: Facts, ends: dict[str, Entity], name: str) -> Entity:
    """Return an end of a fact: what the answer names so, else what the graph knows by that name, else something new."""
    if _key(name) not in ends:
        found = graph.find(name)
        ends[_key(name)] = graph.get(name) if found else graph.add_entity(name)
    return ends[_key(name)]


def _key(name: str) -> str:
    return " ".join(name.split()).lower()
