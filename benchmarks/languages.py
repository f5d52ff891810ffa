"""What do the ranking's files of data add in languages other than English? XQuAD, one memory for each language.

    XQUAD=xquad python -m benchmarks.languages

The candidates are those of the search, the weights those that ship. Left out are the kinds of answer (``when``,
``how_many``, …) of the language's own file. XQuAD has neither dates of turns nor standing
instructions nor people who speak: of those there are the tests of each pattern alone
(``tests/unit/test_ranking_languages.py``), in the languages without data too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from benchmarks import fixtures, xquad
from benchmarks.learn_ranking import MATCHER
from memgpt import Memory
from memgpt.config import OFFLINE_MODEL
from memgpt.memory import scope_of
from memgpt.models import KINDS
from memgpt.search import Search
from memgpt.search.ranking import FEATURES, analyse, packaged_model
from memgpt.search.ranking.features import features
from memgpt.search.ranking.words import unspaced

ASKED = ("when", "how_many", "who", "where", "why")


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    path = Path(os.environ.get("XQUAD", "xquad"))
    if not path.is_dir():
        sys.exit(xquad.ABSENT.format(path=path))
    print("language | questions | hit@1 as it ships | without the kinds of answer")
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "languages", model=OFFLINE_MODEL, dimensions=256)
        for language, paragraphs in xquad.load(path).items():
            questions = paragraphs.questions[:: 20 if options.tiny else 1]
            with Memory(language, dsn=dsn) as memory:
                kept = memory.remember_many({"text": text} for text in paragraphs.texts)
                places = {row.id * len(KINDS) + KINDS.index("archival"): n for n, row in enumerate(kept)}
                search = Search(scope_of(memory))
                whole = [_hit(search, places, *question, without=()) for question in questions]
                bare = [_hit(search, places, *question, without=ASKED) for question in questions]
            print(f"{language} | {len(questions)} | {_share(whole)} | {_share(bare)}", flush=True)


def _hit(search: Search, places: dict[int, int], text: str, right: int, *, without: tuple[str, ...]) -> bool:
    material = search.material(text, ["archival"])
    if material is None:
        return False
    rows, statistics = material
    if unspaced(text):
        for row in rows:
            row.cosine = None
    weights = np.array([0.0 if name in without else packaged_model().weights[name] for name in FEATURES])
    scores = features(analyse(text), rows, statistics, MATCHER) @ weights
    best = max((n for n, row in enumerate(rows) if row.candidate), key=lambda n: (scores[n], -rows[n].id))
    return places[rows[best].id] == right


def _share(hits: list[bool]) -> str:
    return f"{100 * sum(hits) / len(hits):.1f}"


if __name__ == "__main__":
    main()
