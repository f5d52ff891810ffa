"""Facts known beforehand about embedding models: ``catalog.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from memgpt.config import OFFLINE_MODEL


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """One model of the catalog."""

    dimensions: int
    max_tokens: int
    price: float | None = None
    """US dollars per million tokens."""
    shortens: bool = False
    """The model can be asked for fewer dimensions."""


def find(model: str) -> CatalogModel | None:
    """Return the entry for a model as its provider calls it: ``BAAI/bge-m3``, ``nomic-embed-text:latest``."""
    catalog = _catalog()
    plain = model.rpartition("/")[2].lower()
    return catalog.get(plain) or catalog.get(plain.partition(":")[0])


def shortens(model: str) -> bool:
    """Tell whether the beginnings of a model's vectors are vectors too (Matryoshka)."""
    entry = find(model)
    return model == OFFLINE_MODEL or (entry is not None and entry.shortens)


@cache
def _catalog() -> dict[str, CatalogModel]:
    text = files("memgpt.embeddings").joinpath("catalog.toml").read_text(encoding="utf-8")
    return {name.lower(): CatalogModel(**entry) for name, entry in tomllib.loads(text).items()}
