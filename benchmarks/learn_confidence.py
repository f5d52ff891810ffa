"""Learn how likely the best hit of a search answers the question, from questions with and without an answer.

Of each LoCoMo conversation: its own questions of categories 1 to 4 have an answer; adversarial ones (category 5) name
the wrong speaker; those of the other conversations, with the names of this one's speakers, ask for what nobody said. A
half of the weight is on the first, a quarter on each of the others. The order of the hits is that of the packaged
ranking. With ``--write`` the calibration goes to ``memgpt/search/ranking/confidence.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import fixtures, learn_ranking, locomo
from memgpt.config import OFFLINE_MODEL
from memgpt.search.ranking import FEATURES, packaged_model
from memgpt.search.ranking.model import ABSOLUTE, Calibration

CALIBRATION = Path(__file__).parents[1] / "memgpt" / "search" / "ranking" / "confidence.json"
PENALTY = 1.0
MISSED = 0.1
"""Share of the questions with an answer whose best hit may be called weak."""

ANSWERED, WRONG_SPEAKER, UNKNOWN = "answered", "wrong speaker", "unknown"
SHARES = {ANSWERED: 0.5, WRONG_SPEAKER: 0.25, UNKNOWN: 0.25}

Matrix = NDArray[np.float64]


Best = dict[str, Matrix]
"""The features of the best hit of each question of a conversation, by whether it has an answer."""


def questions(conversation: locomo.Conversation, others: Sequence[locomo.Conversation]) -> dict[str, list[str]]:
    """Texts to ask about a conversation, by whether it has an answer."""
    own = sorted({turn.speaker for turn in conversation.turns})
    unknown = []
    for other in others:
        names = dict(zip(sorted({turn.speaker for turn in other.turns}), own, strict=True))
        pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
        unknown += [
            pattern.sub(lambda found, names=names: names[found[0]], question.text)  # type: ignore[misc]
            for question in other.questions
            if question.category in locomo.CATEGORIES
        ]
    return {
        ANSWERED: [q.text for q in conversation.questions if q.category in locomo.CATEGORIES],
        WRONG_SPEAKER: [q.text for q in conversation.questions if q.category == locomo.ADVERSARIAL],
        UNKNOWN: unknown,
    }


def ask(dsn: str, conversation: locomo.Conversation, others: Sequence[locomo.Conversation]) -> Best:
    """Search a conversation for each question, and keep the features of the best hit."""
    ids = learn_ranking.remember(dsn, conversation.name, conversation)
    model, best = packaged_model(), Best()
    for label, texts in questions(conversation, others).items():
        asked = [locomo.Question(text, 0, frozenset()) for text in texts]
        examples = learn_ranking.examples(dsn, conversation.name, replace(conversation, questions=asked), ids)
        places = [{row.id: n for n, row in enumerate(e.rows)}[e.order(model, 1)[0]] for e in examples]
        best[label] = np.array([e.matrix[n] for e, n in zip(examples, places, strict=True)])
    return best


def learn(data: Sequence[Best]) -> Calibration:
    """Fit the logistic model by Newton's method, and set what is weak by the share of answered questions below it."""
    parts = {label: np.concatenate([one[label] for one in data]) for label in SHARES}
    columns = [FEATURES.index(name) for name in ABSOLUTE]
    matrix = np.concatenate([part[:, columns] for part in parts.values()])
    matrix = np.hstack([matrix, np.ones((len(matrix), 1))])
    answered = np.concatenate([np.full(len(part), label == ANSWERED, float) for label, part in parts.items()])
    weight = np.concatenate([np.full(len(part), SHARES[label] / len(part)) for label, part in parts.items()])
    weight *= len(matrix)
    penalty = PENALTY * np.diag([*[1.0] * len(columns), 1e-6])
    values = np.zeros(matrix.shape[1])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-matrix @ values))
        slope = matrix.T @ (weight * (chance - answered)) + penalty @ values
        curve = (matrix * (weight * chance * (1 - chance))[:, None]).T @ matrix + penalty
        values -= np.linalg.solve(curve, slope)
    *weights, bias = (round(float(value), 3) for value in values)
    found = Calibration(dict(zip(ABSOLUTE, weights, strict=True)), bias, weak=0.0)
    return replace(found, weak=round(float(np.quantile(found.of(parts[ANSWERED]), MISSED)), 2))


def area(answered: Matrix, others: Matrix) -> float:
    """The chance that a question with an answer has more confidence than one without (AUC)."""
    return float(np.mean((answered[:, None] > others) + 0.5 * (answered[:, None] == others)))


def report(data: Sequence[Best]) -> list[str]:
    """Lines on how well the calibration learned from the other conversations tells questions apart."""
    confidence: dict[str, list[Matrix]] = {label: [] for label in SHARES}
    weak: dict[str, list[Matrix]] = {label: [] for label in SHARES}
    for held_out, one in enumerate(data):
        calibration = learn([other for n, other in enumerate(data) if n != held_out])
        for label, best in one.items():
            confidence[label].append(calibration.of(best))
            weak[label].append(calibration.of(best) < calibration.weak)
    joined = {label: np.concatenate(parts) for label, parts in confidence.items()}
    lines = [
        f"{label}: {len(joined[label])} questions, {np.mean(np.concatenate(weak[label])):.0%} weak"
        + ("" if label == ANSWERED else f", AUC {area(joined[ANSWERED], joined[label]):.2f}")
        for label in SHARES
    ]
    everything = np.concatenate([joined[WRONG_SPEAKER], joined[UNKNOWN]])
    return [*lines, f"both: AUC {area(joined[ANSWERED], everything):.2f}"]


def main() -> None:
    parser = fixtures.arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=learn_ranking.DATA)
    parser.add_argument("--write", action="store_true", help="write the calibration into the package")
    options = parser.parse_args()
    conversations = locomo.load(options.data)
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "confidence", model=OFFLINE_MODEL, dimensions=256)
        data = [ask(dsn, one, [other for other in conversations if other is not one]) for one in conversations]
    print("leave one conversation out:", *report(data), sep="\n")
    source = f"learned by benchmarks/learn_confidence.py on {len(conversations)} conversations of LoCoMo"
    text = json.dumps(asdict(replace(learn(data), source=source)), indent=2) + "\n"
    print(text)
    if options.write:
        CALIBRATION.write_text(text)


if __name__ == "__main__":
    main()
