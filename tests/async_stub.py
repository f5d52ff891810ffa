"""Write ``memgpt/async_facade.pyi``, what type checkers read of ``AsyncMemory``: it is made of the facade too."""

from __future__ import annotations

import ast
import builtins
import inspect
import subprocess
import sys
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import memgpt
from memgpt import async_memory
from memgpt.memory import Memory

STUB = Path(memgpt.__file__).with_name("async_facade.pyi")
ABOUT = '"""Types of AsyncMemory and its parts. Made by `make stub` from those of Memory: change those."""\n'
OWN = {"agent", "transaction", "close"}
"""Members that ``AsyncMemory`` has of its own, with types."""


@dataclass
class Stub:
    """Lines of the stub, and what they need."""

    imports: dict[str, set[str]] = field(default_factory=dict)
    homes: dict[str, tuple[str, str]] = field(default_factory=dict)
    waiting: list[type[Any]] = field(default_factory=list)
    written: dict[type[Any], list[str]] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    """Of the class that is being written: there a built-in type of that name is hidden."""

    def use(self, module: str, name: str, local: str | None = None) -> str:
        """Import a name, under another one where two modules have the same for different things."""
        local = local or name
        if self.homes.setdefault(local, (module, name)) != (module, name):
            local = f"{module.rpartition('.')[2].title()}{name}"
            self.homes[local] = (module, name)
        self.imports.setdefault(module, set()).add(name if local == name else f"{name} as {local}")
        return local

    def facade(self, kind: type[Any]) -> str:
        """Return the name of the asynchronous form of a part or a handle, which is written too."""
        if kind not in self.written and kind not in self.waiting:
            self.waiting.append(kind)
        return f"Async{kind.__name__}"

    def annotation(self, text: str, module: str) -> str:
        """Return an annotation with its names imported, and handles in their asynchronous form."""
        tree = ast.parse(text, mode="eval")
        names = _imported(module)
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in self.members and hasattr(builtins, node.id):
                node.id = self.use("builtins", node.id, f"builtin_{node.id}")
            elif isinstance(node, ast.Name) and node.id in names:
                home, name = names[node.id]
                value = getattr(import_module(home), name, None) if home.startswith("memgpt.") else None
                if isinstance(value, type) and value in async_memory._HANDLES:
                    node.id = self.facade(value)
                elif name:
                    node.id = self.use(home, name, node.id)
                else:
                    self.imports.setdefault(home, set())
        return ast.unparse(tree)


@cache
def _imported(module: str) -> dict[str, tuple[str, str]]:
    """Return where each name of a module comes from, those for type checkers included."""
    tree = ast.parse(inspect.getsource(import_module(module)))
    names: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name: (alias.name, "") for alias in node.names if alias.asname is None}
    for node in tree.body:
        for name in _defined(node):
            names[name] = (module, name)
    return names


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ClassDef):
        yield node.name
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    yield from (target.id for target in targets if isinstance(target, ast.Name))


def _parameters(stub: Stub, function: FunctionType) -> str:
    parameters = []
    for parameter in inspect.signature(function).parameters.values():
        note = parameter.annotation
        annotation = inspect.Parameter.empty if note is inspect.Parameter.empty else _Text(note, stub, function)
        default = parameter.default if parameter.default is inspect.Parameter.empty else _Text("...")
        parameters.append(parameter.replace(annotation=annotation, default=default))
    return str(inspect.Signature(parameters))


class _Text:
    """A text that stands in a signature as it is."""

    def __init__(self, text: str, stub: Stub | None = None, function: FunctionType | None = None) -> None:
        self._text = stub.annotation(text, function.__module__) if stub and function else text

    def __repr__(self) -> str:
        return self._text


def _inside(annotation: str) -> str:
    """Return what an iterator or a context manager is of: ``Iterator[Hit]`` of ``Hit``."""
    tree = ast.parse(annotation, mode="eval").body
    assert isinstance(tree, ast.Subscript), annotation
    return ast.unparse(tree.slice)


def _method(stub: Stub, name: str, function: FunctionType) -> str:
    plain = inspect.unwrap(function)
    returns = str(inspect.signature(function).return_annotation)
    parameters = _parameters(stub, plain)
    if "ContextManager" in returns or inspect.isgeneratorfunction(plain):
        manager = stub.use("contextlib", "AbstractAsyncContextManager")
        of = stub.annotation(_inside(returns), plain.__module__)
        of = stub.use("memgpt.async_memory", "OpenTransaction") if of == "Connection" else of
        return f"def {name}{parameters} -> {manager}[{of}]: ..."
    if returns.startswith("Iterator"):
        iterator = stub.use("collections.abc", "AsyncIterator")
        return f"def {name}{parameters} -> {iterator}[{stub.annotation(_inside(returns), plain.__module__)}]: ..."
    return f"async def {name}{parameters} -> {stub.annotation(returns, plain.__module__)}: ..."


def _property(stub: Stub, name: str, returns: str, module: str) -> str:
    coroutine, any_ = stub.use("collections.abc", "Coroutine"), stub.use("typing", "Any")
    return f"@property\n    def {name}(self) -> {coroutine}[{any_}, {any_}, {stub.annotation(returns, module)}]: ..."


def _members(stub: Stub, kind: type[Any]) -> Iterator[str]:
    stub.members = {*dir(kind)}
    for name, member in inspect.getmembers_static(kind):
        if name.startswith("_") or (kind is Memory and name in OWN):
            continue
        if isinstance(member, cached_property):
            part = typing.get_type_hints(member.func, vars(memgpt) | {n: getattr(memgpt, n) for n in memgpt.__all__})
            yield f"@property\n    def {name}(self) -> {stub.facade(part['return'])}: ..."
        elif isinstance(member, FunctionType):
            yield _method(stub, name, member)
        elif isinstance(member, property):
            yield _property(stub, name, str(inspect.signature(member.fget).return_annotation), member.fget.__module__)  # type: ignore[arg-type]
    if hasattr(kind, "__getitem__"):
        getter = kind.__getitem__
        returns = stub.annotation(str(inspect.signature(getter).return_annotation), getter.__module__)
        yield f"def __getitem__{_parameters(stub, getter)} -> {returns}: ..."
    if hasattr(kind, "__iter__"):
        of = stub.annotation(_inside(str(inspect.signature(kind.__iter__).return_annotation)), kind.__module__)
        yield f"def __aiter__(self) -> {stub.use('collections.abc', 'AsyncIterator')}[{of}]: ..."


def text() -> str:
    """Return the stub as it has to be."""
    stub = Stub()
    facade = stub.use("memgpt.async_memory", "AsyncFacade")
    verbs = [*_members(stub, Memory)]
    for name, part in async_memory._PARTS.items():
        verbs.append(f"@property\n    def {name}(self) -> {stub.facade(part)}: ...")
    while stub.waiting:
        kind = stub.waiting.pop()
        stub.written[kind] = [*_members(stub, kind)]
    lines = [ABOUT]
    for module, names in sorted(stub.imports.items()):
        lines.append(f"from {module} import {', '.join(sorted(names))}" if names else f"import {module}")
    lines += _class("AsyncVerbs", "", verbs)
    for kind, members in sorted(stub.written.items(), key=lambda pair: pair[0].__name__):
        lines += _class(f"Async{kind.__name__}", facade, members)
    return _formatted("\n".join(lines) + "\n")


def _class(name: str, base: str, members: list[str]) -> list[str]:
    return [f"\nclass {name}{f'({base})' if base else ''}:", *(f"    {member}" for member in members)]


def _formatted(source: str) -> str:
    ruff = Path(sys.executable).with_name("ruff")
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format", "--quiet"]):
        done = subprocess.run(
            [ruff, *command, "--stdin-filename", STUB, "-"], input=source, text=True, capture_output=True, check=True
        )
        source = done.stdout
    return source


if __name__ == "__main__":
    STUB.write_text(text(), encoding="utf-8")
