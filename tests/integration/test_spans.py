"""Spans of a hit: which characters of its text match the query, in the language of the text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memgpt import Memory, Settings
from memgpt.memory import scope_of
from memgpt.search.query_syntax import parsed
from memgpt.search.spans.spans import MOST_READ, spans_of
from tests.conftest import Server

PIECES = (
    "train", "trains", "Running", "the", "Oslo", "9:40", "state-of-the-art", "e-mail", "a@b.de",
    "http://oslo.no/run", "東京", "東京から京都まで", "の", "สวัสดีครับ", "cafe\u0301", "café",
    "Zu\u0308ge", "Straße", "<b>train</b>", "&amp;train", "😀train", "'", '"', "\\", "\u202e",
    "ไม่run", "l'été", "<img src=train onerror=run>", "\n\n", "O'Brien", "snake_case_run",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12)


@pytest.fixture(scope="module")
def memory(server: Server, template: str) -> Iterator[Memory]:
    name = server.create(template)
    with Memory("ann", dsn=server.dsn(name), options=Settings(embedding_model="none")) as memory:
        yield memory
    server.drop(name)


def marked(memory: Memory, query: str, **options: object) -> list[list[str]]:
    hits = memory.search(query, spans=True, **options)  # type: ignore[arg-type]
    return [[hit.text[start:end] for start, end in hit.spans or ()] for hit in hits]


@pytest.mark.parametrize(
    ("text", "query", "spans"),
    [
        ("😀 The trains were running to Oslo.", "train runs", ["trains", "running"]),
        ("Er wohnte in den alten Häusern am Hafen.", "Haus Hafen", ["Häusern", "Hafen"]),
        ("She walked side by side with him, on one side.", '"side by side"', ["side by side", "side"]),
        ("昨天我们和孩子们参观了港口的老房子。", "港口的老房子", ["港口的老房子"]),
        ("東京は大きい。京都は古い。", "東京 京都", ["東京", "京都"]),
        ("Ein Cafe\u0301 mit Zu\u0308gen am Bahnhof", "café", ["Cafe\u0301"]),
        ('<i onclick="flight()">flights</i> &lt;flight <b>x</b> A flight', "flight", ["flights", "flight", "flight"]),
        ("The parrots sang all day long.", "parots", ["parrots"]),
        ("Nothing of these words.", "gadget", []),
    ],
)
def test_words_phrases_and_characters_are_told(dsn: str, text: str, query: str, spans: list[str]) -> None:
    with Memory("ann", dsn=dsn) as memory:
        memory.remember(text)
        assert marked(memory, query) == [spans]


def test_all_kinds_have_spans(dsn: str) -> None:
    with Memory("ann", dsn=dsn) as memory:
        memory.remember("Two flights to Oslo.")
        memory.messages.append("user", "Which flights leave?")
        memory.documents.add("# Flights\n\nAll flights leave at noon.", title="Plan")
        memory.graph.add_fact("Ann", "books", "flights")
        memory.items.put(("plans",), "one", {"text": "flights of today"})
        memory.files.write("/a.md", "Old flights.")
        hits = memory.search("flight", spans=True)
        assert {hit.kind for hit in hits} == {"archival", "message", "chunk", "fact", "item", "file"}
        for hit in hits:
            assert hit.spans, hit.kind
            assert {hit.text[start:end].lower() for start, end in hit.spans} == {"flights"}
        assert [hit.spans for hit in memory.search("flight")] == [None] * len(hits)
        assert [hit.spans for hit in memory.search("", spans=True)] == [()] * len(hits)
        assert all(hit.spans == () for hit in memory.search(vector=[0.1] * 256, spans=True))


def test_a_long_text_is_read_as_far_as_is_said(memory: Memory) -> None:
    text = f"{'trains ' * 3}{'x ' * MOST_READ}train"
    [spans] = spans_of(scope_of(memory), parsed("train", operators=True), [("archival", 1, text)])
    assert spans == [(0, 6), (7, 13), (14, 20)]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, TEXTS, st.sampled_from(["", " "]))
def test_every_span_is_a_match(memory: Memory, words: list[str], asked: list[str], between: str) -> None:
    text, query = between.join(words), " ".join(asked)
    [spans] = spans_of(scope_of(memory), parsed(query, operators=True), [("archival", 1, text)])
    end = 0
    for start, stop in spans:
        assert end <= start < stop <= len(text)
        end = stop
    normal = unicodedata.normalize("NFC", query)
    with memory.transaction() as connection:
        language = scope_of(memory).language
        missed = connection.execute(
            "SELECT s.text FROM unnest(%s::text[]) AS s (text) WHERE NOT"
            " tsvector_to_array(memory_search_vector(%s, s.text)) && tsvector_to_array(memory_search_vector(%s, %s))",
            ([text[start:stop] for start, stop in spans], language, language, normal),
        ).fetchall()
    assert missed == []
