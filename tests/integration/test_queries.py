"""Every named query can be planned against the migrated schema; every name is used, and every used name exists."""

from __future__ import annotations

import ast
import itertools
import re
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psycopg
import pytest

from memgpt.agents import forget_store, transfer_store
from memgpt.agents import store as agents
from memgpt.archival import store
from memgpt.database import single_statement
from memgpt.database.codes import completed as completed_codes
from memgpt.database.driver import TEXTS_AND_ARRAYS
from memgpt.database.queries import Queries, compose, compose_partly
from memgpt.database.tables import by_kind, in_files
from memgpt.graph import mentions_store, traversal_store
from memgpt.graph import store as graph
from memgpt.history import store as history
from memgpt.items import store as items
from memgpt.models import Kind
from memgpt.search import store as search
from memgpt.search.spans import store as spans

PACKAGE = Path(__file__).parents[2] / "memgpt"
FILES = [file for file in sorted(PACKAGE.rglob("*.sql")) if "migrations" not in file.parts]
HOLES = {"{table}": "archival_memories", "{text}": "text", "{embedding}": "embedding", "{codes}": "embedding_code"}
"""What statements that serve every table with a vector are completed with."""

DIMENSIONS = 256
"""Of the template database: its codes are half-precision vectors. test_plans.py plans the statements for bits."""

ELSEWHERE = ("embedding_next", "procrastinate_jobs")
"""Columns that exist while the model is being changed, and the queue's table, which its library makes:
tests/integration/test_reembed.py and test_jobs.py run what uses them."""

PARAMETER = re.compile(r"%\((?P<name>\w+)\)[sb](?=(?P<cast>::)?)")
PLANNED = re.compile(r"(EXPLAIN|SELECT|WITH|INSERT|UPDATE|DELETE|VALUES)\b", re.I)
"""The others are DDL, settings, or pieces of a statement."""


def named(file: Path) -> Iterator[tuple[str, bytes]]:
    source = Queries(file.read_text(encoding="utf-8"), file.name)
    for name in source:
        yield name, getattr(source, name)


def queries() -> Iterator[object]:
    for file in FILES:
        there = dict(named(file))
        for name, query in there.items():
            filled = query.decode().replace("{aliases}", there.get("aliases", b"").decode())
            filled = filled.replace("{held}", there.get("held", b"").decode())
            filled = filled.replace("{guard}", single_statement.SQL.guard.decode())
            filled = filled.replace("{agent}", single_statement.SQL.agent.decode())
            for hole, value in HOLES.items():
                filled = filled.replace(hole, value)
            filled = completed_codes(filled.encode(), DIMENSIONS).decode()
            yield pytest.param(filled, id=f"{file.stem}.{name}")
    yield from completed()


def completed() -> Iterator[object]:
    """Statements that their modules put together, for every table they serve."""
    for kind in by_kind():
        for form in ("put", "delete", "as_of"):
            yield pytest.param(history._statement(form, kind).decode(), id=f"history.{form}_{kind}")
    yield pytest.param(history._entries().decode(), id="history.entries_completed")
    for begins in ("any", "range", "other"):
        yield pytest.param(agents._page(begins).decode(), id=f"agents._page_{begins}")
        yield pytest.param(agents._next_described(begins).decode(), id=f"agents._next_described_{begins}")
    yield pytest.param(agents._describe("some").decode(), id="agents._describe_some")
    yield pytest.param(agents._describe("after").decode(), id="agents._describe_after")
    for composed in (agents._occupied, agents._copy):
        yield pytest.param(composed().decode(), id=f"agents.{composed.__name__}")
    for composed in (forget_store._forget, forget_store._forget_agent, transfer_store._counts):
        yield pytest.param(composed().decode(), id=f"agents.{composed.__name__}")
    for name in in_files():
        yield pytest.param(transfer_store._export(name).decode(), id=f"transfer.export_{name}")
        yield pytest.param(transfer_store._take_in(name).decode(), id=f"transfer.take_in_{name}")
        yield pytest.param(transfer_store._there(name).decode(), id=f"transfer.there_{name}")
        yield pytest.param(transfer_store._same(name).decode(), id=f"transfer.same_{name}")
    for kind in typing.get_args(Kind):
        for form, filtered in itertools.product(("ranked", "nearest"), (False, True)):
            for hidden in (frozenset[str](), TEXTS_AND_ARRAYS):
                statement = search.compose(form, (kind,), filtered, hidden, "halfvec").decode()
                yield pytest.param(statement, id=f"search.{form}_{kind}_{filtered}_{len(hidden)}")
    for filtered, hidden in itertools.product((False, True), (frozenset[str](), TEXTS_AND_ARRAYS)):
        statement = search.compose("ranked", ("archival",), filtered, hidden, "halfvec", sessions=True).decode()
        yield pytest.param(statement, id=f"search.ranked_in_sessions_{filtered}_{len(hidden)}")
    for hidden in (frozenset[str](), TEXTS_AND_ARRAYS):
        yield pytest.param(
            search._occurring(typing.get_args(Kind), hidden).decode(), id=f"search.occurring_{len(hidden)}"
        )
        yield pytest.param(
            search._vocabulary(typing.get_args(Kind), hidden).decode(), id=f"search.vocabulary_{len(hidden)}"
        )
        yield pytest.param(graph._find_entities(hidden).decode(), id=f"graph.find_entities_{len(hidden)}")
        yield pytest.param(graph._find_each(2, hidden).decode(), id=f"graph.find_each_{len(hidden)}")
        yield pytest.param(graph._insert_named(hidden).decode(), id=f"graph.insert_named_{len(hidden)}")
        yield pytest.param(store._list(hidden).decode(), id=f"archival.list_{len(hidden)}")
        walk = traversal_store._statement("within", of_types=True, hidden=hidden).decode()
        yield pytest.param(walk, id=f"traversal.within_{len(hidden)}")
    for distance in items.DISTANCES:
        searching = items._searching(items.SQL.similar_own, True, True, distance).decode()
        yield pytest.param(searching, id=f"items.similar_own_{distance}")
    for template in (items.SQL.newest, items.SQL.similar):
        yield pytest.param(items._searching(template, False, True, "cosine").decode(), id=f"items.{len(template)}")
    for template in (items.SQL.get, items.SQL.list, items.SQL.namespaces):
        yield pytest.param(items._completed(template).decode(), id=f"items.{len(template)}")
    for template in (items.SQL.change, items.SQL.insert):
        written = compose_partly(template, incoming=items.SQL.incoming).decode()
        yield pytest.param(written, id=f"items.{len(template)}")
    yield pytest.param(search._linked().decode(), id="search.linked_completed")
    yield pytest.param(spans._marked().decode(), id="spans.marked_completed")
    remember = store._remember(DIMENSIONS).replace(b"{guard}", single_statement.SQL.guard)
    yield pytest.param(remember.decode(), id="archival.remember_completed")
    yield pytest.param(store._alike(DIMENSIONS).decode(), id="archival.alike_completed")
    for kind, linking in mentions_store._STATEMENTS.items():
        yield pytest.param(linking.decode(), id=f"mentions.link_{kind}_completed")
    for form in ("within", "around", "between"):
        yield pytest.param(traversal_store._statement(form, of_types=True).decode(), id=f"traversal.{form}_of_types")
    drawn = traversal_store._statement("around", of_types=True, strongest=True, counted=True)
    yield pytest.param(drawn.decode(), id="traversal.around_counted")
    glance = compose(traversal_store.SQL.overview, fact=traversal_store._fact(of_types=False))
    yield pytest.param(glance.decode(), id="traversal.overview_completed")
    for wanted in (mentions_store.SQL.of_rows, mentions_store.SQL.of_names):
        yield pytest.param(
            compose(mentions_store.SQL.texts, wanted=wanted).decode(), id=f"mentions.texts_{len(wanted)}"
        )


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
    if not PLANNED.match(plain) or any(name in plain for name in ELSEWHERE) or "{" in plain:
        return
    with planner.transaction(force_rollback=True):
        planner.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        planner.execute(f"PREPARE checked AS {plain}".encode(), prepare=False)
        arguments = f"({', '.join(['NULL'] * len(numbers))})" if numbers else ""
        planner.execute(f"EXPLAIN EXECUTE checked{arguments}".encode(), prepare=False)
        planner.execute("DEALLOCATE checked")


@cache
def read(path: Path) -> tuple[list[tuple[str, str]], list[ast.ImportFrom]]:
    """Attributes in a module, each with what it is of, and the imports."""
    nodes = [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    attributes = [(ast.unparse(node.value), node.attr) for node in nodes if isinstance(node, ast.Attribute)]
    return attributes, [node for node in nodes if isinstance(node, ast.ImportFrom)]


def used(module: Path) -> set[str]:
    """Names taken from a module's SQL: in it, and by others as ``module.SQL.name`` or under an imported name."""
    dotted = ".".join(module.relative_to(PACKAGE.parent).with_suffix("").parts)
    names: set[str] = set()
    for other in PACKAGE.rglob("*.py"):
        attributes, imports = read(other)
        aliases = {f"{module.stem}.SQL"} | ({"SQL"} if other == module else set())
        for node in imports:
            if node.module == dotted:
                aliases |= {alias.asname or alias.name for alias in node.names if alias.name == "SQL"}
        names |= {name for owner, name in attributes if owner in aliases}
    return names


def borrowed(module: Path) -> set[str]:
    """Names that others take from a module's SQL, imported under a longer name (``RECORD_SQL.turn``)."""
    owners = {f"{module.stem.upper()}_SQL", f"{module.stem}.SQL"}
    return {name for other in PACKAGE.rglob("*.py") for owner, name in read(other)[0] if owner in owners}


def patterns(module: Path) -> list[re.Pattern[str]]:
    """What ``getattr(SQL, f"…")`` and ``expressions(SQL, "…", alias)`` may ask for."""
    found = []
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name("expressions"), args=[ast.Name("SQL"), ast.Constant(str() as prefix), *_]):
                found.append(re.compile(rf"{prefix}_\w+"))
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


def named_in_text(module: Path, file: Path) -> set[str]:
    """Pieces that fill a ``{hole}`` of another, for all or one kind (``fact_hole``), and the forms asked for."""
    holes = set(re.findall(r"\{(\w+)\}", file.read_text(encoding="utf-8")))
    tree = ast.parse(module.read_text(encoding="utf-8"))
    asked = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    pieces = holes | asked & {"ranked", "nearest", "nearest_by_bits", "near_nothing", "own_by_key"}
    forms = {name: name.removesuffix("_looked_up").removesuffix("_filtered") for name, _ in named(file)}
    return {name for name, form in forms.items() if form in pieces or form.partition("_")[2] in pieces}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_every_name_is_used_and_every_used_name_exists(file: Path) -> None:
    module = file.with_suffix(".py")
    there = {name for name, _ in named(file)}
    spelled, composed = used(module), patterns(module)
    assert spelled <= there, "used, but not in the file"
    spelled |= borrowed(module) | named_in_text(module, file)
    unused = {name for name in there - spelled if not any(p.fullmatch(name) for p in composed)}
    assert unused == set(), "in the file, but not used"
