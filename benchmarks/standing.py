"""Preferences and standing instructions: what the cues take for one, and from when on two are about one thing.

    BEAM=beam.json LOCOMO=locomo10.json python -m benchmarks.standing

Chats whose questions are about such turns say what the cues find; talks of two people hold next to none, so what is
taken there is taken wrongly. Nobody contradicts oneself in these chats: what is joined there is said again, or joined
wrongly, while each of ``PAIRS`` is to be. ``ONE_SUBJECT`` of ``memgpt/sleep/sayings.py`` is chosen from that table, and
``STANDING_SHARE`` of ``memgpt/llm/context.py``, what they may take of a prompt, from the last one.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from benchmarks import chats, fixtures, locomo
from memgpt import Memory
from memgpt.config import OFFLINE_MODEL
from memgpt.llm import context
from memgpt.models import Hit
from memgpt.search.fusion import new_matcher
from memgpt.search.ranking.languages.language import language
from memgpt.sleep import sayings

PAIRS = (
    ("I prefer writing in the mornings", "I prefer writing in the evenings"),
    ("Always show dates as ISO", "Always show dates as DD/MM/YYYY"),
    ("Please call me Sam", "Please call me Alex"),
    ("I prefer tea over coffee", "I'd rather drink coffee than tea"),
    ("Never use emojis", "Always use emojis"),
    ("Always answer in English", "Always answer in German"),
    ("I prefer short answers", "I prefer long and detailed answers"),
    ("Always use metric units", "From now on use imperial units"),
    ("I prefer window seats on trains", "I prefer aisle seats on trains"),
    ("Don't suggest meat dishes", "Please always suggest meat dishes"),
)
"""What contradicts each other, written for this."""
SHARES = (0.05, 0.1, 0.2, 0.4)
THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)


def main() -> None:
    talks = _there("LOCOMO", "locomo10.json", locomo.ABSENT)
    beam = _there("BEAM", "beam.json", chats.ABSENT)
    turns = [turn.text for conversation in locomo.load(talks) for turn in conversation.turns]
    print(f"talks of two: {sum(bool(_sayings(text)) for text in turns)} of {len(turns)} turns taken for one")
    every = []
    users = taken = wanted = found = 0
    for chat in chats.load(beam):
        told = {m["metadata"]["turn"]: m["content"] for m in chat.messages if m["role"] == "user"}
        asked = {turn for q in chat.questions if q.kind == "preference" for turn in q.evidence} & {*told}
        having = {turn for turn, text in told.items() if _sayings(text)}
        users, taken = users + len(told), taken + len(having)
        wanted, found = wanted + len(asked), found + len(asked & having)
        every.append([saying for text in told.values() for saying in _sayings(text)])
    print(f"chats: {taken} of {users} turns of users taken for one; {found} of {wanted} that are asked about")
    print("from share | sayings of one chat joined | of pairs that contradict each other")
    for share in THRESHOLDS:
        sayings.ONE_SUBJECT = share  # type: ignore[misc]
        joined = sum(_joined(said) for said in every)
        right = sum(_joined([s for text in pair for s in _sayings(text)]) for pair in PAIRS)
        print(f"{share:10} | {joined:4} of {sum(map(len, every))} | {right:4} of {len(PAIRS)}")

    _carried(beam)


def _carried(beam: Path) -> None:
    """What ``context()`` carries of the evidence, beside the latest messages, for each share of its budget."""
    shares: dict[float, list[float]] = {share: [] for share in SHARES}
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "standing", model=OFFLINE_MODEL, dimensions=256)
        for chat in chats.load(beam):
            with Memory(chat.name, dsn=dsn) as memory:
                turns = {m.id: m.metadata["turn"] for m in memory.messages.append_many(chat.messages)}
                for asked in (q for q in chat.questions if q.kind == "preference"):
                    for share, recalls in shares.items():
                        context.STANDING_SHARE = share  # type: ignore[misc]
                        items = memory.context(asked.text, recent=0).items
                        held = {turns[item.id] for item in items if item.part == "message"}
                        recalls.append(len(asked.evidence & held) / len(asked.evidence))
    print("share of a prompt | evidence of preferences and instructions that it carries")
    for share, recalls in shares.items():
        print(f"{share:17} | {100 * fmean(recalls):.1f}")


def _sayings(text: str) -> list[sayings.Saying]:
    return sayings.sayings_in(Hit("message", 1, 0.0, text, {}, datetime.now(UTC)), language("en"))


def _joined(said: list[sayings.Saying]) -> int:
    return len(sayings.sorted_out(said, new_matcher())[1])


def _there(variable: str, name: str, absent: str) -> Path:
    path = Path(os.environ.get(variable, name))
    if not path.is_file():
        sys.exit(absent.format(path=path))
    return path


if __name__ == "__main__":
    main()
