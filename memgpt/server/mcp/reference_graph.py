"""The knowledge graph as the reference MCP memory server knows it: named nodes with observations, and relations.

Names are exact here (upper and lower case differ), nodes and relations keep the order in which they were made. A node
is an entity whose ``properties["observations"]`` lists its observations; they are its description as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from memgpt import validation
from memgpt.database.connection import Connection
from memgpt.errors import NotFoundError
from memgpt.graph import entity_text
from memgpt.graph.store import EntityChange, GraphStore, NewEntity, NewFact
from memgpt.memory import Memory, scope_of
from memgpt.models import Entity, Fact

OBSERVATIONS: Final = "observations"

_PAGE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Node:
    """An entity by its exact name."""

    name: str
    type: str
    observations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """A fact by the names of its ends."""

    source: str
    target: str
    type: str


@dataclass(frozen=True, slots=True)
class KnowledgeGraph:
    """Nodes and relations, oldest first."""

    nodes: Sequence[Node]
    relations: Sequence[Relation]


class Nodes:
    """The nodes of one agent. Every change is one entry of the history and can be undone as a whole."""

    def __init__(self, memory: Memory) -> None:
        self._scope = scope_of(memory)

    def read(self) -> KnowledgeGraph:
        """Everything."""
        return self._scope.read(lambda connection: _graph(*self._rows(connection)))

    def open(self, names: Iterable[str]) -> KnowledgeGraph:
        """Return the nodes of these names, and the relations from and to them."""
        wanted = set(names)
        return self._scope.read(lambda c: _graph(*self._rows(c), keep=lambda node: node.name in wanted))

    def search(self, query: str) -> KnowledgeGraph:
        """Nodes whose name, type or an observation contains a text, upper or lower case, and their relations."""
        wanted = query.lower()

        def found(node: Node) -> bool:
            return any(wanted in text.lower() for text in (node.name, node.type, *node.observations))

        return self._scope.read(lambda connection: _graph(*self._rows(connection), keep=found))

    def create(self, nodes: Sequence[Node]) -> Sequence[Node]:
        """Make the nodes whose names are not there yet, and answer those."""
        for node in nodes:
            validation.text(node.name, "name")
            for observation in node.observations:
                validation.text(observation, "observation", empty=True)
        return self._scope.repeat_on_switch(lambda: self._create(nodes))

    def _create(self, nodes: Sequence[Node]) -> Sequence[Node]:
        vectors = self._scope.embed([entity_text(node.name, "\n".join(node.observations)) for node in nodes])
        with self._changing() as (store, change_id, entities, _):
            there = {entity.name for entity in entities}
            made = []
            for node, vector in zip(nodes, vectors, strict=True):
                if node.name in there:
                    continue
                there.add(node.name)
                made.append(node)
                store.insert_entity(
                    NewEntity(
                        name=node.name,
                        type=validation.text(node.type, "type", empty=True),
                        aliases=(),
                        description="\n".join(node.observations),
                        properties={OBSERVATIONS: [*node.observations]},
                        embedding=vector,
                    ),
                    change_id=change_id,
                    **self._how(),
                )
        return made

    def relate(self, relations: Sequence[Relation]) -> Sequence[Relation]:
        """Make the relations that are not there yet, and answer those.

        Raises:
            NotFoundError: an end is not there; nothing was written.
        """
        return self._scope.repeat_on_switch(lambda: self._relate(relations))

    def _relate(self, relations: Sequence[Relation]) -> Sequence[Relation]:
        vectors = self._scope.embed([_words(relation) for relation in relations])
        with self._changing() as (store, change_id, entities, facts):
            ids = _first_ids(entities)
            for name in (name for relation in relations for name in (relation.source, relation.target)):
                if name not in ids:
                    raise _not_found(name)
            there = set(_graph(entities, facts).relations)
            made = []
            for relation, vector in zip(relations, vectors, strict=True):
                if relation in there:
                    continue
                there.add(relation)
                made.append(relation)
                store.insert_fact(
                    NewFact(
                        ids[relation.source],
                        ids[relation.target],
                        validation.text(relation.type, "type"),
                        _words(relation),
                        None,
                        {},
                        None,
                        None,
                        None,
                        None,
                        vector,
                    ),
                    change_id=change_id,
                    **self._how(),
                )
        return made

    def observe(self, observations: Sequence[tuple[str, Sequence[str]]]) -> Sequence[tuple[str, Sequence[str]]]:
        """Add to each named node the observations it does not have, and answer those.

        Raises:
            NotFoundError: a node is not there; nothing was written.
        """
        with self._changing() as (store, change_id, entities, _):
            nodes = {entity.name: entity for entity in reversed(entities)}
            changed: dict[str, Node] = {}
            answers = []
            for name, contents in observations:
                if name not in nodes:
                    raise _not_found(name)
                node = changed.get(name) or _node(nodes[name])
                new = [
                    validation.text(text, "observation", empty=True)
                    for text in contents
                    if text not in node.observations
                ]
                changed[name] = replace(node, observations=(*node.observations, *new))
                answers.append((name, new))
            self._write(store, change_id, nodes, changed)
        return answers

    def delete(self, names: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        """Remove nodes with their relations; the names that were there, and those that were not."""
        with self._changing() as (store, change_id, entities, _):
            present = {entity.name for entity in entities}
            for entity in entities:
                if entity.name in set(names):
                    store.delete_entity(entity.id, change_id=change_id)
        return [name for name in names if name in present], [name for name in names if name not in present]

    def unobserve(self, deletions: Sequence[tuple[str, Sequence[str]]]) -> tuple[int, Sequence[str]]:
        """Remove observations; how many there were, and the nodes that were not there."""
        count, missing = 0, []
        with self._changing() as (store, change_id, entities, _):
            nodes = {entity.name: entity for entity in reversed(entities)}
            changed: dict[str, Node] = {}
            for name, gone in deletions:
                if name not in nodes:
                    missing.append(name)
                    continue
                node = changed.get(name) or _node(nodes[name])
                left = tuple(text for text in node.observations if text not in gone)
                count += len(node.observations) - len(left)
                changed[name] = replace(node, observations=left)
            self._write(store, change_id, nodes, changed)
        return count, missing

    def unrelate(self, relations: Sequence[Relation]) -> int:
        """Remove relations; how many there were."""
        with self._changing() as (store, change_id, entities, facts):
            gone = set(relations)
            names = {entity.id: entity.name for entity in entities}
            ids = [row.id for row in facts if _relation(row, names) in gone]
            for id in ids:
                store.delete_fact(id, change_id=change_id)
        return len(ids)

    @contextmanager
    def _changing(self) -> Iterator[tuple[GraphStore, UUID, Sequence[Entity], Sequence[Fact]]]:
        """One change at a time, and what there is before it."""
        with self._scope.change() as (connection, change_id):
            store = GraphStore(connection, self._scope.author)
            store.lock_names()
            entities, facts = self._rows(connection)
            yield store, change_id, entities, facts

    def _rows(self, connection: Connection) -> tuple[Sequence[Entity], Sequence[Fact]]:
        store = GraphStore(connection, self._scope.author)
        entities: list[Entity] = []
        while page := store.list_entities(limit=_PAGE, after=entities[-1] if entities else None):
            entities += page
            if len(page) < _PAGE:
                break
        facts: list[Fact] = []
        while rows := store.list_facts(limit=_PAGE, after=facts[-1] if facts else None):
            facts += rows
            if len(rows) < _PAGE:
                break
        return sorted(entities, key=lambda e: e.id), sorted(facts, key=lambda r: r.id)

    def _write(
        self, store: GraphStore, change_id: UUID, entities: Mapping[str, Entity], nodes: Mapping[str, Node]
    ) -> None:
        """Write the observations of nodes whose observations changed."""
        for name, node in nodes.items():
            if node == _node(entities[name]):
                continue
            description = "\n".join(node.observations)
            [vector] = self._scope.embed([entity_text(name, description)])
            change = EntityChange(
                description=description,
                more_properties={OBSERVATIONS: [*node.observations]},
                described=True,
                embedding=vector,
            )
            store.update_entity(entities[name].id, change, change_id=change_id, embedding_model=self._scope.model.name)

    def _how(self) -> dict[str, str]:
        return {"language": self._scope.language, "embedding_model": self._scope.model.name}


def _graph(
    entities: Sequence[Entity], facts: Sequence[Fact], keep: Callable[[Node], bool] | None = None
) -> KnowledgeGraph:
    nodes = [_node(entity) for entity in entities]
    names_of = {entity.id: entity.name for entity in entities}
    relations = [_relation(row, names_of) for row in facts]
    if keep is None:
        return KnowledgeGraph(nodes, relations)
    kept = [node for node in nodes if keep(node)]
    names = {node.name for node in kept}
    return KnowledgeGraph(kept, [r for r in relations if r.source in names or r.target in names])


def _node(entity: Entity) -> Node:
    observations = entity.properties.get(OBSERVATIONS)
    if not isinstance(observations, list):
        observations = [entity.description] if entity.description else []
    return Node(entity.name, entity.type, tuple(str(text) for text in observations))


def _relation(row: Fact, names: Mapping[int, str]) -> Relation:
    return Relation(names.get(row.source_id, ""), names.get(row.target_id, ""), row.type)


def _first_ids(entities: Sequence[Entity]) -> Mapping[str, int]:
    return {entity.name: entity.id for entity in reversed(entities)}


def _words(relation: Relation) -> str:
    return f"{relation.source} {relation.type.replace('_', ' ')} {relation.target}"


def _not_found(name: str) -> NotFoundError:
    return NotFoundError(f"Entity with name {name} not found")
