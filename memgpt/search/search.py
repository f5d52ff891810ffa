"""Search as ``memory.search``: one query over archival memories, messages, chunks, facts and store items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from pgvector import Vector

from memgpt import validation
from memgpt.config import OFFLINE_MODEL
from memgpt.database.connection import Connection
from memgpt.errors import InputError
from memgpt.models import KINDS, Hit, Json, Kind
from memgpt.scope.scope import AgentScope
from memgpt.search.fusion import Blend, collections, hit, new_matcher, rows, said_by_user, standing_of, statistics
from memgpt.search.fusion import order as ordered
from memgpt.search.graph_arm import LINKED, LOOKED_AT, links_of, names_in, sources_of, with_linked
from memgpt.search.known_counts import KnownCounts
from memgpt.search.options import filters_of, kinds_of
from memgpt.search.paging import FIRST_DEPTH, candidates, paged
from memgpt.search.query_syntax import parsed, plain
from memgpt.search.ranking import Candidate, SoftMatcher, Statistics, analyse
from memgpt.search.ranking.languages.language import Language, language_of
from memgpt.search.ranking.requests import without_request
from memgpt.search.ranking.spelling import respelled
from memgpt.search.spans.spans import with_spans
from memgpt.search.store import Answer, Counts, Filters, Found, Nearest, ParsedQuery, SearchStore, Seeds
from memgpt.telemetry import span

F = TypeVar("F")
T = TypeVar("T")

MUCH_MORE: Final = 2
"""A search is repeated where there are so many times as many rows as it was made for, ..."""

FEW: Final = 500
"""... beside these: as many candidates are looked at in any case."""

STANDING: Final[tuple[Kind, ...]] = ("archival", "message")
"""Kinds in which preferences and standing instructions are."""

MOST_NAMED: Final = 1000
"""Characters of a query in which names of the graph are looked for."""

NEAREST_DEPTH: Final = 10
"""The same for a search by vector, where more depth means more exact distances and nothing else."""


@dataclass
class _Reading:
    """A query as all depths of its pages search for it: the first of them decides how it is spelled."""

    asked: ParsedQuery
    embedded: Vector | None
    typed: str = ""
    """Its words, where others are searched for."""
    decided: bool = False


class Search:
    """Finds what an agent knows. Threads may share it."""

    def __init__(self, scope: AgentScope) -> None:
        self._scope = scope

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
        now: datetime | str | None = None,
        graph: bool = True,
        explain: bool = False,
        spans: bool = False,
        operators: bool = True,
    ) -> list[Hit]:
        """Return what matches best, best first; :class:`SearchOptions` says what each keyword means.

        ``query`` is for humans: ``"words side by side"`` must occur, ``-word`` must not, anything else may; of what
        ``OR`` joins, one must occur where one of it is quoted. A phrase that occurs nowhere counts as its words, and
        what only looks like an exclusion is none: ``-e`` and other options, and anything in a question or in a quoted
        command. It is found by its words and by its meaning; an empty one finds what is newest.

        Raises:
            InputError: a value cannot be used.
        """
        if (query is None) == (vector is None):
            raise InputError("give a query or a vector")
        limit, offset = validation.limit(limit), validation.offset(offset)
        wanted = kinds_of(kinds)
        filters = filters_of(tags, since, until, metadata, roles, intents)
        if filters.roles is not None or filters.intents is not None:
            wanted = tuple(kind for kind in wanted if kind == "message")
        if min_score is not None:
            validation.number(min_score, "min_score")
        blend = Blend(recency, importance, validation.duration(half_life, "half_life"), validation.moment(now, "now"))
        asked = None if query is None else parsed(query, operators)
        if not wanted:
            return []
        with span("search", kinds=",".join(wanted), by="vector" if asked is None else "query"):
            if asked is None:
                hits = paged(
                    limit,
                    offset,
                    lambda depth: self._nearest(vector, wanted, depth, offset + limit, filters, explain),
                    first=NEAREST_DEPTH,
                )
            else:
                ask = partial(self._asked, asked, wanted, limit, offset, filters, blend, explain, graph)
                hits, asked = self._scope.repeat_on_switch(ask)
            hits = [hit for hit in hits if min_score is None or hit.score >= min_score]
            return with_spans(self._scope, hits, asked) if spans else hits

    def standing(self, query: str, kinds: Sequence[Kind] | None = None) -> list[Hit]:
        """Return preferences and standing instructions of the user, those that bear on the query first."""
        wanted = [kind for kind in kinds_of(kinds) if kind in STANDING]
        matches = self._having(language_of(query).standing_words, wanted, LOOKED_AT)
        with self.matcher() as matcher:
            return standing_of(query, matches, matcher)

    def standing_in(self, language: Language, most: int) -> list[Hit]:
        """Return up to ``most`` texts of the user that may hold a standing instruction in a language."""
        return [hit(f, 0.0, None) for f in said_by_user(self._having(language.standing_words, STANDING, most))]

    def matcher(self) -> AbstractContextManager[SoftMatcher]:
        """Compare words with those of the agent's texts."""
        return self._scope.database.caches.using(self._scope.agent_id, SoftMatcher, new_matcher)

    def _having(self, words: str, kinds: Sequence[Kind], most: int) -> Sequence[Found]:
        if not (kinds and words):
            return []
        seeds = Seeds(lexical=most, vector=0, recent=0)
        return self._found(ParsedQuery(words), None, kinds, seeds, Filters(), graph=False).found

    def _asked(
        self,
        asked: ParsedQuery,
        kinds: Sequence[Kind],
        limit: int,
        offset: int,
        filters: Filters,
        blend: Blend,
        explain: bool,
        graph: bool,
    ) -> tuple[Sequence[Hit], ParsedQuery]:
        """Return a page of what is asked for; if nothing has its phrases, of what has its words. With it, what it was
        read as."""
        asked = replace(asked, words=without_request(asked.words))
        embedded = self._embedded(asked.words)
        reading = _Reading(asked, embedded)

        def page(asked: ParsedQuery) -> Sequence[Hit]:
            nonlocal reading
            reading = _Reading(asked, embedded)
            return paged(limit, offset, lambda most: self._ranked(reading, kinds, most, filters, blend, explain, graph))

        hits, demanded = page(asked), asked.phrases
        if demanded and not hits:
            language = self._scope.language
            demanded = self._read(
                lambda c: self._store(c).occurring(asked.phrases, kinds=kinds, filters=filters, language=language)
            )
            if len(demanded) < len(asked.phrases):
                hits = page(replace(asked, phrases=demanded))
            if not hits:  # each occurs somewhere, and never with the others
                demanded = []
                hits = page(replace(asked, phrases=demanded))
        read = replace(asked, words=reading.asked.words, phrases=demanded)
        if not (explain and (asked.phrases or asked.excluded)):
            return hits, read
        nowhere = [phrase for phrase in asked.phrases if phrase not in demanded]
        query = {"phrases": [*demanded], "nowhere": nowhere, "excluded": [*asked.excluded]}
        return [replace(hit, explain={**(hit.explain or {}), "query": query}) for hit in hits], read

    def _nearest(
        self, vector: Any, kinds: Sequence[Kind], depth: int, last: int, filters: Filters, explain: bool
    ) -> Sequence[Hit]:
        most = depth if "file" in kinds else min(depth, last)
        dimensions = self._scope.model.dimensions
        wanted = validation.vector(vector, "vector", dimensions=dimensions)
        looked_at: dict[Kind, int] = {}

        def search(counts: Counts) -> Answer[Nearest]:
            looked_at.update({kind: candidates(counts.rows[kind], dimensions, depth) for kind in kinds})
            return self._scope.read(
                lambda connection: self._store(connection).nearest(
                    wanted, kinds=kinds, limit=most, counts=counts, candidates=looked_at, filters=filters
                ),
                lambda answer: answer.model,
            )

        nearest = self._counted(search).found
        order = sorted(nearest, key=lambda n: (-n.similarity, KINDS.index(n.kind), n.id))[:most]
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
        reading: _Reading,
        kinds: Sequence[Kind],
        most: int,
        filters: Filters,
        blend: Blend,
        explain: bool,
        graph: bool,
    ) -> Sequence[Hit]:
        answer = self._collected(reading, kinds, most, filters, blend, graph)
        if not reading.decided and self._respelled(reading, answer.found, kinds):
            answer = self._collected(reading, kinds, most, filters, blend, graph)
        asked, matches, newest = reading.asked, answer.found, not reading.asked.words
        query = analyse(asked.words)
        if self._scope.model.name == OFFLINE_MODEL and query.unspaced:
            matches = [found._replace(similarity=None) for found in matches]  # that table knows none of these words
        if newest:
            there = (f for f in matches if f.candidate)
            latest = sorted(there, key=lambda f: (f.created_at, f.id, f.kind), reverse=True)[:most]
            return [
                hit(f, 1 / place, {"newest": {"rank": place}} if explain else None)
                for place, f in enumerate(latest, start=1)
            ]
        connected = {(f.kind, f.id) for f in matches if f.hops is not None}
        linking = graph and not (blend or asked.phrases or asked.excluded) and bool(set(kinds) & set(LINKED))
        linking = linking and (bool(connected) or answer.mentions)
        with span("search.rank"), self.matcher() as matcher:
            depth = max(most, LOOKED_AT) if linking else most
            zone = (ZoneInfo(answer.zone) if answer.zone else UTC) if query.names_days else None
            plain = ordered(query, matches, depth, blend, explain, matcher, zone)
        if not linking:
            return plain
        sources = sources_of(plain, connected, kinds) if connected else []
        if not (answer.mentions or sources):
            return plain[:most]
        return self._linked(asked.words, plain, answer.counts, sources, kinds, filters, explain)[:most]

    def _collected(
        self, reading: _Reading, kinds: Sequence[Kind], most: int, filters: Filters, blend: Blend, graph: bool
    ) -> Answer[Found]:
        recent = 2 * most if blend else 0 if reading.asked.words else most
        seeds = Seeds(lexical=2 * most, vector=3 * most // 2, recent=recent)
        graph = graph and not blend
        with span("search.collect"):
            return self._found(reading.asked, reading.embedded, kinds, seeds, filters, graph=graph, typed=reading.typed)

    def _linked(
        self,
        text: str,
        plain: Sequence[Hit],
        counts: Counts,
        sources: Sequence[tuple[Kind, int]],
        kinds: Sequence[Kind],
        filters: Filters,
        explain: bool,
    ) -> Sequence[Hit]:
        links = links_of(text, plain, kinds, sum(counts.rows.get(kind, 0) for kind in LINKED), sources)
        linked = self._read(lambda c: self._store(c).linked(links, limit=LOOKED_AT, filters=filters))
        return with_linked(plain, [hit(n, n.similarity, None) for n in linked], explain)

    def material(self, query: str, kinds: Sequence[Kind] = KINDS) -> tuple[list[Candidate], Statistics] | None:
        """Return the input of the ranking for a query, to learn from: ids are ``id * len(KINDS) +
        KINDS.index(kind)``."""
        asked, wanted = plain(query), kinds_of(kinds)
        seeds = Seeds(lexical=2 * FIRST_DEPTH, vector=3 * FIRST_DEPTH // 2, recent=0)
        matches = self._scope.repeat_on_switch(
            lambda: self._found(asked, self._embedded(asked.words), wanted, seeds, Filters(), graph=False)
        ).found
        if not matches:
            return None
        totals = statistics(collections(matches))
        return rows(matches, totals.terms), totals

    def _found(
        self,
        asked: ParsedQuery,
        embedded: Vector | None,
        kinds: Sequence[Kind],
        seeds: Seeds,
        filters: Filters,
        *,
        graph: bool,
        typed: str = "",
    ) -> Answer[Found]:
        texts = (asked.words, typed)  # what no text has may be the name of an entity
        names = [n for text in texts for n in names_in(text[:MOST_NAMED])] if graph and "fact" in kinds else []
        dimensions = self._scope.model.dimensions
        narrowed = bool(asked.phrases or asked.excluded)

        def search(counts: Counts) -> Answer[Found]:
            rows = counts.rows
            looked_at = {kind: candidates(rows[kind], dimensions, seeds.vector, narrowed=narrowed) for kind in kinds}

            def work(connection: Connection) -> Answer[Found]:
                return self._store(connection).ranked(
                    asked,
                    embedded,
                    seeds=seeds,
                    counts=counts,
                    candidates=looked_at,
                    filters=filters,
                    language=self._scope.language,
                    names=names,
                )

            return self._scope.read(work, lambda answer: answer.model)

        return self._counted(search)

    def _respelled(self, reading: _Reading, matches: Sequence[Found], kinds: Sequence[Kind]) -> bool:
        """Read a query as the texts spell it; tell whether that is another way than it was typed."""
        asked, reading.decided = reading.asked, True
        if not matches or asked.phrases or asked.excluded:
            return False
        language = self._scope.language
        with self.matcher() as matcher:
            spelled = respelled(
                asked.words,
                statistics(collections(matches)),
                matcher.lexicon,
                lambda words: self._read(lambda c: self._store(c).vocabulary(words, kinds=kinds, language=language)),
            )
        if spelled is None:
            return False
        reading.asked, reading.typed = replace(asked, words=spelled), asked.words
        if self._scope.model.name == OFFLINE_MODEL:
            reading.embedded = self._embedded(spelled)  # other models cost a request, and read mistyped words
        return True

    def _embedded(self, text: str) -> Vector | None:
        return self._scope.embed([text], purpose="query")[0] if text else None

    def _counted(self, search: Callable[[Counts], Answer[F]]) -> Answer[F]:
        """Search with the numbers of rows that are known: they decide how many candidates to look at.

        The statement counts what has come since, so that it is known for the next search. Where there is much more than
        the search was made for, all is counted anew, and the search repeated; where there are languages or sessions
        that it was not made for, it is repeated with what it told.
        """
        with self._scope.database.caches.using(self._scope.agent_id, KnownCounts, KnownCounts) as cached:
            before = cached.counts or self._recounted(cached.sessions)
            answer = search(before)
            counts = answer.counts
            rows, last = {**before.rows, **counts.rows}, {**before.last, **counts.last}
            now = Counts(rows, last, counts.languages, before.sessions or counts.sessions)
            if not self._scope.in_transaction:  # or what was counted may be rolled back
                cached.take(before, now)
            if any(count > MUCH_MORE * before.rows[kind] + FEW for kind, count in rows.items()):
                answer = search(self._recounted(now.sessions))
            elif (now.languages and not before.languages) or (now.sessions and not before.sessions):
                answer = search(now)
        return answer

    def _recounted(self, sessions: bool) -> Counts:
        return replace(self._read(lambda connection: self._store(connection).counts()), sessions=sessions)

    def _read(self, work: Callable[[Connection], T]) -> T:
        """Read what compares no vectors: the model need not be looked at."""
        model = self._scope.model
        return self._scope.read(work, lambda _: model)

    def _store(self, connection: Connection) -> SearchStore:
        return SearchStore(connection, self._scope.agent_id)
