"""Lines that two texts share: all that is matched is the same in both, in the same order."""

from __future__ import annotations

from difflib import SequenceMatcher
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from memgpt.blocks.lines.line_matching import LineMatcher

LINES = st.lists(st.sampled_from(["a", "b", "c", "", "d", "e"]), max_size=30)


@given(LINES, LINES)
def test_what_is_matched_is_the_same_in_both(old: list[str], new: list[str]) -> None:
    blocks = LineMatcher(old, new).get_matching_blocks()
    end = (0, 0)
    for block in blocks:
        assert (block.a, block.b) >= end
        assert block.a >= end[0]
        assert block.b >= end[1]
        assert old[block.a : block.a + block.size] == new[block.b : block.b + block.size]
        end = (block.a + block.size, block.b + block.size)
    assert blocks[-1] == (len(old), len(new), 0)
    assert sum(block.size for block in LineMatcher(old, old).get_matching_blocks()) == len(old)


@given(st.integers(0, 2**32))
def test_edits_of_a_text_are_found(seed: int) -> None:
    random = Random(seed)
    old = [f"line {n}" for n in range(200)]
    new = [line for line in old if random.random() > 0.1]
    for _ in range(10):
        new.insert(random.randrange(len(new) + 1), f"new {random.random()}")
    ours, difflibs = LineMatcher(old, new), SequenceMatcher(None, old, new, autojunk=False)
    assert [*ours.get_matching_blocks()] == [*difflibs.get_matching_blocks()]
