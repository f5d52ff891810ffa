"""What a call costs: statements and round trips, as libpq sends them."""

from __future__ import annotations

import ctypes
import itertools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import pytest

from memgpt import Memory
from memgpt.database.connection import _Pool
from memgpt.database.driver import Connection
from memgpt.integrations.kept_conversation import KeptConversation

numbers = itertools.count()


def texts(count: int) -> list[dict[str, str]]:
    return [{"text": f"note {next(numbers)}"} for _ in range(count)]


def contents(count: int) -> list[dict[str, str]]:
    return [{"content": f"message {next(numbers)}"} for _ in range(count)]


def russian() -> str:
    return f"Мельница номер {next(numbers)} сгорела на рассвете"


BUDGETS: dict[str, tuple[int, Callable[[Memory], object]]] = {
    # statements, BEGIN and COMMIT included, which are two of every number from 4 on
    "search": (1, lambda memory: memory.search("who built the mill")),
    "search with spans": (2, lambda memory: memory.search("who built the mill", spans=True)),
    "search, nothing there": (1, lambda memory: memory.search("mill", tags=["no such tag"])),
    "search by days": (1, lambda memory: memory.search("what happened yesterday")),
    "search by a vector": (1, lambda memory: memory.search(vector=[0.1] * 256)),
    "context": (5, lambda memory: memory.context("who built the mill")),
    "remember": (1, lambda memory: memory.remember(f"note {next(numbers)}")),
    "remember in another language": (1, lambda memory: memory.remember(russian())),
    "append in another language": (1, lambda memory: memory.messages.append("user", russian())),
    "remember what is there": (5, lambda memory: memory.remember("The mill was built of oak.")),
    "remember_many": (5, lambda memory: memory.remember_many(texts(20))),
    "archival.update": (4, lambda memory: memory.archival.update(1, importance=0.9)),
    "archival.get": (1, lambda memory: memory.archival.get(1)),
    "near_duplicates of a memory": (1, lambda memory: memory.archival.near_duplicates(1)),
    "near_duplicates": (2, lambda memory: memory.archival.near_duplicates("The mill was built of oak.")),
    "append": (1, lambda memory: memory.messages.append("user", f"message {next(numbers)}")),
    "append_many": (1, lambda memory: memory.messages.append_many(contents(20))),
    "a kit's turns": (7, lambda memory: KeptConversation(memory, "s").append(contents(2))),
    "a block's append": (2, lambda memory: memory.core["human"].append(f"Fact {next(numbers)}.")),
    "a block's blame": (2, lambda memory: memory.core["human"].blame()),
    "a block's creation": (2, lambda memory: memory.core[f"block {next(numbers)}"].append("New.")),
    "add_fact, known ends": (6, lambda memory: memory.graph.add_fact("Ann", "knows", "Bob", fact=f"{next(numbers)}")),
    "add_fact, new ends": (
        7,
        lambda memory: memory.graph.add_fact(f"A {next(numbers)}", "knows", f"B {next(numbers)}"),
    ),
}


_LIBC = ctypes.CDLL(None)


@dataclass
class Wire:
    """What libpq writes down of the connections of this process."""

    log: IO[bytes]

    def count(self, work: Callable[[], object]) -> tuple[int, int]:
        """Statements that were executed, and times that an answer was waited for."""
        _LIBC.fflush(None)  # libpq writes by stdio, a long statement in pieces
        start = self.log.seek(0, 2)
        work()
        _LIBC.fflush(None)
        self.log.seek(start)
        sent = [line.split(b"\t") for line in self.log.read().splitlines()]
        kinds = [fields[3] for fields in sent if len(fields) > 3 and fields[1] == b"F"]
        return sum(kind in (b"Execute", b"Query") for kind in kinds), sum(kind in (b"Sync", b"Query") for kind in kinds)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    configure = _Pool._configure

    def traced(pool: _Pool, connection: Connection) -> None:
        configure(pool, connection)
        connection.prepare_threshold = None  # preparing is one more message, once
        connection.pgconn.trace(log.fileno())

    monkeypatch.setattr(_Pool, "_configure", traced)
    with tempfile.TemporaryFile("w+b") as log:
        yield Wire(log)


@pytest.fixture
def memory(dsn: str, wire: Wire) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        memory.remember("The mill was built of oak.")
        memory.graph.add_fact("Ann", "knows", "Bob")
        memory.messages.append("user", "Who built the mill?")
        memory.search("mill")
        yield memory


def test_every_call_keeps_its_budget(memory: Memory, wire: Wire) -> None:
    spent: dict[str, tuple[int, int]] = {}
    for name, (_, call) in BUDGETS.items():
        for _ in range(2):  # nothing is saved up for the second call, nothing learned in the first
            spent[name] = wire.count(lambda call=call: call(memory))  # type: ignore[misc]
    assert spent == {name: (budget, budget) for name, (budget, _) in BUDGETS.items()}


def test_in_a_transaction_a_call_is_a_savepoint_and_no_more(memory: Memory, wire: Wire) -> None:
    with memory.transaction():
        memory.remember("first")
        assert wire.count(lambda: memory.remember("second")) == (3, 3)  # SAVEPOINT, the text, RELEASE


def test_what_another_process_writes_counts_at_once(memory: Memory, dsn: str, wire: Wire) -> None:
    """No number of rows, no time zone and no example is known for a while."""
    with Memory("ann", dsn=dsn) as other:
        other.set_time_zone("Asia/Tokyo")
        assert "Asia/Tokyo" in memory.context("mill").text
        other.intents.learn("greeting", "zub zub")
        assert memory.messages.append("user", "zub zub").intent == "greeting"
        assert other.intents.unlearn("greeting", "zub zub") == 1
        assert memory.messages.append("user", "zub zub").intent != "greeting"
        other.graph.add_fact("Quentin Marlowe", "repaired", "the weir")
        hits = memory.search("what did Quentin Marlowe repair", kinds=["fact"], explain=True)
        assert any(hit.explain and "graph" in hit.explain for hit in hits)


def test_a_search_that_was_made_for_far_fewer_rows_is_repeated(memory: Memory, dsn: str, wire: Wire) -> None:
    with Memory("ann", dsn=dsn) as other:
        other.remember_many(texts(1200))
    assert wire.count(lambda: memory.search("note")) == (3, 3)  # as it was known, all rows counted, as there are
    assert wire.count(lambda: memory.search("note")) == (2, 2)  # counted once more, which is kept now
    assert wire.count(lambda: memory.search("note")) == (1, 1)


def test_a_deep_page_takes_few_searches(memory: Memory, wire: Wire) -> None:
    memory.remember_many(texts(1300))
    for _ in range(2):
        memory.search("note")  # counts the rows
    for offset, searches in ((10, 1), (70, 2), (310, 3), (1270, 4)):
        assert wire.count(lambda offset=offset: memory.search("note", offset=offset)) == (searches, searches)  # type: ignore[misc]


def test_how_a_query_is_spelled_is_decided_at_the_first_depth(memory: Memory, wire: Wire) -> None:
    memory.remember_many({"text": f"pelican {next(numbers)}"} for _ in range(300))
    for _ in range(2):
        memory.search("pelican")  # counts the rows
    for offset, deeper in ((0, 0), (70, 1), (250, 2)):
        searches = 3 + deeper  # as it was typed, its words at one edit, as they are spelled, and deeper like that
        assert wire.count(lambda offset=offset: memory.search("pelxican", offset=offset)) == (searches, searches)  # type: ignore[misc]


@pytest.mark.parametrize(
    "later", [{"text": "The mill burnt", "source": "a talk"}, {"text": "Мельница сгорела в прошлом году на рассвете"}]
)
def test_what_a_search_did_not_foresee_is_known_to_the_next(
    memory: Memory, dsn: str, wire: Wire, later: dict[str, Any]
) -> None:
    """Neighbours of memories and other languages cost only agents that have them."""
    with Memory("ann", dsn=dsn) as other:
        other.remember(**later)
        found = other.search("mill")
    assert wire.count(lambda: memory.search("mill")) == (2, 2)  # as it was known, as there are
    assert wire.count(lambda: memory.search("mill")) == (1, 1)
    assert memory.search("mill") == found


def test_rows_that_come_in_between_are_counted_by_the_search(memory: Memory, dsn: str, wire: Wire) -> None:
    def total() -> Any:
        [hit] = memory.search("mill", kinds=["archival"], limit=1)
        return hit.score

    with Memory("ann", dsn=dsn) as other:
        alone = total()
        other.remember_many(texts(50))
        assert wire.count(total) == (1, 1)
        with Memory("ann", dsn=dsn) as third:
            [hit] = third.search("mill", kinds=["archival"], limit=1)
        assert total() == pytest.approx(hit.score) != alone
