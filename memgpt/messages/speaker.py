"""Speakers of messages that are named in passing: in the metadata, or by a "Name: text" prefix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from memgpt.models import Json

MAX_NAME: Final = 40
"""Most characters of a name that was not given as one."""

_LABELS: Final = """
    a action actually ai also and answer assistant attention background bug but cc caution chapter conclusion context
    correction danger date dear description details edit email error eta example fact finally first fix fixme fwd fyi
    goal good hello hey hi hint however http https human idea important in info information input instructions issue
    item key last link list location me meeting message my name nb next no note notes ok okay options output p.s p.s.
    part plan please problem proposal ps q question quote re reason recap recipe reminder reply response result results
    s second section so solution source spoiler status step steps subject sum summary system task test thanks third
    time tip tips title tldr to today todo tomorrow topic total translation update url user verdict version warning
    what when where why yes yesterday monday tuesday wednesday thursday friday saturday sunday january february march
    july september october november december
"""
_NOT_NAMES: Final = frozenset(_LABELS.split())
"""Words that open a labelled line ("Note: …") rather than name its speaker."""


LOOKED_AT: Final = 200
"""Latest messages of a session that tell who speaks in it."""


def named(metadata: Json) -> str | None:
    """Return the speaker's name in the metadata (``speaker`` or ``name``), if there is one."""
    for key in ("speaker", "name"):
        value = metadata.get(key)
        if isinstance(value, str) and 0 < len(value.strip()) <= MAX_NAME and "\n" not in value.strip():
            return value.strip()
    return None


def prefix(role: str, content: str) -> str | None:
    """Return what may be the speaker's name in front of a text, as in "Ann Lee: hello", or the subject of a note.

    It is one to three capitalised words of a person's own voice (user or assistant); none of them is a common label.
    """
    return _prefix(content) if role in ("user", "assistant") else None


def speakers(names: Iterable[str | None], prefixes: Iterable[str | None]) -> frozenset[str]:
    """Those of the prefixes of one session's messages that are speakers' names.

    "Paris: the city of light" is not said by Paris. A prefix is a name where a message of the session has it as its
    name, or where it comes again and others take turns with it.
    """
    speaking = {name for name in names if name}
    counts = Counter(prefix for prefix in prefixes if prefix)
    talking = len(counts.keys() | speaking) > 1
    return frozenset(prefix for prefix, times in counts.items() if prefix in speaking or (talking and times > 1))


def _prefix(content: str) -> str | None:
    head, separator, rest = content[: MAX_NAME + 2].partition(": ")
    words = head.split(" ")
    if not separator or not (rest or content[len(head) + 2 :]).strip() or len(words) > 3:
        return None
    return head if all(_name_word(word) for word in words) else None


def _name_word(word: str) -> bool:
    letters = word.replace("'", "").replace("’", "").replace("-", "").replace(".", "")
    return letters.isalpha() and word[0].isupper() and word.lower() not in _NOT_NAMES
