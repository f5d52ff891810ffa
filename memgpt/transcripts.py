"""Conversations from elsewhere: message lists of OpenAI and Anthropic, exports of ChatGPT, JSON lines."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from memgpt.errors import InputError, MissingExtraError
from memgpt.ingest.extract import extract
from memgpt.memory import Memory
from memgpt.models import ROLES, Json

BATCH: Final = 500
_ROLES: Final = {"human": "user", "ai": "assistant", "model": "assistant", "bot": "assistant", "function": "tool"}


@dataclass(frozen=True, slots=True)
class ImportedTranscript:
    """What became of a file."""

    sessions: int
    messages: int
    skipped: int
    """Messages that were there already, by the id the file gives them, and those without any text."""


def import_transcript(
    memory: Memory, source: Path | str | Json | Sequence[Any], *, session: str | None = None
) -> ImportedTranscript:
    """Keep the messages of a file, or of what was read from one, in recall memory.

    Known are lists of messages as OpenAI and Anthropic write them (or objects with such a list under ``messages``),
    exports of ChatGPT (``conversations.json``: sessions with their titles, the branch that was shown last), and files
    with one message a line. Everything is kept in one transaction. A message with an id that the session has already
    is skipped, so the same export may be imported again.

    Args:
        session: the conversation to add to; absent, what the file calls it, else "imported".

    Raises:
        InputError: the file is none of these; nothing was written.
    """
    value = _read(Path(source)) if isinstance(source, (str, Path)) else source
    kept = skipped = 0
    sessions: set[str] = set()
    with memory.transaction():
        for name, messages in _conversations(value, session):
            known = _known_ids(memory, name)
            fresh = [m for m in messages if m["metadata"].get("transcript_id") not in known]
            said = [m for m in fresh if m["content"].strip() or m.get("tool_calls")]
            skipped += len(messages) - len(said)
            for start in range(0, len(said), BATCH):
                memory.messages.append_many(said[start : start + BATCH])
            kept += len(said)
            sessions.add(name)
    return ImportedTranscript(len(sessions), kept, skipped)


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


def _conversations(value: Any, session: str | None) -> Iterator[tuple[str, list[Json]]]:
    """Sessions with their messages, in the form of ``Messages.append_many``."""
    items = value if isinstance(value, list) else [value]
    if not items:
        return
    if all(
        isinstance(item, Mapping) and ("mapping" in item or isinstance(item.get("messages"), list)) for item in items
    ):
        for item in items:
            given = item.get("session") or item.get("title") or item.get("id") or item.get("conversation_id")
            name = session or str(given or "imported")
            found = _shown_branch(item) if "mapping" in item else item["messages"]
            first = [{"role": "system", "content": item["system"]}] if item.get("system") else []
            yield name, _messages([*first, *found], name)
        return
    by_session: dict[str, list[Any]] = {}
    for item in items:
        name = session or str((item.get("session") if isinstance(item, Mapping) else None) or "imported")
        by_session.setdefault(name, []).append(item)
    for name, found in by_session.items():
        yield name, _messages(found, name)


def _shown_branch(conversation: Mapping[str, Any]) -> list[Any]:
    """The messages of a ChatGPT conversation from its root to the node shown last."""
    nodes = conversation["mapping"]
    at = conversation.get("current_node") or next(
        (id for id, n in reversed(nodes.items()) if not n.get("children")), None
    )
    branch: list[Any] = []
    seen: set[str] = set()
    while at is not None and at in nodes and at not in seen:
        seen.add(at)
        message = nodes[at].get("message")
        if message and not (message.get("metadata") or {}).get("is_visually_hidden_from_conversation"):
            branch.append(message)
        at = nodes[at].get("parent")
    return branch[::-1]


def _messages(found: Sequence[Any], session: str) -> list[Json]:
    made: list[Json] = []
    for number, message in enumerate(found):
        if not isinstance(message, Mapping):
            raise InputError(f"message {number} of {session!r} is not an object but {type(message).__name__}")
        made += _message(message, f"message {number} of {session!r}", session)
    return made


def _message(message: Mapping[str, Any], where: str, session: str) -> list[Json]:
    """One stored message, and one more for each tool result that Anthropic puts into a user's message."""
    author = message.get("author")
    role = str(message.get("role") or (author.get("role") if isinstance(author, Mapping) else author) or "")
    role = _ROLES.get(role, role)
    if role not in ROLES:
        raise InputError(f"{where}: the role {role!r} is none of {', '.join(ROLES)}")
    text, calls, results = _content(message.get("content", message.get("text")))
    attached = [_attachment(each) for each in message.get("attachments") or [] if isinstance(each, Mapping)]
    text = "\n".join(filter(None, [text, *attached]))
    calls += [_call(call) for call in message.get("tool_calls") or []]
    name = message.get("name") or (author.get("name") if isinstance(author, Mapping) else None)
    when = _time(message.get("created_at") or message.get("create_time") or message.get("timestamp"))
    id = message.get("id")
    about: Json = {"transcript_id": str(id)} if id is not None else {}
    base: Json = {"session": session, "created_at": when, "metadata": about}
    made: list[Json] = [{**base, "role": "tool", "content": said, "tool_call_id": call} for call, said in results]
    if text or calls or not results:
        own = {"role": role, "content": text, "tool_calls": calls or None, "tool_call_id": message.get("tool_call_id")}
        made.append({**base, **own, "name": str(name) if name else None})
    return made


def _content(content: Any) -> tuple[str, list[Json], list[tuple[str | None, str]]]:
    """Text, tool calls and tool results of a content, which may be a text or a list of parts."""
    if content is None:
        return "", [], []
    if isinstance(content, str):
        return content, [], []
    parts = content.get("parts", [content.get("text")]) if isinstance(content, Mapping) else content
    texts: list[str] = []
    calls: list[Json] = []
    results: list[tuple[str | None, str]] = []
    for part in parts if isinstance(parts, list) else []:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if isinstance(part, str):
            texts.append(part)
        elif kind == "tool_use":
            calls.append({"id": part.get("id"), "name": part.get("name"), "arguments": part.get("input")})
        elif kind == "tool_result":
            results.append((part.get("tool_use_id"), _content(part.get("content"))[0] or "(empty)"))
        elif isinstance(part, Mapping) and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif isinstance(part, Mapping):
            texts.append(_attachment(part))
    return "\n".join(texts), calls, results


def _attachment(part: Mapping[str, Any]) -> str:
    """The text of an attached file below its name; its name, or what it is, where no text can be had."""
    file = next((part[key] for key in ("file", "source") if isinstance(part.get(key), Mapping)), part)
    names = (each.get(key) for each in (part, file) for key in ("title", "filename", "file_name", "name"))
    name = next((str(given) for given in names if given), None)
    kind = part.get("type") or part.get("content_type") or "attachment"
    text = _attached_text(file, name or str(kind)).strip()
    label = f"[attachment {name}]" if name else f"[{kind}]"
    return f"{label}\n{text}" if text else label


def _attached_text(file: Mapping[str, Any], name: str) -> str:
    """OpenAI has base64 in ``file_data``, Anthropic that or a text in ``data``, exports of Claude the text itself."""
    data = file.get("extracted_content") or file.get("file_data") or file.get("data")
    if file.get("content") is not None:
        return _content(file["content"])[0]
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


def _call(call: Mapping[str, Any]) -> Json:
    function = call.get("function") or call
    return {"id": call.get("id"), "name": function.get("name"), "arguments": function.get("arguments")}


def _time(value: Any) -> datetime | str | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
    return value if isinstance(value, str) else None
