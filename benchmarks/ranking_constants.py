"""What other constants of the ranking's features would do: each one alone, the others as they are.

    LOCOMO=locomo10.json BEAM=beam.json python -m benchmarks.ranking_constants [--only _FADING _BESIDE]

For each value the features are computed anew, and the weights learned anew with one conversation or chat left out, as
``learn_ranking`` does: what is printed is the recall on those left out. A value that
is better by less than the noise (about 0.5 points) is not taken.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

from benchmarks import chats, fixtures, learn_ranking, locomo
from benchmarks.learn_ranking import Material, all_material, figures, held_out
from memgpt.config import OFFLINE_MODEL
from memgpt.search.ranking import features, words

VALUES: dict[str, tuple[ModuleType, tuple[float, ...]]] = {
    "_BRIEF": (features, (10.0, 30.0)),
    "_FADING": (features, (20.0, 80.0, 1e9)),  # the last: long turns lend as much as short ones
    "_TYPICAL_LENGTH": (features, (20.0, 80.0)),
    "_STANDING_LENGTH": (features, (15.0, 60.0)),
    "_RAREST": (features, (3, 8)),
    "_TYPICAL_RARITY": (features, (4.0, 8.0)),
    "_AFTER": (features, (7.0, 28.0)),
    "_BEFORE": (features, (2.0, 8.0)),
    "_OFTEN": (features, (1.0, 6.0)),
    "_BESIDE": (features, (0.0, 0.4, 1.0)),
    "_UNRELATED": (words, (0.0, 0.24)),
    "_SILENT": (words, (3.0, 7.0)),
    "_WEIGHTY": (words, (9.0, 15.0)),
    "PENALTY": (learn_ranking, (0.3, 3.0)),
    "CHATS_WEIGH": (learn_ranking, (1.0, 4.0)),
    "SEVERAL": (learn_ranking, (0.0, 0.6)),
    "SINGLE": (learn_ranking, (0.0, -0.3)),
}
"""Beside what ships. ``_K1`` and ``_B`` are BM25's for short texts, as published."""


def main() -> None:
    parser = fixtures.arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=learn_ranking.DATA)
    parser.add_argument("--chats", type=Path, default=learn_ranking.CHATS, help="chats with long replies")
    parser.add_argument("--only", nargs="+", choices=[*VALUES], help="these constants alone")
    options = parser.parse_args()
    conversations = locomo.load(options.data)
    if not options.chats.is_file():
        sys.exit(chats.ABSENT.format(path=options.chats))
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "constants", model=OFFLINE_MODEL, dimensions=256)
        material = all_material(dsn, conversations, options.chats)
    print("constant | value | recall@5 / @10 of " + ", of ".join(learn_ranking.KINDS_ASKED))
    print(f"what ships | | {_measured(material)}", flush=True)
    for name in options.only or VALUES:
        module, values = VALUES[name]
        ships = getattr(module, name)
        for value in values:
            setattr(module, name, value)
            print(f"{name} ({ships}) | {value} | {_measured(material)}", flush=True)
        setattr(module, name, ships)


def _measured(material: list[list[Material]]) -> str:
    units = [[one.example() for one in unit] for unit in material]
    found = figures(held_out(units, learn_ranking.PENALTY))
    return ", ".join(f"{five:.1f} / {ten:.1f}" for five, ten, _ in found.values())


if __name__ == "__main__":
    main()
