"""Archival memory as ``memory.archival``: what ``remember`` and ``forget`` stand on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Unpack
from uuid import UUID

from pgvector import Vector

from memgpt import validation
from memgpt.archival.store import ArchivalStore, NewMemory, Written
from memgpt.database.connection import Connection
from memgpt.errors import InputError, MismatchError
from memgpt.models import ActiveModel, ArchivalMemory, Json, MemoryFields, NearDuplicate, Remembered
from memgpt.scope import batches
from memgpt.scope.batches import Batch, OnError
from memgpt.scope.scope import AgentScope

NEARLY_THE_SAME: Final = 0.95
"""Cosine similarity from which two texts are reported as near-duplicates."""

MOST_SIMILAR: Final = 5
"""Near-duplicates that are reported with a new text."""

_KEYS: Final = ("text", "tags", "importance", "source", "metadata", "created_at", "expires_at", "embedding")


class Archival:
    """The archival memories of one agent."""

    def __init__(self, scope: AgentScope) -> None:
        self._scope = scope

    def insert(self, text: str, **fields: Unpack[MemoryFields]) -> Remembered:
        """Keep one text and report what says nearly the same.

        The keywords are those of :class:`MemoryFields`. A text that a living memory has already is merged into that
        one, as an update that ``undo`` takes back: tags are united, metadata merged (of a key that both have the new
        value), the larger importance and the later expiry count; a text remembered without an expiry is for good.

        Raises:
            InputError: the text is empty, or a field has a bad value; nothing was written.
        """
        checked = self._checked({"text": text, **fields}, "")
        return self._scope.repeat_on_switch(lambda: self._insert(checked))

    def _insert(self, checked: Mapping[str, Any]) -> Remembered:
        [memory] = self._embedded([checked])

        def write(connection: Connection, change_id: UUID, model: ActiveModel) -> tuple[ActiveModel, Written]:
            return self._store(connection).remember(
                memory,
                change_id=change_id,
                language=self._scope.languages_of(connection, [memory.text], guarded=True)[0],
                model=model,
                threshold=NEARLY_THE_SAME,
                limit=MOST_SIMILAR,
            )

        written = self._scope.write(write)
        if written.id is not None:
            return Remembered(written.id, duplicate=False, similar=written.similar)
        with self._scope.change() as (connection, change_id):  # a memory has the text already
            [remembered] = self._store(connection).insert(
                [memory], change_id=change_id, merge_first=True, **self._how(connection, [memory])
            )
        return Remembered(remembered.id, remembered.duplicate, [id for id in written.similar if id != remembered.id])

    def insert_many(self, memories: Iterable[Mapping[str, Any]], *, on_error: OnError = "fail") -> Batch[Remembered]:
        """Keep many texts in one transaction: all or, if one of them is bad, none. One answer per text, in order.

        Each is a mapping with ``text`` and the fields of :meth:`insert`. A text that occurs twice is merged as there.
        With ``on_error="skip"`` bad ones are left out; with "replace" characters that cannot be stored become U+FFFD,
        and what is bad in another way is left out. ``problems`` of the answer names each with its index and field.

        Raises:
            InputError: names the item and its field; nothing was written.
        """
        checked, problems = batches.checked(memories, self._checked, on_error)
        if not checked:
            return Batch((), problems)

        def write() -> Sequence[Remembered]:
            prepared = self._embedded(checked)
            with self._scope.change() as (connection, change_id):
                self._scope.new_rows.add("archival_memories", len(prepared))
                return self._store(connection).insert(prepared, change_id=change_id, **self._how(connection, prepared))

        return Batch(self._scope.repeat_on_switch(write), problems)

    def get(self, id: int) -> ArchivalMemory:
        """One memory.

        Raises:
            NotFoundError: the agent has no archival memory of that id.
        """
        validation.row_id(id)
        return self._scope.read(lambda connection: self._store(connection).get(id))

    def list(
        self,
        *,
        limit: int = 50,
        tags: Sequence[str] | None = None,
        after: ArchivalMemory | int | None = None,
        superseded: bool = False,
    ) -> Sequence[ArchivalMemory]:
        """Memories, newest first, that have all the tags; ``after`` is the last one of the page before, or its id."""
        wanted = None if tags is None else validation.names(tags, "tags")
        limit = validation.limit(limit)
        if isinstance(after, int):
            validation.row_id(after, "after")
        else:
            validation.row(after, "after", "created_at")

        def work(connection: Connection) -> Sequence[ArchivalMemory]:
            store = self._store(connection)
            last = store.get(after) if isinstance(after, int) else after
            return store.list(limit=limit, tags=wanted, after=last, superseded=superseded)

        return self._scope.read(work)

    def update(
        self,
        id: int,
        *,
        text: str | None = None,
        tags: Sequence[str] | None = None,
        importance: float | None = None,
        source: str | None = None,
        metadata: Json | None = None,
        expires_at: datetime | str | None = None,
        clear_expiry: bool = False,
        embedding: Any = None,
    ) -> ArchivalMemory:
        """Change what is given and keep the rest; a new text is embedded anew.

        Raises:
            NotFoundError: the agent has no archival memory of that id.
            ConflictError: another memory has that text, or replaces this one already.
        """
        validation.row_id(id)
        if text is None and embedding is not None:
            raise InputError("an embedding is changed together with its text: give both")
        fields: dict[str, Any] = {
            "tags": None if tags is None else validation.names(tags, "tags"),
            "importance": None if importance is None else validation.share(importance, "importance"),
            "source": validation.source(source),
            "metadata": None if metadata is None else validation.json_object(metadata, "metadata"),
            "expires_at": validation.moment(expires_at, "expires_at"),
        }
        if text is not None:
            validation.text(text, "text")

        def write() -> ArchivalMemory:
            vector = None if text is None else self._vector(text, embedding)
            with self._scope.change() as (connection, change_id):
                return self._store(connection).update(
                    id,
                    change_id=change_id,
                    text=text,
                    language=None if text is None else self._scope.languages_of(connection, [text])[0],
                    embedding=vector,
                    embedding_model=self._scope.model.name,
                    clear_expiry=clear_expiry,
                    **fields,
                )

        return self._scope.repeat_on_switch(write)

    def supersede(self, id: int, text: str, **fields: Unpack[MemoryFields]) -> Remembered:
        """Keep a text that replaces an older memory, which no search finds any more but the history keeps.

        A text that a living memory has already is merged into that one, as :meth:`insert` does.

        Raises:
            NotFoundError: the agent has no archival memory of that id; nothing was written.
            ConflictError: another memory replaces it already; the message names that one, and nothing was written.
        """
        validation.row_id(id)
        checked = self._checked({"text": text, **fields}, "")

        def write() -> Remembered:
            [memory] = self._embedded([checked])
            with self._scope.change() as (connection, change_id):
                store = self._store(connection)
                store.lock_texts()  # two that supersede by each other's texts would wait for each other
                if validation.normal(store.hold(id).text) == validation.normal(memory.text):
                    raise MismatchError(f"archival memory {id} says this already")
                [replacement] = store.insert([memory], change_id=change_id, **self._how(connection, [memory]))
                store.update(id, change_id=change_id, superseded_by=replacement.id)
            return replacement

        return self._scope.repeat_on_switch(write)

    def delete(self, id: int) -> None:
        """Remove one memory; the history keeps it and ``undo`` brings it back. ``forget`` is for good.

        Raises:
            NotFoundError: the agent has no archival memory of that id.
        """
        validation.row_id(id)
        with self._scope.change() as (connection, change_id):
            store = self._store(connection)
            store.get(id)
            store.delete([id], change_id=change_id)

    def touch(self, ids: Iterable[int]) -> None:
        """Record that these memories were used: a write of its own, never part of a read."""
        wanted = sorted({validation.row_id(id, "ids") for id in ids})
        if wanted:
            with self._scope.transaction() as connection:
                self._store(connection).touch(wanted)

    def near_duplicates(
        self, of: int | str, *, threshold: float = NEARLY_THE_SAME, limit: int = 10
    ) -> Sequence[NearDuplicate]:
        """Return living memories that say nearly what a memory, by its id, or a text says, nearest first.

        A memory is compared by the vector it has, so that no model is asked; one that is superseded has one, too.

        Args:
            threshold: least cosine similarity, 0 to 1.

        Raises:
            NotFoundError: the agent has no archival memory of that id.
            ConflictError: that memory has no vector.
            InputError: it is a text, and there is no embedding model.
        """
        threshold, limit = validation.share(threshold, "threshold"), validation.limit(limit)
        if isinstance(of, str):
            validation.text(of, "text")
            if not self._scope.embeds:
                raise InputError("near-duplicates are found by embeddings, and no embedding model is configured")
        else:
            validation.row_id(of)

        def read() -> Sequence[NearDuplicate]:
            wanted = self._scope.embed([of])[0] if isinstance(of, str) else of
            assert wanted is not None  # noqa: S101 - there is a model
            dimensions = self._scope.model.dimensions
            return self._scope.read(
                lambda connection: self._store(connection).near_duplicates(
                    wanted, dimensions=dimensions, threshold=threshold, limit=limit
                )
            )

        return self._scope.repeat_on_switch(read)

    def _store(self, connection: Connection) -> ArchivalStore:
        return ArchivalStore(connection, self._scope.author)

    def _how(self, connection: Connection, memories: Sequence[NewMemory]) -> dict[str, Any]:
        languages = self._scope.languages_of(connection, [memory.text for memory in memories])
        return {"languages": languages, "embedding_model": self._scope.model.name}

    def _vector(self, text: str, embedding: Any) -> Vector | None:
        if embedding is not None:
            return validation.vector(embedding, "embedding", dimensions=self._scope.model.dimensions)
        return self._scope.embed([text])[0]

    def _embedded(self, checked: Sequence[Mapping[str, Any]]) -> Sequence[NewMemory]:
        """With the vectors nobody gave, before any transaction is opened."""
        missing = [n for n, fields in enumerate(checked) if fields["embedding"] is None]
        ready = [fields["embedding"] for fields in checked]
        for n, vector in zip(missing, self._scope.embed([checked[n]["text"] for n in missing]), strict=True):
            ready[n] = vector
        return [NewMemory(**{**fields, "embedding": vector}) for vector, fields in zip(ready, checked, strict=True)]

    def _checked(self, value: Mapping[str, Any], where: str) -> dict[str, Any]:
        fields = _checked(value, where)
        if (vector := value.get("embedding")) is not None:
            vector = validation.vector(vector, f"{where}embedding", dimensions=self._scope.model.dimensions)
        return {**fields, "embedding": vector}


def _checked(value: Mapping[str, Any], where: str) -> dict[str, Any]:
    value = validation.item(value, f"{where}memory", _KEYS)
    return {
        "text": validation.text(value.get("text"), f"{where}text"),
        "tags": validation.names(value.get("tags") or [], f"{where}tags"),
        "importance": validation.share(value.get("importance", 0.5), f"{where}importance"),
        "source": validation.source(value.get("source"), f"{where}source"),
        "metadata": validation.json_object(value.get("metadata"), f"{where}metadata"),
        "created_at": validation.moment(value.get("created_at"), f"{where}created_at"),
        "expires_at": validation.moment(value.get("expires_at"), f"{where}expires_at"),
    }
