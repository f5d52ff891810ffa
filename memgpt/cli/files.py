"""``memgpt files``: texts at paths, as Claude's memory tool and folders of Markdown have them."""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING, Annotated, Final

import typer

from memgpt.cli import arguments, output
from memgpt.cli.options import Agent, Dsn, Json, JsonLines, Limit, Metadata, opened

if TYPE_CHECKING:
    from memgpt.models import SyncConflict, SyncReport

SHOWN: Final = 40
"""Lines of a conflict."""

COMPARED: Final = 100_000
"""Characters of the texts that are compared to show a conflict; with longer ones it would take minutes."""

app = typer.Typer(help="Texts at paths, as Claude's memory tool has them.", no_args_is_help=True)

Path = Annotated[str, typer.Argument(help="The file's path; without a slash in front below /memories.")]
Content = Annotated[str, typer.Argument(help="The text; - reads standard input.")]
ExpectedVersion = Annotated[
    int | None, typer.Option("--expected-version", help="Only if this is the file's version.", show_default=False)
]


@app.command("list")
def list_command(
    directory: Annotated[str, typer.Argument(help="The files below it.")] = "/",
    limit: Limit = 1000,
    after: Annotated[str | None, typer.Option("--after", help="Path of the last of the page before.")] = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: JsonLines = False,
) -> None:
    """Show the files below a directory, by path."""
    with opened(agent, dsn) as memory:
        entries = memory.files.list(directory, limit=limit, after=after)
    output.show_list(
        entries,
        ("path", "bytes", "version", "changed"),
        lambda entry: (entry.path, entry.size, entry.version, entry.updated_at),
        as_json=as_json,
    )


@app.command()
def read(path: Path, agent: Agent = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """Print a file."""
    with opened(agent, dsn) as memory:
        file = memory.files.read(path)
    if as_json:
        output.show_json(file)
    else:
        output.write(file.content)


@app.command()
def create(
    path: Path,
    content: Content,
    metadata: Metadata = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Keep a new file."""
    text, about = arguments.text(content), arguments.json_object(metadata, "--metadata")
    with opened(agent, dsn) as memory:
        file = memory.files.create(path, text, metadata=about)
    if as_json:
        output.show_json(file)
    else:
        output.say(f"✓ {file.path} created")


@app.command()
def write(
    path: Path,
    content: Content,
    metadata: Metadata = None,
    expected_version: ExpectedVersion = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Give a file a new content, and make it if it is not there."""
    text, about = arguments.text(content), arguments.json_object(metadata, "--metadata")
    with opened(agent, dsn) as memory:
        file = memory.files.write(path, text, metadata=about, expected_version=expected_version)
    if as_json:
        output.show_json(file)
    else:
        output.say(f"✓ {file.path} is version {file.version}")


@app.command()
def edit(
    path: Path,
    old: Annotated[str, typer.Argument(help="What is there, exactly once.")],
    new: Annotated[str, typer.Argument(help="What replaces it; - reads standard input.")],
    expected_version: ExpectedVersion = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Replace a text that occurs once."""
    text = arguments.text(new)
    with opened(agent, dsn) as memory:
        file = memory.files.edit(path, old, text, expected_version=expected_version)
    if as_json:
        output.show_json(file)
    else:
        output.say(f"✓ {file.path} is version {file.version}")


@app.command()
def rename(
    path: Annotated[str, typer.Argument(help="A file, or a directory.")],
    to: Annotated[str, typer.Argument(help="Its new path.")],
    expected_version: ExpectedVersion = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Move a file, or a directory with everything below it."""
    with opened(agent, dsn) as memory:
        moved = memory.files.rename(path, to, expected_version=expected_version)
    if as_json:
        output.show_json(moved)
    else:
        output.say(f"✓ {path} is {to} ({len(moved)} files); memgpt undo takes it back")


@app.command()
def delete(
    path: Annotated[str, typer.Argument(help="A file, or a directory.")],
    expected_version: ExpectedVersion = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Remove a file, or a directory with everything below it; undo brings it back."""
    with opened(agent, dsn) as memory:
        gone = memory.files.delete(path, expected_version=expected_version)
    if as_json:
        output.show_json(gone)
    else:
        output.say(f"✓ {path} deleted ({len(gone)} files); memgpt undo brings it back")


@app.command()
def sync(
    folder: Annotated[str, typer.Argument(help="A directory of this machine.")],
    path: Annotated[str, typer.Option("--path", help="The directory of the memory.")] = "/memories",
    delete: Annotated[
        bool, typer.Option("--delete", help="Also where one side is empty: delete all files of the other.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Synchronize a folder of texts with files, both ways; conflicts are shown, nothing is overwritten."""
    with (
        output.interruptible("what was carried over stays; run it again for the rest"),
        opened(agent, dsn) as memory,
        output.counting("files") as count,
    ):
        report = memory.files.sync(
            folder, path=path, delete=delete, dry_run=dry_run, on_progress=lambda done, _: count(done)
        )
    if as_json:
        output.show_json(report)
    else:
        _show(report)
    if report.conflicts:
        raise typer.Exit(1)


def _show(report: SyncReport) -> None:
    for file in report.changed:
        output.say(f"{file.action} in {'the folder' if file.to == 'folder' else 'the memory'}: {file.path}")
    for name, reason in report.left_out.items():
        output.note(f"left out: {name}: {reason}")
    for conflict in report.conflicts:
        output.say(f"conflict: {conflict.path}: {conflict.reason}", "red")
        _show_conflict(conflict)
    would = "would be " if report.dry_run else ""
    output.say(f"✓ {len(report.changed):,} files {would}carried over, {len(report.conflicts):,} conflicts")


def _show_conflict(conflict: SyncConflict) -> None:
    sides = {"folder": conflict.folder, "memory": conflict.memory}
    for side, text in sides.items():
        output.say(f"  {side}: {'no such file' if text is None else f'{len(text):,} characters'}")
    if max(len(text or "") for text in sides.values()) > COMPARED:
        return
    memory, folder = ((conflict.memory or "").splitlines(), (conflict.folder or "").splitlines())
    lines = list(unified_diff(memory, folder, "memory", "folder", lineterm=""))
    for line in lines[:SHOWN]:
        output.say(f"  {line}")
    if len(lines) > SHOWN:
        output.say(f"  … {len(lines) - SHOWN:,} lines more")
