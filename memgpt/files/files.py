"""Files as ``memory.files``: texts at paths, with versions and history, found by search."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

from memgpt import validation
from memgpt.database.connection import Connection
from memgpt.database.embedded_text import chunk_text
from memgpt.documents.documents import context_of
from memgpt.documents.formats import chunking
from memgpt.errors import ConflictError, InputError, MismatchError, NotFoundError
from memgpt.files import paths
from memgpt.files.folder import Folder
from memgpt.files.paths import MAX_BYTES
from memgpt.files.store import FileState, FileStore, NewPassage
from memgpt.files.sync import FolderSync
from memgpt.models import File, FileEntry, Json, SyncReport
from memgpt.scope.scope import AgentScope

_ATTEMPTS: Final = 5
"""Times that a change is tried again where somebody else writes the same file."""
_MARKDOWN: Final = (".md", ".markdown", ".mdx")
_LINES: Final = 10
"""Places of a text that an error names."""
_Key: TypeAlias = tuple[str | None, str]
"""What distinguishes a passage: where it stands, and what it says."""


class Files:
    """The files of one agent.

    A path is absolute (``/memories/notes.md``); one without a slash in front lies below ``/memories``, where Claude's
    memory tool looks. A directory is there as long as a file lies below it. Every change goes into the history, with
    the content before it.
    """

    def __init__(self, scope: AgentScope) -> None:
        self._scope = scope

    def create(self, path: str, content: str, *, metadata: Json | None = None) -> File:
        """Keep a new file, with the passages search finds it by, in one transaction.

        Raises:
            ConflictError: a file or a directory is at that path, or a file where it needs a directory.
            InputError: the content has more than 5 MB.
        """
        checked = validation.json_object(metadata, "metadata")
        state = FileState(paths.path(path), _content(content), checked)
        return self._scope.repeat_on_switch(partial(self._insert, state))

    def read(self, path: str) -> File:
        """Return a file with its content.

        Raises:
            NotFoundError: the agent has no file at that path.
        """
        wanted = paths.path(path)
        file = self._scope.read(lambda connection: self._store(connection).find(wanted))
        if file is None:
            raise NotFoundError(f"agent {self._scope.agent_id!r} has no file {wanted!r}")
        return file

    def get(self, id: int) -> File:
        """Return the file of an id, such as that of a hit.

        Raises:
            NotFoundError: the agent has no file of that id.
        """
        validation.row_id(id)
        file = self._scope.read(lambda connection: self._store(connection).get(id))
        if file is None:
            raise NotFoundError(f"agent {self._scope.agent_id!r} has no file {id}")
        return file

    def list(self, directory: str = paths.ROOT, *, limit: int = 1000, after: str | None = None) -> Sequence[FileEntry]:
        """Return the files below a directory, however deep, in the order of their paths; ``after`` is the path of the
        last one of the page before."""
        below = paths.directory(directory).rstrip("/")
        limit = validation.limit(limit)
        last = None if after is None else paths.path(after, "after")
        return self._scope.read(lambda connection: self._store(connection).list(below, limit=limit, after=last))

    def write(
        self, path: str, content: str, *, metadata: Json | None = None, expected_version: int | None = None
    ) -> File:
        """Give a file a new content, and make it if it is not there; metadata that is absent stays.

        ``expected_version`` is the version that was read, 0 for a file that is not to be there. What is the same
        already is not written.

        Raises:
            ConflictError: the file has another version, or something else is at its path.
        """
        wanted, new = paths.path(path), _content(content)
        about = None if metadata is None else validation.json_object(metadata, "metadata")
        if expected_version == 0:
            return self.create(wanted, new, metadata=about)
        if expected_version is None and self._scope.read(lambda c: self._store(c).find(wanted)) is None:
            return self.create(wanted, new, metadata=about)

        def change(before: File) -> FileState:
            return FileState(wanted, new, before.metadata if about is None else about)

        return self._changed(wanted, change, expected_version)

    def edit(self, path: str, old: str, new: str, *, expected_version: int | None = None) -> File:
        """Put ``new`` in the place of ``old``, which must occur exactly once.

        Raises:
            InputError: it does not occur, or several times; the error names the lines.
            ConflictError: the file has another version.
        """
        validation.text(old, "old")
        validation.text(new, "new", empty=True)

        def change(before: File) -> FileState:
            content = _content(_replaced(before, old, new))
            return FileState(before.path, content, before.metadata)

        return self._changed(paths.path(path), change, expected_version)

    def rename(self, path: str, to: str, *, expected_version: int | None = None) -> Sequence[str]:
        """Move a file, or a directory with everything below it; ``expected_version`` is that of a file.

        Returns:
            The new paths of the files that were moved.

        Raises:
            NotFoundError: nothing is at ``path``.
            ConflictError: something is at ``to``, or the file has another version.
        """
        source, target = paths.path(path), paths.path(to, "to")
        if source == target:
            raise ConflictError(f"{source!r} has that path already")
        if self._scope.read(lambda connection: self._store(connection).find(source)) is not None:
            return [self._changed(source, lambda before: replace(_state(before), path=target), expected_version).path]
        if target.startswith(f"{source}/"):
            raise MismatchError(f"directory {source!r} cannot be moved into itself, to {target!r}")
        with self._scope.change() as (connection, change_id):
            store = self._store(connection)
            self._make_room(store, target)
            if len(target) > len(source):
                for entry in store.list(source, limit=validation.MAX_LIMIT):
                    paths.path(target + entry.path[len(source) :], "to")
            moved = store.move(source, target, change_id=change_id)
            if not moved:
                raise NotFoundError(f"agent {self._scope.agent_id!r} has no file and no directory {source!r}")
        return moved

    def delete(self, path: str, *, expected_version: int | None = None) -> Sequence[str]:
        """Remove a file, or a directory with everything below it; ``undo`` brings it back.

        Returns:
            The paths of the files that were removed.

        Raises:
            NotFoundError: nothing is at that path.
            ConflictError: the file has another version than ``expected_version``.
        """
        wanted = paths.path(path)
        with self._scope.change() as (connection, change_id):
            store = self._store(connection)
            gone = store.delete(wanted, version=expected_version, change_id=change_id)
            if not gone:
                there = store.find(wanted)
                if there is not None:
                    raise _other_version(there, expected_version)
                raise NotFoundError(f"agent {self._scope.agent_id!r} has no file and no directory {wanted!r}")
        return gone

    def sync(
        self,
        folder: str | os.PathLike[str],
        *,
        path: str = paths.HOME,
        delete: bool = False,
        dry_run: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> SyncReport:
        """Synchronize a folder of texts with the files below ``path``, both ways.

        What changed on one side since the last time is carried over. What changed on both is a conflict: it is
        reported with both texts, and nothing is overwritten.

        Args:
            folder: a directory of this machine.
            delete: also where one side is empty, and all files of the other would be deleted.
            dry_run: report what would be done, and do nothing.
            on_progress: called with the number of files done, and of those to do.

        Raises:
            InputError: the folder is none, one side is empty, or a transaction is open, which cannot take back files.
        """
        if self._scope.in_transaction:
            raise InputError("a folder cannot be synchronized in a transaction: it could not be taken back")
        directory = paths.directory(path).rstrip("/")
        there = Folder(folder, lambda name: paths.path(f"{directory}/{name}"))
        return FolderSync(self._scope, self, there, directory).run(
            delete=delete, dry_run=dry_run, on_progress=on_progress
        )

    def _store(self, connection: Connection) -> FileStore:
        return FileStore(connection, self._scope.author)

    def _insert(self, state: FileState) -> File:
        passages = self._embedded([*_passages(state).values()])
        with self._scope.change() as (connection, change_id):
            store = self._store(connection)
            self._make_room(store, state.path)
            self._scope.new_rows.add("file_chunks", len(passages))
            passages = self._with_languages(connection, passages)
            return store.insert(state, passages, change_id=change_id, embedding_model=self._scope.model.name)

    def _changed(self, path: str, change: Callable[[File], FileState], expected_version: int | None) -> File:
        """Change a file as it is when the change is written: read anew where somebody else was faster."""
        for _ in range(_ATTEMPTS):
            before = self.read(path)
            if expected_version not in (None, before.version):
                raise _other_version(before, expected_version)
            state = change(before)
            if state == _state(before):
                return before
            changed = self._scope.repeat_on_switch(partial(self._replace, before, state))
            if changed is not None:
                return changed
        raise ConflictError(f"file {path!r} is being written by somebody else: try again")

    def _replace(self, before: File, state: FileState) -> File | None:
        """Return None where somebody else has changed the file since it was read."""
        there = self._scope.read(lambda connection: self._store(connection).passages(before.id))
        gone, made = _difference(
            before, state, {(passage.context, passage.chunk_text): passage.id for passage in there}
        )
        fresh = self._embedded(made)
        with self._scope.change() as (connection, change_id):
            store = self._store(connection)
            if state.path != before.path:
                self._make_room(store, state.path)
            self._scope.new_rows.add("file_chunks", len(fresh))
            fresh = self._with_languages(connection, fresh)
            model = self._scope.model.name
            return store.replace(before, state, gone, fresh, change_id=change_id, embedding_model=model)

    def _make_room(self, store: FileStore, path: str) -> None:
        """Refuse a path that cannot be a file's."""
        store.lock()
        other = store.in_the_way(path, paths.parents(path))
        if other == path:
            raise ConflictError(f"file {path!r} exists already")
        if other is not None:
            what = f"{other!r} is a file" if len(other) < len(path) else "it is a directory"
            raise ConflictError(f"{path!r} cannot be a file: {what}")

    def _embedded(self, passages: Sequence[NewPassage]) -> Sequence[NewPassage]:
        """Passages with their vectors and tokens. No transaction is open while the model works."""
        vectors = self._scope.embed([chunk_text(passage.chunk_text, passage.metadata) for passage in passages])
        tokens = self._scope.count_tokens([passage.chunk_text for passage in passages])
        return [
            replace(passage, tokens=count, embedding=vector)
            for passage, count, vector in zip(passages, tokens, vectors, strict=True)
        ]

    def _with_languages(self, connection: Connection, passages: Sequence[NewPassage]) -> Sequence[NewPassage]:
        languages = self._scope.languages_of(connection, [passage.chunk_text for passage in passages])
        return [replace(passage, language=language) for passage, language in zip(passages, languages, strict=True)]


def _state(file: File) -> FileState:
    return FileState(file.path, file.content, file.metadata)


def _content(value: object) -> str:
    content = validation.text(value, "content", empty=True)
    if (size := len(content.encode())) > MAX_BYTES:
        raise InputError(f"content has {size:,} bytes in UTF-8; the limit of a file is {MAX_BYTES:,}: cut it in two")
    return content


def _passages(state: FileState) -> dict[_Key, NewPassage]:
    """Cut a content into the passages that search finds, by what distinguishes them."""
    return _of(paths.name(state.path), chunking.spans(state.content, media_type=_kind(state.path)))


def _difference(
    before: File, state: FileState, known: Mapping[_Key, int]
) -> tuple[Sequence[int], Sequence[NewPassage]]:
    """Return the passages of a file that are to be removed, and those to be added, by cutting what an edit touched."""
    title, kind = paths.name(state.path), _kind(state.path)
    if (paths.name(before.path), _kind(before.path)) == (title, kind):
        spans = chunking.difference(before.content, state.content, media_type=kind)
        old, new = (_of(title, each) for each in spans)
        if old.keys() <= known.keys():
            return [known[key] for key in old.keys() - new.keys()], [
                each for key, each in new.items() if key not in known
            ]
    wanted = _passages(state)  # another title, or passages that were cut by other rules
    gone = [id for key, id in known.items() if key not in wanted]
    return gone, [passage for key, passage in wanted.items() if key not in known]


def _kind(path: str) -> str:
    return chunking.MARKDOWN if path.lower().endswith(_MARKDOWN) else chunking.PLAIN


def _of(title: str, spans: Sequence[chunking.Span]) -> dict[_Key, NewPassage]:
    passages: dict[_Key, NewPassage] = {}
    for span in spans:
        context = context_of(title, span.heading_path, span.table_header)
        passage = NewPassage(span.chunk_text, span.heading_path, 0, context, None, "")
        passages.setdefault((context.get("context"), span.chunk_text), passage)
    return passages


def _replaced(file: File, old: str, new: str) -> str:
    places: list[int] = []
    start = file.content.find(old)
    while start >= 0 and len(places) <= _LINES:
        places.append(file.content.count("\n", 0, start) + 1)
        start = file.content.find(old, start + 1)
    if not places:
        raise MismatchError(f"{old!r} does not occur in file {file.path!r}")
    if len(places) > 1:
        lines = ", ".join(map(str, places[:_LINES])) + (", …" if len(places) > _LINES else "")
        raise MismatchError(
            f"{old!r} occurs several times in file {file.path!r}, in lines {lines}: give more of the text around it"
        )
    return file.content.replace(old, new)


def _other_version(file: File, expected: int | None) -> ConflictError:
    return ConflictError(f"file {file.path!r} has version {file.version}, not {expected}: read it again")
