"""Commands on a whole memory: remember, search, context, history, undo, forget, stats."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from memgpt.cli import arguments, output
from memgpt.cli.options import (
    Agent,
    Dsn,
    Json,
    JsonLines,
    Limit,
    Metadata,
    Now,
    OnErrorOption,
    Since,
    Tags,
    Until,
    Yes,
    opened,
)
from memgpt.models import KINDS, Change, Hit, Kind

if TYPE_CHECKING:
    from memgpt.memory import Memory


ROW_KINDS = ("block", "archival", "message", "document", "chunk", "entity", "fact", "item", "file", "file_chunk")

Query = Annotated[str, typer.Argument(help='What to look for: words, "a phrase", -without; - reads standard input.')]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--kinds",
        help="archival, message, chunk, fact, item or file; repeatable. Else all.",
        show_default=False,
        autocompletion=arguments.completing(KINDS),
    ),
]
RowKind = Annotated[
    str,
    typer.Option(
        "--kind",
        help="block, archival, message, document, chunk, entity, fact, item, file or file_chunk.",
        autocompletion=arguments.completing(ROW_KINDS),
    ),
]
Graph = Annotated[bool, typer.Option("--graph/--no-graph", help="Whether facts about what the query names rise.")]


def remember(
    text: Annotated[str, typer.Argument(help="What to keep; - reads lines, or JSON Lines, from standard input.")],
    tags: Tags = None,
    importance: Annotated[float | None, typer.Option("--importance", help="0 to 1; else 0.5.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Where it is from.")] = None,
    metadata: Metadata = None,
    created_at: Annotated[str | None, typer.Option("--created-at", help="ISO 8601 time; else now.")] = None,
    expires_at: Annotated[str | None, typer.Option("--expires-at", help="ISO 8601 time; else never.")] = None,
    on_error: OnErrorOption = "fail",
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: JsonLines = False,
) -> None:
    """Keep a text for good; a text that is there already is not kept twice.

    With -, each line of standard input is a memory, or a JSON object with text, tags, importance, source, metadata,
    created_at, expires_at, embedding. All are kept or, if one is bad, none; options are for those that say nothing.
    """
    said = {
        "tags": tags,
        "importance": importance,
        "source": source,
        "metadata": arguments.json_object(metadata, "--metadata"),
        "created_at": created_at,
        "expires_at": expires_at,
    }
    fields: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    many = arguments.lines("text") if text == arguments.STDIN else None
    with opened(agent, dsn) as memory:
        if many is None:
            remembered = [memory.remember(text, **fields)]
        else:
            with output.working(f"remembering {len(many):,} texts"):
                batch = memory.remember_many((fields | item for item in many), on_error=on_error)
            output.show_problems(batch.problems)
            remembered = [*batch]
    if as_json:
        output.show_lines(remembered)
    elif many is not None:
        duplicates = sum(r.duplicate for r in remembered)
        output.say(
            f"✓ {len(remembered) - duplicates:,} remembered" + (f", {duplicates:,} known already" if duplicates else "")
        )
    else:
        [single] = remembered
        output.say(f"known already: memory {single.id}" if single.duplicate else f"✓ memory {single.id}")
        if single.similar:
            output.note(f"says nearly the same as memory {', '.join(map(str, single.similar))}")


def search(
    query: Query,
    limit: Limit = 10,
    offset: Annotated[int, typer.Option("--offset", help="Hits to skip: the next page.")] = 0,
    kinds: Kinds = None,
    tags: Tags = None,
    since: Since = None,
    until: Until = None,
    metadata: Metadata = None,
    roles: Annotated[
        list[str] | None, typer.Option("--roles", help="Messages of whom; repeatable.", show_default=False)
    ] = None,
    intents: Annotated[
        list[str] | None, typer.Option("--intents", help="Messages with that intent; repeatable.", show_default=False)
    ] = None,
    min_score: Annotated[float | None, typer.Option("--min-score", help="Drop hits that score less.")] = None,
    recency: Annotated[float, typer.Option("--recency", help="Weight of what is new.")] = 0.0,
    importance: Annotated[float, typer.Option("--importance", help="Weight of what is important.")] = 0.0,
    half_life: Annotated[str, typer.Option("--half-life", help="Age that halves recency: 12h, 30d.")] = "30d",
    now: Now = None,
    graph: Graph = True,
    explain: Annotated[bool, typer.Option("--explain", help="Show how each score came about.")] = False,
    spans: Annotated[bool, typer.Option("--spans", help="Show which words of each text match.")] = False,
    operators: Annotated[
        bool, typer.Option("--operators/--plain", help='Whether "phrases", -words and OR mean something.')
    ] = True,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: JsonLines = False,
) -> None:
    """Find what a query matches best; an empty query finds what is newest."""
    from memgpt import validation  # with NumPy, which help does without

    asked = arguments.text(query)
    options: dict[str, Any] = {
        "limit": limit,
        "offset": offset,
        "kinds": kinds,
        "tags": tags,
        "since": since,
        "until": until,
        "metadata": arguments.json_object(metadata, "--metadata"),
        "roles": roles,
        "intents": intents,
        "min_score": min_score,
        "recency": recency,
        "importance": importance,
        "half_life": validation.duration(half_life, "--half-life"),
        "now": now,
        "graph": graph,
        "explain": explain,
        "spans": spans,
        "operators": operators,
    }
    with opened(agent, dsn) as memory:
        hits = memory.search(asked, **options)
    if as_json:
        output.show_lines(hits)
    else:
        _show_hits(hits, explain=explain, spans=spans, first_page=offset == 0)


def _show_hits(hits: Sequence[Hit], *, explain: bool, spans: bool, first_page: bool) -> None:
    from memgpt.search import weak  # with NumPy, which help does without

    if not hits:
        output.note("nothing found")
        return
    more = [name for name, wanted in (("matches", spans), ("explanation", explain)) if wanted]
    output.show_table(("kind", "id", "score", "text", "created", *more), [_hit_row(hit) for hit in hits])
    if first_page and weak(hits):
        output.note("the best of these is a weak match: what was asked for may not be remembered")


def _hit_row(hit: Hit) -> list[object]:
    row: list[object] = [hit.kind, hit.id, hit.score, hit.text, hit.created_at]
    if hit.spans is not None:
        row.append(", ".join(dict.fromkeys(hit.text[start:end] for start, end in hit.spans)))
    return row if hit.explain is None else [*row, ", ".join(_reasons(hit.explain))]


def _reasons(explain: Mapping[str, Any]) -> Iterator[str]:
    """Rank and score in each arm, and what counted most, in a few words; --json has all of it."""
    for name, value in explain.items():
        if name == "features":
            yield from (f"{feature} {added:+.2f}" for feature, added in [*value.items()][:4])
        elif isinstance(value, dict):
            score = f" ({value['score']:.3f})" if "score" in value else ""
            yield f"{name} #{value['rank']}{score}"
        elif isinstance(value, float):
            yield f"{name} {value:.3f}"


def context(
    query: Annotated[str | None, typer.Argument(help="What to search for; absent, nothing is.")] = None,
    budget_tokens: Annotated[int, typer.Option("--budget-tokens", help="Most tokens of the text.")] = 2000,
    session: Annotated[str | None, typer.Option("--session", help="Whose latest messages; else all sessions.")] = None,
    recent: Annotated[int, typer.Option("--recent", help="Most messages that need not be found.")] = 20,
    limit: Annotated[int, typer.Option("--limit", help="Most hits of the search.")] = 20,
    kinds: Kinds = None,
    summary: Annotated[str | None, typer.Option("--summary", help="Of the earlier conversation.")] = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Print a text for a prompt, within a budget: core memory, what a query finds, the latest messages.

    With --json also each piece with its source and its tokens, and what was left out and why.
    """
    asked = None if query is None else arguments.text(query)
    with opened(agent, dsn) as memory:
        packed = memory.context(
            asked,
            budget_tokens=budget_tokens,
            session=session,
            recent=recent,
            limit=limit,
            kinds=cast(list[Kind] | None, kinds),
            summary=summary,
        )
    if as_json:
        output.show_json(packed)
        return
    output.show_text(packed.text)
    if output.errors.is_terminal:
        left_out = f", {len(packed.left_out)} pieces left out (--json says why)" if packed.left_out else ""
        output.note(f"{packed.tokens:,} of {packed.budget_tokens:,} tokens{left_out}")


def history(
    kind: Annotated[
        str | None,
        typer.Argument(help="block, archival, message, document, chunk, entity, fact, item, file or file_chunk."),
    ] = None,
    id: Annotated[int | None, typer.Argument(help="Of one row.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="Of the block of that label.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="By this actor.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="insert, update or delete.")] = None,
    change_id: Annotated[str | None, typer.Option("--change", help="What this change did.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    before: Annotated[int | None, typer.Option("--before", help="Id of the last change of the page before.")] = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: JsonLines = False,
) -> None:
    """Show who changed what and when, newest first."""
    with opened(agent, dsn) as memory:
        wanted = {"label": label, "actor": actor, "action": action, "change_id": change_id}
        changes = memory.history(kind, id, **wanted, since=since, until=until, limit=limit, before=before)
    _show_changes(changes, as_json)


def undo(
    change_id: Annotated[str | None, typer.Argument(help="As history shows it; else the last change.")] = None,
    yes: Yes = False,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: JsonLines = False,
) -> None:
    """Take back a change as a whole; undoing an undo does the change again. On a terminal it is shown first."""
    with opened(agent, dsn) as memory:
        if not yes and sys.stdin.isatty():
            change_id = _agreed(memory, change_id)
        changes = memory.undo(change_id)
    _show_changes(changes, as_json)


def _agreed(memory: Memory, change_id: str | None) -> str:
    """Show what an undo does, and ask; return the change it takes back, which may not be the last one any more."""
    with memory.transaction() as connection, connection.transaction(force_rollback=True):
        changes = memory.undo(change_id)
    rows = [(c.action, c.kind, c.row_id, _words(c.old), _words(c.new)) for c in changes]
    output.show_table(("does", "kind", "row", "is now", "becomes"), rows)
    typer.confirm(f"Take back change {changes[0].undoes}?", abort=True, err=True)
    return str(changes[0].undoes)


def _show_changes(changes: Any, as_json: bool) -> None:
    output.show_list(
        changes,
        ("id", "when", "who", "did", "kind", "row", "what", "change"),
        lambda c: (c.id, c.changed_at, c.actor, c.action, c.kind, c.row_id, _what(c), c.change_id),
        as_json=as_json,
    )


def _what(change: Change) -> str:
    return _words(change.new or change.old)


def _words(row: Mapping[str, Any] | None) -> str:
    """Return the words of a row, cut to a table's cell."""
    row = row or {}
    words = next((str(row[key]) for key in ("value", "text", "content", "chunk_text", "fact", "name", "title")
                  if row.get(key)), "")  # fmt: skip
    return words if len(words) <= 60 else f"{words[:59]}…"


def forget(
    id: Annotated[int | None, typer.Argument(help="Which row.", show_default=False)] = None,
    kind: RowKind = "archival",
    session: Annotated[
        str | None, typer.Option("--session", help="A whole conversation, in the place of a row.", show_default=False)
    ] = None,
    keep_history: Annotated[bool, typer.Option("--keep-history", help="Leave its history there.")] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Count what would be removed; remove nothing.")] = False,
    yes: Yes = False,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Remove a row or a whole conversation for good, with all that is derived from it and its history. Nothing brings
    it back."""
    from memgpt import validation

    validation.choice(kind, ROW_KINDS, "kind")
    what = f"{kind} {id}" if session is None else f"session {session!r}"
    with opened(agent, dsn) as memory:
        forget_it = partial(memory.forget, id, kind, session=session, keep_history=keep_history)
        if preview or not yes:
            counts = forget_it(preview=True)
        if not preview:
            if not yes:
                arguments.confirmed(f"Remove {what} for good, {sum(counts.values()):,} rows in all?", yes)
            counts = forget_it()
    show_removed(counts, as_json)


def show_removed(counts: Any, as_json: bool) -> None:
    """Print how many rows of each table were removed."""
    if as_json:
        output.show_json(counts)
        return
    output.show_table(("table", "removed"), [(table, n) for table, n in counts.items() if n])


def stats(agent: Agent = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """Show how much the memory holds of each kind, and how much of it has a vector."""
    with opened(agent, dsn) as memory:
        totals = memory.stats()
    if as_json:
        output.show_json(totals)
        return
    output.say(f"agent {totals.agent_id}: {totals.sessions:,} sessions, {totals.changes:,} changes in the history")
    output.say(f"embeddings: {totals.embedding_model}, {totals.dimensions} dimensions")
    rows = [(k.kind, k.rows, k.embedded, k.hidden or None, k.tokens, k.first, k.last) for k in totals.kinds]
    output.show_table(("kind", "rows", "with vector", "hidden", "tokens", "first", "last"), rows)
