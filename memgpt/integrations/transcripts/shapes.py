"""Shapes of transcripts: tells which system a file is from, and reads its conversations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from memgpt.errors import InputError
from memgpt.integrations.transcripts import assistants, messengers
from memgpt.integrations.transcripts.source import Source
from memgpt.integrations.transcripts.turns import Conversation, mapping, objects, text_of

KNOWN: Final = (
    "message lists of OpenAI (Chat and Responses), Anthropic, Gemini and LangChain, one conversation or one a line; "
    "exports of ChatGPT, Claude.ai, Claude Code, Codex, Gemini (Takeout, AI Studio), Letta (.af), ShareGPT, Telegram, "
    "Slack, Discord and WhatsApp"
)

_RESPONSES: Final = {
    "function_call",
    "function_call_output",
    "reasoning",
    "custom_tool_call",
    "web_search_call",
    "mcp_call",
}


def conversations(source: Source, *, branches: bool = False) -> Iterator[Conversation]:
    """Yield the conversations in a file.

    Raises:
        InputError: its shape is none of those known, which the message names.
    """
    if source.text is not None:
        if not messengers.is_whatsapp(source.text):
            raise InputError(f"not a known transcript; known are {KNOWN}")
        return iter([messengers.whatsapp(source.text)])
    return _of_items(source, branches) if source.first else _of_object(source.root, branches)


def _of_items(source: Source, branches: bool) -> Iterator[Conversation]:
    root, items, lines = source.root, source.items, source.lines
    if root:  # the items of a large object
        return iter([_chat(root, items)]) if _is_chat(root, source.first) else _whole(root, source)
    first = source.first
    for is_shape, read in _LISTS:
        if all(isinstance(item, Mapping) for item in first) and any(map(is_shape, first)):
            return iter(read(items, branches))
    if all(isinstance(item, Mapping) and isinstance(item.get("messages"), list) for item in first):
        return _message_lists(items, lines)
    return _by_session(items)


def _whole(root: Mapping[str, Any], source: Source) -> Iterator[Conversation]:
    if any("messages" in mapping(item) for item in source.first):
        return (_chat(item, item["messages"]) for item in source.items)  # all chats of Telegram
    return iter([assistants.messages(source.items, text_of(root.get("session") or root.get("id")))])


def _is_chat(root: Mapping[str, Any], first: Iterable[Any]) -> bool:
    return "channel" in root or any("date_unixtime" in mapping(item) or "from_id" in mapping(item) for item in first)


def _chat(root: Mapping[str, Any], items: Iterable[Any]) -> Conversation:
    return messengers.discord(root, items) if "channel" in root else messengers.telegram(root, items)


def _of_object(root: Mapping[str, Any], branches: bool) -> Iterator[Conversation]:
    for is_shape, read in _LISTS:
        if is_shape(root):  # one of a list, or a list of one line
            return iter(read([root], branches))
    if "chunkedPrompt" in root:
        return iter([assistants.ai_studio(root)])
    if isinstance(root.get("chats"), Mapping):
        return (messengers.telegram(chat, objects(chat.get("messages"))) for chat in objects(root["chats"].get("list")))
    if isinstance(root.get("agents"), list):
        return (assistants.letta(agent) for agent in objects(root["agents"]))
    for key in ("output", "contents", "data", "messages", "input"):
        if isinstance(root.get(key), list):
            return _of_object_with(root, key)
    if "role" in root:
        return iter([assistants.messages([root], text_of(root.get("session")))])
    raise InputError(f"not a known transcript; known are {KNOWN}")


def _of_object_with(root: Mapping[str, Any], key: str) -> Iterator[Conversation]:
    items = root[key]
    if key == "messages" and _is_chat(root, items[:20]):
        return iter([_chat(root, items)])
    if key == "messages" and ("agent_type" in root or "in_context_message_indices" in root):
        return iter([assistants.letta(root)])
    if any(map(_is_response, objects(items[:20]))):
        asked = root.get("input") if key == "output" and isinstance(root.get("input"), list) else []
        return iter([assistants.responses([*objects(asked), *objects(items)], text_of(root.get("id")))])
    return _message_lists([{**root, "messages": items}], lines=False)


def _message_lists(items: Iterable[Mapping[str, Any]], lines: bool) -> Iterator[Conversation]:
    """Objects with a list of messages each: a session each, by its name, else by its number where there are several."""
    for number, item in enumerate(items, 1):
        session = next((item[key] for key in ("session", "id", "conversation_id", "title") if item.get(key)), None)
        first = [{"role": "system", "content": item["system"]}] if item.get("system") else []
        name = text_of(session) or (f"line {number}" if lines else None)
        conversation = assistants.messages([*first, *item["messages"]], name)
        yield Conversation(conversation.session, conversation.turns, text_of(item.get("title")))


def _by_session(items: Iterable[Any]) -> Iterator[Conversation]:
    """Messages, each with the name of its session or none."""
    groups: dict[str | None, list[Any]] = {}
    for item in items:
        groups.setdefault(text_of(mapping(item).get("session")), []).append(item)
    for session, rows in groups.items():
        yield assistants.messages(rows, session)


def _is_response(item: Mapping[str, Any]) -> bool:
    content = item.get("content")
    kinds = {str(part.get("type")) for part in objects(content)}
    return item.get("type") in _RESPONSES or bool(kinds & {"input_text", "output_text"})


def _is_slack(item: Mapping[str, Any]) -> bool:
    return "ts" in item and ("user" in item or "bot_id" in item) and "role" not in item


Read = Callable[[Iterable[Any], bool], Iterable[Conversation]]

_LISTS: Final[tuple[tuple[Callable[[Mapping[str, Any]], bool], Read], ...]] = (
    (lambda item: "mapping" in item, lambda items, branches: (assistants.chatgpt(item, branches) for item in items)),
    (lambda item: "chat_messages" in item, lambda items, _: map(assistants.claude_ai, items)),
    (lambda item: "sessionId" in item and "uuid" in item, lambda items, _: assistants.claude_code(items)),
    (
        lambda item: item.get("type") == "session_meta" or "record_type" in item,
        lambda items, _: assistants.codex(items),
    ),
    (_is_response, lambda items, _: [assistants.responses(items, None)]),
    (
        lambda item: isinstance(item.get("conversations"), list),
        lambda items, _: (assistants.sharegpt(item, number) for number, item in enumerate(items, 1)),
    ),
    (
        lambda item: "safeHtmlItem" in item or item.get("header") == "Gemini Apps",
        lambda items, _: [assistants.gemini_activity(list(items))],
    ),
    (lambda item: "Contents" in item and "Timestamp" in item, lambda items, _: [messengers.discord_package(items)]),
    (_is_slack, lambda items, _: [messengers.slack(items, None, {})]),
)
"""Lists of items, by what tells them: any of the first items has it."""
