"""Ingestion: a 300-page PDF and a folder of 500 mixed files; throughput, peak memory, and what a second run costs.

    python benchmarks/ingest.py --dsn postgresql://…   # a migrated, scratch database

Extraction is timed apart: the same files are extracted and cut first, without a database. Memory is the sum of
the proportional set sizes of this process and its workers, sampled five times a second.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import document_files as make

from memgpt import Memory
from memgpt.ingest import files, workers
from memgpt.ingest.prepare import Prepared

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


def long_pdf(folder: Path) -> None:
    chosen = random.Random(1)
    folder.mkdir()
    (folder / "book.pdf").write_bytes(make.pdf([sections(chosen, 2) for _ in range(300)]))


def mixed(folder: Path) -> None:
    chosen = random.Random(2)
    folder.mkdir()
    for n in range(500):
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


def measure(name: str, fill: Callable[[Path], None], dsn: str, processes: int) -> None:
    with tempfile.TemporaryDirectory() as scratch, Memory(f"bench-{uuid.uuid4().hex[:8]}", dsn=dsn) as memory:
        folder = Path(scratch) / "files"
        fill(folder)
        size = sum(file.stat().st_size for file in folder.iterdir()) / 2**20
        found = list(files.find([folder]))
        print(f"\n{name}: {len(found)} files, {size:.1f} MiB, {processes} workers")
        begun = time.perf_counter()
        prepared = [p for _, p in workers.prepare_each(found, lambda f: str(f.path), workers=processes)]
        extraction = time.perf_counter() - begun
        assert all(isinstance(p, Prepared) for p in prepared)
        with Peak() as peak:
            report = memory.ingest_files([folder], workers=processes)
        assert not report.failed, report.failed
        chunks = report.added
        rest = memory_rest(memory, prepared)
        print(f"  extract and cut alone      {extraction:6.2f} s  {chunks / extraction:8,.0f} chunks/s")
        print(f"  embed and store alone      {rest:6.2f} s  {chunks / rest:8,.0f} chunks/s")
        print(f"  everything, overlapped     {report.seconds:6.2f} s  {chunks / report.seconds:8,.0f} chunks/s")
        print(f"  {chunks} chunks; peak memory {peak.megabytes:.0f} MB")
        again = memory.ingest_files([folder], workers=processes)
        assert again.count("unchanged") == len(found)
        print(f"  the same again             {again.seconds:6.2f} s, nothing written")
        memory.forget_agent()


def memory_rest(memory: Memory, prepared: list[object]) -> float:
    """Seconds to embed and store what is extracted already."""
    begun = time.perf_counter()
    for n, document in enumerate(prepared):
        assert isinstance(document, Prepared)
        renamed = Prepared(
            document.title, document.media_type, f"copy-{n}", document.cuts, document.metadata, document.note
        )
        memory._ingest._keep(f"copy-{n}", renamed, None, {})
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    measure("300-page PDF", long_pdf, given.dsn, given.workers)
    measure("mixed folder", mixed, given.dsn, given.workers)


if __name__ == "__main__":
    main()
