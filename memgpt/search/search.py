"""Search as ``memory.search``: one query over archival memories, messages, chunks and facts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from pgvector import Vector

from memgpt import validation
from memgpt.database.connection import Connection
from memgpt.embeddings.active_model import ActiveModel
from memgpt.errors import InputError
from memgpt.models import KINDS, ROLES, Hit, Json, Kind
from memgpt.scope.scope import AgentScope
from memgpt.search.fusion import Blend, collections, hit, new_matcher, rows, statistics
from memgpt.search.fusion import order as ordered
from memgpt.search.graph_arm import LINKED, LOOKED_AT, links_of, names_in, sources_of, with_linked
from memgpt.search.query_syntax import plain, understood
from memgpt.search.ranking import Candidate, SoftMatcher, Statistics
from memgpt.search.ranking.query import names_days
from memgpt.search.store import Asked, Filters, Found, Nearest, SearchStore, Seeds, candidates
from memgpt.telemetry import span

SIZES_LAST: Final = 60.0
"""Seconds for which the number of an agent's rows is taken as known; it only decides how many candidates to look at."""

COUNTING_SHARE: Final = 0.05
"""Share of the time that counting may take while this memory is being written to."""

FIRST_DEPTH: Final = 20
"""Hits that are ranked together at least; a page beyond them continues with twice as many."""

MOST_NAMED: Final = 1000
"""Characters of a query in which names of the graph are looked for."""

NEAREST_DEPTH: Final = 10
"""The same for a search by vector, where more depth means more exact distances and nothing else."""


@dataclass(frozen=True, slots=True)
class _Count:
    """How many rows of each kind the agent has, when that was counted, and what it took."""

    rows: Mapping[Kind, int]
    mentions: bool
    at: float
    seconds: float
    changes: int
    links: int


class Search:
    """Finds what an agent knows. Threads may share it."""

    def __init__(self, scope: AgentScope) -> None:
        self._scope = scope
        self._counted: _Count | None = None

    def search(
        self,
        query: str | None = None,
        *,
        vector: Any = None,
        limit: int = 10,
        offset: int = 0,
        kinds: Sequence[Kind] | None = None,
        tags: Sequence[str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        metadata: Json | None = None,
        roles: Sequence[str] | None = None,
        intents: Sequence[str] | None = None,
        min_score: float | None = None,
        recency: float = 0.0,
        importance: float = 0.0,
        half_life: timedelta | str = timedelta(days=30),
        graph: bool = True,
        explain: bool = False,
        operators: bool = True,
    ) -> list[Hit]:
        """What matches best, best first.

        ``query`` is for humans: ``"words side by side"`` must occur, ``-word`` must not, anything else may; of what
        ``OR`` joins, one must occur where one of it is quoted. A phrase that occurs nowhere counts as its words, and
        what only looks like an exclusion is none: ``-e`` and other options, and anything in a question or in a quoted
        command. Give ``operators=False`` with a text that nobody wrote as a query. It is found by its words and by its
        meaning; an empty one finds what is newest. ``vector`` instead searches by a ready vector alone, with cosine
        similarities as scores. ``offset`` continues a search of the same ``limit``: while the rows stay the same, pages
        neither repeat nor skip a hit.

        Args:
            kinds: ``archival``, ``message``, ``chunk``, ``fact``; all of them when absent.
            tags: archival memories that have all of these.
            since, until: created in this half-open span (facts: valid from).
            metadata: contains this.
            roles, intents: messages of one of these; nothing else has them.
            min_score: drops what scores less.
            recency, importance: weights of what counts beside relevance; see :class:`Blend`.
            half_life: age that halves recency: a timedelta, or a text such as ``30d``.
            graph: lets facts rise that are about what the query names, and about what stands beside that, and brings
                the archival memories and chunks they are from. Where the agent's texts were linked
                (:meth:`memgpt.graph.Graph.link`), lets archival memories and chunks also be found by the names they
                share with the question and with the best hits. Such texts take a second statement and round trip;
                quotes, minus signs and a blend leave them out.
            explain: tells for each hit its rank and score in each arm, what each feature added and, where the query
                had operators, how they were understood: phrases demanded, phrases that occur nowhere, words excluded.
            operators: whether quotation marks, minus signs and ``OR`` in the query mean something.

        Raises:
            InputError: a value cannot be used.
        """
        if (query is None) == (vector is None):
            raise InputError("give a query or a vector")
        limit = validation.limit(limit)
        offset = validation.offset(offset)
        wanted = _kinds(kinds)
        filters = Filters(
            tags=None if tags is None else validation.names(tags, "tags"),
            since=validation.moment(since, "since"),
            until=validation.moment(until, "until"),
            metadata=None if metadata is None else validation.json_object(metadata, "metadata"),
            roles=None
            if roles is None
            else [validation.choice(role, ROLES, "roles") for role in validation.texts(roles, "roles")],
            intents=None if intents is None else validation.names(intents, "intents"),
        )
        if filters.roles is not None or filters.intents is not None:
            wanted = tuple(kind for kind in wanted if kind == "message")
        if min_score is not None:
            validation.number(min_score, "min_score")
        blend = Blend(recency, importance, validation.duration(half_life, "half_life"))
        if query is not None and not isinstance(query, str):
            raise InputError(f"query must be a text, not {type(query).__name__}")
        if not wanted:
            return []
        with span("search", kinds=",".join(wanted), by="query" if vector is None else "vector"):
            if vector is not None:
                end = offset + limit
                hits = _paged(
                    limit,
                    offset,
                    lambda most: self._nearest(vector, wanted, most, min(most, end), filters, explain),
                    first=NEAREST_DEPTH,
                )
            else:
                text = validation.normal(str(query))
                asked = understood(text) if operators else plain(text)
                ask = partial(self._asked, asked, wanted, limit, offset, filters, blend, explain, graph)
                hits = self._scope.repeat_on_switch(ask)
        return [hit for hit in hits if min_score is None or hit.score >= min_score]

    def _asked(
        self,
        asked: Asked,
        kinds: Sequence[Kind],
        limit: int,
        offset: int,
        filters: Filters,
        blend: Blend,
        explain: bool,
        graph: bool,
    ) -> Sequence[Hit]:
        """A page of what is asked for; where nothing has its phrases, of what has its words."""
        embedded = self._embedded(asked.words)

        def page(asked: Asked) -> Sequence[Hit]:
            return _paged(
                limit,
                offset,
                lambda most: self._ranked(asked, embedded, kinds, most, filters, blend, explain, graph),
            )

        hits, demanded = page(asked), asked.phrases
        if demanded and not hits:
            language = self._scope.language
            demanded = self._scope.read(
                lambda c: self._store(c).occurring(asked.phrases, kinds=kinds, filters=filters, language=language)
            )
            if len(demanded) < len(asked.phrases):
                hits = page(replace(asked, phrases=demanded))
        if not (explain and (asked.phrases or asked.excluded)):
            return hits
        nowhere = [phrase for phrase in asked.phrases if phrase not in demanded]
        query = {"phrases": [*demanded], "nowhere": nowhere, "excluded": [*asked.excluded]}
        return [replace(hit, explain={**(hit.explain or {}), "query": query}) for hit in hits]

    def _nearest(
        self, vector: Any, kinds: Sequence[Kind], depth: int, most: int, filters: Filters, explain: bool
    ) -> Sequence[Hit]:
        dimensions = self._scope.model.dimensions
        given = validation.vector(vector, "vector", dimensions=dimensions)
        rows = self._sizes().rows
        looked_at = {kind: candidates(rows[kind], dimensions, depth) for kind in kinds}

        def work(connection: Connection) -> Sequence[Nearest]:
            return self._store(connection).nearest(
                given, kinds=kinds, limit=most, rows=rows, candidates=looked_at, filters=filters
            )

        found = self._scope.read(work, _model)
        order = sorted(found, key=lambda n: (-n.similarity, KINDS.index(n.kind), n.id))[:most]
        return [
            hit(
                n,
                n.similarity,
                {"vector": {"rank": place, "score": n.similarity}, "candidates": looked_at[n.kind]}
                if explain
                else None,
            )
            for place, n in enumerate(order, start=1)
        ]

    def _ranked(
        self,
        asked: Asked,
        embedded: Vector | None,
        kinds: Sequence[Kind],
        most: int,
        filters: Filters,
        blend: Blend,
        explain: bool,
        graph: bool,
    ) -> Sequence[Hit]:
        newest = not asked.words
        seeds = Seeds(lexical=2 * most, vector=3 * most // 2, recent=most if newest else 2 * most if blend else 0)
        with span("search.collect"):
            found = self._found(asked, embedded, kinds, seeds, filters, graph=graph and not blend)
        if newest:
            there = (f for f in found if f.candidate)
            latest = sorted(there, key=lambda f: (f.created_at, f.id, f.kind), reverse=True)[:most]
            return [
                hit(f, 1 / place, {"newest": {"rank": place}} if explain else None)
                for place, f in enumerate(latest, start=1)
            ]
        connected = {(f.kind, f.id) for f in found if f.hops is not None}
        linking = graph and not (blend or asked.phrases or asked.excluded) and bool(set(kinds) & set(LINKED))
        linking = linking and (bool(connected) or self._sizes().mentions)
        words = self._scope.database.caches.using(self._scope.agent_id, SoftMatcher, new_matcher)
        with span("search.rank"), words as matcher:
            depth = max(most, LOOKED_AT) if linking else most
            zone = self._scope.zone if names_days(asked.words) else UTC
            plain = ordered(asked.words, found, depth, blend, explain, matcher, zone)
        if not linking:
            return plain
        sources = sources_of(plain, connected, kinds) if connected else []
        return self._linked(asked.words, plain, sources, kinds, filters, explain)[:most]

    def _linked(
        self,
        text: str,
        plain: Sequence[Hit],
        sources: Sequence[tuple[Kind, int]],
        kinds: Sequence[Kind],
        filters: Filters,
        explain: bool,
    ) -> Sequence[Hit]:
        sizes = self._sizes()
        if not sizes.mentions and not sources:
            return plain
        links = links_of(text, plain, kinds, sum(sizes.rows[kind] for kind in LINKED), sources)
        model = self._scope.model  # as the search before told it; this statement compares no vectors
        linked = self._scope.read(
            lambda c: self._store(c).linked(links, limit=LOOKED_AT, filters=filters), lambda _: model
        )
        return with_linked(plain, [hit(n, n.similarity, None) for n in linked], explain)

    def material(self, query: str, kinds: Sequence[Kind] = KINDS) -> tuple[list[Candidate], Statistics] | None:
        """What the ranking is given for a query, to learn from: ids are ``id * len(KINDS) + KINDS.index(kind)``."""
        asked, wanted = plain(query), _kinds(kinds)
        seeds = Seeds(lexical=2 * FIRST_DEPTH, vector=3 * FIRST_DEPTH // 2, recent=0)
        found = self._scope.repeat_on_switch(
            lambda: self._found(asked, self._embedded(asked.words), wanted, seeds, Filters(), graph=False)
        )
        if not found:
            return None
        totals = statistics(collections(found))
        return rows(found, totals.terms), totals

    def _found(
        self,
        asked: Asked,
        embedded: Vector | None,
        kinds: Sequence[Kind],
        seeds: Seeds,
        filters: Filters,
        *,
        graph: bool,
    ) -> Sequence[Found]:
        rows = self._sizes().rows
        facts = graph and "fact" in kinds and (rows["fact"] > 0 or not self._scope.embeds)
        names = names_in(asked.words[:MOST_NAMED]) if facts else []
        dimensions = self._scope.model.dimensions
        narrowed = bool(asked.phrases or asked.excluded)
        looked_at = {kind: candidates(rows[kind], dimensions, seeds.vector, narrowed=narrowed) for kind in kinds}
        return self._scope.read(
            lambda c: self._store(c).ranked(
                asked,
                embedded,
                kinds=kinds,
                seeds=seeds,
                rows=rows,
                candidates=looked_at,
                filters=filters,
                language=self._scope.language,
                names=names,
            ),
            _model,
        )

    def _embedded(self, text: str) -> Vector | None:
        return self._scope.embed([text], purpose="query")[0] if text else None

    def _sizes(self) -> _Count:
        """How many rows of each kind the agent has, as known for up to a minute; sooner after changes of our own."""
        known, now = self._counted, time.monotonic()
        if known is not None and known.links == self._scope.links:
            lasts = SIZES_LAST if known.changes == self._scope.changes else known.seconds / COUNTING_SHARE
            if now - known.at <= lasts:
                return known
        changes, links = self._scope.changes, self._scope.links
        sizes = asdict(self._scope.read(lambda c: self._store(c).sizes()))
        counted = time.monotonic()
        self._counted = _Count(
            {kind: sizes[kind] for kind in KINDS}, sizes["mentions"], counted, counted - now, changes, links
        )
        return self._counted

    def _store(self, connection: Connection) -> SearchStore:
        return SearchStore(connection, self._scope.agent_id)


def _kinds(given: Sequence[str] | None) -> tuple[Kind, ...]:
    if given is None:
        return KINDS
    chosen = {validation.choice(kind, KINDS, "kinds") for kind in ([given] if isinstance(given, str) else given)}
    return tuple(kind for kind in KINDS if kind in chosen)


def _model(found: Sequence[Found | Nearest]) -> ActiveModel | None:
    """Of which model the searched vectors are; None when nothing was found."""
    if not found or found[0].model is None or found[0].dimensions is None:
        return None
    return ActiveModel(found[0].model, found[0].dimensions)


def _paged(
    limit: int, offset: int, search: Callable[[int], Sequence[Hit]], *, first: int = FIRST_DEPTH
) -> Sequence[Hit]:
    """One page. The order of what is ranked together depends on how much that is, so a page beyond the first depth
    appends what a search twice as deep finds beside it: pages of one ``limit`` fit together.
    """
    depth = first
    while depth < limit:
        depth *= 2
    hits = list(search(depth))
    while depth < offset + limit and len(hits) == depth:
        depth *= 2
        there = {(hit.kind, hit.id) for hit in hits}
        more = [hit for hit in search(depth) if (hit.kind, hit.id) not in there]
        hits += more[: depth - len(hits)]
    return hits[offset : offset + limit]
