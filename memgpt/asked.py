"""A query as people type it: words, "a phrase", -without, this OR that. Nothing they type is an error."""

from __future__ import annotations

import re
from typing import Final

from memgpt.stores.search import Asked

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_TOKEN = re.compile(r'-?"[^"]*"?|[^\s"]+')
_PHRASE = re.compile(r'"[^"]+"')
_MOST_QUERY: Final = 20_000
"""Characters that are read."""


def understood(query: str) -> Asked:
    """What is asked for, what must and what must not occur. ``OR`` joins what stands around it."""
    text = _CONTROL.sub(" ", query)[:_MOST_QUERY].strip()
    words: list[str] = []
    excluded: list[str] = []
    groups: list[list[str]] = []
    joined = False
    for token in _TOKEN.findall(text):
        if token in ("OR", "|"):
            joined = bool(groups)
            continue
        plain = " ".join(token.strip('-"').split())
        if token.startswith("-") and token[1:2] not in ("", "-") and any(map(str.isalnum, plain)):
            excluded.append(plain)
        elif plain:
            words.append(plain)
            if joined:
                groups[-1].append(token)
            else:
                groups.append([token])
        joined = False
    phrases = [" or ".join(group) for group in groups if any(map(_PHRASE.fullmatch, group))]
    return Asked(words=" ".join(words), phrases=phrases, excluded=excluded)
