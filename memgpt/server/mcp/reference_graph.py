"""The knowledge graph as the reference MCP memory server knows it: named nodes with observations, and relations.

Names are exact here (upper and lower case differ), nodes and relations keep the order in which they were made. A node
is an entity whose ``properties["observations"]`` lists its observations; they are its description as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from memgpt import validation
from memgpt.database.connection import Connection
from memgpt.database.embedded_text import entity_text
from memgpt.errors import NotFoundError
from memgpt.graph.store import EntityChange, GraphStore, NewEntity, NewFact
from memgpt.memory import Memory, scope_of
from memgpt.server.mcp.reference_store import NodeRow, ReferenceStore, RelationRow

OBSERVATIONS: Final = "observations"


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

        def work(connection: Connection) -> KnowledgeGraph:
            store = self._store(connection)
            return _graph(store.nodes(), store.relations())

        return self._scope.read(work)

    def open(self, names: Iterable[str]) -> KnowledgeGraph:
        """Return the nodes of these names, and the relations from and to them."""
        wanted = set(names)
        return self._scope.read(lambda c: self._around(c, self._store(c).nodes_named(wanted)))

    def search(self, query: str) -> KnowledgeGraph:
        """Nodes whose name, type or an observation contains a text, upper or lower case, and their relations."""
        wanted = validation.text(query, "query", empty=True)
        return self._scope.read(lambda c: self._around(c, self._store(c).nodes_with(wanted)))

    def create(self, nodes: Sequence[Node]) -> Sequence[Node]:
        """Make the nodes whose names are not there yet, and answer those."""
        for node in nodes:
            validation.text(node.name, "name")
            for observation in node.observations:
                validation.text(observation, "observation", empty=True)
        return self._scope.repeat_on_switch(lambda: self._create(nodes))

    def _create(self, nodes: Sequence[Node]) -> Sequence[Node]:
        vectors = self._scope.embed([entity_text(node.name, "\n".join(node.observations)) for node in nodes])
        with self._changing() as (store, change_id, rows):
            there = {row.name for row in rows.nodes_named(node.name for node in nodes)}
            created = []
            for node, vector in zip(nodes, vectors, strict=True):
                if node.name in there:
                    continue
                there.add(node.name)
                created.append(node)
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
        return created

    def relate(self, relations: Sequence[Relation]) -> Sequence[Relation]:
        """Make the relations that are not there yet, and answer those.

        Raises:
            NotFoundError: an end is not there; nothing was written.
        """
        return self._scope.repeat_on_switch(lambda: self._relate(relations))

    def _relate(self, relations: Sequence[Relation]) -> Sequence[Relation]:
        words = [_words(relation) for relation in relations]
        vectors = self._scope.embed(words)
        with self._changing() as (store, change_id, rows):
            with self._scope.transaction() as connection:
                languages = self._scope.languages_of(connection, words)
            names = [name for relation in relations for name in (relation.source, relation.target)]
            ids = {row.name: row.id for row in reversed(rows.nodes_named(names))}
            for name in names:
                if name not in ids:
                    raise _not_found(name)
            there = {_relation(row) for row in rows.relations_there(_parts(relations))}
            created = []
            for relation, vector, language in zip(relations, vectors, languages, strict=True):
                if relation in there:
                    continue
                there.add(relation)
                created.append(relation)
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
                    language=language,
                    embedding_model=self._scope.model.name,
                )
        return created

    def observe(self, observations: Sequence[tuple[str, Sequence[str]]]) -> Sequence[tuple[str, Sequence[str]]]:
        """Add to each named node the observations it does not have, and answer those.

        Raises:
            NotFoundError: a node is not there; nothing was written.
        """
        with self._changing() as (store, change_id, rows):
            nodes = {row.name: row for row in reversed(rows.nodes_named(name for name, _ in observations))}
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
        with self._changing() as (store, change_id, rows):
            there = rows.nodes_named(names)
            for row in there:
                store.delete_entity(row.id, change_id=change_id)
        present = {row.name for row in there}
        return [name for name in names if name in present], [name for name in names if name not in present]

    def unobserve(self, deletions: Sequence[tuple[str, Sequence[str]]]) -> tuple[int, Sequence[str]]:
        """Remove observations; how many there were, and the nodes that were not there."""
        count, missing = 0, []
        with self._changing() as (store, change_id, rows):
            nodes = {row.name: row for row in reversed(rows.nodes_named(name for name, _ in deletions))}
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
        with self._changing() as (store, change_id, rows):
            there = rows.relations_there(_parts(relations))
            for row in there:
                store.delete_fact(row.id, change_id=change_id)
        return len(there)

    @contextmanager
    def _changing(self) -> Iterator[tuple[GraphStore, UUID, ReferenceStore]]:
        """Make one change at a time: nobody else names a node meanwhile."""
        with self._scope.change() as (connection, change_id):
            store = GraphStore(connection, self._scope.author)
            store.lock_names()
            yield store, change_id, self._store(connection)

    def _store(self, connection: Connection) -> ReferenceStore:
        return ReferenceStore(connection, self._scope.agent_id)

    def _around(self, connection: Connection, nodes: Sequence[NodeRow]) -> KnowledgeGraph:
        """Return nodes with the relations from and to them."""
        names = {row.name for row in nodes}
        return _graph(nodes, self._store(connection).relations_of(names) if names else [])

    def _write(
        self, store: GraphStore, change_id: UUID, rows: Mapping[str, NodeRow], nodes: Mapping[str, Node]
    ) -> None:
        """Write the observations of nodes whose observations changed."""
        for name, node in nodes.items():
            if node == _node(rows[name]):
                continue
            description = "\n".join(node.observations)
            [vector] = self._scope.embed([entity_text(name, description)])
            change = EntityChange(
                description=description,
                more_properties={OBSERVATIONS: [*node.observations]},
                described=True,
                embedding=vector,
            )
            store.update_entity(rows[name].id, change, change_id=change_id, embedding_model=self._scope.model.name)

    def _how(self) -> dict[str, str]:
        return {"language": self._scope.language, "embedding_model": self._scope.model.name}


def _graph(nodes: Sequence[NodeRow], relations: Sequence[RelationRow]) -> KnowledgeGraph:
    return KnowledgeGraph([_node(row) for row in nodes], [_relation(row) for row in relations])


def _node(row: NodeRow) -> Node:
    observations = row.observations
    if not isinstance(observations, list):
        observations = [row.description] if row.description else []
    return Node(row.name, row.type, tuple(str(text) for text in observations))


def _relation(row: RelationRow) -> Relation:
    return Relation(row.source, row.target, row.type)


def _parts(relations: Sequence[Relation]) -> Sequence[tuple[str, str, str]]:
    return [(relation.source, relation.target, relation.type) for relation in relations]


def _words(relation: Relation) -> str:
    return f"{relation.source} {relation.type.replace('_', ' ')} {relation.target}"


def _not_found(name: str) -> NotFoundError:
    return NotFoundError(f"Entity with name {name} not found")
