"""Chats of a user and an assistant who replies at length, and questions whose evidence is known.

The form is that of BEAM ("Beyond a Million Tokens") with one chat after another: ``turns`` (``id``, ``batch``, ``n``,
``role``, ``when``, ``text``) and ``questions`` (``question``, ``kind``: fact or preference, ``evidence``: ids of
turns). The data is not part of this project.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ABSENT = """Chats with long replies are not at {path}. They are those of BEAM, kept as a JSON list of
  {{"turns": [{{"id", "batch", "n", "role", "when", "text"}}],
    "questions": [{{"question", "kind": "fact" or "preference", "evidence": [ids of turns]}}]}}
Give its path: BEAM=beam.json make bench-quality"""


@dataclass(frozen=True)
class ChatQuestion:
    text: str
    kind: str
    """``fact`` or ``preference``."""
    evidence: frozenset[str]


@dataclass(frozen=True)
class Chat:
    name: str
    messages: list[dict[str, Any]]
    """As ``messages.append_many`` takes them; the turn's id is ``metadata["turn"]``."""
    questions: list[ChatQuestion]


def load(path: Path) -> list[Chat]:
    return [_chat(number, chat) for number, chat in enumerate(json.loads(path.read_text("utf-8")), start=1)]


def _chat(number: int, chat: dict[str, Any]) -> Chat:
    messages = [
        {
            "role": turn["role"],
            "content": turn["text"],
            "session": f"batch {turn['batch']}",
            "created_at": datetime.fromisoformat(turn["when"]).replace(tzinfo=UTC) + timedelta(seconds=n),
            "metadata": {"turn": turn["id"]},
        }
        for n, turn in enumerate(chat["turns"])
    ]
    questions = [ChatQuestion(q["question"], q["kind"], frozenset(q["evidence"])) for q in chat["questions"]]
    return Chat(f"chat {number}", messages, questions)
