"""Validation of callers' values: once, at the door, with errors that name the value and the remedy."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray
from pgvector import Vector

from memgpt.errors import InputError, MismatchError, NotFoundError
from memgpt.models import Json

MAX_TEXT = 10_000_000
"""Characters of one text; more belongs in a document."""

MAX_NAME = 1000
"""Characters, and bytes in UTF-8, of a label, tag, session, intent, speaker: PostgreSQL's indexes hold 2,704 bytes."""

MAX_SOURCE = 2000
"""Characters, and bytes in UTF-8, of where something is from: a path or an address."""

MAX_AGENT_ID = 255
MAX_AGENT_ID_BYTES = 600

EVERY_AGENT = "*"
"""Where work concerns all agents, it stands in the place of an agent's id."""

_DOTS = (".", "..")
"""Clients take these out of an address before they send it."""

_BREAKS = ("Cc", "Zl", "Zp")
"""Categories of characters that end a line or are none to be seen."""

MAX_DESCRIPTION = 10_000
"""Characters that say what an agent, a block or an entity is for."""

MAX_JSON = 1_000_000
"""Characters of a JSON object, as it is written."""

MAX_DEPTH = 100
"""Objects and arrays inside one another."""

MAX_LIMIT = 10_000
"""Most results of one call."""

_FLOAT32 = np.finfo(np.float32)

_HALF = (2000, 4000)
"""Vectors of more dimensions than the first and at most the second number are stored in half precision."""

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)\s?([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

MAX_ID = 2**63 - 1

EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC)
"""A time between these two can be written in any zone."""

MAX_BITS = 3_300
"""Bits of a whole number in JSON: about 1,000 digits."""

_EXACT = 2**53
"""From here on not every whole number is a float."""


def text(value: object, what: str, *, empty: bool = False, most: int = MAX_TEXT) -> str:
    """Check a string that PostgreSQL can hold: not empty unless allowed, no NUL, no half of a surrogate pair."""
    if not isinstance(value, str):
        raise InputError(f"{what} must be a text, not {type(value).__name__}")
    if not empty and not value.strip():
        raise InputError(f"{what} is empty")
    if len(value) > most:
        remedy = ": ingest it as a document" if most == MAX_TEXT else ""
        raise InputError(f"{what} has {len(value):,} characters; the limit is {most:,}{remedy}")
    if reason := unstorable(value):
        raise InputError(f"{what} has {reason}")
    return value


def unstorable(value: str) -> str | None:
    """Why PostgreSQL cannot hold a string, if it cannot."""
    if "\0" in value:
        return f"a NUL character at position {value.index(chr(0))}, which PostgreSQL cannot store"
    try:
        value.encode()
    except UnicodeEncodeError as error:
        return f"half of a surrogate pair at position {error.start}: decode it as UTF-8"
    return None


def replaced(value: str) -> str:
    """Replace what PostgreSQL cannot hold by U+FFFD; two halves of a surrogate pair that stand together are joined."""
    return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def mended(value: Any, *, depth: int = MAX_DEPTH) -> Any:
    """Mend the strings of a JSON value with :func:`replaced`; what is nested too deep stays, for the check to
    refuse."""
    if isinstance(value, str):
        return replaced(value) if unstorable(value) else value
    if isinstance(value, Mapping) and depth:
        return {mended(key): mended(each, depth=depth - 1) for key, each in value.items()}
    if isinstance(value, (list, tuple)) and depth:
        return [mended(each, depth=depth - 1) for each in value]
    return value


def normal(value: str) -> str:
    """Return the form in which texts are compared, hashed and searched: NFC. What is stored stays as it was written."""
    return unicodedata.normalize("NFC", value)


def name(value: object, what: str, *, most: int = MAX_NAME, empty: bool = False) -> str:
    """Check a name that an index can hold, and return it in NFC: two spellings that look the same are one name."""
    checked = normal(text(value, what, empty=empty, most=most))
    if (size := len(checked.encode())) > most:
        raise InputError(f"{what} has {size:,} bytes in UTF-8; the limit is {most:,}")
    return checked


def label(value: object) -> str:
    """Check the label of a block: it stands on a line of a prompt and in an address."""
    checked = name(value, "label")
    if checked in _DOTS:
        raise InputError(f"label {checked!r} has a meaning of its own in addresses: choose another")
    for place, character in enumerate(checked):
        if character == "/" or unicodedata.category(character) in _BREAKS:
            raise InputError(
                f"label {checked[:60]!r} has {character!r} at position {place}: a label has no '/', no line break and "
                "no control character"
            )
    return checked


def optional_name(value: object, what: str) -> str | None:
    return None if value is None else name(value, what)


def names(values: object, what: str) -> list[str]:
    """Check a list of names; return them in order, each once."""
    return list(dict.fromkeys(name(value, f"{what}[{n}]") for n, value in enumerate(_listed(values, what))))


def source(value: object, what: str = "source") -> str | None:
    """Check where something is from, a path or an address; None if that is not known."""
    return None if value is None else name(value, what, most=MAX_SOURCE)


def agent_id(value: object, what: str = "agent_id", *, or_every: bool = False) -> str:
    """Check an agent's id, exactly as it was written: keys allow agents by it. ``or_every`` takes :data:`EVERY_AGENT`
    too."""
    checked = text(value, what, most=MAX_AGENT_ID)
    if or_every and checked == EVERY_AGENT:
        return checked
    if checked in _DOTS:
        raise InputError(f"{what} must not be {checked!r}: clients take it out of addresses")
    if (size := len(checked.encode())) > MAX_AGENT_ID_BYTES:
        raise InputError(f"{what} has {size:,} bytes in UTF-8; the limit is {MAX_AGENT_ID_BYTES}")
    if checked != checked.strip():
        raise InputError(f"{what} begins or ends with white space: {_shown(checked)}; take it off")
    if odd := next((c for c in checked if unicodedata.category(c) in _BREAKS), None):
        raise InputError(f"{what} has the control character {odd!r}: {_shown(checked)}; an id is one line of text")
    if "*" in checked:
        kind = NotFoundError if checked == EVERY_AGENT else InputError
        raise kind(f"{what} has a *: {_shown(checked)}; in the patterns of keys that stands for any ending")
    return checked


def optional_text(value: object, what: str) -> str | None:
    return None if value is None else text(value, what)


def description(value: object, what: str = "description") -> str:
    """Check what something is for; may be empty."""
    return text(value, what, empty=True, most=MAX_DESCRIPTION)


def texts(values: object, what: str) -> list[str]:
    """Check a list of non-empty strings; return them in order, each once."""
    return list(dict.fromkeys(text(value, f"{what}[{n}]") for n, value in enumerate(_listed(values, what))))


def _listed(values: object, what: str) -> Iterable[object]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise InputError(f"{what} must be a list of texts, not {type(values).__name__}")
    return values


def row_id(value: object, what: str = "id") -> int:
    """Check the id of a row: a whole number that PostgreSQL's bigint holds."""
    if isinstance(value, bool) or not isinstance(value, int) or not -MAX_ID <= value <= MAX_ID:
        raise InputError(f"{what} must be a whole number below 2^63, not {_shown(value)}")
    return value


def _shown(value: object) -> str:
    """Return a value as errors show it: not all of it where it is long."""
    if isinstance(value, int) and value.bit_length() > 100:
        return f"a number of {value.bit_length()} bits"
    return repr(value)[:100]


def optional_id(value: object, what: str = "id") -> int | None:
    return None if value is None else row_id(value, what)


def row(value: object, what: str, *fields: str) -> None:
    """Check a row of a list, or its position on a page, after which the next page begins; None for the first page."""
    if value is None:
        return
    row_id(getattr(value, "id", None), f"the id of {what}")
    for field in fields:
        if not hasattr(value, field):
            raise InputError(f"{what} must be the last row of the page before, not {_shown(value)}")


def offset(value: object, what: str = "offset") -> int:
    """Check a whole number from 0, below the most results there may be."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MAX_LIMIT:
        raise InputError(f"{what} must be a whole number from 0 to {MAX_LIMIT - 1:,}, not {_shown(value)}")
    return value


def moment(value: object, what: str) -> datetime | None:
    """Check a time and return it in UTC. A datetime without a zone, and an ISO 8601 text without one, are UTC.

    The first and last days of the calendar are refused: in some zone they are in year 0 or 10000, which Python has not.
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise InputError(f"{what} is not an ISO 8601 time: {_shown(value)}") from None
    if not isinstance(value, datetime):
        raise InputError(f"{what} must be a datetime or an ISO 8601 text, not {type(value).__name__}")
    try:
        utc = (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except (OverflowError, ValueError):
        utc = None
    if utc is None or not EARLIEST <= utc <= LATEST:
        raise InputError(f"{what} must be from 0001-01-02 to 9999-12-30 in UTC, not {value.isoformat()}")
    return utc


def duration(value: object, what: str) -> timedelta:
    """Check a span of time above zero: a timedelta, or a text such as ``90s``, ``12h``, ``30d``, ``1.5w``."""
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


def time_zone(value: object, what: str = "time_zone") -> str:
    """Check the name of a time zone of the IANA database, such as ``Europe/Vienna``."""
    checked = name(value, what)
    try:
        ZoneInfo(checked)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(f"{what} must be a time zone such as Europe/Vienna, not {checked!r}") from None
    return checked


def json_object(value: object, what: str, *, most: int = MAX_JSON) -> Json:
    """Check a JSON object: string keys, values that JSON and PostgreSQL can hold, not too deep and not too long."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{what} must be a mapping, not {type(value).__name__}")
    checked = _json_value(value, what, MAX_DEPTH)
    if (length := len(json.dumps(checked, ensure_ascii=False))) > most:
        raise InputError(f"{what} has {length:,} characters as JSON; the limit is {most:,}")
    return dict(checked)


def _json_value(value: object, what: str, depth: int) -> Any:
    """Check a value of a JSON object as it is, before it is encoded."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value, what, empty=True)
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise InputError(f"{what} is a number of more than 1,000 digits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{what} cannot be written as JSON: it is {value}")
        # PostgreSQL writes such a number out in full: it comes back as a whole one, of this value only if sent as one
        return int(value) if abs(value) >= _EXACT else float(value)
    if not isinstance(value, (Mapping, list, tuple)):
        raise InputError(f"{what} cannot be written as JSON: it is a {type(value).__name__}")
    if depth == 0:
        raise InputError(f"{what.partition('[')[0][:100]} is nested more than {MAX_DEPTH} deep")
    if isinstance(value, Mapping):
        return {_key(key, what): _json_value(v, f"{what}[{str(key)[:40]!r}]", depth - 1) for key, v in value.items()}
    return [_json_value(v, f"{what}[{n}]", depth - 1) for n, v in enumerate(value)]


def _key(key: object, what: str) -> str:
    if not isinstance(key, str):
        raise InputError(f"{what} has a key that is not a text: {key!r}")
    if reason := unstorable(key):
        raise InputError(f"{what} has a key with {reason}")
    return key


def share(value: object, what: str) -> float:
    """Check a number from 0 to 1."""
    part = number(value, what)
    if not 0 <= part <= 1:
        raise InputError(f"{what} must be from 0 to 1, not {value!r}")
    return part


def number(value: object, what: str) -> float:
    """Check a finite number, and round it to the single precision it is stored with."""
    most = float(np.finfo(np.float32).max)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= most:
        raise InputError(f"{what} must be a finite number, not {_shown(value)}")
    return float(np.float32(value))


def limit(value: object, what: str = "limit", *, most: int = MAX_LIMIT) -> int:
    """Check a whole number from 1 to ``most``."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InputError(f"{what} must be a whole number from 1 to {most:,}, not {_shown(value)}")
    return value


def choice(value: object, choices: Sequence[str], what: str) -> str:
    if value not in choices:
        raise InputError(f"{what} must be one of {', '.join(choices)}, not {_shown(value)}")
    return str(value)


def vector(value: object, what: str, *, dimensions: int) -> Vector:
    """Check a comparable vector of the memory's dimensions, from any sequence of numbers or array."""
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(value.to_numpy() if isinstance(value, Vector) else value, dtype=np.float32)
    except (TypeError, ValueError):
        raise InputError(f"{what} is not an array of numbers") from None
    if array.shape != (dimensions,):
        raise MismatchError(
            f"{what} has shape {array.shape}; this memory's embeddings have {dimensions} dimensions. "
            f"Set MEMGPT_EMBEDDING_DIMENSIONS before the first migration, or change the model with `memgpt reembed`"
        )
    if fault := uncomparable(array[np.newaxis]):
        reason = "is all zeros" if fault[1] == "zeros" else f"has {fault[1]}"
        raise MismatchError(f"{what} {reason}: it has no direction to compare")
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


def item(value: object, what: str, keys: Sequence[str]) -> Mapping[str, Any]:
    """Check a mapping for unknown keys: a misspelt key would otherwise be lost silently."""
    if not isinstance(value, Mapping):
        raise InputError(f"{what} must be a mapping, not {type(value).__name__}")
    unknown = [key for key in value if key not in keys]
    if unknown:
        raise InputError(f"{what} has an unknown key {unknown[0]!r}; the keys are {', '.join(keys)}")
    return value
