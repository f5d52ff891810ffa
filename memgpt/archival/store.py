"""Archival memory: free texts an agent keeps for good."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeAlias, TypedDict, Unpack
from uuid import UUID

from pgvector import Vector
from psycopg import Connection
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from memgpt.database import codes, queries
from memgpt.database.driver import hidden_operators
from memgpt.database.languages import noted
from memgpt.database.single_statement import guarded
from memgpt.errors import ConflictError, NotFoundError
from memgpt.models import ActiveModel, ArchivalMemory, Author, Json, NearDuplicate, Remembered

SQL = queries.beside(__name__)

BATCH: Final = 500
"""Rows sent in one statement: about 3 MB at 1536 dimensions."""


@dataclass(frozen=True, slots=True)
class NewMemory:
    """A text to be kept, checked and embedded."""

    text: str
    id: int | None = None
    """Of a memory from a file; absent, it gets one."""
    embedding: Vector | None = None
    tags: Sequence[str] = ()
    importance: float = 0.5
    source: str | None = None
    metadata: Json | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None

    def merged(self, later: NewMemory) -> NewMemory:
        """Return this text with what is new about it the second time, by the rules of the statement ``merge``."""
        expiries = [m.expires_at for m in (self, later) if m.expires_at is not None]
        return replace(
            self,
            embedding=later.embedding if self.embedding is None else self.embedding,
            tags=[*dict.fromkeys((*self.tags, *later.tags))],
            importance=max(self.importance, later.importance),
            source=self.source or later.source,
            metadata={**(self.metadata or {}), **(later.metadata or {})},
            created_at=self.created_at or later.created_at,
            expires_at=max(expiries) if len(expiries) == 2 else None,
        )


@dataclass(frozen=True, slots=True)
class Written:
    """Outcome of one text in a statement of its own."""

    id: int | None
    """Of the new memory; None where nothing was written."""
    similar: Sequence[int]
    """Near-duplicates, nearest first."""


class MemoryChanges(TypedDict, total=False):
    """Columns of a memory to change; those that are absent, or None, stay."""

    text: str | None
    language: str | None
    embedding: Vector | None
    embedding_model: str
    tags: Sequence[str] | None
    importance: float | None
    source: str | None
    metadata: Json | None
    expires_at: datetime | None
    clear_expiry: bool
    superseded_by: int


InLanguage: TypeAlias = tuple[NewMemory, str | None]
"""A memory, and the text search configuration of its language where it is to be a row of its own."""

_UNCHANGED: Final[Mapping[str, Any]] = dict.fromkeys(MemoryChanges.__annotations__) | {"clear_expiry": False}


class ArchivalStore:
    """The rows of ``archival_memories`` of one agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def insert(
        self,
        memories: Sequence[NewMemory],
        *,
        change_id: UUID,
        languages: Sequence[str],
        embedding_model: str | None,
        merge_first: bool = False,
    ) -> Sequence[Remembered]:
        """Keep many texts; one that a living memory has already is merged into it. One answer per text, in order.

        ``merge_first``: memories have them, as far as one can see.
        """
        if len(memories) > 1:
            self.lock_texts()
        distinct: dict[str, NewMemory] = {}
        keys = [unicodedata.normalize("NFC", memory.text) for memory in memories]
        for key, memory in zip(keys, memories, strict=True):
            before = distinct.get(key)
            distinct[key] = memory if before is None else before.merged(memory)
        answers: dict[str, Remembered] = {}
        of_text = dict(zip(keys, languages, strict=True))
        how = {"change_id": change_id, "embedding_model": embedding_model}
        for batch in _batches([*distinct.items()]):
            kept = [(memory, of_text[key]) for key, memory in batch]
            inserted = self._keep(kept, how, merge_first)
            answers.update((key, answer) for (key, _), answer in zip(batch, inserted, strict=True))
        first = {key: n for n, key in reversed([*enumerate(keys)])}
        return [
            answers[key] if first[key] == n else replace(answers[key], duplicate=True) for n, key in enumerate(keys)
        ]

    def remember(
        self, memory: NewMemory, *, change_id: UUID, language: str, model: ActiveModel, threshold: float, limit: int
    ) -> tuple[ActiveModel, Written]:
        """Keep one text unless a memory has it already, and say what is at least that similar.

        A single statement, which answers the active model.
        """
        parameters = self._parameters(
            text=memory.text,
            tags=[*memory.tags],
            importance=memory.importance,
            source=memory.source,
            metadata=Jsonb(memory.metadata or {}),
            created_at=memory.created_at,
            expires_at=memory.expires_at,
            embedding=memory.embedding,
            change_id=change_id,
            language=language,
            noted=noted([language]),
            embedding_model=model.name,
            embedding_dimensions=model.dimensions,
            threshold=threshold,
            limit=limit,
        )
        noting = bool(parameters["noted"])
        statement = guarded(_remember(model.dimensions), self._connection, noting=noting)
        row = self._connection.execute(statement, parameters).fetchone()
        assert row is not None  # noqa: S101 - a migrated database has an active model
        name, dimensions, id, similar = row
        return ActiveModel(name, dimensions), Written(id, similar)

    def fold(self, memories: Sequence[NewMemory], *, change_id: UUID, embedding_model: str | None) -> Mapping[int, int]:
        """Merge memories that have ids of their own into living ones of the same texts; the ids of those, by theirs.

        Expired ones of other ids give up the texts of the rest.
        """
        how = {"change_id": change_id, "embedding_model": embedding_model}
        places = self._written(SQL.merge, [(memory, None) for memory in memories], how)
        merged = {place for place, _ in places}
        rest = [memory for place, memory in enumerate(memories) if place not in merged]
        self._retire_expired([m.text for m in rest], change_id, [m.id for m in rest if m.id is not None])
        return {id: other for place, other in places if (id := memories[place].id) is not None}

    def lock_texts(self) -> None:
        """Let nobody else write more than one text of this agent until the transaction ends."""
        self._connection.execute(SQL.lock_texts, self._parameters())

    def _keep(self, batch: Sequence[InLanguage], how: Mapping[str, Any], merge_first: bool) -> Sequence[Remembered]:
        answers: dict[int, Remembered] = {}
        waiting: Sequence[int] = range(len(batch))
        # A writer that commits the same text after our snapshot is seen by the next statement only, and a text that
        # an expired memory has is free only when that is retired.
        for _ in range(3):
            for duplicate in (merge_first, not merge_first):
                statement = SQL.merge if duplicate else SQL.insert
                places = self._written(statement, [batch[n] for n in waiting], how)
                answers.update((waiting[place], Remembered(id, duplicate)) for place, id in places)
                waiting = [n for n in waiting if n not in answers]
                if not waiting:
                    return [answers[n] for n in range(len(batch))]
            self._retire_expired([batch[n][0].text for n in waiting], how["change_id"])
        raise ConflictError("the same texts are being written and removed by somebody else: try again")

    def _written(
        self, statement: bytes, batch: Sequence[InLanguage], how: Mapping[str, Any]
    ) -> Sequence[tuple[int, int]]:
        """Return the position in the batch and the id of each text that the statement inserted."""
        memories = [memory for memory, _ in batch]
        parameters = self._parameters(
            id=[m.id for m in memories],
            text=[m.text for m in memories],
            tags=[Jsonb(list(m.tags)) for m in memories],
            importance=[m.importance for m in memories],
            source=[m.source for m in memories],
            metadata=[Jsonb(m.metadata or {}) for m in memories],
            created_at=[m.created_at for m in memories],
            expires_at=[m.expires_at for m in memories],
            embedding=[m.embedding for m in memories],
            language=[language for _, language in batch],
            **how,
        )
        return self._connection.execute(statement, parameters).fetchall()

    def _retire_expired(self, texts: Sequence[str], change_id: UUID, but: Sequence[int] = ()) -> bool:
        parameters = self._parameters(texts=[*texts], change_id=change_id, but=[*but])
        return self._connection.execute(SQL.retire_expired, parameters).rowcount > 0

    def get(self, id: int) -> ArchivalMemory:
        """One memory.

        Raises:
            NotFoundError: the agent has no archival memory of that id.
        """
        with self._connection.cursor(row_factory=class_row(ArchivalMemory)) as cursor:
            memory = cursor.execute(SQL.get, self._parameters(id=id)).fetchone()
        if memory is None:
            raise self._not_found(id)
        return memory

    def list(
        self,
        *,
        limit: int,
        tags: Sequence[str] | None = None,
        after: ArchivalMemory | None = None,
        superseded: bool = False,
    ) -> Sequence[ArchivalMemory]:
        """Memories, newest first, that have all the tags; ``after`` is the last one of the page before."""
        parameters = self._parameters(
            limit=limit,
            tags=None if tags is None else [*tags],
            superseded=superseded,
            before=after and after.created_at,
            before_id=after and after.id,
        )
        with self._connection.cursor(row_factory=class_row(ArchivalMemory)) as cursor:
            return cursor.execute(_list(hidden_operators(self._connection)), parameters).fetchall()

    def update(self, id: int, *, change_id: UUID, **changes: Unpack[MemoryChanges]) -> ArchivalMemory:
        """Change what is in ``changes``, keep the rest.

        Raises:
            NotFoundError: the agent has no archival memory of that id.
            ConflictError: another memory has the new text, or replaces this one already.
        """
        parameters = self._parameters(id=id, change_id=change_id, **{**_UNCHANGED, **changes})
        parameters["embedding_model"] = None if parameters["embedding"] is None else parameters["embedding_model"]
        parameters["tags"] = None if parameters["tags"] is None else [*parameters["tags"]]
        parameters["metadata"] = None if parameters["metadata"] is None else Jsonb(parameters["metadata"])
        memory = (
            self._update(parameters)
            if parameters["text"] is None
            else self._update_text(parameters["text"], parameters)
        )
        if memory is None:
            raise self._superseded(id)
        return memory

    def hold(self, id: int) -> ArchivalMemory:
        """One memory, which nobody else changes until the transaction ends.

        Raises:
            NotFoundError: the agent has no archival memory of that id.
            ConflictError: another memory replaces it already.
        """
        with self._connection.cursor(row_factory=class_row(ArchivalMemory)) as cursor:
            memory = cursor.execute(SQL.hold, self._parameters(id=id)).fetchone()
        if memory is None:
            raise self._superseded(id)
        return memory

    def _update(self, parameters: Mapping[str, Any]) -> ArchivalMemory | None:
        with self._connection.cursor(row_factory=class_row(ArchivalMemory)) as cursor:
            return cursor.execute(SQL.update, parameters).fetchone()

    def _update_text(self, text: str, parameters: Mapping[str, Any]) -> ArchivalMemory | None:
        try:
            with self._connection.transaction():  # the caller's transaction outlives a text that is taken
                return self._update(parameters)
        except UniqueViolation as error:
            if self._retire_expired([text], parameters["change_id"]):
                return self._update(parameters)
            row = self._connection.execute(SQL.of_text, self._parameters(text=text)).fetchone()
            which = f"archival memory {row[0]}" if row else "another archival memory"
            raise ConflictError(f"{which} says this already: change or delete that one, or supersede it") from error

    def delete(self, ids: Sequence[int], *, change_id: UUID) -> Sequence[int]:
        """Remove memories, keeping them in the history; answers the ids that were there."""
        rows = self._connection.execute(SQL.delete, self._parameters(ids=[*ids], change_id=change_id)).fetchall()
        return [row[0] for row in rows]

    def touch(self, ids: Sequence[int]) -> int:
        """Record that memories were used; answers how many rows were written (each at most once a minute)."""
        return self._connection.execute(SQL.touch, self._parameters(ids=[*ids])).rowcount

    def near_duplicates(
        self, of: int | Vector, *, dimensions: int, threshold: float, limit: int
    ) -> Sequence[NearDuplicate]:
        """Living memories that are at least that similar to a vector, or to the memory of an id, nearest first.

        Raises:
            NotFoundError: the agent has no archival memory of that id.
            ConflictError: that one has no vector.
        """
        id, vector = (of, None) if isinstance(of, int) else (None, of)
        parameters = self._parameters(id=id, embedding=vector, threshold=threshold, limit=limit + (id is not None))
        with self._connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_alike(dimensions), parameters).fetchall()
        if id is not None and not rows:
            raise self._not_found(id)
        if id is not None and not rows[0]["embedded"]:
            raise ConflictError(
                f"archival memory {id} has no vector yet: memgpt embeddings backfill adds those missing"
            )
        return [_near(row) for row in rows if row["id"] is not None][:limit]

    def _parameters(self, **values: Any) -> dict[str, Any]:
        return {"agent_id": self._author.agent_id, "actor": self._author.actor, **values}

    def _superseded(self, id: int) -> ConflictError:
        """Return the error for a memory that only history has to do with.

        Raises:
            NotFoundError: the agent has no archival memory of that id.
        """
        memory = self.get(id)
        if memory.superseded_by is None:
            return ConflictError(f"archival memory {id} expired and was set aside: remember its text again")
        return ConflictError(
            f"archival memory {id} was superseded by archival memory {memory.superseded_by}: change that one"
        )

    def _not_found(self, id: int) -> NotFoundError:
        return NotFoundError(f"agent {self._author.agent_id!r} has no archival memory {id}")


def _batches(memories: Sequence[tuple[str, NewMemory]]) -> Iterator[Sequence[tuple[str, NewMemory]]]:
    for start in range(0, len(memories), BATCH):
        yield memories[start : start + BATCH]


def _remember(dimensions: int) -> bytes:
    return queries.compose_partly(SQL.remember, near_duplicates=_nearest(dimensions, "%(embedding)s"))


def _alike(dimensions: int) -> bytes:
    return queries.compose(SQL.alike, near_duplicates=_nearest(dimensions, "(SELECT o.embedding FROM own o)"))


def _nearest(dimensions: int, vector: str) -> bytes:
    of_type = codes.code_type(dimensions)
    distance, code = codes.distance(of_type), codes.code(of_type, vector)
    return queries.compose(SQL.near_duplicates, vector=vector.encode(), distance=distance, code=code)


def _near(row: dict[str, Any]) -> NearDuplicate:
    similarity = row.pop("similarity")
    del row["embedded"]
    return NearDuplicate(ArchivalMemory(**row), similarity)


def _list(hidden: frozenset[str]) -> bytes:
    return queries.compose(SQL.list, tagged=SQL.tagged if "@>" in hidden else b"")
