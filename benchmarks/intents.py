"""How well the offline classifier labels messages it has not seen: ``python benchmarks/intents.py``.

The held-out examples (``benchmarks/data/intents_held_out.json``) and the shipped ones are by the same hand, so the
figure is an upper bound for a user's own words.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from memgpt import Memory  # noqa: E402

HELD_OUT = ROOT / "benchmarks" / "data" / "intents_held_out.json"


def main() -> None:
    held_out: dict[str, list[str]] = json.loads(HELD_OUT.read_text(encoding="utf-8"))
    pairs = [(label, text) for label, texts in held_out.items() for text in texts]
    with Memory("benchmark-intents") as memory:
        memory.intents.classify("warm up")
        began = time.perf_counter()
        answers = memory.intents.classify_many([text for _, text in pairs])
        took = time.perf_counter() - began
    confusion = Counter((label, answer.intent) for (label, _), answer in zip(pairs, answers, strict=True))
    names = list(held_out)
    print(f"{'':12s}" + "".join(f"{name[:6]:>7s}" for name in names) + "   (columns: what was answered)")
    for label in names:
        cells = "".join(f"{confusion[label, name] or '·':>7}" for name in names)
        print(f"{label:12s}{cells}   {confusion[label, label] / len(held_out[label]):.0%}")
    known = sum(len(texts) for label, texts in held_out.items() if label != "unknown")
    right = sum(confusion[label, label] for label in names if label != "unknown")
    unsure = sum(confusion[label, "unknown"] for label in names if label != "unknown")
    print(f"\n{right} of {known} labelled right ({right / known:.1%}), {unsure} left unknown, the rest wrong")
    print(f"{took / len(pairs) * 1e6:.0f} µs a text in one batch of {len(pairs)}")


if __name__ == "__main__":
    main()
