"""OpenAI-compatible endpoints over a real socket, well-behaved and not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import closing

import numpy as np
import pytest

from memgpt import embeddings
from memgpt.config import Settings
from memgpt.database.connection import Database
from memgpt.embeddings import Vectors
from memgpt.embeddings.cache import Cached, DatabaseCache, cache_key
from memgpt.embeddings.remote import RemoteModel
from memgpt.errors import ConfigurationError, EmbeddingError
from memgpt.llm import retries
from tests import openai_server as fake
from tests.openai_server import OpenAIServer

pytest.importorskip("pydantic_ai", reason="needs the extra openai")
pytest.importorskip("openai", reason="needs the extra openai")

DIMENSIONS = 8


@pytest.fixture
def endpoint() -> Iterator[OpenAIServer]:
    with OpenAIServer(DIMENSIONS).running() as running:
        yield running


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retries, "_LONGEST_PAUSE", 0.002)


def model(
    endpoint: OpenAIServer,
    name: str = "house-model",
    *,
    dimensions: int | None = DIMENSIONS,
    timeout: float = 20.0,
) -> embeddings.EmbeddingModel:
    return embeddings.load(name, dimensions=dimensions, base_url=endpoint.url, api_key="sk-test", timeout=timeout)


def expected(*texts: str) -> list[list[float]]:
    return [fake.vector(text, DIMENSIONS) for text in texts]


def test_vectors_come_back_in_order(endpoint: OpenAIServer) -> None:
    texts = [f"text {n}" for n in range(100)]
    found = model(endpoint).embed(texts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(*texts), rtol=1e-6)
    assert len(endpoint.requests) > 1
    assert all(len(request.body["input"]) <= 32 for request in endpoint.requests)
    assert endpoint.requests[0].headers["authorization"] == "Bearer sk-test"
    assert endpoint.requests[0].body["model"] == "house-model"
    assert 1 <= endpoint.most_at_once <= 4


def test_usage_counts_what_the_provider_reports(endpoint: OpenAIServer) -> None:
    it = model(endpoint, "text-embedding-3-small")
    it.embed(["a", "b", "a"])
    totals = it.usage.totals()
    assert (totals.texts, totals.cached, totals.requests, totals.tokens) == (3, 1, 1, 14)
    assert totals.cost == pytest.approx(14 * 0.02 / 1e6)


def test_cost_is_unknown_without_a_price(endpoint: OpenAIServer) -> None:
    it = model(endpoint)
    it.embed(["a"])
    assert it.usage.totals().cost is None


def test_a_model_that_shortens_is_asked_to(endpoint: OpenAIServer) -> None:
    it = model(endpoint, "openai:text-embedding-3-small", dimensions=4)
    assert it.name == "text-embedding-3-small"
    assert it.embed(["a"]).shape == (1, 4)
    assert endpoint.requests[0].body["dimensions"] == 4


def test_other_models_are_never_sent_dimensions(endpoint: OpenAIServer) -> None:
    model(endpoint).embed(["a"])
    assert "dimensions" not in endpoint.requests[0].body


def test_unknown_dimensions_are_learned_once(endpoint: OpenAIServer) -> None:
    it = model(endpoint, dimensions=None)
    assert it.dimensions == DIMENSIONS
    assert it.dimensions == DIMENSIONS
    assert len(endpoint.requests) == 1


def test_no_texts_no_request(endpoint: OpenAIServer) -> None:
    assert model(endpoint).embed([]).shape == (0, DIMENSIONS)
    assert endpoint.requests == []


def test_a_long_text_is_split_and_averaged(endpoint: OpenAIServer) -> None:
    long = "The cat sat on the mat. " * 200
    found = model(endpoint).embed(["short", long, "last"])
    np.testing.assert_allclose(found[[0, 2]], expected("short", "last"), rtol=1e-6)
    sent = [text for request in endpoint.requests for text in request.body["input"]]
    parts = [text for text in sent if text not in ("short", "last")]
    assert len(parts) > 1
    assert sum(len(part.split()) for part in parts) == len(long.split())
    weights = model(endpoint).count_tokens(parts)
    mean = np.average(expected(*parts), axis=0, weights=weights)
    np.testing.assert_allclose(found[1], mean, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("text", ["", " ", "\0", "\ud800", "\n\t"])
def test_odd_texts_are_sent_in_a_form_endpoints_accept(endpoint: OpenAIServer, text: str) -> None:
    assert np.isfinite(model(endpoint).embed([text])).all()
    assert all(endpoint.requests[0].body["input"])


def test_works_inside_a_running_event_loop(endpoint: OpenAIServer) -> None:
    async def caller() -> Vectors:
        return model(endpoint).embed(["a"])

    np.testing.assert_allclose(asyncio.run(caller()), expected("a"), rtol=1e-6)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_works_in_a_forked_child(endpoint: OpenAIServer) -> None:
    it = model(endpoint)
    it.embed(["before the fork"])
    child = os.fork()
    if child == 0:  # no assertion, no exception handler of pytest's may run here
        os._exit(0 if it.embed(["after"]).shape == (1, DIMENSIONS) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def cache(dsn: str) -> Iterator[DatabaseCache]:
    with closing(Database(dsn, options=Settings(embedding_model="none"))) as database:
        yield DatabaseCache(database, "ann", lambda: None)


def paid_for(cache: DatabaseCache, *texts: str) -> Mapping[bytes, Vectors]:
    return cache.get_many("house-model", [cache_key(text, "document", DIMENSIONS) for text in texts])


def test_cached_texts_are_not_asked_for_again(endpoint: OpenAIServer, cache: DatabaseCache) -> None:
    Cached(model(endpoint), cache).embed(["a", "b"])
    it = Cached(model(endpoint), cache)
    np.testing.assert_allclose(it.embed(["b", "c", "a"]), expected("b", "c", "a"), rtol=1e-6)
    assert endpoint.requests[1].body["input"] == ["c"]
    assert it.usage.totals().cached == 2
    it.embed(["a"], purpose="query")
    assert len(endpoint.requests) == 3, "a query's vector is not a document's"


@pytest.mark.parametrize(
    "fault",
    [
        fake.fails(500),
        fake.fails(503),
        fake.fails(429, Retry_After="0"),
        fake.fails(429),
        fake.resets,
        fake.answers(fake.Answer(body=b'{"data": [', truncated=True)),
    ],
    ids=["500", "503", "429-retry-after", "429", "reset", "truncated"],
)
def test_passing_faults_are_retried(endpoint: OpenAIServer, fault: fake.Reaction) -> None:
    endpoint.script(fault, fault)
    np.testing.assert_allclose(model(endpoint).embed(["a"]), expected("a"), rtol=1e-6)
    assert len(endpoint.requests) == 3


def test_retry_after_is_honoured(endpoint: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 1e6)  # our own pause would pass the deadline
    monkeypatch.setattr(retries, "_LONGEST_PAUSE", 1e6)
    endpoint.script(fake.fails(429, Retry_After="0"), fake.fails(429, Retry_After_Ms="10"))
    assert len(model(endpoint).embed(["a"])) == 1


def test_a_wait_beyond_the_deadline_is_an_error_at_once(endpoint: OpenAIServer) -> None:
    endpoint.script(otherwise=fake.fails(429, Retry_After="3600"))
    with pytest.raises(EmbeddingError, match="asks to wait 3600 s"):
        model(endpoint).embed(["a"])
    assert len(endpoint.requests) == 1


def test_rate_limits_that_never_lift_end_with_an_error(endpoint: OpenAIServer) -> None:
    endpoint.script(otherwise=fake.fails(429))
    with pytest.raises(EmbeddingError, match="rate limit did not lift within"):
        model(endpoint, timeout=0.3).embed(["a"])
    assert len(endpoint.requests) > 1


def test_a_hanging_endpoint_ends_with_an_error(endpoint: OpenAIServer) -> None:
    endpoint.script(otherwise=fake.hangs)
    with pytest.raises(EmbeddingError, match=r"no answer within 0\.3 s"):
        model(endpoint, timeout=0.3).embed(["a"])


def test_a_hanging_attempt_is_given_up_and_repeated(endpoint: OpenAIServer) -> None:
    endpoint.script(fake.hangs)
    assert len(model(endpoint, timeout=2).embed(["a"])) == 1


@pytest.mark.parametrize(
    ("reaction", "message"),
    [
        (fake.vectors_of(lambda n: [[1.0, 2.0]] * n), r"2 dimensions, expected 8"),
        (fake.vectors_of(lambda n: [[1.0] * 8] * (n - 1)), r"1 vectors for 2 texts"),
        (fake.vectors_of(lambda n: [[1.0] * 8] * (n + 1)), r"3 vectors for 2 texts"),
        (fake.vectors_of(lambda _: [[1.0] * 8, [float("nan")] * 8]), r"NaN or infinity for text 1 of 2"),
        (fake.vectors_of(lambda n: [[0.0] * 8] * n), r"zeros for text 0 of 2"),
        (fake.vectors_of(lambda _: [[1.0] * 8, [1.0] * 7]), r"different lengths"),
        (fake.vectors_of(lambda _: []), r"not a list of embeddings|0 vectors for 2 texts"),
        (
            fake.answers(fake.Answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html"})),
            "not a list of embeddings",
        ),
        (fake.answers(fake.Answer(200, b"<html>")), r"the endpoint failed: .*JSON"),
        (fake.answers(fake.reply({"data": None})), "not a list of embeddings"),
        (fake.answers(fake.reply([])), "not a list of embeddings"),
        (fake.fails(401, "Incorrect API key: sk-secret"), "refused the key; set MEMGPT_EMBEDDING_API_KEY"),
        (fake.fails(404), "no such model or address"),
        (fake.fails(400, "maximum context length"), "maximum context length"),
    ],
)
def test_nonsense_is_an_error(
    endpoint: OpenAIServer, cache: DatabaseCache, reaction: fake.Reaction, message: str
) -> None:
    endpoint.script(otherwise=reaction)
    with pytest.raises(EmbeddingError, match=message) as caught:
        Cached(model(endpoint), cache).embed(["a", "b"])
    assert "sk-secret" not in str(caught.value)
    assert len(endpoint.requests) == 1
    assert paid_for(cache, "a", "b") == {}


def test_one_bad_batch_spoils_the_call_and_stores_nothing(endpoint: OpenAIServer, cache: DatabaseCache) -> None:
    endpoint.script(fake.embeddings, fake.fails(400))
    with pytest.raises(EmbeddingError):
        Cached(model(endpoint), cache).embed([f"text {n}" for n in range(100)])
    assert paid_for(cache, *(f"text {n}" for n in range(100))) == {}


def test_an_endpoint_that_is_down(endpoint: OpenAIServer) -> None:
    it = embeddings.load("house-model", dimensions=8, base_url="http://127.0.0.1:1/v1", timeout=0.3)
    with pytest.raises(EmbeddingError, match="cannot be reached"):
        it.embed(["a"])


def test_an_address_of_ones_own_never_gets_the_openai_key(
    endpoint: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    embeddings.load("house-model", dimensions=DIMENSIONS, base_url=endpoint.url).embed(["a"])
    assert "sk-real" not in str(endpoint.requests[0].headers)


def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match=r"OPENAI_API_KEY.*MEMGPT_EMBEDDING_API_KEY"):
        embeddings.load("text-embedding-3-small").embed(["a"])


@pytest.mark.parametrize(
    ("name", "package", "environment"),
    [
        ("azure:text-embedding-3-small", "openai", {"AZURE_OPENAI_ENDPOINT": "https://127.0.0.1/"}),
        ("openrouter:openai/text-embedding-3-small", "openai", {}),
        ("together:BAAI/bge-base-en-v1.5", "openai", {}),
        ("fireworks:nomic-ai/nomic-embed-text-v1.5", "openai", {}),
        ("nebius:BAAI/bge-m3", "openai", {}),
        ("litellm:text-embedding-3-small", "openai", {}),
        ("ollama:nomic-embed-text", "openai", {}),
        ("vllm:BAAI/bge-m3", "openai", {}),
        ("google:gemini-embedding-001", "google.genai", {}),
        ("google-cloud:gemini-embedding-001", "google.genai", {}),
        ("cohere:embed-v4.0", "cohere", {}),
        ("voyageai:voyage-3.5", "voyageai", {}),
        ("bedrock:amazon.titan-embed-text-v2:0", "boto3", {"AWS_DEFAULT_REGION": "eu-central-1"}),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # the libraries' own
def test_every_provider_has_a_client(
    name: str, package: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(package)
    for variable, value in {"OPENAI_API_VERSION": "2024-10-21", **environment}.items():
        monkeypatch.setenv(variable, value)
    it = embeddings.load(name, api_key="k-test")
    assert isinstance(it, RemoteModel)
    client, _provider = it._connect()
    assert client.model_name == name.partition(":")[2]


@pytest.mark.parametrize(
    ("name", "package", "message"),
    [
        ("cohere:embed-v4.0", "cohere", r"CO_API_KEY.*MEMGPT_EMBEDDING_API_KEY"),
        ("google:gemini-embedding-001", "google.genai", r"GOOGLE_API_KEY.*MEMGPT_EMBEDDING_API_KEY"),
        ("bedrock:amazon.titan-embed-text-v2:0", "boto3", r"region"),
    ],
)
def test_what_a_provider_lacks_is_said(name: str, package: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(package)
    for variable in ("CO_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ConfigurationError, match=message):
        embeddings.load(name).embed(["a"])
