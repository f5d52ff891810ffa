"""The offline default: a table of token vectors inside the ``wordllama`` wheel, averaged per text.

Only the wheel's two data files are used. Importing ``wordllama`` itself would configure the root logger, and
its loader looks for the tokenizer in a folder the wheel spells differently, then tries to download it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from memgpt.config import OFFLINE_MODEL
from memgpt.database import forks
from memgpt.embeddings.base import UNLIMITED, Purpose, Usage, Vectors
from memgpt.errors import ConfigurationError

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

_SHAPE = (32_000, 256)
_UNKNOWN = 0  # the token of what has none
_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_PARTS_AT_ONCE = 1024  # bounds the memory held by encodings
_LONG_TEXT = 2048  # tokens from which distinct ones are counted first: bounds the memory of one very long text

_PART = 4096  # characters from which a text is cut: what merges tokens slows down with the length of what it reads

_BETWEEN_WORDS = re.compile("(?<=[^ >]) (?=[^<])")
"""Where a text may be cut without a change of its tokens: none goes over the beginning of a word, and each part begins
with the mark of a word in the place of its space. ``<s>`` in a text begins a part of its own, so not beside that."""

_loading = forks.lock()


class StaticModel:
    """Mean of the token vectors, L2-normalised. The table (32 MB) is loaded once per process."""

    name = OFFLINE_MODEL
    dimensions = _SHAPE[1]
    max_tokens = UNLIMITED
    price_per_million_tokens: float | None = 0.0

    def __init__(self) -> None:
        self.usage = Usage(self.price_per_million_tokens)

    def embed(self, texts: Sequence[str], *, purpose: Purpose = "document") -> Vectors:  # noqa: ARG002
        """See the contract. Every text has a vector: one without any token gets the unknown token's."""
        table = _table()
        vectors: Vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        tokens = 0
        for row, ids in enumerate(_ids(texts)):
            tokens += len(ids)
            if len(ids) > _LONG_TEXT:
                distinct, counts = np.unique(ids, return_counts=True)
                np.dot(counts.astype(np.float32), table[distinct], out=vectors[row])
            else:
                np.add.reduce(table.take(ids or [_UNKNOWN], axis=0), axis=0, out=vectors[row])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        self.usage.add(texts=len(texts), requests=1, tokens=tokens)
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return count_tokens(texts)


class StaticWords:
    """Words as sums of token vectors, *not* normalised: the norm says how much a word matters."""

    def pieces(self, words: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each word, at least one: of a word without any, the unknown token."""
        return [ids or [_UNKNOWN] for ids in _ids(words)]

    def vectors(self, pieces: NDArray[np.intp]) -> Vectors:
        """Return the row of each token."""
        return _table().take(pieces, axis=0)


def count_tokens(texts: Sequence[str]) -> list[int]:
    """Tokens of each text in the vocabulary of Llama 2.

    With 32,000 entries it is smaller than the vocabularies of hosted models, so its counts are on the high
    side: the estimate used for models whose own tokenizer would have to be downloaded.
    """
    counts = [0] * len(texts)
    for n, encoding in _encodings(texts):
        counts[n] += len(encoding)
    return counts


def _ids(texts: Sequence[str]) -> Iterator[list[int]]:
    for _, parts in groupby(_encodings(texts), key=itemgetter(0)):
        yield [id for _, encoding in parts for id in encoding.ids]


def _encodings(texts: Sequence[str]) -> Iterator[tuple[int, Encoding]]:
    """Encode all parts of the texts, in order, each with the place of its text."""
    parts = ((n, part) for n, text in enumerate(texts) for part in _parts(encodable(text)))
    while batch := [*islice(parts, _PARTS_AT_ONCE)]:
        encodings = tokenizer().encode_batch_fast([part for _, part in batch], add_special_tokens=False)
        yield from zip([n for n, _ in batch], encodings, strict=True)


def _parts(text: str) -> Iterator[str]:
    """Cut a long text between words, into parts whose tokens are together those of the text."""
    start = 0
    while cut := _BETWEEN_WORDS.search(text, start + _PART):
        yield text[start : cut.start()]
        start = cut.end()
    yield text[start:]


def encodable(text: str) -> str:
    """Return the text without lone surrogates, which have no UTF-8 form."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def _table() -> Vectors:
    with _loading:  # functools.cache alone would let two threads load it twice
        return _load_table()


def tokenizer() -> Tokenizer:
    """Return the tokenizer behind ``count_tokens``."""
    with _loading:
        return _load_tokenizer()


@cache
def _load_table() -> Vectors:
    from safetensors.numpy import load_file

    table = load_file(_data_file(_WEIGHTS)).get("embedding.weight")
    if table is None or table.shape != _SHAPE:
        raise ConfigurationError(
            f"the installed wordllama holds another table than {OFFLINE_MODEL}: "
            "pip install 'wordllama>=0.4.0.post1,<0.5'"
        )
    return np.asarray(table, dtype=np.float32)


@cache
def _load_tokenizer() -> Tokenizer:
    from tokenizers import Tokenizer

    return forgetful(Tokenizer.from_file(str(_data_file(_TOKENIZER))))


def forgetful(tokenizer: Tokenizer) -> Tokenizer:
    """Have a tokenizer keep nothing of the texts it reads.

    By itself it keeps 10,000 of up to 256 bytes for each thread that uses it, which saves nothing where few texts come
    again: 2 to 8 kB of memory for each request of a service, and texts of agents that were forgotten.
    """
    from tokenizers.models import BPE, Unigram

    model = tokenizer.model
    if isinstance(model, BPE | Unigram):
        model._resize_cache(0)
    return tokenizer


def _data_file(name: str) -> Path:
    spec = find_spec("wordllama")  # finds the package without running it
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, name)
        if path.is_file():
            return path
    raise ConfigurationError(
        f"the file {name} of the package wordllama is missing; pip install --force-reinstall wordllama"
    )
