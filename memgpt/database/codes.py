"""The code of an embedding: what a search reads of it from the covering index, without the table.

To 1,024 dimensions it is the vector itself with two bytes a number, above that one bit a dimension of the vector after
a fixed rotation. Statements name the operator ``{distance}`` between two codes, and ``{code}``, the code of the
parameter ``embedding``; :func:`completed` fills both in for the length of the vectors.
"""

from __future__ import annotations

from typing import Final, Literal

from memgpt.database import queries

SQL = queries.beside(__name__)

CodeType = Literal["halfvec", "bit"]

MOST_HALFVEC: Final = 1024
"""Dimensions of the longest vectors with two bytes a number. An entry of a B-tree holds 2,704 bytes: 1,300 dimensions
fit with a short agent_id, these with the longest that there is (600 bytes)."""


def code_type(dimensions: int) -> CodeType:
    """Return the type of the codes of vectors of this length."""
    return "halfvec" if dimensions <= MOST_HALFVEC else "bit"


def code_bytes(dimensions: int) -> int:
    """Return how many bytes the code of a vector of this length takes."""
    return 8 + (2 * dimensions if code_type(dimensions) == "halfvec" else (dimensions + 7) // 8)


def code(of_type: CodeType, vector: str = "%(embedding)s") -> bytes:
    """Return the expression that makes the code of a vector."""
    template: bytes = getattr(SQL, f"code_{of_type}")
    return queries.compose(template, vector=vector.encode())


def distance(of_type: CodeType) -> bytes:
    """Return the operator whose value is the smaller the nearer two codes are."""
    operator: bytes = getattr(SQL, f"distance_{of_type}")
    return operator


def completed(template: bytes, dimensions: int) -> bytes:
    """Return a statement for vectors of this length."""
    of_type = code_type(dimensions)
    return queries.compose_partly(template, distance=distance(of_type), code=code(of_type))
