"""The texts that rows are embedded by. ``reembed/tables.sql`` says the same in SQL: keep them in step."""

from __future__ import annotations

from memgpt.models import Json


def chunk_text(text: str, metadata: Json | None) -> str:
    """Return what is embedded for a chunk of a document: it, after its ``metadata["context"]`` if it has one."""
    return "\n".join(filter(None, ((metadata or {}).get("context"), text)))


def entity_text(name: str, description: str) -> str:
    """Return what is embedded for an entity."""
    return f"{name}: {description}" if description else name


def message_text(content: str, name: str | None) -> str:
    """Return what is embedded for a message: who says it belongs to the meaning."""
    return content if not content or not name or content.startswith(name) else f"{name}: {content}"
