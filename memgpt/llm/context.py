"""Context: what goes into a prompt, composed within a budget of tokens, each piece with its source and its cost."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from memgpt.llm import fences
from memgpt.models import Block, Hit, Message

UTC: Final = ZoneInfo("UTC")

Part = Literal["block", "summary", "message", "archival", "chunk", "fact", "item", "file"]
CountTokens = Callable[[Sequence[str]], list[int]]

TITLES: Final[dict[Part, str]] = {
    "block": "# Core memory",
    "summary": "# Earlier conversation, in short",
    "archival": "# Archival memory",
    "fact": "# Facts",
    "item": "# Stored items",
    "chunk": "# Documents",
    "file": "# Files",
    "message": "# Conversation",
}
"""Sections, in the order of the text."""

STANDING_TITLE: Final = "# Standing instructions and preferences, newest first; where two contradict, the newer counts"
STANDING_SHARE: Final = 0.2
"""Share of the budget after the blocks that standing instructions may take, those that bear on the query first."""

RECENT_SHARE: Final = 0.3
"""Share of the budget after the blocks that the latest messages may take before recalled memories are placed."""

MOST_SAID: Final = 100
"""Hits that are looked for beyond the limit, in the place of what was said already."""


@dataclass(frozen=True, slots=True)
class ContextItem:
    """One piece of the context."""

    part: Part
    id: int
    text: str
    """As it stands in the prompt: with its citation, and quoted so that it cannot write a line of the prompt's own."""
    tokens: int
    score: float | None = None
    """Of the search that recalled it; None for blocks, the summary and recent messages."""
    standing: bool = False
    """Whether it stands among the standing instructions."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A piece that did not go in, and why."""

    item: ContextItem
    reason: str


@dataclass(frozen=True, slots=True)
class Context:
    """A prompt-ready text and the account of it."""

    text: str
    tokens: int
    """Of ``text``, at most ``budget_tokens``."""
    budget_tokens: int
    items: Sequence[ContextItem]
    left_out: Sequence[LeftOut]

    def by_part(self) -> dict[Part, int]:
        """Tokens of each part, without the section titles."""
        totals: dict[Part, int] = {}
        for item in self.items:
            totals[item.part] = totals.get(item.part, 0) + item.tokens
        return totals


def compose(
    *,
    budget_tokens: int,
    count_tokens: CountTokens,
    blocks: Sequence[Block] = (),
    summary: str | None = None,
    hits: Sequence[Hit] = (),
    standing: Sequence[Hit] = (),
    recent: Sequence[Message] = (),
    zone: ZoneInfo = UTC,
) -> Context:
    """Fill the budget: blocks and summary first, standing instructions and the latest messages up to their shares, then
    what was recalled, best first, and with what is left more of the recent messages.

    ``recent`` is in the order of the conversation. A recalled message that is also a recent one is used once. Times are
    those of ``zone``, and name it.
    """
    core = _block_items(blocks)
    earlier: list[Piece] = [("summary", 0, fences.quoted(summary), None)] if summary else []
    newest_first: list[Piece] = [("message", m.id, _message_line(m, zone), None) for m in reversed(recent)]
    lines: list[Piece] = [(h.kind, h.id, _hit_line(h, zone), h.score) for h in hits]
    instructions: list[Piece] = [(h.kind, h.id, _hit_line(h, zone), h.score) for h in standing]
    packing = _Packing(budget_tokens, count_tokens, [*core, *earlier, *newest_first, *lines, *instructions])
    packing.add(core, "the budget is smaller than the core memory")
    packing.add(earlier, "no room beside the core memory")
    room = packing.left
    packing.add_standing(instructions, within=int(room * STANDING_SHARE))
    first, rest = packing.add_while(newest_first, within=int(room * RECENT_SHARE))
    there = {("message", id) for _, id, _, _ in first} | {(item.part, item.id) for item in packing.items}
    recalled = [line for line in lines if (line[0], line[1]) not in there]
    packing.add(recalled, "no room: better hits and recent messages came first")
    placed = {(item.part, item.id) for item in packing.items}
    packing.add_while([piece for piece in rest if (piece[0], piece[1]) not in placed], within=packing.left, report=True)
    order = {id: n for n, id in enumerate(m.id for m in recent)}
    newest = {(h.kind, h.id): n for n, h in enumerate(sorted(standing, key=lambda h: h.created_at, reverse=True))}

    def position(item: ContextItem) -> int:
        if item.standing:
            return newest[item.part, item.id]  # type: ignore[index]
        return order.get(item.id, -1) if item.part == "message" else 0

    return packing.context(position)


def compared(text: str) -> str:
    """Return a text as it is compared with another."""
    return unicodedata.normalize("NFC", text).strip()


def unsaid(hits: Sequence[Hit], said: Collection[str]) -> list[Hit]:
    """Leave out messages that say one of these texts (as they are compared)."""
    return [hit for hit in hits if hit.kind != "message" or compared(hit.text) not in said]


Piece = tuple[Part, int, str, float | None]


class _Packing:
    """Items placed so far and the room left. Titles and separators are counted with the first item of a part."""

    def __init__(self, budget: int, count_tokens: CountTokens, pieces: Sequence[Piece]) -> None:
        """``pieces`` are all that may be added: each text is counted once, in one call."""
        self._budget = budget
        self._count = count_tokens
        titles = {part: f"\n\n{title}\n" for part, title in TITLES.items()}
        counted = [*dict.fromkeys([*titles.values(), *(f"{text}\n" for _, _, text, _ in pieces)])]
        self._costs = dict(zip(counted, count_tokens(counted), strict=True))
        self._overhead = {part: self._costs[title] for part, title in titles.items()}
        self.left = budget
        self.items: list[ContextItem] = []
        self._left_out: list[LeftOut] = []

    def add(self, pieces: Sequence[Piece], reason: str) -> None:
        """Place each piece that still fits; a later, shorter one may fit where a longer one did not."""
        for item in self._measured(pieces):
            if not self._place(item):
                self._left_out.append(LeftOut(item, f"{reason} ({item.tokens} tokens, {self.left} left)"))

    def add_standing(self, pieces: Sequence[Piece], *, within: int) -> None:
        """Place what fits in ``within`` in a section of its own; what does not may still be recalled."""
        [title] = self._count([f"\n\n{STANDING_TITLE}\n"]) if pieces else [0]
        room = within - title
        for item in self._measured(pieces):
            if item.tokens <= room:
                self.left -= item.tokens + title
                room, title = room - item.tokens, 0
                self.items.append(replace(item, standing=True))

    def add_while(
        self, pieces: Sequence[Piece], *, within: int, report: bool = False
    ) -> tuple[Sequence[Piece], Sequence[Piece]]:
        """Place pieces up to the first that does not fit in ``within``: a conversation has no holes."""
        spent_until = self.left - within
        for n, item in enumerate(self._measured(pieces)):
            if self.left - item.tokens < spent_until or not self._place(item):
                if report:
                    self._left_out += [
                        LeftOut(late, "older than the messages that fit") for late in self._measured(pieces[n:])
                    ]
                return pieces[:n], pieces[n:]
        return pieces, ()

    def _measured(self, pieces: Sequence[Piece]) -> list[ContextItem]:
        return [ContextItem(part, id, text, self._costs[f"{text}\n"], score) for part, id, text, score in pieces]

    def _place(self, item: ContextItem) -> bool:
        cost = item.tokens + (
            0 if any(i.part == item.part and not i.standing for i in self.items) else self._overhead[item.part]
        )
        if cost > self.left:
            return False
        self.left -= cost
        self.items.append(item)
        return True

    def context(self, position: Callable[[ContextItem], int]) -> Context:
        """Return the text. Where the parts together need more tokens than each alone, the last placed item goes."""
        while True:
            text = _render(sorted(self.items, key=position))
            [tokens] = self._count([text]) if text else [0]
            if tokens <= self._budget:
                return Context(text, tokens, self._budget, tuple(self.items), tuple(self._left_out))
            self._left_out.append(LeftOut(self.items.pop(), "the budget was reached"))


def _render(items: Sequence[ContextItem]) -> str:
    sections = []
    standing = [item.text for item in items if item.standing]
    for part, title in TITLES.items():
        lines = [item.text for item in items if item.part == part and not item.standing]
        if lines:
            sections.append("\n".join([title, *lines]))
        if part == "block" and standing:
            sections.append("\n".join([STANDING_TITLE, *standing]))
    return "\n\n".join(sections)


def _block_items(blocks: Sequence[Block]) -> list[Piece]:
    return [
        (
            "block",
            block.id,
            f"## {_block_title(block)}\n{fences.quoted(block.value)}",
            None,
        )
        for block in blocks
        if block.value
    ]


def _block_title(block: Block) -> str:
    about = f" ({fences.inline(block.description)})" if block.description else ""
    return f"{fences.inline(block.label)}{about}"


def minute(moment: datetime, zone: ZoneInfo) -> str:
    """Return a time as prompts show it, with its zone."""
    return f"{moment.astimezone(zone).isoformat(' ', 'minutes')[:16]} {zone.key}"


def _day(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone).date().isoformat()} {zone.key}"


def _message_line(message: Message, zone: ZoneInfo) -> str:
    speaker = _speaker(message.role, message.name)
    content = fences.continued(message.content)
    return f"[message {message.id}, {minute(message.created_at, zone)}] {speaker}: {content}"


def _speaker(role: str, name: str | None) -> str:
    return f"{role} {fences.inline(name)}" if name else role


def _hit_line(hit: Hit, zone: ZoneInfo) -> str:
    """Cite a recalled piece: kind and id find it again, the rest is for people."""
    source, text = hit.source, fences.continued(hit.text)
    match hit.kind:
        case "message":
            speaker = _speaker(source["role"], source.get("name"))
            return f"[message {hit.id}, {minute(hit.created_at, zone)}] {speaker}: {text}"
        case "chunk":
            place = [source.get("title") or source.get("source") or "document"]
            place += [f"p. {source['page']}"] if source.get("page") else []
            place += [" > ".join(source["heading_path"])] if source.get("heading_path") else []
            return f"[chunk {hit.id}, {', '.join(map(fences.inline, place))}] {text}"
        case "file":
            return f"[file {hit.id}, {fences.inline(source['path'])}] {text}"
        case "fact":
            since = f", from {source['valid_from'][:10]} UTC" if source.get("valid_from") else ""
            until = f", until {source['valid_to'][:10]} UTC" if source.get("valid_to") else ""
            said = (
                f", said in {source['provenance_kind']} {source['provenance_id']}"
                if source.get("provenance_id")
                else ""
            )
            return f"[fact {hit.id}{since}{until}{said}] {text}"
        case "item":
            at = fences.inline("/".join([*source["namespace"], source["key"]]))
            return f"[item {hit.id}, {at}, {_day(hit.created_at, zone)}] {text}"
        case _:
            return f"[archival {hit.id}, {_day(hit.created_at, zone)}] {text}"
