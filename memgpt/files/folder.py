"""A folder of texts on a disk, which is read and changed only within itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import uuid4

from memgpt import validation
from memgpt.errors import ConflictError, InputError
from memgpt.files.paths import MAX_BYTES

LONGEST_NAME: Final = 255
"""Bytes of a file's name on the usual file systems."""


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def decoded(content: bytes) -> str:
    """Return a text as it is, byte for byte.

    Raises:
        InputError: it is none, or too long.
    """
    if len(content) > MAX_BYTES:
        raise InputError(f"it has more than {MAX_BYTES:,} bytes")
    try:
        return validation.text(content.decode(), "it", empty=True, most=MAX_BYTES)
    except UnicodeDecodeError as error:
        raise InputError(f"it is no text in UTF-8, at byte {error.start:,}") from error


class Folder:
    """The files of a folder as they were when it was opened: names in NFC, with slashes, to SHA-256."""

    def __init__(self, directory: str | os.PathLike[str], check: Callable[[str], object]) -> None:
        """``check`` raises an InputError for a name that cannot be a path of the memory."""
        self.root = Path(directory).resolve()
        if not self.root.is_dir():
            raise InputError(f"{str(self.root)!r} is no directory: make it first")
        self.files: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        """Why, by name; of a directory everything below it is left out."""
        self._check = check
        self._places: dict[str, Path] = {"": self.root}
        self._scan("")

    def read(self, name: str) -> bytes | None:
        """Return what a file holds now; None where it is not there.

        Raises:
            ConflictError: a symbolic link leads there, or something else than a file is there.
        """
        place = self._place(name)
        if place.parent.resolve() != place.parent or place.is_symlink() or place.is_dir():
            raise ConflictError(f"{str(place)!r} is no regular file of the folder any more")
        try:
            return place.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: bytes) -> None:
        """Make or replace a file, all of it at once.

        Raises:
            ConflictError: the file is not as it was when the folder was opened, or something else is there.
        """
        place = self._place(name)
        self._unchanged(name)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise ConflictError(f"{str(place.parent)!r} is no directory") from error
        with _temporary(place.parent, content) as written:
            self._unchanged(name)
            if name in self.files:
                written.chmod(stat.S_IMODE(place.stat().st_mode))
                written.replace(place)
            else:
                _appear(written, place)

    def delete(self, name: str) -> None:
        """Remove a file, and the directories that are empty without it.

        Raises:
            ConflictError: the file is not as it was when the folder was opened.
        """
        place = self._place(name)
        self._unchanged(name)
        place.unlink(missing_ok=True)
        with suppress(OSError):  # the first that is not empty
            for parent in place.parents:
                if parent == self.root:
                    break
                parent.rmdir()

    def _unchanged(self, name: str) -> None:
        content = self.read(name)
        if (None if content is None else digest(content)) != self.files.get(name):
            raise ConflictError(f"{str(self._place(name))!r} was changed meanwhile")

    def _place(self, name: str) -> Path:
        """Return where a file is or would be: below the directories there are, however their names are written."""
        if name in self._places:
            return self._places[name]
        parent, _, last = name.rpartition("/")
        return self._place(parent) / last

    def _scan(self, directory: str) -> None:
        try:
            with os.scandir(self._places[directory]) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if not directory:
                raise
            self.left_out[directory] = error.strerror or str(error)
            return
        for entry in listed:
            name = f"{directory}/{validation.normal(entry.name)}".lstrip("/")
            try:
                self._add(name, entry)
            except InputError as error:
                self.left_out[_printable(name)] = str(error)
            except OSError as error:
                self.left_out[_printable(name)] = error.strerror or str(error)

    def _add(self, name: str, entry: os.DirEntry[str]) -> None:
        if entry.name.startswith("."):
            raise InputError("it is hidden")
        if entry.is_symlink():
            raise InputError("it is a symbolic link")
        if name in self._places:
            raise InputError("two names differ in their Unicode normal form only: rename one")
        self._check(name)
        self._places[name] = Path(entry.path)
        if entry.is_dir():
            self._scan(name)
        elif not entry.is_file():
            raise InputError("it is no regular file")
        else:
            if entry.stat().st_size > MAX_BYTES:
                raise InputError(f"it has more than {MAX_BYTES:,} bytes")
            content = Path(entry.path).read_bytes()
            decoded(content)
            self.files[name] = digest(content)


def _printable(name: str) -> str:
    """Return a name whose bytes may not be UTF-8 as a text."""
    return name.encode(errors="backslashreplace").decode()


@contextmanager
def _temporary(directory: Path, content: bytes) -> Iterator[Path]:
    """Write a hidden file, onto the disk; it is gone in the end unless it was given another name."""
    path = directory / f".memgpt-{uuid4().hex}"
    try:
        with open(path, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield path
    finally:
        path.unlink(missing_ok=True)


def _appear(written: Path, place: Path) -> None:
    """Give a written file its name, which must be free: a link, unlike renaming, never replaces anything."""
    try:
        os.link(written, place)
    except FileExistsError as error:
        raise ConflictError(f"{str(place)!r} is there, under a name written otherwise or since a moment ago") from error
    except OSError:  # a file system without links
        if os.path.lexists(place):
            raise ConflictError(f"{str(place)!r} is there since a moment ago") from None
        written.rename(place)
