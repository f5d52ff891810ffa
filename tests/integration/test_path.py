"""How many modules one call passes: each is a page to turn for whoever follows it.

Counted are modules of the package in which a named function runs during one warm call, on a memory with rows, with the
offline model and without isolation. Rooms are the folders and modules at the top of the package.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

import memgpt
from memgpt import Memory

PACKAGE = Path(memgpt.__file__).parent


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        memory.remember("Ann prefers green tea.")
        memory.messages.append("user", "I never drink coffee.")
        yield memory


def passed(call: Callable[[], object]) -> set[str]:
    """The modules of the package that a call passes, after it was made twice."""
    modules: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        file = Path(frame.f_code.co_filename)
        if event == "call" and PACKAGE in file.parents and not frame.f_code.co_name.startswith("<"):
            modules.add(file.relative_to(PACKAGE).with_suffix("").as_posix())

    call()
    call()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return modules


def rooms(modules: set[str]) -> set[str]:
    return {module.partition("/")[0] for module in modules}


def test_a_search_passes_few_modules(memory: Memory) -> None:
    modules = passed(lambda: memory.search("what does Ann drink?"))
    assert rooms(modules) == {"database", "embeddings", "memory", "scope", "search", "telemetry", "validation"}
    assert len(modules) <= 30, modules


def test_remembering_passes_few_modules(memory: Memory) -> None:
    texts = iter(["Bob lives in Graz.", "Bob plays chess.", "Bob sails."])
    modules = passed(lambda: memory.remember(next(texts)))
    assert rooms(modules) == {"archival", "database", "embeddings", "memory", "scope", "telemetry", "validation"}
    assert len(modules) <= 18, modules
