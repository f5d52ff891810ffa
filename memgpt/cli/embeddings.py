"""``memgpt embeddings``."""

from __future__ import annotations

import typer

app = typer.Typer(help="Embedding models and what they cost.", no_args_is_help=True)
