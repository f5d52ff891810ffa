"""The tables of an agent, said once: what is done to a whole memory is done to each of these.

What lists, copies, exports, imports, forgets or looks for an agent, or keeps a history of its rows, is put together
from this list. A table more is an entry more, beside its migration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from memgpt.database.embedded_text import chunk_text, entity_text, message_text
from memgpt.database.queries import Queries, compose, identifier, identifiers, literal
from memgpt.models import (
    ArchivalMemory,
    Block,
    Chunk,
    Document,
    Entity,
    Fact,
    File,
    FileChunk,
    Json,
    Message,
    StoreItem,
)

Row = Block | ArchivalMemory | Message | Document | Chunk | Entity | Fact | StoreItem | File | FileChunk

RowKind = Literal["block", "archival", "message", "document", "chunk", "entity", "fact", "item", "file", "file_chunk"]
"""What the history keeps."""

Part = Literal["memory", "derived", "service"]
"""What rows are of: the memory itself, which a file carries; what was derived from its texts, and the state of threads,
which are copied with it; what the service notes for the agent, which only goes with it."""


@dataclass(frozen=True)
class Table:
    """A table of an agent; statements that are the same for each are completed with its names."""

    name: str
    columns: tuple[str, ...] = ()
    """Beside the agent's id, the vector and what is generated, in the order of a file; the service's need none."""
    kind: RowKind | None = None
    """What the history calls its rows; None where it does not keep them."""
    row: type[Row] | None = None
    """The class of the rows the history keeps."""
    vector: str | None = None
    """The column with the vector."""
    part: Part = "memory"
    dependent: bool = False
    """No row stands without one of another table: who has rows here has others there."""
    texts: tuple[str, ...] = ()
    """Columns of the text that is embedded, the main one first."""
    text_context: tuple[str, ...] = ()
    """Columns of what may stand before it."""
    compose_text: Callable[[Json], str] | None = None
    """How the embedded text is made from those columns; None where it is the main one."""
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
    def row_class(self) -> type[Row]:
        """The class of its rows, for a table whose rows the history keeps."""
        if self.row is None:
            raise LookupError(f"the history keeps no rows of {self.name}")
        return self.row

    @property
    def stored(self) -> tuple[str, ...]:
        """Every column but the agent's id."""
        return self.columns if self.vector is None else (*self.columns, self.vector)

    def embedded(self, row: Json) -> str:
        """Return what is embedded for a row."""
        return self.compose_text(row) if self.compose_text else str(row[self.texts[0]])

    def complete(self, template: bytes, **parts: bytes) -> bytes:
        """Return a statement for this table."""
        return compose(
            template,
            table=identifier(self.name),
            rows=identifier(f"{self.name}_rows"),
            name=literal(self.name),
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


_TABLES: Final = (
    Table(
        "core_memories",
        (
            *("id", "label", "value", "description", "limit", "read_only", "shared_with", "version", "metadata"),
            *("created_at", "updated_at"),
        ),
        "block",
        Block,
    ),
    Table(
        "archival_memories",
        (
            *("id", "text", "tags", "importance", "source", "metadata", "language", "created_at", "expires_at"),
            *("superseded_at", "superseded_by", "accessed_at", "access_count", "embedding_model"),
        ),
        "archival",
        ArchivalMemory,
        "embedding",
        texts=("text",),
        counters=("accessed_at", "access_count"),
        references={"superseded_by": "archival_memories"},
        refers=("metadata",),
    ),
    Table(
        "conversations",
        (
            *("id", "session", "role", "name", "content", "intent", "intent_confidence", "tokens", "tool_calls"),
            *("tool_call_id", "metadata", "language", "created_at", "embedding_model"),
        ),
        "message",
        Message,
        "embedding",
        texts=("content",),
        text_context=("name",),
        compose_text=lambda row: message_text(row["content"], row.get("name")),
    ),
    Table(
        "documents",
        ("id", "title", "source", "media_type", "content_hash", "tokens", "metadata", "created_at", "updated_at"),
        "document",
        Document,
    ),
    Table(
        "document_chunks",
        (
            *("id", "document_id", "chunk_index", "chunk_text", "heading_path", "page", "char_start", "char_end"),
            *("tokens", "metadata", "language", "created_at", "embedding_model"),
        ),
        "chunk",
        Chunk,
        "embedding",
        texts=("chunk_text",),
        text_context=("metadata",),
        compose_text=lambda row: chunk_text(row["chunk_text"], row.get("metadata")),
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
        Entity,
        "embedding",
        texts=("name", "description"),
        compose_text=lambda row: entity_text(row["name"], row["description"]),
        references={"merged_into": "kg_entities"},
    ),
    Table(
        "kg_relationships",
        (
            *("id", "source_id", "target_id", "type", "fact", "weight", "properties", "valid_from", "valid_to"),
            *("recorded_at", "superseded_at", "provenance_kind", "provenance_id", "language", "embedding_model"),
        ),
        "fact",
        Fact,
        "embedding",
        dependent=True,
        texts=("fact",),
        references={"source_id": "kg_entities", "target_id": "kg_entities"},
        parents=("source_id", "target_id"),
        refers=("provenance_id",),
    ),
    Table(
        "store_items",
        (
            *("id", "namespace", "key", "value", "text", "language", "ttl_minutes", "expires_at", "created_at"),
            *("updated_at", "embedding_model"),
        ),
        "item",
        StoreItem,
        "embedding",
        texts=("text",),
    ),
    Table(
        "store_vectors",
        ("id", "item_id", "collection", "field", "item_embedding", "created_at"),
        dependent=True,
        references={"item_id": "store_items"},
        parents=("item_id",),
    ),
    Table(
        "files",
        ("id", "path", "content", "version", "metadata", "created_at", "updated_at"),
        "file",
        File,
    ),
    Table(
        "file_chunks",
        (
            *("id", "file_id", "chunk_text", "heading_path", "tokens", "metadata", "language", "created_at"),
            "embedding_model",
        ),
        "file_chunk",
        FileChunk,
        "embedding",
        dependent=True,
        texts=("chunk_text",),
        text_context=("metadata",),
        compose_text=lambda row: chunk_text(row["chunk_text"], row.get("metadata")),
        references={"file_id": "files"},
        parents=("file_id",),
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
        dependent=True,
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
    Table("kg_mentions", ("name", "kind", "row_id", "text_hash"), part="derived", dependent=True),
    Table(
        "kg_extractions",
        (
            *("recipe", "kind", "row_id", "model", "text_hash", "answer", "reason", "attempts", "input_tokens"),
            *("output_tokens", "cost", "extracted_at", "applied_at"),
        ),
        part="derived",
        dependent=True,
    ),
    Table(
        "thread_checkpoints",
        (
            *("thread_id", "namespace", "checkpoint_id", "parent_id", "run_id", "channel_versions", "labels"),
            *("checkpoint_type", "checkpoint", "metadata_type", "metadata", "created_at"),
        ),
        part="derived",
    ),
    Table("thread_values", ("thread_id", "namespace", "channel", "version", "type", "value"), part="derived"),
    Table(
        "thread_writes",
        (
            *("thread_id", "namespace", "checkpoint_id", "task_id", "number", "task_path", "channel", "type"),
            "value",
        ),
        part="derived",
    ),
    Table("embedding_cache", part="service"),
    Table("embedding_usage", part="service"),
    Table("file_syncs", part="service"),
    Table("jobs", part="service"),
    Table("job_files", part="service", dependent=True),
)

HISTORY: Final = "memory_history"

BY_NAME: Final[dict[str, Table]] = {table.name: table for table in _TABLES}
"""Every table of an agent beside ``agents``, which describes it; in the order of a file, which foreign keys accept."""


def tables(*parts: Part) -> Sequence[Table]:
    """Return the tables of some parts, of all without any."""
    return [table for table in BY_NAME.values() if not parts or table.part in parts]


def in_files() -> Mapping[str, Table]:
    """Return the tables that a file carries, by name."""
    return {table.name: table for table in tables("memory")}


def by_kind() -> Mapping[RowKind, Table]:
    """Return the tables whose rows the history keeps, by what it calls them; a row comes after those it refers to."""
    return {table.kind: table for table in BY_NAME.values() if table.kind is not None}


def for_each(template: bytes, tables: Iterable[Table], separator: bytes = b",\n") -> bytes:
    """Return a list in SQL that has a template for each of some tables."""
    return separator.join(table.complete(template) for table in tables)
