"""Do two runs agree? The intervals of every ratio they share must overlap.

make bench-compare A=one/results B=other/results
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.fixtures import Ratio, Table, markdown

Ratios = dict[tuple[str, str], Ratio]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("one", type=Path, help="a directory of results, as benchmarks/results")
    parser.add_argument("other", type=Path)
    options = parser.parse_args()
    one, other = read(options.one), read(options.other)
    both = [key for key in one if key in other]
    if not both:
        raise SystemExit(f"{options.one} and {options.other} have no ratio in common")
    apart = [key for key in both if not overlap(one[key], other[key])]
    table = Table("", ("benchmark", "ratio", "one", "other", "agree"))
    for key in both:
        table.rows.append([*key, one[key], other[key], "no" if key in apart else "yes"])
    print(markdown(table))
    print(f"\n{len(both) - len(apart)} of {len(both)} ratios agree within their intervals.")
    if apart:
        raise SystemExit(1)


def read(folder: Path) -> Ratios:
    """The ratios in the results of one run."""
    found: Ratios = {}
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text("utf-8"))
        found |= {(result["name"], name): Ratio(**ratio) for name, ratio in result.get("compared", {}).items()}
    return found


def overlap(one: Ratio, other: Ratio) -> bool:
    return one.low <= other.high and other.low <= one.high


if __name__ == "__main__":
    main()
