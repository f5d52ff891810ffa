"""``memgpt import-transcript``: conversations from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memgpt.cli import given, output
from memgpt.cli.options import Agent, Dsn, Json, OnErrorOption, opened

app = typer.Typer(add_completion=False)


@app.command()
def import_transcript(
    file: Annotated[Path, typer.Argument(help="JSON or JSON lines.", show_default=False)],
    session: Annotated[str | None, typer.Option("--session", help="The conversation to add to.")] = None,
    on_error: OnErrorOption = "replace",
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Keep messages of OpenAI, Anthropic or a ChatGPT export. What cannot be kept as it is, is told."""
    from memgpt import transcripts

    given.existing_file(file)
    with opened(agent, dsn) as memory, output.working("importing"):
        done = transcripts.import_transcript(memory, file, session=session, on_error=on_error)
    if as_json:
        output.show_json(done)
        return
    output.show_problems(done.problems)
    skipped = f", {done.skipped:,} skipped (empty, bad or there already)" if done.skipped else ""
    output.say(f"✓ {done.messages:,} messages of {done.sessions:,} conversations imported{skipped}")
