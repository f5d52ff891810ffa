"""Other memories, taken over from files of their formats: what comes, under which id, and what comes again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from memgpt import Memory
from memgpt.config import Settings
from memgpt.errors import InputError
from memgpt.integrations.importers import import_memory
from memgpt.integrations.importers.markdown import front_matter
from tests.integration.conftest import Run

WITHOUT_MODEL = Settings(embedding_model="none")

MEM0: dict[str, Any] = {
    "results": [
        {
            "id": "0b1f-1", "memory": "Likes green tea", "hash": "x", "metadata": {"topic": "drinks"},
            "created_at": "2025-03-01T10:00:00-08:00", "updated_at": None, "user_id": "ann",
        },
        {"id": "0b1f-2", "memory": "Lives in Oslo", "categories": ["places"], "user_id": "ann"},
        {"id": "0b1f-3", "memory": "", "user_id": "ann"},
    ],
    "relations": [{"source": "ann", "relationship": "lives_in", "target": "oslo"}],
}  # fmt: skip

JSONL = """{"type":"entity","name":"Ann","entityType":"person","observations":["Ann speaks Norwegian","Born in 1984"]}
{"type":"entity","name":"1984","entityType":"year","observations":[]}

not json
{"type":"relation","from":"Ann","to":"1984","relationType":"born_in"}
"""

LETTA: dict[str, Any] = {
    "agents": [
        {
            "id": "agent-0", "name": "helper", "block_ids": ["block-0"], "agent_type": "memgpt_v2_agent",
            "messages": [
                {"id": "message-0", "role": "user", "content": [{"type": "text", "text": "Hello"}],
                 "created_at": "2025-08-01T10:00:00Z"},
            ],
        }
    ],
    "blocks": [
        {"id": "block-0", "label": "human", "value": "Name: Ann", "limit": 20000, "description": "who"},
        {"id": "block-1", "label": "project/plan", "value": "Ship it", "limit": 2, "read_only": True},
    ],
    "passages": [{"id": "passage-0", "text": "Ann once met Bob", "created_at": "2025-07-01T00:00:00Z"}],
    "files": [{"id": "file-0", "file_name": "a.txt", "content": "The quick brown fox."}, {"id": "file-1"}],
    "groups": [], "sources": [], "tools": [], "mcp_servers": [],
}  # fmt: skip

CHROMA = """
CREATE TABLE collections (id TEXT PRIMARY KEY, name TEXT NOT NULL, dimension INTEGER, database_id TEXT NOT NULL);
CREATE TABLE segments (id TEXT PRIMARY KEY, type TEXT NOT NULL, scope TEXT NOT NULL, collection TEXT NOT NULL);
CREATE TABLE embeddings (id INTEGER PRIMARY KEY, segment_id TEXT NOT NULL, embedding_id TEXT NOT NULL,
    seq_id BLOB NOT NULL, created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE embedding_metadata (id INTEGER, key TEXT NOT NULL, string_value TEXT, int_value INTEGER,
    float_value REAL, bool_value INTEGER, PRIMARY KEY (id, key));
INSERT INTO collections VALUES ('c1', 'notes', 3, 'd'), ('c2', 'mempalace_drawers', 3, 'd'),
    ('c3', 'mempalace_closets', 3, 'd');
INSERT INTO segments VALUES ('v1', 'hnsw', 'VECTOR', 'c1'), ('s1', 'sqlite', 'METADATA', 'c1'),
    ('s2', 'sqlite', 'METADATA', 'c2'), ('s3', 'sqlite', 'METADATA', 'c3');
INSERT INTO embeddings (id, segment_id, embedding_id, seq_id) VALUES (1, 's1', 'a', 1), (2, 's1', 'b', 2),
    (3, 's2', 'd1', 3), (4, 's3', 'k1', 4);
INSERT INTO embedding_metadata VALUES (1, 'chroma:document', 'Tea is drunk at four', NULL, NULL, NULL),
    (1, 'n', NULL, 7, NULL, NULL), (1, 'flag', NULL, NULL, NULL, 1), (1, 'share', NULL, NULL, 0.5, NULL),
    (3, 'chroma:document', 'We chose PostgreSQL', NULL, NULL, NULL), (3, 'wing', 'proj', NULL, NULL, NULL),
    (3, 'room', 'decisions', NULL, NULL, NULL), (3, 'filed_at', '2026-04-01T10:00:00', NULL, NULL, NULL),
    (3, 'source_file', '/x/a.md', NULL, NULL, NULL), (4, 'chroma:document', 'PG|d1', NULL, NULL, NULL);
"""


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn, options=WITHOUT_MODEL) as memory:
        yield memory


def texts(memory: Memory) -> dict[str, Any]:
    return {each.text: each for each in memory.archival.list(limit=1000)}


def again(memory: Memory, source: Any, **options: Any) -> None:
    """Importing once more adds nothing, and changes nothing."""
    before = memory.stats(), texts(memory)
    report = import_memory(memory, source, **options)
    assert report.counts["new"] == 0
    assert (memory.stats(), texts(memory)) == before


def written(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_mem0_answers(memory: Memory, tmp_path: Path) -> None:
    file = written(tmp_path / "all.json", MEM0)
    rehearsed = import_memory(memory, file, dry_run=True)
    assert texts(memory) == {}
    report = import_memory(memory, file)
    assert report.kind == "mem0"
    assert rehearsed.counts == report.counts == {"new": 3, "merged": 0, "there": 0, "problem": 1}
    assert [(p.index, p.reason) for p in report.problems] == [(2, "memory '0b1f-3': it has no text")]
    tea = texts(memory)["Likes green tea"]
    assert tea.metadata["imported_from"] == "mem0"
    assert (tea.metadata["imported_id"], tea.metadata["topic"], tea.metadata["user_id"]) == ("0b1f-1", "drinks", "ann")
    assert tea.created_at.isoformat() == "2025-03-01T18:00:00+00:00"
    assert texts(memory)["Lives in Oslo"].tags == ["places"]
    assert [r.fact for r in memory.graph.facts("ann")] == ["ann lives in oslo"]
    again(memory, file)
    more = {**MEM0, "results": [*MEM0["results"], {"id": "4", "memory": "Plays chess"}]}
    assert import_memory(memory, written(file, more)).counts["new"] == 1
    assert import_memory(memory, written(tmp_path / "list.json", MEM0["results"])).counts["new"] == 0


def test_mem0_tables(memory: Memory, dsn: str) -> None:
    url = address(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE memories (id uuid PRIMARY KEY, vector vector(3), payload jsonb)")
        rows = [(uuid4(), json.dumps({"data": f"Fact {n % 1100}", "user_id": "ann", "hash": "x"})) for n in range(1101)]
        connection.cursor().executemany("INSERT INTO memories VALUES (%s, '[1,2,3]', %s)", rows)
        report = import_memory(memory, url)
        assert report.kind == "mem0"
        assert report.counts == {"new": 1100, "merged": 1, "there": 0, "problem": 0}
        again(memory, url)
        connection.execute("CREATE TABLE memories2 (id uuid PRIMARY KEY, vector vector(3), payload jsonb)")
        with pytest.raises(InputError, match=r"2 tables .*public\.memories, public\.memories2"):
            import_memory(memory, url)
        assert import_memory(memory, url, table="public.memories2").counts["new"] == 0
    with pytest.raises(InputError, match="no table"):
        import_memory(memory, url, "langgraph")


def test_langgraph_stores(memory: Memory, dsn: str) -> None:
    values = [
        ("memories.ann", "k1", {"content": {"content": "Prefers metric units"}, "kind": "Memory"}, None),
        ("memories.ann", "k2", {"text": "Has two cats"}, None),
        ("prefs", "k3", {"theme": "dark", "size": 12}, "infinity"),
        ("prefs", "k4", {"text": "gone"}, "2020-01-01"),
    ]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE store (prefix text NOT NULL, key text NOT NULL, value jsonb NOT NULL, created_at timestamptz "
            "DEFAULT now(), updated_at timestamptz DEFAULT now(), expires_at timestamptz, ttl_minutes int, "
            "PRIMARY KEY (prefix, key))"
        )
        for prefix, key, value, expiry in values:
            connection.execute(
                "INSERT INTO store VALUES (%s, %s, %s, '2025-01-01', '2025-01-02', %s)",
                (prefix, key, json.dumps(value), None if expiry == "infinity" else expiry),
            )
    report = import_memory(memory, address(dsn))
    assert (report.kind, report.counts["new"], report.counts["problem"]) == ("langgraph", 3, 1)
    assert "expired" in report.problems[0].reason
    kept = texts(memory)
    assert set(kept) == {"Prefers metric units", "Has two cats", '{"theme": "dark", "size": 12}'} or len(kept) == 3
    cats = kept["Has two cats"]
    assert cats.metadata["namespace"] == ["memories", "ann"]
    assert (cats.metadata["imported_id"], cats.created_at.year) == ("memories.ann:k2", 2025)
    again(memory, address(dsn))


def test_the_reference_servers_file(memory: Memory, tmp_path: Path) -> None:
    file = written(tmp_path / "memory.jsonl", JSONL)
    report = import_memory(memory, file)
    assert (report.kind, report.counts["new"], report.counts["problem"]) == ("memory-server", 5, 1)
    assert "line 4" in report.problems[0].reason
    assert set(texts(memory)) == {"Ann speaks Norwegian", "Ann: Born in 1984"}
    assert memory.graph.get("1984").type == "year"
    [fact] = memory.graph.facts("Ann")
    assert (fact.fact, fact.properties["imported_from"]) == ("Ann born in 1984", "memory-server")
    again(memory, file)
    with pytest.raises(InputError, match="line 4"):
        import_memory(memory, file, on_error="fail")


def test_letta_agent_files(memory: Memory, tmp_path: Path) -> None:
    file = written(tmp_path / "helper.af", LETTA)
    rehearsed = import_memory(memory, file, dry_run=True)
    assert memory.messages.list() == []
    assert rehearsed.transcript is not None
    assert rehearsed.transcript.messages == 1
    report = import_memory(memory, file)
    assert (report.kind, report.counts["new"], report.counts["problem"]) == ("letta", 4, 1)
    assert memory.core["human"].value == "Name: Ann"
    assert memory.core["project.plan"].block.read_only
    assert texts(memory)["Ann once met Bob"].metadata["imported_id"] == "passage-0"
    assert [message.content for message in memory.messages.list()] == ["Hello"]
    assert memory.search("quick fox")[0].text.startswith("The quick brown fox")
    again(memory, file)
    memory.core["human"].append("Age: 30")
    assert "not overwritten" in import_memory(memory, file).problems[0].reason
    old = {
        "agent_type": "memgpt_agent",
        "core_memory": [{"label": "tone", "value": "Calm", "limit": 100}],
        "messages": [],
    }
    assert import_memory(memory, written(tmp_path / "old.af", old)).counts["new"] == 1
    assert memory.core["tone"].value == "Calm"


def test_chroma_and_mempalace(memory: Memory, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "chroma.sqlite3")) as connection:
        connection.executescript(CHROMA)
    report = import_memory(memory, tmp_path)
    assert report.kind == "chroma"
    assert report.counts == {"new": 2, "merged": 0, "there": 0, "problem": 2}
    kept = texts(memory)
    tea, drawer = kept["Tea is drunk at four"], kept["We chose PostgreSQL"]
    assert (tea.metadata["n"], tea.metadata["flag"], tea.metadata["share"]) == (7, True, 0.5)
    assert (tea.metadata["imported_id"], tea.metadata["collection"]) == ("notes:a", "notes")
    assert (drawer.tags, drawer.source, drawer.created_at.year) == (["proj", "decisions"], "/x/a.md", 2026)
    again(memory, tmp_path / "chroma.sqlite3")
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "chroma.sqlite3").write_bytes(b"SQLite format 3\0 nonsense")
    with pytest.raises(InputError, match="not a readable Chroma database"):
        import_memory(memory, bad)


def test_folders_of_markdown(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / ".obsidian").mkdir()
    written(tmp_path / ".obsidian" / "x.md", "hidden")
    (tmp_path / "people").mkdir()
    written(tmp_path / "MEMORY.md", "# Index\n- [Ann](people/Ann%20Lee.md) and [web](https://x.org/a.md)\n`[[no]]`\n")
    written(
        tmp_path / "people" / "Ann Lee.md",
        "---\ntitle: Ann\naliases: [Annie, A. Lee]\ntags:\n  - person\n  - friend\nborn: 1984\n---\n"
        "Works at [[Acme|the firm]], see [[people/Ann Lee#Top]] and [[Nowhere]].\n",
    )
    written(tmp_path / "Acme.md", "A firm.\n```\n[[code]]\n```\n")
    written(tmp_path / "empty.md", "")
    report = import_memory(memory, tmp_path)
    assert (report.kind, report.counts["problem"]) == ("markdown", 1)
    assert {r.fact for r in memory.graph.facts()} == {
        "MEMORY links to Ann Lee",
        "Ann Lee links to Acme",
        "Ann Lee links to Ann Lee",
        "Ann Lee links to Nowhere",
    }
    assert memory.graph.get("Annie").name == "Ann Lee"
    [document] = [each for each in memory.documents.list() if (each.source or "").endswith("Ann Lee.md")]
    assert document.metadata["tags"] == ["person", "friend"]
    assert (document.metadata["born"], document.metadata["imported_id"]) == ("1984", "people/Ann Lee.md")
    again(memory, tmp_path)
    written(tmp_path / "Acme.md", "A firm of [[Ann Lee]].\n")
    report = import_memory(memory, tmp_path)
    assert (report.counts["merged"], report.counts["new"]) == (1, 1)


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("---\na: 1\nb: 'x: y'\nc: []\n---\ntext", {"a": "1", "b": "x: y", "c": []}),
        ('---\nlink: "[[Ann]]"\nempty:\n---\n', {"link": "[[Ann]]", "empty": ""}),
        ("---\r\nlist:\r\n- a\r\n- b\r\n---\r\n", {"list": ["a", "b"]}),
        ("no front\n---\na: b\n---\n", {}),
        ("---\na: b\n", {}),
    ],
)
def test_front_matter(text: str, properties: Any) -> None:
    assert front_matter(text) == properties


def test_a_text_of_two_items_is_one_memory(memory: Memory, tmp_path: Path) -> None:
    memory.remember("Plays chess", tags=["game"])
    items = [{"id": n, "memory": text} for n, text in enumerate(["Plays chess", "Sings", "Sings"])]
    file = written(tmp_path / "m.json", items)
    assert import_memory(memory, file).counts == {"new": 1, "merged": 2, "there": 0, "problem": 0}
    assert texts(memory)["Sings"].metadata["imported_id"] == "1"
    assert texts(memory)["Plays chess"].tags == ["game"]
    again(memory, file)


def test_bad_characters_and_values(memory: Memory, tmp_path: Path) -> None:
    items = [{"id": "a\0", "memory": "x\0y"}, {"id": "b", "memory": "good"}, {"id": "c", "memory": 7}]
    file = written(tmp_path / "m.json", items)
    with pytest.raises(InputError, match="item"):
        import_memory(memory, file, on_error="fail")
    assert texts(memory) == {}
    report = import_memory(memory, file)
    assert set(texts(memory)) == {"x\ufffdy", "good"}
    assert {p.index: p.outcome for p in report.problems} == {0: "replaced", 2: "skipped"}
    again(memory, file)


def test_what_is_none_of_them_is_a_transcript(memory: Memory, tmp_path: Path) -> None:
    file = written(tmp_path / "chat.json", [{"role": "user", "content": "hello"}])
    report = import_memory(memory, file)
    assert report.kind == "transcript"
    assert report.transcript is not None
    assert report.transcript.messages == 1
    for source, kind, reason in (
        (file, "mem0", "not a memory of mem0"),
        (file, "nothing", "kind must be one of"),
        (tmp_path / "none", None, "no file"),
        (written(tmp_path / "x.json", "{}"), None, "known"),
        ("postgresql://nobody@127.0.0.1:1/none", None, "cannot be read"),
    ):
        with pytest.raises(InputError, match=reason):
            import_memory(memory, source, kind)


def test_what_ended_early_goes_on(memory: Memory, tmp_path: Path) -> None:
    items: list[Any] = [{"id": n, "memory": f"Fact {n}"} for n in range(700)]
    file = written(tmp_path / "m.json", [*items, {"id": 700, "memory": None}])
    with pytest.raises(InputError, match="item 700"):
        import_memory(memory, file, on_error="fail")
    assert len(texts(memory)) == 500
    done: list[int] = []
    assert import_memory(memory, file, progress=done.append).counts == {
        "new": 200, "merged": 0, "there": 500, "problem": 1
    }  # fmt: skip
    assert done == [500, 701]


def test_items_without_ids(memory: Memory, tmp_path: Path) -> None:
    passages = {"passages": ["One", {"text": "Two"}], "agents": [{"block_ids": [], "passages": ["Three"]}]}
    file = written(tmp_path / "a.af", passages)
    assert import_memory(memory, file).counts["new"] == 3
    assert set(texts(memory)) == {"One", "Two", "Three"}
    again(memory, file)


def test_notes_of_one_name(memory: Memory, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        written(
            tmp_path / folder / "Index.md", f"This is {folder}: [other](../{'b' if folder == 'a' else 'a'}/Index.md)"
        )
    import_memory(memory, tmp_path)
    assert {r.fact for r in memory.graph.facts()} == {
        "a/Index links to b/Index",
        "b/Index links to a/Index",
    }


def test_the_command(run: Run, tmp_path: Path) -> None:
    mem0, chat = (
        written(tmp_path / "mem0.json", MEM0),
        written(tmp_path / "c.json", [{"role": "user", "content": "hi"}]),
    )
    assert "3 items would be imported" in run("import", str(mem0), "--dry-run", "--agent", "ann")
    assert "3 items imported, 0 merged, 0 there already, 1 with" in run("import", str(mem0), "--agent", "ann")
    assert json.loads(run("import", str(mem0), "--agent", "ann", "--json"))["kind"] == "mem0"
    assert "1 messages of 1 conversations imported" in run("import", str(chat), "--agent", "ann")
    exported = tmp_path / "ann.jsonl"
    run("export", str(exported), "--agent", "ann")
    assert "rows imported into agent bob" in run("import", str(exported), "--agent", "bob")
    assert "exported agent" in run("import", str(exported), "--dry-run", status=1)
    assert "kind must be one of" in run("import", str(mem0), "--kind", "x", status=1)


def address(dsn: str) -> str:
    """The dsn of a test as an address."""
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    return "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**parts)
