"""The content of a message as providers write it: a text, or a list of parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from memgpt.models import Json


@dataclass(frozen=True, slots=True)
class Content:
    """What a content says."""

    text: str = ""
    """Its texts, and the names of what is none, on lines of their own."""
    calls: list[Json] = field(default_factory=list)
    results: list[tuple[str | None, str]] = field(default_factory=list)
    """The id of a tool call and what the tool answered."""


def label(part: Mapping[str, Any]) -> str:
    """The name of an attached file, or what the part is, as ``[image_url]``."""
    file = next((part[key] for key in ("file", "source") if isinstance(part.get(key), Mapping)), part)
    names = (each.get(key) for each in (part, file) for key in ("title", "filename", "file_name", "name"))
    if name := next((str(given) for given in names if given), None):
        return f"[attachment {name}]"
    return f"[{part.get('type') or part.get('content_type') or 'attachment'}]"


def read(content: Any, attached: Callable[[Mapping[str, Any]], str] = label) -> Content:
    """Return the text, the tool calls and the tool results of a content.

    Args:
        attached: the text for a part that is none.
    """
    if content is None:
        return Content()
    if isinstance(content, str):
        return Content(content)
    parts = content.get("parts", [content.get("text")]) if isinstance(content, Mapping) else content
    texts: list[str] = []
    made = Content()
    for part in parts if isinstance(parts, (list, tuple)) else []:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if isinstance(part, str):
            texts.append(part)
        elif kind == "tool_use":
            made.calls.append({"id": part.get("id"), "name": part.get("name"), "arguments": part.get("input")})
        elif kind == "tool_result":
            made.results.append((part.get("tool_use_id"), read(part.get("content"), attached).text or "(empty)"))
        elif isinstance(part, Mapping):
            said = next((part[key] for key in ("text", "refusal") if isinstance(part.get(key), str)), None)
            texts.append(attached(part) if said is None else said)
    return Content("\n".join(texts), made.calls, made.results)
