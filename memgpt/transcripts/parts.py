"""Contents of messages: text, tool calls and tool results, whatever the provider calls them."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from memgpt.errors import InputError, MissingExtraError
from memgpt.ingest.extract import extract
from memgpt.models import Json
from memgpt.transcripts.turns import mapping, text_of

_CALLS: Final = {"tool_use", "server_tool_use", "mcp_tool_use", "tool_call", "functioncall"}
_UNSAID: Final = {"redacted_thinking", "reasoning", "encrypted_reasoning"}
"""Parts that hold nothing a person can read."""


@dataclass(slots=True)
class Content:
    """What a message says."""

    texts: list[str] = field(default_factory=list)
    calls: list[Json] = field(default_factory=list)
    results: list[tuple[str | None, str]] = field(default_factory=list)
    """Results of tools, as (id of the call, text)."""

    @property
    def text(self) -> str:
        return "\n".join(text for text in self.texts if text)


def read(value: Any) -> Content:
    """Read the content of a message: a text, a list of parts, or an object with parts."""
    content = Content()
    _add(content, value)
    return content


def call(value: Mapping[str, Any]) -> Json:
    """One tool call, as messages keep it."""
    function = mapping(value.get("function")) or value
    arguments = next((function[key] for key in ("arguments", "args", "input") if function.get(key) is not None), None)
    return {
        "id": text_of(value.get("id") or value.get("call_id")),
        "name": function.get("name"),
        "arguments": arguments,
    }


def attachment(part: Mapping[str, Any]) -> str:
    """The text of an attached file below its name; its name, or what it is, where no text can be had."""
    file = next((part[key] for key in ("file", "source") if isinstance(part.get(key), Mapping)), part)
    names = (each.get(key) for each in (part, file) for key in ("title", "filename", "file_name", "name"))
    name = next((str(known) for known in names if known), None)
    kind = part.get("type") or part.get("content_type") or "attachment"
    text = _attached_text(file, name or str(kind)).strip()
    label = f"[attachment {name}]" if name else f"[{kind}]"
    return f"{label}\n{text}" if text else label


def _add(content: Content, value: Any) -> None:
    if isinstance(value, str):
        content.texts.append(value)
    elif isinstance(value, Mapping):
        _add_part(content, value)
    elif isinstance(value, list):
        for part in value:
            _add(content, part)


def _add_part(content: Content, part: Mapping[str, Any]) -> None:
    kind = str(part.get("type") or part.get("content_type") or "").lower()
    if kind in _CALLS or isinstance(part.get("functionCall"), Mapping):
        content.calls.append(call(mapping(part.get("functionCall")) or part))
    elif kind.endswith("tool_result"):
        result = read(part.get("content"))
        content.results.append((text_of(part.get("tool_use_id")), result.text or "(empty)"))
    elif isinstance(part.get("functionResponse"), Mapping):
        response = part["functionResponse"]
        content.results.append((text_of(response.get("id")), _as_text(response.get("response"))))
    elif kind.endswith("_search_result") or kind == "web_search_result":
        content.texts.append(" ".join(str(part[key]) for key in ("title", "url") if part.get(key)))
    elif kind in _UNSAID:
        return
    elif isinstance(part.get("parts"), list):
        _add(content, part["parts"])
    elif isinstance(part.get("text"), (str, list)):
        _add(content, part["text"])
    elif isinstance(part.get("transcript") or mapping(part.get("audio")).get("transcript"), str):
        content.texts.append(part.get("transcript") or part["audio"]["transcript"])
    elif isinstance(part.get("refusal"), str):
        content.texts.append(part["refusal"])
    else:
        content.texts.append(attachment(part))


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _attached_text(file: Mapping[str, Any], name: str) -> str:
    """OpenAI has base64 in ``file_data``, Anthropic that or a text in ``data``, exports of Claude the text itself."""
    data = file.get("extracted_content") or file.get("file_data") or file.get("data")
    if file.get("content") is not None:
        return read(file["content"]).text
    if not isinstance(data, str):
        return ""
    if file.get("type") != "base64" and "file_data" not in file:
        return data
    head, comma, rest = data.partition(",")
    media_type = file.get("media_type") or (head.removeprefix("data:").partition(";")[0] if comma else None)
    try:
        return extract(b64decode(rest if comma else data), name, media_type).text
    except (ValueError, InputError, MissingExtraError):  # a picture, or nothing that can be read
        return ""
