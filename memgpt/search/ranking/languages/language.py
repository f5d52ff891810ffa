"""The English-only, German-only, … parts of ranking as data: one file for each language, ``languages/<code>.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from memgpt.search.ranking.words import split

DEFAULT: Final = "en"
"""The language of a question that speaks none of those that are known."""

_LINES = re.compile(r"(?:\A|\n)\s*")


@dataclass(frozen=True, slots=True)
class DateWords:
    """Patterns and names by which a language speaks of days."""

    absolute: Sequence[re.Pattern[str]]
    """Groups: ``year``, ``month`` (a name), ``number`` (of a month), ``day``."""
    months: Mapping[str, int]
    weekdays: Mapping[str, int]
    ago: re.Pattern[str]
    past: re.Pattern[str]
    weekday: re.Pattern[str]
    numbers: Mapping[str, int]
    units: Mapping[str, int]
    """Days of each."""
    relative: Sequence[tuple[re.Pattern[str], int, int]]
    """Days before today, from the latest to the earliest."""
    years: Sequence[tuple[re.Pattern[str], int]]
    """Years before this one."""


@dataclass(frozen=True, slots=True)
class Language:
    """What ranking knows of one language."""

    code: str
    configuration: str
    """PostgreSQL's text search configuration."""
    alphabet: str
    function_words: Set[str]
    dates: DateWords
    questions: Mapping[str, re.Pattern[str]]
    """By the kind of answer that is asked for."""
    answers: Mapping[str, Set[str]]
    """Words of each kind of answer."""
    answer_patterns: Mapping[str, re.Pattern[str]]
    several: re.Pattern[str]
    """Asks for more than one thing."""
    of_the_assistant: re.Pattern[str]
    """Asks for what the assistant said, ..."""
    of_the_user: re.Pattern[str]
    """... or the user."""
    advice: re.Pattern[str]
    """Asks what to do, which standing instructions bear on, ..."""
    recall: re.Pattern[str]
    """... or what was said and done."""
    request_leads: re.Pattern[str]
    """What says at the beginning that something is asked for, and not what, ..."""
    request_tails: re.Pattern[str]
    """... and at the end."""
    standing: re.Pattern[str]
    """A preference or a standing instruction."""
    standing_words: str
    """Words of which a text has one where it has such a cue."""
    clause_ends: re.Pattern[str] | None
    """Where what follows such a cue goes on to something else; None where a whole sentence is taken."""
    only_one: re.Pattern[str]
    """Asks for what there is only one of, a name to be called by."""
    negative: re.Pattern[str]
    """Says that something is not to be."""


def codes() -> Sequence[str]:
    """Return the codes of all languages there is a file of."""
    return sorted(_files())


def language_of(text: str) -> Language:
    """Return the language of a text's script or, where several share it, whose frequent words it has most of."""
    for code, script in _scripts():
        if script.search(text):
            return language(code)
    words, frequent = set(split(text)), _function_words()
    return language(max(frequent, key=lambda code: (len(words & frequent[code]), code == DEFAULT)))


@cache
def language(code: str) -> Language:
    """Return the language of a file."""
    data = _files()[code]
    hints, answers, requests, standing = (data.get(part, {}) for part in ("hints", "answers", "requests", "standing"))
    return Language(
        code=code,
        configuration=data["language"],
        alphabet=data.get("alphabet", ""),
        function_words=frozenset(data["function_words"].split()),
        dates=_dates(data.get("dates", {}), blanks="script" not in data),
        questions={kind: _pattern(text) for kind, text in data.get("questions", {}).items()},
        answers={kind: frozenset(words.split()) for kind, words in answers.items() if isinstance(words, str)},
        answer_patterns={kind: _pattern(text, 0) for kind, text in answers.get("patterns", {}).items()},
        several=_pattern(hints.get("several")),
        of_the_assistant=_pattern(hints.get("of_the_assistant")),
        of_the_user=_pattern(hints.get("of_the_user")),
        advice=_pattern(hints.get("advice")),
        recall=_pattern(hints.get("recall")),
        request_leads=_pattern(requests.get("leads")),
        request_tails=_pattern(requests.get("tails")),
        standing=_pattern(standing.get("cues")),
        standing_words=standing.get("words", ""),
        clause_ends=_pattern(standing["ends"]) if "ends" in standing else None,
        only_one=_pattern(standing.get("only")),
        negative=_pattern(standing.get("negative")),
    )


@cache
def _files() -> Mapping[str, Mapping[str, Any]]:
    folder = resources.files("memgpt.search.ranking.languages")
    files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    return {file.name.removesuffix(".toml"): tomllib.loads(file.read_text("utf-8")) for file in files}


@cache
def _scripts() -> Sequence[tuple[str, re.Pattern[str]]]:
    """Return the patterns of texts in scripts that are one language's; none fits where another does."""
    return [(code, _pattern(data["script"])) for code, data in _files().items() if "script" in data]


@cache
def _function_words() -> Mapping[str, Set[str]]:
    return {code: frozenset(data["function_words"].split()) for code, data in _files().items()}


def _dates(data: Mapping[str, Any], *, blanks: bool) -> DateWords:
    months, weekdays = _named(data.get("months", ())), _named(data.get("weekdays", ()))
    numbers, units = data.get("numbers", {}), data.get("units", {})
    names = {
        "{month}": _any_of(months),
        "{weekday}": _any_of(weekdays),
        "{unit}": _any_of(units),
        "{count}": "|".join([r"(?<!\d)\d++", _any_of(numbers)]),
    }

    def pattern(text: str | None) -> re.Pattern[str]:
        for name, words in names.items():
            text = text and text.replace(name, words)
        return _pattern(text)

    phrase = _phrase if blanks else _pattern
    return DateWords(
        absolute=[pattern(text) for text in data.get("absolute", ())],
        months=months,
        weekdays=weekdays,
        ago=pattern(data.get("ago")),
        past=pattern(data.get("past")),
        weekday=pattern(data.get("weekday")),
        numbers=numbers,
        units=units,
        relative=[(phrase(text), late, early) for text, (late, early) in data.get("relative", {}).items()],
        years=[(phrase(text), years) for text, years in data.get("years", {}).items()],
    )


def _named(names: Sequence[str]) -> dict[str, int]:
    """Return the place of each name, from 1 on; ``a|b`` are two names of one."""
    return {name: number for number, written in enumerate(names, start=1) for name in written.split("|")}


def _any_of(words: Mapping[str, int]) -> str:
    """Return a pattern of any of these words, longer ones first."""
    return "|".join(map(re.escape, _longest_first(words)))


def _longest_first(words: Mapping[str, int]) -> Iterator[str]:
    return iter(sorted(words, key=lambda word: (-len(word), word)))


def _phrase(text: str) -> re.Pattern[str]:
    return _pattern(rf"(?<!\w)(?:{text})(?!\w)")


def _pattern(text: str | None, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    """Compile a pattern of a file; one that is absent never matches."""
    return re.compile(_LINES.sub("", text) if text else r"(?!)", flags)
