"""Items into which every other memory is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

from memgpt.models import Json

ItemKind = Literal["memory", "block", "entity", "fact", "document"]


@dataclass(frozen=True, slots=True)
class ImportItem:
    """One thing of another memory."""

    kind: ItemKind
    id: str
    """What the other system calls it, for good."""
    values: Json = field(default_factory=dict)
    """The arguments of what writes it: ``archival.insert``, ``core.create``, ``graph.add_entity``, ``graph.add_fact``,
    ``ingest``."""
    problem: str | None = None
    """Why it is not one that can be kept."""


def memory(id: Any, text: Any, metadata: Json, **values: Any) -> ImportItem:
    """Make an item of a text to keep, named by its id or else by its words; empty metadata is left out."""
    if id in (None, ""):
        id = hashlib.sha256(str(text).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    about = {key: value for key, value in metadata.items() if value not in (None, "", [], {})}
    if not isinstance(text, str) or not text.strip():
        return ImportItem("memory", str(id), problem="it has no text")
    said = {key: value for key, value in values.items() if value not in (None, "", [])}
    return ImportItem("memory", str(id), {"text": text, "metadata": about, **said})


def fact(source: Any, type: Any, target: Any) -> ImportItem:
    """Make an item of a fact, named by its words."""
    return ImportItem("fact", f"{source} {type} {target}", {"source": source, "type": type, "target": target})
