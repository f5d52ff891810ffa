"""``memory.ingest`` and ``memory.ingest_files`` on a real database, with real files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from memgpt import Memory
from memgpt.documents import files, prepare, workers
from memgpt.documents.report import Ingested
from memgpt.errors import InputError, NotFoundError
from tests import document_files as make

WORDS = "The harbour was quiet while the boats waited for the tide to come back in. "


def sections(*names: str) -> str:
    return "".join(f"## {name}\n\n{name} begins here. {(WORDS * 5).strip()}\n\n" for name in names)


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A document of every format."""
    chapters = [(1, "Boats", WORDS * 8), (2, "Sails", f"A sail is made of cloth. {WORDS * 6}")]
    table = [["name", "length"], ["Mary", "12 m"], ["Ann", "9 m"]]
    contents = {
        "book.epub": make.epub("The Harbour", chapters),
        "data.csv": b"name,length\nMary,12\nAnn,9\n",
        "letter.eml": make.email("Tide tables", f"Dear Bob,\n\n{WORDS}\n", list="high water at noon"),
        "notes.md": f"# Notes\n\n{sections('One', 'Two')}".encode(),
        "page.html": make.html("Web page", chapters),
        "plain.txt": (WORDS * 20).encode(),
        "report.pdf": make.pdf([chapters, [(1, "Tides", f"{WORDS * 8}\nName Year\nMary 1901")]]),
        "sheet.xlsx": make.xlsx({"Boats": table, "More": [["a", "b"], ["1", "2"]]}),
        "talk.pptx": make.pptx([("Welcome", WORDS * 4), ("Questions", WORDS * 4)]),
        "word.docx": make.docx(chapters, title="A Word", table=table),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def rows(dsn: str) -> list[tuple[object, ...]]:
    """Every document with the places of its chunks."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "SELECT d.source, c.chunk_index, c.char_start, c.chunk_text FROM documents d "
            "JOIN document_chunks c ON c.agent_id = d.agent_id AND c.document_id = d.id ORDER BY 1, 2, 3"
        ).fetchall()


def ids(memory: Memory, document_id: int | None) -> dict[str, int]:
    assert document_id is not None
    return {chunk.chunk_text: chunk.id for chunk in memory.documents.chunks(document_id)}


def test_every_format_comes_in_with_citations_that_open(memory: Memory, folder: Path, dsn: str) -> None:
    report = memory.ingest_files([folder], workers=2)
    assert report.failed == []
    assert report.counts["new"] == 10
    documents = {Path(d.source or "").name: d for d in memory.documents.list()}
    assert {name: d.title for name, d in documents.items()} == {
        "book.epub": "The Harbour",
        "data.csv": "data",
        "letter.eml": "Tide tables",
        "notes.md": "Notes",
        "page.html": "Web page",
        "plain.txt": "plain",
        "report.pdf": "Boats",
        "sheet.xlsx": "sheet",
        "talk.pptx": "Welcome",
        "word.docx": "A Word",
    }
    for document in documents.values():
        text = memory.documents.text(document.id)
        for chunk in memory.documents.chunks(document.id):
            assert text[chunk.char_start : chunk.char_end] == chunk.chunk_text
            assert (chunk.tokens or 0) <= 256
    pdf = memory.documents.chunks(documents["report.pdf"].id)
    assert {(c.page, tuple(c.heading_path)) for c in pdf} == {(1, ("Boats",)), (1, ("Boats", "Sails")), (2, ("Tides",))}
    assert {c.page for c in memory.documents.chunks(documents["talk.pptx"].id)} == {1, 2}
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM document_chunks WHERE embedding IS NULL").fetchone() == (0,)


def test_the_same_again_does_nothing(memory: Memory, folder: Path, dsn: str) -> None:
    memory.ingest_files([folder], workers=1)
    with psycopg.connect(dsn) as connection:
        before = connection.execute("SELECT count(*), max(id) FROM memory_history").fetchone()
        report = memory.ingest_files([folder, folder / "notes.md"], workers=1)
        assert [r.outcome for r in report.results] == ["unchanged"] * 10
        assert connection.execute("SELECT count(*), max(id) FROM memory_history").fetchone() == before


def test_a_changed_file_replaces_only_the_changed_chunks(memory: Memory, tmp_path: Path, dsn: str) -> None:
    file = tmp_path / "a.md"
    names = [f"Part {n}" for n in range(12)]
    file.write_text(sections(*names))
    first = memory.ingest(file, title="Parts")
    before = ids(memory, first.document_id)

    file.write_text("A new beginning.\n\n" + sections(*names).replace("Part 6 begins", "Part 6 ends"))
    second = memory.ingest(file, title="Parts")
    after = ids(memory, first.document_id)
    assert (second.outcome, second.document_id) == ("changed", first.document_id)
    same = [text for text in before if text in after]
    assert [after[text] for text in same] == [before[text] for text in same]
    assert (second.kept, second.added, second.removed) == (len(same), len(after) - len(same), len(before) - len(same))
    assert second.removed <= 2
    text = memory.documents.text(first.document_id or 0)
    assert text.strip() == file.read_text().strip()
    chunks = memory.documents.chunks(first.document_id or 0)
    assert all(text[c.char_start : c.char_end] == c.chunk_text for c in chunks)
    assert [c.chunk_index for c in chunks] == list(range(len(chunks)))

    memory.undo()
    assert ids(memory, first.document_id) == before
    assert memory.documents.text(first.document_id or 0).strip() == sections(*names).strip()


def test_a_reader_sees_the_old_or_the_new_never_half(memory: Memory, tmp_path: Path, dsn: str) -> None:
    file = tmp_path / "a.md"
    file.write_text(sections("One", "Two"))
    memory.ingest(file)
    old = rows(dsn)
    file.write_text(sections("Two", "Three", "Four"))
    with memory.transaction():
        assert memory.ingest(file).outcome == "changed"
        assert rows(dsn) == old
    assert rows(dsn) != old


def test_bytes_and_texts(memory: Memory) -> None:
    kept = memory.ingest(make.pdf([[(1, "Boats", WORDS * 3)]]), source="boats.pdf", metadata={"shelf": 3})
    document = memory.documents.get(kept.document_id or 0)
    assert (document.media_type, document.title) == ("application/pdf", "Boats")
    assert document.metadata == {"pages": 1, "shelf": 3}
    one = memory.ingest("# Title\n\nA text that is no path.")
    assert memory.ingest(text="# Title\n\nA text that is no path.") == Ingested(None, "unchanged", one.document_id)
    assert memory.documents.get(one.document_id or 0).media_type == "text/markdown"
    other = memory.ingest(b"Another text.", source="n", title="Named")
    assert memory.ingest(b"Yet another text.", source="n").document_id == other.document_id
    assert memory.documents.count() == 3


def test_what_is_said_about_content_that_is_there_is_merged(memory: Memory) -> None:
    first = memory.ingest(b"A text.", source="a.txt", metadata={"x": 1, "y": 1})
    id = first.document_id or 0
    before = memory.documents.get(id)
    again = memory.ingest(b"A text.", source="a.txt", title="A", metadata={"y": 2, "z": 2})
    assert (again.outcome, again.document_id, again.added, again.reason) == ("unchanged", id, 0, "metadata updated")
    assert (memory.documents.get(id).title, memory.documents.get(id).metadata) == ("A", {"x": 1, "y": 2, "z": 2})
    assert memory.ingest(b"A text.", source="a.txt", title="A", metadata={"z": 2}).reason is None, "nothing is new"
    copy = memory.ingest(b"A text.", source="b.txt", title="B", metadata={"copied": True})
    assert (copy.outcome, copy.reason) == ("duplicate", "the same content as a.txt; metadata updated")
    assert memory.documents.get(id).title == "A"
    assert memory.documents.get(id).metadata["copied"] is True
    assert [c.action for c in memory.history("document", id)] == ["update", "update", "insert"]
    memory.undo()
    memory.undo()
    assert memory.documents.get(id).title == before.title
    assert memory.documents.get(id).metadata == before.metadata


def test_the_same_content_under_another_name_is_kept_once(memory: Memory, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(WORDS)
    report = memory.ingest_files([tmp_path], workers=1)
    assert sorted(r.outcome for r in report.results) == ["duplicate", "new"]
    assert memory.ingest(tmp_path / "b.txt").outcome == "duplicate"
    assert memory.documents.count() == 1


def test_a_copy_of_what_changes_in_the_same_run_is_kept(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("the old text")
    memory.ingest_files([tmp_path], workers=1)
    (tmp_path / "a.txt").write_text("the old text")
    (tmp_path / "b.txt").write_text("the new text")
    report = memory.ingest_files([tmp_path], workers=1)
    assert {Path(r.source or "").name: r.outcome for r in report.results} == {"a.txt": "new", "b.txt": "changed"}
    assert {memory.documents.text(d.id) for d in memory.documents.list()} == {"the old text", "the new text"}


@pytest.mark.parametrize("name", ["missing.txt", "no-such-directory/x.pdf"])
def test_a_path_that_is_not_there(memory: Memory, name: str) -> None:
    with pytest.raises(NotFoundError, match=name):
        memory.ingest(name)


def test_a_directory_is_for_ingest_files(memory: Memory, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="use ingest_files"):
        memory.ingest(tmp_path)


@pytest.fixture
def bad(tmp_path: Path) -> dict[str, str]:
    """Files that cannot be ingested beside two that can; a word of the reason for each."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "good.md").write_text("# Good\n\nA good text.")
    (root / "lies.txt").write_bytes(make.pdf([[(1, "Boats", WORDS)]]))
    (tmp_path / "secret.txt").write_text("outside")
    (root / "empty.txt").touch()
    (root / "blank.txt").write_text(" \n\n ")
    (root / "binary.dat").write_bytes(bytes(range(256)) * 40)
    (root / "encrypted.pdf").write_bytes(make.encrypted_pdf())
    (root / "corrupt.pdf").write_bytes(make.pdf([[(1, "A", WORDS)]])[:300])
    (root / "corrupt.docx").write_bytes(make.docx([(1, "A", WORDS)])[:700])
    (root / "misnamed.pdf").write_text("no pdf")
    with (root / "huge.txt").open("wb") as file:
        file.truncate(2**30)
    with (
        zipfile.ZipFile(root / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/document.xml", "w") as member,
    ):
        for _ in range(210):
            member.write(bytes(2**20))
    honest = make.docx([(1, "A", WORDS * 100)])
    central = honest.rindex(b"PK\x01\x02", 0, honest.index(b"word/document.xml", honest.index(b"PK\x01\x02")))
    (root / "liar.docx").write_bytes(honest[: central + 24] + b"\x10\0\0\0" + honest[central + 28 :])
    (root / "archive.zip").write_bytes(make.zipped({"a.txt": "text"}))
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "linked").symlink_to(tmp_path)
    (root / "loop.txt").symlink_to(root / "loop.txt")
    os.mkfifo(root / "pipe.txt")
    return {
        "empty.txt": "empty",
        "blank.txt": "empty",
        "binary.dat": "binary",
        "encrypted.pdf": "encrypted",
        "corrupt.pdf": "corrupt",
        "corrupt.docx": "corrupt",
        "misnamed.pdf": "misnamed",
        "huge.txt": "too large",
        "bomb.docx": "zip bomb",
        "liar.docx": "corrupt",
        "archive.zip": "zip archive",
        "link.txt": "leads out of the directory",
        "linked": "leads out of the directory",
        "loop.txt": "unreadable",
        "pipe.txt": "not a regular file",
    }


def test_bad_input_is_named_and_the_rest_goes_on(memory: Memory, bad: dict[str, str], tmp_path: Path, dsn: str) -> None:
    report = memory.ingest_files([tmp_path / "root"], workers=2)
    reasons = {Path(r.source or "").name: r.reason or "" for r in report.failed}
    assert reasons.keys() == bad.keys()
    assert {name: reason for name, reason in reasons.items() if bad[name] not in reason} == {}
    assert report.counts["new"] == 2
    [lies] = [r for r in report.results if r.source and r.source.endswith("lies.txt")]
    assert lies.reason == "named .txt, but it is application/pdf"
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM documents").fetchone() == (2,)
        strays = (
            "SELECT count(*) FROM document_chunks c WHERE NOT EXISTS (SELECT FROM documents d WHERE d.id = document_id)"
        )
        assert connection.execute(strays).fetchone() == (0,)


def test_one_bad_document_raises(memory: Memory, bad: dict[str, str], tmp_path: Path) -> None:
    for name in ("encrypted.pdf", "corrupt.docx", "bomb.docx", "huge.txt", "pipe.txt"):
        with pytest.raises(InputError, match=bad[name]):
            memory.ingest(tmp_path / "root" / name)
    assert memory.documents.count() == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "a.txt").chmod(0)
    [result] = memory.ingest_files([tmp_path]).results
    assert result.reason == "unreadable: Permission denied"


def test_patterns_choose(memory: Memory, tmp_path: Path) -> None:
    for name in ("a.md", "b.txt", "sub/c.md", "sub/draft/d.md", ".hidden/e.md", "pic.png"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"text of {name}")

    def names(**patterns: list[str]) -> list[tuple[str, bool]]:
        found = files.find([tmp_path], **patterns)
        return [(f.path.relative_to(tmp_path).as_posix(), f.skipped is None) for f in found]

    assert names() == [
        ("a.md", True),
        ("b.txt", True),
        ("pic.png", False),
        ("sub/c.md", True),
        ("sub/draft/d.md", True),
    ]
    assert names(glob=["*.md"], exclude=["draft"]) == [("a.md", True), ("sub/c.md", True)]
    assert names(glob=["sub/**/*.md"]) == [("sub/c.md", True), ("sub/draft/d.md", True)]
    [by_pattern, none] = files.find([tmp_path / "*.txt", tmp_path / "*.pdf"])
    assert (by_pattern.path.name, none.refused) == ("b.txt", "no file matches")


def test_what_was_garbled_is_healed_by_ingesting_again(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tea.txt"
    file.write_bytes("Чай собран в Краснодарском крае\n".encode("cp1251"))
    assert memory.ingest_files(file, encoding="cp1252").counts["new"] == 1
    [healed] = memory.ingest_files(file).results
    assert (healed.outcome, "read as cp1251" in (healed.reason or "")) == ("changed", True)
    [chunk] = memory.documents.chunks(healed.document_id or 0)
    assert chunk.chunk_text == "Чай собран в Краснодарском крае"
    assert memory.ingest_files(file).counts["unchanged"] == 1
    monkeypatch.setattr(prepare, "READER", prepare.READER + 1)
    assert memory.ingest(file).kept == 1


def test_names_that_are_not_utf8_are_kept_apart(memory: Memory, tmp_path: Path) -> None:
    names = [b"caf\xe8.md", b"caf\xe9.md", "caf\ufffdE9.md".encode()]
    for number, name in enumerate(names):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text(f"# Part {number}\n\ntext {number}")
    assert memory.ingest_files(tmp_path).counts["new"] == 3
    assert memory.ingest_files(tmp_path).counts["unchanged"] == 3
    sources = {str(document.source) for document in memory.documents.list()}
    assert {os.fsencode(files.path_of(source).name) for source in sources} == set(names)


@pytest.mark.parametrize("code", ["import os; os._exit(3)", "while True: pass"])
def test_a_reader_that_dies_or_hangs_takes_only_its_own_file(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deadly.txt").write_text("deadly")
    for n in range(3):
        (tmp_path / f"{n}.txt").write_text(f"text {n}")
    trap = f"""
        import sys; sys.path[:] = sys.argv[1:]
        from memgpt.documents import worker
        answer = worker._answer
        def trapped(path, encoding):
            if "deadly" in path:
                {code}
            return answer(path, encoding)
        worker._answer = trapped
        worker.main()
    """
    monkeypatch.setattr(workers, "_MAIN", textwrap.dedent(trap))
    found = sorted(tmp_path.glob("*.txt"))
    answers = dict(workers.prepare_each(found, str, workers=1, patience=5.0))
    assert isinstance(answers.pop(tmp_path / "deadly.txt"), InputError)
    assert [type(answer).__name__ for answer in answers.values()] == ["Prepared"] * 3


@pytest.fixture
def another_dsn(database: Callable[..., str], template: str) -> str:
    return database(template)


KILLED = """
import os, signal, sys
from memgpt import Memory
from memgpt.documents.store import DocumentStore

insert, calls = DocumentStore._insert_chunks, []

def deadly(self, *args, **how):
    insert(self, *args, **how)
    calls.append(1)
    if len(calls) == 7:  # chunks written, nothing committed
        import psutil
        print(*(child.pid for child in psutil.Process().children()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

DocumentStore._insert_chunks = deadly
with Memory("ann", dsn=sys.argv[1]) as memory:
    memory.ingest_files([sys.argv[2]], workers=2)
"""


def test_a_killed_run_goes_on_without_duplicates_or_holes(
    memory: Memory, tmp_path: Path, dsn: str, another_dsn: str
) -> None:
    for n in range(20):
        (tmp_path / f"{n:02}.md").write_text(f"# File {n}\n\n{sections(f'A {n}', f'B {n}')}")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, dsn, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    orphans = [psutil.Process(int(pid)) for pid in killed.stdout.split() if psutil.pid_exists(int(pid))]
    assert psutil.wait_procs(orphans, timeout=30)[1] == []
    assert memory.documents.count() == 6

    report = memory.ingest_files([tmp_path], workers=2)
    assert (report.counts["unchanged"], report.counts["new"], report.counts["failed"]) == (6, 14, 0)
    with Memory("ann", dsn=another_dsn) as other:
        for file in tmp_path.iterdir():
            other.ingest(file)
    assert rows(dsn) == rows(another_dsn)


def cli(dsn: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "memgpt", "ingest", *map(str, arguments), "--dsn", dsn, "--agent", "ann"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command(folder: Path, dsn: str) -> None:
    (folder / "bad.pdf").write_bytes(b"%PDF-1.4 broken")
    first = cli(dsn, folder, "--exclude", "*.csv", "--workers", 2)
    assert first.returncode == 1
    assert f"failed: {folder}/bad.pdf: corrupt" in first.stdout
    assert "new      9" in first.stdout
    assert "1 of 10 files could not be read" in first.stderr
    (folder / "bad.pdf").unlink()
    again = cli(dsn, folder, "--json")
    assert again.returncode == 0, again.stderr
    assert '"unchanged": 9' in again.stdout
    assert '"new": 1' in again.stdout
