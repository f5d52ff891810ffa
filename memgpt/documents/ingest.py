"""The documents of one agent: read, compared with what is there, embedded and stored."""

from __future__ import annotations

import io
import os
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from memgpt import validation
from memgpt.database.connection import Connection
from memgpt.database.embedded_text import chunk_text
from memgpt.documents import documents, files
from memgpt.documents.files import FileCandidate
from memgpt.documents.formats import chunking, media_types
from memgpt.documents.prepare import Prepared, UnembeddedChunk, content_hash, prepare
from memgpt.documents.report import Ingested, IngestReport, Outcome
from memgpt.documents.store import DocumentStore, Fingerprint, NewChunk, NewDocument
from memgpt.documents.workers import prepare_each
from memgpt.errors import ConflictError, InputError, NotFoundError
from memgpt.models import Document, Json
from memgpt.scope.scope import AgentScope
from memgpt.telemetry import span


class Ingest:
    """Documents of one agent, from their sources. Each is stored in a transaction of its own."""

    def __init__(self, scope: AgentScope) -> None:
        self._scope = scope

    def one(
        self,
        content: Path | bytes | str | None,
        *,
        text: str | None = None,
        title: str | None = None,
        source: str | None = None,
        media_type: str | None = None,
        encoding: str | None = None,
        ocr: bool = False,
        metadata: Json | None = None,
    ) -> Ingested:
        """Keep one document; see :meth:`memgpt.memory.Memory.ingest`."""
        if (content is None) == (text is None):
            raise InputError("give either content or text")
        title, source = validation.optional_name(title, "title"), validation.source(source)
        metadata = validation.json_object(metadata, "metadata")
        media_type = None if media_type is None else validation.choice(media_type, _MEDIA_TYPES, "media_type")
        raw = validation.text(text, "text") if content is None else _path_or_text(content)
        if isinstance(raw, Path):
            data, source = _read(raw), source or _source(raw)
        elif isinstance(raw, bytes):
            data = raw
        else:
            data, media_type, encoding = raw.encode(), media_type or _text_type(raw), "utf-8"
        digest = content_hash(io.BytesIO(data), encoding, ocr)
        try:
            there = self._there(_Seen(self._fingerprints(source, digest)), source, digest)
            if there is not None:
                return self._learned(there, title, metadata)
            with span("ingest.extract"):
                prepared = prepare(data, source or "", media_type, encoding, ocr=ocr)
        except InputError as error:
            raise InputError(f"{source or title or 'the document'}: {error}") from None
        with span("ingest.keep"):
            return self._keep(source, prepared, title, metadata)

    def many(
        self,
        paths: str | Path | Iterable[str | Path],
        *,
        glob: Sequence[str] = (),
        exclude: Sequence[str] = (),
        workers: int | None = None,
        encoding: str | None = None,
        ocr: bool = False,
        progress: Callable[[Ingested, int, int], None] | None = None,
    ) -> IngestReport:
        """Keep the documents in files and directories; see :meth:`memgpt.memory.Memory.ingest_files`."""
        begun = time.monotonic()
        named = [paths] if isinstance(paths, (str, Path)) else paths
        candidates = list(files.find([Path(path) for path in named], glob=glob, exclude=exclude))
        assert self._scope.model  # noqa: S101 - raises before the work where it would be in vain
        results: list[Ingested] = []
        with closing(self._run(candidates, workers or min(os.cpu_count() or 1, 4), encoding, ocr)) as outcomes:
            for result in outcomes:
                results.append(result)
                if progress is not None:
                    progress(result, len(results), len(candidates))
        return IngestReport(results, time.monotonic() - begun)

    def sent(self, files: Mapping[Path, str], metadata: Json | None) -> Iterator[Ingested]:
        """Keep documents that somebody sent; see :meth:`memgpt.memory.Memory.ingest_uploads`."""
        about = validation.json_object(metadata, "metadata")
        with closing(prepare_each(files, str, workers=1)) as documents:
            for path, prepared in documents:
                if isinstance(prepared, Prepared):
                    yield self._keep(files[path], prepared, None, about)
                else:
                    yield Ingested(files[path], "failed", reason=str(prepared))

    def _run(
        self, candidates: Sequence[FileCandidate], workers: int, encoding: str | None, ocr: bool
    ) -> Generator[Ingested]:
        seen = _Seen(self._scope.read(lambda connection: DocumentStore(connection, self._scope.author).fingerprints()))
        copies: list[FileCandidate] = []
        yield from self._pass(candidates, workers, encoding, ocr, seen, copies)
        yield from self._pass(copies, workers, encoding, ocr, seen, None)  # of what may have been changed meanwhile

    def _pass(
        self,
        candidates: Sequence[FileCandidate],
        workers: int,
        encoding: str | None,
        ocr: bool,
        seen: _Seen,
        copies: list[FileCandidate] | None,
    ) -> Generator[Ingested]:
        """Ingest files and yield their outcomes; collect in ``copies``, if given, those whose content another source
        has already."""
        settled: list[Ingested] = []
        unread = self._unread(candidates, encoding, ocr, seen, settled, copies)
        each = prepare_each(
            unread, lambda candidates: str(candidates.path), workers=workers, encoding=encoding, ocr=ocr
        )
        with closing(each) as documents:
            for item, prepared in documents:
                yield from _drain(settled)
                source = _source(item.path)
                if isinstance(prepared, Prepared):
                    result = self._keep(source, prepared, None, {}, seen)
                    if result.outcome in ("new", "changed"):
                        seen.add(Fingerprint(result.document_id or 0, source, prepared.content_hash))
                    yield result
                else:
                    yield Ingested(source, "failed", reason=str(prepared))
        yield from _drain(settled)

    def _unread(
        self,
        candidates: Iterable[FileCandidate],
        encoding: str | None,
        ocr: bool,
        seen: _Seen,
        settled: list[Ingested],
        copies: list[FileCandidate] | None,
    ) -> Iterator[FileCandidate]:
        """Yield the files whose content is not stored yet; add the outcome of every other one to ``settled``."""
        for item in candidates:
            source = _source(item.path)
            if item.refused or item.skipped:
                outcome: Outcome = "failed" if item.refused else "skipped"
                settled.append(Ingested(source, outcome, reason=item.refused or item.skipped))
                continue
            try:
                with item.path.open("rb") as file:
                    digest = content_hash(file, encoding, ocr)
            except OSError as error:
                settled.append(Ingested(source, "failed", reason=f"unreadable: {error.strerror}"))
                continue
            there = self._there(seen, source, digest)
            if there is None:
                yield item
            elif there.outcome == "duplicate" and copies is not None:
                copies.append(item)
            else:
                settled.append(there)

    def _there(self, seen: _Seen, source: str | None, digest: str) -> Ingested | None:
        """Return the outcome for content that is stored already, None if it is not."""
        same = seen.by_source.get(source) if source is not None else None
        if same is not None:
            return Ingested(source, "unchanged", same.id) if same.content_hash == digest else None
        other = seen.by_hash.get(digest)
        if other is None:
            return None
        if source is None:
            return Ingested(source, "unchanged", other.id)
        return Ingested(source, "duplicate", other.id, reason=f"the same content as {other.source or 'a text'}")

    def _keep(
        self, source: str | None, prepared: Prepared, title: str | None, metadata: Json, seen: _Seen | None = None
    ) -> Ingested:
        """``seen`` is what was there when somebody looked; absent, or proved wrong, it is looked up."""
        document = NewDocument(
            title or prepared.title,
            source,
            prepared.media_type,
            prepared.content_hash,
            {**prepared.metadata, **metadata},
        )
        for _ in range(3):
            seen = seen or _Seen(self._fingerprints(source, prepared.content_hash))
            if there := self._there(seen, source, prepared.content_hash):
                return self._learned(there, title, metadata)
            before = seen.by_source.get(source) if source is not None else None
            stored = self._scope.repeat_on_switch(partial(self._store, before, document, prepared))
            if stored is not None:
                return stored
            seen = None
        raise ConflictError(f"{source or 'the document'} is being written by somebody else: try again")

    def _learned(self, there: Ingested, title: str | None, metadata: Json) -> Ingested:
        """Merge what the caller says about stored content into its document, and return the outcome."""
        title = title if there.outcome == "unchanged" else None  # another source has a title of its own
        if (title is None and not metadata) or there.document_id is None:
            return there
        with self._scope.change() as (connection, change_id):
            store = DocumentStore(connection, self._scope.author)
            learned = store.learn(there.document_id, title=title, metadata=metadata, change_id=change_id)
        if learned is None:
            return there
        return replace(there, reason="; ".join(filter(None, (there.reason, "metadata updated"))))

    def _store(self, before: Fingerprint | None, document: NewDocument, prepared: Prepared) -> Ingested | None:
        return self._insert(document, prepared) if before is None else self._replace(before, document, prepared)

    def _insert(self, document: NewDocument, prepared: Prepared) -> Ingested | None:
        """None when somebody else has stored a document from that source since we looked."""
        chunks = self._embedded(document.title, prepared.cuts)
        with self._scope.change() as (connection, change_id):
            store = DocumentStore(connection, self._scope.author)
            inserted = store.insert(document, chunks, change_id=change_id, **self._how(connection, chunks))
            self._scope.new_rows.add("document_chunks", len(chunks))
        return None if inserted is None else _answer("new", inserted, chunks, prepared.note)

    def _replace(self, before: Fingerprint, document: NewDocument, prepared: Prepared) -> Ingested | None:
        """Return None when somebody else has changed the document since we looked."""
        old_chunks = self._scope.read(
            lambda connection: DocumentStore(connection, self._scope.author).all_chunks(before.id)
        )
        left = defaultdict(list)
        for chunk in reversed(old_chunks):
            left[chunk.chunk_text, chunk.metadata.get("context")].append(chunk)
        identities = [(cut.chunk_text, _context(document.title, cut).get("context")) for cut in prepared.cuts]
        same = [left[identity].pop() if left[identity] else None for identity in identities]
        fresh = iter(
            self._embedded(
                document.title, [cut for cut, chunk in zip(prepared.cuts, same, strict=True) if chunk is None]
            )
        )
        chunks = [
            next(fresh) if chunk is None else (chunk.id, _new_chunk(document.title, cut, chunk.tokens, None))
            for cut, chunk in zip(prepared.cuts, same, strict=True)
        ]
        with self._scope.change() as (connection, change_id):
            store = DocumentStore(connection, self._scope.author)
            replaced = store.replace(
                before.id,
                document,
                chunks,
                expected_hash=before.content_hash,
                change_id=change_id,
                **self._how(connection, [chunk for chunk in chunks if isinstance(chunk, NewChunk)]),
            )
            self._scope.new_rows.add("document_chunks", len(chunks))
        added = [chunk for chunk in chunks if isinstance(chunk, NewChunk)]
        removed = sum(map(len, left.values()))
        if replaced is None:
            return None
        return _answer("changed", replaced, added, prepared.note, len(chunks) - len(added), removed)

    def _embedded(self, title: str, cuts: Sequence[UnembeddedChunk]) -> list[NewChunk]:
        """Chunks with their vectors. No transaction is open while the model works."""
        texts = [chunk_text(cut.chunk_text, _context(title, cut)) for cut in cuts]
        counts = self._scope.count_tokens([cut.chunk_text for cut in cuts])
        return [
            _new_chunk(title, cut, tokens, vector)
            for cut, tokens, vector in zip(cuts, counts, self._scope.embed(texts), strict=True)
        ]

    def _fingerprints(self, source: str | None, digest: str) -> Sequence[Fingerprint]:
        sources = [] if source is None else [source]
        return self._scope.read(
            lambda connection: DocumentStore(connection, self._scope.author).fingerprints(sources, [digest])
        )

    def _how(self, connection: Connection, chunks: Sequence[NewChunk]) -> dict[str, Any]:
        languages = self._scope.languages_of(connection, [chunk.chunk_text for chunk in chunks])
        return {"languages": languages, "embedding_model": self._scope.model.name}


_MEDIA_TYPES = sorted(set(media_types.BY_SUFFIX.values()))


class _Seen:
    """Documents that are there, by where they are from and by what is in them."""

    def __init__(self, fingerprints: Iterable[Fingerprint]) -> None:
        self.by_source: dict[str, Fingerprint] = {}
        self.by_hash: dict[str, Fingerprint] = {}
        for fingerprint in fingerprints:
            self.add(fingerprint)

    def add(self, fingerprint: Fingerprint) -> None:
        if fingerprint.source is not None:
            before = self.by_source.get(fingerprint.source)
            if before is not None and self.by_hash.get(before.content_hash or "") is before:
                del self.by_hash[before.content_hash or ""]
            self.by_source[fingerprint.source] = fingerprint
        if fingerprint.content_hash is not None:
            self.by_hash.setdefault(fingerprint.content_hash, fingerprint)


def _source(path: Path) -> str:
    """Return the name a file keeps from run to run, wherever the run was started."""
    return files.source_name(os.path.abspath(path))


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path} is a directory: use ingest_files")
    candidate = files.checked(path)
    if candidate.refused:
        raise (InputError if path.exists() else NotFoundError)(f"{path}: {candidate.refused}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: unreadable: {error.strerror}") from None


def _path_or_text(content: Path | bytes | str) -> Path | bytes | str:
    """Tell a text from a path: it has white space that no file name has, unless there is such a file."""
    if not isinstance(content, str):
        return content
    path = Path(content)
    try:
        there = path.exists()
    except (OSError, ValueError):  # too long, or a NUL: no path
        there = False
    if there or not any(map(str.isspace, content.strip())):
        return path
    return validation.text(content, "content")


def _text_type(text: str) -> str:
    return chunking.MARKDOWN if chunking.headings(text) else chunking.PLAIN


def _context(title: str, cut: UnembeddedChunk) -> Json:
    return documents.context_of(title, cut.heading_path, cut.table_header)


def _new_chunk(title: str, cut: UnembeddedChunk, tokens: int | None, vector: Any) -> NewChunk:
    place = (cut.heading_path, cut.page, cut.char_start, cut.char_end)
    return NewChunk(cut.chunk_text, *place, tokens, _context(title, cut), vector)


def _answer(
    outcome: Outcome, stored: Document, added: Sequence[NewChunk], note: str | None, same: int = 0, removed: int = 0
) -> Ingested:
    return Ingested(
        stored.source,
        outcome,
        stored.id,
        chunks=len(added) + same,
        kept=same,
        added=len(added),
        removed=removed,
        tokens=sum(chunk.tokens or 0 for chunk in added),
        reason=note,
    )


def _drain(settled: list[Ingested]) -> Iterator[Ingested]:
    while settled:
        yield settled.pop(0)
