"""Pictures and other files in base64 inside a text: noise to a reader and to a search, so they become a short mark."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

_SHORTEST: Final = 300
"""Characters of base64 on one line; a shorter run may be a key or a hash that somebody looks for."""

# A picture of Markdown with a data URL, any other data URL, one long line of base64, and lines as mail wraps them.
_EMBEDDED = re.compile(
    rf"""!\[(?P<alt>[^\]\n]{{0,500}})\]\([ ]{{0,5}}data:[^)\s]*\)
    |data:[\w/+.-]{{0,100}}(?:;[\w=.-]{{1,60}}){{0,4}},[A-Za-z0-9+/=_%-]{{64,}}+
    |(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{{{_SHORTEST},}}+={{0,2}}
    |^(?:[A-Za-z0-9+/]{{60,76}}\n){{4,}}+(?:[A-Za-z0-9+/]{{0,76}}={{0,2}}$)?""",
    re.VERBOSE | re.MULTILINE,
)


def without(text: str, pages: Sequence[tuple[int, int]]) -> tuple[str, Sequence[tuple[int, int]], str | None]:
    """Return the text with a mark for each embedded file, where its pages begin now, and a note if there were any."""
    cuts = list(_cuts(text))
    if not cuts:
        return text, pages, None
    parts: list[str] = []
    at = 0
    for start, end, mark in cuts:
        parts += [text[at:start], mark]
        at = end
    shifted = [
        (begin + sum(len(mark) - (end - start) for start, end, mark in cuts if end <= begin), n) for begin, n in pages
    ]
    return "".join([*parts, text[at:]]), shifted, f"{len(cuts):,} pictures or other files in base64 are left out"


def _cuts(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _EMBEDDED.finditer(text):
        words = match[0]
        if match["alt"] is not None:
            yield *match.span(), f"[picture {match['alt']}]" if match["alt"] else "[picture]"
        elif words.startswith("data:") or _is_base64(words):
            yield *match.span(), f"[base64, {len(words):,} characters]"


def _is_base64(words: str) -> bool:
    """Letters of one case, such as a genetic sequence, are a text."""
    return any(map(str.islower, words)) and any(map(str.isupper, words)) and any(map(str.isdigit, words))
