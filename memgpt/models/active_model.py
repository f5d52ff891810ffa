"""The embedding model of a memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """The embedding model the stored vectors are of."""

    name: str
    dimensions: int
