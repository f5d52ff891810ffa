"""Which words of a query may be mistyped: how small its pieces are, and how short a word may be?

Pieces are those of the offline model's vocabulary. Looked up, a word costs some milliseconds, and one that is right may
be changed; not looked up, a mistyped one finds less. Numbers of ``memgpt/search/ranking/spelling.py`` are from here.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from unittest.mock import patch

from benchmarks import fixtures, locomo, wording
from benchmarks.quality import WORDS, Asked, Outcomes, _ask, _joined, _recall, _ways
from memgpt import Memory
from memgpt.config import OFFLINE_MODEL
from memgpt.embeddings.static import StaticWords
from memgpt.search.ranking import spelling

PIECES = (2.0, 3.5, 4.0, 4.5, 5.0, 100.0)
SHORTEST = (4, 5, 6)
WAYS = (WORDS[0], WORDS[-1])
_WORD = re.compile(r"[a-z]{5,}")


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    conversations = locomo.load(Path(os.environ.get("LOCOMO", "locomo10.json")))
    questions = [q.text for one in conversations for q in one.questions]
    right = {word for text in _texts(conversations, questions) for word in _WORD.findall(text.lower())}
    typed = {word for n, q in enumerate(questions) for word in _WORD.findall(wording.mistyped(q, n).lower())} - right
    result = fixtures.Result("misspelling", "Which words of a query may be mistyped?")
    table = result.table("Words that are looked up, in %", "letters of a piece", "right words", "mistyped words")
    for piece in PIECES:
        table.rows.append([piece, *(f"{_looked_up(words, piece):.1f}" for words in (right, typed))])
    recalls = result.table("Recall @5 / @10, in %", "letters of a word", *WAYS)
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "misspelling", model=OFFLINE_MODEL, dimensions=256)
        for conversation in conversations:
            with Memory(conversation.name, dsn=dsn) as memory:
                memory.messages.append_many(conversation.messages())
        for shortest in SHORTEST:
            found = _found(conversations, dsn, shortest, every=20 if options.tiny else 1)
            recalls.rows.append([shortest, *(_joined(_recall(found[way], depth) for depth in (5, 10)) for way in WAYS)])
    result.ratios.append(f"{len(right)} right and {len(typed)} mistyped words")
    result.publish(keep=False)


def _texts(conversations: list[locomo.Conversation], questions: list[str]) -> list[str]:
    return [turn.text for conversation in conversations for turn in conversation.turns] + questions


def _looked_up(words: set[str], piece: float) -> float:
    ordered = sorted(words)
    cut = zip(ordered, StaticWords().pieces(ordered), strict=True)
    return 100 * sum(len(word) < piece * len(pieces) for word, pieces in cut) / max(1, len(words))


def _found(conversations: list[locomo.Conversation], dsn: str, shortest: int, every: int) -> dict[str, Outcomes]:
    outcomes: dict[str, Outcomes] = {way: [] for way in WAYS}
    number = 0
    with patch.object(spelling, "SHORTEST", shortest):
        for conversation in conversations:
            asked = [q for q in conversation.questions if q.category in locomo.CATEGORIES][::every]
            ways = _ways([Asked(q.text, q.evidence) for q in asked], number)
            number += len(asked)
            with Memory(conversation.name, dsn=dsn) as memory:
                for way, found in outcomes.items():
                    found += _ask(memory, ways[way], "message", "dia_id")
    return outcomes


if __name__ == "__main__":
    main()
