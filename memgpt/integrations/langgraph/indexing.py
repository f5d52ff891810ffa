"""Texts and vectors of the fields of an item that are indexed, by the store's own embedding model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NotRequired, TypedDict

from langchain_core.embeddings import Embeddings
from langgraph.store.base import PutOp, ensure_embeddings, get_text_at_path

from memgpt import validation
from memgpt.errors import ConfigurationError, InputError
from memgpt.items.items import NewItem
from memgpt.items.store import DISTANCES, Distance

WHOLE: Final = "$"
"""The path of a whole value."""


class StoreIndex(TypedDict):
    """How a store embeds items: LangGraph's ``IndexConfig``, and what its PostgreSQL store has beside."""

    dims: int
    embed: Any
    """LangChain's ``Embeddings``, a function, or a name such as ``openai:text-embedding-3-small``."""
    fields: NotRequired[Sequence[str] | None]
    """Paths of what is embedded; absent, the whole value."""
    distance_type: NotRequired[Distance]
    """``cosine`` when absent."""
    ann_index_config: NotRequired[Mapping[str, Any]]
    """Understood for LangGraph's sake; vectors are compared exactly, within the namespace."""
    collection: NotRequired[str]
    """A name for the vectors: that of the model, where stores of several models share an agent."""


@dataclass(frozen=True)
class ItemIndex:
    """What of an item is embedded, and by what; without embeddings, the memory's own model alone finds it."""

    embeddings: Embeddings | None = None
    dims: int = 0
    fields: Sequence[str] = ()
    collection: str = ""
    distance: Distance = "cosine"

    @classmethod
    def of(cls, config: StoreIndex | None) -> ItemIndex:
        """Read a configuration.

        Raises:
            ConfigurationError: it has no model or no dimensions.
        """
        if config is None:
            return cls()
        if "dims" not in config or config.get("embed") is None:
            raise ConfigurationError("the index of a store needs 'dims' and 'embed', the number and the model")
        distance = validation.choice(config.get("distance_type", "cosine"), DISTANCES, "distance_type")
        fields = config.get("fields") or [WHOLE]
        return cls(
            ensure_embeddings(config["embed"]),
            config["dims"],
            [fields] if isinstance(fields, str) else [*fields],
            config.get("collection", ""),
            next(known for known in DISTANCES if known == distance),
        )

    def parts(self, put: PutOp) -> Sequence[tuple[str, str]]:
        """Return the texts of an item that are embedded, each with the name of its field."""
        if self.embeddings is None or put.index is False or put.value is None:
            return []
        return [
            (f"{path}.{n}" if len(texts) > 1 else path, text)
            for path in (self.fields if put.index is None else put.index)
            for texts in [get_text_at_path(put.value, path)]
            for n, text in enumerate(texts)
        ]

    def text(self, put: PutOp) -> str | None:
        """Return what the memory's own search finds an item by; None: all texts of its value."""
        if put.index is False:
            return ""
        paths = put.index if put.index is not None else self.fields
        if not paths or WHOLE in paths:
            return None
        return "\n".join(text for path in paths for text in get_text_at_path(put.value, path))

    def item(self, put: PutOp, vectors: Mapping[str, Any]) -> NewItem:
        """Return what is kept of a put, with the vectors of its parts."""
        assert put.value is not None  # noqa: S101 - it is no deletion
        own = [(name, vectors[text]) for name, text in self.parts(put)]
        return NewItem(put.namespace, put.key, put.value, self.text(put), put.ttl, own)

    def check(self, vectors: Sequence[Sequence[float]]) -> None:
        """Refuse vectors of another length than was configured.

        Raises:
            InputError: the model's vectors have other dimensions.
        """
        for vector in vectors:
            if len(vector) != self.dims:
                raise InputError(f"the index has dims={self.dims}, and its model's vectors have {len(vector)}")


@dataclass
class Embedded:
    """Vectors of the texts of a batch."""

    documents: dict[str, Any] = field(default_factory=dict)
    queries: dict[str, Any] = field(default_factory=dict)
