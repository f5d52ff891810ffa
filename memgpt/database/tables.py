"""The tables of one agent's memory, said once: what the history keeps of them, and what a file carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from memgpt.database.queries import Queries, compose, identifier, identifiers, literal
from memgpt.models import ArchivalMemory, Block, Chunk, Document, Entity, Fact, Message

Row = Block | ArchivalMemory | Message | Document | Chunk | Entity | Fact

RowKind = Literal["block", "archival", "message", "document", "chunk", "entity", "fact"]
"""What the history keeps."""

ROW_KINDS: Final[Mapping[RowKind, type[Row]]] = {
    "block": Block,
    "archival": ArchivalMemory,
    "message": Message,
    "document": Document,
    "chunk": Chunk,
    "entity": Entity,
    "fact": Fact,
}
"""Each kind with the class of its rows. A row comes after those it refers to."""


@dataclass(frozen=True)
class Table:
    """A table of the memory; statements that are the same for each are completed with its names."""

    name: str
    columns: tuple[str, ...]
    """Beside the agent's id, the vector and what is generated, in the order of a file."""
    kind: RowKind | None = None
    """What the history calls its rows; None where it does not keep them."""
    vector: str | None = None
    """The column with the vector."""
    counters: tuple[str, ...] = ()
    """Columns that reading changes: not a difference, and not taken back."""
    references: Mapping[str, str] = field(default_factory=dict)
    """Columns with ids, or arrays of ids, of another table's rows (or its own)."""
    parents: tuple[str, ...] = ()
    """Those of them that are foreign keys: the row does not stand without the other."""
    refers: tuple[str, ...] = ()
    """Columns with ids in them in another way."""

    @property
    def content(self) -> tuple[str, ...]:
        """Columns that say something by themselves: they refer to no row, and reading does not change them."""
        left_out = {"id", "embedding_model", *self.counters, *self.references, *self.refers}
        return tuple(column for column in self.columns if column not in left_out)

    @property
    def created(self) -> str:
        """The column that says when a row was made."""
        return next(name for name in ("created_at", "recorded_at", "started_at", "changed_at") if name in self.columns)

    @property
    def stored(self) -> tuple[str, ...]:
        """Every column but the agent's id."""
        return self.columns if self.vector is None else (*self.columns, self.vector)

    def complete(self, template: bytes, **parts: bytes) -> bytes:
        """Return a statement for this table."""
        return compose(
            template,
            table=identifier(self.name),
            kind=literal(self.kind),
            columns=identifiers(self.columns),
            stored=identifiers(self.stored),
            **parts,
        )

    def vector_of(self, alias: str) -> bytes:
        """Return the vector of a row, NULL where rows have none."""
        return b"NULL::vector" if self.vector is None else identifier(alias, self.vector)


def expressions(queries: Queries, prefix: str, alias: str, columns: Iterable[str]) -> bytes:
    """Return columns one after the other: of each the query ``PREFIX_COLUMN`` of a file, or else that of the alias."""

    def write(name: str) -> bytes:
        if f"{prefix}_{name}" not in queries:
            return identifier(alias, name)
        expression: bytes = getattr(queries, f"{prefix}_{name}")
        return expression + b" AS " + identifier(name)

    return b", ".join(map(write, columns))


TABLES: Final = (
    Table(
        "core_memories",
        (
            *("id", "label", "value", "description", "limit", "read_only", "shared_with", "version", "metadata"),
            *("created_at", "updated_at"),
        ),
        "block",
    ),
    Table(
        "archival_memories",
        (
            *("id", "text", "tags", "importance", "source", "metadata", "language", "created_at", "expires_at"),
            *("superseded_at", "superseded_by", "accessed_at", "access_count", "embedding_model"),
        ),
        "archival",
        "embedding",
        counters=("accessed_at", "access_count"),
        references={"superseded_by": "archival_memories"},
        refers=("metadata",),
    ),
    Table(
        "documents",
        ("id", "title", "source", "media_type", "content_hash", "tokens", "metadata", "created_at", "updated_at"),
        "document",
    ),
    Table(
        "document_chunks",
        (
            *("id", "document_id", "chunk_index", "chunk_text", "heading_path", "page", "char_start", "char_end"),
            *("tokens", "metadata", "language", "created_at", "embedding_model"),
        ),
        "chunk",
        "embedding",
        references={"document_id": "documents"},
        parents=("document_id",),
    ),
    Table(
        "kg_entities",
        (
            *("id", "name", "type", "aliases", "description", "properties", "language", "created_at", "updated_at"),
            *("merged_into", "merged_at", "embedding_model"),
        ),
        "entity",
        "embedding",
        references={"merged_into": "kg_entities"},
    ),
    Table(
        "kg_relationships",
        (
            *("id", "source_id", "target_id", "type", "fact", "weight", "properties", "valid_from", "valid_to"),
            *("recorded_at", "superseded_at", "provenance_kind", "provenance_id", "language", "embedding_model"),
        ),
        "fact",
        "embedding",
        references={"source_id": "kg_entities", "target_id": "kg_entities"},
        parents=("source_id", "target_id"),
        refers=("provenance_id",),
    ),
    Table(
        "conversations",
        (
            *("id", "session", "role", "name", "content", "intent", "intent_confidence", "tokens", "tool_calls"),
            *("tool_call_id", "metadata", "language", "created_at", "embedding_model"),
        ),
        "message",
        "embedding",
    ),
    Table("intent_examples", ("id", "intent", "text", "created_at")),
    Table(
        "agent_turns",
        ("id", "session", "message_id", "status", "reason", "runner", "started_at", "ended_at"),
        references={"message_id": "conversations"},
    ),
    Table(
        "agent_steps",
        (
            *("id", "turn_id", "number", "session", "kind", "model", "system", "tools", "message_ids"),
            *("longest", "sent_hash", "tokens_by_part", "answer_id", "calls", "calls_done", "summary"),
            *("summary_until", "summary_until_id", "input_tokens", "output_tokens", "cost", "seconds"),
            *("finish_reason", "created_at"),
        ),
        references={
            "turn_id": "agent_turns",
            "message_ids": "conversations",
            "answer_id": "conversations",
            "summary_until_id": "conversations",
        },
        parents=("turn_id",),
    ),
    Table(
        "proposals",
        (
            *("id", "kind", "status", "reason", "score", "about", "evidence", "change", "fingerprint", "change_id"),
            *("actor", "created_at", "decided_at"),
        ),
        refers=("about", "change", "fingerprint"),
    ),
    Table(
        "memory_history",
        ("id", "changed_at", "change_id", "actor", "kind", "row_id", "action", "old", "undoes"),
        vector="old_embedding",
        refers=("row_id", "old"),
    ),
)
"""In the order of a file, which foreign keys accept."""

HISTORY: Final = "memory_history"

BY_NAME: Final[Mapping[str, Table]] = {table.name: table for table in TABLES}
BY_KIND: Final[Mapping[RowKind, Table]] = {table.kind: table for table in TABLES if table.kind is not None}
