"""Times on their way from PostgreSQL: always UTC, whatever the server's TimeZone and DateStyle, and never an error.

PostgreSQL keeps times that a datetime cannot hold: before year 1, after 9999, and both infinities. They are refused
where they come in (:func:`memgpt.validation.moment`). One that is stored all the same loads as the nearest time
that can be written in any zone, so that a single row cannot make a whole memory unreadable.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from memgpt.validation import EARLIEST, LATEST

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(2000, 1, 1).toordinal()
_FIRST: Final = (EARLIEST - _EPOCH) // timedelta(microseconds=1)
_LAST: Final = (LATEST - _EPOCH) // timedelta(microseconds=1)

COLUMNS: Final = frozenset(
    {
        *("created_at", "updated_at", "expires_at", "superseded_at", "accessed_at", "recorded_at", "merged_at"),
        *("valid_from", "valid_to", "changed_at", "started_at", "ended_at", "decided_at", "summary_until"),
    }
)
"""Of type timestamptz, in the tables of a memory."""


class MomentLoader(Loader):
    """A timestamptz in binary: microseconds since 2000 in UTC, a form that no setting of the session changes."""

    format = Format.BINARY

    def load(self, data: Buffer) -> datetime:
        microseconds = int.from_bytes(data, "big", signed=True)
        if not _FIRST <= microseconds <= _LAST:
            microseconds = min(max(microseconds, _FIRST), _LAST)
        return _EPOCH + timedelta(0, 0, microseconds)


class PlainMomentLoader(MomentLoader):
    """A timestamp without a zone."""

    def load(self, data: Buffer) -> datetime:
        return super().load(data).replace(tzinfo=None)


class DayLoader(Loader):
    """A date in binary: days since 2000."""

    format = Format.BINARY

    def load(self, data: Buffer) -> date:
        ordinal = _EPOCH_DAY + int.from_bytes(data, "big", signed=True)
        return date.fromordinal(min(max(ordinal, date.min.toordinal()), date.max.toordinal()))


def register(context: AdaptContext) -> None:
    """Load times this way on a connection. They must be fetched in binary."""
    context.adapters.register_loader("timestamptz", MomentLoader)
    context.adapters.register_loader("timestamp", PlainMomentLoader)
    context.adapters.register_loader("date", DayLoader)


def in_utc(row: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the times of a row that PostgreSQL wrote as JSON from the session's zone to UTC."""
    return {name: _utc(value) if name in COLUMNS else value for name, value in row.items()}


def _utc(value: Any) -> Any:
    if not isinstance(value, str) or value.endswith("+00:00"):
        return value
    try:
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):  # a time that no datetime holds
        return value
