"""The command line, as a person or a machine runs it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from memgpt import Agents, Memory
from memgpt.config import settings
from tests.integration.conftest import Run, rows


def test_what_is_remembered_is_recalled(run: Run) -> None:
    assert run("remember", "The flight to Oslo leaves at 9:40.", "--tags", "travel", "--tags", "oslo") == "✓ memory 1\n"
    assert run("remember", "The flight to Oslo leaves at 9:40.") == "known already: memory 1\n"
    [kept] = rows(run("remember", "Ann likes tea.", "--metadata", '{"from": "chat"}', "--json"))
    assert kept == {"id": 3, "duplicate": False, "similar": []}
    [hit] = rows(run("search", "when does the Oslo flight leave?", "--tags", "travel", "--json"))
    assert (hit["kind"], hit["id"], hit["source"]["tags"]) == ("archival", 1, ["travel", "oslo"])
    table = run("search", "oslo", "--kinds", "archival", "--explain")
    assert "The flight to Oslo leaves at 9:40." in table
    assert "vector #1" in table
    assert run("search", "-", "--limit", "1", "--json", stdin="tea\n").startswith('{"kind": "archival", "id": 3')


def test_a_weak_match_is_said_and_operators_mean_something(run: Run, dsn: str) -> None:
    run("remember", "-", stdin="Bob's dog is called Rex\nAnn likes green tea\n")

    def noted(query: str) -> str:
        command = [sys.executable, "-m", "memgpt", "search", query]
        environment = os.environ | {"DATABASE_URL": dsn}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr

    assert "the best of these is a weak match" in noted("Who repaired the helicopter?")
    assert noted("the name of Bob's dog") == ""
    [hit] = rows(run("search", "dog -tea", "--json"))
    assert hit["confidence"] > 0.5
    assert len(rows(run("search", "dog -tea", "--plain", "--json"))) == 2


HOSTILE = "tea \x1b]52;c;aGk=\x07 \x1b[2J\x9b8m \rhidden \u202eback 👩\u200d🚀"


def test_no_stored_text_steers_a_terminal(run: Run, dsn: str) -> None:
    with Memory("default", dsn=dsn) as memory:
        memory.remember(HOSTILE, source="a\x1b[1mb")
        memory.core.create("notes", HOSTILE)
    for command in (["search", "tea"], ["archival", "list"], ["archival", "get", "1"], ["block", "list"]):
        shown = run(*command)
        assert not {"\x1b", "\x07", "\x9b", "\r", "\u202e"} & set(shown), command
        assert "\\u001b]52;c;aGk=\\u0007" in shown
    assert run("block", "get", "notes") == HOSTILE + "\n"  # into a pipe it is the text itself
    environment = os.environ | {"DATABASE_URL": dsn, "NO_COLOR": "1"}
    for arguments in ("block get notes", "context tea", "search tea --json"):
        terminal, inside = pty.openpty()
        command = [sys.executable, "-m", "memgpt", *arguments.split()]
        with subprocess.Popen(command, env=environment, stdout=inside) as process:
            os.close(inside)
            shown = b"".join(iter(partial(_read, terminal), b"")).decode()
            assert process.wait() == 0
        os.close(terminal)
        assert "\\u001b]52;c;aGk=\\u0007" in shown, arguments
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown), arguments
        assert "👩\u200d🚀" in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1_000_000)
    except OSError:  # the other end is closed
        return b""


def test_lines_and_json_lines_are_remembered_in_one_go(run: Run) -> None:
    assert run("remember", "-", "--tags", "a", stdin="one\n\ntwo\none\n") == "✓ 2 remembered, 1 known already\n"
    lines = '{"text": "three", "tags": ["b"]}\n{"text": "four", "importance": 0.9}\n'
    assert [r["duplicate"] for r in rows(run("remember", "-", "--tags", "a", "--json", stdin=lines))] == [False, False]
    listed = {m["text"]: m["tags"] for m in rows(run("archival", "list", "--json"))}
    assert listed == {"one": ["a"], "two": ["a"], "three": ["b"], "four": ["a"]}
    assert "line 2 is not JSON" in run("remember", "-", status=1, stdin='{"text": "five"}\nsix\n')
    assert "item 1: importance" in run(
        "remember", "-", status=1, stdin='{"text": "x"}\n{"text": "y", "importance": 7}\n'
    )
    assert "not UTF-8" in run("remember", "-", status=1, stdin=b"\xff\xfe\n")
    assert len(rows(run("archival", "list", "--json"))) == 4


def test_archival_memories_are_corrected_and_replaced(run: Run) -> None:
    run("remember", "Ann lives in Rome", "--expires-at", "2999-01-01")
    assert run("archival", "update", "1", "--text", "Ann lives in Oslo", "--clear-expiry") == "✓ memory 1 changed\n"
    assert json.loads(run("archival", "get", "1", "--json"))["expires_at"] is None
    assert run("archival", "supersede", "1", "Ann lives in Bergen") == "✓ memory 2 replaces 1\n"
    assert "superseded by archival memory 2" in run("archival", "supersede", "1", "Ann lives in Rome", status=1)
    assert [m["id"] for m in rows(run("archival", "list", "--json"))] == [2]
    assert "Bergen" in run("archival", "get", "2")
    run("archival", "delete", "2")
    assert "no archival memory 2" in run("archival", "get", "2", status=1)


def test_blocks(run: Run) -> None:
    run("block", "create", "human", "Name: Ann", "--limit", "100")
    assert run("block", "append", "human", "Likes tea") == "✓ block human, version 2, 19 of 100 characters\n"
    run("block", "replace", "human", "tea", "-", stdin="coffee\n")
    run("block", "insert", "human", "Lives in Oslo", "--line", "2")
    assert run("block", "get", "human") == "Name: Ann\nLives in Oslo\nLikes coffee\n"
    assert "version 4, not 1" in run("block", "rethink", "human", "x", "--expected-version", "1", status=1)
    before = datetime.now(UTC).isoformat()
    run("block", "rethink", "human", "Ann")
    assert run("block", "get", "human", "--as-of", before) == "Name: Ann\nLives in Oslo\nLikes coffee\n"
    run("block", "share", "human", "bob")
    assert [b["value"] for b in rows(run("block", "list", "--agent", "bob", "--json"))] == ["Ann"]
    run("block", "unshare", "human")
    run("block", "describe", "human", "--read-only", "--description", "who")
    assert "read-only" in run("block", "append", "human", "x", status=1)
    run("block", "describe", "human", "--editable")
    run("block", "delete", "human")
    assert run("block", "list", "--json") == ""


def test_messages(run: Run) -> None:
    run("message", "append", "user", "Hello", "--session", "s1", "--name", "Ann")
    lines = '{"role": "assistant", "content": "Hi!"}\n{"content": "Bye", "session": "s2"}\n'
    assert run("message", "append-many", "--session", "s1", stdin=lines) == "✓ 2 messages kept\n"
    assert [m["content"] for m in rows(run("message", "list", "--session", "s1", "--json"))] == ["Hello", "Hi!"]
    assert {s["session"]: s["messages"] for s in rows(run("message", "sessions", "--json"))} == {"s1": 2, "s2": 1}
    run("message", "update", "1", "--content", "Hello there", "--intent", "greeting")
    assert json.loads(run("message", "get", "1", "--json"))["intent"] == "greeting"
    run("message", "delete", "1")
    assert [m["content"] for m in rows(run("message", "list", "--roles", "user", "--json"))] == ["Bye"]
    assert "role must be one of" in run("message", "append", "robot", "x", status=1)


def test_context_is_a_text_for_a_prompt(run: Run) -> None:
    run("block", "append", "human", "Ann")
    run("remember", "The flight to Oslo leaves at 9:40.")
    text = run("context", "Oslo flight", "--budget-tokens", "200")
    assert text.startswith("# Core memory\n## human")
    assert "[archival 1" in text
    account = json.loads(run("context", "Oslo flight", "--budget-tokens", "200", "--json"))
    assert account["text"] == text.rstrip("\n")
    assert account["tokens"] <= 200


def test_options_as_in_python(run: Run) -> None:
    calls = json.dumps([{"id": "c1", "name": "look_up"}])
    run("message", "append", "assistant", "Let me see", "--session", "s", "--tool-calls", calls, "--intent", "plan")
    run("message", "append", "tool", "tea", "--session", "s", "--tool-call-id", "c1")
    assert "not a JSON list" in run("message", "append", "assistant", "x", "--tool-calls", "{}", status=1)
    first, second = rows(run("message", "list", "--session", "s", "--json"))
    assert (first["tool_calls"], second["tool_call_id"]) == ([{"id": "c1", "name": "look_up"}], "c1")
    hits = rows(run("search", "see tea", "--roles", "assistant", "--intents", "plan", "--no-graph", "--json"))
    assert [hit["id"] for hit in hits] == [first["id"]]
    fact = json.loads(
        run("graph", "add-fact", "Ann", "likes", "Tea", "--fact", "Ann likes tea", "--weight", "2", "--provenance",
            "message:1", "--properties", '{"n": 1}', "--json")
    )  # fmt: skip
    assert (fact["weight"], fact["provenance_id"], fact["properties"]) == (2, 1, {"n": 1})
    assert "write message:12" in run("graph", "add-fact", "Ann", "likes", "Tea", "--provenance", "message", status=1)
    assert json.loads(run("graph", "facts", "Tea", "--direction", "out", "--json")) == []
    old = json.loads(run("remember", "a", "--json"))["id"]
    new = json.loads(run("archival", "supersede", str(old), "b", "--source", "mail", "--json"))["id"]
    assert json.loads(run("archival", "get", str(new), "--json"))["source"] == "mail"
    assert "2 messages" in run("message", "delete-session", "s")
    run("undo")
    assert json.loads(run("forget", "--session", "s", "--yes", "--json"))["conversations"] == 2


def test_history_undo_and_forget(run: Run) -> None:
    run("remember", "one")
    run("remember", "two")
    newest, _ = rows(run("history", "--json"))
    assert (newest["actor"], newest["action"], newest["new"]["text"]) == ("cli", "insert", "two")
    assert "two" in run("history", "archival", "2")
    [undone] = rows(run("undo", "--json"))
    assert undone["undoes"] == newest["change_id"]
    assert "two" in run("undo", undone["change_id"])
    assert "--yes" in run("forget", "2", status=1)
    assert json.loads(run("forget", "2", "--yes", "--json"))["archival_memories"] == 1
    assert "archival_memories" in run("forget", "1", "--yes")
    assert "no archival 2" in run("forget", "2", "--yes", status=1)


def test_agents_go_into_a_file_and_come_back(run: Run, tmp_path: Path, dsn: str) -> None:
    run("remember", "kept", "--agent", "ann")
    run("agent", "fork", "ann", "eve")
    run("agent", "rename", "eve", "bob")
    run("agent", "create", "carl", "--description", "new")
    assert [a["agent_id"] for a in rows(run("agent", "list", "--json"))] == ["ann", "bob", "carl"]
    file = tmp_path / "ann.jsonl"
    run("export", str(file), "--agent", "ann", "--history")
    assert run("export", "--agent", "ann", "--history") == file.read_text(encoding="utf-8")
    assert json.loads(run("agent", "delete", "ann", "--yes", "--json"))["archival_memories"] == 1
    assert run("import", str(file)) == "✓ 2 rows imported into agent ann\n"
    assert run("import", "-", stdin=file.read_text()) == "✓ 0 rows imported into agent ann, 2 there already\n"
    assert json.loads(run("import", str(file), "--agent", "dora", "--json"))["agent_id"] == "dora"
    assert "there is no file" in run("import", "nowhere.jsonl", status=1)
    assert json.loads(run("agent", "describe", "dora", "--json"))["rows"]["archival_memories"] == 1
    with Agents(dsn) as agents:
        assert agents.describe("carl").description == "new"


def test_stats_count_every_kind(run: Run, dsn: str) -> None:
    with Memory("default", dsn=dsn) as memory:
        memory.core["human"].append("Ann")
        memory.remember("gone", expires_at="2001-01-01")
        first = memory.remember("old")
        memory.archival.supersede(first.id, "new")
        memory.messages.append("user", "Hello there")
        memory.documents.add("# Guide\n\nRead me.")
        memory.graph.add_fact("Ann", "knows", "Bob")
        found = memory.stats()
    kinds = {k.kind: k for k in found.kinds}
    assert {k: v.rows for k, v in kinds.items() if v.rows} == {
        "block": 1, "archival": 3, "message": 1, "document": 1, "chunk": 1, "entity": 2, "fact": 1
    }  # fmt: skip
    assert {k: v.embedded for k, v in kinds.items() if v.rows} == {
        "block": None, "archival": 3, "message": 1, "document": None, "chunk": 1, "entity": 2, "fact": 1
    }  # fmt: skip
    assert (kinds["archival"].hidden, found.sessions, found.changes) == (2, 1, 7)
    assert (kinds["message"].tokens, found.dimensions) == (2, 256)
    assert json.loads(run("stats", "--json"))["kinds"][1]["rows"] == 3
    assert "wordllama" in run("stats")


def test_errors_name_the_remedy(run: Run, empty_dsn: str) -> None:
    assert "memgpt db migrate" in run("search", "x", "--dsn", empty_dsn, status=1)
    assert "limit must be a whole number" in run("search", "x", "--limit", "0", status=1)
    assert "--metadata is not JSON" in run("search", "x", "--metadata", "{", status=1)
    assert "write 90s" in run("search", "x", "--half-life", "soon", status=1)
    assert "kinds must be one of archival" in run("search", "x", "--kinds", "blog", status=1)
    assert "No such command" in run("rember", "x", status=2)


def test_the_agent_of_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMGPT_AGENT", "zoe")
    settings.cache_clear()
    run("remember", "hers")
    assert [a["agent_id"] for a in rows(run("agent", "list", "--json"))] == ["zoe"]


def test_server_status_starts_nothing(run: Run, tmp_path: Path) -> None:
    found = json.loads(run("server", "status", "--data-dir", str(tmp_path / "none"), "--json"))
    assert (found["running"], found["version"]) == (False, None)


def test_help_needs_neither_the_driver_nor_numpy() -> None:
    code = (
        "import sys; sys.argv[1:] = ['--help']\ntry:\n from memgpt.cli import main; main()\nexcept SystemExit: pass\n"
    )
    code += "print(sorted({'psycopg', 'numpy', 'pydantic', 'memgpt.memory'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Migrations, checks, backups" in done.stdout


def test_a_closed_pipe_is_no_error(dsn: str) -> None:
    with Memory("default", dsn=dsn) as memory:
        memory.remember_many({"text": f"text {n} " + "x" * 500} for n in range(1000))
    command = [sys.executable, "-m", "memgpt", "export"]
    with subprocess.Popen(
        command, env=os.environ | {"DATABASE_URL": dsn}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"format"')
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_shell_completion_knows_commands_and_kinds() -> None:
    def complete(words: str) -> str:
        given = {"_MEMGPT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
        code = "from memgpt.cli import app; app(prog_name='memgpt')"
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=os.environ | given, capture_output=True, text=True, check=False).stdout

    assert "remember" in complete("memgpt re")
    assert "append-many" in complete("memgpt message app")
    assert "migrate" in complete("memgpt db mig")
    assert "archival" in complete("memgpt search x --kinds arch")
