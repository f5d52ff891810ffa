"""``memgpt graph``: the knowledge graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, cast

import typer

from memgpt.cli import arguments, extraction, output
from memgpt.cli.options import Agent, Dsn, Json, Limit, opened
from memgpt.graph import exchange
from memgpt.graph.facts import Direction
from memgpt.graph.mentions import BATCH, Linked
from memgpt.graph.traversal import FAN_OUT, Cost, WalkFilters
from memgpt.models import Fact

app = typer.Typer(help="The knowledge graph: facts, neighbourhoods, paths, files.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="An entity, by one of its names.")]
From = Annotated[str | None, typer.Option("--from", help="True since this ISO 8601 time.", show_default=False)]
To = Annotated[str | None, typer.Option("--to", help="True until this ISO 8601 time.", show_default=False)]
ValidAt = Annotated[str | None, typer.Option("--valid-at", help="Only what was true then.", show_default=False)]
KnownAt = Annotated[str | None, typer.Option("--known-at", help="As it was known then.", show_default=False)]
Types = Annotated[list[str] | None, typer.Option("--type", help="A type; repeatable.", show_default=False)]
Way = Annotated[str, typer.Option("--direction", help="out: from it; in: about it; both.")]
MinWeight = Annotated[float | None, typer.Option("--min-weight", help="Only facts of that weight.", show_default=False)]
Past = Annotated[bool, typer.Option("--ended", help="Also what had ended by --valid-at.")]


@app.command()
def add_fact(
    source: Name,
    type: Annotated[str, typer.Argument(help="Such as works_at.")],
    target: Name,
    fact: Annotated[str | None, typer.Option("--fact", help="The fact in words.", show_default=False)] = None,
    weight: Annotated[
        float | None, typer.Option("--weight", help="How much it counts; a new one 1.", show_default=False)
    ] = None,
    valid_from: From = None,
    valid_to: To = None,
    properties: Annotated[str | None, typer.Option("--properties", help="A JSON object.", show_default=False)] = None,
    provenance: Annotated[
        str | None, typer.Option("--provenance", help="The row it is from, as message:12.", show_default=False)
    ] = None,
    functional: Annotated[
        bool | None, typer.Option("--functional/--not-functional", help="One target at a time; else the type decides.")
    ] = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Add a fact; a name without an entity becomes one."""
    about, row = arguments.json_object(properties, "--properties"), arguments.row(provenance, "--provenance")
    with opened(agent, dsn) as memory:
        added = memory.graph.add_fact(
            source,
            type,
            target,
            fact=fact,
            weight=weight,
            valid_from=valid_from,
            valid_to=valid_to,
            properties=about,
            provenance=row,
            functional=functional,
        )
    if as_json:
        output.show_json(added)
    else:
        output.say(f"✓ fact {added.id}: {added.fact}")


@app.command()
def retract_fact(
    id: Annotated[int, typer.Argument(help="The fact's id.")], agent: Agent = None, dsn: Dsn = None
) -> None:
    """Retract a fact; it stays, with the time."""
    with opened(agent, dsn) as memory:
        retracted = memory.graph.retract_fact(id)
    output.say(f"✓ fact {retracted.id} retracted")


@app.command()
def facts(
    entity: Annotated[str | None, typer.Argument(help="Of this entity; else all.", show_default=False)] = None,
    direction: Way = "both",
    type: Annotated[str | None, typer.Option("--type", help="Of this type.", show_default=False)] = None,
    valid_at: ValidAt = None,
    known_at: KnownAt = None,
    superseded: Annotated[bool, typer.Option("--superseded", help="Also superseded and retracted facts.")] = False,
    limit: Limit = 50,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Show facts, newest first."""
    with opened(agent, dsn) as memory:
        listed = memory.graph.facts(
            entity,
            direction=cast(Direction, direction),
            type=type,
            valid_at=valid_at,
            known_at=known_at,
            superseded=superseded,
            limit=limit,
        )
    if as_json:
        output.show_json(listed)
        return
    columns = ("id", "fact", "true from", "to", "known from", "to")
    output.show_table(columns, [_row(r) for r in listed])


@app.command()
def near(
    entity: Name,
    hops: Annotated[int, typer.Option("--hops", help="Most facts on the way.")] = 2,
    types: Types = None,
    fan_out: Annotated[int, typer.Option("--fan-out", help="Most facts of one entity each way; 0: all.")] = FAN_OUT,
    direction: Way = "both",
    min_weight: MinWeight = None,
    valid_at: ValidAt = None,
    known_at: KnownAt = None,
    ended: Past = False,
    limit: Limit = 100,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Show what is near an entity, nearest first."""
    filters = _filters(direction, types, min_weight, valid_at, known_at, ended)
    with opened(agent, dsn) as memory:
        neighbourhood = memory.graph.around(entity, hops=hops, limit=limit, fan_out=fan_out or None, **filters)
    if as_json:
        output.show_json(neighbourhood)
        return
    rows = [(r.depth, r.id, r.name, r.type, r.more or "") for r in neighbourhood.entities]
    output.show_table(("hops", "id", "name", "type", "more facts"), rows)
    if not neighbourhood.complete:
        output.note("not everything: --fan-out or --limit left some out")


@app.command()
def path(
    source: Name,
    target: Name,
    by: Annotated[str, typer.Option("--by", help="hops, weight or strength (1 / weight).")] = "hops",
    max_hops: Annotated[int, typer.Option("--max-hops", help="Most facts on the way.")] = 6,
    types: Types = None,
    direction: Way = "both",
    min_weight: MinWeight = None,
    valid_at: ValidAt = None,
    known_at: KnownAt = None,
    ended: Past = False,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Show the shortest or cheapest way between two entities; status 1 when there is none."""
    filters = _filters(direction, types, min_weight, valid_at, known_at, ended)
    with opened(agent, dsn) as memory:
        way = memory.graph.path(source, target, by=cast(Cost, by), max_hops=max_hops, **filters)
        steps = [memory.graph.fact(fact.id) for fact in way.facts] if way else []
    if as_json:
        output.show_json(way)
    for r in steps if not as_json else ():
        output.say(r.fact)
    if way is None:
        output.note(f"no way from {source} to {target}")
        raise typer.Exit(1)


@app.command()
def overview(
    limit: Annotated[int, typer.Option("--limit", help="Most of the best connected entities.")] = 20,
    valid_at: ValidAt = None,
    known_at: KnownAt = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Show the size of the graph, its types, and what is best connected."""
    with opened(agent, dsn) as memory:
        glance = memory.graph.overview(limit=limit, valid_at=valid_at, known_at=known_at)
    if as_json:
        output.show_json(glance)
        return
    output.say(f"{glance.entities:,} entities, {glance.facts:,} facts")
    for what, types in (("entities", glance.entity_types), ("facts", glance.fact_types)):
        output.show_table((f"type of {what}", "how many"), [(t.type, t.count) for t in types])
    rows = [(e.id, e.name, e.type, e.facts) for e in glance.most_connected]
    output.show_table(("id", "best connected", "type", "facts"), rows)
    if not glance.complete:
        output.note("not everything was counted: the graph is larger")


@app.command()
def rank(entity: Name, limit: Limit = 20, agent: Agent = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """Show what matters most seen from an entity: personalised PageRank."""
    with opened(agent, dsn) as memory:
        ranked = memory.graph.rank(entity, limit=limit)
    if as_json:
        output.show_json(ranked)
    else:
        output.show_table(("score", "name", "type"), [(f"{r.score:.4f}", r.entity.name, r.entity.type) for r in ranked])


@app.command("export")
def export_command(
    file: Annotated[Path, typer.Argument(help="A .graphml or .json file to write.")],
    agent: Agent = None,
    dsn: Dsn = None,
) -> None:
    """Write the graph as GraphML or node-link JSON."""
    arguments.new_file(file)
    with output.writing(file), opened(agent, dsn) as memory:
        counts = exchange.export(memory.graph, file)
    output.say(f"✓ {counts['entities']:,} entities and {counts['facts']:,} facts in {file}")


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="A .graphml, .json, .nt, .csv, .tsv or .jsonl file.")],
    on_error: Annotated[
        exchange.GraphOnError, typer.Option("--on-error", help="What becomes of a bad line: refuse all, or skip it.")
    ] = "fail",
    agent: Agent = None,
    dsn: Dsn = None,
) -> None:
    """Add the facts of a file, all or none."""
    arguments.existing_file(file)
    with output.interruptible("nothing was written"), opened(agent, dsn) as memory:
        count = exchange.import_triples(
            memory.graph, file, on_error=on_error, on_problem=lambda problem: output.show_problems([problem])
        )
    output.say(f"✓ {count:,} facts")


@app.command()
def link(
    batch: Annotated[int, typer.Option("--batch", help="Texts in one statement.")] = BATCH,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Link memories and chunks by the names they mention, for searches to follow; run it again after writing."""
    consequence = "what was linked is kept, the same command goes on from there"
    with output.interruptible(consequence), opened(agent, dsn) as memory, _progress(as_json) as on_progress:
        done = memory.graph.link(batch=batch, on_progress=on_progress)
    if as_json:
        output.show_json(done)
    else:
        output.say(f"✓ {done.texts:,} texts linked, {done.mentions:,} names in them; {done.seen:,} texts in all")


app.command()(extraction.extract)
app.command()(extraction.extractions)


@app.command("named-with")
def named_with(
    name: Annotated[str, typer.Argument(help="The name.")],
    limit: Limit = 20,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Show the names that linked texts mention beside a name: no facts, only names in one text."""
    with opened(agent, dsn) as memory:
        beside = memory.graph.named_with(name, limit=limit)
    if as_json:
        output.show_json(beside)
    else:
        output.show_table(("name", "texts"), [(n.name, n.texts) for n in beside])


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[Linked], None] | None]:
    """Live progress, on a terminal only."""
    if quiet or not output.errors.is_terminal:
        yield None
        return
    with output.errors.status("linking") as status:
        yield lambda done: status.update(f"linking: {done.seen:,} of {done.total:,} texts")


def _row(r: Fact) -> tuple[object, ...]:
    return r.id, r.fact, r.valid_from, r.valid_to, r.recorded_at, r.superseded_at


def _filters(
    direction: str,
    types: list[str] | None,
    min_weight: float | None,
    valid_at: str | None,
    known_at: str | None,
    ended: bool,
) -> WalkFilters:
    return {
        "direction": cast(Direction, direction),
        "types": types,
        "min_weight": min_weight,
        "valid_at": valid_at,
        "known_at": known_at,
        "ended": ended,
    }
