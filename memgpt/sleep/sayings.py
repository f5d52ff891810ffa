"""What a user says of how things are to be done: preferences and standing instructions, and which of them are about one
thing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from memgpt.models import Hit
from memgpt.search.ranking.languages.language import Language
from memgpt.search.ranking.words import SoftMatcher, Texts, split
from memgpt.sleep.memories import FILLERS

LONGEST: Final = 200
"""Characters of what is taken for an instruction and not for a story."""
ONE_SUBJECT: Final = 0.6
"""Share of the shorter one's words that another has or comes near to, from which both are about one thing
(``benchmarks/standing.py``)."""

_END: Final = re.compile(r"(?<![.!?…])[.!?…]++(?=\s|$)|[\n。！？]++")
_QUESTION: Final = ("?", "？", "؟")
_DAY: Final = re.compile(r"\A(\d{4}-\d\d-\d\d): ")


@dataclass(frozen=True, slots=True)
class Saying:
    """A preference or a standing instruction as it was said."""

    text: str
    words: tuple[str, ...]
    """Those that tell what it is about, in order: tea rather than coffee is not coffee rather than tea."""
    compared: bool
    """Whether they are words, which the table of words compares, and not pairs of characters."""
    only_one: bool
    """Whether there is only one of it: a name to be called by."""
    negative: bool
    day: date
    rows: tuple[str, ...]
    """Where it was said, the first time first: ``message:12``."""

    def agrees_with(self, other: Saying) -> bool:
        """Tell whether both say the same."""
        return self.words == other.words and self.negative == other.negative


def sayings_in(hit: Hit, spoken: Language) -> list[Saying]:
    """Return the preferences and standing instructions in one text, by the cues of a language."""
    row = f"{hit.kind}:{hit.id}"
    sayings: list[Saying] = []
    end = 0
    for cue in spoken.standing.finditer(hit.text):
        if cue.start() < end:  # two cues of one sentence
            continue
        clause, end = _clause(hit.text, cue, spoken)
        if clause and len(clause) <= LONGEST:
            saying = saying_of(clause, spoken, hit.created_at.date(), (row,))
            sayings += [saying] if saying.words else []
    return sayings


def saying_of(text: str, spoken: Language, day: date, rows: tuple[str, ...]) -> Saying:
    """Return what a text says, without the cue. The day a line begins with is its own."""
    plain = _DAY.sub("", text)
    cue = spoken.standing.search(plain)
    words = _words(f"{plain[: cue.start()]} {plain[cue.end() :]}" if cue else plain, spoken)
    if cue and len(words) == 1:  # "I prefer tea" is nearer to "I prefer coffee" than tea is to coffee
        words = [*_words(cue[0], spoken)[-1:], *words]
    return Saying(
        text,
        tuple(words),
        compared=bool(spoken.alphabet),
        only_one=spoken.only_one.search(plain) is not None,
        negative=spoken.negative.search(plain) is not None,
        day=day_of(text) or day,
        rows=rows,
    )


def _words(text: str, spoken: Language) -> list[str]:
    words = [word for word in dict.fromkeys(split(text)) if word not in spoken.function_words | FILLERS]
    if spoken.alphabet:
        return words
    return [word[n : n + 2] for word in words for n in range(max(1, len(word) - 1))]


def day_of(line: str) -> date | None:
    """Return the day a line begins with."""
    dated = _DAY.match(line)
    try:
        return date.fromisoformat(dated[1]) if dated else None
    except ValueError:
        return None


def _clause(text: str, cue: re.Match[str], spoken: Language) -> tuple[str, int]:
    """Return the sentence around a cue, or its clause, and where that ends; "" of a question.

    What is longer than an instruction is cut somewhere.
    """
    first = max(0, cue.start() - LONGEST)
    start = max((end.end() for end in _END.finditer(text, first, cue.start() + 1)), default=first)
    stop = _END.search(text, cue.end(), cue.end() + LONGEST + 1)
    end = stop.end() if stop else min(len(text), cue.end() + LONGEST + 1)
    if spoken.clause_ends is None:
        return ("" if text[:end].rstrip().endswith(_QUESTION) else text[start:end].strip()), end
    if goes_on := spoken.clause_ends.search(text, cue.end(), end):
        end = goes_on.start()
    clause = text[cue.start() : end].strip(" \t\n,;:-")
    return ("" if clause.endswith(_QUESTION) else clause[:1].upper() + clause[1:]), end


def sorted_out(said: Sequence[Saying], matcher: SoftMatcher) -> tuple[list[Saying], list[Saying]]:
    """Return the newest of those about one thing, and those that it contradicts; both the oldest first.

    What was said again without anything else between is one saying, with all the rows.
    """
    newest: list[Saying] = []
    outdated: list[Saying] = []
    for saying in said:
        about_it = about(saying, newest, matcher)
        again = [old for old in about_it if old.agrees_with(saying)]
        rows = dict.fromkeys(row for old in again for row in old.rows) | dict.fromkeys(saying.rows)
        outdated += [old for old in about_it if old not in again]
        newest = [old for old in newest if old not in about_it]
        newest.append(replace(again[0] if again else saying, rows=(*rows,), day=saying.day))
    return newest, outdated


def about(saying: Saying, others: Sequence[Saying], matcher: SoftMatcher) -> list[Saying]:
    """Return those of the others that are about the same thing."""
    return [
        other
        for other in others
        if (saying.only_one and other.only_one)
        or (not {*other.words}.isdisjoint(saying.words) and _shared(saying, other, matcher) >= ONE_SUBJECT)
    ]


def _shared(one: Saying, other: Saying, matcher: SoftMatcher) -> float:
    """Return how much of the shorter one the longer one says, 0 to 1."""
    shorter, longer = (one, other) if len(one.words) <= len(other.words) else (other, one)
    if not (one.compared and other.compared):
        return len({*one.words} & {*other.words}) / len({*shorter.words})
    return float(matcher.match(shorter.words, Texts.of([" ".join(longer.words)], matcher.lexicon))[0].mean())


def says(lines: Sequence[Saying], saying: Saying) -> bool:
    """Tell whether one of the lines says it already."""
    return any(_has(line.words, saying.words) and saying.negative == line.negative for line in lines)


def _has(words: Sequence[str], part: Sequence[str]) -> bool:
    """Tell whether the words of a part occur in that order."""
    left = iter(words)
    return all(word in left for word in part)
