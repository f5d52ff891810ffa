"""The splitter: what it cuts, what it leaves whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt.database.admin.migration import discover
from memgpt.database.admin.sql_split import split
from memgpt.errors import MigrationError

INNER = st.text(alphabet="aE$'\";-/*\\ \n()1_é", max_size=12)


def quoted(text: str) -> list[str]:
    """Every way to put a text into SQL where its semicolons mean nothing."""
    doubled, escaped = text.replace("'", "''"), text.replace("\\", "\\\\").replace("'", "\\'")
    name = text.replace('"', '""') or "x"
    forms = [f"'{doubled}'", f"E'{escaped}'", f'"{name}"', f"$q1_${text}$q1_$"]
    return forms + ([f"$${text}$$"] if "$" not in text else [])


LITERAL = INNER.flatmap(lambda text: st.sampled_from(quoted(text)))
WORD = st.sampled_from(["SELECT", "a$b", "1", "x1", "type", "(", ")", ",", "::text", "value"])
COMMENT = INNER.map(lambda t: "/*" + t.replace("*/", "").replace("/*", "").strip("*/") + " */") | INNER.map(
    lambda t: "--" + t.replace("\n", " ") + "\n"
)
STATEMENT = st.lists(WORD | LITERAL, min_size=1, max_size=6).map(" ".join)


@given(st.lists(st.tuples(STATEMENT, COMMENT), max_size=6))
def test_statements_come_back_as_they_went_in(parts: list[tuple[str, str]]) -> None:
    source = "".join(f"{comment} {statement} ;" for statement, comment in parts)
    assert [s.text for s in split(source)] == [statement for statement, _ in parts]


@given(st.lists(st.tuples(STATEMENT, COMMENT), max_size=6))
def test_lines_are_those_of_the_first_word(parts: list[tuple[str, str]]) -> None:
    source = "\n".join(f"{comment} {statement} ;" for statement, comment in parts)
    lines = source.split("\n")
    for statement in split(source):
        assert statement.text.split("\n")[0].rstrip() in lines[statement.line - 1]


@given(st.text(max_size=60))
def test_any_text_is_split_or_refused(source: str) -> None:
    try:
        statements = split(source)
    except MigrationError:
        return
    assert all(s.text in source and s.text.strip() for s in statements)


@pytest.mark.parametrize("source", ["SELECT 'a", 'SELECT "a', "SELECT $x$ a $y$", "/* /* */", "SELECT E'a\\'"])
def test_what_never_closes_is_refused(source: str) -> None:
    with pytest.raises(MigrationError, match=r"line 2.*never closed"):
        split("\n" + source)


def test_a_standard_function_body_is_one_statement() -> None:
    body = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END"
    assert [s.text for s in split(body + "; SELECT 1")] == [body, "SELECT 1"]


def test_our_files_lose_nothing() -> None:
    for migration in discover():
        for source, kept in (
            (migration.source, migration.statements),
            (migration.undo_source, migration.undo_statements),
        ):
            everything = [s.text for s in split(source)]
            assert [everything[0], everything[-1]] == ["BEGIN", "COMMIT"]
            assert everything[1:-1] == [s.text for s in kept]
