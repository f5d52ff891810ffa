"""``memgpt import-transcript``: conversations from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memgpt.cli import arguments, output
from memgpt.cli.options import Agent, Dsn, Json, OnErrorOption, opened

app = typer.Typer(add_completion=False)


@app.command()
def import_transcript(
    file: Annotated[
        Path, typer.Argument(help="An export, a list of messages, or a Slack export's folder.", show_default=False)
    ],
    session: Annotated[str | None, typer.Option("--session", help="The conversation to add to.")] = None,
    branches: Annotated[
        bool, typer.Option("--branches", help="Also the branches of ChatGPT conversations that were not shown last.")
    ] = False,
    on_error: OnErrorOption = "replace",
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Keep the conversations of an export, each message once; again, what is new in it."""
    from memgpt.integrations import transcripts

    arguments.existing_file(file)
    with (
        output.interruptible("of a file over 32 MiB what was imported stays; run it again to go on"),
        opened(agent, dsn) as memory,
        output.counting("messages") as progress,
    ):
        done = transcripts.import_transcript(
            memory, file, session=session, branches=branches, on_error=on_error, progress=progress
        )
    if as_json:
        output.show_json(done)
        return
    output.show_problems(done.problems)
    skipped = f", {done.skipped:,} skipped (empty, bad or there already)" if done.skipped else ""
    output.say(f"✓ {done.messages:,} messages of {done.sessions:,} conversations imported{skipped}")
