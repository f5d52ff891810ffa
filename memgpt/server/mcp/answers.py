"""Answers of the tools on the whole memory: lines of text, as short as a model needs them. No line that a stored text
begins itself looks like one of ours."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from memgpt.llm import fences
from memgpt.models import Block, Change, Document, Entity, Fact, Hit, Message, Remembered
from memgpt.search import weak

NOTHING: Final = "nothing found"
WEAK: Final = "(weak matches: what was asked for may not be remembered)"
REMOVED: Final = "removed; undo brings it back"

_MOST_OF_A_CHANGE: Final = 100
"""Characters of a row that the history shows."""


def hits(found: Sequence[Hit], zone: ZoneInfo, *, explain: bool) -> str:
    """Return search results, best first, with how each score came about if that was asked."""
    lines = [f"[{_origin(hit, zone)}] {fences.continued(hit.text)}{_reasons(hit) if explain else ''}" for hit in found]
    return "\n".join([*lines, *([WEAK] if weak(found) else [])]) or NOTHING


def remembered(outcome: Remembered) -> str:
    words = f"{'already kept' if outcome.duplicate else 'kept'} as archival {outcome.id}"
    similar = ", ".join(map(str, outcome.similar))
    return f"{words}; nearly the same: archival {similar}" if similar else words


def blocks(listed: Iterable[Block]) -> str:
    return "\n".join(map(block, listed)) or "no blocks yet"


def block(shown: Block) -> str:
    """Return a block with how full it is."""
    fixed = ", read-only" if shown.read_only else ""
    room = f"{len(shown.value)} of {shown.limit} characters{fixed}"
    return f"[block {fences.inline(shown.label)}, {room}] {fences.continued(shown.value)}"


def messages(listed: Iterable[Message], zone: ZoneInfo, *, sessions: bool) -> str:
    """Return turns, oldest first; each with its conversation, where they are of several."""
    return "\n".join(_message(message, zone, sessions) for message in listed) or NOTHING


def documents(listed: Iterable[Document], zone: ZoneInfo) -> str:
    return "\n".join(document(each, zone) for each in listed) or NOTHING


def document(shown: Document, zone: ZoneInfo) -> str:
    source = f", {fences.inline(shown.source)}" if shown.source else ""
    return f"[document {shown.id}, {_day(shown.created_at, zone)}{source}] {fences.inline(shown.title)}"


def entities(listed: Sequence[Entity], facts: Iterable[Fact], zone: ZoneInfo) -> str:
    lines = [*map(_entity, listed), *(fact(each, zone) for each in facts)]
    return "\n".join(lines) or NOTHING


def fact(shown: Fact, zone: ZoneInfo) -> str:
    """Return a fact with since when and until when it is true, where that is known."""
    parts = [f"fact {shown.id}"]
    parts += [f"since {_day(shown.valid_from, zone)}"] if shown.valid_from else []
    parts += [f"until {_day(shown.valid_to, zone)}"] if shown.valid_to else []
    parts += ["retracted"] if shown.superseded_at else []
    properties = f" {_json(shown.properties)}" if shown.properties else ""
    return f"[{', '.join(parts)}] {fences.continued(shown.fact)}{properties}"


def changes(listed: Iterable[Change], zone: ZoneInfo) -> str:
    """Return entries of the history, with what undo takes back by its id."""
    return "\n".join(_change(change, zone) for change in listed) or "no changes"


def counts(rows: Mapping[str, int], *, preview: bool) -> str:
    """Return how many rows of each table were, or would be, removed for good."""
    removed = ", ".join(f"{table} {count}" for table, count in rows.items() if count) or "nothing"
    return f"{'would remove' if preview else 'removed for good'}: {removed}"


def _origin(hit: Hit, zone: ZoneInfo) -> str:
    """Return kind, id and date of a hit, and who said it in which conversation or which text it is a part of."""
    source = hit.source
    document_id = source.get("document_id")
    part = f" of document {document_id}" if document_id else ""
    who = source.get("name") or source.get("role") or source.get("title") or source.get("path") or source.get("key")
    by = f", {fences.inline(who)}" if who else ""
    by += f" in {fences.inline(source['session'])}" if hit.kind == "message" else ""
    return f"{hit.kind} {hit.id}{part}, {_day(hit.created_at, zone)}{by}"


def _reasons(hit: Hit) -> str:
    return "\n  " + _json({"score": hit.score, "confidence": hit.confidence, **(hit.explain or {})})


def _message(message: Message, zone: ZoneInfo, session: bool) -> str:
    where = f", {fences.inline(message.session)}" if session else ""
    who = fences.inline(message.name or message.role)
    return (
        f"[message {message.id}, {_minute(message.created_at, zone)}{where}] {who}: {fences.continued(message.content)}"
    )


def _entity(entity: Entity) -> str:
    names = ", ".join(fences.inline(name) for name in (entity.name, *entity.aliases))
    described = f": {fences.continued(entity.description)}" if entity.description else ""
    return f"[entity {entity.id}, {fences.inline(entity.type)}] {names}{described}"


def _change(change: Change, zone: ZoneInfo) -> str:
    row = change.new or change.old or {}
    keys = ("value", "text", "content", "chunk_text", "fact", "name", "title", "path")
    words = fences.inline(next((row[key] for key in keys if row.get(key)), ""))[:_MOST_OF_A_CHANGE]
    undone = ", undone" if change.undone_by else ""
    head = f"[{change.id}, {_minute(change.changed_at, zone)}, {fences.inline(change.actor)}{undone}]"
    return f"{head} {change.action} {change.kind} {change.row_id}, change {change.change_id}: {words}"


def _day(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).date().isoformat()


def _minute(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).isoformat(" ", "minutes")[:16]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
