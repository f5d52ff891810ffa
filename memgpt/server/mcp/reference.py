"""The nine tools of the reference memory server, over PostgreSQL: same names, arguments, results and error texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Annotated, Any, ParamSpec

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field

from memgpt.server.mcp.access import Door
from memgpt.server.mcp.reference_graph import KnowledgeGraph, Node, Nodes, Relation

P = ParamSpec("P")


class EntityIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(description="The name of the entity")]
    entityType: Annotated[str, Field(description="The type of the entity")]
    observations: Annotated[list[str], Field(description="An array of observation contents associated with the entity")]


class RelationIn(BaseModel):
    model_config = ConfigDict(populate_by_name=True, extra="forbid")
    source: Annotated[str, Field(alias="from", description="The name of the entity where the relation starts")]
    target: Annotated[str, Field(alias="to", description="The name of the entity where the relation ends")]
    relationType: Annotated[str, Field(description="The type of the relation")]


class ObservationsIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    entityName: Annotated[str, Field(description="The name of the entity to add the observations to")]
    contents: Annotated[list[str], Field(description="An array of observation contents to add")]


class DeletionIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    entityName: Annotated[str, Field(description="The name of the entity containing the observations")]
    observations: Annotated[list[str], Field(description="An array of observations to delete")]


class AddedObservations(BaseModel):
    entityName: str
    addedObservations: list[str]


class EntitiesOut(BaseModel):
    entities: list[EntityIn]


class RelationsOut(BaseModel):
    relations: list[RelationIn]


class AddedOut(BaseModel):
    results: list[AddedObservations]


class GraphOut(BaseModel):
    entities: list[EntityIn]
    relations: list[RelationIn]


class Done(BaseModel):
    success: bool
    message: str


_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
_DELETES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)


def offer(server: MCPServer, door: Door) -> None:
    """Register the tools and the resource."""
    _offer_writes(server, door)
    _offer_deletes(server, door)
    _offer_reads(server, door)


def _offer_writes(server: MCPServer, door: Door) -> None:
    @server.tool(
        title="Create Entities",
        description="Create multiple new entities in the knowledge graph",
        annotations=_ADDS,
    )
    @_told
    def create_entities(entities: list[EntityIn]) -> Annotated[CallToolResult, EntitiesOut]:
        with door.memory("write") as memory:
            created = Nodes(memory).create([Node(e.name, e.entityType, tuple(e.observations)) for e in entities])
        shown = [_entity(node) for node in created]
        return _answer(shown, {"entities": shown})

    @server.tool(
        title="Create Relations",
        description="Create multiple new relations between entities in the knowledge graph. "
        "Relations should be in active voice",
        annotations=_ADDS,
    )
    @_told
    def create_relations(relations: list[RelationIn]) -> Annotated[CallToolResult, RelationsOut]:
        with door.memory("write") as memory:
            created = [_relation(relation) for relation in Nodes(memory).relate(_relations(relations))]
        return _answer(created, {"relations": created})

    @server.tool(
        title="Add Observations",
        description="Add new observations to existing entities in the knowledge graph",
        annotations=_ADDS,
    )
    @_told
    def add_observations(observations: list[ObservationsIn]) -> Annotated[CallToolResult, AddedOut]:
        with door.memory("write") as memory:
            added = Nodes(memory).observe([(o.entityName, o.contents) for o in observations])
        results = [{"entityName": name, "addedObservations": [*new]} for name, new in added]
        return _answer(results, {"results": results})


def _offer_deletes(server: MCPServer, door: Door) -> None:
    @server.tool(
        title="Delete Entities",
        description="Delete multiple entities and their associated relations from the knowledge graph",
        annotations=_DELETES,
    )
    @_told
    def delete_entities(
        entityNames: Annotated[list[str], Field(description="An array of entity names to delete")],
    ) -> Annotated[CallToolResult, Done]:
        with door.memory("write") as memory:
            deleted, missing = Nodes(memory).delete(entityNames)
        if not missing:
            return _done("Entities deleted successfully")
        return _done(f"Deleted {len(deleted)} of {len(entityNames)} entities. Not found: {', '.join(missing)}")

    @server.tool(
        title="Delete Observations",
        description="Delete specific observations from entities in the knowledge graph",
        annotations=_DELETES,
    )
    @_told
    def delete_observations(deletions: list[DeletionIn]) -> Annotated[CallToolResult, Done]:
        with door.memory("write") as memory:
            count, missing = Nodes(memory).unobserve([(d.entityName, d.observations) for d in deletions])
        asked = sum(len(deletion.observations) for deletion in deletions)
        if count == asked:
            return _done("Observations deleted successfully")
        absent = f" Entities not found: {', '.join(missing)}" if missing else ""
        return _done(f"Deleted {count} of {asked} observations.{absent}")

    @server.tool(
        title="Delete Relations",
        description="Delete multiple relations from the knowledge graph",
        annotations=_DELETES,
    )
    @_told
    def delete_relations(
        relations: Annotated[list[RelationIn], Field(description="An array of relations to delete")],
    ) -> Annotated[CallToolResult, Done]:
        with door.memory("write") as memory:
            count = Nodes(memory).unrelate(_relations(relations))
        if count == len(relations):
            return _done("Relations deleted successfully")
        return _done(f"Deleted {count} of {len(relations)} relations. The rest matched nothing.")


def _offer_reads(server: MCPServer, door: Door) -> None:
    @server.tool(title="Read Graph", description="Read the entire knowledge graph", annotations=_READS)
    @_told
    def read_graph() -> Annotated[CallToolResult, GraphOut]:
        with door.memory("read") as memory:
            return _answer_graph(Nodes(memory).read())

    @server.tool(
        title="Search Nodes",
        description="Search for nodes in the knowledge graph based on a query",
        annotations=_READS,
    )
    @_told
    def search_nodes(
        query: Annotated[
            str,
            Field(
                description="The search query to match against entity names, types, and observation content",
                max_length=2048,
            ),
        ],
    ) -> Annotated[CallToolResult, GraphOut]:
        with door.memory("read") as memory:
            return _answer_graph(Nodes(memory).search(query))

    @server.tool(
        title="Open Nodes",
        description="Open specific nodes in the knowledge graph by their names",
        annotations=_READS,
    )
    @_told
    def open_nodes(
        names: Annotated[list[str], Field(description="An array of entity names to retrieve")],
    ) -> Annotated[CallToolResult, GraphOut]:
        with door.memory("read") as memory:
            return _answer_graph(Nodes(memory).open(names))

    @server.resource(
        "memory://knowledge-graph",
        name="knowledge-graph",
        title="Knowledge Graph",
        description="The full knowledge graph with all entities and relations",
        mime_type="application/json",
    )
    def knowledge_graph() -> str:
        with door.memory("read") as memory:
            return _text(_graph(Nodes(memory).read()))


def _told(tool: Callable[P, CallToolResult]) -> Callable[P, CallToolResult]:
    """Answer with the bare message of an error, as the reference server does."""

    @wraps(tool)
    def answered(*args: P.args, **kwargs: P.kwargs) -> CallToolResult:
        try:
            return tool(*args, **kwargs)
        except ToolError as error:
            return CallToolResult(content=[TextContent(type="text", text=str(error))], is_error=True)

    return answered


def _entity(node: Node) -> dict[str, Any]:
    return {"name": node.name, "entityType": node.type, "observations": [*node.observations]}


def _relation(relation: Relation) -> dict[str, Any]:
    return {"from": relation.source, "to": relation.target, "relationType": relation.type}


def _relations(relations: Sequence[RelationIn]) -> Sequence[Relation]:
    return [Relation(r.source, r.target, r.relationType) for r in relations]


def _graph(graph: KnowledgeGraph) -> dict[str, Any]:
    return {"entities": [_entity(n) for n in graph.nodes], "relations": [_relation(r) for r in graph.relations]}


def _answer_graph(graph: KnowledgeGraph) -> CallToolResult:
    body = _graph(graph)
    return _answer(body, body)


def _answer(shown: object, structured: Mapping[str, Any]) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=_text(shown))], structured_content={**structured})


def _done(message: str) -> CallToolResult:
    done = {"success": True, "message": message}
    return CallToolResult(content=[TextContent(type="text", text=message)], structured_content=done)


def _text(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
