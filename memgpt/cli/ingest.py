"""``memgpt ingest``: files and directories into an agent's memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from memgpt.cli import output
from memgpt.cli.options import Agent, Dsn, Json, opened
from memgpt.documents.report import OUTCOMES, Ingested, IngestReport

EVERY: Final = 10.0
"""Seconds between two lines of progress where there is no terminal to draw on."""


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files, directories, or patterns such as 'docs/**/*.pdf'.")],
    glob: Annotated[
        list[str] | None,
        typer.Option("--glob", help="Only what matches in directories, such as '*.pdf'. Repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="Not what matches in directories. Repeatable.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, max=64, help="Processes that read; else one a core, at most 4."),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", help="Of texts and web pages, such as cp1251; else each file's own is detected."),
    ] = None,
    ocr: Annotated[
        bool, typer.Option("--ocr", help="Recognise the characters of scanned pages. Needs the extra ocr.")
    ] = False,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Keep the documents in files and directories.

    What is there already is left alone, of a changed file only the changed chunks are replaced, and what cannot be
    read is listed at the end: then the status is 1. An interrupted run goes on where it was when started again.
    """
    with (
        output.interruptible("what was stored stays; run it again to go on"),
        opened(agent, dsn) as memory,
        _shown() as progress,
    ):
        report = memory.ingest_files(
            paths,
            glob=glob or (),
            exclude=exclude or (),
            workers=workers,
            encoding=encoding,
            ocr=ocr,
            progress=progress,
        )
    if as_json:
        output.show_json({"seconds": round(report.seconds, 3), "counts": report.counts, "results": report.results})
    else:
        _show(report)
    if report.failed:
        output.fail(f"{len(report.failed):,} of {len(report.results):,} files could not be read")
        raise typer.Exit(1)


def _show(report: IngestReport) -> None:
    rows = []
    for outcome in OUTCOMES:
        of = [result for result in report.results if result.outcome == outcome]
        if of:
            sums = (sum(r.added for r in of), sum(r.kept for r in of), sum(r.removed for r in of))
            rows.append((outcome, f"{len(of):,}", *(f"{n:,}" for n in (*sums, sum(r.tokens for r in of)))))
    output.show_table(("outcome", "files", "chunks added", "kept", "removed", "tokens embedded"), rows)
    done = len(report.results)
    rate = done / report.seconds if report.seconds else 0.0
    output.say(f"{done:,} files in {report.seconds:.1f} s ({rate:,.1f} files/s), {report.added:,} chunks added")
    for outcome in ("new", "changed", "duplicate", "skipped"):
        for result in report.results:
            if result.outcome == outcome and result.reason:
                output.say(f"{outcome}: {result.source}: {result.reason}")
    for result in report.failed:
        output.say(f"failed: {result.source}: {result.reason}", "red")


@contextmanager
def _shown() -> Iterator[Callable[[Ingested, int, int], None]]:
    """Show progress as a bar on a terminal, as a line now and then elsewhere; both on standard error."""
    if not output.errors.is_terminal:
        yield _Lines()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]:,.1f} files/s")
    name = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn(), name)
    begun = time.monotonic()
    with Progress(*columns, console=output.errors, transient=True) as bar:
        task = bar.add_task("", total=None, rate=0.0)

        def progress(result: Ingested, done: int, total: int) -> None:
            file = Path(result.source or "").name[:40]
            bar.update(task, completed=done, total=total, description=file, rate=done / (time.monotonic() - begun))

        yield progress


class _Lines:
    """Progress as lines."""

    def __init__(self) -> None:
        self._begun = self._told = time.monotonic()

    def __call__(self, _result: Ingested, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told >= EVERY:
            self._told = now
            rate = done / (now - self._begun)
            output.note(f"{done:,} of {total:,} files, {rate:,.1f} files/s, {(total - done) / rate:,.0f} s left")
