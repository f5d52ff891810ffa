"""A small model that runs here, from a folder with ``model.onnx`` and ``tokenizer.json``: ``onnx:/models/e5-small``.

Nothing is downloaded. What the folder says is done: ``1_Pooling/config.json`` the pooling (else the mean),
``config_sentence_transformers.json`` the words before a question and before a text, ``tokenizer_config.json`` how many
tokens the model reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from memgpt.database import forks
from memgpt.embeddings.base import Purpose, Usage, Vectors, checked
from memgpt.embeddings.batching import Piece, batches, joined, pieces
from memgpt.embeddings.static import encodable, forgetful
from memgpt.errors import ConfigurationError, EmbeddingError, MissingExtraError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

MOST_TOKENS: Final = 512
"""What a model reads at once where its folder does not say; none here reads more."""
ESTIMATE: Final = 0.9
"""Share of that into which texts are cut: tokens are counted by the offline model's table, which has smaller ones."""
AT_ONCE: Final = 32
_MODELS: Final = ("model.onnx", "onnx/model.onnx", "model_quantized.onnx", "onnx/model_quantized.onnx")
_TOKENS: Final = ("token_embeddings", "last_hidden_state")
_TOKEN_AXES: Final = 3
"""Axes of an output that has a vector for each token: texts, tokens, numbers."""


class OnnxModel:
    """Runs here on the CPU; loaded by the first call."""

    price_per_million_tokens: float | None = 0.0

    def __init__(self, folder: str, dimensions: int | None) -> None:
        """``dimensions`` keeps the first so many, for models trained to allow that."""
        try:
            import onnxruntime  # noqa: F401
        except ImportError:
            raise MissingExtraError("onnxruntime", "onnx", f"the embedding model 'onnx:{folder}'") from None
        self.name = f"onnx:{folder}"
        self.usage = Usage(self.price_per_million_tokens)
        self._folder = Path(folder).expanduser()
        self._requested = dimensions
        self._lock = forks.lock()

    @cached_property
    def dimensions(self) -> int:
        length = self._embedded([" "]).shape[1]
        if self._requested is not None and self._requested > length:
            raise ConfigurationError(f"{self.name} has {length} dimensions, not {self._requested}")
        return self._requested or length

    @cached_property
    def max_tokens(self) -> int:
        most = self._settings("tokenizer_config.json").get("model_max_length", MOST_TOKENS)
        return max(8, int(min(most, MOST_TOKENS) * ESTIMATE) - self._added)

    @property
    def _added(self) -> int:
        """Tokens that the tokenizer puts around a text, and those of the longest words before one."""
        prompts = self._settings("config_sentence_transformers.json").get("prompts", {})
        return max(len(self._tokenizer.encode(prompt).ids) for prompt in ["", *prompts.values()])

    def embed(self, texts: Sequence[str], *, purpose: Purpose = "document") -> Vectors:
        """See the contract."""
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        before = self._before(purpose)
        parts = pieces(texts, self.max_tokens)
        found = [
            self._embedded([before + part.text for part in parts[batch]])
            for batch in batches(parts, max_texts=AT_ONCE, max_tokens=AT_ONCE * MOST_TOKENS)
        ]
        vectors = joined(parts, np.concatenate(found), len(texts))[:, : self.dimensions]
        self.usage.add(texts=len(texts), requests=len(found), tokens=sum(part.tokens for part in parts))
        return checked(self.name, vectors, count=len(texts), dimensions=self.dimensions)

    def embed_in_context(self, texts: Sequence[str], before: Sequence[Sequence[str]]) -> Vectors:
        """See the contract (late chunking): a text is read after as many of the texts before it as fit, the nearest
        first, and its vector is the mean of its own tokens.

        A text that is too long for that gets the vector it has alone, and so does each one of a model that makes its
        vectors otherwise than by the mean.
        """
        read = [self._preceded(text, earlier) for text, earlier in zip(texts, before, strict=True)]
        alone = [n for n, head in enumerate(read) if not head]
        behind = [n for n, head in enumerate(read) if head]
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        vectors[alone] = self.embed([texts[n] for n in alone])
        parts = [Piece(n, read[n] + texts[n], sum(self.count_tokens([read[n], texts[n]]))) for n in behind]
        for batch in batches(parts, max_texts=AT_ONCE, max_tokens=AT_ONCE * MOST_TOKENS):
            starts = [len(read[part.owner]) for part in parts[batch]]
            found = self._embedded([part.text for part in parts[batch]], starts)
            vectors[[part.owner for part in parts[batch]]] = found[:, : self.dimensions]
            self.usage.add(texts=len(starts), requests=1, tokens=sum(part.tokens for part in parts[batch]))
        return checked(self.name, vectors, count=len(texts), dimensions=self.dimensions)

    def _preceded(self, text: str, earlier: Sequence[str]) -> str:
        """Return what is read before a text, "" for nothing."""
        if not self._pools_the_mean or not encodable(text).strip():
            return ""
        room = self.max_tokens - sum(self.count_tokens([text]))
        head = ""
        for turn in reversed([encodable(turn) for turn in earlier if turn.strip()]):
            room -= sum(self.count_tokens([turn])) + 1
            if room < 0:
                break
            head = f"{turn}\n{head}"
        return head and self._before("document") + head

    @cached_property
    def _pools_the_mean(self) -> bool:
        shape = next(put.shape for put in self._session.get_outputs() if put.name == self._output)
        return len(shape) == _TOKEN_AXES and not self._settings("1_Pooling/config.json").get("pooling_mode_cls_token")

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        clean = [encodable(text) for text in texts]
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(clean, add_special_tokens=False)]

    def _before(self, purpose: Purpose) -> str:
        """Return the words before a text; models trained for retrieval read questions and texts differently."""
        prompts = self._settings("config_sentence_transformers.json").get("prompts", {})
        names = ("query",) if purpose == "query" else ("document", "passage")
        return next((str(prompts[name]) for name in names if name in prompts), "")

    def _embedded(self, texts: Sequence[str], starts: Sequence[int] | None = None) -> Vectors:
        """Return a unit vector for each text: of all its tokens or, with ``starts``, of those from a character on."""
        encodings = self._tokenizer.encode_batch(list(texts))
        width = max(1, *(len(encoding.ids) for encoding in encodings))
        ids, mask = (np.zeros((len(texts), width), np.int64) for _ in range(2))
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)], mask[row, : len(encoding.ids)] = encoding.ids, 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        wanted = {put.name for put in self._session.get_inputs()}
        output = self._output
        [states] = self._session.run([output], {name: value for name, value in given.items() if name in wanted})
        for row, start in enumerate(starts or ()):
            own = [end > begins >= start for begins, end in encodings[row].offsets]
            mask[row, : len(own)] = own
        vectors = states if states.ndim == 2 else self._pooled(states, mask)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, 1e-12), np.float32)

    def _pooled(self, states: NDArray[Any], mask: NDArray[np.int64]) -> NDArray[Any]:
        """Make one vector of those of the tokens: the first one's or, unless the folder says so, their mean."""
        if self._settings("1_Pooling/config.json").get("pooling_mode_cls_token"):
            first: NDArray[Any] = states[:, 0]
            return first
        weights = mask[:, :, None].astype(np.float32)
        mean: NDArray[Any] = (states * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)
        return mean

    @cached_property
    def _output(self) -> str:
        names = [put.name for put in self._session.get_outputs()]
        wanted = ("sentence_embedding", *_TOKENS)
        return next((name for name in wanted if name in names), names[0])

    def _settings(self, name: str) -> Mapping[str, Any]:
        path = self._folder / name
        try:
            settings: Mapping[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        except ValueError as error:
            raise ConfigurationError(f"{path} is not JSON: {error}") from error
        return settings

    def _file(self, *names: str) -> Path:
        for name in names:
            if (self._folder / name).is_file():
                return self._folder / name
        raise ConfigurationError(
            f"{self.name} cannot be loaded: {self._folder} has no {names[0]}; give a folder that holds model.onnx and "
            "tokenizer.json, as models for ONNX are published"
        )

    @cached_property
    def _session(self) -> InferenceSession:
        from onnxruntime import InferenceSession
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf

        with self._lock:
            path = self._file(*_MODELS)
            try:
                return InferenceSession(path, providers=["CPUExecutionProvider"])
            except (Fail, InvalidGraph, InvalidProtobuf) as error:
                raise EmbeddingError(f"{self.name} cannot be loaded: {error}") from error

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        with self._lock:
            tokenizer = forgetful(Tokenizer.from_file(str(self._file("tokenizer.json"))))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer
