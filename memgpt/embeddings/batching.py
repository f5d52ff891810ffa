"""Cutting texts into requests: long texts into pieces, pieces into batches bounded by count and by tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from semantic_text_splitter import TextSplitter

from memgpt.embeddings.base import Vectors
from memgpt.embeddings.static import count_tokens, encodable, tokenizer


@dataclass(frozen=True, slots=True)
class Piece:
    """A text, or a part of one that is longer than the model reads at once."""

    owner: int
    """Position of the text it belongs to."""
    text: str
    tokens: int


def pieces(texts: Sequence[str], max_tokens: int) -> list[Piece]:
    """One piece per text, or several where it is longer than ``max_tokens``, cut between sentences.

    No piece is empty or unencodable, because endpoints refuse such texts.
    """
    result: list[Piece] = []
    clean = [encodable(text) or " " for text in texts]
    for owner, (text, tokens) in enumerate(zip(clean, count_tokens(clean), strict=True)):
        if tokens <= max_tokens:
            result.append(Piece(owner, text, tokens))
            continue
        parts = _splitter(max_tokens).chunks(text) or [" "]  # a long run of white space has no part
        result += [Piece(owner, part, count) for part, count in zip(parts, count_tokens(parts), strict=True)]
    return result


@cache
def _splitter(max_tokens: int) -> TextSplitter:
    """Return the splitter of this size, kept: making one copies the whole vocabulary (0.1 s)."""
    room = max(max_tokens - 1, 1)  # a part that begins inside a word is counted without its word mark
    return TextSplitter.from_huggingface_tokenizer(tokenizer(), room)


def batches(parts: Sequence[Piece], *, max_texts: int, max_tokens: int) -> Iterator[slice]:
    """Consecutive slices of ``parts`` within both limits; a part over ``max_tokens`` travels alone."""
    start = tokens = 0
    for position, part in enumerate(parts):
        if position > start and (position - start >= max_texts or tokens + part.tokens > max_tokens):
            yield slice(start, position)
            start, tokens = position, 0
        tokens += part.tokens
    if start < len(parts):
        yield slice(start, len(parts))


def joined(parts: Sequence[Piece], vectors: Vectors, count: int) -> Vectors:
    """One vector per text: its piece's, or the mean of its pieces' weighted by their tokens."""
    if len(parts) == count:
        return vectors
    weights = np.array([max(part.tokens, 1) for part in parts], dtype=np.float32)
    owners = np.array([part.owner for part in parts])
    first = np.searchsorted(owners, np.arange(count))
    sums: Vectors = np.add.reduceat(vectors * weights[:, None], first, axis=0)
    totals: Vectors = np.add.reduceat(weights, first)
    means: Vectors = sums / totals[:, None]
    return means
