"""``memgpt db``: the schema of a database and its care."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from memgpt import embeddings
from memgpt.cli import output
from memgpt.cli.options import Dsn, Json, Schema, chosen
from memgpt.config import NO_MODEL, Settings
from memgpt.database.admin import migrate, verify
from memgpt.database.admin.migrate import MigrationReport
from memgpt.database.admin.progress import MigrationProgress
from memgpt.database.dimensions import IN_THE_FILES, ModelSpec, Sizing

app = typer.Typer(
    add_completion=False, help="Migrations, checks, backups and care of the database.", no_args_is_help=True
)

Target = Annotated[str | None, typer.Option("--target", help="Stop at this migration: 2, 002 or its name.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check and show what would be done; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before rows are deleted.")]

KEPT = "the running migration left nothing behind, those before it are kept"


@app.command("migrate")
def migrate_command(
    dsn: Dsn = None, schema: Schema = None, target: Target = None, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Apply what is pending, each migration in a transaction of its own."""
    options = chosen(dsn, schema)
    model = configured_model(options)
    with output.interruptible(KEPT), progress_bar(as_json) as on_progress:
        report = migrate.apply(options=options, target=target, dry_run=dry_run, model=model, on_progress=on_progress)
    show_report(report, as_json)
    recorded = migrate.status(options=options).model
    if recorded is not None and recorded != model:
        output.note(
            f"the stored vectors are of {recorded.name}, the configured model is {model.name}: "
            f"memgpt reembed --to {model.name} moves them"
        )


@app.command()
def plan(dsn: Dsn = None, schema: Schema = None, target: Target = None, as_json: Json = False) -> None:
    """Show what `migrate` would do, with every statement."""
    options = chosen(dsn, schema)
    planned = migrate.plan(options=options, target=target, model=configured_model(options))
    if as_json:
        pending = [{"name": m.name, "statements": [s.text for s in m.statements]} for m in planned.pending]
        output.show_json({"schema": planned.schema, "pending": pending, "sizing": planned.sizing})
        return
    for migration in planned.pending:
        output.say(migration.name, "bold")
        for statement in migration.statements:
            output.say(f"  {statement.line:>4}  {statement.summary}")
    if planned.sizing:
        output.say(_sizing_line(planned.sizing))
    if not planned.pending and not planned.sizing:
        output.say("nothing to do")


@app.command()
def status(dsn: Dsn = None, schema: Schema = None, as_json: Json = False) -> None:
    """Show which migrations are applied."""
    current = migrate.status(options=chosen(dsn, schema))
    if as_json:
        output.show_json(current)
        return
    vector = f"pgvector {current.vector_version}" if current.vector_version else "no pgvector"
    output.say(f"{current.database}, schema {current.schema}, PostgreSQL {current.server_version}, {vector}")
    if current.model:
        output.say(f"embeddings: {current.model.name}, {current.model.dimensions} dimensions")
    rows = [(r.name, r.state, r.applied_at.isoformat(" ", "seconds") if r.applied_at else "") for r in current.records]
    output.show_table(("migration", "state", "applied at"), rows)


@app.command()
def rollback(
    dsn: Dsn = None,
    schema: Schema = None,
    target: Annotated[str | None, typer.Option("--target", help="The last migration to keep; 0 undoes all.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Undo the last migration, or everything after --target."""
    options = chosen(dsn, schema)
    todo = migrate.rollback(options=options, target=target, dry_run=True)
    destroys = {m.name for m in migrate.discover() if m.destroys} & {s.name for s in todo.steps}
    if destroys and not dry_run and not yes:
        names = ", ".join(sorted(destroys, reverse=True))
        typer.confirm(f"This drops tables with their rows ({names}). Is there a backup? Continue", abort=True, err=True)
    with output.interruptible(KEPT), progress_bar(as_json) as on_progress:
        report = migrate.rollback(options=options, target=target, dry_run=dry_run, on_progress=on_progress)
    show_report(report, as_json)


@app.command("verify")
def verify_command(dsn: Dsn = None, schema: Schema = None, as_json: Json = False) -> None:
    """Compare the live schema with what the migrations define; status 1 when something drifted."""
    verification = verify.verify(options=chosen(dsn, schema))
    if as_json:
        output.show_json(verification)
    else:
        _show_verification(verification)
    if verification.drifts:
        raise typer.Exit(1)


def _show_verification(verification: verify.SchemaVerification) -> None:
    output.show_table(("table", "index", "scans", "size"), verification.index_usage, title="Index usage")
    output.show_table(("table", "size", "table size", "index size"), verification.table_sizes, title="Table sizes")
    for drift in verification.drifts:
        output.say(f"{drift.kind}: {drift.what}", "red")
        output.say(f"    {drift.remedy}")
    if not verification.drifts:
        output.say(
            f"the schema is what {verification.migrations} migrations define: {verification.objects} objects compared",
            "green",
        )


def configured_model(options: Settings) -> ModelSpec:
    """Return the embedding model of the settings. Vectors of the caller's without a stated length have the files'
    size."""
    if options.embedding_model == NO_MODEL:
        return ModelSpec(NO_MODEL, options.embedding_dimensions or IN_THE_FILES)
    dimensions = embeddings.from_settings(options).dimensions
    return ModelSpec(options.embedding_model, dimensions or IN_THE_FILES)


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Callable[[MigrationProgress], None] | None]:
    """Live progress, on a terminal only."""
    if quiet or not output.errors.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Bars(*columns, console=output.errors, transient=True) as bars:
        task = bars.add_task("", total=None)

        def show(progress: MigrationProgress) -> None:
            what = progress.phase or progress.summary
            text = f"{progress.migration} {progress.statement}/{progress.statements} {what}"[:90].replace("[", "\\[")
            bars.update(task, description=text, completed=progress.done, total=progress.total or None)

        yield show


def show_report(report: MigrationReport, as_json: bool) -> None:
    if as_json:
        output.show_json(report)
        return
    word = {"up": "apply", "down": "undo"}[report.direction]
    for step in report.steps:
        if report.dry_run:
            output.say(f"would {word} {step.name} ({step.statements} statements)")
        else:
            output.say(f"✓ {step.name} {'applied' if report.direction == 'up' else 'undone'} ({step.seconds:.1f} s)")
    if report.sizing:
        output.say(("would do: " if report.dry_run else "✓ ") + _sizing_line(report.sizing))
    if not report.steps and not report.sizing:
        output.say("nothing to do")
    for notice in report.notices:
        output.note(notice)


def _sizing_line(sizing: Sizing) -> str:
    model = sizing.model
    how = "embedding columns sized for" if sizing.resize else "embedding model recorded:"
    return f"{how} {model.name}, {model.dimensions} dimensions"
