"""What an application imports, and what it cannot reach."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import types
import typing
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import memgpt
from memgpt import Agent, Agents, Jobs, Memory, Settings, errors, models, reembed, sleep
from memgpt.search import Search, SearchOptions

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


def test_every_name_is_there_and_sorted() -> None:
    assert memgpt.__all__ == sorted(set(memgpt.__all__))
    assert {name for name in memgpt.__all__ if getattr(memgpt, name) is None} == set()
    assert set(memgpt.__all__) <= set(dir(memgpt))
    with pytest.raises(AttributeError, match="no attribute 'Memmory'"):
        memgpt.Memmory  # noqa: B018


def test_type_checkers_and_the_interpreter_find_the_same() -> None:
    """The imports for type checkers and the table for the interpreter name the same modules."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    [checked] = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in checked.body if isinstance(node, ast.ImportFrom)]
    assert {alias.name: node.module for node in imports for alias in node.names} == memgpt._MODULE_OF
    assert set(memgpt._MODULE_OF) == set(memgpt.__all__)


def test_everything_is_imported_by_a_star_and_little_without_use() -> None:
    code = "import sys, memgpt; before = set(sys.modules); from memgpt import ConflictError, Hit, Settings; "
    code += "assert not {'psycopg', 'numpy', 'memgpt.memory'} & set(sys.modules); from memgpt import *; Memory, Agents"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_every_error_and_every_value_of_the_library_is_there() -> None:
    own = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert own <= set(memgpt.__all__)
    assert {name for name in models.__all__ if not name.isupper()} <= set(memgpt.__all__)


@pytest.fixture(scope="module")
def memory() -> Memory:
    """Nothing connects before it is used."""
    return Memory("ann", dsn="host=nowhere.invalid", options=Settings(embedding_model="none"))


OPAQUE = {"Connection", "Database", "ChatModel", "EmbeddingModel"}
"""Handed on as they are: what they do is nobody's business but the library's and psycopg's."""


class Walk:
    """The classes of this package that public signatures name, beginning with what an application calls."""

    def __init__(self) -> None:
        self.found: dict[type, str] = {}

    def visit(self, annotation: Any, via: str) -> None:
        for argument in typing.get_args(annotation):
            for each in argument if isinstance(argument, list) else [argument]:
                self.visit(each, via)
        kind = typing.get_origin(annotation) or annotation
        if not isinstance(kind, type) or not kind.__module__.startswith("memgpt") or kind in self.found:
            return
        self.found[kind] = via
        if kind.__name__ not in OPAQUE:
            self.members(kind)

    def members(self, kind: type, *special: str) -> None:
        for name, hint in hints(kind).items():
            if not name.startswith("_"):
                self.visit(hint, f"{kind.__name__}.{name}")
        for name, function in functions(kind, *special):
            self.signature(function, f"{kind.__name__}.{name}")

    def signature(self, function: Callable[..., Any], via: str) -> None:
        for hint in hints(function).values():
            self.visit(hint, via)


def hints(value: Any) -> dict[str, Any]:
    """Its annotations; those that only type checkers import are looked up at the front door."""
    there = vars(sys.modules[value.__module__])
    try:
        return get_type_hints(value, localns={n: getattr(memgpt, n) for n in memgpt.__all__ if n not in there})
    except NameError:  # of an extra's package
        return {}


def functions(kind: type, *special: str) -> Iterator[tuple[str, types.FunctionType]]:
    """Its public methods and properties, and those special ones."""
    for name in dir(kind):
        if name.startswith("_") and name not in (*special, "__iter__", "__getitem__"):
            continue
        member: Any = inspect.getattr_static(kind, name)
        if isinstance(member, property):
            member = member.fget
        elif isinstance(member, cached_property):
            member = member.func
        elif isinstance(member, classmethod | staticmethod):
            member = member.__func__
        function = inspect.unwrap(member) if callable(member) else None
        if inspect.isfunction(function) and function.__module__.startswith("memgpt"):
            yield name, function


def facades(memory: Memory) -> dict[str, type]:
    """The parts of a memory an application calls."""
    eager = {name: type(part) for name, part in vars(memory).items()}
    lazy = [(name, part.func) for name, part in vars(Memory).items() if isinstance(part, cached_property)]
    parts = eager | {name: hints(function)["return"] for name, function in lazy}
    return {name: kind for name, kind in parts.items() if not name.startswith("_")}


def test_what_public_signatures_name_is_there(memory: Memory) -> None:
    walk = Walk()
    for kind in (Memory, Agents, Agent, Jobs):
        walk.found[kind] = "an application"
        walk.members(kind, "__init__")
    for name, kind in facades(memory).items():  # type: ignore[assignment]
        walk.visit(kind, f"memory.{name}")
    verbs = [reembed.reembed, reembed.plan, reembed.status, reembed.rollback, reembed.finish, sleep.run, sleep.judge]
    for verb in [*verbs, memgpt.import_memory, memgpt.import_transcript]:
        walk.signature(verb, verb.__name__)  # type: ignore[arg-type]
    missing = {kind.__name__: via for kind, via in walk.found.items() if kind.__name__ not in memgpt.__all__}
    assert missing == {}
    assert {"graph", "proposals", "core"} <= set(facades(memory))
    assert {
        memgpt.NamedTogether,
        memgpt.Block,
        memgpt.Hit,
        memgpt.ContextItem,
        memgpt.SleepReport,
        memgpt.Remembered,
    } <= set(walk.found)


def test_no_public_method_takes_untyped_keywords(memory: Memory) -> None:
    """An editor completes them and mypy checks them: plain, or unpacked from a TypedDict."""
    untyped = []
    for kind in (Memory, Agents, Agent, Jobs, *facades(memory).values()):
        for name, function in functions(kind, "__init__"):
            for parameter in inspect.signature(function).parameters.values():
                if parameter.kind is parameter.VAR_KEYWORD:
                    [fields] = typing.get_args(hints(function)[parameter.name]) or [None]
                    if not typing.is_typeddict(fields):
                        untyped.append(f"{kind.__name__}.{name}(**{parameter.name})")
    assert untyped == []
    assert "fields" in inspect.signature(Memory.remember).parameters


def test_the_options_of_a_search_are_those_of_search() -> None:
    taken, parameters = hints(Search.search), inspect.signature(Search.search).parameters.values()
    assert hints(SearchOptions) == {p.name: taken[p.name] for p in parameters if p.kind is p.KEYWORD_ONLY}
