"""What a caller may give: checked once, at the door, with errors that name the value and the remedy."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pgvector import Vector

from memgpt.errors import InputError
from memgpt.models import Json

MAX_TEXT = 10_000_000
"""Characters of one text; more belongs in a document."""

MAX_LIMIT = 10_000
"""Most results of one call."""

_FLOAT32 = np.finfo(np.float32)

_HALF = (2000, 4000)
"""Vectors of more dimensions than the first and at most the second number are stored in half precision."""

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)\s?([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def text(value: object, what: str, *, empty: bool = False) -> str:
    """A string PostgreSQL can hold: not empty unless allowed, no NUL, no half of a surrogate pair."""
    if not isinstance(value, str):
        raise InputError(f"{what} must be a text, not {type(value).__name__}")
    if not empty and not value.strip():
        raise InputError(f"{what} is empty")
    if len(value) > MAX_TEXT:
        raise InputError(f"{what} has {len(value):,} characters; the limit is {MAX_TEXT:,}: ingest it as a document")
    if "\0" in value:
        raise InputError(f"{what} has a NUL character at position {value.index(chr(0))}, which PostgreSQL cannot store")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{what} has half of a surrogate pair at position {error.start}: decode it as UTF-8") from None
    return value


def label(value: object) -> str:
    """The label of a block: it stands on a line of a prompt and in an address."""
    name = text(value, "label")
    for place, character in enumerate(name):
        if character == "/" or unicodedata.category(character) in ("Cc", "Zl", "Zp"):
            raise InputError(
                f"label {name[:60]!r} has {character!r} at position {place}: a label has no '/', no line break and no "
                "control character"
            )
    return name


def optional_text(value: object, what: str) -> str | None:
    return None if value is None else text(value, what)


def texts(values: object, what: str) -> list[str]:
    """A list of non-empty strings, in order, each once."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputError(f"{what} must be a list of texts, not {type(values).__name__}")
    return list(dict.fromkeys(text(value, f"{what}[{n}]") for n, value in enumerate(values)))


def moment(value: object, what: str) -> datetime | None:
    """A time with a zone. A datetime without one, and an ISO 8601 text without one, are UTC."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise InputError(f"{what} is not an ISO 8601 time: {value!r}") from None
    if not isinstance(value, datetime):
        raise InputError(f"{what} must be a datetime or an ISO 8601 text, not {type(value).__name__}")
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def duration(value: object, what: str) -> timedelta:
    """A span of time above zero: a timedelta, or a text such as ``90s``, ``12h``, ``30d``, ``1.5w``."""
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise InputError(f"{what} is not a duration: {value!r}; write 90s, 30m, 12h, 30d or 2w")
        try:
            value = timedelta(**{_UNITS[match[2]]: float(match[1])})
        except OverflowError:
            raise InputError(f"{what} is too long: {value!r}") from None
    if not isinstance(value, timedelta) or value <= timedelta(0):
        raise InputError(f"{what} must be a timedelta above zero, not {value!r}")
    return value


def json_object(value: object, what: str) -> Json:
    """A JSON object: string keys, values that JSON and PostgreSQL can hold."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{what} must be a mapping, not {type(value).__name__}")
    try:
        encoded = json.dumps(value, allow_nan=False, ensure_ascii=False)
        encoded.encode()  # half a pair of surrogates is no text
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} cannot be written as JSON: {error}") from None
    if "\\u0000" in encoded:
        raise InputError(f"{what} has a NUL character, which PostgreSQL cannot store")
    if any(not isinstance(key, str) for key in value):
        raise InputError(f"{what} has a key that is not a text")
    return dict(value)


def share(value: object, what: str) -> float:
    """A number from 0 to 1."""
    part = number(value, what)
    if not 0 <= part <= 1:
        raise InputError(f"{what} must be from 0 to 1, not {value!r}")
    return part


def number(value: object, what: str) -> float:
    """A finite number, rounded to the single precision it is stored with."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= np.finfo(np.float32).max:
        raise InputError(f"{what} must be a finite number, not {value!r}")
    return float(np.float32(value))


def limit(value: object, what: str = "limit", *, most: int = MAX_LIMIT) -> int:
    """A whole number from 1 to ``most``."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InputError(f"{what} must be a whole number from 1 to {most:,}, not {value!r}")
    return value


def choice(value: object, choices: Sequence[str], what: str) -> str:
    if value not in choices:
        raise InputError(f"{what} must be one of {', '.join(choices)}, not {value!r}")
    return str(value)


def vector(value: object, what: str, *, dimensions: int) -> Vector:
    """A comparable vector of the memory's dimensions, from any sequence of numbers or array."""
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(value.to_numpy() if isinstance(value, Vector) else value, dtype=np.float32)
    except (TypeError, ValueError):
        raise InputError(f"{what} is not an array of numbers") from None
    if array.shape != (dimensions,):
        raise InputError(
            f"{what} has shape {array.shape}; this memory's embeddings have {dimensions} dimensions. "
            f"Set MEMGPT_EMBEDDING_DIMENSIONS before the first migration, or change the model with `memgpt reembed`"
        )
    if fault := uncomparable(array[np.newaxis]):
        reason = "is all zeros" if fault[1] == "zeros" else f"has {fault[1]}"
        raise InputError(f"{what} {reason}: it has no direction to compare")
    return Vector(array)


def uncomparable(vectors: NDArray[np.float32]) -> tuple[int, str] | None:
    """Return the position of the first vector without a direction to compare, and what is wrong with it.

    pgvector adds up squares in single precision: a length whose square is 0, rounded to almost nothing or infinite
    there makes every distance NaN or wrong. Columns of 2,001 to 4,000 dimensions hold half precision.
    """
    with np.errstate(over="ignore"):
        stored = vectors.astype(np.float16) if _HALF[0] < vectors.shape[1] <= _HALF[1] else vectors
    wide = stored.astype(np.float64)
    squared = np.einsum("ij,ij->i", wide, wide)
    fine = (squared >= _FLOAT32.tiny) & (squared <= _FLOAT32.max)
    if fine.all():
        return None
    row = int(fine.argmin())
    if not np.isfinite(stored[row]).all():
        return row, "NaN or infinity"
    if not vectors[row].any():
        return row, "zeros"
    return row, f"numbers too {'small' if squared[row] < _FLOAT32.tiny else 'large'}"


def item(value: object, what: str, known: Sequence[str]) -> Mapping[str, Any]:
    """A mapping with known keys only: a misspelt key would otherwise be lost silently."""
    if not isinstance(value, Mapping):
        raise InputError(f"{what} must be a mapping, not {type(value).__name__}")
    unknown = [key for key in value if key not in known]
    if unknown:
        raise InputError(f"{what} has an unknown key {unknown[0]!r}; the keys are {', '.join(known)}")
    return value
