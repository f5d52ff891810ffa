"""Claude's memory tool over the files of a memory: the reference's results and errors, to the letter.

Each case is done by anthropic's own tool over a disk, too, and the answers are compared.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from memgpt import Memory
from memgpt.config import Settings

pytest.importorskip("anthropic")

from anthropic import Anthropic, AsyncAnthropic
from anthropic.lib.tools import ToolError
from anthropic.lib.tools._beta_builtin_memory_tool import BetaLocalFilesystemMemoryTool

from memgpt.integrations.anthropic import AsyncMemoryTool, MemoryTool, views
from tests.chat_dialects import Json
from tests.chat_server import ChatServer, Say

Command = dict[str, Any]


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn, options=Settings(embedding_model="none", pool_size=4)) as memory:
        yield memory


def answer(call: Callable[[object], object], command: Command) -> tuple[str, object]:
    try:
        return "result", call(command)
    except ToolError as error:
        return "error", str(error)


FILES = {
    "/memories/a.md": "one\ntwo\nthree\nfour\nfive\nsix\n",
    "/memories/twice.txt": "x\ny x\nxx",
    "/memories/empty.txt": "",
    "/memories/crlf.txt": "one\r\ntwo\r\n",
    "/memories/dir/b.md": "b",
    "/memories/dir/sub/deep/c.md": "c" * 2000,
    "/memories/dir-2/d.md": "d" * 1536,
    "/memories/.hidden/e.md": "e",
    "/memories/dir/.secret": "s",
}

CASES: list[Command] = [
    *({"command": "view", "path": path} for path in FILES),
    *({"command": "view", "path": path} for path in ("/memories/nothing", "/etc/passwd", "/memories/../x", "")),
    *({"command": "view", "path": path} for path in ("/memories/dir/../a.md", "/memories//a.md", "/memories/./a.md")),
    *({"command": "view", "path": "/memories/a.md/x"} for _ in range(1)),
    *(
        {"command": "view", "path": "/memories/a.md", "view_range": lines}
        for lines in ([2, 3], [3, -1], [0, 2], [-5, 1], [5, 99], [9, 12], [4, 2], [1], [], [1, 2, 3])
    ),
    *({"command": "create", "path": path, "file_text": "new"} for path in ("/memories/new.md", "/memories/p/q/r.md")),
    *({"command": "create", "path": path, "file_text": "new"} for path in ("/memories/a.md", "/memories/dir", "/x")),
    *({"command": "create", "path": path, "file_text": "new"} for path in ("/memories", "/memories/a/../../../etc/x")),
    *(
        {"command": "str_replace", "path": path, "old_str": old, "new_str": new}
        for path, old, new in (
            ("/memories/a.md", "three", "3"),
            ("/memories/a.md", "one\n", ""),
            ("/memories/a.md", "six", "6\n7\n8\n9"),
            ("/memories/a.md", "two\nthree", "2\n2.5\n3"),
            ("/memories/a.md", "seven", "7"),
            ("/memories/twice.txt", "x", "z"),
            ("/memories/twice.txt", "xx", "z"),
            ("/memories/empty.txt", "", "filled"),
            ("/memories/crlf.txt", "one", "1"),
            ("/memories/crlf.txt", "one\n", "1"),
            ("/memories/nothing", "x", "y"),
            ("/memories/dir", "x", "y"),
            ("/memories", "x", "y"),
        )
    ),
    *(
        {"command": "insert", "path": path, "insert_line": line, "insert_text": text}
        for path, line, text in (
            ("/memories/a.md", 0, "zero"),
            ("/memories/a.md", 6, "seven\n\n"),
            ("/memories/a.md", 2, "2.1\n2.2"),
            ("/memories/a.md", 7, "x"),
            ("/memories/a.md", -1, "x"),
            ("/memories/empty.txt", 0, "x"),
            ("/memories/empty.txt", 1, "x"),
            ("/memories/crlf.txt", 1, "x"),
            ("/memories/twice.txt", 3, ""),
            ("/memories/nothing", 0, "x"),
            ("/memories/dir", 0, "x"),
        )
    ),
    *({"command": "delete", "path": path} for path in ("/memories/a.md", "/memories/dir", "/memories/dir/sub/")),
    *({"command": "delete", "path": path} for path in ("/memories", "/memories/", "/memories/nothing", "/etc/x")),
    *(
        {"command": "rename", "old_path": old, "new_path": new}
        for old, new in (
            ("/memories/a.md", "/memories/z.md"),
            ("/memories/a.md", "/memories/new/dir/z.md"),
            ("/memories/dir", "/memories/moved"),
            ("/memories/a.md", "/memories/twice.txt"),
            ("/memories/a.md", "/memories/dir"),
            ("/memories/a.md", "/memories"),
            ("/memories/nothing", "/memories/z.md"),
            ("/memories/nothing", "/memories/a.md"),
            ("/memories", "/memories/z"),
            ("/memories/a.md", "/etc/x"),
            ("/etc/x", "/memories/z"),
        )
    ),
]


class TakenBack(Exception):
    """Ends a transaction without a change."""


def on_disk(tool: BetaLocalFilesystemMemoryTool) -> dict[str, str]:
    root = Path(tool.base_path)
    return {f"/{path.relative_to(root)}": path.read_bytes().decode() for path in root.rglob("*") if path.is_file()}


def in_memory(memory: Memory) -> dict[str, str]:
    return {entry.path: memory.files.read(entry.path).content for entry in memory.files.list()}


def test_every_command_is_answered_as_the_reference_answers_it(memory: Memory, tmp_path: Path) -> None:
    ours, ours_async = MemoryTool(memory), AsyncMemoryTool(memory)
    for path, content in FILES.items():
        memory.files.create(path, content)
    for number, command in enumerate(CASES):
        theirs = BetaLocalFilesystemMemoryTool(str(tmp_path / str(number)))
        for path, content in FILES.items():
            theirs.call({"command": "create", "path": path, "file_text": content})
        expected = answer(theirs.call, command)
        with suppress(TakenBack), memory.transaction():
            if number % 2:
                assert answer(ours.call, command) == expected, command
            else:
                assert answer(lambda given: asyncio.run(ours_async.call(given)), command) == expected, command
            assert in_memory(memory) == on_disk(theirs), command
            raise TakenBack


@pytest.mark.parametrize("path", ["/memories", "/memories/dir", "/memories/dir/sub", "/memories/.hidden", "/memories/"])
def test_a_directory_is_listed_as_the_reference_lists_it(memory: Memory, tmp_path: Path, path: str) -> None:
    theirs, ours = BetaLocalFilesystemMemoryTool(str(tmp_path)), MemoryTool(memory)
    for tool in (theirs, ours):
        for each, content in FILES.items():
            tool.call({"command": "create", "path": each, "file_text": content})
    seen = [str(tool.call({"command": "view", "path": path})).splitlines() for tool in (ours, theirs)]
    names, expected = [[line.partition("\t")[2] for line in lines] for lines in seen]
    assert (seen[0][0], names) == (seen[1][0], expected)
    sizes = [[line for line in lines[1:] if not line.endswith("/")][1:] for lines in seen]
    assert sizes[0] == sizes[1], "those of directories are a disk's own"


def test_an_empty_memory_has_its_directory(memory: Memory) -> None:
    header = "Here're the files and directories up to 2 levels deep in /memories, excluding hidden items:"
    assert MemoryTool(memory).call({"command": "view", "path": "/memories"}) == f"{header}\n0B\t/memories"


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0B"), (1, "1B"), (1023, "1023B"), (1024, "1K"), (1536, "1.5K"), (2**20, "1M"), (5 * 2**20 + 1, "5.0M")],
)
def test_sizes_are_written_as_the_reference_writes_them(size: int, shown: str) -> None:
    from anthropic.lib.tools._beta_builtin_memory_tool import _format_file_size

    assert views.directory("/memories", "/memories", [("/memories/a", size)]).endswith(f"{shown}\t/memories/a")
    assert _format_file_size(size) == shown


def test_what_a_file_cannot_be_is_told_to_the_model(memory: Memory) -> None:
    tool = MemoryTool(memory)
    tool.call({"command": "create", "path": "/memories/a", "file_text": "x"})
    for command, reason in (
        ({"command": "create", "path": "/memories/a/b", "file_text": "x"}, "'/memories/a' is a file"),
        ({"command": "create", "path": "/memories/b", "file_text": "x" * (5 * 2**20 + 1)}, "the limit of a file"),
        ({"command": "create", "path": "/memories/b", "file_text": "x\0"}, "NUL"),
        ({"command": "create", "path": "/memories/b\n", "file_text": "x"}, "cannot be printed"),
        ({"command": "view", "path": "/memories/" + "b" * 1000}, "limit is 1,000"),
        ({"command": "rename", "old_path": "/memories/a", "new_path": "/memories/a/b"}, "'/memories/a' is a file"),
    ):
        kind, said = answer(tool.call, command)
        assert kind == "error"
        assert reason in str(said)


def test_a_file_of_a_million_lines_is_not_shown() -> None:
    with pytest.raises(ValueError, match=r"File /memories/x exceeds maximum line limit of 999,999 lines\."):
        views.file("/memories/x", "\n" * 999_999, None)
    assert views.file("/memories/x", "\n" * 999_998, [999_998, -1]).endswith("999998\t\n999999\t")


def test_commands_are_changes_that_are_undone(memory: Memory) -> None:
    tool = MemoryTool(memory)
    tool.call({"command": "create", "path": "/memories/d/a", "file_text": "x"})
    tool.call({"command": "rename", "old_path": "/memories/d", "new_path": "/memories/e"})
    tool.call({"command": "delete", "path": "/memories/e"})
    memory.undo()
    assert in_memory(memory) == {"/memories/e/a": "x"}
    memory.undo()
    assert in_memory(memory) == {"/memories/d/a": "x"}


def test_a_model_writes_its_files_through_the_client(memory: Memory) -> None:
    create = {"command": "create", "path": "/memories/ann.md", "file_text": "Ann takes the night train."}

    def reaction(body: Json) -> Say:
        if "tool_result" not in str(body["messages"][-1]):
            return Say("", [("memory", create)])
        return Say(str(body["messages"][-1]["content"][0]["content"]))

    with ChatServer().running() as server:
        server.script(otherwise=reaction)
        given: Any = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "Remember it."}]}
        with Anthropic(base_url=server.root, api_key="k", max_retries=0) as client:
            answer = client.beta.messages.tool_runner(**given, tools=[MemoryTool(memory)]).until_done()
        assert "File created successfully at: /memories/ann.md" in str(answer.content)
        assert server.requests[0]["tools"] == [{"type": "memory_20250818", "name": "memory"}]

        async def asked() -> Any:
            async with AsyncAnthropic(base_url=server.root, api_key="k", max_retries=0) as client:
                return await client.beta.messages.tool_runner(**given, tools=[AsyncMemoryTool(memory)]).until_done()

        assert "File /memories/ann.md already exists" in str(asyncio.run(asked()).content)


def test_the_tool_says_what_it_is(memory: Memory) -> None:
    assert MemoryTool(memory, cache_control={"type": "ephemeral"}).to_dict() == {
        "type": "memory_20250818", "name": "memory", "cache_control": {"type": "ephemeral"},
    }  # fmt: skip


def test_without_the_package_the_extra_is_named() -> None:
    script = (
        "import sys; sys.modules['anthropic'] = None\n"
        "try:\n    import memgpt.integrations.anthropic\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "MissingExtraError" in answer.stdout
    assert "pip install 'memgpt-postgres[anthropic]'" in answer.stdout
