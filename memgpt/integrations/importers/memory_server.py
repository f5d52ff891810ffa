"""The MCP reference server "memory": its ``memory.jsonl`` of entities with observations, and relations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from memgpt.errors import InputError
from memgpt.integrations.importers.import_items import ImportItem, fact, memory


def is_line(value: Any) -> bool:
    """Whether a JSON value is a line of such a file."""
    return isinstance(value, dict) and (
        (value.get("type") == "entity" and "name" in value) or (value.get("type") == "relation" and "from" in value)
    )


def read(path: Path) -> Iterator[ImportItem]:
    """Yield the items of a file; an observation is a memory that names what it is about."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield from _line(number, line)
    except UnicodeDecodeError:
        raise InputError(f"{path.name} is not UTF-8") from None


def _line(number: int, line: str) -> Iterator[ImportItem]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not is_line(value):
        yield ImportItem("entity", f"line {number}", problem=f"line {number} is neither an entity nor a relation")
    elif value["type"] == "relation":
        yield fact(value["from"], value.get("relationType"), value.get("to"))
    else:
        yield from _entity(value)


def _entity(value: Any) -> Iterator[ImportItem]:
    name, kind = value["name"], value.get("entityType") or "thing"
    yield ImportItem("entity", str(name), {"name": name, "type": kind})
    observations = value.get("observations")
    for each in observations if isinstance(observations, list) else ():
        text = each if isinstance(each, str) and str(name).lower() in each.lower() else f"{name}: {each}"
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        yield memory(f"{name}#{digest}", text, {"entity": name})
