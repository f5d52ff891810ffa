"""The offline default."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memgpt import embeddings
from memgpt.embeddings import static
from memgpt.errors import ConfigurationError

ANY_TEXT = st.text(st.characters(), max_size=60)  # lone surrogates and control characters included


@pytest.fixture(scope="module")
def model() -> embeddings.EmbeddingModel:
    return embeddings.load()


def cosine(model: embeddings.EmbeddingModel, one: str, other: str) -> float:
    a, b = model.embed([one, other])
    return float(a @ b)


def test_its_vectors_never_change(model: embeddings.EmbeddingModel) -> None:
    """Vectors stored by an earlier release must keep meaning the same."""
    (vector,) = model.embed(["The quick brown fox jumps over the lazy dog."])
    np.testing.assert_allclose(vector[:4], [0.0300661, -0.0147121, 0.0035834, 0.0643504], atol=1e-5)
    assert model.name == "wordllama-l2-supercat-256"
    assert (model.dimensions, model.price_per_million_tokens) == (256, 0.0)


def test_meaning_is_near(model: embeddings.EmbeddingModel) -> None:
    near = cosine(model, "I love my little dog", "she adores her puppy")
    assert near > cosine(model, "I love my little dog", "the stock market crashed on Monday")


@settings(deadline=None)
@given(texts=st.lists(ANY_TEXT, max_size=8))
def test_every_text_has_a_unit_vector(texts: list[str]) -> None:
    vectors = embeddings.load().embed(texts)
    assert vectors.shape == (len(texts), 256)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\0", "\x1b\x7f", "\ud800", "</s>", "🦙", "a" * 100_000])
def test_odd_texts(model: embeddings.EmbeddingModel, text: str) -> None:
    assert np.linalg.norm(model.embed([text])) == pytest.approx(1, rel=1e-5)


@settings(deadline=None)
@given(texts=st.lists(ANY_TEXT, min_size=1, max_size=8))
def test_a_text_does_not_depend_on_its_neighbours(texts: list[str]) -> None:
    model = embeddings.load()
    alone = np.concatenate([model.embed([text]) for text in texts])
    np.testing.assert_allclose(model.embed(texts), alone, atol=1e-6)


def test_a_very_long_text_is_the_mean_of_its_tokens_too(
    model: embeddings.EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "one two three two one " * 300
    direct = model.embed([text])
    monkeypatch.setattr(static, "_LONG_TEXT", 10)
    np.testing.assert_allclose(model.embed([text]), direct, atol=1e-5)


def test_many_texts_cross_the_batch_size(model: embeddings.EmbeddingModel) -> None:
    texts = [f"number {n}" for n in range(2100)]
    np.testing.assert_allclose(model.embed(texts)[[0, 1024, 2099]], model.embed([texts[0], texts[1024], texts[2099]]))


def test_tokens_are_counted(model: embeddings.EmbeddingModel) -> None:
    assert model.count_tokens(["", "hello world", "hello world " * 10])[:2] == [0, 2]
    mine = embeddings.load()
    mine.embed(["hello world", ""])
    totals = mine.usage.totals()
    assert (totals.texts, totals.tokens, totals.cost) == (2, 2, 0.0)


def test_threads_share_one_table() -> None:
    static._load_table.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        tables = set(pool.map(lambda _: id(static._table()), range(8)))
    assert len(tables) == 1


def test_other_dimensions_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="has 256 dimensions, not 1536"):
        embeddings.load(dimensions=1536)


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"l2_supercat_256\.safetensors of the package wordllama is missing"):
        static._data_file(static._WEIGHTS)


def test_needs_no_network_and_leaves_logging_alone() -> None:
    program = """
        import logging, socket, sys

        def refuse(*_):
            raise AssertionError("network used")

        socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
        from memgpt import embeddings
        model = embeddings.load()
        assert "safetensors" not in sys.modules and "tokenizers" not in sys.modules, "loaded before first use"
        assert model.embed(["hello"]).shape == (1, 256)
        assert "wordllama" not in sys.modules and "pydantic_ai" not in sys.modules
        assert not logging.getLogger().handlers
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


@settings(deadline=None)
@given(text=st.text(st.sampled_from("ab <>s/\n\u00e9\u4e2d\ud800"), max_size=80), part=st.integers(1, 9))
def test_a_long_text_has_the_tokens_it_has_in_one_piece(text: str, part: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(static, "_PART", part)
        cut = [*static._ids([text])]
    assert cut == [*static._ids([text])]


def test_keeps_nothing_of_the_texts_it_reads() -> None:
    program = """
        import threading, psutil
        from memgpt import embeddings
        model, process = embeddings.load(), psutil.Process()

        def read(thread):
            for n in range(2000):
                model.embed([f"text {n} of thread {thread}, which nobody will send again, and some words more"])

        def together(first):
            threads = [threading.Thread(target=read, args=(first + n,)) for n in range(4)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            return process.memory_full_info().uss

        model.embed(["it is loaded"])
        before = process.memory_full_info().uss
        print(together(0) - before)
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, check=True)
    assert int(result.stdout) < 10_000_000, "by itself the tokenizer keeps 10,000 texts for each thread: 30 MB here"
