"""``memory.documents`` on a real database, and the cutting of texts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memgpt import Memory
from memgpt.documents.formats import chunking
from memgpt.errors import ConflictError, InputError, NotFoundError

GUIDE = """# Guide

Welcome to the guide — it is short.

## Install

{install}

```
# not a heading
```

### On Windows

{windows}

Usage
-----

{usage}
""".format(
    install="Download the file and run it. " * 60,
    windows="Use the installer, then restart. " * 60,
    usage="Call it with a name. " * 60,
)


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


def test_a_markdown_text_is_cut_embedded_and_kept(memory: Memory, dsn: str) -> None:
    document = memory.documents.add(GUIDE, source="guide.md", metadata={"by": "ann"})
    chunks = memory.documents.chunks(document.id)
    assert (document.title, document.media_type, document.source) == ("Guide", "text/markdown", "guide.md")
    assert document.tokens == sum(c.tokens or 0 for c in chunks)
    assert memory.documents.get(document.id) == document
    assert [c.chunk_index for c in chunks] == list(range(len(chunks)))
    assert all(GUIDE[c.char_start : c.char_end] == c.chunk_text for c in chunks)
    assert all((c.tokens or 0) <= 256 for c in chunks)
    paths = [tuple(c.heading_path) for c in chunks]
    assert list(dict.fromkeys(paths)) == [
        ("Guide",),
        ("Guide", "Install"),
        ("Guide", "Install", "On Windows"),
        ("Guide", "Usage"),
    ]
    assert memory.documents.chunk(chunks[1].id) == chunks[1]
    with psycopg.connect(dsn) as connection:
        missing = connection.execute("SELECT count(*) FROM document_chunks WHERE embedding IS NULL").fetchone()
    assert missing == (0,)


def test_pages_of_chunks_and_documents(memory: Memory) -> None:
    document = memory.documents.add(GUIDE)
    chunks = memory.documents.chunks(document.id)
    first = memory.documents.chunks(document.id, limit=2)
    assert [*first, *memory.documents.chunks(document.id, after=first[-1])] == list(chunks)
    others = [memory.documents.add(f"text {n}", title=f"t{n}") for n in range(3)]
    newest = memory.documents.list(limit=2)
    assert [d.title for d in newest] == ["t2", "t1"]
    assert list(memory.documents.list(after=newest[-1])) == [others[0], document]
    assert memory.documents.count() == 4


@settings(deadline=None)
@given(st.text(st.sampled_from("ab# -=`\n\r\té🎉.") | st.characters(exclude_categories=["Cs"]), max_size=300))
def test_positions_are_exact_and_nothing_but_blanks_is_lost(text: str) -> None:
    for media_type, overlap in product((chunking.MARKDOWN, chunking.PLAIN), (0, 3)):
        end = 0
        for span in chunking.spans(text, media_type=media_type, tokens=8, overlap=overlap):
            assert text[span.char_start : span.char_end] == span.chunk_text
            assert not text[end : span.char_start].strip()
            assert span.char_end > end
            end = span.char_end
        assert not text[end:].strip()


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("# One #\n## Two\ntext", [(1, "One"), (2, "Two")]),
        ("One\r\n===\r\nTwo\n---\n", [(1, "One"), (2, "Two")]),
        ("text\n\n---\n\nmore", []),
        ("- item\n---\n", []),
        ("~~~\n# no\n```\n# no\n~~~\n# yes", [(1, "yes")]),
        ("#no\n####### no\n#hash", []),
        ("# \n", []),
    ],
)
def test_headings(text: str, titles: list[tuple[int, str]]) -> None:
    assert [(h.level, h.title) for h in chunking.headings(text)] == titles


def test_one_source_one_document(memory: Memory) -> None:
    first = memory.documents.add("the same text", source="a.txt")
    assert memory.documents.add("the same text", source="a.txt") == first
    about = memory.documents.add("the same text", source="a.txt", title="A", metadata={"x": 1, "y": 1})
    assert (about.id, about.title, about.metadata) == (first.id, "A", {"x": 1, "y": 1})
    assert memory.documents.add("the same text", source="a.txt", metadata={"y": 2}).metadata == {"x": 1, "y": 2}
    assert memory.documents.add("the same text", source="a.txt", title="A", metadata={"y": 2}).title == "A"
    assert [c.action for c in memory.history("document", first.id)] == ["update", "update", "insert"]
    memory.undo()
    memory.undo()
    assert (memory.documents.get(first.id).title, memory.documents.get(first.id).metadata) == (first.title, {})
    with pytest.raises(ConflictError, match=f"'a.txt' is document {first.id} already"):
        memory.documents.add("another text", source="a.txt")
    with memory.transaction():
        memory.documents.delete(first.id)
        second = memory.documents.add("another text", source="a.txt")
    assert memory.documents.find("a.txt") == second
    assert first.media_type == "text/plain"
    other = memory.documents.add("the same text", source="b.txt")
    with pytest.raises(ConflictError):
        memory.documents.update(other.id, source="a.txt")


def test_a_document_of_ready_chunks(memory: Memory) -> None:
    document = memory.documents.create(
        [
            {"chunk_text": "page one", "page": 1, "heading_path": ["A", "A"], "char_start": 0, "char_end": 8},
            {"text": "page two", "page": 2, "embedding": np.ones(256), "metadata": {"k": 1}, "tokens": 7},
        ],
        title="Ready",
        media_type="application/pdf",
    )
    one, two = memory.documents.chunks(document.id)
    assert (one.page, one.heading_path, one.char_start, one.char_end, one.tokens) == (1, ["A", "A"], 0, 8, 2)
    assert (two.chunk_text, two.metadata, two.tokens) == ("page two", {"k": 1}, 7)


BAD: list[tuple[dict[str, object], str]] = [
    ({"chunk_text": " "}, "chunk 1: chunk_text is empty"),
    ({"chunk": "x"}, "chunk 1: chunk has an unknown key 'chunk'"),
    ({"chunk_text": "x", "char_start": 3, "char_end": 1}, "chunk 1: char_start 3 is after"),
    ({"chunk_text": "x", "page": -1}, "chunk 1: page"),
    ({"chunk_text": "x", "embedding": [0.0] * 256}, "chunk 1: embedding is all zeros"),
]


def test_a_bad_chunk_and_nothing_is_written(memory: Memory) -> None:
    for bad, words in BAD:
        with pytest.raises(InputError, match=words):
            memory.documents.create([{"chunk_text": "good"}, bad])
    assert memory.documents.count() == 0


def test_update_and_delete_are_in_the_history(memory: Memory, dsn: str) -> None:
    document = memory.documents.add(GUIDE, metadata={"k": 1})
    chunks = memory.documents.chunks(document.id)
    changed = memory.documents.update(document.id, title="New", metadata={"k": 2})
    assert (changed.title, changed.metadata, changed.content_hash) == ("New", {"k": 2}, document.content_hash)
    memory.documents.delete(document.id)
    for call in (memory.documents.get, memory.documents.chunks, memory.documents.delete, memory.documents.chunk):
        with pytest.raises(NotFoundError):
            call(document.id)
    with psycopg.connect(dsn) as connection:
        kinds = connection.execute(
            "SELECT kind, action, count(*), count(old), count(old_embedding), count(DISTINCT change_id) "
            "FROM memory_history GROUP BY kind, action ORDER BY kind, action"
        ).fetchall()
        titles = connection.execute(
            "SELECT old->>'title' FROM memory_history WHERE kind = 'document' AND old IS NOT NULL ORDER BY id"
        ).fetchall()
        texts = connection.execute(
            "SELECT old->>'chunk_text', old->>'embedding_model', old ? 'embedding' FROM memory_history "
            "WHERE kind = 'chunk' AND action = 'delete' ORDER BY row_id"
        ).fetchall()
    n = len(chunks)
    assert kinds == [
        ("chunk", "delete", n, n, n, 1),
        ("chunk", "insert", n, 0, 0, 1),
        ("document", "delete", 1, 1, 0, 1),
        ("document", "insert", 1, 0, 0, 1),
        ("document", "update", 1, 1, 0, 1),
    ]
    assert titles == [("Guide",), ("New",)]
    assert texts == [(c.chunk_text, "wordllama-l2-supercat-256", False) for c in chunks]


def test_another_agent_sees_nothing(memory: Memory, dsn: str) -> None:
    document = memory.documents.add("mine", source="s")
    with Memory("bob", dsn=dsn) as other:
        assert (other.documents.list(), other.documents.find("s")) == ([], None)
        with pytest.raises(NotFoundError):
            other.documents.delete(document.id)
        assert other.documents.add("mine", source="s").source == "s"
