"""``memgpt message``: conversations."""

from __future__ import annotations

from typing import Annotated

import typer

from memgpt.cli import arguments, output
from memgpt.cli.options import After, Agent, Dsn, Json, JsonLines, Limit, Metadata, OnErrorOption, Since, Until, opened
from memgpt.models import ROLES, Message

app = typer.Typer(help="Recall memory: the conversations an agent had.", no_args_is_help=True)

Id = Annotated[int, typer.Argument(help="The message's id.")]
Name = Annotated[str | None, typer.Option("--name", help="Who speaks.")]
Intent = Annotated[str | None, typer.Option("--intent", help="What the user wants with it.")]
Confidence = Annotated[float | None, typer.Option("--intent-confidence", help="0 to 1.")]


@app.command()
def append(
    role: Annotated[
        str, typer.Argument(help=f"{', '.join(ROLES)}.", autocompletion=arguments.completing(ROLES), show_default=False)
    ],
    content: Annotated[str, typer.Argument(help="What was said; - reads standard input.")],
    session: Annotated[str, typer.Option("--session", help="The conversation it belongs to.")] = "default",
    name: Name = None,
    created_at: Annotated[str | None, typer.Option("--created-at", help="ISO 8601 time; else now.")] = None,
    metadata: Metadata = None,
    intent: Intent = None,
    intent_confidence: Confidence = None,
    tokens: Annotated[int | None, typer.Option("--tokens", help="Else counted.")] = None,
    tool_calls: Annotated[
        str | None, typer.Option("--tool-calls", help="A JSON list of objects.", show_default=False)
    ] = None,
    tool_call_id: Annotated[str | None, typer.Option("--tool-call-id", help="Which call a tool answers.")] = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Keep one message."""
    said = arguments.text(content)
    about = arguments.json_object(metadata, "--metadata")
    calls = arguments.json_list(tool_calls, "--tool-calls")
    with opened(agent, dsn) as memory:
        message = memory.messages.append(
            role,
            said,
            session=session,
            name=name,
            created_at=created_at,
            metadata=about,
            intent=intent,
            intent_confidence=intent_confidence,
            tokens=tokens,
            tool_calls=calls,
            tool_call_id=tool_call_id,
        )
    _show(message, as_json, "kept")


@app.command("append-many")
def append_many(
    session: Annotated[str | None, typer.Option("--session", help="Of those that name none.")] = None,
    on_error: OnErrorOption = "fail",
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: JsonLines = False,
) -> None:
    """Keep the messages on standard input, all or none: JSON Lines with role, content, session, name, created_at.

    A line that is not JSON is what the user said.
    """
    default = {} if session is None else {"session": session}
    messages = arguments.lines("content")
    with opened(agent, dsn) as memory, output.working(f"keeping {len(messages):,} messages"):
        appended = memory.messages.append_many((default | message for message in messages), on_error=on_error)
    output.show_problems(appended.problems)
    if as_json:
        output.show_lines(appended)
    else:
        output.say(f"✓ {len(appended):,} messages kept")


@app.command("list")
def list_command(
    session: Annotated[str | None, typer.Option("--session", help="One conversation; else all as one.")] = None,
    limit: Limit = 50,
    after: After = None,
    roles: Annotated[
        list[str] | None,
        typer.Option(
            "--roles", help="Whose; repeatable.", show_default=False, autocompletion=arguments.completing(ROLES)
        ),
    ] = None,
    intent: Intent = None,
    since: Since = None,
    until: Until = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: JsonLines = False,
) -> None:
    """Show the newest messages, in the order of the conversation."""
    with opened(agent, dsn) as memory:
        listed = memory.messages.list(
            session=session, limit=limit, before=after, roles=roles, intent=intent, since=since, until=until
        )
    output.show_list(
        listed,
        ("id", "when", "session", "who", "said"),
        lambda m: (m.id, m.created_at, m.session, m.name or m.role, m.content),
        as_json=as_json,
    )


@app.command()
def get(id: Id, agent: Agent = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """Show one message."""
    with opened(agent, dsn) as memory:
        single = memory.messages.get(id)
    if as_json:
        output.show_json(single)
    else:
        output.show_fields(single)


@app.command()
def sessions(
    limit: Limit = 1000,
    after: Annotated[str | None, typer.Option("--after", help="Last session of the page before.")] = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: JsonLines = False,
) -> None:
    """Show the conversations, the one last spoken in first."""
    with opened(agent, dsn) as memory:
        listed = memory.messages.sessions(limit=limit, after=after)
    output.show_list(
        listed,
        ("session", "messages", "first", "last"),
        lambda s: (s.session, s.messages, s.first, s.last),
        as_json=as_json,
    )


@app.command()
def update(
    id: Id,
    content: Annotated[str | None, typer.Option("--content", help="Embedded anew; - reads standard input.")] = None,
    name: Name = None,
    intent: Intent = None,
    intent_confidence: Confidence = None,
    metadata: Metadata = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Change what is given and keep the rest."""
    new = None if content is None else arguments.text(content)
    about = arguments.json_object(metadata, "--metadata")
    with opened(agent, dsn) as memory:
        message = memory.messages.update(
            id, content=new, name=name, intent=intent, intent_confidence=intent_confidence, metadata=about
        )
    _show(message, as_json, "changed")


@app.command()
def delete(id: Id, agent: Agent = None, dsn: Dsn = None) -> None:
    """Remove a message; undo brings it back (memgpt forget --kind message is for good)."""
    with opened(agent, dsn) as memory:
        memory.messages.delete(id)
    output.say(f"✓ message {id} deleted; memgpt undo brings it back")


@app.command("delete-session")
def delete_session(
    session: Annotated[str, typer.Argument(help="The conversation.")], agent: Agent = None, dsn: Dsn = None
) -> None:
    """Remove a whole conversation; undo brings it back (memgpt forget --session is for good)."""
    with opened(agent, dsn) as memory:
        count = memory.messages.delete_session(session)
    output.say(f"✓ session {session} deleted, {count:,} messages; memgpt undo brings it back")


def _show(message: Message, as_json: bool, done: str) -> None:
    if as_json:
        output.show_json(message)
    else:
        output.say(f"✓ message {message.id} {done}")
