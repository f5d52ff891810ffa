"""Learn which pieces of words tell the languages of a script apart, and say how often they are wrong.

``--data`` is a directory with a file of sentences for each language, one a line: ``sentences/xx.txt`` in the test data
of lingua-go (github.com/pemistahl/lingua-go, cmd/language-testdata), from the Leipzig Corpora Collection (CC BY 4.0).
The first 300 sentences of each are held back and measured, at several lengths. With ``--write`` the table goes to
``memgpt/database/languages.tsv``.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from memgpt.database import languages
from memgpt.database.languages import CONFIGURATIONS, PLAIN, STEP, ZERO

TABLE = Path(languages.__file__).with_suffix(".tsv")
HELD_BACK = 300
OF_SCRIPT = {
    "latin": "af ca cs da de en es et eu fi fr ga hr hu id is it lt lv nb nl pl pt ro sk sl sq sv sw tl tr vi",
    "cyrillic": "be bg kk mk mn ru sr uk",
    "arabic": "ar fa ur",
    "devanagari": "hi mr",
}
"""Languages that are told apart, also those without a stemmer in PostgreSQL: they are not to be taken for others."""
PIECES = {"latin": 6000, "cyrillic": 1500, "arabic": 600, "devanagari": 400}
FEWEST = 5
SMOOTHING = 0.5
WORDS = (2, 4, 8, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    paths = {path.stem: path for path in options.data.glob("*.txt")}
    if missing := {language for names in OF_SCRIPT.values() for language in names.split()} - {*paths}:
        sys.exit(f"{options.data} has no sentences of {', '.join(sorted(missing))}")
    sentences = {name: path.read_text("utf-8").splitlines() for name, path in sorted(paths.items())}
    if options.write:
        learnt = [table(script, names.split(), sentences) for script, names in OF_SCRIPT.items()]
        note = f"# Made by benchmarks/learn_languages.py from {options.data.name} of lingua-go; a letter is a weight.\n"
        TABLE.write_text(note + "\n\n".join(learnt) + "\n", "utf-8")
    measure(sentences)


def table(script: str, names: Sequence[str], sentences: Mapping[str, Sequence[str]]) -> str:
    """Return the part of a script: the pieces that tell most, and what each says of each language."""
    counts = {
        name: Counter(piece for text in sentences[name][HELD_BACK:] for piece in languages.pieces(text))
        for name in names
    }
    totals = {name: sum(count.values()) for name, count in counts.items()}
    telling: dict[str, float] = {}
    for piece in set().union(*counts.values()):
        if sum(counts[name][piece] for name in names) >= FEWEST:
            shares = [counts[name][piece] / totals[name] for name in names]
            mean = sum(shares) / len(shares)
            telling[piece] = sum(share * math.log(share / mean) for share in shares if share)
    chosen = sorted(telling, key=lambda piece: (-telling[piece], piece))[: PIECES[script]]
    lines = [" ".join([script, *names])]
    for piece in sorted(chosen):
        logs = np.array(
            [math.log((counts[n][piece] + SMOOTHING) / (totals[n] + SMOOTHING * len(chosen))) for n in names]
        )
        steps = np.clip(np.rint((logs - logs.mean()) / STEP), 35 - ord(ZERO), 126 - ord(ZERO)).astype(int)
        lines.append(f"{piece}\t{''.join(chr(ord(ZERO) + step) for step in steps)}")
    return "\n".join(lines)


def measure(sentences: Mapping[str, Sequence[str]]) -> None:
    """Print for each length how many are right, wrong and left open, by the configuration that they get."""
    languages._tables.cache_clear()
    for words in WORDS:
        print(f"\n{words or 'all'} words: right / wrong / left open, in %")
        for name, texts in sentences.items():
            cut = [" ".join(text.split()[:words]) for text in texts[:HELD_BACK]]
            found = Counter(languages.detected(text) for text in cut)
            wanted = CONFIGURATIONS.get(name, {"el": "greek", "hy": "armenian", "ta": "tamil"}.get(name, PLAIN))
            right, open_ = found[wanted], found[None]
            shares = [100 * n / len(cut) for n in (right, len(cut) - right - open_, open_)]
            wrong = ", ".join(f"{k} {n}" for k, n in found.most_common(4) if k not in (wanted, None))
            print(f"{name} {shares[0]:.0f} / {shares[1]:.1f} / {shares[2]:.0f}  {wrong}")


if __name__ == "__main__":
    main()
