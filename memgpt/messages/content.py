"""The content of a message as providers write it: a text, or a list of parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from memgpt.models import Json

_CALLS: Final = {"tool_use", "server_tool_use", "mcp_tool_use", "tool_call"}
_UNSAID: Final = {"redacted_thinking", "reasoning", "encrypted_reasoning"}
"""Parts that hold nothing a person can read."""

Attached = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Content:
    """Texts, tool calls and attachments of a message's content."""

    text: str = ""
    """Its texts, and the names of what is none, on lines of their own."""
    calls: list[Json] = field(default_factory=list)
    results: list[tuple[str | None, str]] = field(default_factory=list)
    """The id of a tool call and what the tool answered."""


def label(part: Mapping[str, Any]) -> str:
    """Return the name of an attached file, or what the part is, as ``[image_url]``."""
    file = next((part[key] for key in ("file", "source") if isinstance(part.get(key), Mapping)), part)
    names = (each.get(key) for each in (part, file) for key in ("title", "filename", "file_name", "name"))
    if name := next((str(candidate) for candidate in names if candidate), None):
        return f"[attachment {name}]"
    return f"[{part.get('type') or part.get('content_type') or 'attachment'}]"


def call(value: Mapping[str, Any]) -> Json:
    """Return one tool call, in the form in which messages keep it."""
    function = value["function"] if isinstance(value.get("function"), Mapping) else value
    arguments = next((function[key] for key in ("arguments", "args", "input") if function.get(key) is not None), None)
    id = value.get("id") or value.get("call_id")
    return {"id": None if id is None else str(id), "name": function.get("name"), "arguments": arguments}


def read(content: Any, attached: Attached = label) -> Content:
    """Return the text, the tool calls and the tool results of a content.

    Known are the parts of OpenAI (Chat and Responses), Anthropic and Gemini.

    Args:
        attached: the text for a part that is none.
    """
    texts: list[str] = []
    result = Content()
    _read(content, attached, texts, result)
    return Content("\n".join(texts), result.calls, result.results)


def _read(content: Any, attached: Attached, texts: list[str], result: Content) -> None:
    if isinstance(content, str):
        texts.append(content)
    elif isinstance(content, Mapping):
        _read_part(content, attached, texts, result)
    elif isinstance(content, (list, tuple)):
        for part in content:
            _read(part, attached, texts, result)


def _read_part(part: Mapping[str, Any], attached: Attached, texts: list[str], result: Content) -> None:
    kind = str(part.get("type") or part.get("content_type") or "").lower()
    answered = part.get("functionResponse")
    if kind in _CALLS or isinstance(part.get("functionCall"), Mapping):
        result.calls.append(call(part.get("functionCall") or part))
    elif kind.endswith("tool_result"):
        result.results.append((part.get("tool_use_id"), read(part.get("content"), attached).text or "(empty)"))
    elif isinstance(answered, Mapping):
        response = answered.get("response")
        said = response if isinstance(response, str) else json.dumps(response, ensure_ascii=False)
        result.results.append((answered.get("id"), said))
    elif kind.endswith("search_result"):
        texts.append(" ".join(str(part[key]) for key in ("title", "url") if part.get(key)))
    elif kind not in _UNSAID:
        _read_said(part, attached, texts, result)


def _read_said(part: Mapping[str, Any], attached: Attached, texts: list[str], result: Content) -> None:
    for key in ("parts", "text"):
        if isinstance(part.get(key), (str, list)):
            _read(part[key], attached, texts, result)
            return
    audio = part.get("audio")
    spoken = part.get("transcript") or (audio.get("transcript") if isinstance(audio, Mapping) else None)
    said = next((each for each in (spoken, part.get("refusal")) if isinstance(each, str)), None)
    texts.append(attached(part) if said is None else said)
