"""Two axes of time: what is true when, and what we believed when."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count, pairwise
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memgpt import Memory
from memgpt.config import Settings
from memgpt.models import Fact

WITHOUT_MODEL = Settings(embedding_model="none")
YEARS = range(2000, 2008)
TARGETS = ("Acme", "Beta", "Gamma")


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn, options=WITHOUT_MODEL) as memory:
        yield memory


def year(number: int | None) -> datetime | None:
    return None if number is None else datetime(number, 1, 1, tzinfo=UTC)


def told(rows: list[Fact]) -> set[tuple[str, int | None, int | None]]:
    return {
        (r.fact, r.valid_from.year if r.valid_from else None, r.valid_to.year if r.valid_to else None) for r in rows
    }


def test_another_target_supersedes_for_the_span_the_two_share(memory: Memory) -> None:
    graph = memory.graph
    graph.declare_functional("works_at")
    acme = graph.add_fact("Ann", "works_at", "Acme", valid_from="2000-01-01", properties={"role": "smith"})
    graph.add_fact("Ann", "works_at", "Beta", valid_from="2003-01-01", valid_to="2005-01-01")
    assert told(list(graph.facts("Ann"))) == {
        ("Ann works at Acme", 2000, 2003),
        ("Ann works at Beta", 2003, 2005),
        ("Ann works at Acme", 2005, None),
    }
    was = graph.fact(acme.id)
    assert was.superseded_at is not None
    assert (was.valid_from, was.valid_to) == (year(2000), None), "the row is as it was recorded"
    kept = [r for r in graph.facts("Ann") if r.fact == acme.fact]
    assert {r.recorded_at for r in kept} == {was.superseded_at}, "one belief ends as the others begin"
    assert all(r.properties == {"role": "smith"} for r in kept)
    assert told(list(graph.facts("Ann", valid_at="2004-06-01"))) == {("Ann works at Beta", 2003, 2005)}
    assert told(list(graph.facts("Ann", known_at=acme.recorded_at))) == {("Ann works at Acme", 2000, None)}


def test_a_type_is_functional_when_declared_or_said(memory: Memory) -> None:
    graph = memory.graph
    graph.add_fact("Ann", "lives_in", "Ulm")
    graph.add_fact("Ann", "lives_in", "Bonn")
    assert len(graph.facts("Ann")) == 2
    assert graph.functional_types() == []
    assert graph.declare_functional("lives_in") == ["lives_in"]
    graph.add_fact("Ann", "lives_in", "Rome", functional=False)
    assert len(graph.facts("Ann")) == 3
    graph.add_fact("Ann", "lives_in", "Oslo")
    assert told(list(graph.facts("Ann"))) == {("Ann lives in Oslo", None, None)}
    assert graph.declare_functional("lives_in", False) == []
    graph.add_fact("Ann", "lives_in", "Kiel", functional=True)
    assert told(list(graph.facts("Ann"))) == {("Ann lives in Kiel", None, None)}


def test_the_same_target_contradicts_nothing(memory: Memory) -> None:
    graph = memory.graph
    first = graph.add_fact("Ann", "works_at", "Acme", functional=True, valid_from="2000-01-01")
    assert graph.add_fact("Ann", "works_at", "Acme", functional=True, valid_from="2000-01-01") == first
    graph.add_fact("Ann", "works_at", "Acme", functional=True, valid_from="2002-01-01", fact="Ann leads Acme")
    assert len(graph.facts("Ann")) == 2


def test_undo_of_an_assertion_brings_the_older_belief_back(memory: Memory) -> None:
    before = memory.graph.add_fact("Ann", "works_at", "Acme", functional=True)
    memory.graph.add_fact("Ann", "works_at", "Beta", functional=True, valid_from="2003-01-01")
    memory.undo()
    assert list(memory.graph.facts("Ann")) == [before]


def test_every_write_is_in_the_history(memory: Memory, dsn: str) -> None:
    memory.graph.add_fact("Ann", "works_at", "Acme", functional=True)
    memory.graph.add_fact("Ann", "works_at", "Beta", functional=True, valid_from="2003-01-01")
    memory.graph.end("Ann", "works_at", "Beta", valid_from="2004-01-01")
    with psycopg.connect(dsn) as connection:
        actions = connection.execute(
            "SELECT array_agg(action ORDER BY action) FROM memory_history WHERE kind = 'fact' "
            "GROUP BY change_id ORDER BY min(id)"
        ).fetchall()
        rows = connection.execute("SELECT count(*) FROM kg_relationships").fetchone()
    assert actions == [(["insert"],), (["insert", "insert", "update"],), (["insert", "update"],)]
    assert rows == (4,)


def test_writers_at_once_leave_one_target_at_a_time(memory: Memory) -> None:
    memory.graph.declare_functional("works_at")
    memory.graph.add_entity("Ann")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: memory.graph.add_fact("Ann", "works_at", f"Firm {n}"), range(12)))
    rows = memory.graph.facts("Ann", superseded=True, limit=100)
    assert len(rows) == 12
    assert len([r for r in rows if r.superseded_at is None]) == 1
    timeline = sorted((r.recorded_at, r.superseded_at) for r in rows if r.superseded_at)
    assert all(end == begin for (_, end), (begin, _) in pairwise(timeline))


class Naive:
    """What is believed of one thing: for every year the statements that hold in it. Kept whole after every step."""

    def __init__(self) -> None:
        self.now: dict[int, set[tuple[int, str]]] = {y: set() for y in YEARS}

    def copy(self) -> dict[int, set[tuple[int, str]]]:
        return {y: set(held) for y, held in self.now.items()}

    def believe(self, token: int, target: str, start: int, end: int, functional: bool) -> None:
        for y in range(start, end):
            if functional:
                self.now[y] = {held for held in self.now[y] if held[1] == target}
            self.now[y].add((token, target))

    def end(self, target: str | None, start: int, end: int) -> None:
        for y in range(start, end):
            self.now[y] = {held for held in self.now[y] if target not in (None, held[1])}

    def retract(self, token: int, start: int, end: int) -> None:
        for y in range(start, end):
            self.now[y] = {held for held in self.now[y] if held[0] != token}


spans = st.tuples(st.sampled_from(YEARS), st.sampled_from(YEARS)).map(lambda s: (min(s), max(s) + 1))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("assert"), st.sampled_from(TARGETS), spans, st.booleans()),
        st.tuples(st.just("end"), st.sampled_from([*TARGETS, None]), spans, st.none()),
        st.tuples(st.just("retract"), st.integers(0, 9), st.none(), st.none()),
    ),
    max_size=10,
)
agents = count()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_any_order_of_assertions_and_retractions_agrees_with_a_naive_model(dsn: str, steps: list[Any]) -> None:
    naive, kept = Naive(), []
    with Memory(f"agent {next(agents)}", dsn=dsn, options=WITHOUT_MODEL) as memory, psycopg.connect(dsn) as clock:
        clock.autocommit = True
        graph = memory.graph
        for name in ("Ann", *TARGETS):
            graph.add_entity(name)
        for token, (what, which, span, functional) in enumerate(steps):
            if what == "retract":
                rows = sorted(graph.facts("Ann"), key=lambda r: r.id)
                if rows:
                    row = rows[which % len(rows)]
                    graph.retract_fact(row.id)
                    naive.retract(row.properties["token"], row.valid_from.year, row.valid_to.year)
            else:
                start, end = span
                between = {"valid_from": year(start), "valid_to": year(end)}
                if what == "end":
                    graph.end("Ann", "works_at", which, **between)
                    naive.end(which, start, end)
                else:
                    graph.add_fact(
                        "Ann", "works_at", which, functional=functional, fact=f"{token}", properties={"token": token},
                        **between,  # type: ignore[arg-type]
                    )  # fmt: skip
                    naive.believe(token, which, start, end, functional)
            kept.append((clock.execute("SELECT clock_timestamp()").fetchone()[0], naive.copy()))  # type: ignore[index]
        names = {graph.get(name).id: name for name in TARGETS}
        for known_at, believed in kept:
            for y in YEARS:
                rows = graph.facts("Ann", valid_at=datetime(y, 6, 1, tzinfo=UTC), known_at=known_at)  # type: ignore[assignment]
                found = [(r.properties["token"], names[r.target_id]) for r in rows]
                assert sorted(found) == sorted(believed[y])
        for row in graph.facts("Ann", superseded=True, limit=1000):
            assert row.superseded_at is None or row.superseded_at >= row.recorded_at
