"""Places that callers share: a limit that nobody can use up alone."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt.server.api.problems import Refused
from memgpt.server.shares import Pool


def held(pool: Pool, stack: ExitStack, *holders: str) -> int:
    """How many places the holders get until they are refused."""
    count = 0
    while True:
        try:
            stack.enter_context(pool.place(holders))
        except Refused:
            return count
        count += 1


def test_one_caller_takes_half_and_leaves_the_others_theirs() -> None:
    pool = Pool("requests", 64)
    with ExitStack() as stack:
        assert held(pool, stack, "key a") == 32
        assert held(pool, stack, "key b") == 16
        assert held(pool, stack, "key c") == 8
        with pytest.raises(Refused) as refused, pool.place(["key a"]):
            pass
        assert refused.value.status == 429
    assert pool.taken == 0


@given(places=st.integers(2, 100), callers=st.integers(1, 100))
def test_a_new_caller_always_finds_a_place_until_there_are_as_many_as_places_allow(places: int, callers: int) -> None:
    pool = Pool("requests", places)
    with ExitStack() as stack:
        for number in range(callers):
            free = places - pool.taken
            assert (held(pool, stack, f"key {number}") > 0) == (free > 0)
            assert pool.taken <= places


def test_an_agent_behind_many_keys_has_one_share() -> None:
    pool = Pool("requests", 64)
    with ExitStack() as stack:
        got = sum(held(pool, stack, f"key {n}", "agent a") for n in range(64))
        assert got == 32
        assert held(pool, stack, "key 99", "agent b") > 0


def test_bytes_are_places_too() -> None:
    pool = Pool("bytes", 100)
    with ExitStack() as stack:
        stack.enter_context(pool.place(["key a"], 40))
        with pytest.raises(Refused), pool.place(["key a"], 30):
            pass
        with pytest.raises(Refused), pool.place(["key b"], 70):
            pass
        stack.enter_context(pool.place(["key b"], 50))
