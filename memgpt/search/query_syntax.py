"""A query as people type it: words, "a phrase", -without, this OR that. Nothing they type is an error.

Only a search that somebody typed is read like this. What a conversation or a model says is plain text: a quotation in
it need not occur in a memory, and ``pip install -e`` excludes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from memgpt import validation
from memgpt.errors import InputError
from memgpt.search.store import ParsedQuery

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_QUOTES: Final = str.maketrans(dict.fromkeys("“”„‟«»「」『』＂", '"'))
_EXCLUDED = re.compile(r"-(?:[^\W\d_]{3}|[^\W\d_\x00-\u024f]{2})(?:['’-]?\w)*+[.,;!]?")
"""A word of three letters or more, of two where words are short: ``-e``, ``-rf``, ``-O2`` and ``-5`` are none."""
_COMMANDS: Final = frozenset({
    "java", "javac", "find", "go", "gcc", "clang", "openssl", "ffmpeg", "terraform", "powershell", "xcodebuild", "tar",
})  # fmt: skip
"""Commands whose options are words behind one minus sign."""
_MOST_QUERY: Final = 20_000
"""Characters that are read."""
_MOST_CONDITIONS: Final = 32
"""Phrases, and words to exclude, that are heeded."""


class _Token(NamedTuple):
    text: str
    quoted: bool = False
    excluded: bool = False


def parsed(query: str, operators: bool) -> ParsedQuery:
    """Parse what a search is asked for, with or without operators."""
    if not isinstance(query, str):
        raise InputError(f"query must be a text, not {type(query).__name__}")
    text = validation.normal(query)
    return parse_query(text) if operators else plain(text)


def plain(text: str) -> ParsedQuery:
    """Parse a text that nobody wrote as a query: all of it is words."""
    words = _CONTROL.sub(" ", text[:_MOST_QUERY]).strip()
    return ParsedQuery(words=words if any(map(str.isalnum, words)) else "")


def parse_query(query: str) -> ParsedQuery:
    """Parse a query: what is asked for, what must and what must not occur. ``OR`` joins what stands around it."""
    tokens = _tokens(_CONTROL.sub(" ", query[:_MOST_QUERY]).translate(_QUOTES))
    operators = _are_operators(tokens)
    words: list[str] = []
    excluded: list[str] = []
    groups: list[list[_Token]] = []
    joined = False
    for token in tokens:
        if token.text in ("OR", "|") and not token.quoted:
            joined = bool(groups)
            continue
        if token.excluded and (operators or token.quoted):
            excluded.append(token.text.strip("-.,;!"))
        elif token.text.strip('-"'):
            words.append(token.text)
            if joined:
                groups[-1].append(token)
            else:
                groups.append([token])
        joined = False
    if _is_question(tokens):  # names a title, and need not say it again
        return ParsedQuery(" ".join(words), (), excluded[:_MOST_CONDITIONS])
    phrases = [" or ".join(map(_written, group)) for group in groups if any(token.quoted for token in group)]
    return ParsedQuery(" ".join(words), phrases[:_MOST_CONDITIONS], excluded[:_MOST_CONDITIONS])


def _tokens(text: str) -> Sequence[_Token]:
    """Words and phrases. A quotation mark opens a phrase at the beginning of a word, if another one closes it."""
    tokens: list[_Token] = []
    pieces = text.split('"')
    n, before = 0, ""
    while n < len(pieces):
        before += pieces[n]
        opens = n + 2 < len(pieces) and (not before or before[-1].isspace() or before[-1] in "-(")
        if not opens:
            before, n = before + " ", n + 1
            continue
        minus = before.endswith("-") and (len(before) == 1 or before[-2].isspace())
        tokens += _words(before.removesuffix("-") if minus else before)
        phrase = " ".join(pieces[n + 1].split())
        tokens += [_Token(phrase, quoted=True, excluded=minus)] if any(map(str.isalnum, phrase)) else []
        before, n = "", n + 2
    return [*tokens, *_words(before)]


def _words(text: str) -> Sequence[_Token]:
    return [_Token(word, excluded=_EXCLUDED.fullmatch(word) is not None) for word in text.split()]


def _is_question(tokens: Sequence[_Token]) -> bool:
    return bool(tokens) and not tokens[-1].quoted and tokens[-1].text.endswith(("?", "？", "؟"))


def _are_operators(tokens: Sequence[_Token]) -> bool:
    """Tell whether words behind a minus sign are to be excluded: not in a question, nor where a command is quoted."""
    words = [token for token in tokens if not token.quoted]
    for before, token in zip([_Token(""), *words], words, strict=False):
        if token.excluded:
            if before.text.lower() in _COMMANDS:
                return False
        elif token.text.endswith(("?", "？", "؟")) or _of_a_command(token.text):
            return False
    return True


def _of_a_command(word: str) -> bool:
    """Options, paths, files, assignments: who writes them quotes a command, and means no operator."""
    name, _, suffix = word.partition(".")
    option = word.startswith("-") and any(map(str.isalnum, word))
    file = word in (".", "..") or bool(name and suffix[:1].isalnum())
    return option or file or any(sign in word for sign in "=/\\$~")


def _written(token: _Token) -> str:
    """As ``websearch_to_tsquery`` reads it."""
    return f'"{token.text}"' if token.quoted else token.text.lstrip("-")
