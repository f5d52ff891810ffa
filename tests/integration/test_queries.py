"""Every named query can be planned against the migrated schema; every name is used, and every used name exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from memgpt.database.queries import Queries

PACKAGE = Path(__file__).parents[2] / "memgpt"
FILES = sorted(PACKAGE.rglob("*.sql"))
PARAMETER = re.compile(r"%\((?P<name>\w+)\)[sb](?=(?P<cast>::)?)")
STATEMENT = re.compile(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE|\()", re.I)
UTILITY = re.compile(r"\s*(SET|LOCK|CREATE|DROP|VACUUM|COPY|ALTER|COMMENT|SHOW|BEGIN|COMMIT|REINDEX|ANALYZE)\b", re.I)


def named(file: Path) -> Iterator[tuple[str, bytes]]:
    source = Queries(file.read_text(encoding="utf-8"), file.name)
    for name in source:
        yield name, getattr(source, name)


def queries() -> Iterator[object]:
    for file in FILES:
        if "migrations" in file.parts:
            continue
        there = dict(named(file))
        for name, query in there.items():
            near = there.get(f"{name.partition('_')[0]}_near", b"SELECT 1::bigint")
            yield pytest.param(query.replace(b"{near}", near).decode(), id=f"{file.stem}.{name}")


@pytest.fixture(scope="module")
def planner(server: object, template: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    name = server.create(template)  # type: ignore[attr-defined]
    with psycopg.connect(server.dsn(name)) as connection:  # type: ignore[attr-defined]
        yield connection
    server.drop(name)  # type: ignore[attr-defined]


@pytest.mark.parametrize("query", list(queries()))
def test_every_query_is_planned(planner: psycopg.Connection[tuple[object, ...]], query: str) -> None:
    numbers: dict[str, int] = {}
    plain = PARAMETER.sub(lambda m: f"${numbers.setdefault(m['name'], len(numbers) + 1)}", query).replace("%%", "%")
    assert [m["name"] for m in PARAMETER.finditer(query) if m["cast"] is None] == [], "a parameter without a cast"
    plain = re.sub(r"^EXPLAIN \([^)]*\)\s+", "", plain)
    if UTILITY.match(plain) or "{" in plain or not STATEMENT.match(plain):
        return  # a template or a fragment: its own tests run what is composed of it
    with planner.transaction(force_rollback=True):
        planner.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        planner.execute(f"PREPARE checked AS {plain}".encode(), prepare=False)
        arguments = f"({', '.join(['NULL'] * len(numbers))})" if numbers else ""
        planner.execute(f"EXPLAIN EXECUTE checked{arguments}".encode(), prepare=False)
        planner.execute("DEALLOCATE checked")


def used(module: Path) -> set[str]:
    """Names a module takes from its SQL, spelled out or put together."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "SQL":
            names.add(node.attr)
    return names


def borrowed(module: Path) -> set[str]:
    """Names that others take from a module's SQL, imported under a longer name (``RECORD_SQL.turn``)."""
    names: set[str] = set()
    for other in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(other.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                owner = ast.unparse(node.value)
                if owner in (f"{module.stem.upper()}_SQL", f"{module.stem}.SQL"):
                    names.add(node.attr)
    return names


def patterns(module: Path) -> list[re.Pattern[str]]:
    """What ``getattr(SQL, f"…")`` may ask for."""
    found = []
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr"):
            continue
        if not (isinstance(node.args[0], ast.Name) and node.args[0].id == "SQL"):
            continue
        for text in ast.walk(node.args[1]):
            if isinstance(text, ast.JoinedStr):
                parts = [re.escape(str(v.value)) if isinstance(v, ast.Constant) else r"\w+" for v in text.values]
                found.append(re.compile("".join(parts)))
            elif isinstance(text, ast.Constant) and isinstance(text.value, str):
                found.append(re.compile(re.escape(text.value)))
    return found


@pytest.mark.parametrize("file", [f for f in FILES if "migrations" not in f.parts], ids=lambda f: f.stem)
def test_every_name_is_used_and_every_used_name_exists(file: Path) -> None:
    module = file.with_suffix(".py")
    there = {name for name, _ in named(file)}
    spelled, composed = used(module), patterns(module)
    assert spelled <= there, "used, but not in the file"
    spelled |= borrowed(module)
    unused = {name for name in there - spelled if not any(p.fullmatch(name) for p in composed)}
    assert unused == set(), "in the file, but not used"
