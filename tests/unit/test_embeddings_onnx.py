"""A tiny ONNX model: a table of token vectors, and one whose tokens see each other."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from memgpt import embeddings
from memgpt.embeddings.base import ContextualModel
from memgpt.embeddings.onnx import OnnxModel
from memgpt.errors import ConfigurationError, EmbeddingError, MissingExtraError
from tests import tiny_onnx


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_onnx.write(tmp_path)


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


@pytest.fixture
def seeing(tmp_path: Path) -> OnnxModel:
    model = embeddings.load(f"onnx:{tiny_onnx.write(tmp_path, seeing=True)}")
    assert isinstance(model, OnnxModel)
    return model


def unit(*numbers: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(np.array(numbers) / np.linalg.norm(numbers))


def test_a_turn_has_seen_those_before_it_and_counts_its_own_tokens_alone(seeing: OnnxModel) -> None:
    assert isinstance(seeing, ContextualModel)
    assert not isinstance(embeddings.load(), ContextualModel)
    [plain] = seeing.embed(["sun"])
    [behind_a_cat] = seeing.embed_in_context(["sun"], [["cat"]])
    [behind_a_dog] = seeing.embed_in_context(["sun"], [["dog"]])
    np.testing.assert_allclose(plain, [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(behind_a_cat, unit(0.5, 0, 1.5), atol=1e-6)  # its token, and the mean of both
    np.testing.assert_allclose(behind_a_dog, unit(0, 0.5, 1.5), atol=1e-6)


def test_without_turns_before_it_a_turn_has_the_vector_it_has_alone(seeing: OnnxModel, tmp_path: Path) -> None:
    texts = ["cat dog", "sun " * 3000, "sun"]
    context = [[], ["cat"], ["", " "]]
    alone = [seeing.embed([text])[0] for text in texts]
    seen = [seeing.embed_in_context([text], [before])[0] for text, before in zip(texts, context, strict=True)]
    np.testing.assert_array_equal(seen, alone)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    first = embeddings.load(f"onnx:{tmp_path}")
    assert isinstance(first, OnnxModel)
    np.testing.assert_array_equal(first.embed_in_context(["dog"], [["cat"]]), first.embed(["dog"]))


def test_the_nearest_turns_that_fit_are_read(seeing: OnnxModel) -> None:
    long = "cat " * (seeing.max_tokens - 3)
    nearest = seeing.embed_in_context(["sun"], [["dog"]])
    np.testing.assert_array_equal(seeing.embed_in_context(["sun"], [[long, "dog"]]), nearest)
    np.testing.assert_array_equal(seeing.embed_in_context(["sun"], [["dog", long * 2]]), seeing.embed(["sun"]))
    assert seeing.embed_in_context([], []).shape == (0, 3)
