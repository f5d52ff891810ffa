"""Names, checks, batches and accounting; no network, no provider package."""

from __future__ import annotations

import math
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memgpt import embeddings
from memgpt.config import Settings
from memgpt.embeddings import Usage, catalog, checked, providers
from memgpt.embeddings.batching import Piece, batches, joined, pieces
from memgpt.embeddings.cache import cache_key
from memgpt.embeddings.providers import price
from memgpt.errors import ConfigurationError, EmbeddingError, MissingExtraError


@pytest.fixture
def every_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_installed", lambda _: True)


def test_good_vectors_pass_as_float32() -> None:
    array = checked("m", [[1, 2], [3, 4.5]], count=2, dimensions=2)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [[1, 2], [3, 4.5]])


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0, 2.0]], "1 vectors for 2 texts"),
        ([[1.0], [2.0]], "1 dimensions, expected 2; set MEMGPT_EMBEDDING_DIMENSIONS=1"),
        ([[1.0, 2.0], [1.0]], "different lengths"),
        ([["a", "b"], ["c", "d"]], "not of numbers"),
        ([[1.0, 2.0], None], "different lengths"),
        ([[1.0, 2.0], [math.nan, 1.0]], "NaN or infinity for text 1 of 2"),
        ([[1.0, 2.0], [1e39, 1.0]], "NaN or infinity for text 1 of 2"),
        ([[0.0, 0.0], [1.0, 1.0]], "zeros for text 0 of 2"),
        ([[1.0, 1.0], [1e-38, 1e-38]], "numbers too small for text 1 of 2"),
        ([[1e30, 1.0], [1.0, 1.0]], "numbers too large for text 0 of 2"),
        ([1.0, 2.0], "shape"),
        ([[], []], "shape"),
    ],
)
def test_bad_vectors_are_refused(vectors: object, message: str) -> None:
    with pytest.raises(EmbeddingError, match=message):
        checked("m", vectors, count=2, dimensions=2)


@settings(deadline=None)
@given(
    tokens=st.lists(st.integers(0, 30), max_size=40),
    max_texts=st.integers(1, 10),
    max_tokens=st.integers(1, 50),
)
def test_batches_keep_order_and_limits(tokens: list[int], max_texts: int, max_tokens: int) -> None:
    parts = [Piece(owner, str(owner), count) for owner, count in enumerate(tokens)]
    groups = [parts[cut] for cut in batches(parts, max_texts=max_texts, max_tokens=max_tokens)]
    assert [part for group in groups for part in group] == parts
    for group in groups:
        assert 1 <= len(group) <= max_texts
        assert len(group) == 1 or sum(part.tokens for part in group) <= max_tokens


@settings(deadline=None)
@given(st.lists(st.text(max_size=200), min_size=1, max_size=5))
def test_pieces_fit_and_lose_no_word(texts: list[str]) -> None:
    parts = pieces(texts, 16)
    assert [part.owner for part in parts] == sorted(part.owner for part in parts)
    assert {part.owner for part in parts} == set(range(len(texts)))
    for owner, text in enumerate(texts):
        mine = [part for part in parts if part.owner == owner]
        assert all(part.text for part in mine)
        assert "".join("".join(part.text for part in mine).split()) == "".join(text.split())
        assert len(mine) == 1 or all(part.tokens <= 16 for part in mine)


def test_a_split_text_is_the_weighted_mean() -> None:
    parts = [Piece(0, "a", 5), Piece(1, "b", 1), Piece(1, "c", 3)]
    vectors = np.array([[1, 0], [0, 4], [4, 0]], dtype=np.float32)
    np.testing.assert_allclose(joined(parts, vectors, 2), [[1, 0], [3, 1]])


def test_usage_is_counted_across_threads() -> None:
    usage = Usage(2.0)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(200):
            pool.submit(usage.add, texts=1, tokens=500, requests=1)
    totals = usage.totals()
    assert (totals.texts, totals.tokens, totals.requests) == (200, 100_000, 200)
    assert totals.cost == pytest.approx(0.2)
    assert Usage(None).totals().cost is None


def test_cache_keys_differ_by_text_purpose_and_dimensions() -> None:
    keys = [
        cache_key("a", "document", 8),
        cache_key("a", "query", 8),
        cache_key("a", "document", 9),
        cache_key("\ud800", "document", 8),
    ]
    assert len(set(keys)) == 4
    assert {len(key) for key in keys} == {32}


def test_none_says_who_brings_the_vectors() -> None:
    model = embeddings.load("none", dimensions=1536)
    assert model.dimensions == 1536
    with pytest.raises(ConfigurationError, match=r"'none'.*pass the embeddings"):
        model.embed(["a"])
    with pytest.raises(ConfigurationError, match="set MEMGPT_EMBEDDING_DIMENSIONS"):
        _ = embeddings.load("none").dimensions


@pytest.mark.usefixtures("every_package")
@pytest.mark.parametrize(
    ("name", "stored", "dimensions", "price"),
    [
        ("text-embedding-ada-002", "text-embedding-ada-002", 1536, 0.10),
        ("openai:text-embedding-3-small", "text-embedding-3-small", 1536, 0.02),
        ("text-embedding-3-large", "text-embedding-3-large", 3072, 0.13),
        ("azure:text-embedding-3-small", "azure:text-embedding-3-small", 1536, 0.02),
        ("ollama:nomic-embed-text", "ollama:nomic-embed-text", 768, 0.0),
        ("ollama:bge-m3:latest", "ollama:bge-m3:latest", 1024, 0.0),
        ("google-gla:gemini-embedding-001", "google:gemini-embedding-001", 3072, 0.15),
        ("voyage:voyage-3.5", "voyageai:voyage-3.5", 1024, 0.06),
        ("cohere:embed-v4.0", "cohere:embed-v4.0", 1536, 0.12),
        ("bedrock:amazon.titan-embed-text-v2:0", "bedrock:amazon.titan-embed-text-v2:0", 1024, 0.02),
        ("sentence-transformers:all-MiniLM-L6-v2", "sentence-transformers:all-MiniLM-L6-v2", 384, 0.0),
    ],
)
def test_names(name: str, stored: str, dimensions: int, price: float) -> None:
    model = embeddings.load(name)
    assert (model.name, model.dimensions, model.price_per_million_tokens) == (stored, dimensions, price)
    assert model.max_tokens >= 256


@pytest.mark.usefixtures("every_package")
@pytest.mark.parametrize(
    ("name", "base_url", "dimensions", "message"),
    [
        ("nomic-embed-text", None, None, r"write provider:model"),
        ("acme:thing", None, None, r"write provider:model"),
        ("openai:", None, None, r"write provider:model"),
        ("", None, None, r"write provider:model"),
        ("cohere:embed-v4.0", "http://127.0.0.1/v1", None, r"OpenAI-compatible"),
        ("text-embedding-ada-002", None, 512, r"has 1536 dimensions, not 512"),
    ],
)
def test_names_that_cannot_be(name: str, base_url: str | None, dimensions: int | None, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        embeddings.load(name, base_url=base_url, dimensions=dimensions)


@pytest.mark.usefixtures("every_package")
def test_any_name_goes_at_an_address_of_ones_own() -> None:
    model = embeddings.load("nomic-embed-text:v1.5", base_url="http://127.0.0.1:9/v1")
    assert (model.name, model.dimensions) == ("nomic-embed-text:v1.5", 768)


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("text-embedding-3-small", "openai"),
        ("ollama:bge-m3", "openai"),
        ("google:gemini-embedding-001", "google"),
        ("cohere:embed-v4.0", "cohere"),
        ("voyageai:voyage-4", "voyage"),
        ("bedrock:amazon.titan-embed-text-v1", "bedrock"),
        ("sentence-transformers:all-MiniLM-L6-v2", "sentence-transformers"),
    ],
)
def test_a_missing_package_names_its_extra(name: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_installed", lambda package: package == "pydantic_ai")
    with pytest.raises(MissingExtraError, match=rf"pip install 'memgpt-postgres\[{extra}\]'"):
        embeddings.load(name)


def test_model2vec_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model2vec", None)
    with pytest.raises(MissingExtraError, match=r"memgpt-postgres\[model2vec\]"):
        embeddings.load("model2vec:somewhere")


def test_settings_choose_the_model() -> None:
    assert embeddings.from_settings(Settings(embedding_model="none", embedding_dimensions=3)).dimensions == 3
    assert embeddings.from_settings(Settings()).name == "wordllama-l2-supercat-256"


def test_the_catalog_is_read_without_prefix_and_tag() -> None:
    assert catalog.find("BAAI/bge-m3") == catalog.find("bge-m3:latest") == catalog.find("BGE-M3")
    assert catalog.find("unheard-of") is None


@pytest.mark.parametrize(
    ("name", "dollars"),
    [
        ("wordllama-l2-supercat-256", 0.0),
        ("text-embedding-3-small", 0.02),
        ("bedrock:amazon.titan-embed-text-v2:0", 0.02),
        ("ollama:nomic-embed-text:latest", 0.0),
        ("sentence-transformers:/models/all-MiniLM-L6-v2", 0.0),
        ("model2vec:minishlab/potion-base-8M", 0.0),
        ("house-model", None),
    ],
)
def test_prices_by_the_names_that_are_stored(name: str, dollars: float | None) -> None:
    assert price(name) == dollars
