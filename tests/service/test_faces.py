"""Python, REST, MCP and the command line offer the same operations with the same options.

Whoever adds an option to one adds it to the others, or says here why one of them has no use for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import anyio
import pytest
import typer

from memgpt import graph, search
from memgpt.archival import archival
from memgpt.blocks import blocks
from memgpt.cli import app as cli_app
from memgpt.cli import lazy
from memgpt.documents import documents
from memgpt.files import files
from memgpt.graph.traversal import WalkFilters
from memgpt.items import items
from memgpt.memory import Memory
from memgpt.messages import messages
from memgpt.server.mcp import create_server
from tests.service.conftest import app_of, service_on

Face = Literal["REST", "MCP", "CLI"]
FACES: Final[tuple[Face, ...]] = ("REST", "MCP", "CLI")

AGENT: Final = "/v1/agents/{agent_id}"
PAGED: Final = "pages go on after a cursor, `after`, which the answer before gives"
CURSOR: Final = "the cursor of the page before"
NO_PROMPT: Final = "for who composes a prompt with a history of its own"
NO_VECTORS: Final = "nobody types a vector; `remember -` and `append-many` take it as JSON"
MEMORY_TOOL: Final = "Claude has its memory tool for files; search_memory finds them"
NO_VECTORS_OF_MODELS: Final = "a language model has no vectors"
JSON_NULL: Final = "`null` says so"
FINDS_BY_SEARCH: Final = "a model finds rows by search_memory, which shows all of them"
PERSON: Final = "a person decides that, not a model"
ONE_BY_ONE: Final = "a model calls the tool for one of them"
ONE_MEMORY: Final = "a memory by its id; a text that is new is remembered, which reports its `similar`"
AUTOMATIC: Final = "for programs that build on the library"
ETAG: Final = "HTTP's own way: ETag and If-Match"


@dataclass(frozen=True)
class Operation:
    """What the faces call one operation, and what of it they leave out or say otherwise, with the reason."""

    python: Callable[..., Any]
    rest: str | None = None
    """Method and path under the agent's."""
    mcp: str | None = None
    cli: str | None = None
    without: Mapping[Face, str] | None = None
    """Faces that do not offer it."""
    rest_other: Mapping[str, str] | None = None
    """Options that REST has not, or has beside Python's."""
    mcp_other: Mapping[str, str] | None = None
    cli_other: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        return self.python.__qualname__

    def offered(self, face: Face) -> str | None:
        return {"REST": self.rest, "MCP": self.mcp, "CLI": self.cli}[face]

    def other(self, face: Face) -> Mapping[str, str]:
        return {"REST": self.rest_other, "MCP": self.mcp_other, "CLI": self.cli_other}[face] or {}


_EXPECTED = {"expected_version": ETAG, "expected_sha256": ETAG}
_STALE_MODEL = {
    "expected_version": "a model has just read the block, and edits exactly or not at all",
    "expected_sha256": "a model has just read the block, and edits exactly or not at all",
}

OPERATIONS: Final = (
    Operation(
        archival.Archival.insert, "post /archival-memory", "remember", "remember",
        mcp_other={"embedding": NO_VECTORS_OF_MODELS},
        cli_other={"embedding": NO_VECTORS, "on_error": "of the many texts of `remember -`"},
    ),
    Operation(
        archival.Archival.insert_many, "post /archival-memory/batch", None, None,
        {"MCP": ONE_BY_ONE, "CLI": "`remember -` is this one too"},
    ),
    Operation(
        archival.Archival.supersede, "put /archival-memory/{id}/superseded-by", "correct_memory", "archival supersede",
        mcp_other={"embedding": NO_VECTORS_OF_MODELS}, cli_other={"embedding": NO_VECTORS},
    ),
    Operation(
        archival.Archival.list, "get /archival-memory", None, "archival list", {"MCP": FINDS_BY_SEARCH},
    ),
    Operation(archival.Archival.get, "get /archival-memory/{id}", None, "archival get", {"MCP": FINDS_BY_SEARCH}),
    Operation(
        archival.Archival.near_duplicates,
        "get /archival-memory/{id}/near-duplicates", None, "archival near-duplicates",
        {"MCP": "remember names them, and sleep proposes what to do with them"},
        rest_other={"of": ONE_MEMORY, "id": ONE_MEMORY}, cli_other={"of": ONE_MEMORY, "id": ONE_MEMORY},
    ),
    Operation(
        archival.Archival.update, "patch /archival-memory/{id}", None, "archival update",
        {"MCP": "a model replaces what is not true any more: correct_memory"},
        rest_other={"clear_expiry": JSON_NULL}, cli_other={"embedding": NO_VECTORS},
    ),
    Operation(archival.Archival.delete, "delete /archival-memory/{id}", "delete_memory", "archival delete"),
    Operation(
        search.Search.search, "post /search", "search_memory", "search",
        mcp_other={
            "vector": NO_VECTORS_OF_MODELS, "operators": "what a model asks is plain text",
            "spans": "a model reads the text",
        },
        cli_other={"vector": NO_VECTORS},
    ),
    Operation(
        Memory.context, "post /context", "get_context", "context",
        rest_other={"count_tokens": "a function"}, mcp_other={"count_tokens": "a function", "said": NO_PROMPT},
        cli_other={"count_tokens": "a function", "said": NO_PROMPT},
    ),
    Operation(Memory.forget, "post /forget", "forget", "forget", cli_other={"yes": "the answer to the question"}),
    Operation(Memory.undo, "post /undo", "undo", "undo", cli_other={"yes": "the answer to the question"}),
    Operation(
        Memory.history, "get /history", "history", "history", rest_other={"before": PAGED, "after": CURSOR},
    ),
    Operation(Memory.stats, "get /stats", None, "stats", {"MCP": PERSON}),
    Operation(
        messages.Messages.append, "post /messages", "save_message", "message append",
        mcp_other={"embedding": NO_VECTORS_OF_MODELS}, cli_other={"embedding": NO_VECTORS},
    ),
    Operation(
        messages.Messages.append_many, "post /messages/batch", None, "message append-many", {"MCP": ONE_BY_ONE},
        cli_other={"messages": "standard input", "session": "of messages that name none"},
    ),
    Operation(
        messages.Messages.list, "get /messages", "read_conversation", "message list",
        rest_other={"before": PAGED, "after": CURSOR},
        cli_other={"before": "pages of every list go on with --after", "after": "the last one of the page before"},
    ),
    Operation(messages.Messages.get, "get /messages/{id}", None, "message get", {"MCP": FINDS_BY_SEARCH}),
    Operation(
        messages.Messages.update, "patch /messages/{id}", None, "message update",
        {"MCP": "what was said was said"}, cli_other={"embedding": NO_VECTORS},
    ),
    Operation(
        messages.Messages.delete, "delete /messages/{id}", None, "message delete",
        {"MCP": "what was said was said; a whole conversation is deleted by delete_conversation"},
    ),
    Operation(
        messages.Messages.delete_session, "delete /messages", "delete_conversation", "message delete-session",
    ),
    Operation(messages.Messages.sessions, "get /messages/sessions", None, "message sessions", {"MCP": PERSON}),
    Operation(
        documents.Documents.add, "post /documents", "add_document", None, {"CLI": "memgpt ingest does it"},
    ),
    Operation(
        documents.Documents.list, "get /documents", "list_documents", None, {"CLI": "memgpt search --kinds chunk"},
        rest_other={}, mcp_other={"after": "the newest are enough for a model"},
    ),
    Operation(documents.Documents.get, "get /documents/{id}", "read_document", None, {"CLI": "as above"}),
    Operation(
        documents.Documents.update, "patch /documents/{id}", None, None, {"MCP": PERSON, "CLI": "ingest it again"},
    ),
    Operation(
        documents.Documents.delete, "delete /documents/{id}", None, None,
        {"MCP": PERSON, "CLI": "memgpt forget --kind document"},
    ),
    Operation(files.Files.create, "post /files", None, "files create", {"MCP": MEMORY_TOOL}),
    Operation(files.Files.read, "get /files/content", None, "files read", {"MCP": MEMORY_TOOL}),
    Operation(files.Files.list, "get /files", None, "files list", {"MCP": MEMORY_TOOL}),
    Operation(files.Files.write, "put /files/content", None, "files write", {"MCP": MEMORY_TOOL}),
    Operation(files.Files.edit, "post /files/edit", None, "files edit", {"MCP": MEMORY_TOOL}),
    Operation(files.Files.rename, "post /files/rename", None, "files rename", {"MCP": MEMORY_TOOL}),
    Operation(files.Files.delete, "delete /files", None, "files delete", {"MCP": MEMORY_TOOL}),
    Operation(
        files.Files.sync, None, None, "files sync",
        {"REST": "the folder is on the machine of who calls", "MCP": "the folder is on the machine of who calls"},
        cli_other={"on_progress": "a count on a terminal"},
    ),
    Operation(
        graph.Graph.add_entity, "post /entities", None, None,
        {"MCP": "add_fact makes entities of names", "CLI": "memgpt graph add-fact makes entities of names"},
    ),
    Operation(
        graph.Graph.add_fact, "post /facts", "add_fact", "graph add-fact",
    ),
    Operation(
        graph.Graph.facts, "get /facts", None, "graph facts", {"MCP": "look_up_entity tells them"},
        cli_other={"after": "raise --limit"},
    ),
    Operation(
        graph.Graph.around, "get /graph/around", None, "graph near", {"MCP": "look_up_entity tells its facts"},
    ),
    Operation(
        graph.Graph.path, "get /graph/path", None, "graph path", {"MCP": "search_memory follows facts by itself"},
    ),
    Operation(graph.Graph.overview, "get /graph/overview", None, "graph overview", {"MCP": PERSON}),
    Operation(graph.Graph.retract_fact, "post /facts/{id}/retract", "retract_fact", "graph retract-fact"),
    Operation(
        Memory.set_time_zone, "put ", None, "agent time-zone", {"MCP": PERSON},
        rest_other={"description": "one request describes an agent", "metadata": "one request describes an agent"},
        cli_other={"agent_id": "the agent, which is an option elsewhere"},
    ),
    Operation(blocks.Core.list, "get /core-memory/blocks", "read_blocks", "block list",
              cli_other={"as_of": "Python's memory.as_of(), REST's /as-of"}),
    Operation(blocks.Core.create, "post /core-memory/blocks", None, "block create",
              {"MCP": "append_to_block makes the block"}),
    Operation(blocks.CoreBlock.blame, "get /core-memory/blocks/{label}/blame", None, "block blame",
              {"MCP": "a person asks who wrote what; a model edits what is there"}),
    Operation(blocks.CoreBlock.append, "post /core-memory/blocks/{label}/append", "append_to_block", "block append",
              rest_other=_EXPECTED, mcp_other=_STALE_MODEL),
    Operation(blocks.CoreBlock.replace, "post /core-memory/blocks/{label}/replace", "replace_in_block", "block replace",
              rest_other=_EXPECTED, mcp_other=_STALE_MODEL),
    Operation(blocks.CoreBlock.insert, "post /core-memory/blocks/{label}/insert", None, "block insert",
              {"MCP": "append_to_block and replace_in_block do it"}, rest_other=_EXPECTED),
)  # fmt: skip

PYTHON_ONLY: Final[Mapping[str, str]] = {
    "Memory.remember": "Archival.insert",
    "Memory.remember_many": "Archival.insert_many",
    "Memory.search": "Search.search",
    "Memory.as_of": "returns an object; REST /as-of and the commands' --as-of read from it",
    "Memory.close": AUTOMATIC,
    "Memory.transaction": AUTOMATIC,
    "Memory.forget_agent": "concerns the whole agent: DELETE of the agent, memgpt agent delete",
    "Memory.ingest": "files: REST /documents/files, memgpt ingest",
    "Memory.ingest_files": "files: REST /documents/files, memgpt ingest",
    "Memory.ingest_uploads": AUTOMATIC,
    "Archival.touch": AUTOMATIC,
    "Messages.count": "stats, and sessions",
    "CoreBlock.rethink": "REST patch with a value, rewrite_block, memgpt block rethink",
    "CoreBlock.describe": "REST patch, memgpt block describe",
    "CoreBlock.share_with": "REST /shared-with, memgpt block share; not for models",
    "CoreBlock.unshare": "REST /shared-with, memgpt block unshare; not for models",
    "Core.delete": "REST delete, memgpt block delete; not for models",
    "Documents.chunk": "REST /chunks/{id}",
    "Documents.chunks": "REST /documents/{id}/chunks, read_document",
    "Documents.create": AUTOMATIC,
    "Documents.count": "stats",
    "Documents.find": AUTOMATIC,
    "Documents.text": "read_document; REST gives the chunks",
    "Items.put": AUTOMATIC,
    "Items.put_many": AUTOMATIC,
    "Items.get": AUTOMATIC,
    "Items.get_many": AUTOMATIC,
    "Items.delete": "for programs that build on the library; forget does it for people",
    "Items.delete_many": AUTOMATIC,
    "Items.list": AUTOMATIC,
    "Items.search": "search finds items, too",
    "Items.namespaces": AUTOMATIC,
    "Items.sweep": AUTOMATIC,
    "Files.get": "REST /files/{id}",
}
"""Operations of the memory that are no row of the table, and where the other faces have them."""

LISTED: Final = (
    Memory,
    archival.Archival,
    messages.Messages,
    blocks.Core,
    blocks.CoreBlock,
    documents.Documents,
    items.Items,
    files.Files,
)
"""What has to be complete; of the graph, of search and of proposals a part is for programs only."""


def parameters(function: Callable[..., Any]) -> set[str]:
    """The options of Python; keyword arguments that are checked elsewhere are the keys of one memory, or of a walk."""
    names = inspect.signature(function).parameters
    keys = set(archival._KEYS) if "fields" in names else set()
    keys |= set(WalkFilters.__annotations__) if "filters" in names else set()
    label = {"label"} if function.__qualname__.startswith("CoreBlock.") else set()  # memory.core[label]
    return {name for name in names if name not in ("self", "fields", "filters")} | keys | label


@pytest.fixture(scope="module")
def offered() -> Mapping[Face, Mapping[str, set[str]]]:
    """The options of every operation of each face."""
    service = service_on("postgresql://nobody@127.0.0.1/nothing", keys_required=False)
    tools = anyio.run(create_server(service).list_tools)
    return {
        "REST": dict(_rest(app_of(service).openapi())),
        "MCP": {tool.name: set(tool.input_schema["properties"]) for tool in tools},
        "CLI": dict(_cli(typer.main.get_command(cli_app))),
    }


def _rest(document: Mapping[str, Any]) -> Iterator[tuple[str, set[str]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            names = {p["name"] for p in operation.get("parameters", ()) if p["in"] in ("path", "query")}
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            body = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            names |= set(document["components"]["schemas"][body]["properties"]) if body else set()
            yield f"{method} {path.removeprefix(AGENT)}", names - {"agent_id"}


def _cli(group: Any, path: str = "") -> Iterator[tuple[str, set[str]]]:
    for name in group.list_commands(None):
        command = lazy.load(name) if not path and name in lazy.COMMANDS else group.get_command(None, name)
        if hasattr(command, "list_commands"):
            yield from _cli(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", {p.name for p in command.params} - {"agent", "dsn", "schema", "as_json"}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_face_has_the_same_options(
    offered: Mapping[Face, Mapping[str, set[str]]], operation: Operation, face: Face
) -> None:
    name = operation.offered(face)
    if name is None:
        assert face in (operation.without or {}), f"{face} does not offer {operation.name}: offer it, or say why"
        return
    assert name in offered[face], f"{face} has no {name!r}"
    ours, theirs, other = parameters(operation.python), offered[face][name], set(operation.other(face))
    missing, more = ours - theirs - other, theirs - ours - other
    assert not missing, f"{face}'s {name!r} lacks {sorted(missing)} of {operation.name}: add it there, or say why here"
    assert not more, f"{operation.name} lacks {sorted(more)} of {face}'s {name!r}: add it there, or say why here"
    stale = {option for option in other if (option in ours) == (option in theirs)}
    assert not stale, f"{face}'s {name!r} and Python agree about {sorted(stale)}: take the exception away"


def test_every_operation_of_a_memory_is_in_the_table() -> None:
    table = {operation.name for operation in OPERATIONS}
    methods = {
        method.__qualname__
        for part in LISTED
        for name, method in inspect.getmembers(part, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods - table == set(PYTHON_ONLY)
