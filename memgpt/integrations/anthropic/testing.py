"""A pytest plug-in that lets anthropic's own tests of its memory tool run against this one, unmodified.

Load it beside a checkout of anthropic-sdk-python; ``DATABASE_URL`` names a database, which is migrated; absent,
the embedded server's is used::

    python -m pytest -p memgpt.integrations.anthropic.testing --noconftest -c /dev/null \
        anthropic-sdk-python/tests/lib/tools/memory_tools/test_filesystem.py

The classes that the tests import, ``BetaLocalFilesystemMemoryTool`` and the one for ``asyncio``, stand for tools of
this package, whose files are written to a directory when a test looks at it. Tests about the disk itself,
``ABOUT_A_DISK``, are not run.
"""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Final

import anthropic.lib.tools._beta_builtin_memory_tool as upstream
import pytest

from memgpt.integrations.anthropic.memory_tool import AsyncMemoryTool, MemoryTool
from memgpt.integrations.testing import leave_out, memory_of

ABOUT_A_DISK: Final = (
    "test_mkdir_parents_not_world_writable_under_permissive_umask",
    "test_symlink_validation_reject_",
    "test_validate_path_returns_resolved_path_not_symlink_target",
)
"""Beginnings of names of tests about permissions and symbolic links, which rows of a table do not have."""


class _OnDisk:
    """A tool whose files are looked at on a disk, for a memory of its own."""

    def __init__(self, base_path: str = "./memory") -> None:
        memory = memory_of()
        super().__init__(memory)  # type: ignore[call-arg]
        self._files, self._directory = memory.files, Path(base_path)

    @property
    def base_path(self) -> Path:
        """The directory the tests look at, with every file."""
        for entry in self._files.list():
            target = self._directory / entry.path.removeprefix("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self._files.read(entry.path).content.encode())
        return self._directory


class LocalMemoryTool(_OnDisk, MemoryTool):
    """The tool in the place of anthropic's."""


class AsyncLocalMemoryTool(_OnDisk, AsyncMemoryTool):
    """The same for ``asyncio``."""


def pytest_configure() -> None:
    """Put our tools in the places of theirs, before the tests import them."""
    upstream.BetaLocalFilesystemMemoryTool = LocalMemoryTool  # type: ignore[misc,assignment]
    upstream.BetaAsyncLocalFilesystemMemoryTool = AsyncLocalMemoryTool  # type: ignore[misc,assignment]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests about a disk."""
    leave_out(ABOUT_A_DISK, config, items)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine, without another plug-in."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
