"""What does a search cost in processor time, beside another checkout of this project?

Each checkout has a process and a database of its own on one server, the same rows and the same questions; they are
asked in turns. Processor time, not the clock: of the client as its process counts it, of the server as Linux counts its
backends. What else a machine does only adds to it, so of each question the least of all rounds is taken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import fixtures, locomo

CHILD: Final = Path(__file__).parent / "adapters" / "searching.py"
SHAPES: Final = {"messages": "message", "archival memories": "archival", "archival memories of sessions": "archival"}
SIZES: Final = (788, 8000)
SIDES: Final = ("client", "server")
ABSENT: Final = "AGAINST names no checkout: AGAINST=../memgpt-before make bench-cost"


@dataclass
class Checkout:
    """A process that searches by the code of one checkout."""

    name: str
    process: subprocess.Popen[str]
    spent: dict[tuple[str, int, str], list[NDArray[np.float64]]] = field(default_factory=dict)
    """By shape, rows and side, for each round the milliseconds of each question."""

    @classmethod
    @contextmanager
    def started(cls, name: str, folder: Path, dsn: str) -> Iterator[Checkout]:
        with subprocess.Popen(
            [sys.executable, str(CHILD), dsn],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(folder), "OPENBLAS_NUM_THREADS": "1"},
        ) as process:
            checkout = cls(name, process)
            code = Path(checkout.answer()["memgpt"])
            if not code.is_relative_to(folder):
                sys.exit(f"{folder} holds no memgpt of its own: {code} was imported")
            yield checkout

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended with status {self.process.wait(60)}")
        return dict(json.loads(line))

    def ask(self, do: str, **how: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        print(json.dumps({"do": do} | how), file=self.process.stdin, flush=True)
        return self.answer()

    def least(self, shape: str, size: int, side: str) -> float:
        return float(np.min(self.spent[shape, size, side], axis=0).mean())

    def middle(self, shape: str, size: int, side: str) -> float:
        return float(np.median(self.spent[shape, size, side], axis=0).mean())


def main() -> None:
    options = _options()
    conversations = locomo.load(Path(os.environ.get("LOCOMO", "locomo10.json")))
    questions = [q.text for c in conversations[:2] for q in c.questions if q.category in locomo.CATEGORIES]
    random.Random(1).shuffle(questions)
    result = fixtures.Result("cost", "What does a search cost, beside another checkout?")
    table = result.table(
        f"Milliseconds of the processor for a search here, in {options.against}, and the ratio (of medians)",
        *("rows", "shape", *SIDES),
    )
    with fixtures.own_server() as server:
        dsns = [fixtures.empty_database(server, name) for name in ("this", "other")]
        root = Path(__file__).resolve().parents[1]
        with (
            Checkout.started("this checkout", root, dsns[0]) as this,
            Checkout.started("the other", options.against.resolve(), dsns[1]) as other,
        ):
            for size in options.rows:
                _measure((this, other), size, conversations, questions[: options.questions], options)
                for shape in options.shapes:
                    cells = [_compared(result, this, other, shape, size, side) for side in SIDES]
                    table.rows.append([size, shape, *cells])
    result.ratios.append(", ".join(f"{name} {value:.2f}" for name, value in result.numbers.items()))
    result.publish(keep=False)


def _options() -> argparse.Namespace:
    parser = fixtures.arguments(__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path, required=True, help="the other checkout of this project")
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--shapes", nargs="+", choices=[*SHAPES], default=[*SHAPES])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--questions", type=int, default=100)
    options = parser.parse_args()
    if not (options.against / "memgpt").is_dir():
        sys.exit(ABSENT)
    if options.tiny:
        options.rows, options.rounds, options.questions = [100], 2, 5
    return options


def _measure(
    checkouts: Sequence[Checkout],
    size: int,
    conversations: Sequence[locomo.Conversation],
    questions: Sequence[str],
    options: argparse.Namespace,
) -> None:
    for shape in options.shapes:
        rows = _rows(shape, size, conversations)
        for checkout in checkouts:
            checkout.ask("fill", agent=f"{shape} {size}", kind=SHAPES[shape], rows=rows)
    for checkout in checkouts:
        checkout.ask("settle")
    order, chance = [*checkouts], random.Random(1)
    for number in range(-1, options.rounds):
        for shape in options.shapes:
            chance.shuffle(order)
            for checkout in order:
                spent = checkout.ask("search", agent=f"{shape} {size}", kind=SHAPES[shape], queries=questions)
                for side in SIDES if number >= 0 else ():
                    checkout.spent.setdefault((shape, size, side), []).append(np.array(spent[side]))


def _rows(shape: str, size: int, conversations: Sequence[locomo.Conversation]) -> list[dict[str, Any]]:
    """Turns of the conversations and, where that is not enough, halves of two of them as one."""
    turns = [turn for conversation in conversations for turn in conversation.turns]
    chance, rows = random.Random(2), list[dict[str, Any]]()
    for number in range(size):
        turn, other = turns[number % len(turns)], chance.choice(turns)
        words, more = turn.text.split(), other.text.split()
        text = turn.text if number < len(turns) else " ".join(words[: len(words) // 2] + more[len(more) // 2 :])
        when = (turn.time + timedelta(days=number // len(turns), seconds=number)).isoformat()
        session = f"{number // len(turns)} {turn.session}"
        if shape == "messages":
            role = "user" if turn.speaker == turns[0].speaker else "assistant"
            rows.append({"role": role, "name": turn.speaker, "content": text, "session": session, "created_at": when})
        else:
            metadata = {"session": session} if shape.endswith("sessions") else {}
            rows.append({"text": f"{turn.speaker}: {text}", "created_at": when, "metadata": metadata})
    return rows


def _compared(result: fixtures.Result, this: Checkout, other: Checkout, shape: str, size: int, side: str) -> str:
    least, middle = [
        [of(checkout, shape, size, side) for checkout in (this, other)] for of in (Checkout.least, Checkout.middle)
    ]
    result.numbers[f"{shape}, {size} rows, {side}"] = ratio = least[0] / least[1]
    return f"{least[0]:.2f}, {least[1]:.2f}: {ratio:.2f} ({middle[0] / middle[1]:.2f})"


if __name__ == "__main__":
    main()
