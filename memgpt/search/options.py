"""Options of a search, for the callers that hand them on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict

from memgpt import validation
from memgpt.models import KINDS, ROLES, Json, Kind
from memgpt.search.store import Filters


class SearchOptions(TypedDict, total=False):
    """The keywords of a search. Those that are absent have the defaults of :meth:`memgpt.search.Search.search`."""

    vector: Any
    """A ready vector to search by in the place of a query, with cosine similarities as scores."""
    limit: int
    """Most hits."""
    offset: int
    """Hits to skip, to continue a search of the same ``limit``: while the rows stay the same, pages neither repeat nor
    skip a hit."""
    kinds: Sequence[Kind] | None
    """``archival``, ``message``, ``chunk``, ``fact``, ``item``, ``file``; None: all of them."""
    tags: Sequence[str] | None
    """Archival memories that have all of these."""
    since: datetime | str | None
    """Created at this time or later (facts: valid from then)."""
    until: datetime | str | None
    """Created before this time."""
    metadata: Json | None
    """What the metadata contains; of a store item its value."""
    roles: Sequence[str] | None
    """Messages of one of these; nothing else has them."""
    intents: Sequence[str] | None
    """Messages with one of these; nothing else has them."""
    min_score: float | None
    """Drops what scores less."""
    recency: float
    """Weight of what is new beside what is relevant; see :class:`memgpt.search.fusion.Blend`."""
    importance: float
    """Weight of what is important beside what is relevant."""
    half_life: timedelta | str
    """Age that halves recency: a timedelta, or a text such as ``30d``."""
    now: datetime | str | None
    """When it is asked: "yesterday" and "last week" in the query are seen from then, and so is recency; None: from this
    moment. It hides nothing: ``until`` does."""
    graph: bool
    """Lets facts rise that are about what the query names, and about what stands beside that, and brings the archival
    memories and chunks they are from. Where the agent's texts were linked (:meth:`memgpt.graph.Graph.link`), lets
    archival memories and chunks also be found by the names they share with the question and with the best hits. Such
    texts take a second statement and round trip; quotes, minus signs and a blend leave them out."""
    explain: bool
    """Tells for each hit its rank and score in each arm, what each feature added and, where the query had operators,
    how they were understood: phrases demanded, phrases that occur nowhere, words excluded."""
    spans: bool
    """Tells for each hit which characters of its text match the words and phrases of the query, in ``Hit.spans``: one
    more statement and round trip."""
    operators: bool
    """Whether quotation marks, minus signs and ``OR`` in the query mean something; False for a text that nobody wrote
    as a query."""


def filters_of(
    tags: Sequence[str] | None,
    since: datetime | str | None,
    until: datetime | str | None,
    metadata: Json | None,
    roles: Sequence[str] | None,
    intents: Sequence[str] | None,
) -> Filters:
    return Filters(
        tags=None if tags is None else validation.names(tags, "tags"),
        since=validation.moment(since, "since"),
        until=validation.moment(until, "until"),
        metadata=None if metadata is None else validation.json_object(metadata, "metadata"),
        roles=None
        if roles is None
        else [validation.choice(role, ROLES, "roles") for role in validation.texts(roles, "roles")],
        intents=None if intents is None else validation.names(intents, "intents"),
    )


def kinds_of(kinds: Sequence[str] | None) -> tuple[Kind, ...]:
    if kinds is None:
        return KINDS
    chosen = {validation.choice(kind, KINDS, "kinds") for kind in ([kinds] if isinstance(kinds, str) else kinds)}
    return tuple(kind for kind in KINDS if kind in chosen)
