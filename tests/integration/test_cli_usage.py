"""What the command line says of wrong arguments, files and settings, and before it does what cannot be taken back."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pexpect
import psycopg
import pytest
import typer

from memgpt import Memory
from memgpt.cli import app, lazy
from memgpt.config import settings
from tests.conftest import free_port
from tests.integration.conftest import Run, rows

BAD = [
    ("search x --limit 0", "limit must be"),
    ("search x --kinds blog", "kinds must be one of"),
    ("search x --since yesterday-ish", "since"),
    ("search x --metadata [", "--metadata is not JSON"),
    ("search x --half-life soon", "--half-life"),
    ("remember ''", "text"),
    ("remember x --importance 7", "importance"),
    ("remember x --expires-at nonsense", "expires_at"),
    ("context x --budget-tokens 0", "budget_tokens"),
    ("archival list --limit 0", "limit must be"),
    ("archival update 1 --importance 7", "importance"),
    ("message append someone hello", "role"),
    ("message append user hello --created-at nonsense", "created_at"),
    ("message list --roles someone", "roles"),
    ("message sessions --limit 0", "limit must be"),
    ("history blog", "kind"),
    ("history --limit 0", "limit must be"),
    ("undo not-a-change", "not-a-change"),
    ("forget 1 --kind blog --yes", "kind"),
    ("forget 1 --kind blog", "kind"),
    ("block create '' x", "label"),
    ("block create human x --limit 0", "limit"),
    ("agent list --limit 0", "limit must be"),
    ("agent create ''", "agent"),
    ("agent create x --metadata [", "--metadata is not JSON"),
    ("graph facts --limit 0", "limit must be"),
    ("graph facts --valid-at nonsense", "valid_at"),
    ("graph near x --limit 0", "limit must be"),
    ("graph rank x --limit 0", "limit must be"),
    ("graph path a b --by road", "by"),
    ("graph export nowhere/graph.json", "there is no directory nowhere"),
    ("graph import nowhere.csv", "there is no file nowhere.csv"),
    ("export nowhere/x.jsonl", "there is no directory nowhere"),
    ("export .", "it is a directory"),
    ("import nowhere.jsonl", "there is no file nowhere.jsonl"),
    ("import-transcript nowhere.json", "there is no file nowhere.json"),
    ("proposals list --status maybe", "status"),
    ("jobs list --status maybe", "--status"),
    ("jobs list --limit 0", "limit must be"),
    ("key create", "--agent"),
    ("key create --agent x --permission fly", "--permission"),
    ("key create --agent x --expires soon", "--expires"),
    ("sleep --task snore", "task"),
    ("db backup nowhere/x.dump", "there is no directory nowhere"),
    ("db restore nowhere.dump", "there is no file nowhere.dump"),
    ("reembed --plan --status", "one of --plan"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD, ids=[arguments for arguments, _ in BAD])
def test_arguments_are_checked_before_a_database_is_opened(
    arguments: str, says: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://127.0.0.1:{free_port()}/nobody-listens")
    monkeypatch.setenv("MEMGPT_CONNECT_TIMEOUT", "2")
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    said = run(*shlex.split(arguments), status=1)
    assert "cannot connect" not in said
    assert says in said


def test_no_server_is_started_for_wrong_arguments(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("MEMGPT_DATA_DIR", str(tmp_path / "data"))
    settings.cache_clear()
    assert "limit must be" in run("search", "x", "--limit", "0", status=1)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("MEMGPT_EMBEDING_MODEL", "did you mean MEMGPT_EMBEDDING_MODEL?"),
        ("MEMGPT_DATABASE_ULR", "did you mean DATABASE_URL?"),
        ("memgpt_agnet", "did you mean MEMGPT_AGENT?"),
        ("MEMGPT_COLOUR", "docs/settings.md"),
    ],
)
def test_misspelt_variables_are_named(
    name: str, nearest: str, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "x")
    settings.cache_clear()
    with pytest.warns(UserWarning, match=f"{name} is set, but memgpt has no such setting"):
        settings()
    settings.cache_clear()
    monkeypatch.setattr(sys, "argv", ["memgpt", "server", "status"])
    with pytest.raises(SystemExit):
        app()
    said = capsys.readouterr().err
    assert said.count(f"{name} is set, but memgpt has no such setting: ") == 1
    assert nearest in said


def test_every_setting_is_known_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from memgpt import config

    for field in config.Settings.model_fields:
        monkeypatch.setenv(config.variable(field), "1")
    assert config.misspelt() == []


@pytest.mark.parametrize("arguments", [["remember", "-40 degrees"], ["block", "append", "human", "--force is odd"]])
def test_a_text_that_begins_like_an_option_gets_a_hint(arguments: list[str], run: Run) -> None:
    assert "before a text that begins with -, write --" in run(*arguments, status=2)
    *command, text = arguments
    run(*command, "--", text)
    assert text in run("search", "degrees odd", "--json") + run("block", "list", "--json")


def test_files_that_cannot_be_written_are_errors(run: Run, tmp_path: Path, dsn: str) -> None:
    run("remember", "kept")
    full = [sys.executable, "-m", "memgpt", "export"]
    with open("/dev/full", "w") as nowhere:
        done = subprocess.run(
            full, env=os.environ | {"DATABASE_URL": dsn}, stdout=nowhere, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in done.stderr
    directory = tmp_path / "is-one"
    directory.mkdir()
    for command in (["export"], ["graph", "export"], ["db", "backup"]):
        assert "it is a directory" in run(*command, str(directory), status=1)


def test_forget_looks_before_it_asks(run: Run) -> None:
    run("remember", "one")
    for kind in ("archival", "message", "document", "fact"):
        said = run("forget", "999", "--kind", kind, status=1)
        assert f"no {kind} 999" in said
        assert "--yes" not in said
    assert "--yes" in run("forget", "1", status=1)
    assert "there is no agent 'nobody'" in run("agent", "delete", "nobody", status=1)


def test_undo_shows_what_it_does_and_asks(dsn: str) -> None:
    with Memory("default", dsn=dsn) as memory:
        memory.core["human"].append("Likes tea")
        memory.core["human"].rethink("Likes coffee")
        command = f"{sys.executable} -m memgpt undo"
        for answer, value in (("n", "Likes coffee"), ("y", "Likes tea")):
            child = pexpect.spawn(command, env=os.environ | {"DATABASE_URL": dsn, "COLUMNS": "200"}, timeout=60)
            child.expect("update +block +.*Likes coffee +Likes tea")
            child.expect("Take back change .*y/N")
            child.sendline(answer)
            child.expect(pexpect.EOF)
            child.close()
            assert memory.core["human"].block.value == value


def test_agents_come_in_pages_and_memories_apart_from_history(run: Run) -> None:
    for name in ("ann", "bob", "carl"):
        run("remember", f"a note of {name}", "--agent", name)
    run("message", "append", "user", "hello", "--agent", "ann")
    run("archival", "update", "1", "--text", "another", "--agent", "ann")
    lines = run("agent", "list", "--limit", "2").splitlines()
    assert lines[0].split() == ["agent", "description", "memories", "messages", "history", "size", "created", "active"]
    assert lines[1].split()[:4] == ["ann", "1", "1", "3"]
    assert [line.split()[0] for line in lines[1:]] == ["ann", "bob"]
    page = rows(run("agent", "list", "--limit", "2", "--after", "ann", "--json"))
    assert [agent["agent_id"] for agent in page] == ["bob", "carl"]


@pytest.mark.parametrize("command", ["archival", "message"])
def test_lists_page_by_the_same_name(command: str, run: Run) -> None:
    for n in range(5):
        run(*(["remember"] if command == "archival" else ["message", "append", "user"]), f"note {n}")
    pages, after = [], []  # type: ignore[var-annotated]
    for _ in range(3):
        page = rows(run(command, "list", "--limit", "2", *after, "--json"))
        pages += sorted((row["id"] for row in page), reverse=True)
        after = ["--after", str(pages[-1])]
    assert pages == [5, 4, 3, 2, 1]


def test_every_command_is_in_a_group_of_the_help(run: Run) -> None:
    names = typer.main.get_command(app).list_commands(None)  # type: ignore[attr-defined]
    assert names == [command for commands in lazy.PANELS.values() for command in commands]
    said = run("--help")
    for panel in lazy.PANELS:
        assert f"─ {panel} ─" in said


def test_assistants_are_configured_for_the_same_memory(
    dsn: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MEMGPT_AGENT", "ann o'hara")
    monkeypatch.setenv("MEMGPT_SCHEMA", "public")
    settings.cache_clear()
    said = run("mcp", "--config")
    stdio = json.loads(said[said.index("{") : said.index("\n}\n") + 2])["mcpServers"]["memgpt"]
    assert Path(stdio["command"]).is_absolute()
    assert stdio["args"][-3:] == ["mcp", "--agent", "ann o'hara"]
    assert stdio["env"] == {"DATABASE_URL": dsn, "MEMGPT_SCHEMA": "public"}
    elsewhere = {"HOME": str(tmp_path), "PATH": "/nowhere"} | stdio["env"]
    subprocess.run(
        [stdio["command"], *stdio["args"][:-3], "remember", "the same memory"], check=True, env=elsewhere, cwd=tmp_path
    )
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT text FROM archival_memories").fetchall() == [("the same memory",)]
    [claude] = [line for line in said.splitlines() if line.startswith("claude mcp add")]
    assert f"DATABASE_URL={dsn}" in shlex.split(claude)
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("MEMGPT_DATA_DIR", "here")
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    assert f'"MEMGPT_DATA_DIR": "{tmp_path / "here"}"' in run("mcp", "--config")
