"""LangGraph's conformance suite for checkpointers, test by test: whatever the installed release has."""

from __future__ import annotations

import asyncio
import pkgutil
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import spec

from memgpt import Memory
from memgpt.integrations.langgraph import MemgptSaver

Check = Callable[[BaseCheckpointSaver[str]], Awaitable[None]]


def checks() -> Iterator[Check]:
    for module in pkgutil.iter_modules(spec.__path__):
        for name, value in vars(import_module(f"{spec.__name__}.{module.name}")).items():
            if name.startswith("ALL_"):
                yield from value


@pytest.mark.parametrize("check", [*checks()], ids=lambda check: check.__name__)
def test_conformance(memory: Memory, check: Check) -> None:
    async def run() -> None:
        await check(MemgptSaver(memory))

    asyncio.run(run())
