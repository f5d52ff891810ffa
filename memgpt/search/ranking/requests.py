"""How people ask: what of a query is courtesy and what is asked for."""

from __future__ import annotations

from typing import Final

from memgpt.search.ranking.languages.language import Language, language_of

_MOST: Final = 8
"""Pieces that are taken away at each end."""
_LOOKED_AT: Final = 300
"""Characters at each end in which they stand."""


def without_request(text: str) -> str:
    """Return what is asked for, without greetings, "could you please remind me" and thanks; all of it where nothing
    else is said."""
    language = language_of(text)
    asked = _without_tails(_without_leads(text.strip(), language), language)
    return asked if any(map(str.isalnum, asked)) else text


def _without_leads(text: str, language: Language) -> str:
    for _ in range(_MOST):
        match = language.request_leads.match(text[:_LOOKED_AT])
        if not match or not match.end() or not any(map(str.isalnum, text[match.end() :])):
            break
        text = text[match.end() :]
    return text


def _without_tails(text: str, language: Language) -> str:
    for _ in range(_MOST):
        start = max(0, len(text) - _LOOKED_AT)
        match = language.request_tails.search(text[start:])
        if not match or not any(map(str.isalnum, text[: start + match.start()])):
            break
        mark = "?" if "?" in match[0] else ""
        text = text[: start + match.start()] + mark
    return text
