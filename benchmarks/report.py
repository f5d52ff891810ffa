"""Write docs/benchmarks.md and its charts from the results of the last runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

from benchmarks.fixtures import RESULTS, Chart, Table, markdown

DOCS = Path(__file__).parents[1] / "docs"
ORDER = (
    *("quality", "ablation", "search", "agents", "writes", "peers", "claims", "migrations", "sizing"),
    *("graph", "graph_drawing", "graph_retrieval", "resolution", "ingest", "agent", "server", "memory", "reembed"),
    *("files", "langgraph_store"),
    "isolation",
    "console",
)
COLOURS = ("#2f6f9f", "#d1793b", "#5b9a68", "#9a5b8f", "#7a6a4f", "#4aa3a2")
INTRODUCTION = (Path(__file__).parent / "introduction.md").read_text("utf-8")


def main() -> None:
    parts = [INTRODUCTION.strip()]
    found = [RESULTS / f"{name}.json" for name in ORDER if (RESULTS / f"{name}.json").is_file()]
    if not found:
        raise SystemExit("there are no results yet: run `make bench` first")
    results = [json.loads(path.read_text("utf-8")) for path in found]
    parts += [_section(result) for result in results]
    (DOCS / "benchmarks.md").write_text("\n\n".join(parts) + "\n", "utf-8")
    print(f"wrote {DOCS / 'benchmarks.md'}")


def _section(result: dict[str, Any]) -> str:
    where = result["machine"]
    parts = [f"## {result['question']}", f"`make bench-{result['name']}`"]
    parts.append("**" + "; ".join(result["ratios"]) + ".**")
    parts += [_draw(result["name"], n, Chart(**chart)) for n, chart in enumerate(result["charts"], start=1)]
    for table in result["tables"]:
        parts += [f"**{table['title']}**", markdown(Table(**table))]
    parts += result["remarks"]
    packages = ", ".join(f"{name} {number}" for name, number in where["packages"].items())
    parts.append(
        f"<sub>{where['measured']}, commit {where['commit']}: {where['cpu']}, {where['cores']} cores, "
        f"{where['memory_gib']} GiB, Python {where['python']}, {packages}; load average at the end "
        f"{where['load_average']}.</sub>"
    )
    return "\n\n".join(parts)


def _draw(name: str, number: int, chart: Chart) -> str:
    figure, axes = plt.subplots(figsize=(8, 3.6))
    series = list(chart.series.items())
    lines = [(label, chart.x, values) for label, values in series]
    lines += [(label, *zip(*points, strict=True)) for label, points in chart.points.items() if points]
    if chart.points or all(isinstance(x, (int, float)) for x in chart.x):
        for n, (label, x, y) in enumerate(lines):
            axes.plot(x, y, marker="o", markersize=4, label=label, color=COLOURS[n % len(COLOURS)])
        axes.set_xlabel(chart.x_label)
        axes.set_ylabel(chart.y_label)
        axes.set_xscale("log" if "x" in chart.logarithmic else "linear")
        axes.set_yscale("log" if "y" in chart.logarithmic else "linear")
        axes.set_ylim(bottom=None if "y" in chart.logarithmic else 0)
        axes.grid(alpha=0.3)
    else:
        height = 0.8 / len(series)
        for n, (label, values) in enumerate(series):
            bars = axes.barh(
                [k + n * height for k in range(len(chart.x))],
                [v or 0 for v in values],
                height,
                label=label,
                color=COLOURS[n],
            )
            axes.bar_label(bars, fmt="%.4g", padding=3, fontsize=8)
        axes.set_yticks([k + 0.4 - height / 2 for k in range(len(chart.x))], [str(x) for x in chart.x])
        axes.set_xscale("log" if chart.logarithmic else "linear")
        axes.invert_yaxis()
        axes.margins(x=0.12)
    axes.set_title(chart.title, fontsize=11, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    if len(lines) > 1:
        axes.legend(fontsize=8, frameon=False)
    folder = DOCS / "benchmarks"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{number}.svg"
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    path.write_text(re.sub(r"[ \t]+\n", "\n", path.read_text("utf-8")), "utf-8")
    return f"![{chart.title}](benchmarks/{path.name})"


if __name__ == "__main__":
    main()
