"""Texts that read like memories: two sentences of the examples in each, with a day, so that no two are the same."""

from __future__ import annotations

import json
import random
import re
from functools import cache
from pathlib import Path

DATA = Path(__file__).parents[1] / "examples" / "data"


@cache
def sentences() -> list[str]:
    """Of the handbook and the conversation of the examples."""
    handbook = (DATA / "handbook.md").read_text("utf-8")
    lines = [line for line in handbook.splitlines() if line and line[0] not in "#|`"]
    for line in (DATA / "conversation.jsonl").read_text("utf-8").splitlines():
        lines.append(str(json.loads(line).get("content", "")))
    found = [part.strip("-*> ") for line in lines for part in re.split(r"(?<=[.!?])\s+", line)]
    return sorted({part for part in found if 30 < len(part) < 240})


def take(count: int, seed: int) -> list[str]:
    """So many different texts, the same for the same seed."""
    chosen = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        first, second = chosen.sample(sentences(), 2)
        found[f"On day {chosen.randrange(100_000)}: {first} {second}"] = None
    return list(found)


def part_of(text: str) -> str:
    """Every third word, as somebody remembers it."""
    return " ".join(re.findall(r"\w+", text)[::3])
