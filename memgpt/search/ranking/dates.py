"""Days that a question speaks of, absolutely or as seen from its own day."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from memgpt.search.ranking.languages.language import DateWords, language_of

Span = tuple[date, date]
"""First and last day; in the year 1 it is of any year (see `days_from`)."""

_MOST_DIGITS = 4
_ANY_YEAR = 1


def moment_in(text: str) -> datetime | None:
    """Return the time that a text gives, as ISO 8601 or as a day in words; None if it gives none, or no year."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        span = absolute_span(text, language_of(text).dates)
    return datetime.combine(span[0], time(), UTC) if span and span[0].year > _ANY_YEAR else None


def days_from(span: Span, when: date) -> int:
    """Days between a date and a span: 0 inside, positive after it. A span without year takes the nearest year."""
    first, last = span
    years = (0,) if first.year > _ANY_YEAR else tuple(when.year + offset - 1 for offset in (-1, 0, 1))
    distances = []
    for shift in years:
        try:
            start, end = first.replace(year=first.year + shift), last.replace(year=last.year + shift)
        except ValueError:  # 29 February in a common year
            continue
        distances.append(0 if start <= when <= end else (when - end).days if when > end else (when - start).days)
    return min(distances, key=abs, default=0)


def absolute_span(text: str, words: DateWords) -> Span | None:
    """Return the days a text names, whenever it was written."""
    for pattern in words.absolute:
        if match := pattern.search(text):
            parts = {key: value for key, value in match.groupdict().items() if value}
            named = words.months.get(parts.get("month", "").lower(), 0)
            span = _span(int(parts.get("year", 0)), int(parts.get("number", named)), int(parts.get("day", 0)))
            if span:
                return span
    return None


def _span(year: int, month: int, day: int) -> Span | None:
    try:
        if day:
            return (date(year or _ANY_YEAR, month, day),) * 2
        if month:
            first = date(year or _ANY_YEAR, month, 1)
            return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        return (date(year, 1, 1), date(year, 12, 31)) if year else None
    except ValueError:
        return None


def relative_span(text: str, words: DateWords, today: date) -> Span | None:
    """Return the days a text names as seen from its own: "yesterday", "two weeks ago"."""
    try:
        return (
            _counted(words.ago.search(text), words, today)
            or _stretch(words.past.search(text), words, today)
            or _phrase(text, words, today)
            or _weekday(words.weekday.search(text), words, today)
        )
    except (OverflowError, ValueError):  # before the first year there is
        return None


def _counted(match: re.Match[str] | None, words: DateWords, today: date) -> Span | None:
    """Return the days around so many units before today."""
    if match is None:
        return None
    days, slack = _days(match, words), words.units[match["unit"].lower()] // 2
    return today - timedelta(days=days + slack), today - timedelta(days=days - slack)


def _stretch(match: re.Match[str] | None, words: DateWords, today: date) -> Span | None:
    return (today - timedelta(days=_days(match, words)), today) if match else None


def _days(match: re.Match[str], words: DateWords) -> int:
    count = match["count"].lower()
    number = int(count[:_MOST_DIGITS]) if count.isdigit() else words.numbers[count]
    return number * words.units[match["unit"].lower()]


def _phrase(text: str, words: DateWords, today: date) -> Span | None:
    for pattern, late, early in words.relative:
        if pattern.search(text):
            return today - timedelta(days=early), today - timedelta(days=late)
    for pattern, years in words.years:
        if pattern.search(text):
            return date(today.year - years, 1, 1), date(today.year - years, 12, 31)
    return None


def _weekday(match: re.Match[str] | None, words: DateWords, today: date) -> Span | None:
    """Return the last day of that name before today."""
    if match is None:
        return None
    day = today - timedelta(days=(today.isoweekday() - words.weekdays[match["weekday"].lower()] - 1) % 7 + 1)
    return day, day
