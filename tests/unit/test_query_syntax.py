"""What a query means, and what only looks like an operator."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt.search.query_syntax import parse_query, plain

NO_OPERATORS = [
    *("how do I pip install -e the project", "what does rm -rf build do", "ls -la", "gcc -O2 main.c", "-5 degrees"),
    *("was it cold, -5 or so", "what is -x in this", "java -version", "find . -name notes", "a - b", "well-known"),
    *("git commit --amend -message", "kubectl get pods -namespace=dev", "run app.jar -verbose", "tar -xvf /tmp/a.tar"),
    *("what about cats -dogs?", "he said -hello- to me", "3-4 people", "-", "--", "price: -20%", "x -y"),
]


@pytest.mark.parametrize("query", NO_OPERATORS)
def test_what_only_looks_like_an_exclusion_is_none(query: str) -> None:
    assert parse_query(query).excluded == []
    assert plain(query).excluded == ()


@pytest.mark.parametrize(
    ("query", "words", "excluded"),
    [
        ("apples -oranges", "apples", ["oranges"]),
        ("apples -oranges pie", "apples pie", ["oranges"]),
        ("-oranges apples", "apples", ["oranges"]),
        ("jaguar -car -sedan.", "jaguar", ["car", "sedan"]),
        ('tea -"green tea"', "tea", ["green tea"]),
        ("日本 -東京", "日本", ["東京"]),
        ("-oranges", "", ["oranges"]),
    ],
)
def test_an_exclusion_is_a_word_behind_a_minus_sign(query: str, words: str, excluded: list[str]) -> None:
    asked = parse_query(query)
    assert (asked.words, asked.excluded) == (words, excluded)


@pytest.mark.parametrize(
    ("query", "phrases"),
    [
        ('"side by side" tables', ['"side by side"']),
        ("„auf dem Berg“ Hütte", ['"auf dem Berg"']),
        ("«le chat» noir", ['"le chat"']),
        ("「東京 タワー」", ['"東京 タワー"']),
        ('"a b" OR c', ['"a b" or c']),
        ('a 27" monitor and a 24" one', []),
        ('one "mark that nothing closes', []),
        ('""', []),
        ('"!?" words', []),
    ],
)
def test_a_phrase_stands_between_quotation_marks_of_any_kind(query: str, phrases: list[str]) -> None:
    assert parse_query(query).phrases == phrases


@pytest.mark.parametrize("query", ["", " ", '"', '- -- "" OR |', "OR"])
def test_a_query_of_nothing_but_operators_asks_for_nothing(query: str) -> None:
    assert parse_query(query).words == ""


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_every_text_is_understood_and_plain_text_has_no_operators(text: str) -> None:
    parse_query(text)
    asked = plain(text)
    assert (asked.phrases, asked.excluded) == ((), ())
    assert [c for c in asked.words if c.isalnum()] == [c for c in text if c.isalnum()]


@given(st.lists(st.sampled_from(["pip", "-e", "-rf", "--flag", "-5", "x", "-O2", "-", '"', "OR", "."]), max_size=12))
def test_options_and_numbers_are_never_excluded(words: list[str]) -> None:
    assert parse_query(" ".join(words)).excluded == []
