"""The request to the model: system prompt, core blocks, summary, the latest messages; counted by part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from memgpt.agent.store import TurnStep
from memgpt.agent.tools import Tool
from memgpt.blocks.blocks import DESCRIPTIONS
from memgpt.llm import fences
from memgpt.models import Block, Json, Message

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage
    from pydantic_ai.models import ModelRequestParameters

Count = Callable[[str], int]

FRAME: Final = 8
"""Tokens counted for what stands around each message."""

NOT_RUN: Final = "Error: this call was interrupted and had no effect"
"""The answer of a tool call that has none."""


@dataclass(frozen=True)
class Sent:
    """One request as it is put together."""

    system: str
    tools: Sequence[Json]
    messages: Sequence[Message]
    longest: int
    """Tokens a message may have before it is shown cut."""
    tokens_by_part: Mapping[str, int]

    @property
    def tokens(self) -> int:
        return sum(self.tokens_by_part.values())

    @property
    def hash(self) -> str:
        """Of everything that is sent."""
        shown = [_shown(message, self.longest) for message in self.messages]
        return hashlib.sha256(json.dumps([self.system, [*self.tools], shown], sort_keys=True).encode()).hexdigest()

    def model_messages(self) -> list[ModelMessage]:
        """Return the messages in the words of the client library, well-formed whatever was stored or evicted."""
        return _model_messages(self.messages, self.longest)

    def parameters(self) -> ModelRequestParameters:
        from pydantic_ai.messages import InstructionPart
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.tools import ToolDefinition

        tools = [
            ToolDefinition(name=t["name"], description=t["description"], parameters_json_schema=t["parameters"])
            for t in self.tools
        ]
        return ModelRequestParameters(function_tools=tools, instruction_parts=[InstructionPart(content=self.system)])


@dataclass(frozen=True, slots=True)
class Inspection:
    """Request of a past step, put together again from what is stored."""

    step: TurnStep
    system: str | None
    tools: Sequence[Json]
    messages: Sequence[Json]
    """Role, content and tool calls, as they were shown to the model."""
    tokens_by_part: Mapping[str, int]
    exact: bool
    """False where something that was sent has been changed or forgotten since."""
    answer: Message | None


def system_text(
    blocks: Sequence[Block], summary: str | None, instructions: str | None, pressure: bool
) -> dict[str, str]:
    """Return the parts of the system prompt, in order."""
    parts = {"instructions": instructions or prompt("system"), "core": _core(blocks)}
    if summary:
        shown = fences.escaped(summary)
        parts["summary"] = f"<summary_of_earlier_conversation>\n{shown}\n</summary_of_earlier_conversation>"
    if pressure:
        parts["pressure"] = prompt("pressure")
    return parts


def put_together(
    parts: Mapping[str, str], tools: Sequence[Json], messages: Sequence[Message], longest: int, count: Count
) -> Sent:
    """Build a request and count the tokens of each of its parts."""
    tokens = {part: count(text) + FRAME for part, text in parts.items()}
    tokens["tools"] = count(json.dumps([*tools])) if tools else 0
    tokens["messages"] = sum(message_tokens(message, longest, count) for message in messages)
    return Sent("\n\n".join(parts.values()), tools, messages, longest, tokens)


def described(tools: Mapping[str, Tool]) -> Sequence[Json]:
    """Tools as a model is told about them."""
    return [{"name": t.name, "description": t.description, "parameters": t.schema} for t in tools.values()]


def message_tokens(message: Message, longest: int, count: Count) -> int:
    """Tokens of a message as it is shown."""
    calls = count(json.dumps(message.tool_calls)) + FRAME if message.tool_calls else 0
    content = message.tokens if message.tokens is not None else count(message.content)
    # what somebody else counted may be too low: no tokenizer makes fewer than one of twelve bytes of prose
    content = max(content, len(message.content) // 12)
    return min(content, longest + FRAME) + calls + FRAME


def inspect(step: TurnStep, messages: Sequence[Message], answer: Message | None) -> Inspection:
    """Rebuild a step and the messages it referred to."""
    sent = Sent(step.system or "", step.tools, messages, step.longest, step.tokens_by_part)
    shown = [_shown(message, step.longest) for message in messages]
    exact = step.system is not None and sent.hash == step.sent_hash
    return Inspection(step, step.system, step.tools, shown, step.tokens_by_part, exact, answer)


@cache
def prompt(name: str) -> str:
    """Read a prompt of ``memgpt/agent/prompts``."""
    file = resources.files("memgpt.agent") / "prompts" / f"{name}.md"
    return file.read_text(encoding="utf-8").strip()


def _core(blocks: Sequence[Block]) -> str:
    lines = ["<core_memory>"]
    labels = {block.label for block in blocks}
    for block in blocks:
        label = fences.attribute(block.label)
        about = f' description="{fences.attribute(block.description)}"' if block.description else ""
        only = ' read_only="true"' if block.read_only else ""
        lines.append(f'<memory_block label="{label}"{about} characters="{len(block.value)} of {block.limit}"{only}>')
        lines += [fences.escaped(block.value), "</memory_block>"]
    lines += [
        f'<memory_block label="{label}" description="{about}" characters="0"></memory_block>'
        for label, about in DESCRIPTIONS.items()
        if label not in labels
    ]
    return "\n".join([*lines, "</core_memory>"])


def _shown(message: Message, longest: int) -> Json:
    """Return a message as the model sees it."""
    return {
        "role": message.role,
        "content": _cut(message, longest),
        "tool_calls": message.tool_calls,
        "tool_call_id": message.tool_call_id,
        "name": message.name if message.role == "tool" else None,
    }


def _cut(message: Message, longest: int) -> str:
    """Shorten the content if it is too long, with a note at its end; every character kept is one token at most."""
    tokens = max(message.tokens or 0, len(message.content) // 12)
    if tokens <= longest:
        return message.content
    length = int(len(message.content) * 0.9 * (longest - 40) / tokens)
    note = f"[cut here: {len(message.content) - length:,} more characters in message {message.id} of recall memory]"
    return f"{message.content[:length]}\n{note}"


def _model_messages(messages: Sequence[Message], longest: int) -> list[ModelMessage]:
    from pydantic_ai.messages import ModelResponse, ToolReturnPart, UserPromptPart

    converted: list[ModelMessage] = []
    waiting: dict[str, str] = {}

    def request(part: Any) -> None:
        _add_request(converted, part)

    def answer_waiting() -> None:
        for id, name in waiting.items():
            request(ToolReturnPart(tool_name=name, content=NOT_RUN, tool_call_id=id))
        waiting.clear()

    for message in messages:
        text = _cut(message, longest)
        if message.role == "tool":
            if message.tool_call_id in waiting:
                name = waiting.pop(message.tool_call_id)
                request(ToolReturnPart(tool_name=name, content=text, tool_call_id=message.tool_call_id))
            continue  # else the call it answers was evicted: its summary stands for both
        answer_waiting()
        if message.role == "assistant":
            parts, calls = _answer(message, text)
            if not converted:
                request(UserPromptPart("[The conversation up to here is in the summary.]"))
            if parts:
                converted.append(ModelResponse(parts=parts))
            waiting.update(calls)
        else:
            request(UserPromptPart(_attributed(message.role, text)))
    answer_waiting()
    return converted


def _add_request(converted: list[ModelMessage], part: Any) -> None:
    """Put a part into the request at the end, or begin one."""
    from pydantic_ai.messages import ModelRequest

    if converted and isinstance(converted[-1], ModelRequest):
        converted[-1] = ModelRequest(parts=[*converted[-1].parts, part])
    else:
        converted.append(ModelRequest(parts=[part]))


def _attributed(role: str, text: str) -> str:
    """Return a text with its role, unless a user said it and it cannot pass for a note of ours."""
    return text if role == "user" and not text.lstrip().startswith("[") else f"[{role}] {text}"


def _answer(message: Message, text: str) -> tuple[list[Any], dict[str, str]]:
    """Return the parts of an answer of the model, and the name of each tool it called, by the id of the call."""
    from pydantic_ai.messages import TextPart, ToolCallPart

    calls = [_call(call, n, message.id) for n, call in enumerate(message.tool_calls or [])]
    parts: list[Any] = [TextPart(text)] if text.strip() else []
    parts += [ToolCallPart(name, arguments, id) for id, name, arguments in calls]
    return parts, {id: name for id, name, _ in calls}


def _call(call: Json, position: int, message_id: int) -> tuple[str, str, Any]:
    """Id, name and arguments of a stored tool call, which may come from anywhere."""
    inner = call.get("function")
    function: Json = inner if isinstance(inner, dict) else call
    name = str(function.get("name") or "unnamed")
    arguments = function.get("arguments", call.get("input"))
    return str(call.get("id") or f"call_{message_id}_{position}"), name, arguments
