"""What does an edit of a file cost, by the size of the file, beside cutting all of it anew?

Before, every edit cut the whole text into passages, most of the time for nothing: the passages that are there already
are not embedded again. Now the sections that the edit touched are cut. Both write the same rows.
"""

from __future__ import annotations

import random
from unittest import mock

import numpy as np

from benchmarks import fixtures
from memgpt import Memory
from memgpt.config import OFFLINE_MODEL
from memgpt.documents.formats import chunking

WORDS = [
    f"{a}{b}{c}" for a in ("ka", "lo", "mi", "sta", "ver") for b in ("ren", "tol", "nar") for c in ("", "s", "ing")
]


def text(size: int, seed: int) -> str:
    chosen, parts, length = random.Random(seed), [], 0
    while length < size:
        heading = len(parts) % 12 == 0
        words = chosen.choices(WORDS, k=3 if heading else chosen.randint(30, 120))
        parts.append(("## " if heading else "") + " ".join(words) + f" {len(parts)}")
        length += len(parts[-1]) + 2
    return "\n\n".join(parts)[:size]


def whole(before: str, after: str, *, media_type: str) -> tuple[list[chunking.Span], list[chunking.Span]]:
    """Cut all of the text, as before."""
    return [chunking.Span(before, 0, 0, ())], [*chunking.spans(after, media_type=media_type)]


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    plan = {20_000: 2, 60_000: 2} if options.tiny else {100_000: 6, 1_000_000: 3, 5_000_000: 2}
    times = 4 if options.full else 1
    result = fixtures.Result("files", "What does an edit of a file cost?")
    table = result.table(
        "Editing one sentence of a Markdown file",
        *("characters", "around the change p50 ms", "all of it p50 ms", "times as long (95%)"),
    )
    with (
        fixtures.own_server() as server,
        Memory("bench", dsn=fixtures.database(server, "files", model=OFFLINE_MODEL, dimensions=256)) as memory,
    ):
        for size, rounds in plan.items():
            path, chosen = f"{size}.md", random.Random(size)
            memory.files.create(path, text(size, size))

            def edit(number: int, path: str = path, chosen: random.Random = chosen) -> None:
                content = memory.files.read(path).content
                at = content.index(" ", chosen.randrange(len(content) - 200))
                memory.files.write(path, f"{content[:at]} edited{number} {content[at:][:-20]}")

            def edit_whole(number: int) -> None:
                with mock.patch.object(chunking, "difference", whole):
                    edit(number)

            taken = fixtures.in_turns({"edit": edit, "whole": edit_whole}, times * rounds, warm_up=0)
            longer = result.compare(f"{size:,} characters", taken["whole"], taken["edit"])
            medians = [f"{1e3 * float(np.median(taken[name])):,.0f}" for name in ("edit", "whole")]
            table.rows.append([f"{size:,}", *medians, str(longer)])
    result.remarks.append(
        "With the offline model; both ways embed what is new, write the content and keep the one before."
    )
    longer_each = ", ".join(f"{ratio} for {name}" for name, ratio in result.compared.items())
    result.ratios.append(f"cutting all of it takes so many times as long as cutting around the change: {longer_each}")
    result.publish(keep=not options.tiny)


if __name__ == "__main__":
    main()
