"""Hints of a question about its answer beside its words: people, dates, the kind of answer, one or several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from memgpt.search.ranking.dates import Span, absolute_span, relative_span
from memgpt.search.ranking.languages.language import Language, language_of
from memgpt.search.ranking.words import split, unspaced


@dataclass(frozen=True, slots=True)
class Query:
    """A question, analysed. `role` is whose words are asked for in a chat without names; `advice` is what preferences
    and standing instructions bear on."""

    text: str
    language: Language
    words: tuple[str, ...]
    unspaced: bool
    """Whether words are not told apart by blanks, so that the table of words knows none of them."""
    kinds: frozenset[str]
    span: Span | None
    several: bool
    role: str | None
    advice: bool

    @property
    def names_days(self) -> bool:
        """Whether it speaks of days, which are other hours in other time zones."""
        return (self.span or relative_span(self.text, self.language.dates, date(2000, 1, 1))) is not None

    def seen_from(self, now: datetime) -> Query:
        """Return the same with relative dates ("yesterday", "two weeks ago") understood."""
        return replace(self, span=self.span or relative_span(self.text, self.language.dates, now.date()))


def analyse(text: str) -> Query:
    """Analyse a question; days are those that it names absolutely."""
    language = language_of(text)
    role = None
    if language.of_the_assistant.search(text):
        role = "assistant"
    elif language.of_the_user.search(text):
        role = "user"
    return Query(
        text=text,
        language=language,
        words=tuple(dict.fromkeys(split(text))),
        unspaced=unspaced(text),
        kinds=frozenset(kind for kind, pattern in language.questions.items() if pattern.search(text)),
        span=absolute_span(text, language.dates),
        several=bool(language.several.search(text)),
        role=role,
        advice=bool(language.advice.search(text)) and not language.recall.search(text),
    )
