"""Statements that stores put together once, put together anew."""

from __future__ import annotations

import sys


def forget_statements() -> None:
    """Let the stores put their statements together anew."""
    for name, module in list(sys.modules.items()):
        if name.startswith("memgpt.") and name.rpartition(".")[2].endswith("store"):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
