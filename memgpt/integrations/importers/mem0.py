"""mem0: the answer of ``get_all`` as JSON, and the rows of its pgvector table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from memgpt.integrations.importers.import_items import ImportItem, fact, memory
from memgpt.models import Json

_TEXTS: Final = ("memory", "data")
_OWN: Final = {"id", "created_at", "expiration_date", "categories", "metadata", "score", "text_lemmatized", *_TEXTS}


def is_answer(value: Any) -> bool:
    """Whether a JSON value is what ``get_all`` returned."""
    results = _results(value)
    return bool(results) and all(
        isinstance(each, Mapping) and "id" in each and "memory" in each for each in results[:5]
    )


def answer(value: Any) -> Iterator[ImportItem]:
    """Yield the memories in what ``get_all`` returned, and its relations where it has any."""
    for each in _results(value):
        yield _memory(each.get("id"), each) if isinstance(each, Mapping) else _none(each)
    relations = value.get("relations") if isinstance(value, Mapping) else None
    for each in relations if isinstance(relations, list) else ():
        if isinstance(each, Mapping):
            target = each.get("target", each.get("destination"))
            yield fact(each.get("source"), each.get("relationship", each.get("relation")), target)


def rows(records: Iterable[Mapping[str, Any]]) -> Iterator[ImportItem]:
    """Yield the memories of a pgvector table: ``id`` and ``payload``."""
    for row in records:
        payload = row["payload"]
        yield _memory(row["id"], payload) if isinstance(payload, Mapping) else _none(row["id"])


def _results(value: Any) -> list[Any]:
    results = value.get("results", value.get("memories")) if isinstance(value, Mapping) else value
    return results if isinstance(results, list) else []


def _memory(id: Any, about: Mapping[str, Any]) -> ImportItem:
    more = about.get("metadata")
    metadata: Json = {**more} if isinstance(more, Mapping) else {}
    metadata.update({key: value for key, value in about.items() if key not in _OWN})
    categories = about.get("categories")
    return memory(
        id,
        next((about[key] for key in _TEXTS if about.get(key)), None),
        metadata,
        tags=[*map(str, categories)] if isinstance(categories, list) else [],
        created_at=about.get("created_at"),
        expires_at=about.get("expiration_date"),
    )


def _none(value: Any) -> ImportItem:
    return ImportItem("memory", str(value)[:60], problem="it is not a memory of mem0")
