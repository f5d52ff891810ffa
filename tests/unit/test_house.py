"""The limits the house sets itself: sizes, names, and which way imports point.

Lines are those of the files as they are, docstrings, comments and blank lines included. A function is measured from its
``def`` to its last line. A room is what lies in one folder at the top of ``memgpt``, its Python and its SQL.
"""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import grimp
import networkx
import pytest

import memgpt
from memgpt.history.history import History
from memgpt.search import Search

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "memgpt"
MODULES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text("utf-8")) for path in MODULES}

FUNCTION_LINES = 60
PARAMETERS = 8
MODULE_LINES = 400
TOP_LEVEL_NAMES = 30
CORE_LINES = 10_000
ROOM_LINES = 4_000

CORE = ("models", "blocks", "archival", "messages", "documents", "search", "history", "scope", "database/connection")
"""What a memory is without its graph: the nouns, their search and history, and the pool they run on."""
SUBROOMS = (
    "blocks/lines",
    "cli/operator",
    "database/admin",
    "database/embedded",
    "documents/formats",
    "graph/extraction",
    "integrations/anthropic",
    "integrations/importers",
    "integrations/langgraph",
    "integrations/transcripts",
    "search/ranking",
    "search/spans",
    "server/api",
    "server/api/routes",
    "server/console",
    "server/console/routes",
    "server/mcp",
    "server/protocols",
)
"""Folders with a subject of their own, counted as rooms of their own."""
FACES = ("memgpt/cli/", "memgpt/server/api/routes/", "memgpt/server/mcp/tools.py")
"""Where arguments are options of a command, parameters of a request, arguments of a tool."""
SAYS_NOTHING = re.compile(r"_*(utils?|helpers?|managers?|common|misc|stuff|v\d+|.*_(utils?|helpers?|manager|v\d+))")
SHARED_NAMES = {
    "__init__", "store", "blocks", "intents", "record", "run", "tables", "worker", "files", "exchange",
    "kinds", "tools", "server", "pages", "merging", "telemetry", "addresses", "agents", "testing",
}  # fmt: skip
"""What modules of several rooms are called: the same thing, each for its room."""
STORES_IMPORT = ("database", "errors", "models", "tables")


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name(path)}:{node.lineno} {node.name}", node


def files(room: str) -> set[Path]:
    """The Python and SQL of a room: of a folder, or of the module of that name."""
    folder = PACKAGE / room
    sources = chain(folder.rglob("*.py"), folder.rglob("*.sql"))
    return {*sources, *(path for path in (folder.with_suffix(".py"), folder.with_suffix(".sql")) if path.exists())}


def room_lines(room: str) -> int:
    inner = [files(sub) for sub in SUBROOMS if sub.startswith(f"{room}/")]
    return sum(lines(path) for path in files(room).difference(*inner))


def test_a_function_fits_a_screen() -> None:
    long = {
        where: size
        for where, node in functions()
        if (size := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES
    }
    assert not long


def test_inner_functions_take_few_arguments() -> None:
    public = public_functions()
    many = {
        where: count
        for where, node in functions()
        if (count := parameters(node)) > PARAMETERS and (name_of(where), node.name) not in public
    }
    assert not {where: count for where, count in many.items() if not where.startswith(FACES)}


def public_functions() -> set[tuple[str, str]]:
    """Module and name of the functions an application calls, and of those to which their keywords are handed on."""
    values = [getattr(memgpt, name) for name in memgpt.__all__]
    classes = [value for value in values if inspect.isclass(value)] + [History, Search]
    members = [member for kind in classes for member in vars(kind).values()]
    called = [inspect.unwrap(value) for value in [*values, *members] if inspect.isfunction(value)]
    return {(function.__module__, function.__name__) for function in called}


def name_of(where: str) -> str:
    """The module of a place in it."""
    return where.partition(".py:")[0].replace("/", ".")


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = node.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    return len([argument for argument in named if argument.arg not in ("self", "cls")])


def test_a_module_fits_a_head() -> None:
    assert not {name(path): size for path in MODULES if (size := lines(path)) > MODULE_LINES}


def test_a_class_name_stands_for_one_class() -> None:
    classes = defaultdict(list)
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                classes[node.name].append(name(path))
    assert not {key: paths for key, paths in classes.items() if len(paths) > 1}


def test_module_names_say_what_is_inside() -> None:
    names = {*PACKAGE.rglob("*.py"), *(path for path in PACKAGE.rglob("*") if path.is_dir())}
    assert not [name(path) for path in names if SAYS_NOTHING.fullmatch(path.stem)]


def test_modules_share_names_where_they_are_faces_of_one_noun() -> None:
    names = defaultdict(list)
    for path in MODULES:
        if not name(path).startswith((*FACES, "memgpt/server/console/routes/", "memgpt/models/")):
            names[path.stem].append(name(path))
    shared = {stem for stem, paths in names.items() if len(paths) > 1}
    assert shared <= SHARED_NAMES, {stem: names[stem] for stem in shared - SHARED_NAMES}


def test_the_top_level_can_be_taken_in_at_a_glance() -> None:
    names = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert len(names - {"__init__", "__main__"}) <= TOP_LEVEL_NAMES, sorted(names)


def test_the_core_stays_small() -> None:
    sizes = {room: room_lines(room) for room in CORE}
    assert sum(sizes.values()) <= CORE_LINES, sizes


@pytest.mark.parametrize(
    "room", sorted({path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} | set(SUBROOMS))
)
def test_a_room_stays_small(room: str) -> None:
    assert room_lines(room) <= ROOM_LINES


class TestImports:
    GRAPH = grimp.build_graph("memgpt")

    def test_modules_import_each_other_in_no_circle(self) -> None:
        arrows = [
            (module, imported)
            for module in self.GRAPH.modules
            for imported in self.GRAPH.find_modules_directly_imported_by(module)
        ]
        circles = networkx.strongly_connected_components(networkx.DiGraph(arrows))
        assert not [sorted(circle) for circle in circles if len(circle) > 1]

    def test_a_store_knows_rows_and_sql_alone(self) -> None:
        stores = {module for module in self.GRAPH.modules if re.fullmatch(r"(\w+_)?store", module.rpartition(".")[2])}
        assert len(stores) > 15
        others = {
            store: [
                imported
                for imported in self.GRAPH.find_modules_directly_imported_by(store) - stores
                if imported.split(".")[1] not in STORES_IMPORT
            ]
            for store in stores
        }
        assert not {store: imported for store, imported in others.items() if imported}

    def test_imports_point_down(self) -> None:
        assert self.contracts(ROOT).returncode == 0

    def test_an_import_upward_for_types_alone_is_refused(self, tmp_path: Path) -> None:
        shutil.copytree(PACKAGE, tmp_path / "memgpt", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        with (tmp_path / "memgpt" / "scope" / "scope.py").open("a") as module:
            module.write("if TYPE_CHECKING:\n    from memgpt.memory import Memory\n")
        answer = self.contracts(tmp_path)
        assert answer.returncode == 1
        assert "memgpt.scope.scope -> memgpt.memory" in answer.stdout

    @staticmethod
    def contracts(directory: Path) -> subprocess.CompletedProcess[str]:
        run = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as lint; lint()"
        command = [sys.executable, "-P", "-c", run, "--no-cache"]
        return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
