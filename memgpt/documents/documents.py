"""Documents as ``memory.documents``: a text cut into chunks, embedded, stored, and given back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from psycopg.errors import UniqueViolation

from memgpt import validation
from memgpt.database.connection import Connection
from memgpt.database.embedded_text import chunk_text
from memgpt.documents.formats import chunking
from memgpt.documents.store import DocumentStore, NewChunk, NewDocument
from memgpt.errors import ConflictError, InputError
from memgpt.models import Chunk, Document, Json
from memgpt.scope.scope import AgentScope

MAX_TOKENS: Final = 2**31 - 1

_KEYS: Final = (
    *("chunk_text", "text", "heading_path", "page", "char_start", "char_end", "tokens", "metadata", "embedding"),
)


class Documents:
    """The documents of one agent."""

    def __init__(self, scope: AgentScope) -> None:
        self._scope = scope

    def add(
        self,
        text: str,
        *,
        title: str | None = None,
        source: str | None = None,
        media_type: str | None = None,
        metadata: Json | None = None,
    ) -> Document:
        """Cut a plain or Markdown text into chunks, embed them and keep the document, in one transaction.

        ``media_type`` is ``text/markdown`` or ``text/plain``; absent, a text with headings is Markdown. Absent, the
        ``title`` is the first heading, or the source. The same text from the same ``source`` is kept once: metadata and
        a title that come with it are merged into the document, as an update that ``undo`` takes back.

        Raises:
            ConflictError: another text from that source is there already.
        """
        body = validation.text(text, "text")
        if media_type not in (None, chunking.MARKDOWN, chunking.PLAIN):
            raise InputError(f"media_type must be {chunking.MARKDOWN} or {chunking.PLAIN}, not {media_type!r}")
        headings = chunking.headings(body) if media_type != chunking.PLAIN else []
        media_type = media_type or (chunking.MARKDOWN if headings else chunking.PLAIN)
        title = validation.optional_name(title, "title")
        document = NewDocument(
            title=title or (headings[0].title if headings else source or ""),
            source=validation.source(source),
            media_type=media_type,
            content_hash=hashlib.sha256(body.encode()).hexdigest(),
            metadata=validation.json_object(metadata, "metadata"),
        )
        there = self._already(document, title)
        if there is not None:
            return there
        spans = chunking.spans(body, media_type=media_type)
        counts = self._scope.count_tokens([span.chunk_text for span in spans])
        contexts = [context_of(document.title, span.heading_path, span.table_header) for span in spans]
        texts = [chunk_text(span.chunk_text, context) for span, context in zip(spans, contexts, strict=True)]

        def write() -> Document:
            chunks = [
                NewChunk(s.chunk_text, s.heading_path, None, s.char_start, s.char_end, tokens, context, vector)
                for s, tokens, context, vector in zip(spans, counts, contexts, self._scope.embed(texts), strict=True)
            ]
            return self._insert(document, chunks, title)

        return self._scope.repeat_on_switch(write)

    def create(
        self,
        chunks: Iterable[Mapping[str, Any]],
        *,
        title: str = "",
        source: str | None = None,
        media_type: str | None = None,
        content_hash: str | None = None,
        metadata: Json | None = None,
    ) -> Document:
        """Keep a document that is cut already, in one transaction.

        Each chunk is a mapping with ``chunk_text`` (or ``text``) and, if known, ``heading_path``, ``page``,
        ``char_start``, ``char_end``, ``tokens``, ``metadata`` and ``embedding``.

        Raises:
            InputError: names the bad chunk; nothing was written.
            ConflictError: another document from that source is there already.
        """
        document = NewDocument(
            title=validation.name(title, "title", empty=True),
            source=validation.source(source),
            media_type=validation.optional_name(media_type, "media_type"),
            content_hash=validation.optional_name(content_hash, "content_hash"),
            metadata=validation.json_object(metadata, "metadata"),
        )
        named = document.title or None
        if there := self._already(document, named):
            return there
        items = list(chunks)
        return self._scope.repeat_on_switch(lambda: self._insert(document, self._prepared(items), named))

    def get(self, id: int) -> Document:
        """One document.

        Raises:
            NotFoundError: the agent has no document of that id.
        """
        validation.row_id(id)
        return self._scope.read(lambda connection: self._store(connection).get(id))

    def find(self, source: str) -> Document | None:
        """Return the document from that source, if there is one."""
        wanted = validation.name(source, "source", most=validation.MAX_SOURCE)
        return self._scope.read(lambda connection: self._store(connection).find(wanted))

    def list(self, *, limit: int = 50, after: Document | None = None) -> Sequence[Document]:
        """Documents, newest first; ``after`` is the last one of the page before."""
        limit = validation.limit(limit)
        validation.row(after, "after", "created_at")
        return self._scope.read(lambda connection: self._store(connection).list(limit=limit, after=after))

    def chunk(self, id: int) -> Chunk:
        """One chunk.

        Raises:
            NotFoundError: the agent has no chunk of that id.
        """
        validation.row_id(id)
        return self._scope.read(lambda connection: self._store(connection).get_chunk(id))

    def chunks(self, document_id: int, *, limit: int = 1000, after: Chunk | None = None) -> Sequence[Chunk]:
        """Return the chunks of a document in its order; ``after`` is the last one of the page before.

        Raises:
            NotFoundError: the agent has no document of that id.
        """
        validation.row_id(document_id, "document_id")
        limit = validation.limit(limit)
        validation.row(after, "after", "chunk_index")

        def work(connection: Connection) -> Sequence[Chunk]:
            store = self._store(connection)
            return store.chunks(store.get(document_id).id, limit=limit, after=after)

        return self._scope.read(work)

    def text(self, document_id: int) -> str:
        """Return the text the chunks were cut from: ``text[chunk.char_start:chunk.char_end]`` is ``chunk.chunk_text``.

        It is put together from the chunks; blank stretches between them come back as line breaks.

        Raises:
            NotFoundError: the agent has no document of that id.
            InputError: its chunks do not know their places.
        """
        validation.row_id(document_id, "document_id")

        def work(connection: Connection) -> Sequence[Chunk]:
            store = self._store(connection)
            return store.all_chunks(store.get(document_id).id)

        parts: list[str] = []
        length = 0
        for chunk in self._scope.read(work):
            if chunk.char_start is None:
                raise InputError(f"chunk {chunk.id} of document {document_id} has no position in the text")
            gap = chunk.char_start - length
            parts.append(" " if gap == 1 else "\n" * gap)
            parts.append(chunk.chunk_text[max(-gap, 0) :])
            length = max(length, chunk.char_start + len(chunk.chunk_text))
        return "".join(parts)

    def update(
        self, id: int, *, title: str | None = None, source: str | None = None, metadata: Json | None = None
    ) -> Document:
        """Change what is given and keep the rest. A new text is a new document.

        Raises:
            ConflictError: another document is from that source.
        """
        validation.row_id(id)
        with self._scope.change() as (connection, change_id):
            try:
                return self._store(connection).update(
                    id,
                    change_id=change_id,
                    title=None if title is None else validation.name(title, "title", empty=True),
                    source=validation.source(source),
                    metadata=None if metadata is None else validation.json_object(metadata, "metadata"),
                )
            except UniqueViolation:
                raise ConflictError(f"another document is from {source!r}") from None

    def delete(self, id: int) -> None:
        """Remove a document with its chunks; the history keeps them and ``undo`` brings them back.

        Raises:
            NotFoundError: the agent has no document of that id.
        """
        validation.row_id(id)
        with self._scope.change() as (connection, change_id):
            self._store(connection).delete(id, change_id=change_id)

    def count(self) -> int:
        """Count the documents."""
        return self._scope.read(lambda connection: self._store(connection).count())

    def _store(self, connection: Connection) -> DocumentStore:
        return DocumentStore(connection, self._scope.author)

    def _already(self, document: NewDocument, title: str | None) -> Document | None:
        """Return the document, with what is new about it, if it was kept before; refuse another one of its source."""
        if document.source is None:
            return None
        there = self.find(document.source)
        if there is not None and (document.content_hash is None or there.content_hash != document.content_hash):
            raise ConflictError(
                f"{document.source!r} is document {there.id} already, with another text: "
                f"delete({there.id}) first, in the same transaction if it is to be replaced"
            )
        if there is None or (title is None and not document.metadata):
            return there
        with self._scope.change() as (connection, change_id):
            store, metadata = self._store(connection), document.metadata or {}
            return store.learn(there.id, title=title, metadata=metadata, change_id=change_id) or there

    def _insert(self, document: NewDocument, chunks: Sequence[NewChunk], title: str | None) -> Document:
        with self._scope.change() as (connection, change_id):
            inserted = self._store(connection).insert(
                document,
                chunks,
                change_id=change_id,
                languages=self._scope.languages_of(connection, [chunk.chunk_text for chunk in chunks]),
                embedding_model=self._scope.model.name,
            )
        inserted = inserted or self._already(document, title)  # somebody else kept it since we looked
        if inserted is None:
            raise ConflictError(f"{document.source!r} is being written and removed by somebody else: try again")
        return inserted

    def _prepared(self, items: Sequence[Mapping[str, Any]]) -> Sequence[NewChunk]:
        """Check, count and embed chunks, before any transaction is opened."""
        checked = [_checked(value, f"chunk {n}: ") for n, value in enumerate(items)]
        uncounted = [fields for fields in checked if fields["tokens"] is None]
        counts = self._scope.count_tokens([fields["chunk_text"] for fields in uncounted])
        for fields, tokens in zip(uncounted, counts, strict=True):
            fields["tokens"] = tokens
        dimensions = self._scope.model.dimensions
        for n, (value, fields) in enumerate(zip(items, checked, strict=True)):
            if value.get("embedding") is not None:
                where = f"chunk {n}: embedding"
                fields["embedding"] = validation.vector(value["embedding"], where, dimensions=dimensions)
        missing = [fields for fields in checked if "embedding" not in fields]
        texts = [chunk_text(fields["chunk_text"], fields["metadata"]) for fields in missing]
        for fields, vector in zip(missing, self._scope.embed(texts), strict=True):
            fields["embedding"] = vector
        return [NewChunk(**fields) for fields in checked]


def context_of(title: str, heading_path: Sequence[str], table_header: str | None) -> Json:
    """Return the metadata of a chunk that say where in its document it stands."""
    context = chunking.context(title, heading_path, table_header)
    return {"context": context} if context else {}


def _checked(value: Mapping[str, Any], where: str) -> dict[str, Any]:
    value = validation.item(value, f"{where}chunk", _KEYS)
    fields: dict[str, Any] = {
        "chunk_text": validation.text(value.get("chunk_text", value.get("text")), f"{where}chunk_text"),
        "heading_path": [
            validation.text(title, f"{where}heading_path[{n}]")
            for n, title in enumerate(value.get("heading_path") or ())
        ],
        "metadata": validation.json_object(value.get("metadata"), f"{where}metadata"),
    }
    for key in ("page", "char_start", "char_end", "tokens"):
        number = value.get(key)
        if number is not None and number != 0:
            validation.limit(number, f"{where}{key}", most=MAX_TOKENS)
        fields[key] = number
    start, end = fields["char_start"], fields["char_end"]
    if start is not None and end is not None and start > end:
        raise InputError(f"{where}char_start {start} is after char_end {end}")
    return fields
