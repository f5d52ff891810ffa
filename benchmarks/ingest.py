"""What does ingestion take: a long PDF, a folder of mixed files; extraction, embedding, both at once, and a second run?

Extraction is timed apart: the same files are extracted and cut first, without a database. Memory is the sum of
the proportional set sizes of this process and its workers, sampled five times a second.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import psutil

from benchmarks import fixtures
from memgpt import Memory
from memgpt.config import OFFLINE_MODEL
from memgpt.documents import files, workers
from memgpt.documents.prepare import Prepared

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import document_files as make

WORKERS = 2
VOCABULARY = [a + b for a in ("ba", "de", "fi", "go", "lu", "ma") for b in ("ck", "lt", "mp", "nd", "rt", "ss")]


def words(chosen: random.Random, count: int) -> str:
    sentences = []
    while count > 0:
        length = min(chosen.randint(6, 20), count)
        sentences.append(" ".join(chosen.choices(VOCABULARY, k=length)).capitalize() + ".")
        count -= length
    return " ".join(sentences)


def sections(chosen: random.Random, count: int) -> list[make.Section]:
    return [(1 + (n > 0), f"Chapter {words(chosen, 3)}", words(chosen, 200)) for n in range(count)]


def long_pdf(folder: Path, pages: int) -> None:
    chosen = random.Random(1)
    folder.mkdir()
    (folder / "book.pdf").write_bytes(make.pdf([sections(chosen, 2) for _ in range(pages)]))


def mixed(folder: Path, count: int) -> None:
    chosen = random.Random(2)
    folder.mkdir()
    for n in range(count):
        parts = sections(chosen, chosen.randint(2, 8))
        plain = "\n\n".join(f"{'#' * level} {heading}\n\n{text}" for level, heading, text in parts)
        rows = [[words(chosen, 2) for _ in range(5)] for _ in range(60)]
        name, content = (
            ("md", plain.encode()),
            ("txt", plain.replace("#", "").encode()),
            ("csv", "\n".join(",".join(row) for row in rows).encode()),
            ("html", make.html("Page", parts)),
            ("docx", make.docx(parts, table=rows[:5])),
            ("xlsx", make.xlsx({"Sheet": rows})),
            ("pptx", make.pptx([(heading, text) for _, heading, text in parts])),
            ("epub", make.epub("Book", parts)),
            ("eml", make.email("Letter", plain)),
            ("pdf", make.pdf([parts[:2], parts[2:4]])),
        )[n % 10]
        (folder / f"{n:03}.{name}").write_bytes(content)


class Peak:
    """The largest sum of proportional set sizes of this process and its children, in MB."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        here = psutil.Process()
        while not self._done.wait(0.2):
            total = 0
            for process in [here, *here.children(recursive=True)]:
                try:
                    if process == here or "ingest.worker" in " ".join(process.cmdline()):
                        total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            self.megabytes = max(self.megabytes, total / 2**20)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


@dataclass(frozen=True)
class Taken:
    """Seconds of one run over the same files."""

    chunks: int
    extraction: float
    storing: float
    together: float
    again: float
    megabytes: float


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    pages, count, rounds = (3, 10, 1) if options.tiny else (300, 500, 5) if options.full else (60, 100, 3)
    result = fixtures.Result("ingest", "What does ingestion take?")
    table = result.table(
        "Ingestion (median of the rounds)",
        *("what", "files", "MiB", "chunks", "extract and cut: chunks/s", "embed and store: chunks/s"),
        *("both at once: chunks/s", "the same again (s)", "peak memory (MB)"),
    )
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "ingest", model=OFFLINE_MODEL, dimensions=256)
        for name, fill in (
            (f"a PDF of {pages} pages", lambda folder: long_pdf(folder, pages)),
            (f"{count} mixed files", lambda folder: mixed(folder, count)),
        ):
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch) / "files"
                fill(folder)
                size = sum(file.stat().st_size for file in folder.iterdir()) / 2**20
                runs = [once(f"{name} {n}", folder, dsn) for n in range(rounds)]
                table.rows.append([name, len(list(folder.iterdir())), f"{size:.1f}", *cells(runs)])
            alone = [run.extraction for run in runs]
            share = result.compare(f"{name}: everything to extraction", [run.together for run in runs], alone)
            again = result.compare(f"{name}: again to first", [run.again for run in runs], [r.together for r in runs])
            result.ratios.append(
                f"{name} takes {share} times its extraction alone, and {100 * again.value:.1f}% of that a second time"
            )
    result.publish(keep=not options.tiny)


def cells(runs: list[Taken]) -> list[object]:
    def rate(seconds: list[float]) -> str:
        return f"{runs[0].chunks / median(seconds):,.0f}"

    rates = (rate([run.extraction for run in runs]), rate([run.storing for run in runs]))
    together, again = rate([run.together for run in runs]), median(run.again for run in runs)
    return [f"{runs[0].chunks:,}", *rates, together, f"{again:.2f}", f"{max(run.megabytes for run in runs):.0f}"]


def once(agent: str, folder: Path, dsn: str) -> Taken:
    with Memory(agent, dsn=dsn) as memory:
        found = list(files.find([folder]))
        begun = time.perf_counter()
        prepared = [p for _, p in workers.prepare_each(found, lambda f: str(f.path), workers=WORKERS)]
        extraction = time.perf_counter() - begun
        assert all(isinstance(p, Prepared) for p in prepared)
        with Peak() as peak:
            report = memory.ingest_files([folder], workers=WORKERS)
        assert not report.failed, report.failed
        again = memory.ingest_files([folder], workers=WORKERS)
        assert again.counts["unchanged"] == len(found)
        storing = embed_and_store(memory, prepared)
        memory.forget_agent()
    return Taken(report.added, extraction, storing, report.seconds, again.seconds, peak.megabytes)


def embed_and_store(memory: Memory, prepared: list[object]) -> float:
    """Seconds to embed and store what is extracted already."""
    begun = time.perf_counter()
    for n, document in enumerate(prepared):
        assert isinstance(document, Prepared)
        memory._ingest._keep(f"copy-{n}", replace(document, content_hash=f"copy-{n}"), None, {})
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
