"""Hints of a question about its answer beside its words: people, dates, the kind of answer, one or several."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from memgpt.search.ranking.words import split

_MONTHS = "january february march april may june july august september october november december".split()  # noqa: SIM905
_MONTH = r"(?P<month>" + "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS) + r"|sept)\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DATES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_YEAR}-(?P<number>\d\d)-(?P<day>\d\d)\b",
        rf"\b{_DAY}(?: of)? {_MONTH}(?:,? {_YEAR})?\b",
        rf"\b{_MONTH} {_DAY}(?:,? {_YEAR})?\b",
        rf"\b{_MONTH},?(?: of)? {_YEAR}\b",
        rf"\b(?:in|during|of|on|by|since|until|before|after|early|mid|late|last|this)[ -]{_MONTH}(?![\w'])",
        rf"\b(?:in|during|of|by|since|until|before|after)(?: the year)? {_YEAR}\b",
    )
]
_AGO = re.compile(
    r"\b(?P<count>\d+|a|an|one|two|three|four|five|six|couple of|few) (?P<unit>day|week|month)s? ago\b", re.I
)
_RELATIVE = [
    (re.compile(rf"\b{phrase}\b"), late, early)
    for phrase, late, early in (
        *(("today", 0, 0), ("yesterday", 1, 1), ("last week", 4, 12), ("this week", 0, 7), ("last month", 16, 60)),
    )
]
_NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "couple of": 2, "three": 3, "few": 3, "four": 4, "five": 5, "six": 6}
_UNITS = {"day": 1, "week": 7, "month": 30}

KINDS = {
    "when": re.compile(
        r"\b(when|since when|how long ago|(what|which) (exact )?(date|day|month|year|time|week))\b", re.I
    ),
    "how_many": re.compile(r"\bhow (many|much|often|old|long|far|tall|big)\b", re.I),
    "who": re.compile(r"\b(who|whom|whose)\b", re.I),
    "where": re.compile(r"\b(where|(what|which) (city|country|place|state|town))\b", re.I),
    "why": re.compile(r"\b(why|reasons?|(what|who) (inspired|motivated|made|led))\b", re.I),
}
_SEVERAL = re.compile(
    r"\b(both|how many|has|have|all|list)\b|\b(what|which)( \w+){0,2} \w+(?<!doe)(?<!wa)(?<!i)(?<!s)s\b", re.I
)
_OF_THE_ASSISTANT = re.compile(
    r"\b(did|have|had) you\b"
    r"|\byou(?:'ve| have| had)? (said|told|recommend\w*|suggest\w*|mention\w*|gave|given|provide\w*|list\w*|share\w*"
    r"|advise\w*|explain\w*)\b"
    r"|\byour (last |previous |earlier )?(answer|advice|suggestion|recommendation)",
    re.I,
)
_OF_THE_USER = re.compile(r"\b(i|my|mine|me)\b", re.I)


@dataclass(frozen=True, slots=True)
class Query:
    """A question, analysed. `role` is whose words are asked for in a chat without names."""

    text: str
    words: tuple[str, ...]
    kinds: frozenset[str]
    span: tuple[date, date] | None
    several: bool
    role: str | None


def analyse(text: str, now: datetime | None = None) -> Query:
    """`now` lets relative dates ("yesterday", "two weeks ago") be understood; without it they are ignored."""
    role = None
    if _OF_THE_ASSISTANT.search(text):
        role = "assistant"
    elif _OF_THE_USER.search(text):
        role = "user"
    return Query(
        text=text,
        words=tuple(dict.fromkeys(split(text))),
        kinds=frozenset(kind for kind, pattern in KINDS.items() if pattern.search(text)),
        span=_absolute_span(text) or (_relative_span(text, now.date()) if now else None),
        several=bool(_SEVERAL.search(text)),
        role=role,
    )


def names_days(text: str) -> bool:
    """Tell whether a question speaks of days, which are other hours in other time zones."""
    return (_absolute_span(text) or _relative_span(text, date(2000, 1, 1))) is not None


def _absolute_span(text: str) -> tuple[date, date] | None:
    for pattern in _DATES:
        if match := pattern.search(text):
            parts = {key: value for key, value in match.groupdict().items() if value}
            month = int(parts["number"]) if "number" in parts else _month(parts.get("month"))
            span = _span(int(parts.get("year", 0)), month, int(parts.get("day", 0)))
            if span:
                return span
    return None


def _month(name: str | None) -> int:
    return next(i for i, full in enumerate(_MONTHS, start=1) if full[:3] == name.lower()[:3]) if name else 0


def _span(year: int, month: int, day: int) -> tuple[date, date] | None:
    """First and last day; a year of 1 stands for "any year" (see `days_from`)."""
    try:
        if day:
            return (date(year or 1, month, day),) * 2
        if month:
            first = date(year or 1, month, 1)
            return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        return (date(year, 1, 1), date(year, 12, 31)) if year else None
    except ValueError:
        return None


def _relative_span(text: str, today: date) -> tuple[date, date] | None:
    lowered = text.lower()
    if match := _AGO.search(lowered):
        count = match["count"]
        days = (int(count[:4]) if count.isdigit() else _NUMBERS[count]) * _UNITS[match["unit"]]
        slack = _UNITS[match["unit"]] // 2
        return today - timedelta(days=days + slack), today - timedelta(days=days - slack)
    for pattern, late, early in _RELATIVE:
        if pattern.search(lowered):
            return today - timedelta(days=early), today - timedelta(days=late)
    return None


def days_from(span: tuple[date, date], when: date) -> int:
    """Days between a date and a span: 0 inside, positive after it. A span without year takes the nearest year."""
    first, last = span
    years = (0,) if first.year > 1 else tuple(when.year + offset - 1 for offset in (-1, 0, 1))
    distances = []
    for shift in years:
        try:
            start, end = first.replace(year=first.year + shift), last.replace(year=last.year + shift)
        except ValueError:  # 29 February in a common year
            continue
        distances.append(0 if start <= when <= end else (when - end).days if when > end else (when - start).days)
    return min(distances, key=abs, default=0)
