"""A tiny model2vec model, made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from memgpt import embeddings
from memgpt.errors import MemgptError

model2vec = pytest.importorskip("model2vec", reason="needs the extra model2vec")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    words = {"[UNK]": 0, "cat": 1, "dog": 2, "sun": 3}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    table = np.array([[9, 9, 9], [1, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=np.float32)
    model2vec.StaticModel(table, tokenizer, normalize=False).save_pretrained(tmp_path)
    return tmp_path


def test_embeds(folder: Path) -> None:
    model = embeddings.load(f"model2vec:{folder}")
    assert model.dimensions == 3
    np.testing.assert_allclose(model.embed(["cat", "cat dog", "sun " * 2000]), [[1, 0, 0], [1, 0.5, 0], [0, 0, 1]])  # type: ignore[arg-type]
    assert model.count_tokens(["cat dog", ""]) == [2, 0]
    assert model.usage.totals().tokens == 2003
    assert model.embed([]).shape == (0, 3)


@pytest.mark.parametrize("text", ["", "zebra", "\0", "\ud800"])
def test_texts_without_a_known_word_still_have_a_vector(folder: Path, text: str) -> None:
    vector = embeddings.load(f"model2vec:{folder}").embed([text])
    assert np.isfinite(vector).all()
    assert vector.any()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MemgptError, match="cannot be loaded"):
        embeddings.load(f"model2vec:{tmp_path / 'nowhere'}").embed(["a"])
