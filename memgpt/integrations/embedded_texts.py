"""Texts embedded by a memory's own model, for the embedding interfaces of kits."""

from __future__ import annotations

from collections.abc import Sequence

from memgpt.embeddings import Purpose
from memgpt.errors import InputError
from memgpt.memory import Memory, scope_of


def embedded(memory: Memory, texts: Sequence[str], purpose: Purpose) -> list[list[float]]:
    """Return the vector of each text.

    Raises:
        InputError: the memory has no model.
    """
    scope = scope_of(memory)
    vectors = scope.repeat_on_switch(lambda: scope.embed(texts, purpose=purpose))
    if any(vector is None for vector in vectors):
        raise InputError("no embedding model is configured: give the store an embedding of its own")
    return [vector.to_list() for vector in vectors if vector is not None]
