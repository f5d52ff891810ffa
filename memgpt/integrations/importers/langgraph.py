"""LangGraph: the rows of its PostgreSQL store, of which LangMem's are some."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from memgpt.integrations.importers.import_items import ImportItem, memory

_TEXTS: Final = ("text", "content", "memory", "data", "value", "summary")


def rows(records: Iterable[Mapping[str, Any]]) -> Iterator[ImportItem]:
    """Yield the items of a store: ``prefix`` (the namespace), ``key``, ``value`` and times."""
    for row in records:
        id, value, expiry = f"{row['prefix']}:{row['key']}", row["value"], row.get("expires_at")
        if expiry is not None and expiry <= datetime.now(UTC):
            yield ImportItem("memory", id, problem=f"it expired at {expiry.isoformat()}")
            continue
        text = _text(value)
        yield memory(
            id,
            json.dumps(value, ensure_ascii=False) if text is None and value else text,
            {
                "namespace": row["prefix"].split("."),
                "key": row["key"],
                "value": value if isinstance(value, Mapping) and not _is_text_alone(value) else None,
                "updated_at": row["updated_at"].isoformat() if row.get("updated_at") else None,
            },
            created_at=row.get("created_at"),
            expires_at=expiry,
        )


def _text(value: Any) -> str | None:
    """Return the text of a value, where it has one under a usual name: ``{"content": {"content": "…"}}`` of LangMem
    too."""
    if isinstance(value, str):
        return value
    inner = [value[key] for key in _TEXTS if value.get(key)] if isinstance(value, Mapping) else []
    return next(filter(None, map(_text, inner)), None)


def _is_text_alone(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and isinstance(next(iter(value.values())), str)
