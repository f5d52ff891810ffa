"""``memgpt doctor``: is the memory in order?"""

from __future__ import annotations

import typer

from memgpt import doctor
from memgpt.cli import output
from memgpt.cli.options import Dsn, Json, Schema, chosen

_STYLE = {"ok": "green", "note": "yellow", "problem": "red"}


app = typer.Typer(add_completion=False)


@app.command()
def doctor_command(dsn: Dsn = None, schema: Schema = None, as_json: Json = False) -> None:
    """Examine the memory: models, vectors, indexes; status 1 when there is a problem."""
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
