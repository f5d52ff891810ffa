"""Embedding providers whose protocol is not OpenAI's, over a real socket, and what is stored when one fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import psycopg
import pytest
from pydantic import SecretStr

from memgpt import Memory, embeddings
from memgpt.config import Settings
from memgpt.database.admin import migrate
from memgpt.errors import EmbeddingError
from memgpt.llm import retries
from memgpt.reembed import reembed
from tests import openai_server as fake
from tests.embedding_dialects import TOKENS
from tests.openai_server import OpenAIServer

pytest.importorskip("pydantic_ai", reason="needs the extra openai")

DIMENSIONS = 8
MODELS = {
    "google:our-own": "google.genai",
    "cohere:our-own": "cohere",
    "voyageai:our-own": "voyageai",
    "bedrock:amazon.titan-embed-text-v2:0": "boto3",
}
PROVIDERS = pytest.mark.parametrize("name", MODELS)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # the libraries' own


@pytest.fixture
def provider() -> Iterator[OpenAIServer]:
    with OpenAIServer(DIMENSIONS).running() as running:
        yield running


@pytest.fixture
def load(provider: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., embeddings.EmbeddingModel]:
    """Models whose clients find their provider at this provider, by the libraries' own settings."""
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retries, "_LONGEST_PAUSE", 0.002)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", provider.root)
    monkeypatch.setenv("CO_BASE_URL", provider.root)
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", provider.root)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for variable, value in {"DEFAULT_REGION": "eu-central-1", "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "y"}.items():
        monkeypatch.setenv(f"AWS_{variable}", value)

    def load(name: str, timeout: float = 20.0) -> embeddings.EmbeddingModel:
        pytest.importorskip(MODELS[name])
        if name.startswith("voyageai"):
            monkeypatch.setattr("voyageai._base.get_default_base_url", lambda _key: provider.url)
        key = None if name.startswith("bedrock") else "k-test"
        return embeddings.load(name, api_key=key, dimensions=DIMENSIONS if key else 1024, timeout=timeout)

    return load


@PROVIDERS
def test_vectors_come_back_in_order(
    provider: OpenAIServer, load: Callable[..., embeddings.EmbeddingModel], name: str
) -> None:
    it = load(name)
    provider.dimensions = it.dimensions
    texts = [f"text {n}" for n in range(140)]
    np.testing.assert_allclose(it.embed(texts), [fake.vector(text, it.dimensions) for text in texts], rtol=1e-5)
    assert sorted(text for request in provider.requests for text in request.texts) == sorted(texts)
    assert 1 < len(provider.requests) <= len(texts)
    if not name.startswith("google"):  # whose API counts no tokens
        assert it.usage.totals().tokens == TOKENS * len(texts)
    documents = str(provider.requests[0].body)
    it.embed(["text 1"], purpose="query")
    if not name.startswith("bedrock"):  # whose model makes no difference
        assert "document" in documents.lower()
        assert "query" in str(provider.requests[-1].body).lower()
        assert "k-test" in str(provider.requests[0].headers)


@PROVIDERS
@pytest.mark.parametrize(
    "fault", [fake.fails(500), fake.fails(429, Retry_After="0"), fake.resets], ids=["500", "429", "reset"]
)
def test_passing_faults_are_retried(
    provider: OpenAIServer, load: Callable[..., embeddings.EmbeddingModel], name: str, fault: fake.Reaction
) -> None:
    it = load(name)
    provider.dimensions = it.dimensions
    provider.script(fault)
    np.testing.assert_allclose(it.embed(["a"]), [fake.vector("a", it.dimensions)], rtol=1e-5)
    assert len(provider.requests) == 2


NONSENSE = {
    "wrong dimensions": (fake.vectors_of(lambda n: [[1.0, 2.0]] * n), r"2 dimensions, expected"),
    "none": (fake.vectors_of(lambda _: []), r"0 vectors for 1 texts|shape \(1, 0\)|not a list of embeddings"),
    "NaN": (fake.vectors_of(lambda n: [[float("nan")] * 8] * n), r"NaN or infinity|8 dimensions, expected 1024"),
    "HTML": (
        fake.answers(fake.Answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html"})),
        "not a list of embeddings|the endpoint failed",
    ),
    "401": (fake.fails(401, "Incorrect API key: sk-secret"), "refused the key; set MEMGPT_EMBEDDING_API_KEY"),
}


@PROVIDERS
@pytest.mark.parametrize(("reaction", "message"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_an_error(
    provider: OpenAIServer,
    load: Callable[..., embeddings.EmbeddingModel],
    name: str,
    reaction: fake.Reaction,
    message: str,
) -> None:
    provider.script(otherwise=reaction)
    with pytest.raises(EmbeddingError, match=message) as caught:
        load(name).embed(["a"])
    assert "sk-secret" not in str(caught.value)
    assert len(provider.requests) == 1


@PROVIDERS
def test_silence_ends_with_an_error(
    provider: OpenAIServer, load: Callable[..., embeddings.EmbeddingModel], name: str
) -> None:
    provider.script(otherwise=fake.hangs)
    with pytest.raises(EmbeddingError, match=r"no answer within 0\.4 s"):
        load(name, timeout=0.4).embed(["a"])


HALF = {
    **{name: reaction for name, (reaction, _) in NONSENSE.items()},
    "fewer": fake.vectors_of(lambda n: [[1.0] * DIMENSIONS] * (n - 1)),
    "429 without end": fake.fails(429, Retry_After="0"),
    "an hour's wait": fake.fails(429, Retry_After="3600"),
    "500": fake.fails(500),
    "hangs": fake.hangs,
}


@pytest.fixture
def house_dsn(empty_dsn: str) -> str:
    """A database whose model is the server's."""
    migrate.apply(empty_dsn, model=migrate.ModelSpec("house-model", DIMENSIONS))
    return empty_dsn


@pytest.fixture
def rows(house_dsn: str) -> Iterator[Callable[[], dict[str, int]]]:
    """How many rows each table has."""
    with psycopg.connect(house_dsn, autocommit=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]

        def count() -> dict[str, int]:
            return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}  # type: ignore[index]

        yield count


def test_what_fails_to_embed_leaves_nothing(
    provider: OpenAIServer, house_dsn: str, rows: Callable[[], dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad answer, also after good ones: nothing of the call is stored in any table, and the next call works."""
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 0.001)
    model = embeddings.load("house-model", dimensions=DIMENSIONS, base_url=provider.url, timeout=0.3)
    with Memory("ann", dsn=house_dsn, embedder=model) as memory:
        calls: list[Callable[[], object]] = [
            lambda: memory.remember("one"),
            lambda: memory.remember_many({"text": f"text {n}"} for n in range(100)),
            lambda: memory.messages.append("user", "hello"),
            lambda: memory.messages.append_many([{"content": f"message {n}"} for n in range(100)]),
            lambda: memory.ingest(text=" ".join(f"Sentence {n} of a document." for n in range(2500)), title="long"),
            lambda: memory.search("what?"),
        ]
        for fault in HALF.values():
            for call in calls:
                many = call in (calls[1], calls[3], calls[4])
                before = rows()
                provider.script(*[fake.embeddings] * many, otherwise=fault)
                with pytest.raises(EmbeddingError, match=r"nothing was stored|returned"):
                    call()
                assert rows() == before
        provider.script()
        for call in calls:
            call()
        assert len(memory.search("text 7", limit=3)) == 3


def test_re_embedding_by_a_model_that_fails_keeps_the_memory_as_it_is(
    provider: OpenAIServer, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 0.001)
    monkeypatch.setitem(embeddings.load.__kwdefaults__, "timeout", 1.0)  # type: ignore[arg-type]
    options = Settings(database_url=SecretStr(dsn), embedding_base_url=provider.url)
    with Memory("ann", dsn=dsn) as memory, psycopg.connect(dsn, autocommit=True) as connection:
        memory.remember_many({"text": f"note {n}"} for n in range(50))
        for fault in HALF.values():
            provider.script(fake.embeddings, fake.embeddings, otherwise=fault)  # its dimensions, and the first batch
            with pytest.raises(EmbeddingError):
                reembed(to="house-model", options=options)
            stored = (
                "SELECT count(*) FILTER (WHERE embedding_next IS NOT NULL), count(embedding) FROM archival_memories"
            )
            assert connection.execute(stored).fetchone() == (0, 50)
            assert memory.search("note 7", limit=1)[0].text == "note 7"
        provider.script()
        assert reembed(to="house-model", options=options).switched
    with Memory("ann", options=options.model_copy(update={"embedding_model": "house-model"})) as memory:
        assert len(memory.search("note 7", limit=3)) == 3
