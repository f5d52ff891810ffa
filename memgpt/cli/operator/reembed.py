"""``memgpt reembed``: another embedding model for a live memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from memgpt import reembed
from memgpt.cli import output
from memgpt.cli.options import Dsn, Json, Schema, chosen
from memgpt.config import Settings
from memgpt.errors import InputError

KEPT = "what was embedded is kept, the same command goes on from there"

To = Annotated[str | None, typer.Option("--to", help="The model, such as openai:text-embedding-3-small.")]
Plan = Annotated[bool, typer.Option("--plan", help="Show rows, tokens, prices, time and disk; change nothing.")]
StatusOption = Annotated[bool, typer.Option("--status", help="Show how far the switch is.")]
Rollback = Annotated[bool, typer.Option("--rollback", help="Take the switch back: the old vectors are searched again.")]
Finish = Annotated[bool, typer.Option("--finish", help="Drop the vectors of the old model.")]
Batch = Annotated[int, typer.Option("--batch", min=1, max=5000, help="Rows embedded and stored at a time.")]
Rate = Annotated[float | None, typer.Option("--rate", min=0.1, help="Most rows a second.")]
Queries = Annotated[
    Path | None, typer.Option("--queries", help="JSON lines of agent, query, expected: compare recall.")
]
MinRecall = Annotated[float | None, typer.Option("--min-recall", min=0, max=1, help="Switch only from this recall on.")]


app = typer.Typer(add_completion=False)


@app.command()
def reembed_command(
    to: To = None,
    plan: Plan = False,
    status: StatusOption = False,
    rollback: Rollback = False,
    finish: Finish = False,
    batch: Batch = reembed.BATCH,
    rate: Rate = None,
    queries: Queries = None,
    min_recall: MinRecall = None,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: Json = False,
) -> None:
    """Switch to another embedding model while the memory is in use; resumable and reversible."""
    options = chosen(dsn, schema)
    if sum((plan, status, rollback, finish)) > 1:
        raise InputError("give one of --plan, --status, --rollback, --finish")
    if status:
        _show_status(reembed.status(options=options), as_json)
    elif finish:
        ended = reembed.finish(options=options)
        _show(ended, as_json, f"✓ the vectors of {ended.from_model} are dropped; `memgpt db vacuum` frees their room")
    elif rollback:
        with output.interruptible(KEPT), _progress_bar(as_json) as on_progress:
            done = reembed.rollback(options=options, on_progress=on_progress)
        _show(done, as_json, f"✓ the memory is searched by {done.model} ({done.dimensions} dimensions)")
    elif to is None:
        raise InputError("name the model: memgpt reembed --to MODEL (or give --status, --rollback, --finish)")
    elif plan:
        _show_plan(reembed.plan(to, options=options), as_json)
    else:
        with output.interruptible(KEPT), _progress_bar(as_json) as on_progress:
            report = reembed.reembed(
                to,
                options=options,
                batch=batch,
                rate=rate,
                queries=queries,
                min_recall=min_recall,
                on_progress=on_progress,
            )
        _show_report(report, options, as_json)


def _show(value: object, as_json: bool, line: str) -> None:
    if as_json:
        output.show_json(value)
    else:
        output.say(line)


def _show_report(report: reembed.ReembedReport, options: Settings, as_json: bool) -> None:
    if as_json:
        output.show_json(report)
        return
    if not report.switched:
        output.say(f"the memory has {report.model} already; {report.embedded:,} gaps were filled")
        return
    output.say(f"✓ {report.embedded:,} rows embedded, the memory is searched by {report.model} now")
    verification = report.verification
    if verification and verification.overlap is not None:
        output.say(f"  {verification.overlap:.0%} of the ten nearest neighbours are the same as before")
    if verification and verification.recall_after is not None:
        before = "unknown" if verification.recall_before is None else f"{verification.recall_before:.3f}"
        output.say(f"  recall@10 of your queries: {before} before, {verification.recall_after:.3f} now")
    if options.embedding_model not in (report.model, f"openai:{report.model}"):
        output.note(
            f"set MEMGPT_EMBEDDING_MODEL={report.model} where memgpt runs; until then processes follow by themselves"
        )
    output.note("the old vectors are kept: memgpt reembed --rollback goes back, memgpt reembed --finish drops them")


def _show_plan(plan: reembed.ReembedPlan, as_json: bool) -> None:
    if as_json:
        output.show_json(plan)
        return
    output.show_table(("table", "rows"), [(name, f"{rows:,}") for name, rows in plan.rows.items()])
    output.say(f"{plan.total_rows:,} rows, about {plan.tokens:,} tokens; the new vectors are {plan.column_type}")
    for name, price, cost in (
        (plan.from_model, plan.price_from, plan.cost_from),
        (plan.to_model, plan.price_to, plan.cost_to),
    ):
        priced = (
            f"${price:.2f} per million tokens, ${cost:.4f} for all of it" if cost is not None else "price not known"
        )
        output.say(f"  {name}: {priced}")
    speed = f" at {plan.texts_per_second:,.0f} texts a second" if plan.texts_per_second else ""
    output.say(f"about {_duration(plan.seconds)}{speed}, and {plan.disk_bytes / 1e6:,.0f} MB of disk until --finish")


def _show_status(current: reembed.ReembedStatus, as_json: bool) -> None:
    if as_json:
        output.show_json(current)
        return
    output.say(f"the memory is searched by {current.model} ({current.dimensions} dimensions)")
    switch = current.switch
    if switch is None:
        return
    way = "back to" if switch.backward else "to"
    output.say(f"switch {switch.id}, {switch.from_model} {way} {switch.to_model}: {switch.state}")
    if switch.state == "running":
        seconds = (switch.updated_at - switch.started_at).total_seconds()
        rate = switch.rows_done / seconds if seconds > 0 else 0.0
        left = (switch.rows_total - switch.rows_done) / rate if rate else 0.0
        output.say(
            f"  {switch.rows_done:,} of {switch.rows_total:,} rows, {rate:,.0f} a second, "
            f"about {_duration(left)} left; {switch.phase}"
        )
        output.say(
            "  a process is at work" if current.at_work else "  no process is at work: run the same command again"
        )
    cost = "" if switch.cost is None else f", ${switch.cost:.4f}"
    output.say(f"  {switch.tokens:,} tokens{cost}")


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{hours:.1f} h" if hours >= 1 else f"{minutes:.0f} min" if minutes >= 2 else f"{seconds:.0f} s"


@contextmanager
def _progress_bar(quiet: bool) -> Iterator[Callable[[reembed.ReembedProgress], None] | None]:
    """Live progress, on a terminal only."""
    if quiet or not output.errors.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=output.errors, transient=True) as bars:
        task = bars.add_task("", total=None)
        yield lambda progress: bars.update(
            task, description=progress.phase, completed=progress.done, total=progress.total or None
        )
