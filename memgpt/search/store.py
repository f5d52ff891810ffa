"""Search over one agent's memory: one statement for all the kinds asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

from pgvector import Vector
from psycopg import Connection
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from memgpt.database import codes, languages, queries
from memgpt.database.codes import CodeType, code_type
from memgpt.database.driver import SCANNED, execute_long, hidden_operators
from memgpt.models import KINDS, ActiveModel, Json, Kind

SQL = queries.beside(__name__)

F = TypeVar("F")

MOST_TEXTS_SHARE: Final = 0.02
MOST_TEXTS_FLOOR: Final = 10
MOST_TEXTS: Final = 500
"""Texts that may mention a name before the graph arm drops it: a share of all, within bounds."""

LINKED: Final[Sequence[Kind]] = ("archival", "chunk")
"""What names are taken from."""

_LOOKED_UP: Final = {"match": "&&", "match_any": "&&", "named": "@@", "tagged": "@>"}
"""Pieces with a form for requests, by the operator whose place a function takes there."""
_KEYS: Final = ("match", "match_any", "occurs_match")
"""Pieces that ask the index of words. Where it may not be asked, the keys of every row would only cost."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions on a hit, whatever arm finds it."""

    tags: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    metadata: Json | None = None
    roles: Sequence[str] | None = None
    intents: Sequence[str] | None = None

    def __bool__(self) -> bool:
        conditions = (self.tags, self.since, self.until, self.metadata, self.roles, self.intents)
        return any(value is not None for value in conditions)

    def parameters(self) -> dict[str, Any]:
        return {
            "tags": None if self.tags is None else [*self.tags],
            "since": self.since,
            "until": self.until,
            "metadata": None if self.metadata is None else Jsonb(self.metadata),
            "roles": None if self.roles is None else [*self.roles],
            "intents": None if self.intents is None else [*self.intents],
        }


class Nearest(NamedTuple):
    """A row found by its vector; ``metadata`` and ``source`` are JSON texts."""

    kind: Kind
    id: int
    text: str
    metadata: str
    created_at: datetime
    source: str
    similarity: float
    """Cosine similarity, from -1 to 1."""
    head: str | None = None
    """In the first row what the statement says of the memory."""


class Found(NamedTuple):
    """A row one of the arms found, or a neighbour of one, with what the ranking needs to know.

    There are hundreds for a handful of hits, so what only hits need stays unread: ``metadata`` and ``source`` are JSON
    texts, the statistics stand in the first row of each kind, ``session_frequencies`` (one value per term) with the
    messages the arms found. Those also have ``before`` and ``after``: up to four ids on either side in the session, the
    nearest first.
    """

    kind: Kind
    id: int
    text: str
    metadata: str
    created_at: datetime
    source: str | None
    session: str | None
    role: str | None
    name: str | None
    intent: str | None
    candidate: bool
    before: list[int] | None
    after: list[int] | None
    session_frequencies: list[int] | None
    similarity: float | None
    hops: int | None
    """Of a fact about what the query names 1, about what stands beside that 2; else None."""
    frequencies: list[int] | None
    """How often each term occurs; None for messages, which are short: there ``matches`` says which do (from 1)."""
    matches: list[int] | None
    length: int
    terms: list[str] | None
    document_frequencies: list[int] | None
    total: int
    mean_length: float
    head: str | None
    """In the first row what the statement says of the memory."""


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """A query as the full-text arm understands it."""

    words: str
    phrases: Sequence[str] = ()
    """Each must occur, as ``websearch_to_tsquery`` reads it: ``"side by side" or instead``."""
    excluded: Sequence[str] = ()
    """None may occur."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """Number of rows that each arm may find, per kind."""

    lexical: int
    vector: int
    recent: int


@dataclass(frozen=True, slots=True)
class Links:
    """Starts of the graph arm: the names of a question, and the best texts found for it."""

    names: Sequence[str]
    seeds: Sequence[tuple[Kind, int, float, str]]
    """Kind, id, weight (of the best texts, and of the sources of facts, 1 together), how it begins in lower case."""
    kinds: Sequence[Kind]
    total: int
    """Texts of these kinds."""
    stays: float
    """Share of its weight that a seed keeps."""
    about: float
    """How many times a name counts for a text that begins with it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Embedded rows of one agent by kind, and the last id that was counted."""

    rows: Mapping[Kind, int]
    last: Mapping[Kind, int]
    languages: int = 0
    """In how many languages beside the default one it has texts."""
    sessions: bool = False
    """Whether memories were found that are of a session or source, and so have neighbours."""

    def parameters(self, kinds: Sequence[Kind]) -> dict[str, int]:
        rows = {f"{kind}_rows": self.rows[kind] for kind in kinds}
        return rows | {f"{kind}_last": self.last[kind] for kind in kinds}


@dataclass(frozen=True, slots=True)
class Answer(Generic[F]):
    """Result of a search, and what its statement says of the memory at the same moment."""

    found: Sequence[F]
    model: ActiveModel
    """Of which model the searched vectors are."""
    zone: str | None
    """The time zone of the agent's people."""
    mentions: bool
    """Whether any text of the agent mentions a name: without, there is no graph to search."""
    counts: Counts
    """Of the kinds searched."""


class SearchStore:
    """Searches the rows of one agent on a connection of the caller."""

    def __init__(self, connection: Connection[Any], agent_id: str) -> None:
        self._connection = connection
        self._agent_id = agent_id

    def counts(self) -> Counts:
        """Count the agent's embedded rows; from then on the searches count what is new."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            sizes = cursor.execute(SQL.sizes, {"agent_id": self._agent_id}).fetchone()
        assert sizes is not None  # noqa: S101 - the statement always gives one row
        last = {kind: sizes[f"{kind}_last"] or 0 for kind in KINDS}
        return Counts({kind: sizes[kind] for kind in KINDS}, last, sizes["languages"] or 0)

    def nearest(
        self,
        vector: Vector,
        *,
        kinds: Sequence[Kind],
        limit: int,
        counts: Counts,
        candidates: Mapping[Kind, int],
        filters: Filters,
    ) -> Answer[Nearest]:
        """Return the nearest rows of each kind, by exact cosine distance; at most ``limit`` of each."""
        parameters = {
            "agent_id": self._agent_id,
            "embedding": vector,
            "limit": limit,
            **counts.parameters(kinds),
            **{f"{kind}_candidates": candidates[kind] for kind in kinds},
            **(filters.parameters() if filters else {}),
        }
        code = code_type(vector.dimensions())
        form = "nearest" if code == "halfvec" else "nearest_by_bits"
        statement = compose(form, tuple(kinds), bool(filters), hidden_operators(self._connection), code)
        return _answer(Nearest._make, execute_long(self._connection, statement, parameters))

    def ranked(
        self,
        asked: ParsedQuery,
        vector: Vector | None,
        *,
        seeds: Seeds,
        counts: Counts,
        candidates: Mapping[Kind, int],
        filters: Filters,
        language: str,
        names: Sequence[str] = (),
    ) -> Answer[Found]:
        """Return what the full-text and the vector arm find in each kind of ``candidates``, for the ranking to order;
        and the facts connected with what goes by one of the ``names``, in lower case.
        """
        parameters = {
            "agent_id": self._agent_id,
            "words": asked.words,
            "phrases": [*asked.phrases],
            "excluded": [*asked.excluded],
            "language": language,
            "asked_in": languages.detected(asked.words) if counts.languages else None,  # of one language it is that
            "names": [*names],
            "embedding": vector,
            "lexical_seeds": seeds.lexical,
            "vector_seeds": seeds.vector,
            "recent_seeds": seeds.recent,
            **counts.parameters([*candidates]),
            **{f"{kind}_candidates": number for kind, number in candidates.items()},
            **filters.parameters(),
        }
        code = None if vector is None else code_type(vector.dimensions())
        hidden, sessions = hidden_operators(self._connection), counts.sessions
        statement = compose("ranked", tuple(candidates), bool(filters), hidden, code, sessions=sessions)
        answer = _answer(Found._make, execute_long(self._connection, statement, parameters))
        sessions = any(row.session is not None for row in answer.found if row.kind == "archival")
        return replace(answer, counts=replace(answer.counts, sessions=sessions))

    def occurring(
        self, phrases: Sequence[str], *, kinds: Sequence[Kind], filters: Filters, language: str
    ) -> Sequence[str]:
        """Return the phrases that occur in a row of these kinds."""
        parameters = {"phrases": [*phrases], **self._spoken(language), **filters.parameters()}
        statement = _occurring(tuple(kinds), hidden_operators(self._connection))
        rows = self._connection.execute(statement, parameters, binary=True).fetchall()
        return [phrases[ord - 1] for (ord,) in rows]

    def vocabulary(self, words: Sequence[str], *, kinds: Sequence[Kind], language: str) -> Sequence[Sequence[str]]:
        """Return those of these words that the agent's rows have, those of one stem together, of most rows first."""
        parameters = {"words": " ".join(words), "tags": None, **self._spoken(language)}
        statement = _vocabulary(tuple(kinds), hidden_operators(self._connection))
        return [words for (words,) in self._connection.execute(statement, parameters, binary=True).fetchall()]

    def _spoken(self, language: str) -> dict[str, Any]:
        return {"agent_id": self._agent_id, "language": language, "asked_in": None}

    def linked(self, links: Links, *, limit: int, filters: Filters) -> Sequence[Nearest]:
        """Texts linked to the seeds by the names they mention; ``similarity`` is the walk's score, from 0 on."""
        parameters = {
            "agent_id": self._agent_id,
            "names": [*links.names],
            "seed_kinds": [seed[0] for seed in links.seeds],
            "seed_ids": [seed[1] for seed in links.seeds],
            "seed_weights": [seed[2] for seed in links.seeds],
            "seed_beginnings": [seed[3] for seed in links.seeds],
            "stays": links.stays,
            "about": links.about,
            "kinds": [*links.kinds],
            "total": links.total,
            "most_texts": max(MOST_TEXTS_FLOOR, min(int(MOST_TEXTS_SHARE * links.total), MOST_TEXTS)),
            "limit": limit,
            **filters.parameters(),
        }
        with self._connection.cursor(row_factory=class_row(Nearest)) as cursor:
            return cursor.execute(_linked(), parameters, binary=True).fetchall()


def _answer(made: Callable[[Iterable[Any]], F], rows: Sequence[tuple[Any, ...]]) -> Answer[F]:
    head = json.loads(rows[0][-1])
    counts = head["counts"]
    return Answer(
        [made(row) for row in rows if row[0] is not None],
        ActiveModel(head["model"], head["dimensions"]),
        head["time_zone"],
        head["mentions"],
        Counts(
            {kind: rows for kind, (rows, _) in counts.items()},
            {kind: last for kind, (_, last) in counts.items()},
            head["languages"] or 0,
        ),
    )


@cache
def compose(
    form: str,
    kinds: tuple[Kind, ...],
    filtered: bool,
    hidden: frozenset[str] = frozenset(),
    code: CodeType | None = None,
    *,
    sessions: bool = False,
) -> bytes:
    """Return the statements of several kinds as one, for codes of this type; without one, no vector is searched.

    Functions of the owner look up what the ``hidden`` operators would. With ``sessions`` memories have neighbours.
    """
    template = b"({" + form.encode() + b"})"
    parts = [_completed(template, kind, filtered, hidden, code, sessions) for kind in kinds]
    counts = [_completed(SQL.counts, kind, filtered, hidden, code) for kind in kinds]
    return queries.compose(SQL.found, counts=b",\n".join(counts), found=b"\nUNION ALL\n".join(parts))


@cache
def _occurring(kinds: tuple[Kind, ...], hidden: frozenset[str]) -> bytes:
    occurs = SQL.occurs_looked_up if "&&" in hidden else SQL.occurs
    anywhere = [_completed(occurs, kind, filtered=True, hidden=hidden) for kind in kinds]
    return queries.compose(SQL.occurring, spoken=SQL.spoken, anywhere=b"\nOR ".join(anywhere))


@cache
def _vocabulary(kinds: tuple[Kind, ...], hidden: frozenset[str]) -> bytes:
    texts = [_completed(SQL.words_of, kind, filtered=False, hidden=hidden) for kind in kinds]
    return queries.compose(SQL.vocabulary, spoken=SQL.spoken, texts=b"\nUNION ALL\n".join(texts))


@cache
def _linked() -> bytes:
    texts = [_completed(SQL.linked_text, kind, filtered=True) for kind in LINKED]
    return queries.compose(SQL.linked, texts=b"\nUNION ALL\n".join(texts))


def _completed(
    template: bytes,
    kind: Kind,
    filtered: bool,
    hidden: frozenset[str] = frozenset(),
    code: CodeType | None = None,
    sessions: bool = False,
) -> bytes:
    """Return a statement for one kind: what stands in braces is what the file says of that kind, or of all."""

    def part(name: str) -> bytes:
        if name == "kind":
            return kind.encode()
        if name in ("code", "distance"):
            assert code is not None  # noqa: S101 - what is near nothing has no code
            return codes.code(code) if name == "code" else codes.distance(code)
        if name == "near" and code is None:
            name = "near_nothing"
        piece = name.removesuffix("_again")
        if _LOOKED_UP.get(piece) in hidden:
            piece = f"{piece}_looked_up"
        elif piece in _KEYS and hidden >= SCANNED:
            return b""
        elif piece == "own" and not hidden:
            piece = "own_by_key"
        if filtered and f"{piece}_filtered" in SQL:
            piece = f"{piece}_filtered"
        template = _piece(piece, kind, sessions)
        if name == "near_again":
            template = queries.compose_partly(template, most=SQL.most_needed)
        return _completed(template, kind, filtered, hidden, code, sessions)

    return queries.fill(template, part)


def _piece(name: str, kind: Kind, sessions: bool) -> bytes:
    """Return what the file says of a kind, with neighbours where they are wanted, or of all."""
    own, beside = f"{kind}_{name}", f"{kind}_{name}_beside"
    if sessions and beside in SQL:
        return bytes(getattr(SQL, f"{kind}_{name}_beside"))
    return bytes(getattr(SQL, own if own in SQL else name))
