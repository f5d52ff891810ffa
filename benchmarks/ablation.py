"""What does each part of the ranking add, and what does it cost over plain hybrid search?

Retrieval only: the share of a question's evidence turns among the first k (LoCoMo, categories 1 to 4). Conversations go
in through ``messages.append_many``. What is learned (the ranking's weights) is learned on the other conversations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from pgvector import Vector

from benchmarks import fixtures, learn_ranking, locomo
from benchmarks.learn_ranking import Example, examples, leave_one_out, recall, remember
from memgpt import Memory
from memgpt.config import OFFLINE_MODEL
from memgpt.database import queries
from memgpt.database.connection import Database
from memgpt.embeddings.static import StaticModel
from memgpt.search.paging import candidates
from memgpt.search.ranking import FEATURES

SQL = queries.beside("benchmarks.ablation")
FORMS = {
    "text, speaker as name": {},
    "text and photo captions": {"captions": True},
    'speaker as "Name: " prefix': {"names": "prefix"},
    "speaker in the metadata": {"names": "metadata"},
    "speakers unknown": {"names": "none"},
}
_WORDS = ("bm25",)
_CONTEXT = (
    *("bm25", "bm25_topic", "bm25_before1", "bm25_before2", "coverage", "session_bm25", "session_coverage"),
    *("opening", "long", "informative", "question"),
)
_QUESTION = ("speaker", "role", "date", "when", "how_many", "who", "where", "why")
STEPS = {
    "BM25 with the agent's own statistics": _WORDS,
    "+ turns before and around, session": _CONTEXT,
    "+ speaker, date, kind of answer": (*_CONTEXT, *_QUESTION),
    "+ vectors of turn and neighbours": (*_CONTEXT, *_QUESTION, "cosine"),
    "+ soft word matching (all)": FEATURES,
}
Ordered = list[tuple[Example, list[int]]]


def main() -> None:
    parser = fixtures.arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=learn_ranking.DATA, help="locomo10.json or a part of it")
    options = parser.parse_args()
    conversations = locomo.load(options.data)
    if len(conversations) < 2:
        parser.error("leave-one-conversation-out needs at least two conversations")
    result = fixtures.Result("ablation", "What does each part of the ranking add, and what does it cost?")
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "ablation", model=OFFLINE_MODEL, dimensions=256)
        _quality(dsn, conversations, result)
        _latency(dsn, conversations, result, rounds=20 if options.tiny else 200 if options.full else 80)
    result.publish(keep=not options.tiny)


def _quality(dsn: str, conversations: Sequence[locomo.Conversation], result: fixtures.Result) -> None:
    data: dict[str, list[list[Example]]] = {}
    for form, how in FORMS.items():
        ids = {c.name: remember(dsn, f"{c.name} {form}", c, **how) for c in conversations}
        data[form] = [examples(dsn, f"{c.name} {form}", c, ids[c.name]) for c in conversations]
    first, second, *_ = FORMS
    learned_on = data[first] + data[second]
    plain = data[first]

    forms = result.table("Leave one conversation out, evidence recall in %", "given as", *_HEADER)
    ordered = {form: leave_one_out(learned_on, data[form]) for form in FORMS}
    forms.rows += [[form, *_scores(found)] for form, found in ordered.items()]

    per_category = result.table("The first of them by category", "category", *_HEADER)
    per_category.rows += [
        [name, *_scores([(e, o) for e, o in ordered[first] if e.category == number])]
        for number, name in locomo.CATEGORIES.items()
        if any(e.category == number for e, _ in ordered[first])
    ]
    steps: dict[str, Ordered] = {
        "vectors only": _by(plain, _cosines),
        "full text only (BM25)": _by(plain, lambda e: e.matrix[:, FEATURES.index("bm25")]),
        "both, reciprocal rank fusion": _by(plain, _reciprocal_ranks),
        "both, equal weights": _by(plain, lambda e: e.matrix[:, FEATURES.index("bm25")] + _scaled(_cosines(e))),
    }
    steps |= {step: leave_one_out(learned_on, plain, only) for step, only in list(STEPS.items())[1:]}
    ablation = result.table("What each part adds", "ranking", *_HEADER)
    ablation.rows += [[step, *_scores(found)] for step, found in steps.items()]
    left_out = result.table("What is lost without one feature", "without", *_HEADER)
    for name in FEATURES:
        found = leave_one_out(learned_on, plain, [feature for feature in FEATURES if feature != name])
        left_out.rows.append([name, *_scores(found)])

    five, ten = (_recall(ordered[first], depth) for depth in (5, 10))
    plainest = max(_recall(found, 10) for found in list(steps.values())[:4])
    low, high = _interval(ordered[first], 10)
    result.charts.append(
        fixtures.Chart(
            "LoCoMo: evidence recall (%), leave one conversation out",
            list(steps),
            {f"recall@{k}": [_recall(found, k) for found in steps.values()] for k in (5, 10)},
        )
    )
    result.numbers |= {"recall_at_5": five, "recall_at_10": ten, "questions": len(ordered[first])}
    result.remarks.append(
        f"{len(conversations)} conversations, {len(ordered[first])} questions of categories 1 to 4; recall@10 lies "
        f"within {low:.1f} to {high:.1f} (95%, by drawing questions). Retrieval, not answers: no language "
        "model takes part. Rankings above the learned ones order the same candidates. "
        "The set of features was chosen while looking at "
        "three conversations of LoCoMo, so numbers on those are on the high side for that choice."
    )
    result.ratios += [
        f"evidence recall@10 {ten:.1f}% and recall@5 {five:.1f}% with weights learned on other conversations, "
        f"{ten / plainest:.2f} times the best plain ranking"
    ]


_HEADER = ("questions", "recall@5", "recall@10", "MRR", "session recall@10")


def _scores(found: Ordered) -> list[object]:
    first = [next((1 / (n + 1) for n, id in enumerate(order) if id in e.evidence), 0.0) for e, order in found]
    sessions = [_session_recall(e, order) for e, order in found]
    values = (_recall(found, 5), _recall(found, 10), 100 * float(np.mean(first)), 100 * float(np.mean(sessions)))
    return [len(found), *(f"{value:.1f}" for value in values)]


def _recall(found: Ordered, depth: int) -> float:
    return 100 * float(np.mean([recall(e, order, depth) for e, order in found]))


def _interval(found: Ordered, depth: int) -> tuple[float, float]:
    values = np.array([recall(e, order, depth) for e, order in found])
    draws = np.random.default_rng(1).integers(0, len(values), (2000, len(values)))
    low, high = np.quantile(100 * values[draws].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def _session_recall(example: Example, order: Sequence[int]) -> float:
    """Share of the evidence's sessions among those of the first ten turns; evidence that is no candidate is lost."""
    session = {row.id: row.session for row in example.rows}
    wanted = {session.get(id, f"unseen {id}") for id in example.evidence}
    return len(wanted & {session[id] for id in order[:10]}) / len(wanted)


def _by(data: Iterable[Iterable[Example]], score: Callable[[Example], object]) -> Ordered:
    found: Ordered = []
    for example in (e for one in data for e in one if e.category in locomo.CATEGORIES):
        scores, eligible = np.asarray(score(example), float), example.eligible
        places = eligible[np.argsort(-scores[eligible], kind="stable")]
        found.append((example, [example.rows[n].id for n in places]))
    return found


def _cosines(example: Example) -> object:
    return np.array([-1.0 if row.cosine is None else row.cosine for row in example.rows])


def _scaled(values: object) -> object:
    numbers = np.asarray(values, float)
    return numbers / max(float(numbers.max()), 1e-9)


def _reciprocal_ranks(example: Example) -> object:
    total = np.zeros(len(example.rows))
    for scores in (example.matrix[:, FEATURES.index("bm25")], np.asarray(_cosines(example))):
        total += 1 / (61 + np.argsort(np.argsort(-scores, kind="stable")))
    return total


def _latency(dsn: str, conversations: Sequence[locomo.Conversation], result: fixtures.Result, rounds: int) -> None:
    """The whole search against plain hybrid search in one statement, for an agent of 5,000 messages."""
    questions = [q.text for c in conversations for q in c.questions]
    rng = np.random.default_rng(1)
    rng.shuffle(questions)
    with Memory("five thousand", dsn=dsn) as memory:
        count = 0
        while count < 5000:
            for conversation in conversations:
                messages = conversation.messages(captions=True)
                for message in messages:  # the second time around, the same words in another order
                    words = message["content"].split()
                    if count >= len(messages):
                        rng.shuffle(words)
                    message |= {"content": " ".join(words), "session": f"{count} {message['session']}"}
                memory.messages.append_many(messages[: 5000 - count])
                count += len(messages)
        plain = Plain(dsn, memory.agent, count)
        taken = fixtures.in_turns(
            {
                "search": lambda n: memory.search(questions[n % len(questions)], kinds=["message"]),
                "plain": lambda n: plain.search(questions[n % len(questions)]),
            },
            rounds,
            warm_up=30,
        )
        plain.close()
    cost = fixtures.ratio(taken["search"], taken["plain"])
    table = result.table("Latency at an agent of 5,000 messages (ms, embedding included)", "search", "p50", "p95")
    table.rows += [
        ["memory.search", *fixtures.milliseconds(taken["search"])],
        ["plain hybrid statement (bits + ts_rank_cd + RRF)", *fixtures.milliseconds(taken["plain"])],
    ]
    result.numbers["latency_ratio"] = cost.value
    result.ratios.append(f"at 5,000 messages the whole search takes {cost} times the plain hybrid statement")


class Plain:
    """Hybrid search as one statement orders it, on a bare connection."""

    def __init__(self, dsn: str, agent: str, rows: int) -> None:
        self._database = Database(dsn)
        self._model = StaticModel()
        self._given = {"agent_id": agent, "candidates": candidates(rows, 256, 30), "language": "english", "limit": 10}
        with self._database.connection() as connection:
            connection.execute("VACUUM ANALYZE conversations")

    def search(self, query: str) -> object:
        vector = Vector(self._model.embed([query])[0])
        with self._database.connection() as connection:
            given = self._given | {"embedding": vector, "words": query}
            return connection.execute(SQL.fused, given, binary=True).fetchall()

    def close(self) -> None:
        self._database.close()


if __name__ == "__main__":
    main()
