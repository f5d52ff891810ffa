"""A tiny ONNX model, made here byte by byte: a table of token vectors."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from memgpt import embeddings
from memgpt.errors import ConfigurationError, EmbeddingError, MissingExtraError

WORDS = {"[UNK]": 0, "[CLS]": 1, "cat": 2, "dog": 3, "sun": 4, "query": 5}
TABLE = np.array([[9, 9, 9], [0, 3, 4], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 5]], dtype=np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer = Tokenizer(WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "model.onnx").write_bytes(_model(TABLE))
    return tmp_path


def test_the_vector_of_a_text_is_the_mean_of_its_tokens(folder: Path) -> None:
    model = embeddings.load(f"onnx:{folder}")
    assert model.dimensions == 3
    half = 0.5**0.5
    vectors = model.embed(["cat", "cat dog", "dog " * 3000, "sun cat"])
    np.testing.assert_allclose(vectors, [[1, 0, 0], [half, half, 0], [0, 1, 0], [half, 0, half]], atol=1e-6)
    assert model.count_tokens(["cat dog", ""]) == [2, 0]
    assert model.embed([]).shape == (0, 3)
    assert model.usage.totals().texts == 4
    assert np.isfinite(model.embed(["zebra", "\ud800"])).all()


def test_the_folder_says_how_to_pool_and_what_comes_before_a_question(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "query "}}))
    as_query, as_text = (
        embeddings.load(f"onnx:{folder}").embed(["cat"], purpose=purpose)[0] for purpose in ("query", "document")
    )
    np.testing.assert_allclose(as_query, np.array([1, 3, 9]) / np.linalg.norm([1, 3, 9]), atol=1e-6)
    np.testing.assert_allclose(as_text, np.array([1, 3, 4]) / np.linalg.norm([1, 3, 4]), atol=1e-6)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    np.testing.assert_allclose(embeddings.load(f"onnx:{folder}").embed(["cat dog"])[0], [0, 0.6, 0.8], atol=1e-6)


def test_fewer_dimensions_can_be_asked_for(folder: Path) -> None:
    assert embeddings.load(f"onnx:{folder}", dimensions=2).embed(["cat"]).shape == (1, 2)
    with pytest.raises(ConfigurationError, match="has 3 dimensions, not 4"):
        embeddings.load(f"onnx:{folder}", dimensions=4).embed(["cat"])


def test_a_folder_without_a_model_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has no tokenizer\.json"):
        embeddings.load(f"onnx:{tmp_path / 'nowhere'}").embed(["a"])
    (folder / "model.onnx").write_bytes(b"no model")
    with pytest.raises(EmbeddingError, match="cannot be loaded"):
        embeddings.load(f"onnx:{folder}").embed(["a"])


def test_onnxruntime_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"memgpt-postgres\[onnx\]"):
        embeddings.load("onnx:somewhere")


def _model(table: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    """ModelProto of one node, Gather(table, input_ids), as onnx.proto numbers its fields."""
    tensor = b"".join(_number(1, size) for size in table.shape)
    tensor += _number(2, 1) + _bytes(8, b"table") + _bytes(9, table.tobytes())
    node = b"".join(_bytes(1, name) for name in (b"table", b"input_ids"))
    node += _bytes(2, b"last_hidden_state") + _bytes(4, b"Gather")
    inputs = b"".join(_bytes(11, _value(name, 7, 2)) for name in (b"input_ids", b"attention_mask"))
    output = _bytes(12, _value(b"last_hidden_state", 1, 3))
    graph = _bytes(1, node) + _bytes(2, b"tiny") + _bytes(5, tensor) + inputs + output
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, b"") + _number(2, 13))


def _value(name: bytes, kind: int, axes: int) -> bytes:
    shape = b"".join(_bytes(1, _bytes(2, b"n%d" % axis)) for axis in range(axes))
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    head = b""
    while value > 127:
        head, value = head + bytes([value & 127 | 128]), value >> 7
    return head + bytes([value])
