"""What an application imports, and what it cannot reach."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import memgpt

PACKAGE = Path(memgpt.__file__).parent
ABOVE = ["agent", "cli", "integrations", "jobs", "server", "sleep"]
"""Rooms that build on a memory."""


def modules(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    for room in rooms:
        for file in sorted((PACKAGE / room).rglob("*.py")):
            yield str(file.relative_to(PACKAGE)), ast.parse(file.read_text(encoding="utf-8"))


def private_parts_of_a_memory() -> set[str]:
    """Attributes ``Memory`` keeps to itself."""
    tree = ast.parse((PACKAGE / "memory.py").read_text(encoding="utf-8"))
    targets = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {name for name in targets if name.startswith("_") and not name.startswith("__")}


def test_no_room_reaches_into_a_memory() -> None:
    """They call ``scope_of``."""
    private = private_parts_of_a_memory()
    assert "_scope" in private
    reached = [
        f"{module}:{node.lineno} {ast.unparse(node)}"
        for module, tree in modules(*ABOVE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in private
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    ]
    assert reached == []


def test_a_memory_shows_no_internal_part() -> None:
    assert not hasattr(memgpt.Memory, "scope")
    assert "scope_of" not in memgpt.__all__
