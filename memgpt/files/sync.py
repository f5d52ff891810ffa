"""Synchronize a folder with files of the memory: both ways, against what both had the last time."""

from __future__ import annotations

import platform
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal, Protocol

from memgpt.database.connection import Connection
from memgpt.errors import ConflictError, InputError, NotFoundError
from memgpt.files import paths
from memgpt.files.folder import LONGEST_NAME, Folder, decoded, digest
from memgpt.files.sync_store import FileSyncStore
from memgpt.models import File, FileEntry, SyncConflict, SyncedFile, SyncReport, SyncSide
from memgpt.scope.scope import AgentScope

PAGE: Final = 1000
"""Files of the memory that one statement lists."""

CHANGED_ON_BOTH: Final = "changed on both sides"


@dataclass(frozen=True, slots=True)
class SyncStep:
    """What a file needs for both sides to have the same."""

    path: str
    to: SyncSide | Literal["conflict"] | None
    """The side that takes over what the other one has; None where both have the same, which is to be noted."""


def plan(folder: Mapping[str, str], memory: Mapping[str, str], base: Mapping[str, str]) -> Iterator[SyncStep]:
    """Compare the two sides with what both had the last time, each as paths to SHA-256."""
    for path in sorted({*folder, *memory, *base}):
        here, there, before = folder.get(path), memory.get(path), base.get(path)
        if here == there:
            if before != here:
                yield SyncStep(path, None)
        elif here == before:
            yield SyncStep(path, "folder")
        elif there == before:
            yield SyncStep(path, "memory")
        else:
            yield SyncStep(path, "conflict")


class FileVerbs(Protocol):
    """What a synchronization does with the files of the memory."""

    def list(self, directory: str = ..., *, limit: int = ..., after: str | None = ...) -> Sequence[FileEntry]: ...

    def read(self, path: str) -> File: ...

    def write(self, path: str, content: str, *, expected_version: int | None = ...) -> File: ...

    def delete(self, path: str, *, expected_version: int | None = ...) -> Sequence[str]: ...


@dataclass
class FolderSync:
    """One synchronization of a folder with the files below a directory of the memory."""

    scope: AgentScope
    files: FileVerbs
    folder: Folder
    directory: str
    """Of the memory, without a slash at the end."""
    entries: dict[str, FileEntry] = field(default_factory=dict)
    """Files of the memory by their path below the directory."""
    left_out: dict[str, str] = field(default_factory=dict)
    changed: list[SyncedFile] = field(default_factory=list)
    conflicts: list[SyncConflict] = field(default_factory=list)

    def run(self, *, delete: bool, dry_run: bool, on_progress: Callable[[int, int], None] | None) -> SyncReport:
        """Carry over what changed on one side; deletions come first, for a file may lie where a directory was."""
        base = self.scope.read(lambda connection: self._store(connection).list())
        self._list()
        kept = {path: digest for path, digest in base.items() if not self._is_left_out(path)}
        if kept and not delete:
            self._refuse_emptiness(len(kept))
        memory = {path: entry.sha256 for path, entry in self.entries.items()}
        steps = sorted(plan(self._present(), memory, kept), key=self._writes)
        for number, step in enumerate(steps):
            self._take(step, dry_run=dry_run)
            if on_progress is not None:
                on_progress(number + 1, len(steps))
        return SyncReport(self.changed, self.conflicts, {**self.folder.left_out, **self.left_out}, dry_run)

    def _store(self, connection: Connection) -> FileSyncStore:
        identity = "\0".join((platform.node(), str(self.folder.root), self.directory))
        key = sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
        return FileSyncStore(connection, self.scope.agent_id, key)

    def _list(self) -> None:
        """Read which files the memory has, and leave out those that the folder cannot have."""
        after: str | None = None
        while page := self.files.list(self.directory or paths.ROOT, limit=PAGE, after=after):
            after = page[-1].path
            for entry in page:
                name = entry.path[len(self.directory) + 1 :]
                parts = name.split("/")
                if any(part.startswith(".") for part in parts):
                    self.left_out[entry.path] = "it is hidden"
                elif any(len(part.encode()) > LONGEST_NAME for part in parts):
                    self.left_out[entry.path] = f"a name has more than {LONGEST_NAME} bytes"
                elif not self._is_left_out(name):
                    self.entries[name] = entry

    def _is_left_out(self, path: str) -> bool:
        return any(name in self.folder.left_out for name in (path, *paths.parents(path)))

    def _present(self) -> dict[str, str]:
        return {path: digest for path, digest in self.folder.files.items() if not self._is_left_out(path)}

    def _refuse_emptiness(self, count: int) -> None:
        """Refuse to delete all of one side because the other one is empty: a disk that is not mounted, another agent.

        Raises:
            InputError: exactly one side is empty.
        """
        present = self._present()
        if bool(present) != bool(self.entries):
            side = f"memory below {self.directory or paths.ROOT!r}" if present else f"folder {str(self.folder.root)!r}"
            raise InputError(
                f"the {side} is empty, and {count:,} files were synchronized before: nothing was deleted on the other "
                "side; say delete (--delete) if that is meant"
            )

    def _take(self, step: SyncStep, *, dry_run: bool) -> None:
        if step.to == "conflict":
            self._conflict(step.path, CHANGED_ON_BOTH)
            return
        try:
            if not dry_run:
                self._carry(step)
        except (ConflictError, NotFoundError) as error:
            self._conflict(step.path, str(error))
            return
        if step.to is not None:
            self.changed.append(SyncedFile(self._absolute(step.path), self._action(step), step.to))

    def _carry(self, step: SyncStep) -> None:
        """Change one side and note it, in one transaction. If only the folder was changed before an interruption, both
        sides are the same the next time."""
        path = step.path
        entry = self.entries.get(path)
        sha = entry.sha256 if entry else None
        with self.scope.lazy_transaction():
            if step.to == "memory":
                sha = self.folder.files.get(path)
                self._to_memory(path)
            elif step.to == "folder":
                self._to_folder(path)
            with self.scope.change() as (connection, _):
                self._store(connection).set(path, sha)

    def _to_memory(self, path: str) -> None:
        version = self.entries[path].version if path in self.entries else 0
        if path not in self.folder.files:
            if self.folder.read(path) is not None:
                raise ConflictError(f"{path!r} was made in the folder meanwhile")
            self.files.delete(self._absolute(path), expected_version=version)
            return
        content = self.folder.read(path)
        if content is None or digest(content) != self.folder.files[path]:
            raise ConflictError(f"{path!r} was changed in the folder meanwhile")
        self.files.write(self._absolute(path), content.decode(), expected_version=version)

    def _to_folder(self, path: str) -> None:
        if path not in self.entries:
            self.folder.delete(path)
            return
        file = self.files.read(self._absolute(path))
        if file.version != self.entries[path].version:
            raise ConflictError(f"{path!r} was changed in the memory meanwhile")
        self.folder.write(path, file.content.encode())

    def _conflict(self, path: str, reason: str) -> None:
        """Note what both sides have now."""
        here = there = None
        with suppress(InputError):  # no text any more, or no file
            content = self.folder.read(path)
            here = None if content is None else decoded(content)
        with suppress(NotFoundError):
            there = self.files.read(self._absolute(path)).content
        self.conflicts.append(SyncConflict(self._absolute(path), reason, here, there))

    def _action(self, step: SyncStep) -> Literal["create", "update", "delete"]:
        source, target = self._sides(step)
        if step.path not in source:
            return "delete"
        return "update" if step.path in target else "create"

    def _writes(self, step: SyncStep) -> bool:
        return step.path in self._sides(step)[0]

    def _sides(self, step: SyncStep) -> tuple[Container[str], Container[str]]:
        """Return the files of the side that is read, and of the one that is changed."""
        sides = (self.folder.files, self.entries)
        return sides if step.to == "memory" else (sides[1], sides[0])

    def _absolute(self, path: str) -> str:
        return f"{self.directory}/{path}"
