"""Files attached to messages: their text, below their names."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from memgpt.documents.formats.extract import extract
from memgpt.errors import InputError, MissingExtraError
from memgpt.messages import content


def attachment(part: Mapping[str, Any]) -> str:
    """Return the text of an attached file below its name; without a text, its name or what it is."""
    file = next((part[key] for key in ("file", "source") if isinstance(part.get(key), Mapping)), part)
    label = content.label(part)
    text = _text(file, label.strip("[]").removeprefix("attachment ")).strip()
    return f"{label}\n{text}" if text else label


def read(value: Any) -> content.Content:
    """Read the content of a message with the text of the files in it."""
    return content.read(value, attachment)


def _text(file: Mapping[str, Any], name: str) -> str:
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
