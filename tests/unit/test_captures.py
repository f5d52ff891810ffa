"""How far a transcript was read: every message once, however its bytes arrive."""

from __future__ import annotations

import json
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt.cli.captures import pieces

WRITTEN = st.lists(
    st.one_of(
        st.text(max_size=20).map(lambda text: {"type": "user", "message": {"role": "user", "content": text}}),
        st.sampled_from([{"type": "summary", "summary": "…"}, {"type": "user", "isMeta": True, "message": {"a": "b"}}]),
        st.sampled_from(["no json", "[1, 2]", ""]),
    ),
    max_size=12,
)


def line(number: int, row: object) -> bytes:
    if isinstance(row, dict):
        row = json.dumps(row | {"uuid": f"u{number}", "sessionId": "s"}, ensure_ascii=False)
    return f"{row}\n".encode()


@given(rows=WRITTEN, cuts=st.lists(st.integers(0, 2_000), max_size=6), ended=st.booleans())
def test_every_message_is_read_once_and_in_order(rows: list[object], cuts: list[int], ended: bool) -> None:
    whole = b"".join(line(number, row) for number, row in enumerate(rows))
    whole = whole if ended else whole.removesuffix(b"\n")
    with tempfile.TemporaryDirectory() as folder:
        transcript, seen = Path(folder) / "t.jsonl", Path(folder) / "captures" / "t"
        read = []
        for end in [*sorted(min(cut, len(whole)) for cut in cuts), len(whole)]:
            transcript.write_bytes(whole[:end])
            read += [row["uuid"] for piece in pieces(transcript, seen) for row in piece]
    said = [isinstance(row, dict) and "summary" not in row and not row.get("isMeta") for row in rows]
    assert read == [f"u{number}" for number, is_said in enumerate(said) if is_said]


def test_what_could_not_be_kept_is_read_again_and_hooks_wait_for_each_other(tmp_path: Path) -> None:
    transcript, seen = tmp_path / "t.jsonl", tmp_path / "captures" / "t"
    row = {"type": "user", "message": {"role": "user", "content": "x"}}
    transcript.write_bytes(b"".join(line(number, row) for number in range(3)))

    def fails() -> None:
        for _ in pieces(transcript, seen):
            raise ConnectionError("the memory is away")

    with pytest.raises(ConnectionError):
        fails()
    first = pieces(transcript, seen)
    assert len(next(first)) == 3
    others: list[int] = []
    other = threading.Thread(target=lambda: others.extend(len(piece) for piece in pieces(transcript, seen)))
    other.start()
    assert list(first) == []
    other.join()
    assert others == [], "the first has kept all"
    transcript.write_bytes(line(9, row))
    assert [[row["uuid"] for row in piece] for piece in pieces(transcript, seen)] == [["u9"]], "another file by now"
    seen.write_text("nonsense")
    assert len(list(pieces(transcript, seen))) == 1
