"""Claude's memory tool (``memory_20250818``): the files below ``/memories`` as the model sees and writes them.

Results and errors are those of the reference, ``BetaLocalFilesystemMemoryTool``, to the letter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from memgpt.errors import ConflictError, InputError, MissingExtraError, NotFoundError
from memgpt.files import paths
from memgpt.integrations.anthropic import views
from memgpt.memory import Memory
from memgpt.models import File

try:
    from anthropic.lib.tools import BetaAbstractMemoryTool, BetaAsyncAbstractMemoryTool, ToolError
    from anyio.to_thread import run_sync
except ImportError as error:
    raise MissingExtraError("anthropic", "anthropic", "Claude's memory tool") from error

if TYPE_CHECKING:
    from anthropic.types.beta import (
        BetaCacheControlEphemeralParam,
        BetaMemoryTool20250818CreateCommand,
        BetaMemoryTool20250818DeleteCommand,
        BetaMemoryTool20250818InsertCommand,
        BetaMemoryTool20250818RenameCommand,
        BetaMemoryTool20250818StrReplaceCommand,
        BetaMemoryTool20250818ViewCommand,
    )

T = TypeVar("T")

_ATTEMPTS = 5
"""Times that an edit is made anew where somebody else changed the file in between."""


class MemoryTool(BetaAbstractMemoryTool):
    """Claude's memory tool over the files of a memory, for ``client.beta.messages.tool_runner``.

    Other threads may use the memory meanwhile: an edit is of the file as it is when it is written.
    """

    def __init__(self, memory: Memory, *, cache_control: BetaCacheControlEphemeralParam | None = None) -> None:
        super().__init__(cache_control=cache_control)
        self._memory = memory

    def view(self, command: BetaMemoryTool20250818ViewCommand) -> str:
        """Show a file with line numbers, or what lies in a directory."""
        path = _located(command.path)
        file = self._find(path)
        if file is not None:
            return _answered(partial(views.file, command.path, file.content, command.view_range))
        entries = self._below(path)
        if not entries and path != paths.HOME:
            raise ToolError(f"The path {command.path} does not exist. Please provide a valid path.")
        return views.directory(command.path, path, entries)

    def create(self, command: BetaMemoryTool20250818CreateCommand) -> str:
        """Make a file that is not there."""
        path = _located(command.path)
        if path == paths.HOME:
            raise ToolError(f"File {command.path} already exists")
        try:
            _answered(partial(self._memory.files.create, path, command.file_text))
        except ToolError as error:
            if isinstance(error.__cause__, ConflictError) and self._exists(path):
                raise ToolError(f"File {command.path} already exists") from error.__cause__
            raise
        return f"File created successfully at: {command.path}"

    def str_replace(self, command: BetaMemoryTool20250818StrReplaceCommand) -> str:
        """Replace a text that occurs once."""
        edit = partial(views.replaced, command.path, old=command.old_str, new=command.new_str)
        place, content = self._edited(command.path, edit)
        snippet = views.snippet(content, place)
        return (
            f"The memory file has been edited. Here is the snippet showing the change (with line numbers):\n{snippet}"
        )

    def insert(self, command: BetaMemoryTool20250818InsertCommand) -> str:
        """Insert lines after a line."""
        self._edited(command.path, partial(views.inserted, line=command.insert_line, text=command.insert_text))
        return f"The file {command.path} has been edited."

    def delete(self, command: BetaMemoryTool20250818DeleteCommand) -> str:
        """Remove a file or a directory."""
        path = _located(command.path)
        if path == paths.HOME:
            raise ToolError("Cannot delete the /memories directory itself")
        try:
            _answered(partial(self._memory.files.delete, path))
        except ToolError as error:
            if isinstance(error.__cause__, NotFoundError):
                raise ToolError(f"The path {command.path} does not exist") from error.__cause__
            raise
        return f"Successfully deleted {command.path}"

    def rename(self, command: BetaMemoryTool20250818RenameCommand) -> str:
        """Move a file or a directory."""
        old, new = _located(command.old_path), _located(command.new_path)
        if old == paths.HOME:
            raise ToolError("Cannot rename the /memories directory itself")
        taken = f"The destination {command.new_path} already exists"
        if new == paths.HOME or self._exists(new):
            raise ToolError(taken)
        try:
            _answered(partial(self._memory.files.rename, old, new))
        except ToolError as error:
            if isinstance(error.__cause__, NotFoundError):
                raise ToolError(f"The path {command.old_path} does not exist") from error.__cause__
            if isinstance(error.__cause__, ConflictError) and self._exists(new):
                raise ToolError(taken) from error.__cause__
            raise
        return f"Successfully renamed {command.old_path} to {command.new_path}"

    def clear_all_memory(self) -> str:
        """Remove everything below ``/memories``; ``memory.undo()`` brings it back."""
        if self._below(paths.HOME):
            self._memory.files.delete(paths.HOME)
        return "All memory cleared"

    def _edited(self, shown: str, edit: Callable[[str], tuple[int, str]]) -> tuple[int, str]:
        """Change the content of a file; return what the edit says and the new content."""
        path = _located(shown)
        for _ in range(_ATTEMPTS):
            file = self._find(path)
            if file is None:
                there = self._exists(path)
                reason = "is not a file." if there else "does not exist. Please provide a valid path."
                raise ToolError(f"The path {shown} {reason}")
            place, content = _answered(partial(edit, file.content))
            try:
                self._memory.files.write(path, content, expected_version=file.version)
            except (ConflictError, NotFoundError):
                continue
            except InputError as error:
                raise ToolError(str(error)) from error
            return place, content
        raise ToolError(f"The file {shown} is being changed by somebody else. Try again.")

    def _find(self, path: str) -> File | None:
        try:
            return None if path == paths.HOME else self._memory.files.read(path)
        except NotFoundError:
            return None
        except InputError as error:
            raise ToolError(str(error)) from error

    def _below(self, path: str) -> list[tuple[str, int]]:
        """Return path and size of each file below a directory."""
        entries: list[tuple[str, int]] = []
        while page := self._memory.files.list(path, after=entries[-1][0] if entries else None):
            entries += [(entry.path, entry.size) for entry in page]
        return entries

    def _exists(self, path: str) -> bool:
        return path == paths.HOME or self._find(path) is not None or bool(self._memory.files.list(path, limit=1))


class AsyncMemoryTool(BetaAsyncAbstractMemoryTool):
    """The same for an ``AsyncAnthropic`` client: each command is done in a thread, with the caller's context."""

    def __init__(self, memory: Memory, *, cache_control: BetaCacheControlEphemeralParam | None = None) -> None:
        super().__init__(cache_control=cache_control)
        self._tool = MemoryTool(memory, cache_control=cache_control)

    async def view(self, command: BetaMemoryTool20250818ViewCommand) -> str:
        """Show a file with line numbers, or what lies in a directory."""
        return await run_sync(self._tool.view, command)

    async def create(self, command: BetaMemoryTool20250818CreateCommand) -> str:
        """Make a file that is not there."""
        return await run_sync(self._tool.create, command)

    async def str_replace(self, command: BetaMemoryTool20250818StrReplaceCommand) -> str:
        """Replace a text that occurs once."""
        return await run_sync(self._tool.str_replace, command)

    async def insert(self, command: BetaMemoryTool20250818InsertCommand) -> str:
        """Insert lines after a line."""
        return await run_sync(self._tool.insert, command)

    async def delete(self, command: BetaMemoryTool20250818DeleteCommand) -> str:
        """Remove a file or a directory."""
        return await run_sync(self._tool.delete, command)

    async def rename(self, command: BetaMemoryTool20250818RenameCommand) -> str:
        """Move a file or a directory."""
        return await run_sync(self._tool.rename, command)

    async def clear_all_memory(self) -> str:
        """Remove everything below ``/memories``; ``memory.undo()`` brings it back."""
        return await run_sync(self._tool.clear_all_memory)


def _located(path: str) -> str:
    """Return the path of a file or directory as the reference finds it: without empty parts, ``.`` and ``..``."""
    if not path.startswith(paths.HOME):
        raise ToolError(f"Path must start with /memories, got: {path}")
    parts: list[str] = []
    for part in path.removeprefix(paths.HOME).split("/"):
        if part == ".." and not parts:
            raise ToolError(f"Path {path} would escape /memories directory")
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join([paths.HOME, *parts])


def _answered(work: Callable[[], T]) -> T:
    """Tell the model what a value of its call did wrong."""
    try:
        return work()
    except InputError as error:
        raise ToolError(str(error)) from error
