"""Multi-hop retrieval with and without the graph arm: passage recall@2 and @5 on MuSiQue's format.

    python benchmarks/graph_retrieval.py --data musique-dev.json [--as chunk|archival] [--dsn …]

The file has ``passages`` (``title``, ``text``) and ``questions`` (``q``, ``gold``: indexes of passages). Each passage
is stored through the public API, each question asked through ``memory.search``, once with and once without the arm.
``--weights`` also tries other constants of the arm, chosen on four fifths of the questions and reported on the fifth.
The arm is on by default where texts are linked, so it has to win here: the program ends with status 1 if it does not.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from memgpt import Memory
from memgpt.models import Hit
from memgpt.search import graph_arm

FOLDS = 5
CHOICES = {"SEEDS": (3, 5), "STAYS": (0.03, 0.1, 0.3), "ABOUT": (1.0, 3.0), "WEIGHT": (1.0, 1.5, 2.0)}


def main() -> None:
    options = _options()
    if not options.data.exists():
        sys.exit(f"{options.data} is not there: give --data the path of a file in MuSiQue's format (see --help)")
    data = json.loads(options.data.read_text("utf-8"))
    with Memory(f"graph retrieval {time.time_ns()}", dsn=options.dsn) as memory:
        place = store(memory, data["passages"], options.kind)
        memory.graph.link()
        print(f"{len(data['passages']):,} passages as {options.kind}, {len(data['questions'])} questions")
        plain = _ask(memory, data["questions"], place, options.kind, graph=False)
        arm = _ask(memory, data["questions"], place, options.kind, graph=True)
        for name, (recalls, seconds) in {"plain": plain, "with the graph arm": arm}.items():
            print(f"{name:20} recall@2 {_mean(recalls, 0):.1f}  recall@5 {_mean(recalls, 1):.1f}  {_times(seconds)}")
        better = sum(b[1] > a[1] for a, b in zip(plain[0], arm[0], strict=True))
        worse = sum(b[1] < a[1] for a, b in zip(plain[0], arm[0], strict=True))
        print(f"recall@5 rose for {better} questions and fell for {worse}")
        if options.weights:
            _leave_out(memory, data["questions"], place, options.kind)
        if _mean(arm[0], 0) + _mean(arm[0], 1) <= _mean(plain[0], 0) + _mean(plain[0], 1):
            sys.exit("the graph arm does not win on these texts")


def store(memory: Memory, passages: Sequence[dict[str, str]], kind: str) -> Callable[[Hit], int]:
    if kind == "archival":
        kept = memory.remember_many({"text": f"{p['title']}\n{p['text']}", "metadata": {"n": n}}
                                    for n, p in enumerate(passages))  # fmt: skip
        assert len(kept) == len(passages)
    else:
        for n, p in enumerate(passages):
            memory.documents.create(
                [{"text": f"{p['title']}\n{p['text']}", "metadata": {"n": n}}], title=p["title"]
            )  # fmt: skip
    return lambda hit: int(hit.metadata["n"])


def _ask(
    memory: Memory, questions: Sequence[dict[str, Any]], place: Callable[[Hit], int], kind: Any, *, graph: bool
) -> tuple[list[tuple[float, float]], list[float]]:
    recalls, seconds = [], []
    for question in questions:
        begun = time.perf_counter()
        hits = memory.search(question["q"], limit=5, kinds=[kind], graph=graph)
        seconds.append(time.perf_counter() - begun)
        found, gold = [place(hit) for hit in hits], set(question["gold"])
        recalls.append((len(gold & set(found[:2])) / len(gold), len(gold & set(found)) / len(gold)))
    return recalls, seconds


def _leave_out(memory: Memory, questions: Sequence[dict[str, Any]], place: Callable[[Hit], int], kind: Any) -> None:
    by_weight = {}
    for weights in product(*CHOICES.values()):
        for name, weight in zip(CHOICES, weights, strict=True):
            setattr(graph_arm, name, weight)
        recalls = by_weight[weights] = _ask(memory, questions, place, kind, graph=True)[0]
        print(f"{_listed(weights)}: recall@2 {_mean(recalls, 0):.1f}  recall@5 {_mean(recalls, 1):.1f}", flush=True)
    left_out: list[tuple[float, float]] = []
    for fold in range(FOLDS):
        seen = {w: [r for n, r in enumerate(rs) if n % FOLDS != fold] for w, rs in by_weight.items()}
        chosen = max(seen, key=lambda w: _mean(seen[w], 0) + _mean(seen[w], 1))
        left_out += [r for n, r in enumerate(by_weight[chosen]) if n % FOLDS == fold]
        print(f"fold {fold}: {_listed(chosen)}")
    print(
        f"weights chosen with the question left out: recall@2 {_mean(left_out, 0):.1f}  "
        f"recall@5 {_mean(left_out, 1):.1f}"
    )


def _listed(weights: Sequence[float]) -> str:
    return ", ".join(f"{name} {weight}" for name, weight in zip(CHOICES, weights, strict=True))


def _mean(recalls: Sequence[tuple[float, float]], which: int) -> float:
    return 100 * statistics.fmean(r[which] for r in recalls)


def _times(seconds: Sequence[float]) -> str:
    order = sorted(seconds)
    return f"p50 {1e3 * order[len(order) // 2]:.1f} ms  p95 {1e3 * order[int(len(order) * 0.95)]:.1f} ms"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the questions and passages")
    parser.add_argument("--as", dest="kind", choices=("archival", "chunk"), default="archival")
    parser.add_argument("--dsn", help="a migrated database; else the embedded server")
    parser.add_argument("--weights", action="store_true", help="choose the arm's constants with questions left out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
