"""The features: one column each, zero where their material is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from memgpt.search.ranking.candidates import Candidate, Floats, Indexes, Statistics
from memgpt.search.ranking.dates import Span, days_from
from memgpt.search.ranking.query import Query
from memgpt.search.ranking.words import SoftMatcher, Texts, split

FEATURES = (
    "bm25",  # of the turn, all terms
    "bm25_topic",  # of the turn, without the names of the speakers
    "bm25_before1",  # of the turn before: an answer follows its question
    "bm25_before2",
    "coverage",  # idf-weighted share of the topic's terms in the turn and two turns around it
    "session_bm25",
    "session_coverage",
    "soft",  # the same through word vectors: share of the question's words with something near them
    "soft3",
    "soft5",
    "answers",  # the turn before is a question about this
    "cosine",  # of the turn and, less, its neighbours
    "idf_cosine",  # of the words' vectors, rare words weighing more
    "speaker",  # the one speaker the question names
    "role",  # the one whose words are asked for, where nobody is named
    "date",  # near the date the question names, rather after than before it
    "when",  # the kind of answer asked for, and words of that kind in the turn
    "how_many",
    "who",
    "where",
    "why",
    "opening",  # first turn of its session
    "long",  # beyond what a turn that says something has
    "informative",  # mean rarity, among the candidates, of its five rarest words
    "question",  # is one itself
    "standing",  # a preference or standing instruction, where advice is asked for
)

_DIGITS = {"when": 4, "how_many": 1}  # numbers of at least so many digits tell
_K1, _B = 0.9, 0.3
_AFTER, _BEFORE = 14.0, 4.0  # days in which the weight of a date fades
_TYPICAL_LENGTH = 40.0  # distinct words of a turn that says something
_BRIEF, _FADING = 20.0, 40.0  # distinct words of a turn that lends its words to its neighbours, and in which that fades
_STANDING_LENGTH = 30.0  # distinct words of what is a standing instruction and little else
_RAREST, _TYPICAL_RARITY = 5, 6.0
_OFTEN = 3.0  # times that a session says a word, from which saying it again counts little
_BESIDE = 0.7  # of the cosine of the turn before and after


@dataclass(frozen=True, slots=True)
class Columns:
    """The rows as arrays. `neighbours[k]` holds for each row the index of its neighbour, or -1."""

    rows: Sequence[Candidate]
    alone: bool
    """Whether no row has a neighbour."""
    frequencies: Floats
    session_frequencies: Floats
    lengths: Floats
    cosines: Floats
    speaker_terms: NDArray[np.bool_]
    fading: Floats
    """How much of what a turn says it lends to its neighbours: a long reply speaks of everything."""
    neighbours: dict[int, Indexes]

    @classmethod
    def of(cls, rows: Sequence[Candidate], terms: int, sizes: Floats) -> Columns:
        count, nothing = len(rows), (0,) * terms
        named = [*{id(row.in_name): row.in_name for row in rows if row.in_name}.values()]  # rows of a name share it
        speaker_terms = np.array(named, bool).any(axis=0) if named else np.zeros(terms, bool)
        neighbours = _neighbours(rows)
        return cls(
            rows=rows,
            alone=all((index < 0).all() for index in neighbours.values()),
            frequencies=_matrix([row.frequencies for row in rows], count, terms),
            session_frequencies=_matrix([row.session_frequencies or nothing for row in rows], count, terms),
            lengths=np.array([row.length for row in rows], float),
            cosines=np.array([np.nan if row.cosine is None else row.cosine for row in rows], float),
            speaker_terms=speaker_terms.reshape(terms),
            fading=np.exp((_BRIEF - sizes).clip(max=0.0) / _FADING),
            neighbours=neighbours,
        )

    def shifted(self, values: Floats, distance: int) -> Floats:
        """Return what the turn at `distance` (negative: before) lends to every row; zero where there is none."""
        return np.zeros_like(values) if self.alone else self._lent(values).take(self.neighbours[distance], axis=0)

    def around(self, values: Floats) -> tuple[Floats, Floats]:
        """Return the largest value among the turn and its neighbours, up to one turn and up to two turns away."""
        if self.alone:
            return values, values
        lent = self._lent(values)
        before1, after1, before2, after2 = (lent.take(self.neighbours[n], axis=0) for n in (-1, 1, -2, 2))
        nearest = np.maximum(values, np.maximum(before1, after1))
        return nearest, np.maximum(nearest, np.maximum(before2, after2))

    def _lent(self, values: Floats) -> Floats:
        """Return what every row lends and, last, what a neighbour that is not there does: nothing."""
        lent = np.zeros((len(values) + 1, *values.shape[1:]))
        np.multiply(values.T, self.fading, out=lent[:-1].T)
        return lent


def _matrix(rows: Sequence[Sequence[int]], count: int, terms: int) -> Floats:
    return np.fromiter(chain.from_iterable(rows), float, count * terms).reshape(count, terms)


def _neighbours(rows: Sequence[Candidate]) -> dict[int, Indexes]:
    """Return for each distance the index of each row's neighbour; that of one that is not there is the last."""
    position = {row.id: index for index, row in enumerate(rows)}
    before, after = (
        np.array([*(position.get(id, -1) for id in ids), -1], np.intp)  # type: ignore[arg-type]  # there is no None
        for ids in ([row.before for row in rows], [row.after for row in rows])
    )
    steps = {-1: before, 1: after, -2: before.take(before), 2: after.take(after)}
    return {distance: index[:-1] for distance, index in steps.items()}


def features(
    query: Query, rows: Sequence[Candidate], statistics: Statistics, matcher: SoftMatcher | None = None
) -> Floats:
    """One line per row, one column per name in `FEATURES`, all within about -1..2."""
    texts = Texts.of([row.content for row in rows], matcher.lexicon if matcher else None)
    sizes = texts.sizes.astype(float)
    columns = Columns.of(rows, len(statistics.terms), sizes)
    values = _lexical(columns, statistics)
    values |= _soft(query, columns, texts, matcher, values["bm25"])
    values |= _vector(columns)
    values |= _question(query, columns, texts)
    values["opening"] = np.array([row.session is not None and row.before is None for row in rows], float)
    values["long"] = (np.log1p(sizes) / math.log1p(_TYPICAL_LENGTH) - 1.0).clip(min=0.0)
    values["informative"] = (texts.rarest(_RAREST) / _TYPICAL_RARITY).clip(max=1.0)
    if query.advice:
        values["standing"] = _standing(query, rows) * np.minimum(1.0, _STANDING_LENGTH / sizes.clip(min=1.0))
    nothing = np.zeros(len(rows))
    return np.stack([values.get(name, nothing) for name in FEATURES], axis=1)


def _lexical(columns: Columns, statistics: Statistics) -> dict[str, Floats]:
    frequency = np.array(statistics.document_frequencies, float)
    idf = np.log1p((statistics.total - frequency + 0.5).clip(0) / (frequency + 0.5))
    norm = _K1 * (1 - _B + _B * columns.lengths / max(statistics.mean_length, 1e-9))[:, None]
    weights = idf * columns.frequencies * (_K1 + 1) / np.maximum(columns.frequencies + norm, 1e-9)
    topic = ~columns.speaker_terms
    whole, about = weights.sum(axis=1), weights[:, topic].sum(axis=1)
    best = max(float(about.max(initial=0.0)), 1e-9)
    share = idf[topic] / max(float(idf[topic].sum()), 1e-9)
    present = (columns.frequencies[:, topic] > 0).astype(float)
    in_session = columns.session_frequencies[:, topic]
    session = (idf[topic] * in_session / (in_session + _OFTEN)).sum(axis=1)
    return {
        "bm25": _scaled(whole),
        "bm25_topic": about / best,
        "bm25_before1": columns.shifted(about, -1) / best,
        "bm25_before2": columns.shifted(about, -2) / best,
        "coverage": columns.around(present)[1] @ share,
        "session_bm25": _scaled(session),
        "session_coverage": (in_session > 0) @ share,
    }


def _soft(
    query: Query, columns: Columns, texts: Texts, matcher: SoftMatcher | None, exact: Floats
) -> dict[str, Floats]:
    """Of scripts without blanks what is ``exact`` says how much of the question a text has: of their words, which are
    not told apart, the vectors say nothing."""
    if matcher is None:
        return {}
    if query.unspaced:
        near, weights, cosines = exact[:, None], np.ones(1), np.zeros(len(exact))
    else:
        near, weights, cosines = _near(query, columns, texts, matcher)
    soft, (near3, near5) = near @ weights, columns.around(near)
    question = np.array([row.content.rstrip().endswith(("?", "？", "؟")) for row in columns.rows], float)
    return {
        "soft": soft,
        "soft3": near3 @ weights,
        "soft5": near5 @ weights,
        "answers": columns.shifted(question * soft, -1),
        "question": question,
        "idf_cosine": _spread(cosines),
    }


def _near(query: Query, columns: Columns, texts: Texts, matcher: SoftMatcher) -> tuple[Floats, Floats, Floats]:
    speakers = {word for name in {row.name for row in columns.rows if row.name} for word in split(name)}
    return matcher.match([word for word in query.words if word not in speakers], texts)


def _vector(columns: Columns) -> dict[str, Floats]:
    if np.isnan(columns.cosines).all():
        return {}
    scaled = _spread(columns.cosines)
    window = scaled + _BESIDE * (columns.shifted(scaled, -1) + columns.shifted(scaled, 1))
    return {"cosine": _scaled(window).clip(-1.0, 1.0)}


def _question(query: Query, columns: Columns, texts: Texts) -> dict[str, Floats]:
    rows = columns.rows
    named = _named_speakers(query, rows)
    values: dict[str, Floats] = {}
    if len(named) == 1:
        values["speaker"] = np.array([row.name in named for row in rows], float)
    elif query.role and not named and len({row.role for row in rows}) > 1:
        values["role"] = np.array([row.role == query.role for row in rows], float)
    if query.span is not None:
        values["date"] = np.array([_nearness(query.span, row) for row in rows])
    for kind in query.kinds:
        values[kind] = _cues(query, kind, rows, texts).clip(max=2.0) / 2
    return values


def _standing(query: Query, rows: Sequence[Candidate]) -> Floats:
    cues = query.language.standing
    return np.array([row.of_the_user and cues.search(row.content) is not None for row in rows], float)


def _cues(query: Query, kind: str, rows: Sequence[Candidate], texts: Texts) -> Floats:
    """Count in each row what answers that kind of question: words, numbers, capitalised names."""
    words, digits = query.language.answers.get(kind, frozenset()), _DIGITS.get(kind, 0)
    telling = np.array(
        [word in words or (word.isdigit() and len(word) >= digits > 0) for word in texts.vocabulary], bool
    )
    counted = texts.count_of(telling)
    if pattern := query.language.answer_patterns.get(kind):
        counted += [len(pattern.findall(row.content)) for row in rows]
    return counted


def _nearness(span: Span, row: Candidate) -> float:
    if row.created_at is None:
        return 0.0
    days = days_from(span, row.created_at.date())
    return math.exp(-days / _AFTER) if days >= 0 else math.exp(days / _BEFORE)


def _named_speakers(query: Query, rows: Sequence[Candidate]) -> set[str]:
    """Names of speakers of whom the question mentions a part ("Caroline" for "Caroline Smith")."""
    asked = set(query.words)
    names = {row.name for row in rows if row.name}
    return {name for name in names if asked.intersection(split(name))} if len(names) > 1 else set()


def _spread(cosines: Floats) -> Floats:
    """Return cosines from their middle (0) to the best of them (1), whatever a model's habits; 0 for absent ones."""
    present = ~np.isnan(cosines)
    values = np.sort(cosines[present])
    middle, best = float(values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2, float(values[-1])
    return ((np.where(present, cosines, middle) - middle) / max(best - middle, 1e-9)).clip(-1.0, 1.0)


def _scaled(values: Floats) -> Floats:
    return values / max(float(values.max(initial=0.0)), 1e-9)
