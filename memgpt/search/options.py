"""Options of a search, for the callers that hand them on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict

from memgpt.models import Json, Kind


class SearchOptions(TypedDict, total=False):
    """The keywords of :meth:`memgpt.search.Search.search`, which says what each means."""

    vector: Any
    limit: int
    offset: int
    kinds: Sequence[Kind] | None
    tags: Sequence[str] | None
    since: datetime | str | None
    until: datetime | str | None
    metadata: Json | None
    roles: Sequence[str] | None
    intents: Sequence[str] | None
    min_score: float | None
    recency: float
    importance: float
    half_life: timedelta | str
    graph: bool
    explain: bool
    operators: bool
