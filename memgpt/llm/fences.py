"""Stored text in prompts: shown as data, so that none of it can end its own fence or write a line of ours.

Prompts made of lines (headings, citations) quote it: every line that a stored text begins itself stands behind ``> ``.
Prompts made of tags escape it: a stored text's ``<`` before the name of one of our tags becomes ``&lt;``. Names, titles
and other small things are put on one line. Code and prose stay as they are otherwise.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

FENCES: Final = ("core_memory", "memory_block", "summary_of_earlier_conversation", "text_to_read")
"""The tags of our prompts."""

MOST_INLINE: Final = 200
"""Characters of a name or a title that are shown."""

_LINE_BREAKS: Final = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_BREAK = re.compile(f"\r\n|[{_LINE_BREAKS}]")
_OPENS: Final = "<＜﹤〈⟨‹❮《«˂ᐸ"
"""What looks like the sign that opens a tag."""
_TAG = re.compile(rf"([{_OPENS}])(?=([^<>{_OPENS}]{{0,60}}))")
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
_LOOK_ALIKES: Final = str.maketrans("аеіјкмоорсѕтухԁһοαεικρτυχ", "aeijkmoopcstyxdhoaeikptux")
"""Cyrillic and Greek letters that look like Latin ones."""
_BRACKETS: Final = str.maketrans("[]", "()")


def quoted(text: str) -> str:
    """Put ``> `` in front of every line of a text."""
    return "\n".join(f"> {line}".rstrip() for line in _BREAK.split(text))


def continued(text: str) -> str:
    """Put ``> `` in front of every line of a text but the first, which continues a line of ours."""
    first, *more = _BREAK.split(text)
    return "\n".join([first, *(f"> {line}".rstrip() for line in more)])


def inline(text: object) -> str:
    """Fit a name, title or label into one line of bounded length, without the brackets of our citations."""
    words = " ".join(_printable(str(text)).split()).translate(_BRACKETS)
    return words if len(words) <= MOST_INLINE else f"{words[: MOST_INLINE - 1]}…"


def attribute(text: object) -> str:
    """Quote a text as the value of an attribute."""
    return escaped(inline(text).translate(_ENTITIES))


def escaped(text: str, names: Iterable[str] = FENCES) -> str:
    """Escape a text so that it opens and closes none of the tags of these names, however it spells them."""
    ours = {_letters(name) for name in names}

    def sign(match: re.Match[str]) -> str:
        return "&lt;" if any(_letters(match[2]).startswith(name) for name in ours) else match[1]

    return _TAG.sub(sign, text)


def _letters(text: str) -> str:
    """Reduce a text to its letters and digits, whatever their width, case or accents and whatever is between them."""
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_LOOK_ALIKES)
    return "".join(character for character in plain if character.isalnum())


def _printable(text: str) -> str:
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text[: 10 * MOST_INLINE])
