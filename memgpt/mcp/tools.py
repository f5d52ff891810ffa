"""Tools for the whole memory. Their descriptions are read by models: they say when to use a tool, not how it works."""

from __future__ import annotations

from typing import Annotated, Literal

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from memgpt.mcp.door import Door
from memgpt.models import Block, Change, Document, Entity, Hit, Kind, Message, Relationship, Role

RowKind = Literal["block", "archival", "message", "document", "chunk", "entity", "fact"]
Limit = Annotated[int, Field(ge=1, le=200, description="Most results.")]

_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
_DELETES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False)


class Found(BaseModel):
    """Search results, best first."""

    hits: list[Hit]


class Kept(BaseModel):
    """What became of a text."""

    id: int
    duplicate: bool
    similar: list[int]


class Edited(BaseModel):
    """A block after the edit."""

    block: Block


class Saved(BaseModel):
    message: Message


class Added(BaseModel):
    document: Document


class Stated(BaseModel):
    fact: Relationship


class Blocks(BaseModel):
    blocks: list[Block]


class Messages(BaseModel):
    messages: list[Message]


class Documents(BaseModel):
    documents: list[Document]


class DocumentText(BaseModel):
    document: Document
    text: str


class Known(BaseModel):
    """An entity and what is stated about it."""

    entities: list[Entity]
    facts: list[Relationship]


class ContextText(BaseModel):
    text: str
    tokens: int


class Changes(BaseModel):
    changes: list[Change]


class Forgotten(BaseModel):
    """How many rows of each table were removed for good."""

    counts: dict[str, int]


class Removed(BaseModel):
    removed: bool = True
    how_to_restore: str = "call undo"


def offer(server: MCPServer, door: Door) -> None:
    """Register the tools."""
    _offer_recall(server, door)
    _offer_archival(server, door)
    _offer_blocks(server, door)
    _offer_messages(server, door)
    _offer_documents(server, door)
    _offer_graph(server, door)
    _offer_history(server, door)


def _offer_recall(server: MCPServer, door: Door) -> None:
    @server.tool(title="Search memory", annotations=_READS)
    def search_memory(
        query: Annotated[str, Field(description='Words or a question. "exact words" must occur, -word must not.')],
        kinds: Annotated[
            list[Kind] | None, Field(description="Only archival, message, chunk (of documents) or fact.")
        ] = None,
        since: Annotated[str | None, Field(description="ISO 8601 time.")] = None,
        until: Annotated[str | None, Field(description="ISO 8601 time.")] = None,
        limit: Limit = 10,
    ) -> Found:
        """Search everything that is remembered: kept texts, earlier conversations, documents, facts. Use it before
        answering from what you assume about the person or their affairs."""
        with door.memory("read") as memory:
            return Found(hits=memory.search(query, kinds=kinds, since=since, until=until, limit=limit))

    @server.tool(title="Get context", annotations=_READS)
    def get_context(
        query: Annotated[str, Field(description="What the answer will be about.")],
        budget_tokens: Annotated[int, Field(ge=1, le=100_000)] = 2000,
        session: Annotated[str | None, Field(description="The conversation going on.")] = None,
    ) -> ContextText:
        """Everything worth knowing for one answer, within a budget of tokens: the blocks, what the query recalls, the
        latest messages."""
        with door.memory("read") as memory:
            context = memory.context(query, budget_tokens=budget_tokens, session=session)
        return ContextText(text=context.text, tokens=context.tokens)


def _offer_archival(server: MCPServer, door: Door) -> None:
    @server.tool(title="Remember", annotations=_WRITES)
    def remember(
        text: Annotated[str, Field(description="One thing worth keeping, understandable by itself, with names.")],
        tags: list[str] | None = None,
        importance: Annotated[float, Field(ge=0, le=1)] = 0.5,
        expires_at: Annotated[str | None, Field(description="ISO 8601 time after which it does not matter.")] = None,
    ) -> Kept:
        """Keep a text for good. Something already kept is not kept twice; ``similar`` lists what says nearly the same
        and may need updating instead."""
        with door.memory("write") as memory:
            kept = memory.remember(text, tags=tags or [], importance=importance, expires_at=expires_at)
        return Kept(id=kept.id, duplicate=kept.duplicate, similar=list(kept.similar))

    @server.tool(title="Correct a memory", annotations=_WRITES)
    def correct_memory(id: int, text: Annotated[str, Field(description="What is true now, in full.")]) -> Kept:
        """Replace a kept text that is no longer true. The old one stays in the history and is not found any more."""
        with door.memory("write") as memory:
            kept = memory.archival.supersede(id, text)
        return Kept(id=kept.id, duplicate=kept.duplicate, similar=list(kept.similar))

    @server.tool(title="Delete a memory", annotations=_DELETES)
    def delete_memory(id: int) -> Removed:
        """Remove one kept text; undo brings it back."""
        with door.memory("write") as memory:
            memory.archival.delete(id)
        return Removed()


def _offer_blocks(server: MCPServer, door: Door) -> None:
    @server.tool(title="Read blocks", annotations=_READS)
    def read_blocks() -> Blocks:
        """Read core memory: the labelled blocks (human, persona, context…) that belong in every prompt."""
        with door.memory("read") as memory:
            return Blocks(blocks=list(memory.core.list()))

    @server.tool(title="Append to a block", annotations=_WRITES)
    def append_to_block(
        label: Annotated[str, Field(description="human, persona, context or another.")], text: str
    ) -> Edited:
        """Add a line to a block of core memory; the block is made if need be."""
        with door.memory("write") as memory:
            return Edited(block=memory.core[label].append(text))

    @server.tool(title="Replace in a block", annotations=_WRITES)
    def replace_in_block(
        label: str,
        old: Annotated[str, Field(description="Text that occurs exactly once in the block.")],
        new: Annotated[str, Field(description="Its replacement; empty removes it.")],
    ) -> Edited:
        """Correct a part of a block of core memory."""
        with door.memory("write") as memory:
            return Edited(block=memory.core[label].replace(old, new))

    @server.tool(title="Rewrite a block", annotations=_WRITES)
    def rewrite_block(label: str, value: Annotated[str, Field(description="The whole new text.")]) -> Edited:
        """Replace the whole text of a block of core memory, to sum it up or put it in order."""
        with door.memory("write") as memory:
            return Edited(block=memory.core[label].rethink(value))


def _offer_messages(server: MCPServer, door: Door) -> None:
    @server.tool(title="Save a message", annotations=_WRITES)
    def save_message(role: Role, content: str, session: str = "default") -> Saved:
        """Keep one turn of a conversation, so that it can be recalled later."""
        with door.memory("write") as memory:
            return Saved(message=memory.messages.append(role, content, session=session))

    @server.tool(title="Read a conversation", annotations=_READS)
    def read_conversation(session: str | None = None, limit: Limit = 50) -> Messages:
        """The latest messages of one conversation, or of all, oldest first."""
        with door.memory("read") as memory:
            return Messages(messages=list(memory.messages.list(session=session, limit=limit)))

    @server.tool(title="Delete a conversation", annotations=_DELETES)
    def delete_conversation(session: str) -> Removed:
        """Remove every message of one conversation; undo brings them back."""
        with door.memory("write") as memory:
            memory.messages.delete_session(session)
        return Removed()


def _offer_documents(server: MCPServer, door: Door) -> None:
    @server.tool(title="Add a document", annotations=_WRITES)
    def add_document(
        text: Annotated[str, Field(description="Plain text or Markdown.")],
        title: str | None = None,
        source: Annotated[str | None, Field(description="Where it is from: a file name or address.")] = None,
    ) -> Added:
        """Keep a longer text as a document, cut into chunks that search_memory finds."""
        with door.memory("write") as memory:
            return Added(document=memory.documents.add(text, title=title, source=source))

    @server.tool(title="List documents", annotations=_READS)
    def list_documents(limit: Limit = 50) -> Documents:
        """The documents there are, newest first."""
        with door.memory("read") as memory:
            return Documents(documents=list(memory.documents.list(limit=limit)))

    @server.tool(title="Read a document", annotations=_READS)
    def read_document(id: int) -> DocumentText:
        """The text of a document, chunk by chunk."""
        with door.memory("read") as memory:
            document, chunks = memory.documents.get(id), memory.documents.chunks(id)
        return DocumentText(document=document, text="\n\n".join(chunk.chunk_text for chunk in chunks))


def _offer_graph(server: MCPServer, door: Door) -> None:
    @server.tool(title="State a fact", annotations=_WRITES)
    def state_fact(
        source: Annotated[str, Field(description="Who or what it is about, by name.")],
        type: Annotated[str, Field(description="The relation, as in works_at.")],
        target: Annotated[str, Field(description="The other end, by name.")],
        fact: Annotated[str | None, Field(description="The statement in words.")] = None,
        valid_from: Annotated[str | None, Field(description="ISO 8601 time since when it is true.")] = None,
        valid_to: Annotated[str | None, Field(description="ISO 8601 time until when it was true.")] = None,
    ) -> Stated:
        """Record a statement about two named things in the knowledge graph; new names become entities."""
        with door.memory("write") as memory:
            stated = memory.graph.relate(source, type, target, fact=fact, valid_from=valid_from, valid_to=valid_to)
        return Stated(fact=stated)

    @server.tool(title="Look up an entity", annotations=_READS)
    def look_up_entity(name: str, limit: Limit = 50) -> Known:
        """Who or what goes by a name, and the facts about it."""
        with door.memory("read") as memory:
            entities = list(memory.graph.find(name))
            facts = [fact for entity in entities for fact in memory.graph.relationships(entity, limit=limit)]
        return Known(entities=entities, facts=facts)

    @server.tool(title="Retract a fact", annotations=_DELETES)
    def retract_fact(id: int) -> Stated:
        """Stop believing a fact that turned out to be wrong. It stays in the history and is not found any more."""
        with door.memory("write") as memory:
            return Stated(fact=memory.graph.retract(id))


def _offer_history(server: MCPServer, door: Door) -> None:
    @server.tool(title="History", annotations=_READS)
    def history(limit: Limit = 20) -> Changes:
        """What was changed in this memory, by whom, newest first."""
        with door.memory("read") as memory:
            return Changes(changes=list(memory.history(limit=limit)))

    @server.tool(title="Undo", annotations=_WRITES)
    def undo(
        change_id: Annotated[str | None, Field(description="Of an entry of the history; absent, the last.")] = None,
    ) -> Changes:
        """Take back a change as a whole. An undo can be undone."""
        with door.memory("write") as memory:
            return Changes(changes=list(memory.undo(change_id)))

    @server.tool(title="Forget for good", annotations=_DELETES)
    def forget(
        id: Annotated[int | None, Field(description="Of one row.")] = None,
        kind: Annotated[RowKind, Field(description="What kind of row the id is of.")] = "archival",
        session: Annotated[str | None, Field(description="A whole conversation, in the place of an id.")] = None,
        keep_history: Annotated[bool, Field(description="Leave the history entries there are.")] = False,
    ) -> Forgotten:
        """Remove a row or a whole conversation for good, with everything derived from it and its history. Nothing
        brings it back: only when the person asks for exactly that. Needs a key with the admin permission."""
        with door.memory("admin") as memory:
            return Forgotten(counts=memory.forget(id, kind, session=session, keep_history=keep_history))
