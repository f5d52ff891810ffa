"""``memgpt embeddings``: what models cost."""

from __future__ import annotations

from typing import Annotated

import typer

from memgpt.cli import output
from memgpt.cli.options import Dsn, Json, Schema, chosen
from memgpt.database.admin import maintenance
from memgpt.embeddings.providers import price
from memgpt.errors import InputError

app = typer.Typer(add_completion=False, help="Embedding models and what they cost.", no_args_is_help=True)


@app.callback()
def embeddings() -> None:
    """Embedding models and what they cost."""


@app.command()
def cost(
    old: Annotated[str, typer.Option("--from", help="The model to move from.")] = "text-embedding-ada-002",
    new: Annotated[str, typer.Option("--to", help="The model to move to.")] = "text-embedding-3-small",
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: Json = False,
) -> None:
    """Compare what two models cost for the tokens this database stores, at list prices."""
    prices = {name: _price(name) for name in (old, new)}
    tables = maintenance.tokens(options=chosen(dsn, schema))
    stored = sum(t.counted + t.estimated for t in tables)
    estimated = sum(t.estimated for t in tables)
    month = sum(t.last_month for t in tables)
    dollars = {name: {"stored": stored * p / 1e6, "last_30_days": month * p / 1e6} for name, p in prices.items()}
    saved = 1 - prices[new] / prices[old] if prices[old] else None
    if as_json:
        totals = {"tokens": stored, "estimated_tokens": estimated, "tokens_last_30_days": month}
        output.show_json(totals | {"prices_per_million": prices, "dollars": dollars, "saved": saved, "tables": tables})
        return
    rows = [(t.table, f"{t.texts:,}", f"{t.counted:,}", f"{t.estimated:,}", f"{t.last_month:,}") for t in tables]
    output.show_table(("table", "texts", "tokens counted", "tokens estimated", "last 30 days"), rows)
    for name, dollar in prices.items():
        each = dollars[name]
        output.say(
            f"{name}: ${dollar / 1000:.5f} per 1K tokens; {stored:,} stored tokens cost ${each['stored']:,.4f}, "
            f"a month like the last one ${each['last_30_days']:,.4f}"
        )
    if saved is not None:
        output.say(f"{new} is {abs(saved):.0%} {'cheaper' if saved >= 0 else 'dearer'} than {old}", "bold")
    if estimated:
        output.note(
            f"{estimated:,} tokens were not counted when stored; they are estimated as a quarter of the characters"
        )


def _price(model: str) -> float:
    listed = price(model)
    if listed is None:
        raise InputError(f"no list price is known for {model!r}")
    return listed
