"""Letta: agent files (``.af``). Their messages are a transcript."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from memgpt.integrations.importers.import_items import ImportItem, memory

_PASSAGES: Final = ("passages", "archival_memory", "archival_passages")


def is_agent_file(value: Any) -> bool:
    """Whether a JSON value is an agent file, of today's or the first form."""
    if not isinstance(value, Mapping):
        return False
    agents = value.get("agents")
    today = isinstance(agents, list) and ("blocks" in value or any("block_ids" in each for each in _objects(agents)))
    return today or ("core_memory" in value and "agent_type" in value)


def has_messages(value: Any) -> bool:
    """Whether there is a transcript in it."""
    return any(_objects(agent.get("messages")) for agent in (value, *_objects(value.get("agents"))))


def read(value: Mapping[str, Any]) -> Iterator[ImportItem]:
    """Yield the blocks, passages and files of an agent file."""
    agents = [value, *_objects(value.get("agents"))]
    for key in ("blocks", "core_memory", "memory_blocks"):
        for agent in agents:
            for block in _objects(agent.get(key)):
                yield _block(block)
    for key in _PASSAGES:
        for agent in agents:
            passages = agent.get(key)
            for passage in passages if isinstance(passages, list) else ():
                yield _passage(passage)
    for file in _objects(value.get("files")):
        name = str(file.get("file_name") or file.get("original_file_name") or file.get("id"))
        if text := file.get("content"):
            yield ImportItem(
                "document", str(file.get("id") or name), {"text": text, "title": name, "source": f"letta:{name}"}
            )
        else:
            yield ImportItem("document", str(file.get("id") or name), problem=f"the content of {name} is not in it")


def _block(block: Mapping[str, Any]) -> ImportItem:
    label, value = str(block.get("label") or ""), block.get("value")
    limit = block.get("limit")
    values = {
        "label": label.replace("/", "."),  # which no label of ours has
        "value": value if value is not None else "",
        "description": block.get("description"),
        "limit": max(limit, len(str(value or ""))) if isinstance(limit, int) and not isinstance(limit, bool) else None,
        "read_only": block.get("read_only") is True,
    }
    return ImportItem("block", str(block.get("id") or label), values)


def _passage(passage: Any) -> ImportItem:
    if not isinstance(passage, Mapping):
        return memory(None, passage, {})
    about = passage.get("metadata", passage.get("metadata_"))
    tags = passage.get("tags")
    return memory(
        passage.get("id"),
        passage.get("text"),
        {**about} if isinstance(about, Mapping) else {},
        tags=[*map(str, tags)] if isinstance(tags, list) else [],
        created_at=passage.get("created_at"),
    )


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
