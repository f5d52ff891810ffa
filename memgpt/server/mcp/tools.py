"""Tools for the whole memory. Their descriptions are read by models: they say when to use a tool, not how it works."""

from __future__ import annotations

from typing import Annotated, Literal

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations
from pydantic import Field

from memgpt.llm import fences
from memgpt.memory import scope_of
from memgpt.models import Action, Json, Kind, Role
from memgpt.server.mcp import answers
from memgpt.server.mcp.access import Door

Share = Annotated[float, Field(ge=0, le=1)]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Time = str | None
"""ISO 8601, as the server's instructions say."""
Metadata = Json | None
ProvenanceKind = Literal["archival", "message", "chunk", "document", "block", "fact"]
RowKind = Literal["block", "archival", "message", "document", "chunk", "entity", "fact", "item", "file", "file_chunk"]
Limit = Annotated[int, Field(ge=1, le=200)]

_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITES = ToolAnnotations(destructive_hint=False, open_world_hint=False)
_DELETES = ToolAnnotations(destructive_hint=True, open_world_hint=False)
"""Without what the protocol takes for granted: that a tool writes, and that calls of it add up."""


def offer(server: MCPServer, door: Door) -> None:
    """Register the tools."""
    _offer_recall(server, door)
    _offer_context(server, door)
    _offer_archival(server, door)
    _offer_blocks(server, door)
    _offer_messages(server, door)
    _offer_documents(server, door)
    _offer_graph(server, door)
    _offer_history(server, door)


def _offer_recall(server: MCPServer, door: Door) -> None:
    @server.tool(annotations=_READS, structured_output=False)
    def search_memory(
        query: Annotated[str, Field(description="Words or a question.")],
        kinds: list[Kind] | None = None,
        since: Time = None,
        until: Time = None,
        limit: Limit = 10,
        offset: Annotated[int, Field(ge=0, le=9000, description="Results to skip.")] = 0,
        tags: Annotated[list[str] | None, Field(description="Kept texts that have all of these.")] = None,
        roles: Annotated[list[Role] | None, Field(description="Messages of these.")] = None,
        intents: Annotated[list[str] | None, Field(description="Messages with one of these.")] = None,
        metadata: Annotated[Json | None, Field(description="What has this in its metadata.")] = None,
        min_score: Annotated[float | None, Field(description="Leaves out what scores less.")] = None,
        recency: Annotated[float, Field(ge=0, le=100, description="Weight of what is new.")] = 0.0,
        importance: Annotated[float, Field(ge=0, le=100, description="Weight of what is important.")] = 0.0,
        half_life: Annotated[str, Field(description="Age that halves recency: 12h, 30d.")] = "30d",
        now: Time = None,
        graph: Annotated[bool, Field(description="Facts about what the query names rise.")] = True,
        explain: Annotated[bool, Field(description="Shows how scores came about.")] = False,
    ) -> str:
        """Search everything that is remembered: kept texts, earlier conversations, documents, facts. Use it before
        answering from what you assume about the person or their affairs."""
        with door.memory("read") as memory:
            found = memory.search(
                query,
                kinds=kinds,
                since=since,
                until=until,
                limit=limit,
                offset=offset,
                tags=tags,
                roles=roles,
                intents=intents,
                metadata=metadata,
                min_score=min_score,
                recency=recency,
                importance=importance,
                half_life=half_life,
                now=now,
                graph=graph,
                explain=explain,
                operators=False,
            )
            return answers.hits(found, scope_of(memory).zone, explain=explain)


def _offer_context(server: MCPServer, door: Door) -> None:
    @server.tool(annotations=_READS, structured_output=False)
    def get_context(
        query: Annotated[str | None, Field(description="What the answer will be about.")] = None,
        budget_tokens: Annotated[int, Field(ge=1, le=100_000)] = 2000,
        session: Annotated[str | None, Field(description="The conversation going on.")] = None,
        recent: Annotated[int, Field(ge=0, le=1000, description="Most of the latest messages.")] = 20,
        limit: Annotated[Limit, Field(description="Most results of the search.")] = 20,
        kinds: list[Kind] | None = None,
        summary: Annotated[str | None, Field(description="Of the earlier conversation.")] = None,
    ) -> str:
        """Everything worth knowing for one answer, within a budget of tokens: the blocks, what the query recalls, the
        latest messages."""
        with door.memory("read") as memory:
            return memory.context(
                query,
                budget_tokens=budget_tokens,
                session=session,
                recent=recent,
                limit=limit,
                kinds=kinds,
                summary=summary,
            ).text


def _offer_archival(server: MCPServer, door: Door) -> None:
    @server.tool(annotations=_WRITES, structured_output=False)
    def remember(
        text: Annotated[str, Field(description="One thing worth keeping, understandable by itself, with names.")],
        tags: list[str] | None = None,
        importance: Share = 0.5,
        source: str | None = None,
        metadata: Metadata = None,
        created_at: Time = None,
        expires_at: Time = None,
    ) -> str:
        """Keep a text for good. Something already kept is merged with what you say of it now; the answer names
        what says nearly the same and may need correcting instead."""
        with door.memory("write") as memory:
            remembered = memory.remember(
                text,
                tags=tags or [],
                importance=importance,
                source=source,
                metadata=metadata,
                created_at=created_at,
                expires_at=expires_at,
            )
        return answers.remembered(remembered)

    @server.tool(annotations=_WRITES, structured_output=False)
    def correct_memory(
        id: int,
        text: Annotated[str, Field(description="What is true now, in full.")],
        tags: list[str] | None = None,
        importance: Share = 0.5,
        source: str | None = None,
        metadata: Metadata = None,
        created_at: Time = None,
        expires_at: Time = None,
    ) -> str:
        """Replace a kept text that is no longer true. The old one stays in the history and is not found any more."""
        with door.memory("write") as memory:
            replacement = memory.archival.supersede(
                id,
                text,
                tags=tags or [],
                importance=importance,
                source=source,
                metadata=metadata,
                created_at=created_at,
                expires_at=expires_at,
            )
        return answers.remembered(replacement)

    @server.tool(annotations=_DELETES, structured_output=False)
    def delete_memory(id: int) -> str:
        """Remove one kept text; undo brings it back."""
        with door.memory("write") as memory:
            memory.archival.delete(id)
        return answers.REMOVED


def _offer_blocks(server: MCPServer, door: Door) -> None:
    @server.tool(annotations=_READS, structured_output=False)
    def read_blocks() -> str:
        """Read core memory: the labelled blocks (human, persona, context) that belong in every prompt."""
        with door.memory("read") as memory:
            return answers.blocks(memory.core.list())

    @server.tool(annotations=_WRITES, structured_output=False)
    def append_to_block(
        label: Annotated[str, Field(description="human, persona, context or another.")], text: str
    ) -> str:
        """Add a line to a block of core memory; the block is made if need be."""
        with door.memory("write") as memory:
            return answers.block(memory.core[label].append(text))

    @server.tool(annotations=_WRITES, structured_output=False)
    def replace_in_block(
        label: str,
        old: Annotated[str, Field(description="Text that occurs exactly once in it.")],
        new: Annotated[str, Field(description="Its replacement; empty removes it.")],
    ) -> str:
        """Correct a part of a block of core memory."""
        with door.memory("write") as memory:
            return answers.block(memory.core[label].replace(old, new))

    @server.tool(annotations=_WRITES, structured_output=False)
    def rewrite_block(label: str, value: Annotated[str, Field(description="The whole new text.")]) -> str:
        """Replace the whole text of a block of core memory, to sum it up or put it in order."""
        with door.memory("write") as memory:
            return answers.block(memory.core[label].rethink(value))


def _offer_messages(server: MCPServer, door: Door) -> None:
    @server.tool(annotations=_WRITES, structured_output=False)
    def save_message(
        role: Role,
        content: str | list[str | Json] | None = None,
        session: str = "default",
        name: Annotated[str | None, Field(description="Who speaks.")] = None,
        created_at: Time = None,
        metadata: Metadata = None,
        intent: Annotated[str | None, Field(description="What the user wants with it.")] = None,
        intent_confidence: Share | None = None,
        tokens: Annotated[int | None, Field(ge=0, description="Counted when absent.")] = None,
        tool_calls: Annotated[list[Json] | None, Field(description="Of an assistant.")] = None,
        tool_call_id: Annotated[str | None, Field(description="Which call a tool answers.")] = None,
    ) -> str:
        """Keep one turn of a conversation, so that it can be recalled later."""
        with door.memory("write") as memory:
            message = memory.messages.append(
                role,
                content,
                session=session,
                name=name,
                created_at=created_at,
                metadata=metadata,
                intent=intent,
                intent_confidence=intent_confidence,
                tokens=tokens,
                tool_calls=tool_calls,
                tool_call_id=tool_call_id,
            )
        return f"kept as message {message.id}"

    @server.tool(annotations=_READS, structured_output=False)
    def read_conversation(
        session: str | None = None,
        limit: Limit = 50,
        before: Annotated[int | None, Field(description="The page before this message's id.")] = None,
        roles: list[Role] | None = None,
        intent: str | None = None,
        since: Time = None,
        until: Time = None,
    ) -> str:
        """Read the latest messages of one conversation, or of all, oldest first."""
        with door.memory("read") as memory:
            messages = memory.messages.list(
                session=session, limit=limit, before=before, roles=roles, intent=intent, since=since, until=until
            )
            return answers.messages(messages, scope_of(memory).zone, sessions=session is None)

    @server.tool(annotations=_DELETES, structured_output=False)
    def delete_conversation(session: str) -> str:
        """Remove every message of one conversation; undo brings them back."""
        with door.memory("write") as memory:
            memory.messages.delete_session(session)
        return answers.REMOVED


def _offer_documents(server: MCPServer, door: Door) -> None:
    @server.tool(annotations=_WRITES, structured_output=False)
    def add_document(
        text: Annotated[str, Field(description="Plain text or Markdown.")],
        title: str | None = None,
        source: Annotated[str | None, Field(description="Where it is from: a file name or address.")] = None,
        media_type: Literal["text/plain", "text/markdown"] | None = None,
        metadata: Metadata = None,
    ) -> str:
        """Keep a longer text as a document, cut into chunks that search_memory finds."""
        with door.memory("write") as memory:
            document = memory.documents.add(text, title=title, source=source, media_type=media_type, metadata=metadata)
            return answers.document(document, scope_of(memory).zone)

    @server.tool(annotations=_READS, structured_output=False)
    def list_documents(limit: Limit = 50) -> str:
        """List the documents, newest first."""
        with door.memory("read") as memory:
            return answers.documents(memory.documents.list(limit=limit), scope_of(memory).zone)

    @server.tool(annotations=_READS, structured_output=False)
    def read_document(id: int) -> str:
        """Read the text of a document, chunk by chunk."""
        with door.memory("read") as memory:
            document, chunks = memory.documents.get(id), memory.documents.chunks(id)
            text = fences.quoted("\n\n".join(chunk.chunk_text for chunk in chunks))
            return f"{answers.document(document, scope_of(memory).zone)}\n{text}"


def _offer_graph(server: MCPServer, door: Door) -> None:
    @server.tool(annotations=_WRITES, structured_output=False)
    def add_fact(
        source: Annotated[str, Field(description="Who or what it is about, by name.")],
        type: Annotated[str, Field(description="A verb phrase in snake_case, as works_at.")],
        target: Annotated[str, Field(description="The other end, by name.")],
        fact: Annotated[str | None, Field(description="The fact in words.")] = None,
        valid_from: Time = None,
        valid_to: Time = None,
        weight: Annotated[
            float | None, Field(ge=0, le=1_000_000, description="How much it counts; a new one 1.")
        ] = None,
        properties: Metadata = None,
        provenance: Annotated[
            tuple[ProvenanceKind, Id] | None, Field(description="The kind and the id of the row it is from.")
        ] = None,
        functional: Annotated[bool | None, Field(description="Whether there is one target at a time.")] = None,
    ) -> str:
        """Add a fact about two named things to the knowledge graph; a name without an entity becomes one."""
        with door.memory("write") as memory:
            added = memory.graph.add_fact(
                source,
                type,
                target,
                fact=fact,
                weight=weight,
                valid_from=valid_from,
                valid_to=valid_to,
                properties=properties,
                provenance=provenance,
                functional=functional,
            )
            return answers.fact(added, scope_of(memory).zone)

    @server.tool(annotations=_READS, structured_output=False)
    def look_up_entity(name: str, limit: Limit = 50) -> str:
        """Look up who or what goes by a name, and the facts about it."""
        with door.memory("read") as memory:
            entities = list(memory.graph.find(name))
            facts = [fact for entity in entities for fact in memory.graph.facts(entity, limit=limit)]
            return answers.entities(entities, facts, scope_of(memory).zone)

    @server.tool(annotations=_DELETES, structured_output=False)
    def retract_fact(id: int) -> str:
        """Retract a fact that turned out to be wrong. It stays in the history and is not found any more."""
        with door.memory("write") as memory:
            return answers.fact(memory.graph.retract_fact(id), scope_of(memory).zone)


def _offer_history(server: MCPServer, door: Door) -> None:
    @server.tool(annotations=_READS, structured_output=False)
    def history(
        kind: RowKind | None = None,
        id: int | None = None,
        label: Annotated[str | None, Field(description="Of a block.")] = None,
        actor: str | None = None,
        action: Action | None = None,
        change_id: str | None = None,
        since: Time = None,
        until: Time = None,
        limit: Limit = 20,
        before: Annotated[int | None, Field(description="Next page: the last entry's id.")] = None,
    ) -> str:
        """List what was changed in this memory, by whom, newest first."""
        with door.memory("read") as memory:
            wanted = {"label": label, "actor": actor, "action": action, "change_id": change_id}
            changes = memory.history(kind, id, **wanted, since=since, until=until, limit=limit, before=before)
            return answers.changes(changes, scope_of(memory).zone)

    @server.tool(annotations=_WRITES, structured_output=False)
    def undo(
        change_id: Annotated[str | None, Field(description="Of an entry of the history; absent, the last.")] = None,
    ) -> str:
        """Take back a change as a whole. An undo can be undone."""
        with door.memory("write") as memory:
            return answers.changes(memory.undo(change_id), scope_of(memory).zone)

    @server.tool(annotations=_DELETES, structured_output=False)
    def forget(
        id: Annotated[int | None, Field(description="Of one row.")] = None,
        kind: Annotated[RowKind, Field(description="What kind of row the id is of.")] = "archival",
        session: Annotated[str | None, Field(description="Or a whole conversation.")] = None,
        keep_history: Annotated[bool, Field(description="Leave the history entries there are.")] = False,
        preview: Annotated[bool, Field(description="Only count what would be removed.")] = False,
    ) -> str:
        """Remove a row or a whole conversation for good, with everything derived from it and its history. Nothing
        brings it back: only when the person asks for exactly that."""
        with door.memory("admin") as memory:
            counts = memory.forget(id, kind, session=session, keep_history=keep_history, preview=preview)
            return answers.counts(counts, preview=preview)
