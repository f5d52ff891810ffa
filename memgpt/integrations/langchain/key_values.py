"""LangChain's ``BaseStore``: values by key."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any, Final

from langchain_core.stores import BaseStore

from memgpt.items.items import NewItem
from memgpt.memory import Memory

PAGE: Final = 1000


class MemgptKeyValueStore(BaseStore[str, Any]):
    """Keys and values in a namespace of a memory: bytes, and whatever JSON can hold. No search finds them.

    Args:
        memory: whose values these are.
        namespace: labels that tell them from other items.
    """

    def __init__(self, memory: Memory, namespace: Sequence[str] = ("langchain", "values")) -> None:
        self.memory = memory
        self.namespace = tuple(namespace)

    def mget(self, keys: Sequence[str]) -> list[Any]:
        items = self.memory.items.get_many([(self.namespace, key) for key in keys])
        return [None if item is None else _read(item.value) for item in items]

    def mset(self, key_value_pairs: Sequence[tuple[str, Any]]) -> None:
        self.memory.items.put_many(NewItem(self.namespace, key, _written(value), "") for key, value in key_value_pairs)

    def mdelete(self, keys: Sequence[str]) -> None:
        self.memory.items.delete_many((self.namespace, key) for key in keys)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        after = ""
        while page := self.memory.items.list(self.namespace, begins=prefix or "", after=after, limit=PAGE):
            yield from (item.key for item in page)
            after = page[-1].key


def _written(value: Any) -> dict[str, Any]:
    """Return a value as the JSON that is kept."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    return {"value": value}


def _read(kept: dict[str, Any]) -> Any:
    return base64.b64decode(kept["base64"]) if "base64" in kept else kept["value"]
