"""Exports of assistants and message lists of their interfaces, each read as its own format documents it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from memgpt.documents.formats.leftovers import text_of_page
from memgpt.integrations.transcripts import attachments
from memgpt.integrations.transcripts.turns import (
    Conversation,
    TranscriptTurn,
    is_reminder,
    mapping,
    objects,
    role_of,
    text_of,
)
from memgpt.messages.content import Content, call
from memgpt.models import Json

Item = Mapping[str, Any]


def messages(items: Iterable[Any], session: str | None) -> Conversation:
    """Messages as OpenAI and Anthropic take them, of LangChain in its three forms, or of Gemini."""
    return Conversation(session, (turn for item in items for turn in _turns(item)))


def _turns(item: Any) -> Iterator[TranscriptTurn]:
    if not isinstance(item, Mapping):
        yield TranscriptTurn("", "", problem=f"role is missing: the message is not an object but {type(item).__name__}")
        return
    item = _plain(item)
    author = item.get("author")
    word = item.get("role") or (author.get("role") if isinstance(author, Mapping) else author)
    role = role_of(word or item.get("type")) or str(word)
    name = item.get("name") or (author.get("name") if isinstance(author, Mapping) else None)
    content = attachments.read(next((item[key] for key in _CONTENTS if item.get(key) is not None), None))
    spoken = mapping(item.get("audio")).get("transcript")
    text = _joined(content.text, *_files(item, "attachments"), spoken if isinstance(spoken, str) else "")
    content.calls.extend(_calls(item))
    if isinstance(item.get("function_call"), Mapping):
        content.calls.append(call(item["function_call"]))
    when = next((item[key] for key in _TIMES if item.get(key) is not None), None)
    base = TranscriptTurn(role, text, text_of(name), when, text_of(item.get("id")))
    yield from _with_results(base, content, text_of(item.get("tool_call_id")))


_CONTENTS: Final = ("content", "parts", "text")
_TIMES: Final = ("created_at", "create_time", "timestamp", "time", "date")


def _calls(item: Item) -> list[Any]:
    """Return the tool calls of a message; malformed ones stay for the later check to name."""
    calls = item.get("tool_calls") or []
    return [call(each) if isinstance(each, Mapping) else each for each in calls] if isinstance(calls, list) else [calls]


def _joined(*texts: str) -> str:
    return "\n".join(filter(None, texts))


def _files(item: Item, *keys: str) -> list[str]:
    """Return the texts of the files attached to a message."""
    return [attachments.attachment(each) for key in keys for each in objects(item.get(key))]


def _with_results(turn: TranscriptTurn, content: Content, answers: str | None = None) -> Iterator[TranscriptTurn]:
    """Yield the turn, and a tool's turn for each result in its content."""
    for number, (call_id, said) in enumerate(content.results):
        id = f"{turn.id}-{number}" if turn.id else None
        yield TranscriptTurn("tool", said, when=turn.when, id=id, tool_call_id=call_id, about=turn.about)
    if turn.text or content.calls or not content.results:
        yield replace(turn, tool_calls=content.calls, tool_call_id=answers)


def _plain(item: Item) -> Item:
    """Convert a message of LangChain, saved by ``messages_to_dict`` or ``dumps``, to a plain one."""
    if item.get("lc") and isinstance(item.get("kwargs"), Mapping):
        kind = str((item.get("id") or [""])[-1])
        return (
            {"role": kind, **item["kwargs"]}
            if role_of(kind)
            else {"role": item["kwargs"].get("type"), **item["kwargs"]}
        )
    if isinstance(item.get("data"), Mapping) and "content" in item["data"]:
        return {"role": item.get("type"), **item["data"]}
    return item


def chatgpt(conversation: Item, branches: bool) -> Conversation:
    """Read a conversation of ChatGPT's export: the branch shown last, or with ``branches`` all branches."""
    nodes = mapping(conversation["mapping"])
    order = list(nodes) if branches else _shown_branch(conversation, nodes)
    shown = [mapping(mapping(nodes[id]).get("message")) for id in order]
    turns = (
        turn
        for message in shown
        if message and not mapping(message.get("metadata")).get("is_visually_hidden_from_conversation")
        for turn in _chatgpt_turns(message)
    )
    id = conversation.get("conversation_id") or conversation.get("id")
    title = text_of(conversation.get("title"))
    return Conversation(text_of(id) or title, turns, title)


def _shown_branch(conversation: Item, nodes: Item) -> list[str]:
    """Return the nodes from the root to the one shown last."""
    at = conversation.get("current_node") or next(
        (id for id in reversed(list(nodes)) if not mapping(nodes[id]).get("children")), None
    )
    branch: list[str] = []
    seen: set[str] = set()
    while at is not None and at in nodes and at not in seen:
        seen.add(at)
        branch.append(at)
        at = mapping(nodes[at]).get("parent")
    return branch[::-1]


def _chatgpt_turns(message: Item) -> Iterator[TranscriptTurn]:
    author = mapping(message.get("author"))
    role = role_of(author.get("role")) or str(author.get("role"))
    content = _chatgpt_content(mapping(message.get("content")))
    recipient, text = message.get("recipient"), content.text
    if role == "assistant" and recipient not in (None, "all") and text:
        content.calls.append({"id": None, "name": recipient, "arguments": text})
        text = ""
    text = _joined(text, *_files(mapping(message.get("metadata")), "attachments"))
    name = author.get("name") if role == "tool" else None
    turn = TranscriptTurn(role, text, text_of(name), message.get("create_time"), text_of(message.get("id")))
    yield from _with_results(turn, content)


def _chatgpt_content(content: Item) -> Content:
    kind = content.get("content_type")
    if kind in ("code", "execution_output", "system_error"):
        return attachments.read(content.get("text"))
    if kind == "thoughts":
        named = [text_of(each.get("summary")) for each in objects(content.get("thoughts"))]
        return Content(f"[thoughts] {'; '.join(filter(None, named))}".rstrip())
    if kind == "reasoning_recap":
        return Content(f"[thoughts] {content.get('content') or ''}".rstrip())
    if kind in ("tether_quote", "tether_browsing_display"):
        said = (content.get(key) for key in ("title", "url", "text", "result", "summary"))
        return Content("[browsing] " + "\n".join(str(each) for each in said if each))
    if kind == "user_editable_context":
        return Content(_joined(*(str(content.get(key) or "") for key in ("user_profile", "user_instructions"))))
    return attachments.read(content)


def claude_ai(conversation: Item) -> Conversation:
    """Read a conversation of Claude.ai's export."""
    items = objects(conversation["chat_messages"])
    turns = (turn for message in items for turn in _claude_ai_turns(message))
    return Conversation(text_of(conversation.get("uuid")), turns, text_of(conversation.get("name")))


def _claude_ai_turns(message: Item) -> Iterator[TranscriptTurn]:
    content = attachments.read(message.get("content") or message.get("text"))
    text = _joined(content.text or str(message.get("text") or ""), *_files(message, "attachments", "files"))
    role = role_of(message.get("sender")) or "user"
    turn = TranscriptTurn(role, text, when=message.get("created_at"), id=text_of(message.get("uuid")))
    yield from _with_results(turn, content)


def claude_code(rows: Iterable[Item]) -> Iterator[Conversation]:
    """Read a log of Claude Code: a line for each message of a session."""
    for session, of in _grouped(rows, lambda row: text_of(row.get("sessionId"))):
        yield Conversation(session, (turn for row in of for turn in _claude_code_turns(row)))


def _claude_code_turns(row: Item) -> Iterator[TranscriptTurn]:
    message = mapping(row.get("message"))
    if row.get("type") not in ("user", "assistant") or not message or row.get("isMeta"):
        return  # summaries, snapshots, and what the program says to itself
    content = attachments.read(_said(message.get("content")))
    role = role_of(message.get("role")) or str(row["type"])
    about = {"sidechain": True} if row.get("isSidechain") else {}
    turn = TranscriptTurn(role, content.text, when=row.get("timestamp"), id=text_of(row.get("uuid")), about=about)
    yield from _with_results(turn, content)


def _said(content: Any) -> Any:
    """Return a content without what nobody said: thoughts, and reminders that the program adds."""
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list):
        return content
    return [block for block in blocks if mapping(block).get("type") != "thinking" and not is_reminder(mapping(block))]


def codex(rows: Iterable[Item]) -> Iterator[Conversation]:
    """Read a session of Codex: lines with a ``payload``, or, in older logs, the items themselves."""
    session: str | None = None
    items: list[Item] = []
    for row in rows:
        payload = mapping(row.get("payload")) or row
        if row.get("type") == "session_meta" or (session is None and "instructions" in row):
            session = text_of(payload.get("id"))
        elif row.get("type") == "response_item" or "payload" not in row:
            items.append({"timestamp": row.get("timestamp"), **payload})
    yield responses(items, session)


def responses(items: Iterable[Item], session: str | None) -> Conversation:
    """Items of OpenAI's Responses interface: messages, calls and their outputs."""
    return Conversation(session, (turn for item in items for turn in _response_turns(item)))


def _response_turns(item: Item) -> Iterator[TranscriptTurn]:
    kind = str(item.get("type") or "message")
    when, id = item.get("timestamp") or item.get("created_at"), text_of(item.get("id"))
    call_id = text_of(item.get("call_id"))
    if kind == "message" and item.get("role"):
        content = attachments.read(item.get("content"))
        yield TranscriptTurn(role_of(item["role"]) or "user", content.text, when=when, id=id)
    elif kind.endswith(("_call_output", "_output")):
        yield TranscriptTurn(
            "tool", attachments.read(item.get("output")).text or "(empty)", when=when, id=id, tool_call_id=call_id
        )
    elif kind.endswith("_call"):
        arguments = next((item[key] for key in ("arguments", "input", "action") if item.get(key) is not None), None)
        call: Json = {"id": call_id or id, "name": item.get("name") or kind, "arguments": arguments}
        yield TranscriptTurn("assistant", "", when=when, id=id, tool_calls=[call])
        if item.get("output"):  # of a call on a server, such as mcp_call
            yield TranscriptTurn("tool", attachments.read(item["output"]).text, when=when, tool_call_id=call_id or id)


def sharegpt(conversation: Item, number: int) -> Conversation:
    """Read a conversation of the ShareGPT form, ``from`` and ``value``."""
    items = objects(conversation.get("conversations") or conversation.get("items"))
    turns = (
        TranscriptTurn(role_of(each.get("from")) or "user", attachments.read(each.get("value")).text) for each in items
    )
    return Conversation(text_of(conversation.get("id")) or f"conversation {number}", turns)


def letta(agent: Item) -> Conversation:
    """Read the messages of an agent file (``.af``) of Letta."""
    turns = (turn for message in objects(agent.get("messages")) for turn in _letta_turns(message))
    return Conversation(text_of(agent.get("id") or agent.get("name")), turns, text_of(agent.get("name")))


def _letta_turns(message: Item) -> Iterator[TranscriptTurn]:
    content = attachments.read(message.get("content") or message.get("text"))
    role = role_of(message.get("role")) or "system"
    content.calls.extend(_calls(message))
    text, role = _letta_said(content.text, role)
    answers = [
        each["arguments"] for each in content.calls if each["name"] == "send_message"
    ]  # how such an agent speaks
    text = _joined(text, *(str(mapping(_parsed(each)).get("message") or "") for each in answers))
    calls = [each for each in content.calls if each["name"] != "send_message"]
    when, id = message.get("created_at"), text_of(message.get("id"))
    yield TranscriptTurn(
        role, text, text_of(message.get("name")), when, id, calls, text_of(message.get("tool_call_id"))
    )


def _letta_said(text: str, role: str) -> tuple[str, str]:
    """Unwrap the object in which Letta puts a message of the user or the system."""
    value = mapping(_parsed(text)) if text.startswith("{") else {}
    if "message" not in value:
        return text, role
    return str(value["message"]), role if value.get("type") in (None, "user_message") or role != "user" else "system"


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def gemini_activity(entries: Sequence[Item]) -> Conversation:
    """Read the activity of Gemini in Google's Takeout: prompts with their answers, newest first in the file."""
    ordered = sorted(entries, key=lambda entry: str(entry.get("time") or ""))
    return Conversation("Gemini Apps", (turn for entry in ordered for turn in _activity_turns(entry)))


def _activity_turns(entry: Item) -> Iterator[TranscriptTurn]:
    title, when = str(entry.get("title") or ""), entry.get("time")
    asked = title.removeprefix("Prompted ")
    if asked:
        yield TranscriptTurn("user", asked, when=when, id=f"{when}-user")
    said = "\n\n".join(text_of_page(str(item.get("html") or "")) for item in objects(entry.get("safeHtmlItem")))
    if said.strip():
        yield TranscriptTurn("assistant", said, when=when, id=f"{when}-assistant")


def ai_studio(prompt: Item) -> Conversation:
    """Read a prompt saved by Google's AI Studio."""
    chunks = objects(mapping(prompt["chunkedPrompt"]).get("chunks"))
    turns = (
        TranscriptTurn(role_of(each.get("role")) or "user", attachments.read(each.get("text")).text)
        for each in chunks
        if not each.get("isThought")
    )
    return Conversation(None, turns)


def _grouped(rows: Iterable[Item], key: Any) -> Iterator[tuple[str | None, list[Item]]]:
    """Rows by session, in the order in which the sessions begin."""
    groups: dict[str | None, list[Item]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    yield from groups.items()
