"""Differences and merges of texts: nothing is lost, and nothing is taken from nowhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memgpt.server.console.diff import difference
from memgpt.server.console.merging import merge, merged

TEXTS = st.lists(st.sampled_from(["a", "b", "c d", "c e", "", "אב", "x" * 9]), max_size=12).map("\n".join)


@given(TEXTS, TEXTS)
def test_a_difference_tells_both_texts(old: str, new: str) -> None:
    lines = difference(old, new)

    def text(kind: str) -> list[str]:
        return ["".join(part for part, _ in line.parts) for line in lines if line.kind == kind]

    before, after = old.splitlines(), new.splitlines()
    for removed in text("removed"):
        before.remove(removed)
    for added in text("added"):
        after.remove(added)
    assert sorted(before) == sorted(after)
    assert (lines == []) == (old.splitlines() == new.splitlines())


@given(TEXTS, TEXTS, TEXTS)
def test_a_merge_takes_what_one_side_changed(base: str, theirs: str, mine: str) -> None:
    regions = merge(base, theirs, mine)

    def join(side: str) -> str:
        return "\n".join(line for region in regions for line in getattr(region, side))

    assert (join("base"), join("theirs"), join("mine")) == (base, theirs, mine)
    assert merged(merge(base, base, mine), {}) == mine
    assert merged(merge(base, theirs, base), {}) == theirs
    assert merged(merge(base, mine, mine), {}) == mine


def test_edits_of_different_lines_are_no_conflict() -> None:
    regions = merge(
        "Name: Ann\nLives in Graz", "Name: Ann\nLives in Vienna\nLikes trains", "Name: Ann Bauer\nLives in Graz"
    )
    assert "conflict" not in [region.taken for region in regions]
    assert merged(regions, {}) == "Name: Ann Bauer\nLives in Vienna\nLikes trains"


def test_edits_of_one_line_are_chosen() -> None:
    regions = merge("Lives in Graz", "Lives in Vienna", "Lives in Linz")
    assert [region.taken for region in regions] == ["conflict"]
    assert merged(regions, {0: "theirs"}) == "Lives in Vienna"
    assert merged(regions, {0: "both"}) == "Lives in Vienna\nLives in Linz"
