"""Texts of people as pieces a template can show: characters that hide, or turn a line around, become labels."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

FIRST: Final = 2000
"""Characters shown of a long text before somebody asks for the rest."""

_HIDDEN: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
"""Controls but tab and line feed, marks of direction, and what has no width but the joiners that scripts need."""


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A stretch of a text: of the text itself, or a label of a hidden character."""

    text: str
    hidden: bool = False
    name: str = ""
    """Of the hidden character, in words."""


def pieces(text: str) -> Iterator[TextPiece]:
    """Cut a text at the characters that would not be seen."""
    at = 0
    for match in _HIDDEN.finditer(text):
        if match.start() > at:
            yield TextPiece(text[at : match.start()])
        character = match[0]
        yield TextPiece(f"U+{ord(character):04X}", True, unicodedata.name(character, "control character"))
        at = match.end()
    if at < len(text):
        yield TextPiece(text[at:])


def visible(text: str) -> str:
    """Return the text with labels in the place of hidden characters, where a template can have no elements."""
    return _HIDDEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def beginning(text: str, most: int = FIRST) -> str:
    """Return the first characters of a text, without half of a pair of combining characters at the end."""
    if len(text) <= most:
        return text
    end = most
    while end > most - 50 and unicodedata.combining(text[end]):
        end -= 1
    return text[:end]


def matched_pieces(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[TextPiece, bool]]:
    """Cut a text as :func:`pieces` does, and at the ends of spans of it; tell of each piece whether it is in one."""
    at = 0
    for start, end in spans:
        if end > len(text):  # only the beginning is shown
            break
        yield from ((piece, False) for piece in pieces(text[at:start]))
        yield from ((piece, True) for piece in pieces(text[start:end]))
        at = end
    yield from ((piece, False) for piece in pieces(text[at:]))
