"""LoCoMo (Maharana et al., ACL 2024) as conversations to remember and questions whose evidence is known.

The data is CC BY-NC 4.0 and not part of this project.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop"}
ADVERSARIAL = 5
"""Questions that name the wrong speaker: never evaluated; learned from, with the speaker's weight taken out."""

ABSENT = """LoCoMo is not at {path}. It is not part of this project (CC BY-NC 4.0). Get the file once:
  curl -LO https://raw.githubusercontent.com/snap-research/locomo/main/data/locomo10.json
and give its path: LOCOMO=locomo10.json make bench-quality (or bench-ablation)"""


@dataclass(frozen=True)
class Turn:
    id: str
    session: str
    speaker: str
    text: str
    caption: str | None
    time: datetime


@dataclass(frozen=True)
class Question:
    text: str
    category: int
    evidence: frozenset[str]


@dataclass(frozen=True)
class Conversation:
    name: str
    turns: list[Turn]
    questions: list[Question]

    def messages(self, *, captions: bool = False, names: str = "field") -> list[dict[str, Any]]:
        """As ``messages.append_many`` takes them, with the speaker where a user may put it: field, prefix, metadata."""
        first = self.turns[0].speaker
        found = []
        for turn in self.turns:
            text = turn.text + (f" [shares a photo: {turn.caption}]" if captions and turn.caption else "")
            message: dict[str, Any] = {
                "role": "user" if turn.speaker == first else "assistant",
                "content": f"{turn.speaker}: {text}" if names == "prefix" else text,
                "session": turn.session,
                "created_at": turn.time,
                "metadata": {"dia_id": turn.id} | ({"speaker": turn.speaker} if names == "metadata" else {}),
            }
            found.append(message | ({"name": turn.speaker} if names == "field" else {}))
        return found


def load(path: Path) -> list[Conversation]:
    """The conversations, or an end of the program that says how to get them."""
    if not path.is_file():
        sys.exit(ABSENT.format(path=path))
    return [_conversation(one) for one in json.loads(path.read_text("utf-8"))]


def _conversation(given: dict[str, Any]) -> Conversation:
    talk, turns = given["conversation"], []
    numbers = sorted(int(found[1]) for key in talk if (found := re.fullmatch(r"session_(\d+)", key)))
    for number in numbers:
        when = datetime.strptime(talk[f"session_{number}_date_time"], "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
        turns += [
            Turn(t["dia_id"], f"session_{number}", t["speaker"], t["text"], t.get("blip_caption"), when)
            for t in talk[f"session_{number}"]
        ]
    known = {turn.id for turn in turns}
    questions = [
        Question(
            q["question"], q["category"], frozenset(re.findall(r"D\d+:\d+", " ".join(q.get("evidence", [])))) & known
        )
        for q in given["qa"]
    ]
    return Conversation(given["sample_id"], turns, [q for q in questions if q.evidence])
