"""Fusion of the results of all search arms into one ranked list of hits."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final

from memgpt import validation
from memgpt.database import times
from memgpt.embeddings.static import StaticWords
from memgpt.errors import InputError
from memgpt.models import KINDS, Hit, Json, Kind
from memgpt.search.ranking import Candidate, Query, Ranked, SoftMatcher, Statistics, rank
from memgpt.search.ranking.dates import moment_in
from memgpt.search.ranking.languages.language import language_of
from memgpt.search.ranking.model import packaged_calibration
from memgpt.search.ranking.words import Texts, split
from memgpt.search.store import Found, Nearest

CONNECTED: Final = 10
"""Facts that may rise because they are connected with what the query names."""

RISE: Final = 0.5
"""How far a fact about what the query names rises, where the best hit counts 1 and the last 0; half as far for a fact
about what stands beside it. Nobody measured it: there are no questions with facts to measure it on."""

_TIMES: Final = ("time", "timestamp", "date", "datetime", "created_at", "session_time", "session_date_time", "when")
_MOST_TIME: Final = 60
_READ: Final = 20_000
"""Characters of a text that are ranked: the words of its beginning, some four thousand, say what it is about."""
_WORD = re.compile(r"\w+")
_PLACES: Final = {kind: place for place, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Blend:
    """Weights of what counts beside relevance, as in the memory stream of generative agents (Park et al., 2023).

    A hit's score becomes relevance (0 to 1 among the candidates) + ``recency`` * 0.5 ^ (age / ``half_life``)
    + ``importance`` * its importance.
    """

    recency: float = 0.0
    importance: float = 0.0
    half_life: timedelta = timedelta(days=30)
    now: datetime | None = None
    """When it is asked: what is recent, and which day "yesterday" was. None: at this moment."""

    def __post_init__(self) -> None:
        for what in ("recency", "importance"):
            if validation.number(getattr(self, what), what) < 0:
                raise InputError(f"{what} must be 0 or more, not {getattr(self, what)!r}")
        if not isinstance(self.half_life, timedelta) or self.half_life <= timedelta(0):
            raise InputError(f"half_life must be a timedelta above zero, not {self.half_life!r}")

    def __bool__(self) -> bool:
        return bool(self.recency or self.importance)


def new_matcher() -> SoftMatcher:
    """Word vectors of the offline model, whatever model embeds: they are in every installation."""
    return SoftMatcher(StaticWords())


def order(
    query: Query,
    matches: Sequence[Found],
    most: int,
    blend: Blend,
    explain: bool,
    matcher: SoftMatcher,
    zone: tzinfo | None = None,
) -> list[Hit]:
    """All kinds in one order: their rows are ranked together, by the statistics of all. Of a question that names days,
    ``zone`` is where they are days."""
    if not matches:
        return []
    dated, zone = zone is not None, zone or UTC
    hops = {} if blend else {(f.kind, f.id): f.hops for f in matches if f.hops is not None}
    by_kind = collections(matches)
    totals = statistics(by_kind)
    candidates = rows(matches, totals.terms, zone, dated=dated)
    by_key = {candidate.id: f for candidate, f in zip(candidates, matches, strict=True)}
    ranked = rank(
        query.seen_from((blend.now or datetime.now(UTC)).astimezone(zone)) if dated else query,
        candidates,
        totals,
        limit=len(matches) if blend or hops else most,
        matcher=matcher,
    )
    if blend:
        return _blended(ranked, by_key, blend, explain)[:most]
    arms = _arms(matches, by_kind) if explain else {}
    hits = [
        hit(by_key[r.candidate.id], r.score, _explained(r, arms) if explain else None, r.confidence) for r in ranked
    ]
    return _risen(hits, hops, explain)[:most]


def weak(hits: Sequence[Hit]) -> bool:
    """Tell whether the best of the hits is likely not what was asked for: the question may have no answer here."""
    sure = hits[0].confidence if hits else None
    return sure is not None and sure < packaged_calibration().weak


def standing_of(query: str, matches: Sequence[Found], matcher: SoftMatcher) -> list[Hit]:
    """Return what is a preference or a standing instruction of the user, by how near its words come to the query's."""
    cues = language_of(query).standing
    said = [f for f in said_by_user(matches) if cues.search(f.text[:_READ])]
    if not said:
        return []
    texts = Texts.of([f.text[:_READ] for f in said], matcher.lexicon)
    near, weights, _ = matcher.match(list(dict.fromkeys(split(query))), texts)
    scores = (near @ weights).tolist()
    order = sorted(range(len(said)), key=lambda n: (scores[n], said[n].created_at), reverse=True)
    return [hit(said[n], scores[n], None) for n in order]


def said_by_user(matches: Sequence[Found]) -> list[Found]:
    """Return what an arm found of what the user said, or is remembered."""
    return [f for f in matches if f.candidate and f.role in (None, "user")]


def _risen(hits: list[Hit], hops: Mapping[tuple[Kind, int], int], explain: bool) -> list[Hit]:
    """Lift the best facts about what the query names, nearest first."""
    connected = [n for n, hit in enumerate(hits) if (hit.kind, hit.id) in hops]
    if not connected:
        return hits
    span = (hits[0].score - hits[-1].score) or 1.0
    near = sorted(connected, key=lambda n: (hops[hits[n].kind, hits[n].id], n))[:CONNECTED]
    lifted = {n: RISE * span / hops[hits[n].kind, hits[n].id] for n in near}
    risen = [
        replace(
            hit,
            score=hit.score + lifted[n],
            explain={**(hit.explain or {}), "graph": {"hops": hops[hit.kind, hit.id], "score": lifted[n]}}
            if explain
            else None,
        )
        if n in lifted
        else hit
        for n, hit in enumerate(hits)
    ]
    return sorted(risen, key=lambda hit: -hit.score)


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


def collections(matches: Sequence[Found]) -> dict[Kind, _Collection]:
    return {
        f.kind: _Collection(f.terms, f.document_frequencies, f.total, f.mean_length)
        for f in matches
        if f.terms is not None and f.document_frequencies is not None
    }


def statistics(collections: Mapping[Kind, _Collection]) -> Statistics:
    """Those of all kinds together; lengths count in tenths of the mean length of their kind."""
    kinds = list(collections.values())
    return Statistics(
        terms=kinds[0].terms,
        document_frequencies=[sum(column) for column in zip(*(k.document_frequencies for k in kinds), strict=True)],
        total=sum(k.total for k in kinds),
        mean_length=10.0,
    )


def rows(matches: Sequence[Found], terms: Sequence[str], zone: tzinfo = UTC, *, dated: bool = False) -> list[Candidate]:
    """Return what is ranked; where the question is ``dated``, memories are of the time that their metadata says."""
    before, after = _neighbours(matches)
    keys = map(_key, matches)
    named = {name: [_in_name(term, name) for term in terms] for name in {f.name for f in matches if f.name}}
    sessions = {(f.kind, f.session): f.session_frequencies for f in matches if f.session_frequencies is not None}
    return [
        Candidate(
            id=key,
            content=f.text[:_READ],
            frequencies=_frequencies(f, len(terms)),
            length=round(f.length * 10 / max(f.mean_length, 1e-9)),
            created_at=_time(f, zone, dated),
            name=f.name,
            role=f.role,
            session=f.session,
            session_frequencies=sessions.get((f.kind, f.session)) or (),
            in_name=named[f.name] if f.name else (),
            before=before.get(key),
            after=after.get(key),
            cosine=f.similarity,
            candidate=f.candidate,
            of_the_user=f.role == "user" or (f.kind == "archival" and f.role is None),
        )
        for key, f in zip(keys, matches, strict=True)
    ]


def _time(row: Found, zone: tzinfo, dated: bool) -> datetime:
    """Return when something was said: a turn that is kept as a memory may say that in its metadata."""
    if dated and row.kind == "archival" and row.session is not None:
        metadata = json.loads(row.metadata)
        for key in _TIMES:
            if isinstance(text := metadata.get(key), str) and (moment := moment_in(text[:_MOST_TIME])):
                return moment
    return row.created_at if zone is UTC else row.created_at.astimezone(zone)


def _frequencies(row: Found, terms: int) -> Sequence[int]:
    if row.frequencies is not None:
        return row.frequencies
    counts = [0] * terms
    if not row.matches:
        return counts
    for n in row.matches:
        counts[n - 1] = 1
    return counts


def _neighbours(matches: Sequence[Found]) -> tuple[dict[int, int], dict[int, int]]:
    """Return the neighbours of each row by its key, read off the windows around those the arms found."""
    after: dict[int, int] = {}
    for row in matches:
        if row.before is not None and row.after is not None:
            place = _PLACES[row.kind]
            keys = [id * len(KINDS) + place for id in (*reversed(row.before), row.id, *row.after)]
            after.update(pairwise(keys))
    return {later: key for key, later in after.items()}, after


def _in_name(term: str, name: str) -> bool:
    """Tell whether a stemmed term may be a word of a name: stemming cuts an ending, or makes i of y."""
    return any(
        word.startswith(term) or (len(term) > 2 and term.endswith("i") and word == f"{term[:-1]}y")
        for word in _WORD.findall(name.lower())
        if len(word) - len(term) <= 3
    )


def _blended(ranked: Sequence[Ranked], by_key: Mapping[int, Found], blend: Blend, explain: bool) -> list[Hit]:
    best, least = max(r.score for r in ranked), min(r.score for r in ranked)
    now = blend.now or datetime.now(UTC)
    hits = []
    for r in ranked:
        row = by_key[r.candidate.id]
        age = max((now - row.created_at) / blend.half_life, 0.0)
        parts = {
            "relevance": (r.score - least) / ((best - least) or 1.0),
            "recency": blend.recency * math.pow(0.5, age),
            "importance": blend.importance * float(_source(row).get("importance", 0.5)),
        }
        hits.append(hit(row, sum(parts.values()), parts if explain else None, r.confidence))
    return sorted(hits, key=lambda h: (-h.score, KINDS.index(h.kind), h.id))


def _arms(matches: Sequence[Found], collections: Mapping[Kind, _Collection]) -> dict[str, dict[int, dict[str, float]]]:
    """Rank and score of every row in the vector arm (cosine) and in the full-text arm (BM25)."""
    vector = {_key(f): f.similarity for f in matches if f.similarity is not None}
    words = {_key(f): score for f in matches if (score := collections[f.kind].bm25(f)) > 0}
    return {"vector": _places(vector), "text": _places(words)}


def _places(scores: Mapping[int, float]) -> dict[int, dict[str, float]]:
    order = sorted(scores, key=lambda key: (-scores[key], key))
    return {key: {"rank": n, "score": scores[key]} for n, key in enumerate(order, start=1)}


def _explained(ranked: Ranked, arms: Mapping[str, Mapping[int, Json]]) -> Json:
    key = ranked.candidate.id
    return {**{arm: ranks.get(key) for arm, ranks in arms.items()}, "features": ranked.contributions}


def hit(row: Found | Nearest, score: float, explain: Json | None, confidence: float | None = None) -> Hit:
    metadata, source = json.loads(row.metadata), _source(row)
    id = source.pop("file_id") if row.kind == "file" else row.id  # a passage stands for its file
    return Hit(row.kind, id, score, row.text, metadata, row.created_at, source, explain, confidence)


def _source(row: Found | Nearest) -> Json:
    if row.source is not None:
        source: Json = json.loads(row.source)
        return times.in_utc(source) if row.kind == "fact" else source
    assert isinstance(row, Found)  # noqa: S101 - what was found by its vector has a source
    return {"session": row.session, "role": row.role, "name": row.name, "intent": row.intent}
