"""``memgpt chat``: a conversation in the terminal, with a model or, without one, with the memory alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from memgpt.cli import output
from memgpt.cli.options import Agent, Dsn, opened

if TYPE_CHECKING:
    from memgpt.agent import Agent as ChatAgent
    from memgpt.agent import Event
    from memgpt.memory import Memory

HELP: Final = """/memory          the blocks of core memory
/search WORDS    search everything the agent knows
/context         what would be sent to the model now, by part
/undo            take back the last change of the memory that is not a message
/quit            leave (also Ctrl-D)"""

NO_MODEL: Final = """No chat model is configured, so the memory answers by quoting what it holds.
For conversations set MEMGPT_CHAT_MODEL, such as openai:gpt-5, anthropic:claude-sonnet-5-5 or ollama:llama3.1 (on
this machine; MEMGPT_CHAT_BASE_URL names another address); the key is in MEMGPT_CHAT_API_KEY or the provider's own
variable."""

_SHOWN: Final = 240

app = typer.Typer(add_completion=False)


@app.command()
def chat(
    agent: Agent = None,
    dsn: Dsn = None,
    session: Annotated[str, typer.Option("--session", help="The conversation to go on with.")] = "default",
    model: Annotated[
        str | None, typer.Option("--model", help="provider:model; else MEMGPT_CHAT_MODEL.", show_default=False)
    ] = None,
) -> None:
    """Talk to an agent that manages its own memory; without a model, the memory quotes what it knows."""
    from memgpt.memory import scope_of

    with opened(agent, dsn) as memory:
        answering: ChatAgent | None = None
        if model or scope_of(memory).options.chat_model:
            from memgpt.agent import Agent as ChatAgent

            answering = ChatAgent(memory, model, session=session)
            output.note(f"{answering.model.name}, agent {memory.agent!r}, session {session!r}; /help for commands")
            if (events := answering.resume_stream()) is not None:
                output.note("The last turn was interrupted; it goes on:")
                _show(events)
        else:
            output.note(NO_MODEL)
        for line in _lines():
            if line in ("/quit", "/exit"):
                return
            _answer(memory, answering, session, line)


def _lines() -> Iterator[str]:
    """Yield what the user types, until the end of the input."""
    while True:
        try:
            line = input("> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            output.say("")
            return
        except KeyboardInterrupt:
            output.say("")
            if not sys.stdin.isatty():
                return
            continue  # as in a shell: what was typed is dropped, and the prompt is there again
        if line:
            yield line


def _answer(memory: Memory, agent: ChatAgent | None, session: str, line: str) -> None:
    from memgpt.errors import MemgptError

    try:
        if line.startswith("/"):
            _command(memory, agent, line)
        elif agent is None:
            _quote(memory, session, line)
        else:
            _show(agent.stream(line))
    except KeyboardInterrupt:
        if agent is not None:
            agent.cancel()
        output.note("cancelled")
    except MemgptError as error:  # the conversation goes on
        output.fail(str(error))


def _command(memory: Memory, agent: ChatAgent | None, line: str) -> None:
    name, _, rest = line.partition(" ")
    commands: dict[str, Callable[[], None]] = {
        "/memory": lambda: _blocks(memory),
        "/search": lambda: _search(memory, rest),
        "/context": lambda: _context(memory, agent),
        "/undo": lambda: _undo(memory),
        "/help": lambda: output.say(HELP),
    }
    commands.get(name, lambda: output.note(f"there is no command {name}\n{HELP}"))()


def _show(events: Iterator[Event]) -> None:
    """Print a turn as it happens."""
    from memgpt.agent import Cut, Ended, Evicted, Pressure, Restarted, Text, ToolCalled, ToolReturned
    from memgpt.agent.toolbox import CHANGING

    for event in events:
        match event:
            case Text(text):
                output.write(text)
                sys.stdout.flush()
            case Restarted():
                output.say("\n(the response was cut off; starting again)", "yellow")
            case ToolCalled(name, arguments):
                output.say(f"\n· {name} {_brief(str(arguments))}", "magenta" if name in CHANGING else "dim")
            case ToolReturned(name, result, failed):
                style = "red" if failed else "green" if name in CHANGING else "dim"
                output.say(f"  {_brief(result)}", style)
            case Pressure(tokens, budget):
                output.say(f"(the window is nearly full: {tokens:,} of {budget:,} tokens)", "yellow")
            case Evicted(messages, _, by_model):
                how = "" if by_model else "; the model could not, so it is their beginnings"
                output.say(f"(the oldest {messages} messages are now a summary{how})", "yellow")
            case Cut():
                output.say("\n(cut: the longest answer)", "yellow")
            case Ended(turn):
                output.say("" if turn.status == "done" else f"\n({turn.status}: {turn.reason or ''})", "yellow")


def _quote(memory: Memory, session: str, line: str) -> None:
    """Answer from memory alone: quotations with where they are from."""
    from memgpt.agent import quoting

    answer = quoting.answer(memory, session, line)
    if answer.kept is not None:
        output.say(f"Kept as archival memory {answer.kept.id}.", "green")
        return
    if answer.told:
        output.say(f"Kept as message {answer.message.id}.", "green")
        return
    if not answer.quotations:
        output.say("Nothing in memory about that.")
    for quotation in answer.quotations:
        hit, place = quotation.hit, quotation.place
        cited = f"[{hit.kind} {hit.id}{f', {place}' if place else ''}, {hit.created_at:%Y-%m-%d}]"
        output.say(f"“{quotation.passage}” {cited}")


def _blocks(memory: Memory) -> None:
    blocks = memory.core.list()
    if not blocks:
        output.say("Core memory is empty.")
    for block in blocks:
        output.say(f"{block.label} ({len(block.value):,} of {block.limit:,} characters)", "bold")
        output.say(block.value)


def _search(memory: Memory, words: str) -> None:
    hits = memory.search(words, limit=10)
    output.show_table(("kind", "id", "when", "text"), [_row(h) for h in hits])


def _row(hit: object) -> tuple[object, ...]:
    from memgpt.models import Hit

    assert isinstance(hit, Hit)  # noqa: S101 - what searches answer
    return hit.kind, hit.id, f"{hit.created_at:%Y-%m-%d %H:%M}", _brief(hit.text)


def _context(memory: Memory, agent: ChatAgent | None) -> None:
    if agent is None:
        output.say(memory.context().text)
        return
    sent = agent.context()
    output.show_table(("part", "tokens"), [*sent.tokens_by_part.items(), ("together", sent.tokens)])
    output.say(sent.system, "dim")


def _undo(memory: Memory) -> None:
    changes = [change for change in memory.history(limit=1000) if change.kind != "message" and change.undoes is None]
    undone = {change.undoes for change in memory.history(limit=1000)}
    last = next((change for change in changes if change.change_id not in undone), None)
    if last is None:
        output.say("There is nothing to undo.")
        return
    for change in memory.undo(last.change_id):
        output.say(f"undone: {last.action} of {change.kind} {change.row_id}", "yellow")


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
