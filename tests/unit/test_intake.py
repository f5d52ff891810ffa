"""The shape of a JSON text, counted as it arrives."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt.server.api.intake import JsonShape
from memgpt.server.api.problems import Refused

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from(['"', "\\", '\\"', "[{", "}]", ":", '\\\\"']),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def depth(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(depth, parts), default=0)


def values(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(values, value.values()))
    return 1 + sum(map(values, value)) if isinstance(value, list) else 0


def accepts(text: bytes, size: int, *, depth: int, values: int = 10**9) -> bool:
    shape = JsonShape(depth=depth, values=values)
    try:
        for start in range(0, len(text), size):
            shape.feed(text[start : start + size])
    except Refused:
        return False
    return True


@given(value=VALUES, size=st.integers(1, 50), ascii=st.booleans())
def test_levels_are_counted_however_the_text_is_cut(value: Any, size: int, ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii).encode()
    levels = depth(value)
    assert accepts(text, size, depth=levels)
    assert levels == 0 or not accepts(text, size, depth=levels - 1)


@given(value=VALUES, size=st.integers(1, 50))
def test_objects_lists_and_names_are_counted(value: Any, size: int) -> None:
    text = json.dumps(value).encode()
    total = values(value)
    assert accepts(text, size, depth=100, values=total)
    assert not accepts(text, len(text), depth=100, values=total - 1)


@pytest.mark.parametrize(
    "piece", [b'\\"', b'"', b"\\", b"[", b"[]", b'"":', b'"[', b"\\\\", b'{"a":'], ids=lambda piece: piece.decode()
)
@pytest.mark.parametrize("before", [b"", b'"'], ids=["", "in a text"])
def test_the_time_grows_with_the_text(piece: bytes, before: bytes) -> None:
    def seconds(count: int) -> float:
        text = before + piece * count
        best = 1e9
        for _ in range(5):
            began = time.thread_time()
            accepts(text, 65_536, depth=10**9)
            best = min(best, time.thread_time() - began)
        return best

    assert seconds(400_000) / seconds(40_000) < 50  # with its square it would be 100


def test_a_tower_is_refused_at_its_first_piece() -> None:
    assert not accepts(b"[" * 65, 65_536, depth=64)
    assert accepts(b"[" * 64, 65_536, depth=64)
