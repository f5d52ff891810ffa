"""Messages of Pydantic AI as messages of a memory, and back."""

from __future__ import annotations

from typing import Final

from pydantic_ai.conversation_store import ConversationEntry
from pydantic_ai.messages import (
    CachePoint,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    SpeechPart,
    SystemPromptPart,
    TextContent,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)

from memgpt import validation
from memgpt.integrations.kept_conversation import EMPTY, KIT_TURN, kept_turn
from memgpt.models import Json, Message

KIT: Final = "pydantic_ai"
"""The name under which the entry's id, its parent's, and the whole message as JSON text are kept."""


def row(entry: ConversationEntry) -> Json:
    """Return an entry as a memory keeps it: what its message says, and all of it beside."""
    message = entry.message
    whole = ModelMessagesTypeAdapter.dump_json([message]).decode()
    kept: Json = {"metadata": {KIT_TURN: {KIT: {"id": entry.id, "parent": entry.parent_id, "messages": whole}}}}
    if isinstance(message, ModelResponse):
        said = "\n".join(filter(None, map(_spoken, message.parts)))
        calls = [
            {
                "id": validation.replaced(part.tool_call_id),
                "name": validation.replaced(part.tool_name),
                "arguments": validation.replaced(part.args_as_json_str()),
            }
            for part in message.parts
            if isinstance(part, ToolCallPart)
        ]
        return {**kept, "role": "assistant", "content": validation.replaced(said), "tool_calls": calls or None}
    return {**kept, **_request(message)}


def entry_id(message: Message) -> str | None:
    """Return the id of the entry that a message is, None where it is none."""
    kept = kept_turn(message, KIT)
    return None if kept is None else str(kept["id"])


def entry(message: Message) -> ConversationEntry:
    """Return the entry that a message is."""
    kept = kept_turn(message, KIT)
    [whole] = ModelMessagesTypeAdapter.validate_json(kept["messages"])
    return ConversationEntry(id=kept["id"], parent_id=kept["parent"], message=whole)


def _request(message: ModelRequest) -> Json:
    """Return role and text of a request: what the user says in it, or else what tools answer, or else the system."""
    asked = [_spoken(part) for part in message.parts if isinstance(part, UserPromptPart | SpeechPart)]
    if asked:
        return {"role": "user", "content": _said(asked)}
    answers = [part for part in message.parts if isinstance(part, ToolReturnPart)]
    if answers:
        id = validation.replaced(answers[0].tool_call_id) if len(answers) == 1 else None
        return {"role": "tool", "tool_call_id": id, "content": _said([part.model_response_str() for part in answers])}
    return {"role": "system", "content": _said([p.content for p in message.parts if isinstance(p, SystemPromptPart)])}


def _said(texts: list[str]) -> str:
    text = validation.replaced("\n".join(filter(None, texts)))
    return text if text.strip() else EMPTY


def _spoken(part: ModelRequestPart | ModelResponsePart) -> str:
    """Return what somebody says in a part; of what is no text the kind, as ``[image-url]``."""
    match part:
        case TextPart(content=text):
            return text
        case SpeechPart(transcript=text):
            return text or ""
        case UserPromptPart(content=str() as text):
            return text
        case UserPromptPart(content=several):
            return "\n".join(map(_named, several))
        case _:
            return ""


def _named(content: UserContent) -> str:
    match content:
        case str():
            return content
        case TextContent(content=text):
            return text
        case CachePoint():
            return ""
        case _:
            return f"[{content.kind}]"
