"""A folder and files of the memory, synchronized both ways."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memgpt import Memory, SyncReport
from memgpt.cli import app
from memgpt.errors import InputError
from memgpt.files.paths import MAX_BYTES
from memgpt.files.sync_store import FileSyncStore


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "notes"
    made.mkdir()
    return made


def on_disk(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes().decode() for path in files}


def in_memory(memory: Memory, directory: str = "/memories") -> dict[str, str]:
    entries = memory.files.list(directory)
    return {entry.path[len(directory) + 1 :]: memory.files.read(entry.path).content for entry in entries}


def done(report: SyncReport) -> set[tuple[str, str, str]]:
    assert not report.conflicts
    return {(file.path.removeprefix("/memories/"), file.action, file.to) for file in report.changed}


def test_changes_of_either_side_are_carried_over(memory: Memory, folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "a.md").write_bytes(b"# A\r\n\r\nthe red boat  ")
    memory.files.create("b.md", "from the memory")
    memory.files.create("/elsewhere/c.md", "not below the directory")
    dry = memory.files.sync(folder, dry_run=True)
    assert (in_memory(memory), on_disk(folder).keys()) == ({"b.md": "from the memory"}, {"sub/a.md"})
    report = memory.files.sync(folder)
    assert done(report) == done(dry) == {("sub/a.md", "create", "memory"), ("b.md", "create", "folder")}
    assert in_memory(memory) == on_disk(folder)
    assert done(memory.files.sync(folder)) == set()
    assert memory.search("the red boat", kinds=["file"])[0].source["path"] == "/memories/sub/a.md"

    (folder / "b.md").write_text("the folder's")
    memory.files.write("sub/a.md", "changed in the memory")
    (folder / "b.md").chmod(0o640)
    assert done(memory.files.sync(folder)) == {("sub/a.md", "update", "folder"), ("b.md", "update", "memory")}
    assert in_memory(memory) == on_disk(folder) == {"sub/a.md": "changed in the memory", "b.md": "the folder's"}

    memory.files.delete("sub/a.md")
    memory.files.create("c.md", "")
    assert done(memory.files.sync(folder)) == {("sub/a.md", "delete", "folder"), ("c.md", "create", "folder")}
    assert not (folder / "sub").exists()
    (folder / "b.md").unlink()
    assert done(memory.files.sync(folder)) == {("b.md", "delete", "memory")}
    assert in_memory(memory) == on_disk(folder) == {"c.md": ""}

    memory.undo()
    assert done(memory.files.sync(folder)) == {("b.md", "create", "folder")}, "an undo is a change like another"


def test_conflicts_are_shown_with_both_texts_and_left_alone(memory: Memory, folder: Path) -> None:
    for name in ("both", "gone-here", "gone-there"):
        memory.files.create(name, "start")
    memory.files.sync(folder)
    (folder / "both").write_text("here")
    memory.files.write("both", "there")
    (folder / "gone-here").unlink()
    memory.files.write("gone-here", "there")
    (folder / "gone-there").write_text("here")
    memory.files.delete("gone-there")
    (folder / "first").write_text("here")
    memory.files.create("first", "there")
    (folder / "clash").mkdir()
    (folder / "clash" / "below").write_text("here")
    memory.files.create("clash", "there")
    before = on_disk(folder), in_memory(memory)
    for _ in range(2):
        report = memory.files.sync(folder)
        assert {(c.path[10:], c.folder, c.memory) for c in report.conflicts} == {
            ("both", "here", "there"),
            ("gone-here", None, "there"),
            ("gone-there", "here", None),
            ("first", "here", "there"),
            ("clash", None, "there"),
            ("clash/below", "here", None),
        }
        assert (report.changed, on_disk(folder), in_memory(memory)) == ([], *before)
    (folder / "both").write_text("there")
    assert "/memories/both" not in {conflict.path for conflict in memory.files.sync(folder).conflicts}


def test_one_empty_side_deletes_nothing_unless_that_is_meant(memory: Memory, folder: Path, tmp_path: Path) -> None:
    (folder / "a.md").write_text("a")
    memory.files.sync(folder)
    (folder / "a.md").unlink()
    with pytest.raises(InputError, match=r"the folder .* is empty, and 1 files were synchronized before"):
        memory.files.sync(folder)
    assert done(memory.files.sync(folder, delete=True)) == {("a.md", "delete", "memory")}
    memory.undo()
    memory.files.sync(folder)
    memory.files.delete("a.md")
    with pytest.raises(InputError, match="the memory below '/memories' is empty"):
        memory.files.sync(folder)
    assert on_disk(folder) == {"a.md": "a"}
    with pytest.raises(InputError, match="is no directory"):
        memory.files.sync(tmp_path / "missing")
    with memory.transaction(), pytest.raises(InputError, match="in a transaction"):
        memory.files.sync(folder)


def test_what_is_no_text_of_the_folder_is_left_out_and_named(memory: Memory, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    for name in ("a.md", "b.md", "link/c.md", "d.md"):
        memory.files.create(name, "text")
    memory.files.sync(folder)
    (folder / "a.md").write_bytes(b"\xff\xfe")
    (folder / "b.md").unlink()
    (folder / "b.md").symlink_to(outside / "secret")
    (folder / "link" / "c.md").unlink()
    (folder / "link").rmdir()
    (folder / "link").symlink_to(outside)
    (folder / ".obsidian").mkdir()
    (folder / ".obsidian" / "app.json").write_text("{}")
    (folder / "large").write_text("x" * (MAX_BYTES + 1))
    (folder / "nul").write_text("a\0b")
    os.mkfifo(folder / "pipe")
    (folder / "line\nbreak").write_text("x")
    (folder / os.fsdecode(b"latin\xe9")).write_text("x")
    memory.files.create(".hidden/x", "x")
    memory.files.create("n" * 256, "x")
    memory.files.write("link/c.md", "must not be written through a link")
    before = in_memory(memory)
    for _ in range(2):
        report = memory.files.sync(folder)
        assert done(report) == set()
        assert report.left_out.keys() == {
            *("a.md", "b.md", "link", ".obsidian", "large", "nul", "pipe", "line\nbreak", "latin\\udce9"),
            *("/memories/.hidden/x", "/memories/" + "n" * 256),
        }
    assert in_memory(memory) == before
    assert on_disk(outside) == {"secret": "secret"}


def test_names_in_other_unicode_normal_forms_are_one(memory: Memory, folder: Path) -> None:
    (folder / "u\u0308ber").mkdir()
    (folder / "u\u0308ber" / "e\u0301.md").write_text("one")
    memory.files.sync(folder)
    assert in_memory(memory) == {"\u00fcber/\u00e9.md": "one"}
    memory.files.write("\u00fcber/\u00e9.md", "two")
    memory.files.create("\u00fcber/new.md", "new")
    memory.files.sync(folder)
    assert on_disk(folder) == {"u\u0308ber/e\u0301.md": "two", "u\u0308ber/new.md": "new"}
    (folder / "u\u0308ber" / "\u00e9.md").write_text("a second one")
    report = memory.files.sync(folder)
    assert (done(report), list(report.left_out)) == (set(), ["\u00fcber/\u00e9.md"])


def test_an_interruption_is_made_up_for(memory: Memory, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.md").write_text("a")
    memory.files.create("b.md", "b")
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(FileSyncStore, "set", _interrupted)
            with pytest.raises(KeyboardInterrupt):
                memory.files.sync(folder)
        assert in_memory(memory) == {"b.md": "b"}, "a change of the memory and its note are one transaction"
    assert done(memory.files.sync(folder)) >= {("a.md", "create", "memory")}
    assert in_memory(memory) == on_disk(folder) == {"a.md": "a", "b.md": "b"}


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_changes_meanwhile_is_a_conflict(memory: Memory, folder: Path) -> None:
    for name in ("a", "b", "c"):
        memory.files.create(name, "start")
    memory.files.sync(folder)
    memory.files.write("b", "there")
    (folder / "a").write_text("here")
    (folder / "c").write_text("here")

    def meanwhile(count: int, _: int) -> None:
        if count == 1:
            (folder / "b").write_text("meanwhile")
            memory.files.write("c", "meanwhile")

    report = memory.files.sync(folder, on_progress=meanwhile)
    found = {(conflict.path[-1], conflict.folder, conflict.memory) for conflict in report.conflicts}
    assert found == {("b", "meanwhile", "there"), ("c", "here", "meanwhile")}
    assert on_disk(folder) == {"a": "here", "b": "meanwhile", "c": "here"}


def test_another_machine_agent_or_directory_begins_anew(
    memory: Memory, folder: Path, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.md").write_text("old")
    memory.files.sync(folder)
    memory.files.write("a.md", "new")
    monkeypatch.setattr(platform, "node", lambda: "another")
    assert [conflict.folder for conflict in memory.files.sync(folder).conflicts] == ["old"]
    with Memory("bob", dsn=dsn) as bob:
        assert done(bob.files.sync(folder)) == {("a.md", "create", "memory")}
    memory.files.sync(folder, path="/")
    assert memory.files.read("/a.md").content == "old"


def test_the_command_shows_conflicts_and_ends_with_1(memory: Memory, folder: Path, dsn: str) -> None:
    (folder / "a.md").write_text("same\nhere\n")
    runner = CliRunner()
    command = ["files", "sync", str(folder), "--agent", "ann", "--dsn", dsn]
    result = runner.invoke(app, [*command, "--dry-run"])
    assert (result.exit_code, "1 files would be carried over" in result.output) == (0, True)
    assert runner.invoke(app, command).exit_code == 0
    (folder / "a.md").write_text("same\nhere again\n")
    memory.files.write("a.md", "same\nthere\n")
    result = runner.invoke(app, command)
    assert result.exit_code == 1
    for line in ("conflict: /memories/a.md: changed on both sides", "  -there", "  +here again"):
        assert line in result.output
    result = runner.invoke(app, [*command, "--json"])
    assert (result.exit_code, json.loads(result.stdout)["conflicts"][0]["memory"]) == (1, "same\nthere\n")
