"""``memgpt doctor``: is the memory in order?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from memgpt.cli import output
from memgpt.cli.options import Dsn, Json, Schema, chosen
from memgpt.reembed import doctor, sizing

if TYPE_CHECKING:
    from memgpt.config import Settings

_STYLE = {"ok": "green", "note": "yellow", "problem": "red"}


app = typer.Typer(add_completion=False)


@app.command()
def doctor_command(
    dsn: Dsn = None,
    schema: Schema = None,
    sizes: Annotated[bool, typer.Option("--sizing", help="Print room and time instead: now, and at --rows.")] = False,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows of each kind to size for.")] = 1_000_000,
    as_json: Json = False,
) -> None:
    """Examine the memory: models, vectors, indexes; status 1 when there is a problem."""
    if sizes:
        _show_sizes(chosen(dsn, schema), rows, as_json)
        return
    findings = doctor.examine(options=chosen(dsn, schema))
    if as_json:
        output.show_json(findings)
    else:
        for finding in findings:
            output.say(f"{finding.level:8}{finding.check}: {finding.message}", _STYLE[finding.level])
            if finding.action:
                output.say(f"        {finding.action}")
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)


def _show_sizes(options: Settings, rows: int, as_json: bool) -> None:
    sizes = sizing.examine(rows=rows, options=options)
    if as_json:
        output.show_json(sizes)
        return
    header = ("", "rows", "size", "bytes a row", f"at {rows:,}", "of it read by vector", "load", "all indexes again")
    output.show_table(
        header,
        [
            [
                table.what,
                f"{table.rows:,}",
                sizing.gigabytes(table.bytes),
                f"{table.per_row.bytes:,.0f}{'' if table.own else ' *'}",
                sizing.gigabytes(table.then_bytes),
                sizing.gigabytes(table.then_searched),
                sizing.duration(table.then_load),
                sizing.duration(table.then_build),
            ]
            for table in sizes.tables
        ],
        f"{sizes.dimensions} dimensions; the whole database takes {sizing.gigabytes(sizes.database_bytes)}",
    )
    if not all(table.own for table in sizes.tables):
        output.say("* not enough rows yet: constants of a measurement with short texts (docs/sizing.md)")
    for line in sizes.advice:
        output.say(line)
