"""Cutting texts: structure kept, sizes bounded, and an edit that stays where it is."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memgpt.documents.formats import chunking
from memgpt.embeddings.static import count_tokens

VOCABULARY = ("harbour", "boat", "tide", "sail", "rope", "wind", "deck", "anchor", "chart", "buoy", "keel", "wave")


def prose(seed: int, paragraphs: int, *, headings: bool) -> str:
    chosen = random.Random(seed)
    parts = []
    for n in range(paragraphs):
        if headings and n % 5 == 0:
            parts.append(f"## Part {n}")
        parts.append(" ".join(chosen.choices(VOCABULARY, k=chosen.randint(20, 90))) + f" {n}.")
    return "\n\n".join(parts)


@pytest.mark.parametrize("headings", [True, False])
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), at=st.floats(0, 1))
def test_an_edit_changes_the_chunks_around_it_only(headings: bool, seed: int, at: float) -> None:
    text = prose(seed, 60, headings=headings)
    media_type = chunking.MARKDOWN if headings else chunking.PLAIN
    place = text.index(" ", int(at * (len(text) - 100)))
    before = {span.chunk_text for span in chunking.spans(text, media_type=media_type)}
    edited = chunking.spans(f"{text[:place]} inserted words {text[place:]}", media_type=media_type)
    assert sum(span.chunk_text not in before for span in edited) <= 12
    assert len(edited) > 20


def test_a_chunk_has_no_more_tokens_than_allowed_and_shares_some_with_the_next() -> None:
    text = " ".join(f"Sentence number {n} is about the tide and the harbour." for n in range(300))
    spans = chunking.spans(text, media_type=chunking.PLAIN)
    assert max(count_tokens([span.chunk_text for span in spans])) <= chunking.CHUNK_TOKENS
    shared = [a.char_end - b.char_start for a, b in pairwise(spans)]
    assert sum(n > 0 for n in shared) > len(shared) / 2
    overlaps = [a.chunk_text[-n:] for a, n in zip(spans, shared, strict=False) if n > 0]
    assert max(count_tokens(overlaps)) <= chunking.OVERLAP_TOKENS


def test_code_and_tables_that_fit_stay_whole() -> None:
    code = "```python\ndef f(x):\n\n    # not a heading\n\n    return x\n```"
    table = "| name | year |\n| --- | --- |\n" + "\n".join(f"| boat {n} | {1900 + n} |" for n in range(9))
    text = f"# Boats\n\n{prose(1, 6, headings=False)}\n\n{code}\n\n{prose(2, 6, headings=False)}\n\n{table}\n"
    chunks = [span.chunk_text for span in chunking.spans(text, media_type=chunking.MARKDOWN)]
    assert any(code in chunk for chunk in chunks)
    assert any(table in chunk for chunk in chunks)


def test_a_table_that_is_cut_carries_its_header() -> None:
    header = "| name | year |"
    table = f"{header}\n| --- | --- |\n" + "".join(f"| boat {n} | {n} |\n" for n in range(300))
    first, *rest = chunking.spans(f"# Boats\n\n{table}\nAfter it.\n", media_type=chunking.MARKDOWN)
    assert (first.table_header, header in first.chunk_text) == (None, True)
    assert {span.table_header for span in rest if "| boat" in span.chunk_text[:8]} == {header}
    assert chunking.context("Fleet", rest[0].heading_path, rest[0].table_header) == f"Fleet > Boats\n{header}"


@pytest.mark.parametrize("words", [150, 240, 400])
def test_a_heading_stands_with_what_is_below_it(words: int) -> None:
    """Also where the paragraph below fills a chunk by itself, or a place that begins a section follows at once."""
    parts = [f"## Part {n}\n\n### Detail {n}\n\n{prose(n, 1, headings=False)} {'tide ' * words}." for n in range(30)]
    text = "\n\n".join(parts)
    spans = chunking.spans(text, media_type=chunking.MARKDOWN)
    assert [s.chunk_text for s in spans if not re.sub(r"(?m)^#.*$", "", s.chunk_text).strip()] == []
    assert all(text[span.char_start : span.char_end] == span.chunk_text for span in spans)
    assert max(count_tokens([span.chunk_text for span in spans])) <= chunking.CHUNK_TOKENS
    assert {n for n in range(30) if any(f"## Part {n}\n" in span.chunk_text for span in spans)} == set(range(30))


def test_code_that_fits_stays_whole_wherever_it_stands() -> None:
    code = "```python\n" + "\n\n".join(f"def f{n}(x):\n    return x + {n}" for n in range(13)) + "\n```"
    inside = code.replace("\n", "\n    ")
    quoted = code.replace("\n", "\n> ")
    text = "\n\n".join(
        [
            f"# Long\n\n{'Word and word. ' * n}\n\n{code}\n\n- a list:\n\n    {inside}\n\n> {quoted}"
            for n in range(90, 480, 30)
        ]
    )
    chunks = [span.chunk_text for span in chunking.spans(text, media_type=chunking.MARKDOWN)]
    for block in (code, inside, quoted):
        assert sum(block in chunk for chunk in chunks) == text.count(f" {block}") + text.count(f"\n{block}")


@settings(deadline=None, max_examples=10)
@given(columns=st.integers(60, 200), rows=st.integers(1, 4))
def test_a_wide_row_is_cut_between_cells_with_the_header_of_its_columns(columns: int, rows: int) -> None:
    lines = ["| " + " | ".join(f"column {n}" for n in range(columns)) + " |", f"|{' --- |' * columns}"]
    lines += ["| " + " | ".join(f"boat number {n} of {row}" for n in range(columns)) + " |" for row in range(rows)]
    text = "# Fleet\n\n" + "\n".join(lines) + "\n\nAfter it.\n"
    spans = chunking.spans(text, media_type=chunking.MARKDOWN)
    values = [span for span in spans if "boat" in span.chunk_text]
    for span in values:
        cells = re.findall(r"boat number (\d+)", span.chunk_text)
        assert span.chunk_text.startswith("| boat")
        assert re.findall(r"column (\d+)", span.table_header or "") == cells
        assert text[span.char_start : span.char_end] == span.chunk_text
    assert sum(span.chunk_text.count("boat") for span in values) == columns * rows
    assert max(count_tokens([span.chunk_text for span in spans])) <= chunking.CHUNK_TOKENS
    assert any("After it." in span.chunk_text and span.heading_path == ("Fleet",) for span in spans)


def test_a_cell_that_does_not_fit_is_cut_with_the_name_of_its_column() -> None:
    long = " ".join(f"Sentence {n} is about the tide." for n in range(100))
    text = f"| boat | about |\n| --- | --- |\n| Nan | {long} |\n"
    _, *rest = chunking.spans(text, media_type=chunking.MARKDOWN)
    assert {span.table_header for span in rest if "Sentence" in span.chunk_text} == {"| about "}
    assert all(f"Sentence {n} is" in "".join(span.chunk_text for span in rest) for n in range(100))


def test_a_title_is_not_said_twice() -> None:
    assert chunking.context("Guide", ["Guide", "Install"], None) == "Guide > Install"
    assert chunking.context("", [], None) == ""


@pytest.mark.parametrize("text", ["x" * 100_000, "word " * 20_000, "\n" * 5000, "a\n" * 20_000])
def test_texts_without_structure(text: str) -> None:
    spans = chunking.spans(text, media_type=chunking.MARKDOWN)
    assert sum(len(span.chunk_text) for span in spans) >= len(text.replace("\n", "").replace(" ", ""))
    assert all(text[span.char_start : span.char_end] == span.chunk_text for span in spans)


PIECES = [
    "# Boats", "## The red boat", "Title\n===", "```\ncode\n```", "~~~", "The boat is red.",
    "| a | b |\n|---|---|\n| 1 | 2 |", "| " + "wide " * 300 + "|", "word " * 400, "- item\n- item",
    "A night train to Lisbon leaves at ten. " * 20, "x" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("kind", [chunking.MARKDOWN, chunking.PLAIN])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_what_differs_after_an_edit_is_what_cutting_both_texts_gives(kind: str, data: st.DataObject) -> None:
    pieces = st.lists(st.sampled_from(PIECES), max_size=25)
    first, old, new, last = (data.draw(pieces) for _ in range(4))
    before, after = ("\n\n".join([*first, *middle, *last]) for middle in (old, new))
    gone, made = (
        {(tuple(s.heading_path), s.table_header, s.chunk_text) for s in spans}
        for spans in chunking.difference(before, after, media_type=kind)
    )
    was, now = (
        {(tuple(s.heading_path), s.table_header, s.chunk_text) for s in chunking.spans(text, media_type=kind)}
        for text in (before, after)
    )
    assert (gone <= was, made <= now) == (True, True)
    assert (was - (gone - made)) | made == now


@pytest.mark.parametrize("headings", [True, False])
def test_an_edit_of_a_large_text_cuts_what_is_around_it(headings: bool) -> None:
    kind = chunking.MARKDOWN if headings else chunking.PLAIN
    small, large = (prose(1, paragraphs, headings=headings) for paragraphs in (300, 6000))
    for text in (small, large):
        at = text.index(".", len(text) // 2)
        gone, made = chunking.difference(text, text[:at] + " and a word" + text[at:], media_type=kind)
        assert 0 < len(gone) <= 60  # of thousands in the large one
        assert 0 < len(made) <= 60
