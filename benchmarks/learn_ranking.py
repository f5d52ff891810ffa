"""Learn the weights of the ranking from conversations with questions whose evidence is known: of two people (LoCoMo)
and of a user with an assistant who replies at length (``benchmarks.chats``).

Candidates are those of the real search statement, through the public API. The loss is a softmax over each question's
candidates (listwise), with an L2 penalty; every weight but those of long texts and of questions must not be negative,
so that no feature can be used against its meaning. What is printed leaves one conversation out. With ``--write`` the
weights go to ``memgpt/search/ranking/weights.json``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import chats, fixtures, locomo
from memgpt import Memory, embeddings
from memgpt.config import OFFLINE_MODEL, Settings
from memgpt.database.connection import Database
from memgpt.embeddings.static import StaticWords
from memgpt.models import KINDS, Author
from memgpt.scope.scope import AgentScope
from memgpt.search import Search
from memgpt.search.ranking import FEATURES, Candidate, Model, SoftMatcher, Statistics, analyse
from memgpt.search.ranking.features import features
from memgpt.search.ranking.model import pick

WEIGHTS = Path(__file__).parents[1] / "memgpt" / "search" / "ranking" / "weights.json"
DATA = Path(os.environ.get("LOCOMO", "locomo10.json"))
CHATS = Path(os.environ.get("BEAM", "beam.json"))
FREE = {"long", "question"}
"""Features whose weight may be negative."""
PENALTY = 1.0
CHATS_WEIGH = 2.0
"""What a question about a chat counts: there are fewer of them, and LoCoMo's count twice, with captions and without."""
SEVERAL, SINGLE = 0.3, -0.1
MATCHER = SoftMatcher(StaticWords())


@dataclass(frozen=True)
class Material:
    """One question with its candidates as the search statement brings them."""

    category: int
    text: str
    rows: list[Candidate]
    statistics: Statistics
    evidence: frozenset[int]
    kind: str

    def example(self) -> Example:
        """Return it with features. An adversarial one names the wrong speaker: nothing is learned from names."""
        query = analyse(self.text)
        matrix = features(query, self.rows, self.statistics, MATCHER)
        if self.category == locomo.ADVERSARIAL:
            matrix[:, FEATURES.index("speaker")] = 0.0
            matrix[:, FEATURES.index("bm25")] = matrix[:, FEATURES.index("bm25_topic")]
        return Example(self.category, query.several, self.rows, matrix, self.evidence, self.kind)


@dataclass(frozen=True)
class Example:
    """One question with its candidates as features; ``evidence`` are the ids of messages, found or not."""

    category: int
    several: bool
    rows: list[Candidate]
    matrix: NDArray[np.float64]
    evidence: frozenset[int]
    kind: str = ""
    """Of a question about a chat: ``fact`` or ``preference``."""

    @property
    def weight(self) -> float:
        return CHATS_WEIGH if self.kind else 1.0

    @property
    def eligible(self) -> NDArray[np.intp]:
        return np.array([n for n, row in enumerate(self.rows) if row.candidate], np.intp)

    def order(self, model: Model, depth: int = 50) -> list[int]:
        """Ids of the messages, best first."""
        crowding = model.several if self.several else model.single
        return [self.rows[n].id for n, _ in pick(self.rows, self.matrix @ model.vector(), depth, crowding)]


def remember(dsn: str, agent: str, conversation: locomo.Conversation, **form: object) -> dict[str, int]:
    """Keep a conversation through the public API; the ids of its turns as the ranking knows them."""
    with Memory(agent, dsn=dsn) as memory:
        kept = memory.messages.append_many(conversation.messages(**form))  # type: ignore[arg-type]
    place = KINDS.index("message")
    return {message.metadata["dia_id"]: message.id * len(KINDS) + place for message in kept}


def examples(dsn: str, agent: str, conversation: locomo.Conversation, ids: dict[str, int]) -> list[Example]:
    """Every question that has evidence."""
    return [material.example() for material in talk_material(dsn, agent, conversation, ids)]


def talk_material(dsn: str, agent: str, conversation: locomo.Conversation, ids: dict[str, int]) -> list[Material]:
    """Every question that has evidence."""
    return _material(dsn, agent, [(q.category, q.text, q.evidence, "") for q in conversation.questions], ids)


def chat_material(dsn: str, chat: chats.Chat) -> list[Material]:
    """Every question about a chat, which is stored for it."""
    with Memory(chat.name, dsn=dsn) as memory:
        messages = memory.messages.append_many(chat.messages)
    ids = {message.metadata["turn"]: message.id * len(KINDS) + KINDS.index("message") for message in messages}
    return _material(dsn, chat.name, [(0, q.text, q.evidence, q.kind) for q in chat.questions], ids)


def all_material(dsn: str, conversations: Sequence[locomo.Conversation], beam: Path) -> list[list[Material]]:
    """What is left out together: each conversation in both its forms, and each chat."""
    units: list[list[Material]] = []
    for conversation in conversations:
        units.append([])
        for captions in (False, True):
            agent = f"{conversation.name} {captions}"
            ids = remember(dsn, agent, conversation, captions=captions)
            units[-1] += talk_material(dsn, agent, conversation, ids)
    return units + [chat_material(dsn, chat) for chat in chats.load(beam)]


def _material(
    dsn: str, agent: str, asked: Sequence[tuple[int, str, frozenset[str], str]], ids: dict[str, int]
) -> list[Material]:
    options = Settings()
    database = Database(dsn, options=options)
    search = Search(AgentScope(database, Author(agent, "benchmark"), embeddings.from_settings(options), options))
    found = []
    for category, text, turns, kind in asked:
        material = search.material(text, ["message"])
        if material is None:
            continue
        rows, statistics = material
        found.append(Material(category, text, rows, statistics, frozenset(ids[turn] for turn in turns), kind))
    database.close()
    return found


def learn(given: Sequence[Example], *, penalty: float = PENALTY, only: Sequence[str] = FEATURES) -> Model:
    """Weights that make the evidence likely among its candidates; a weight that would be negative is zero."""
    lists = []
    for example in given:
        eligible = example.eligible
        gold = np.array([example.rows[n].id in example.evidence for n in eligible])
        if gold.any():
            lists.append((example.matrix[eligible], gold / gold.sum(), example.weight))
    columns = [n for n, name in enumerate(FEATURES) if name in only]
    while True:
        found = _fit([(matrix[:, columns], gold, weight) for matrix, gold, weight in lists], penalty)
        negative = {c for c, w in zip(columns, found, strict=True) if w < 0 and FEATURES[c] not in FREE}
        if not negative:
            break
        columns = [c for c in columns if c not in negative]
    weights = dict.fromkeys(FEATURES, 0.0)
    weights |= {FEATURES[c]: round(float(w), 3) for c, w in zip(columns, found, strict=True)}
    return Model(weights, several=SEVERAL, single=SINGLE)


def _fit(
    lists: Sequence[tuple[NDArray[np.float64], NDArray[np.float64], float]], penalty: float
) -> NDArray[np.float64]:
    """Newton's method: the loss is convex and there are two dozen weights."""
    size = lists[0][0].shape[1]
    weights = np.zeros(size)
    for _ in range(30):
        slope, curve = penalty * weights, penalty * np.eye(size)
        for matrix, gold, weight in lists:
            scores = matrix @ weights
            share = np.exp(scores - scores.max())
            share /= share.sum()
            mean = share @ matrix
            slope += weight * (mean - gold @ matrix)
            curve += weight * ((matrix * share[:, None]).T @ matrix - np.outer(mean, mean))
        step = np.linalg.solve(curve, slope)
        weights -= step * min(1.0, 2.0 / max(float(np.linalg.norm(step)), 1e-9))
        if np.abs(step).max() < 1e-5:
            break
    return weights


def recall(example: Example, order: Sequence[int], depth: int) -> float:
    return len(example.evidence.intersection(order[:depth])) / len(example.evidence)


def leave_one_out(
    data: Sequence[Sequence[Example]], evaluated: Sequence[Sequence[Example]], only: Sequence[str] = FEATURES
) -> list[tuple[Example, list[int]]]:
    """Each conversation ordered by weights learned on the others (``data`` and ``evaluated`` in the same order)."""
    found = []
    for held_out, questions in enumerate(evaluated):
        rest = [e for n, one in enumerate(data) if n % len(evaluated) != held_out for e in one]
        model = learn(rest, penalty=PENALTY * len(data) / len(evaluated), only=only)
        found += [(e, e.order(model)) for e in questions if e.category in locomo.CATEGORIES]
    return found


def held_out(units: Sequence[Sequence[Example]], penalty: float) -> list[tuple[Example, list[int]]]:
    """Each unit (a conversation in all its forms, or a chat) ordered by weights learned on the others."""
    found = []
    for number, unit in enumerate(units):
        model = learn([e for n, one in enumerate(units) if n != number for e in one], penalty=penalty)
        found += [(e, e.order(model)) for e in unit if e.kind or e.category in locomo.CATEGORIES]
    return found


KINDS_ASKED = {"two people": "", "chats, facts": "fact", "chats, preferences": "preference"}


def figures(found: Sequence[tuple[Example, list[int]]]) -> dict[str, tuple[float, float, int]]:
    """Recall@5 and @10 of each kind of question, and how many there are."""
    table = {}
    for title, kind in KINDS_ASKED.items():
        part = [(e, order) for e, order in found if e.kind == kind]
        if part:
            five, ten = (100 * float(np.mean([recall(e, order, depth) for e, order in part])) for depth in (5, 10))
            table[title] = (five, ten, len(part))
    return table


def main() -> None:
    parser = fixtures.arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--chats", type=Path, default=CHATS, help="chats with long replies")
    parser.add_argument("--write", action="store_true", help="write the weights into the package")
    options = parser.parse_args()
    conversations = locomo.load(options.data)
    if not options.chats.is_file():
        sys.exit(chats.ABSENT.format(path=options.chats))
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "learn", model=OFFLINE_MODEL, dimensions=256)
        material = all_material(dsn, conversations, options.chats)
    units = [[one.example() for one in unit] for unit in material]
    for title, (five, ten, count) in figures(held_out(units, PENALTY)).items():
        print(f"one left out, {title}: recall@5 {five:.1f}, recall@10 {ten:.1f} ({count} questions)")
    model = learn([e for unit in units for e in unit])
    source = (
        f"learned by benchmarks/learn_ranking.py on {len(conversations)} conversations of LoCoMo and "
        f"{len(units) - len(conversations)} chats of BEAM"
    )
    data = {"source": source, "weights": model.weights, "several": model.several, "single": model.single}
    text = json.dumps(data, indent=2) + "\n"
    print(text)
    if options.write:
        WEIGHTS.write_text(text)


if __name__ == "__main__":
    main()
