"""Conversations from elsewhere: message lists of OpenAI and Anthropic, exports of ChatGPT, JSON lines."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from memgpt import content, inputs
from memgpt.batches import ON_ERROR, Batch, OnError, Problem, problem
from memgpt.errors import InputError, MissingExtraError
from memgpt.ingest.extract import extract
from memgpt.memory import Memory
from memgpt.models import ROLES, Json, Message

BATCH: Final = 500
_UNITS: Final = ((1e11, 1), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
"""Times since 1970 below the first number count in so many a second; 1e11 seconds are the year 5138."""

_ROLES: Final = {"human": "user", "ai": "assistant", "model": "assistant", "bot": "assistant", "function": "tool"}


@dataclass(frozen=True, slots=True)
class ImportedTranscript:
    """What became of a file."""

    sessions: int
    messages: int
    skipped: int
    """Messages that were there already, by the id the file gives them, those without any text, and bad ones."""
    problems: Sequence[Problem] = ()
    """What was wrong with which message, and what was done about it."""


def import_transcript(
    memory: Memory,
    source: Path | str | Json | Sequence[Any],
    *,
    session: str | None = None,
    on_error: OnError = "replace",
) -> ImportedTranscript:
    """Keep the messages of a file, or of what was read from one, in recall memory.

    Known are lists of messages as OpenAI and Anthropic write them (or objects with such a list under ``messages``),
    exports of ChatGPT (``conversations.json``: sessions with their titles, the branch that was shown last), and files
    with one message a line. Everything is kept in one transaction. A message with an id that the session has already
    is skipped, so the same export may be imported again.

    Args:
        session: the conversation to add to; absent, what the file calls it, else "imported".
        on_error: what becomes of a message that cannot be kept: "replace" puts U+FFFD for characters that cannot be
            stored and leaves out what is bad in another way, "skip" leaves all of them out, "fail" refuses the file.

    Raises:
        InputError: the file is none of these, or, with ``on_error="fail"``, names the message; nothing was written.
    """
    inputs.choice(on_error, ON_ERROR, "on_error")
    value = _read(Path(source)) if isinstance(source, (str, Path)) else source
    kept = skipped = 0
    problems: list[Problem] = []
    sessions: set[str] = set()
    with memory.transaction():
        for name, found in _conversations(value, session):
            messages, bad = _messages(found, name, on_error)
            known = _known_ids(memory, name)
            fresh = [(n, m) for n, m in messages if m["metadata"].get("transcript_id") not in known]
            said = [(n, m) for n, m in fresh if m["content"].strip() or m.get("tool_calls") or m["role"] == "tool"]
            for start in range(0, len(said), BATCH):
                batch = said[start : start + BATCH]
                done = _appended(memory, [m for _, m in batch], name, [n for n, _ in batch], on_error)
                kept += len(done)
                bad += [replace(each, index=batch[each.index][0]) for each in done.problems]
            lost = sum(each.outcome == "skipped" for each in bad)
            skipped += len(messages) - len(said) + lost
            problems += bad
            sessions.add(name)
    if problems and not kept and skipped == len(problems):
        first = problems[0]
        raise InputError(f"no message of it can be kept: message {first.index}: {first.reason}")
    return ImportedTranscript(len(sessions), kept, skipped, problems)


def _appended(
    memory: Memory, messages: Sequence[Json], session: str, numbers: Sequence[int], on_error: OnError
) -> Batch[Message]:
    try:
        return memory.messages.append_many(messages, on_error=on_error)
    except InputError as error:
        place = re.match(r"item (\d+): (.*)", str(error), re.DOTALL)
        if place is None:
            raise
        raise InputError(f"message {numbers[int(place[1])]} of {session!r}: {place[2]}") from error


def _known_ids(memory: Memory, session: str) -> set[str]:
    known: set[str] = set()
    page = memory.messages.list(session=session, limit=10_000)
    while page:
        known |= {str(m.metadata["transcript_id"]) for m in page if "transcript_id" in m.metadata}
        page = memory.messages.list(session=session, limit=10_000, before=page[0])
    return known


def _read(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8") from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return [_line(path, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _line(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise InputError(f"{path}, line {number}: neither the file nor this line is JSON") from None


def _conversations(value: Any, session: str | None) -> Iterator[tuple[str, list[Any]]]:
    """Sessions with their messages, as the file has them."""
    items = value if isinstance(value, list) else [value]
    if not items:
        return
    if all(
        isinstance(item, Mapping) and ("mapping" in item or isinstance(item.get("messages"), list)) for item in items
    ):
        for item in items:
            given = item.get("session") or item.get("title") or item.get("id") or item.get("conversation_id")
            name = session or _session_name(given)
            found = _shown_branch(item) if "mapping" in item else item["messages"]
            first = [{"role": "system", "content": item["system"]}] if item.get("system") else []
            yield name, [*first, *found]
        return
    by_session: dict[str, list[Any]] = {}
    for item in items:
        name = session or _session_name(item.get("session") if isinstance(item, Mapping) else None)
        by_session.setdefault(name, []).append(item)
    yield from by_session.items()


def _session_name(given: Any) -> str:
    """What a file calls a conversation, as far as it is a name."""
    name = inputs.normal(inputs.replaced(str(given or ""))).strip()
    while len(name.encode()) > inputs.MAX_NAME:
        name = name[: len(name) * 3 // 4]
    return name or "imported"


def _shown_branch(conversation: Mapping[str, Any]) -> list[Any]:
    """The messages of a ChatGPT conversation from its root to the node shown last."""
    nodes = conversation["mapping"]
    if not isinstance(nodes, Mapping) or not all(isinstance(node, Mapping) for node in nodes.values()):
        raise InputError("the mapping of a conversation is not an object of objects")
    at = conversation.get("current_node") or next(
        (id for id, n in reversed([*nodes.items()]) if not n.get("children")), None
    )
    branch: list[Any] = []
    seen: set[str] = set()
    while at is not None and at in nodes and at not in seen:
        seen.add(at)
        message = nodes[at].get("message")
        about = message.get("metadata") if isinstance(message, Mapping) else None
        if message and not (isinstance(about, Mapping) and about.get("is_visually_hidden_from_conversation")):
            branch.append(message)
        at = nodes[at].get("parent")
    return branch[::-1]


def _messages(found: Sequence[Any], session: str, on_error: str) -> tuple[list[tuple[int, Json]], list[Problem]]:
    """Messages in the form of ``Messages.append_many``, each with its number, and those that cannot be read."""
    made: list[tuple[int, Json]] = []
    problems: list[Problem] = []
    for number, message in enumerate(found):
        where = f"message {number} of {session!r}"
        try:
            if not isinstance(message, Mapping):
                raise InputError(f"{where}: it is not an object but {type(message).__name__}")
            made += [(number, each) for each in _message(message, where, session)]
        except InputError as error:
            if on_error == "fail":
                raise
            problems.append(problem(number, f"{where}: ", error, "skipped"))
    return made, problems


def _message(message: Mapping[str, Any], where: str, session: str) -> list[Json]:
    """One stored message, and one more for each tool result that Anthropic puts into a user's message."""
    author = message.get("author")
    role = str(message.get("role") or (author.get("role") if isinstance(author, Mapping) else author) or "")
    role = _ROLES.get(role, role)
    if role not in ROLES:
        raise InputError(f"{where}: role {role!r} is none of {', '.join(ROLES)}")
    said = content.read(message.get("content", message.get("text")), _attachment)
    attached = [_attachment(each) for each in _listed(message.get("attachments")) if isinstance(each, Mapping)]
    text = "\n".join(filter(None, [said.text, *attached]))
    calls = [*said.calls, *(_call(call, f"{where}: tool_calls[{n}]") for n, call in _calls(message, where))]
    name = message.get("name") or (author.get("name") if isinstance(author, Mapping) else None)
    when = _time(message.get("created_at") or message.get("create_time") or message.get("timestamp"), where)
    id = message.get("id")
    about: Json = {"transcript_id": str(id)} if id is not None else {}
    base: Json = {"session": session, "created_at": when, "metadata": about}
    made: list[Json] = [{**base, "role": "tool", "content": it, "tool_call_id": call} for call, it in said.results]
    if text or calls or not said.results:
        own = {"role": role, "content": text, "tool_calls": calls or None, "tool_call_id": message.get("tool_call_id")}
        made.append({**base, **own, "name": str(name) if name else None})
    return made


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _attachment(part: Mapping[str, Any]) -> str:
    """The name of an attachment, or what it is, above its text where that can be had."""
    file = next((part[key] for key in ("file", "source") if isinstance(part.get(key), Mapping)), part)
    label = content.label(part)
    text = _attached_text(file, label.removeprefix("[attachment ").strip("[]")).strip()
    return f"{label}\n{text}" if text else label


def _attached_text(file: Mapping[str, Any], name: str) -> str:
    """OpenAI has base64 in ``file_data``, Anthropic that or a text in ``data``, exports of Claude the text itself."""
    data = file.get("extracted_content") or file.get("file_data") or file.get("data")
    if file.get("content") is not None:
        return content.read(file["content"], _attachment).text
    if not isinstance(data, str):
        return ""
    if file.get("type") != "base64" and "file_data" not in file:
        return data
    head, comma, rest = data.partition(",")
    media_type = file.get("media_type") or (head.removeprefix("data:").partition(";")[0] if comma else None)
    try:
        return extract(b64decode(rest if comma else data), name, media_type).text
    except (ValueError, MissingExtraError):  # a picture, or nothing that can be read
        return ""


def _calls(message: Mapping[str, Any], where: str) -> Iterator[tuple[int, Any]]:
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise InputError(f"{where}: tool_calls is not a list but {type(calls).__name__}")
    return enumerate(calls)


def _call(call: Any, where: str) -> Json:
    if not isinstance(call, Mapping):
        raise InputError(f"{where} is not an object but {type(call).__name__}")
    function = call.get("function")
    given = function if isinstance(function, Mapping) else call
    return {"id": call.get("id"), "name": given.get("name"), "arguments": given.get("arguments")}


def _time(value: Any, where: str) -> datetime | None:
    """A time of a file: ISO 8601, or seconds, milli-, micro- or nanoseconds since 1970, which its size tells."""
    if value is None or isinstance(value, str):
        return inputs.moment(value or None, f"{where}: created_at")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _UNITS[-1][0]:
        raise InputError(f"{where}: created_at {str(value)[:40]!r} is not a time")
    unit = next(unit for most, unit in _UNITS if abs(value) < most)
    return inputs.moment(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value / unit), f"{where}: created_at")
