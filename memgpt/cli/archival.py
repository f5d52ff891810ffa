"""``memgpt archival``: single archival memories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from memgpt.cli import arguments, output
from memgpt.cli.options import After, Agent, Dsn, Json, JsonLines, Limit, Metadata, Tags, opened

if TYPE_CHECKING:
    from memgpt.models import MemoryFields

app = typer.Typer(help="What was remembered: list, read, correct, replace, delete.", no_args_is_help=True)

Id = Annotated[int, typer.Argument(help="The memory's id.")]


@app.command("list")
def list_command(
    limit: Limit = 50,
    after: After = None,
    tags: Tags = None,
    superseded: Annotated[bool, typer.Option("--superseded", help="Also those that were replaced.")] = False,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: JsonLines = False,
) -> None:
    """Show memories, newest first; with several --tags those that have all."""
    with opened(agent, dsn) as memory:
        memories = memory.archival.list(limit=limit, after=after, tags=tags, superseded=superseded)
    output.show_list(
        memories,
        ("id", "text", "tags", "importance", "created", "expires"),
        lambda m: (m.id, m.text, ", ".join(m.tags), m.importance, m.created_at, m.expires_at),
        as_json=as_json,
    )


@app.command()
def get(id: Id, agent: Agent = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """Show one memory."""
    with opened(agent, dsn) as memory:
        stored = memory.archival.get(id)
    if as_json:
        output.show_json(stored)
    else:
        output.show_fields(stored)


@app.command("near-duplicates")
def near_duplicates(
    id: Id,
    threshold: Annotated[float, typer.Option("--threshold", help="Least cosine similarity, 0 to 1.")] = 0.95,
    limit: Limit = 10,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: JsonLines = False,
) -> None:
    """Show other memories that say nearly the same as one, nearest first."""
    with opened(agent, dsn) as memory:
        near = memory.archival.near_duplicates(id, threshold=threshold, limit=limit)
    output.show_list(
        near,
        ("id", "similarity", "text", "tags", "created"),
        lambda n: (n.memory.id, n.similarity, n.memory.text, ", ".join(n.memory.tags), n.memory.created_at),
        as_json=as_json,
    )


@app.command()
def update(
    id: Id,
    text: Annotated[str | None, typer.Option("--text", help="Embedded anew; - reads standard input.")] = None,
    tags: Tags = None,
    importance: Annotated[float | None, typer.Option("--importance", help="0 to 1.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Where it is from.")] = None,
    metadata: Metadata = None,
    expires_at: Annotated[str | None, typer.Option("--expires-at", help="ISO 8601 time.")] = None,
    clear_expiry: Annotated[bool, typer.Option("--clear-expiry", help="It never expires.")] = False,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Change what is given and keep the rest."""
    new = None if text is None else arguments.text(text)
    about = arguments.json_object(metadata, "--metadata")
    with opened(agent, dsn) as memory:
        changed = memory.archival.update(
            id,
            text=new,
            tags=tags,
            importance=importance,
            source=source,
            metadata=about,
            expires_at=expires_at,
            clear_expiry=clear_expiry,
        )
    if as_json:
        output.show_json(changed)
    else:
        output.say(f"✓ memory {id} changed")


@app.command()
def supersede(
    id: Id,
    text: Annotated[str, typer.Argument(help="What replaces it; - reads standard input.")],
    tags: Tags = None,
    importance: Annotated[float | None, typer.Option("--importance", help="0 to 1; else 0.5.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Where it is from.")] = None,
    metadata: Metadata = None,
    created_at: Annotated[str | None, typer.Option("--created-at", help="ISO 8601 time; else now.")] = None,
    expires_at: Annotated[str | None, typer.Option("--expires-at", help="ISO 8601 time; else never.")] = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Keep a text that replaces a memory, which no search finds any more."""
    new = arguments.text(text)
    fields: MemoryFields = {
        "tags": tags,
        "source": source,
        "metadata": arguments.json_object(metadata, "--metadata"),
        "created_at": created_at,
        "expires_at": expires_at,
    }
    if importance is not None:
        fields["importance"] = importance
    with opened(agent, dsn) as memory:
        replacement = memory.archival.supersede(id, new, **fields)
    if as_json:
        output.show_json(replacement)
    else:
        output.say(f"✓ memory {replacement.id} replaces {id}")


@app.command()
def delete(id: Id, agent: Agent = None, dsn: Dsn = None) -> None:
    """Remove a memory; undo brings it back (memgpt forget is for good)."""
    with opened(agent, dsn) as memory:
        memory.archival.delete(id)
    output.say(f"✓ memory {id} deleted; memgpt undo brings it back")
