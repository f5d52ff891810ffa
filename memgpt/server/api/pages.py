"""Cursors: a list answers one page; the header ``Link`` (and ``Next-Cursor``) leads to the next."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from memgpt import validation
from memgpt.errors import InputError, NotFoundError
from memgpt.server.api import segments

T = TypeVar("T")

Limit = Annotated[int, Query(description="Most results of one page.", ge=1, le=1000)]
After = Annotated[
    str | None,
    Query(
        description="The cursor a page before gave in `Next-Cursor`; 404 where it leads nowhere.",
        max_length=2000,
        pattern="^[A-Za-z0-9_-]+={0,2}$",
    ),
]


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of a page, as far as the next one needs it."""

    id: int = 0
    created_at: datetime | None = None
    recorded_at: datetime | None = None
    name: str = ""
    chunk_index: int = 0


def after(cursor: str | None, of: type[T]) -> T | None:  # noqa: ARG001 - the type of what is stood for
    """Decode a cursor to the position it stands for.

    Raises:
        NotFoundError: it is none that a page gave.
        InputError: a value in it cannot be one of this list.
    """
    if cursor is None:
        return None
    values = read(cursor)
    try:
        for name in ("created_at", "recorded_at"):
            if name in values:
                values[name] = validation.moment(values[name], name)
        position = Position(**values)
        position.id.to_bytes(8, "big", signed=True)
        position.chunk_index.to_bytes(4, "big", signed=True)
        validation.text(position.name, "after", empty=True)
    except (InputError, TypeError, ValueError, OverflowError, AttributeError):
        raise InputError("after is not a cursor of this list") from None
    return cast(T, position)


def read(cursor: str) -> dict[str, Any]:
    """Return what a cursor says, as JSON.

    Raises:
        NotFoundError: it is well-formed, and none that a page gave.
    """
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise NotFoundError("after leads to no page: take it from the header Next-Cursor") from None
    if not isinstance(values, dict):
        raise NotFoundError("after leads to no page: take it from the header Next-Cursor")
    return values


def written(**values: Any) -> str:
    plain = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values.items()}
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).rstrip(b"=").decode()


def page(
    request: Request, response: Response, rows: Sequence[T], limit: int, cursor: Callable[[T], str]
) -> Sequence[T]:
    """One page of ``limit`` rows out of ``limit + 1`` that were asked for, and the way to the next."""
    if len(rows) > limit:
        rows = rows[:limit]
        following = cursor(rows[-1])
        response.headers["Next-Cursor"] = following
        query = [pair for pair in request.query_params.multi_items() if pair[0] != "after"]
        address = f"{segments.address(request)}?{urlencode([*query, ('after', following)])}"
        response.headers["Link"] = f'<{address}>; rel="next"'
    return rows
