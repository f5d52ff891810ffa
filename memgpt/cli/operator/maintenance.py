"""``memgpt db``, second half: backups, rehearsals, watching, vacuuming."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from memgpt.cli import arguments, output
from memgpt.cli.operator.db import Target, app, configured_model, progress_bar, show_report
from memgpt.cli.options import Dsn, Json, Schema, chosen
from memgpt.database.admin import backup, maintenance, rehearsal
from memgpt.reembed import backfill

File = Annotated[Path, typer.Argument(help="The dump (pg_dump's custom format).", show_default=False)]
NewFile = Annotated[Path | None, typer.Argument(help="The dump; else memgpt-DATE.dump here.", show_default=False)]


@app.command("backup")
def backup_command(
    file: NewFile = None,
    dsn: Dsn = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    as_json: Json = False,
) -> None:
    """Dump the database to a file with the server's own pg_dump."""
    path = file or Path(f"memgpt-{datetime.now(UTC):%Y%m%d-%H%M%S}.dump")
    arguments.new_file(path)
    with output.interruptible("no file was written"), output.writing(path):
        done = backup.backup(path, options=chosen(dsn), replace=force)
    if as_json:
        output.show_json(done)
        return
    output.say(f"✓ {done.database} backed up to {done.path} ({done.bytes / 1e6:.1f} MB)")


@app.command("restore")
def restore_command(
    file: File,
    dsn: Dsn = None,
    schema: Schema = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the memory the database holds.")] = False,
    as_json: Json = False,
) -> None:
    """Restore a dump, in one transaction."""
    arguments.existing_file(file)
    with output.interruptible("the database is as it was"):
        done = backup.restore(file, options=chosen(dsn, schema), replace=replace)
    if as_json:
        output.show_json(done)
        return
    output.say(f"✓ {done.path} restored into {done.database}")


@app.command("stage")
def stage_command(dsn: Dsn = None, schema: Schema = None, target: Target = None, as_json: Json = False) -> None:
    """Rehearse the pending migrations on a copy of the database, verify it, drop it."""
    options = chosen(dsn, schema)
    with output.interruptible("the copy is dropped"), progress_bar(as_json) as on_progress:
        rehearsed = rehearsal.stage(
            options=options, target=target, model=configured_model(options), on_progress=on_progress
        )
    if as_json:
        output.show_json(rehearsed)
    else:
        output.say(f"copied by {rehearsed.copied_by} in {rehearsed.copy_seconds:.1f} s")
        show_report(rehearsed.report, as_json=False)
        for drift in rehearsed.drifts:
            output.say(f"{drift.kind}: {drift.what}", "red")
        output.say("the copy was dropped; the database itself is as it was")
    if rehearsed.drifts:
        raise typer.Exit(1)


@app.command("monitor")
def monitor_command(dsn: Dsn = None, schema: Schema = None, as_json: Json = False) -> None:
    """Show running index builds, waiting sessions, and how a search is executed."""
    monitored = maintenance.monitor(options=chosen(dsn, schema))
    if as_json:
        output.show_json(monitored)
        return
    rows = [(w.pid, w.work, w.table, w.phase, "" if w.percent is None else f"{w.percent}%") for w in monitored.running]
    output.show_table(("pid", "work", "table", "phase", "done"), rows, title="Running")
    waiting = [(b.pid, ", ".join(map(str, b.blocked_by)), f"{b.seconds} s", b.query) for b in monitored.blocked]
    output.show_table(("pid", "waits for", "since", "statement"), waiting, title="Waiting for a lock")
    output.say(
        "A search by the agent with the most chunks:" if monitored.plan else "no chunk has an embedding yet", "bold"
    )
    for line in monitored.plan:
        output.say(f"  {line}")


@app.command("vacuum")
def vacuum_command(dsn: Dsn = None, schema: Schema = None, as_json: Json = False) -> None:
    """VACUUM ANALYZE every table of memgpt, as after a large migration."""
    done = []
    with output.interruptible("the tables vacuumed so far stay so"):
        for table, seconds in maintenance.vacuum(options=chosen(dsn, schema)):
            done.append({"table": table, "seconds": round(seconds, 3)})
            if not as_json:
                output.say(f"✓ {table} ({seconds:.1f} s)")
    if as_json:
        output.show_json(done)


@app.command("languages")
def languages_command(
    agent: Annotated[
        str | None, typer.Option("--agent", help="Only this one, also if it is done.", show_default=False)
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: Json = False,
) -> None:
    """Find the language of each text that was written before migration 023; searches go on meanwhile."""
    with output.interruptible("what is done is kept; the same command goes on from there"), _reading(as_json) as told:
        report = backfill.read_languages(agent=agent, options=chosen(dsn, schema), progress=told)
    if as_json:
        output.show_json(report)
        return
    output.say(f"✓ {report.texts:,} texts of {report.agents:,} agents read, {report.changed:,} are not in English")


@contextmanager
def _reading(quiet: bool) -> Iterator[backfill.Progress | None]:
    """Live progress, on a terminal only."""
    if quiet or not output.errors.is_terminal:
        yield None
        return
    with output.errors.status("reading") as status:
        yield lambda agent, r: status.update(f"{agent}: {r.texts:,} texts read, {r.changed:,} changed")
