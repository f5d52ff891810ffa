"""LangChain's ``BaseChatMessageHistory``: a conversation of a memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    message_to_dict,
    messages_from_dict,
)

from memgpt.integrations.kept_conversation import KIT_TURN, KeptConversation, kept_turn
from memgpt.memory import Memory
from memgpt.models import Message

KIT: Final = "langchain"
"""The name under which the whole message is kept."""

ROLES: Final = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "tool"}


class MemgptChatMessageHistory(BaseChatMessageHistory):
    """The messages of one conversation, found by ``memory.search``, too. What others wrote into it is read as well.

    Args:
        memory: whose conversation it is.
        session: its name.
    """

    def __init__(self, memory: Memory, session: str) -> None:
        self.memory = memory
        self.session = session

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]
        """The whole conversation, in its order."""
        return [_restored(message) for message in KeptConversation(self.memory, self.session).messages()]

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Append messages, all or none."""
        KeptConversation(self.memory, self.session).append([_row(message) for message in messages])

    def clear(self) -> None:
        """Remove the conversation; the memory's history keeps it, and ``undo`` brings it back."""
        KeptConversation(self.memory, self.session).clear()


def _row(message: BaseMessage) -> dict[str, Any]:
    """Return a message as a memory keeps it: its text, and all of it beside."""
    row: dict[str, Any] = {
        "role": ROLES.get(message.type, "user"),
        "content": str(message.text),
        "name": message.name,
        "metadata": {KIT_TURN: {KIT: message_to_dict(message)}},
    }
    if isinstance(message, AIMessage) and message.tool_calls:
        row["tool_calls"] = [
            {"id": call["id"], "name": call["name"], "arguments": call["args"]} for call in message.tool_calls
        ]
    if isinstance(message, ToolMessage):
        row["tool_call_id"] = message.tool_call_id
    return row


def _restored(message: Message) -> BaseMessage:
    """Return a message as it was added; one that was changed since, or comes from elsewhere, from its columns."""
    if (turn := kept_turn(message, KIT)) is not None:
        [kept] = messages_from_dict([turn])
        if str(kept.text) == message.content:
            return kept
    match message.role:
        case "assistant":
            calls = [{"id": c.get("id"), "name": c["name"], "args": c["arguments"]} for c in message.tool_calls or ()]
            return AIMessage(message.content, name=message.name, tool_calls=[c for c in calls if _is_mapping(c)])
        case "tool":
            return ToolMessage(message.content, tool_call_id=message.tool_call_id or "", name=message.name)
        case "user":
            return HumanMessage(message.content, name=message.name)
        case _:
            return SystemMessage(message.content, name=message.name)


def _is_mapping(call: dict[str, Any]) -> bool:
    return isinstance(call["args"], dict) and isinstance(call["name"], str)
