"""Eviction: the oldest messages leave the window for a summary that grows by summarising itself with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from memgpt.agent.chat_model import ChatModel
from memgpt.agent.request import Count, Sent, message_tokens, prompt
from memgpt.errors import ChatError
from memgpt.llm import fences
from memgpt.llm.context import minute
from memgpt.models import Message

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse

KEPT: Final = 0.5
"""Share of the room for messages that is still in use after an eviction."""


def to_evict(messages: Sequence[Message], room: int, longest: int, count: Count) -> Sequence[Message]:
    """Return the oldest messages that have to go so that the rest takes half of the room; the last one stays.

    What stays begins with a user's message, or where a turn is longer than that, with an answer of the model: never
    with the result of a call that is gone.
    """
    costs = [message_tokens(message, longest, count) for message in messages]
    left, first = sum(costs), 0
    while first < len(messages) - 1 and left > room * KEPT:
        left -= costs[first]
        first += 1
    for roles in (("user",), ("user", "assistant")):
        for start in range(first, len(messages)):
            if start and messages[start].role in roles:
                return messages[:start]
    return ()


def condense(
    model: ChatModel,
    before: str | None,
    evicted: Sequence[Message],
    *,
    window: int,
    seconds: float,
    count: Count,
    zone: ZoneInfo,
) -> Iterator[tuple[str, Sent, ModelResponse, float]]:
    """Summarise by the model, in as many requests as the window asks for; yields what each request gave.

    Times of messages are those of ``zone``, and name it.

    Raises:
        ChatError: the model failed, or said nothing.
    """
    import time

    most = most_tokens(window)
    room = window - 2 * most - count(prompt("summary")) - 200
    for lines in _pieces(evicted, room - most, count, zone):
        began = time.monotonic()
        text = f"Summary so far:\n{fences.quoted(before) if before else '(none)'}\n\nMessages:\n{lines}"
        sent = Sent(
            prompt("summary"), [], [], room, {"instructions": count(prompt("summary")), "messages": count(text)}
        )
        response = _asked(model, sent, text, most, seconds)
        before = cut((response.text or "").strip(), most, count)
        if not before:
            raise ChatError(f"{model.name} summarised nothing")
        yield before, sent, response, time.monotonic() - began


def beginnings(before: str | None, evicted: Sequence[Message], *, window: int, count: Count) -> str:
    """Without the model: the first words of each message, the newest ones where not all fit."""
    said = [f"{m.role}: {' '.join(m.content.split())[:160]}" for m in evicted if m.role in ("user", "assistant")]
    said = [line for line in said if not line.endswith(": ")]
    most = most_tokens(window)
    head = cut(before, most // 2, count) if before else ""
    lines: list[str] = []
    left = most - count(head)
    for line in reversed(said):
        left -= count(line) + 1
        if left < 0:
            break
        lines.append(line)
    return "\n".join(filter(None, [head, *reversed(lines)])) or "(nothing but tool calls)"


def most_tokens(window: int) -> int:
    """Tokens a summary may have."""
    return min(1000, window // 10)


def cut(text: str, tokens: int, count: Count) -> str:
    """Cut a text so short that it has at most so many tokens."""
    while (has := count(text)) > tokens:
        text = text[: int(len(text) * min(0.95, tokens / has))]
    return text


def _asked(model: ChatModel, sent: Sent, text: str, most: int, seconds: float) -> ModelResponse:
    from pydantic_ai.messages import ModelRequest, ModelResponse, UserPromptPart

    messages = [ModelRequest(parts=[UserPromptPart(text)])]
    for piece in model.stream(messages, sent.parameters(), max_tokens=most, seconds=seconds):
        if isinstance(piece, ModelResponse):
            return piece
    raise ChatError(f"{model.name} ended without an answer")


def _pieces(messages: Sequence[Message], room: int, count: Count, zone: ZoneInfo) -> Iterator[str]:
    """Yield the messages as lines, in pieces that fit."""
    lines: list[str] = []
    left = room
    for message in messages:
        who = fences.inline(message.name or message.role)
        calls = "".join(f" [calls {fences.inline(call.get('name', 'a tool'))}]" for call in message.tool_calls or [])
        said = f"{fences.continued(message.content)}{calls}"
        line = cut(f"{minute(message.created_at, zone)} {who}: {said}", room // 4, count)
        cost = count(line) + 2
        if lines and cost > left:
            yield "\n".join(lines)
            lines, left = [], room
        lines.append(line)
        left -= cost
    if lines:
        yield "\n".join(lines)
