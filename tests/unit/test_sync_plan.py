"""What a synchronization decides, for any two sides and anything they had in common."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memgpt.files.sync import plan

Side = dict[str, str]
SIDES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"))


def synchronized(folder: Side, memory: Side, base: Side) -> tuple[Side, Side, Side, set[str]]:
    """Do what the plan says; answers both sides, what they have in common, and the conflicts."""
    sides: dict[str | None, Side] = {"folder": dict(folder), "memory": dict(memory)}
    common, conflicts = dict(base), set()
    for step in plan(folder, memory, base):
        if step.to == "conflict":
            conflicts.add(step.path)
            continue
        source = memory if step.to == "folder" else folder
        for target in (common, *([sides[step.to]] if step.to else [])):
            target.pop(step.path, None)
            if step.path in source:
                target[step.path] = source[step.path]
    return sides["folder"], sides["memory"], common, conflicts


@given(SIDES, SIDES, SIDES)
def test_nothing_is_left_to_do_and_no_text_is_lost(folder: Side, memory: Side, base: Side) -> None:
    here, there, common, conflicts = synchronized(folder, memory, base)
    assert {(step.path, step.to) for step in plan(here, there, common)} == {(path, "conflict") for path in conflicts}
    for path in {*folder, *memory}:
        for text in {folder.get(path), memory.get(path)} - {None, here.get(path), there.get(path)}:
            assert text == base[path], "only what both sides had is replaced or deleted"
        if path in conflicts:
            assert (here.get(path), there.get(path)) == (folder.get(path), memory.get(path))
        else:
            assert here.get(path) == there.get(path) == common.get(path)


@given(SIDES, SIDES)
def test_the_first_time_nothing_is_deleted_or_overwritten(folder: Side, memory: Side) -> None:
    here, there, _, conflicts = synchronized(folder, memory, {})
    assert here.items() >= folder.items()
    assert there.items() >= memory.items()
    assert conflicts == {path for path in folder.keys() & memory.keys() if folder[path] != memory[path]}
