"""Search as ``memory.search``: one query over archival memories, messages, chunks and facts."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from pgvector import Vector

from memgpt import inputs
from memgpt.asked import understood
from memgpt.database.connection import Connection
from memgpt.embeddings.static import word_vectors
from memgpt.errors import InputError
from memgpt.following import ActiveModel
from memgpt.linking import LINKED, LOOKED_AT, links_of, with_linked
from memgpt.models import KINDS, ROLES, Hit, Json, Kind
from memgpt.ranking import Candidate, Ranked, SoftMatcher, Statistics, rank
from memgpt.scope import Scope
from memgpt.spans import span
from memgpt.stores.search import Asked, Filters, Found, Nearest, SearchStore, Seeds, candidates, candidates_for

SIZES_LAST: Final = 60.0
"""Seconds for which the number of an agent's rows is taken as known; it only decides how many candidates to look at."""

COUNTING_SHARE: Final = 0.05
"""Share of the time that counting may take while this memory is being written to."""

FIRST_DEPTH: Final = 20
"""Hits that are ranked together at least; a page beyond them continues with twice as many."""

NEAREST_DEPTH: Final = 10
"""The same for a search by vector, where more depth means more exact distances and nothing else."""

_PLACES: Final = {kind: place for place, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Blend:
    """What counts beside relevance, as in the memory stream of generative agents (Park et al., 2023).

    A hit's score becomes relevance (0 to 1 among the candidates) + ``recency`` * 0.5 ^ (age / ``half_life``)
    + ``importance`` * its importance.
    """

    recency: float = 0.0
    importance: float = 0.0
    half_life: timedelta = timedelta(days=30)

    def __post_init__(self) -> None:
        for what in ("recency", "importance"):
            if inputs.number(getattr(self, what), what) < 0:
                raise InputError(f"{what} must be 0 or more, not {getattr(self, what)!r}")
        if not isinstance(self.half_life, timedelta) or self.half_life <= timedelta(0):
            raise InputError(f"half_life must be a timedelta above zero, not {self.half_life!r}")

    def __bool__(self) -> bool:
        return bool(self.recency or self.importance)


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

    def __init__(self, scope: Scope) -> None:
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
        half_life: timedelta = timedelta(days=30),
        graph: bool = True,
        explain: bool = False,
    ) -> list[Hit]:
        """What matches best, best first.

        ``query`` is for humans: ``"words side by side"`` must occur, ``-word`` must not, anything else may; of what
        ``OR`` joins, one must occur where one of it is quoted. It is found by its words and by its meaning; an empty
        one finds what is newest. ``vector`` instead searches by a ready vector alone, with cosine similarities as
        scores. ``offset`` continues a search of the same ``limit``: while the rows stay the same, pages neither repeat
        nor skip a hit.

        Args:
            kinds: ``archival``, ``message``, ``chunk``, ``fact``; all of them when absent.
            tags: archival memories that have all of these.
            since, until: created in this half-open span (facts: valid from).
            metadata: contains this.
            roles, intents: messages of one of these; nothing else has them.
            min_score: drops what scores less.
            recency, importance: weights of what counts beside relevance; see :class:`Blend`.
            graph: where the agent's texts were linked (:meth:`memgpt.graph.Graph.link`), lets archival memories and
                chunks also be found by the names they share with the question and with the best hits. That is a second
                statement and round trip; quotes, minus signs and a blend leave it out.
            explain: tells for each hit its rank and score in each arm and what each feature added.

        Raises:
            InputError: a value cannot be used.
        """
        if (query is None) == (vector is None):
            raise InputError("give a query or a vector")
        limit = inputs.limit(limit)
        offset = inputs.limit(offset + 1, "offset + 1") - 1
        wanted = _kinds(kinds)
        filters = Filters(
            tags=None if tags is None else inputs.texts(tags, "tags"),
            since=inputs.moment(since, "since"),
            until=inputs.moment(until, "until"),
            metadata=None if metadata is None else inputs.json_object(metadata, "metadata"),
            roles=None
            if roles is None
            else [inputs.choice(role, ROLES, "roles") for role in inputs.texts(roles, "roles")],
            intents=None if intents is None else inputs.texts(intents, "intents"),
        )
        if filters.roles is not None or filters.intents is not None:
            wanted = tuple(kind for kind in wanted if kind == "message")
        if min_score is not None:
            inputs.number(min_score, "min_score")
        blend = Blend(recency, importance, half_life)
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
                asked = understood(str(query))
                embedded = self._embedded(asked.words)
                hits = _paged(
                    limit,
                    offset,
                    lambda most: self._ranked(asked, embedded, wanted, most, filters, blend, explain, graph),
                )
        return [hit for hit in hits if min_score is None or hit.score >= min_score]

    def _nearest(
        self, vector: Any, kinds: Sequence[Kind], depth: int, most: int, filters: Filters, explain: bool
    ) -> Sequence[Hit]:
        dimensions = self._scope.model.dimensions
        given = inputs.vector(vector, "vector", dimensions=dimensions)
        rows = self._sizes().rows
        looked_at = {kind: candidates(rows[kind], dimensions, depth) for kind in kinds}

        def work(connection: Connection) -> Sequence[Nearest]:
            return self._store(connection).nearest(
                given, kinds=kinds, limit=most, candidates=looked_at, filters=filters
            )

        found = self._scope.read(work, _model)
        needed = {kind: _needed(found, kind, most, rows[kind], dimensions) for kind in kinds}
        if any(needed[kind] > looked_at[kind] for kind in kinds):  # nothing is near: look at more
            looked_at = {kind: max(needed[kind], looked_at[kind]) for kind in kinds}
            found = self._scope.read(work, _model)
        order = sorted(found, key=lambda n: (-n.similarity, KINDS.index(n.kind), n.id))[:most]
        return [
            _hit(
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
            found = self._found(asked, embedded, kinds, seeds, filters)
        if newest:
            there = (f for f in found if f.candidate)
            order = sorted(there, key=lambda f: (f.created_at, f.id, f.kind), reverse=True)[:most]
            return [
                _hit(f, 1 / place, {"newest": {"rank": place}} if explain else None)
                for place, f in enumerate(order, start=1)
            ]
        linking = graph and not (blend or asked.phrases or asked.excluded) and bool(set(kinds) & set(LINKED))
        with span("search.rank"):
            plain = _order(asked.words, found, max(most, LOOKED_AT) if linking else most, blend, explain)
        if not linking:
            return plain
        return self._linked(asked.words, plain, kinds, filters, explain)[:most]

    def _linked(
        self, text: str, plain: Sequence[Hit], kinds: Sequence[Kind], filters: Filters, explain: bool
    ) -> Sequence[Hit]:
        sizes = self._sizes()
        if not sizes.mentions:
            return plain
        links = links_of(text, plain, kinds, sum(sizes.rows[kind] for kind in LINKED))
        model = self._scope.model  # as the search before told it; this statement compares no vectors
        linked = self._scope.read(
            lambda c: self._store(c).linked(links, limit=LOOKED_AT, filters=filters), lambda _: model
        )
        return with_linked(plain, [_hit(n, n.similarity, None) for n in linked], explain)

    def material(self, query: str, kinds: Sequence[Kind] = KINDS) -> tuple[list[Candidate], Statistics] | None:
        """What the ranking is given for a query, to learn from: ids are ``id * len(KINDS) + KINDS.index(kind)``."""
        asked = understood(query)
        seeds = Seeds(lexical=2 * FIRST_DEPTH, vector=3 * FIRST_DEPTH // 2, recent=0)
        found = self._found(asked, self._embedded(asked.words), _kinds(kinds), seeds, Filters())
        if not found:
            return None
        statistics = _statistics(_collections(found))
        return _rows(found, statistics.terms), statistics

    def _found(
        self, asked: Asked, embedded: Vector | None, kinds: Sequence[Kind], seeds: Seeds, filters: Filters
    ) -> Sequence[Found]:
        rows = self._sizes().rows
        dimensions = self._scope.model.dimensions
        return self._scope.read(
            lambda c: self._store(c).ranked(
                asked,
                embedded,
                kinds=kinds,
                seeds=seeds,
                rows=rows,
                candidates={kind: candidates(rows[kind], dimensions, seeds.vector) for kind in kinds},
                filters=filters,
                language=self._scope.language,
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
    chosen = {inputs.choice(kind, KINDS, "kinds") for kind in ([given] if isinstance(given, str) else given)}
    return tuple(kind for kind in KINDS if kind in chosen)


def _needed(found: Sequence[Nearest], kind: Kind, most: int, rows: int, dimensions: int) -> int:
    """Candidates it takes to be sure of what was found of a kind; none where there were no more than asked for."""
    scores = [hit.similarity for hit in found if hit.kind == kind]
    return candidates_for(rows, dimensions, scores[-1]) if len(scores) == most < rows else 0


def _model(found: Sequence[Found | Nearest]) -> ActiveModel | None:
    """Of which model the searched vectors are; None when nothing was found."""
    if not found or found[0].model is None or found[0].dimensions is None:
        return None
    return ActiveModel(found[0].model, found[0].dimensions)


@cache
def _matcher() -> SoftMatcher:
    """Word vectors of the offline model, whatever model embeds: they are in every installation."""
    return SoftMatcher(word_vectors)


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


def _order(text: str, found: Sequence[Found], most: int, blend: Blend, explain: bool) -> list[Hit]:
    """All kinds in one order: their rows are ranked together, by the statistics of all of them."""
    if not found:
        return []
    by_key = {_key(f): f for f in found}
    collections = _collections(found)
    statistics = _statistics(collections)
    ranked = rank(
        text,
        _rows(found, statistics.terms),
        statistics,
        limit=len(found) if blend else most,
        matcher=_matcher(),
        now=datetime.now(UTC),
    )
    if blend:
        return _blended(ranked, by_key, blend, explain)[:most]
    arms = _arms(found, collections) if explain else {}
    return [_hit(by_key[r.candidate.id], r.score, _explained(r, arms) if explain else None) for r in ranked]


def _key(row: Found) -> int:
    """One number for kind and id; ids of two kinds may be the same."""
    return row.id * len(KINDS) + _PLACES[row.kind]


@dataclass(frozen=True, slots=True)
class _Collection:
    """The statistics of one kind, as its first row tells them."""

    terms: Sequence[str]
    document_frequencies: Sequence[int]
    total: int
    mean_length: float

    def bm25(self, row: Found) -> float:
        """Of one row (k1 = 0.9, b = 0.3)."""
        norm = 0.9 * (0.7 + 0.3 * row.length / max(self.mean_length, 1e-9))
        return sum(
            math.log1p((self.total - df + 0.5) / (df + 0.5)) * tf * 1.9 / (tf + norm)
            for tf, df in zip(_frequencies(row, len(self.terms)), self.document_frequencies, strict=True)
        )


def _collections(found: Sequence[Found]) -> dict[Kind, _Collection]:
    return {
        f.kind: _Collection(f.terms, f.document_frequencies, f.total, f.mean_length)
        for f in found
        if f.terms is not None and f.document_frequencies is not None
    }


def _statistics(collections: Mapping[Kind, _Collection]) -> Statistics:
    """Those of all kinds together; lengths count in tenths of the mean length of their kind."""
    kinds = list(collections.values())
    return Statistics(
        terms=kinds[0].terms,
        document_frequencies=[sum(column) for column in zip(*(k.document_frequencies for k in kinds), strict=True)],
        total=sum(k.total for k in kinds),
        mean_length=10.0,
    )


def _rows(found: Sequence[Found], terms: Sequence[str]) -> list[Candidate]:
    before, after = _neighbours(found)
    named = {name: [_in_name(term, name) for term in terms] for name in {f.name for f in found if f.name}}
    sessions = {f.session: f.session_frequencies for f in found if f.session_frequencies is not None}
    return [
        Candidate(
            id=_key(f),
            content=f.text,
            frequencies=_frequencies(f, len(terms)),
            length=round(f.length * 10 / max(f.mean_length, 1e-9)),
            created_at=f.created_at,
            name=f.name,
            role=f.role,
            session=f.session,
            session_frequencies=sessions.get(f.session) or (),
            in_name=named[f.name] if f.name else (),
            before=before.get(f.id, ()) if f.kind == "message" else (),
            after=after.get(f.id, ()) if f.kind == "message" else (),
            cosine=f.similarity,
            candidate=f.candidate,
        )
        for f in found
    ]


def _frequencies(row: Found, terms: int) -> Sequence[int]:
    if row.frequencies is not None:
        return row.frequencies
    counts = [0] * terms
    if not row.matches:
        return counts
    for n in row.matches:
        counts[n - 1] = 1
    return counts


def _neighbours(found: Sequence[Found]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """The (up to two) neighbours of each message, read off the windows around those the arms found."""
    index = KINDS.index("message")
    before: dict[int, list[int]] = {}
    after: dict[int, list[int]] = {}
    for row in found:
        if row.before is None or row.after is None:
            continue
        window = [*reversed(row.before), row.id, *row.after]
        keys = [id * len(KINDS) + index for id in window]
        for n, id in enumerate(window):
            if len(before.get(id, ())) < min(n, 2):
                before[id] = keys[max(0, n - 2) : n][::-1]
            if len(after.get(id, ())) < min(len(window) - 1 - n, 2):
                after[id] = keys[n + 1 : n + 3]
    return before, after


def _in_name(term: str, name: str) -> bool:
    """Whether a stemmed term may be a word of a name: stemming cuts an ending, or makes i of y."""
    return any(
        word.startswith(term) or (len(term) > 2 and term.endswith("i") and word == f"{term[:-1]}y")
        for word in re.findall(r"\w+", name.lower())
        if len(word) - len(term) <= 3
    )


def _blended(ranked: Sequence[Ranked], by_key: Mapping[int, Found], blend: Blend, explain: bool) -> list[Hit]:
    best, least = max(r.score for r in ranked), min(r.score for r in ranked)
    now = datetime.now(UTC)
    hits = []
    for r in ranked:
        row = by_key[r.candidate.id]
        age = max((now - row.created_at) / blend.half_life, 0.0)
        parts = {
            "relevance": (r.score - least) / ((best - least) or 1.0),
            "recency": blend.recency * math.pow(0.5, age),
            "importance": blend.importance * float(_source(row).get("importance", 0.5)),
        }
        hits.append(_hit(row, sum(parts.values()), parts if explain else None))
    return sorted(hits, key=lambda h: (-h.score, KINDS.index(h.kind), h.id))


def _arms(found: Sequence[Found], collections: Mapping[Kind, _Collection]) -> dict[str, dict[int, dict[str, float]]]:
    """Rank and score of every row in the vector arm (cosine) and in the full-text arm (BM25)."""
    vector = {_key(f): f.similarity for f in found if f.similarity is not None}
    words = {_key(f): score for f in found if (score := collections[f.kind].bm25(f)) > 0}
    return {"vector": _places(vector), "text": _places(words)}


def _places(scores: Mapping[int, float]) -> dict[int, dict[str, float]]:
    order = sorted(scores, key=lambda key: (-scores[key], key))
    return {key: {"rank": n, "score": scores[key]} for n, key in enumerate(order, start=1)}


def _explained(ranked: Ranked, arms: Mapping[str, Mapping[int, Json]]) -> Json:
    key = ranked.candidate.id
    return {**{arm: ranks.get(key) for arm, ranks in arms.items()}, "features": dict(ranked.contributions)}


def _hit(row: Found | Nearest, score: float, explain: Json | None) -> Hit:
    metadata = json.loads(row.metadata)
    return Hit(row.kind, row.id, score, row.text, metadata, row.created_at, _source(row), explain)


def _source(row: Found | Nearest) -> Json:
    if row.source is not None:
        return dict(json.loads(row.source))
    assert isinstance(row, Found)  # noqa: S101 - what was found by its vector has a source
    return {"session": row.session, "role": row.role, "name": row.name, "intent": row.intent}
