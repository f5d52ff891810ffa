"""Spans of texts that match a query: its words in the language of each text, its phrases, and pairs of characters of
languages without blanks."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Final, TypeAlias

from memgpt import validation
from memgpt.models import Hit, Kind
from memgpt.scope.scope import AgentScope
from memgpt.search.spans.store import SpansStore
from memgpt.search.store import ParsedQuery

MOST_READ: Final = 100_000
"""Characters of a text in which spans are looked for."""

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]+"
)
"""Runs of languages without blanks, as memory_unspaced has them."""
_BLANKED = re.compile(
    f"{_UNSPACED.pattern}|[\u2010-\u205e\u3000-\u3004\u3008-\u303f\u30fb\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]+"
)
_ALONE: Final = "\u3005"
"""From here on a single character may be a word."""
_QUOTED = re.compile(r'"([^"]+)"')
_WORD = re.compile(r"\w+")

Span: TypeAlias = tuple[int, int]
Row: TypeAlias = tuple[Kind, int, str]
"""Kind, id and text."""
Mark: TypeAlias = Callable[[Sequence[Row], tuple[str, str]], tuple[Sequence[str], Sequence[str]]]
"""Returns the words of a query as the index has them, and texts with two marks around each."""


def with_spans(scope: AgentScope, hits: Sequence[Hit], asked: ParsedQuery | None) -> list[Hit]:
    """Return hits that tell what matches a query; of a search by vector there is none."""
    found = spans_of(scope, asked or ParsedQuery(""), [(hit.kind, hit.id, hit.text) for hit in hits])
    return [replace(hit, spans=where) for hit, where in zip(hits, found, strict=True)]


def spans_of(scope: AgentScope, asked: ParsedQuery, rows: Sequence[Row]) -> Sequence[Sequence[Span]]:
    """Return for texts of rows which characters of each match a query, as ``Hit.spans`` has them."""
    if not (asked.words and rows):
        return [() for _ in rows]
    language, model = scope.language, scope.model

    def mark(rows: Sequence[Row], marks: tuple[str, str]) -> tuple[Sequence[str], Sequence[str]]:
        return scope.read(
            lambda connection: SpansStore(connection, scope.agent_id).marked(
                asked.words, rows, language=language, marks=marks
            ),
            lambda _: model,  # no vectors are compared
        )

    return spans(rows, asked.phrases, mark)


def spans(rows: Sequence[Row], phrases: Sequence[str], mark: Mark) -> list[list[Span]]:
    """Return for each text the spans that match, as (start, end) in characters: in order, and none overlaps another.

    Args:
        phrases: as ``websearch_to_tsquery`` reads them.
        mark: marks the words of the query in texts that have blanks.
    """
    texts = [_ReadableText.of(text[:MOST_READ]) for _, _, text in rows]
    marks = (f"b{secrets.token_hex(16)}", f"e{secrets.token_hex(16)}")
    with_blanks = [_with_blanks(text.normal) for text in texts]
    lexemes, marked = mark([(kind, id, text) for (kind, id, _), text in zip(rows, with_blanks, strict=True)], marks)
    if not marked:
        return [[] for _ in rows]
    unspaced = [lexeme for lexeme in lexemes if _UNSPACED.fullmatch(lexeme)]
    quoted = [
        words.casefold() for phrase in phrases for words in _QUOTED.findall(phrase) if not _UNSPACED.search(words)
    ]
    written = [words for words in map(_WORD.findall, quoted) if words]
    found: list[list[Span]] = []
    for text, line in zip(texts, marked, strict=True):
        words = [*_marked(line, marks), *_characters(text.normal, unspaced), *_phrases(text.normal, written)]
        found.append(_apart([text.original(start, end) for start, end in words]))
    return found


@dataclass(frozen=True, slots=True)
class _ReadableText:
    """A text in NFC, as the index reads it, and where each of its characters begins in the text as it was written."""

    normal: str
    origins: Sequence[int]

    @classmethod
    def of(cls, text: str) -> _ReadableText:
        if unicodedata.is_normalized("NFC", text):
            return cls(text, range(len(text) + 1))
        starts = [n for n, character in enumerate(text) if not n or not _continues(character)]
        normal: list[str] = []
        origins: list[int] = []
        for start, end in pairwise([*starts, len(text)]):
            normal.append(validation.normal(text[start:end]))
            origins += [start] * len(normal[-1])
        return cls("".join(normal), [*origins, len(text)])

    def original(self, start: int, end: int) -> Span:
        """Return a span of the text as it was written; of what is composed of several characters all of them."""
        while 0 < end < len(self.normal) and self.origins[end] == self.origins[end - 1]:
            end += 1
        return self.origins[start], self.origins[end]


def _continues(character: str) -> bool:
    """Tell whether a character may be composed with those before it: marks, and the second letters of Korean."""
    return unicodedata.combining(character) > 0 or "\u1160" <= character <= "\u11ff"


def _with_blanks(text: str) -> str:
    """Return a text of the same length in which PostgreSQL reads the words of other languages as the index does."""
    if text.isascii() or not _UNSPACED.search(text):
        return text
    return _BLANKED.sub(lambda match: " " * len(match[0]), text)


def _marked(line: str, marks: tuple[str, str]) -> Iterator[Span]:
    begins, ends = marks
    before, *rest = line.split(begins)
    at = len(before)
    for piece in rest:
        word, _, after = piece.partition(ends)
        yield at, at + len(word)
        at += len(word) + len(after)


def _characters(text: str, lexemes: Sequence[str]) -> Iterator[Span]:
    for lexeme in lexemes:
        if len(lexeme) > 1 or lexeme >= _ALONE:
            place = text.find(lexeme)
            while place >= 0:
                yield place, place + len(lexeme)
                place = text.find(lexeme, place + 1)


def _phrases(text: str, phrases: Sequence[Sequence[str]]) -> Iterator[Span]:
    """Yield where phrases stand as they were written, whatever is between their words."""
    if not phrases:
        return
    words = [(match[0].casefold(), *match.span()) for match in _WORD.finditer(text)]
    line = "".join(f" {word}" for word, _, _ in words) + " "
    numbers = {place: n for n, place in enumerate(accumulate((len(word) + 1 for word, _, _ in words), initial=0))}
    for phrase in phrases:
        wanted = f" {' '.join(phrase)} "
        place = line.find(wanted)
        while place >= 0:
            first = numbers[place]
            yield words[first][1], words[first + len(phrase) - 1][2]
            place = line.find(wanted, place + 1)


def _apart(found: Sequence[Span]) -> list[Span]:
    """Return spans in order, those that overlap as one."""
    apart: list[Span] = []
    for start, end in sorted(found):
        if apart and start < apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((start, end))
    return apart
