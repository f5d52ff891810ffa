"""What every other memory is read into."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

from memgpt.models import Json

ItemKind = Literal["memory", "block", "entity", "relation", "document"]


@dataclass(frozen=True, slots=True)
class ImportItem:
    """One thing of another memory."""

    kind: ItemKind
    id: str
    """What the other system calls it, for good."""
    values: Json = field(default_factory=dict)
    """The arguments of what writes it: ``archival.insert``, ``core.create``, ``graph.add_entity``, ``graph.relate``,
    ``ingest``."""
    problem: str | None = None
    """Why it is not one that can be kept."""


def memory(id: Any, text: Any, metadata: Json, **values: Any) -> ImportItem:
    """A text to keep, which is its own name where it has no id; what says nothing is left out of its metadata."""
    if id in (None, ""):
        id = hashlib.sha256(str(text).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    about = {key: value for key, value in metadata.items() if value not in (None, "", [], {})}
    if not isinstance(text, str) or not text.strip():
        return ImportItem("memory", str(id), problem="it has no text")
    said = {key: value for key, value in values.items() if value not in (None, "", [])}
    return ImportItem("memory", str(id), {"text": text, "metadata": about, **said})


def relation(source: Any, type: Any, target: Any) -> ImportItem:
    """A statement, which its words name."""
    return ImportItem("relation", f"{source} {type} {target}", {"source": source, "type": type, "target": target})
