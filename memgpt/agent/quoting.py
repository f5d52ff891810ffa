"""Answers without a model: the memory keeps what it is told, and quotes what it holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from memgpt.memory import Memory
from memgpt.models import Hit, Message, Remembered

MOST: Final = 5
"""Quotations of an answer."""
SHOWN: Final = 480
"""Characters of a passage."""
_WORD: Final = re.compile(r"\w+")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?]) ")


@dataclass(frozen=True, slots=True)
class Quotation:
    """A passage of something that is kept, and where it is from."""

    hit: Hit
    passage: str

    @property
    def place(self) -> str:
        """The title, name or role of its source."""
        source = self.hit.source
        return str(source.get("title") or source.get("name") or source.get("role") or "")


@dataclass(frozen=True, slots=True)
class QuotingAnswer:
    """Answer to one line."""

    message: Message
    kept: Remembered | None
    """The memory that was made, where the line asked for it."""
    told: bool
    """Whether the line told something, rather than asked."""
    quotations: Sequence[Quotation]


def answer(memory: Memory, session: str, line: str) -> QuotingAnswer:
    """Keep a line of the user, and answer it from memory alone."""
    quoted = quotations(memory, line)
    message = memory.messages.append("user", line, session=session)
    if message.intent == "remember":
        return QuotingAnswer(message, memory.remember(line), True, ())
    told = message.intent in ("statement", "correction")
    return QuotingAnswer(message, None, told, () if told else quoted)


def quotations(memory: Memory, line: str, *, but: int | None = None) -> Sequence[Quotation]:
    """Return passages about a line, best first; ``but`` is the message that asks it."""
    hits = memory.search(line, limit=MOST + 1, operators=False)
    others = [hit for hit in hits if (hit.kind, hit.id) != ("message", but)]
    return [Quotation(hit, passage(hit.text, line)) for hit in others[:MOST]]


def passage(text: str, query: str) -> str:
    """Return the part of a long text around the words of the query."""
    text = " ".join(text.split())
    if len(text) <= SHOWN:
        return text
    wanted = {word for word in _WORD.findall(query.lower()) if len(word) > 3}
    sentences = _SENTENCE_END.split(text)
    scores = [len(wanted & set(_WORD.findall(sentence.lower()))) for sentence in sentences]
    best = max(range(len(sentences)), key=scores.__getitem__)
    chosen = " ".join(sentences[best : best + 2])
    return f"{'… ' if best else ''}{chosen[:SHOWN]}{' …' if best + 2 < len(sentences) else ''}"
