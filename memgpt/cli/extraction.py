"""``memgpt graph extract`` and ``extractions``: facts taken from texts by a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, cast

import typer

from memgpt.cli import output
from memgpt.cli.options import Agent, Dsn, Json, opened
from memgpt.errors import InputError
from memgpt.graph import Extracted, ExtractionPlan
from memgpt.graph.extraction import Knowledge
from memgpt.graph.extraction.loading import load
from memgpt.models import SOURCES, ExtractionFailure, Source


def extract(
    model: Annotated[
        str | None,
        typer.Option("--model", help="provider:model; absent, names are taken by rule and no fact is added."),
    ] = None,
    types: Annotated[
        str | None,
        typer.Option("--types", help="What to look for: module:Class, a Pydantic class."),
    ] = None,
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", help="archival, message or chunk; repeatable.", show_default=False)
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only tell how much would be sent.")] = False,
    max_items: Annotated[int | None, typer.Option("--max-items", help="Most texts.", show_default=False)] = None,
    max_cost: Annotated[float | None, typer.Option("--max-cost", help="Most US dollars.", show_default=False)] = None,
    batch: Annotated[int, typer.Option("--batch", help="Texts whose facts are committed together.")] = 20,
    concurrency: Annotated[int, typer.Option("--concurrency", help="Requests under way at once.")] = 4,
    skip_failed: Annotated[bool, typer.Option("--skip-failed", help="Leave alone what failed before.")] = False,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Take facts from memories, messages and chunks with a model; what was read before is not sent again."""
    schema = Knowledge if types is None else load(types)
    chosen = cast("list[Source]", kinds or [*SOURCES])
    consequence = "what was answered is kept, the same command goes on from there"
    with output.interruptible(consequence), opened(agent, dsn) as memory:
        if plan:
            if model is None:
                raise InputError("--plan is for a --model: without one nothing is sent")
            _show_plan(memory.graph.plan_extraction(model, schema, kinds=chosen, failed=not skip_failed), as_json)
            return
        with _extracting(as_json) as on_progress:
            done = memory.graph.extract(
                model,
                schema,
                kinds=chosen,
                batch=batch,
                concurrency=concurrency,
                max_items=max_items,
                max_cost=max_cost,
                failed=not skip_failed,
                on_progress=on_progress,
            )
    _show_extracted(done, model, as_json)
    if done.failed:
        raise typer.Exit(1)


def extractions(
    limit: Annotated[int, typer.Option("--limit", help="Most failures to show.")] = 20,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Show what models were paid for reading this memory, and the texts that failed."""
    with opened(agent, dsn) as memory:
        spent, failures = memory.graph.extraction_spent(), memory.graph.extraction_failures(limit=limit)
    if as_json:
        output.show_json({"spent": spent, "failures": failures})
        return
    columns = ("model", "texts", "applied", "failed", "input tokens", "output tokens", "cost")
    rows = [(s.model, s.texts, s.applied, s.failed, s.input_tokens, s.output_tokens, _dollars(s.cost)) for s in spent]
    output.show_table(columns, rows)
    for failure in failures:
        output.say(_failure(failure))


def _show_plan(plan: ExtractionPlan, as_json: bool) -> None:
    if as_json:
        output.show_json(plan)
        return
    output.say(f"{plan.texts:,} texts, {plan.cached:,} of them answered before")
    tokens = f"{plan.input_tokens:,} tokens in and {plan.output_tokens:,} out"
    output.say(f"about {tokens}: {_dollars(plan.cost)}")


def _show_extracted(done: Extracted, model: str | None, as_json: bool) -> None:
    if as_json:
        output.show_json(done)
        return
    if model is None:
        output.say(f"✓ {done.texts:,} texts linked, {done.names:,} names in them; without a model no fact is added")
        return
    output.say(f"✓ {done.texts:,} texts, {done.cached:,} of them answered before: {done.facts:,} facts")
    output.say(f"{done.input_tokens:,} tokens in, {done.output_tokens:,} out: {_dollars(done.cost)}")
    if done.stopped:
        output.note(f"stopped by --{done.stopped.replace('_', '-')}: the same command goes on from there")
    for failure in done.failures:
        output.say(_failure(failure))
    if done.failed:
        output.note(f"{done.failed:,} texts failed; the same command tries them again")


def _failure(failure: ExtractionFailure) -> str:
    return f"failed: {failure.kind} {failure.id}: {failure.reason}"


def _dollars(cost: float | None) -> str:
    return "price unknown" if cost is None else f"${cost:.4f}"


@contextmanager
def _extracting(quiet: bool) -> Iterator[Callable[[Extracted], None] | None]:
    if quiet or not output.errors.is_terminal:
        yield None
        return
    with output.errors.status("extracting") as status:
        yield lambda done: status.update(
            f"extracting: {done.texts:,} texts, {done.facts:,} facts, {_dollars(done.cost)}"
        )
