"""Results of the tools on the whole memory."""

from __future__ import annotations

from pydantic import BaseModel

from memgpt.models import Block, Change, Document, Entity, Fact, Hit, Message


class SearchResults(BaseModel):
    """Search results, best first."""

    hits: list[Hit]


class RememberResult(BaseModel):
    """Outcome of remembering a text."""

    id: int
    duplicate: bool
    similar: list[int]


class Edited(BaseModel):
    """A block after the edit."""

    block: Block


class Saved(BaseModel):
    message: Message


class DocumentResult(BaseModel):
    document: Document


class FactResult(BaseModel):
    fact: Fact


class BlockList(BaseModel):
    blocks: list[Block]


class MessageList(BaseModel):
    messages: list[Message]


class DocumentList(BaseModel):
    documents: list[Document]


class DocumentText(BaseModel):
    document: Document
    text: str


class EntityFacts(BaseModel):
    """An entity and the facts about it."""

    entities: list[Entity]
    facts: list[Fact]


class ContextText(BaseModel):
    text: str
    tokens: int


class Changes(BaseModel):
    changes: list[Change]


class Forgotten(BaseModel):
    """Rows of each table that were removed for good."""

    counts: dict[str, int]


class Removed(BaseModel):
    removed: bool = True
    how_to_restore: str = "call undo"
