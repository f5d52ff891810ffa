"""Contents of AutoGen's memories as texts with metadata, and back."""

from __future__ import annotations

import json
from typing import Any, Final

from autogen_core.memory import MemoryContent, MemoryMimeType

from memgpt import validation
from memgpt.errors import InputError
from memgpt.models import Hit, Json

KEPT: Final = "autogen"
"""The key of a memory's metadata with the type of its content, and the content itself where it is no text."""

_TYPES: Final = {each.value: each for each in MemoryMimeType}


def text(content: MemoryContent) -> str:
    """Return the text by which a content is found.

    Raises:
        InputError: it is neither a text nor a JSON object.
    """
    value = content.content
    if isinstance(value, str):
        return validation.replaced(value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    raise InputError(
        f"Unsupported content type: {type(value).__name__}; a memory finds texts and JSON objects: "
        "add a description, or keep the bytes as a document"
    )


def metadata(content: MemoryContent) -> Json:
    """Return what is kept beside the text."""
    kind = content.mime_type.value if isinstance(content.mime_type, MemoryMimeType) else content.mime_type
    if kind == MemoryMimeType.JSON.value and not isinstance(content.content, dict):
        raise InputError(f"JSON content must be a dict, not {type(content.content).__name__}")
    kept: Json = {"mime_type": kind}
    if isinstance(content.content, dict):
        kept["content"] = content.content
    return {**validation.json_object(content.metadata, "metadata"), KEPT: kept}


def content(hit: Hit) -> MemoryContent:
    """Return a hit as a content: as it was added, with its score and where it is from in the metadata."""
    beside = dict(hit.metadata)
    kept = beside.pop(KEPT, None)
    whole: Any = kept.get("content", hit.text) if isinstance(kept, dict) else hit.text
    kind = kept["mime_type"] if isinstance(kept, dict) else MemoryMimeType.TEXT.value
    about = {"kind": hit.kind, "id": hit.id, "score": hit.score, "created_at": hit.created_at.isoformat()}
    return MemoryContent(content=whole, mime_type=_TYPES.get(kind, kind), metadata={**beside, **about})
