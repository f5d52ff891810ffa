"""Remember and recall real input: what ``make demo`` runs.

It reads a station handbook, a conversation, memories and facts from ``examples/data``, keeps them in a private
PostgreSQL under ``.demo/``, asks questions whose answers are known, and counts how many it found. No network, no key.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
SERVER = HERE.parent / ".demo"
TOP = 3
"""An answer counts as found when it is in one of this many hits, over all kinds together."""
ENOUGH = 0.8
"""Share of the questions below which the demo fails. Two ask who came before or after somebody, which is hard."""
BUDGET = 1200
"""Tokens of the context that is shown."""

console = Console(highlight=False, soft_wrap=True)
width = min(console.width, 120) if console.is_terminal else 120


def main() -> int:
    started = time.perf_counter()
    use_private_server()
    from memgpt import MemgptError, Memory  # after the environment is set, for that is where it reads its settings

    try:
        with Memory("tern-ridge", actor="demo") as memory:
            title(f"PostgreSQL, private and offline, in {SERVER.name}/", time.perf_counter() - started)
            ingest(memory)
            found, asked, median = ask(memory)
            show_context(memory)
            show_history(memory)
            title("Totals")
            show_totals(memory)
    except MemgptError as error:
        console.print(f"the demo failed: {error}", style="red")
        return 1
    enough = found >= ENOUGH * asked
    verdict = f"{found} of {asked} answers were among the best {TOP} hits; median of a search {median * 1000:.0f} ms"
    console.print(Text(f"  {verdict}", style="bold green" if enough else "bold red"))
    console.print(f"  {time.perf_counter() - started:.1f} s in all")
    return 0 if enough else 1


def use_private_server() -> None:
    """Neither your databases nor your settings are touched: the demo runs on the defaults and its own directory."""
    for name in list(os.environ):
        if name.startswith("MEMGPT_") or name in ("DATABASE_URL", "PGHOST", "PGHOSTADDR", "PGSERVICE"):
            del os.environ[name]
    os.environ["MEMGPT_DATA_DIR"] = str(SERVER)


def ingest(memory: Any) -> None:
    title("What goes in")
    memory.forget_agent()  # what an earlier run left
    handbook = (DATA / "handbook.md").read_text(encoding="utf-8")
    messages = [json.loads(line) for line in (DATA / "conversation.jsonl").read_text(encoding="utf-8").splitlines()]
    given = json.loads((DATA / "memory.json").read_text(encoding="utf-8"))
    with timed() as took:
        document = memory.documents.add(handbook, title="Operations Handbook", source="handbook.md")
        chunks = len(memory.documents.chunks(document.id))
        line("document", f"{document.title}: {len(handbook.split()):,} words in {chunks} chunks", took())
    with timed() as took:
        kept = memory.messages.append_many(messages)
        sessions = len({message.session for message in kept})
        line("messages", f"{len(kept)} in {sessions} sessions, some with their intent", took())
    with timed() as took:
        for label, value in given["core"].items():
            memory.core[label].rethink(value)
        line("core memory", ", ".join(memory.core), took())
    with timed() as took:
        remembered = memory.remember_many(given["archival"])
        line("archival", f"{len(remembered)} memories with tags and dates", took())
    with timed() as took, memory.transaction():
        for entity in given["entities"]:
            memory.graph.add_entity(**entity)
        for fact in given["facts"]:
            memory.graph.add_fact(**fact)
        line("graph", f"{len(memory.graph.list())} entities, {len(given['facts'])} dated facts", took())


def ask(memory: Any) -> tuple[int, int, float]:
    """Ask every question over all kinds of memory: how many answers came, of how many, and the median seconds."""
    title("What comes out: one search over everything for each question")
    questions = json.loads((DATA / "questions.json").read_text(encoding="utf-8"))
    found, times = 0, []
    for question in questions:
        with timed() as took:
            hits = memory.search(question["question"], limit=TOP)
            times.append(took())
        place = next((n for n, hit in enumerate(hits) if answers(hit, question)), None)
        if place is None:
            console.print(Text.assemble(("✗", "red"), f" {question['question']}"))
            console.print(Text(f"    not among the best {TOP}: {question['contains']!r}"))
            continue
        found += 1
        hit = hits[place]
        console.print(Text.assemble(("✓", "green"), (f" {question['question']}", "bold")))
        where = f"    {hit.kind}, place {place + 1}, score {hit.score:.1f}, {times[-1] * 1000:.0f} ms: {origin(hit)}"
        console.print(Text(where, style="cyan"))
        console.print(Text(f"    {excerpt(hit.text, question['contains'])}"))
    return found, len(questions), statistics.median(times)


def answers(hit: Any, question: dict[str, str]) -> bool:
    return bool(hit.kind == question["kind"] and question["contains"] in one_line(hit.text))


def origin(hit: Any) -> str:
    """Where a hit is from, for people."""
    source = hit.source
    if hit.kind == "chunk":
        return " > ".join([source.get("title") or "document", *source.get("heading_path", [])[1:]])
    if hit.kind == "message":
        return f"{source.get('name') or source.get('role')}, {hit.created_at:%d %B %Y}, session {source.get('session')}"
    if hit.kind == "fact":
        ends = {"from": source.get("valid_from"), "until": source.get("valid_to")}
        return "true " + (" ".join(f"{word} {str(end)[:10]}" for word, end in ends.items() if end) or "at any time")
    return f"kept on {hit.created_at:%d %B %Y}, tagged {', '.join(source.get('tags') or ['nothing'])}"


def show_context(memory: Any) -> None:
    """The account of a context, and the beginning of each of its sections."""
    title(f"A prompt within {BUDGET} tokens")
    context = memory.context("Who goes to Gannet Hut on Mole, and how thick must the sea ice be?", budget_tokens=BUDGET)
    parts = ", ".join(f"{part} {tokens}" for part, tokens in context.by_part().items())
    console.print(f"  {context.tokens} tokens used ({parts}); {len(context.left_out)} pieces left out")
    for section in context.text.split("\n# "):
        for text in [text for text in section.splitlines() if text][:3]:
            console.print(Text(f"  │ {shortened(text, width - 4)}", style="dim"))
        console.print(Text("  │ …", style="dim"))


def show_history(memory: Any) -> None:
    title("History and undo")
    human = memory.core["human"]
    human.replace("eats fish but no meat", "eats everything")
    [change] = memory.history("block", label="human", limit=1)
    console.print(f"  {change.action} of block 'human' by {change.actor!r}: {human.value.splitlines()[2]}")
    memory.undo(change.change_id)
    console.print(f"  undone: {human.value.splitlines()[2]}")


def show_totals(memory: Any) -> None:
    [document] = memory.documents.list()
    counts = {
        "blocks": len(list(memory.core)),
        "archival memories": len(memory.archival.list()),
        "messages": memory.messages.count(),
        "chunks": len(memory.documents.chunks(document.id)),
        "facts": len(memory.graph.facts()),
        "changes in the history": len({change.change_id for change in memory.history(limit=10_000)}),
    }
    console.print("  " + ", ".join(f"{count} {what}" for what, count in counts.items()))


@contextmanager
def timed() -> Iterator[Any]:
    """A clock: call what it gives for the seconds since."""
    started = time.perf_counter()
    yield lambda: time.perf_counter() - started


def title(text: str, seconds: float | None = None) -> None:
    console.print()
    console.print(Text(text, style="bold") + Text("" if seconds is None else f"  ({seconds:.1f} s)"))


def line(what: str, text: str, seconds: float) -> None:
    console.print(Text(f"  {what:<12} {text}  ({seconds:.2f} s)"))


def one_line(text: str) -> str:
    return " ".join(text.split())


def excerpt(text: str, around: str) -> str:
    """The part of a text that holds the answer, from the beginning of a word."""
    flat, room = one_line(text), width - 6
    start = max(0, min(flat.find(around) - room // 3, len(flat) - room))
    start = flat.find(" ", start) + 1 if start else 0
    return ("…" if start else "") + shortened(flat[start:], room)


def shortened(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


if __name__ == "__main__":
    sys.exit(main())
