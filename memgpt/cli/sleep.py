"""``memgpt sleep``: put a memory in order while nobody talks to its agent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from memgpt.cli import output
from memgpt.cli.options import Agent, Dsn, Json, opened
from memgpt.sleep import TASKS, SleepProgress, SleepReport, run

app = typer.Typer(add_completion=False)


@app.command()
def sleep(
    tasks: Annotated[
        list[str] | None,
        typer.Option("--task", help=f"{', '.join(TASKS)}; repeatable; else all that can be done.", show_default=False),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Also apply what is sure; else only propose.")] = False,
    model: Annotated[
        str | None,
        typer.Option("--model", help="provider:model; else MEMGPT_CHAT_MODEL, else none is asked.", show_default=False),
    ] = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Look for what can be put in order in a memory; propose it, or do it."""
    consequence = "what was done is kept"
    with output.interruptible(consequence), opened(agent, dsn) as memory, _progress(as_json) as progress:
        report = run(memory, tasks=tasks, apply=apply, model=model, progress=progress)
    if as_json:
        output.show_json(report)
    else:
        _show(report)
        _say_what_is_left_out(report, tasks)


def _show(report: SleepReport) -> None:
    rows = [(name, task.proposed, task.applied, len(task.outdated)) for name, task in report.tasks.items()]
    output.show_table(("task", "proposed", "applied", "outdated"), rows)
    for name, task in report.tasks.items():
        for line in (*task.outdated, *([task.error] if task.error else [])):
            output.note(f"{name}: {line}")
    if report.proposed > report.applied:
        output.note("memgpt proposals list --status proposed shows what waits for a decision")


def _say_what_is_left_out(report: SleepReport, asked: list[str] | None) -> None:
    if not asked and (left := [task for task in TASKS if task not in report.tasks]):
        output.note(f"left out without a model: {', '.join(left)} (--model, or MEMGPT_CHAT_MODEL)")


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[SleepProgress], None] | None]:
    """Live progress, on a terminal only."""
    if quiet or not output.errors.is_terminal:
        yield None
        return
    with output.errors.status("sleeping") as status:
        yield lambda p: status.update(f"{p.task or 'done'} ({p.done} of {p.total}): {p.report.proposed} proposed")
