"""The embedding model of a live memory is switched, taken back, interrupted; against a server that speaks OpenAI's protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
import psycopg
import pytest
from pydantic import SecretStr

from memgpt import Memory
from memgpt.config import Settings
from memgpt.database import verify
from memgpt.reembed import finish, reembed
from tests.openai_server import Answer, OpenAIServer, Request, listing

DIMENSIONS = {
    "all-minilm": 384,
    "text-embedding-ada-002": 1536,
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
}
OFFLINE = "wordllama-l2-supercat-256"


def vector(model: str, text: str) -> list[float]:
    """What the server's model gives: nothing in common with another model's vector of the text."""
    seed = int.from_bytes(hashlib.sha256(f"{model} {text}".encode()).digest()[:8], "big")
    values = np.random.default_rng(seed).standard_normal(DIMENSIONS[model], dtype=np.float32)
    return [float(value) for value in values / np.linalg.norm(values)]


def by_model(_server: OpenAIServer, request: Request, _handler: BaseHTTPRequestHandler) -> Answer:
    given = request.body["input"]
    texts = [given] if isinstance(given, str) else given
    return listing(request, [vector(request.body["model"], text) for text in texts])


@pytest.fixture
def provider() -> Iterator[OpenAIServer]:
    server = OpenAIServer(1536)
    server.script(otherwise=by_model)
    with server.running():
        yield server


@pytest.fixture
def options(dsn: str, provider: OpenAIServer) -> Settings:
    return Settings(database_url=SecretStr(dsn), embedding_base_url=provider.url, embedding_api_key=SecretStr("test"))  # type: ignore[call-arg]


@pytest.fixture
def look(dsn: str) -> Iterator[Callable[..., Any]]:
    """The first value of a query's first row."""
    with psycopg.connect(dsn, autocommit=True) as connection:

        def first(query: str) -> Any:
            row = connection.execute(query).fetchone()
            return row and row[0]

        yield first


def fill(memory: Memory, rows: int, start: int = 0) -> None:
    memory.remember_many({"text": f"note {n} about topic {n % 17}"} for n in range(start, start + rows))


def lacking(look: Callable[..., Any], model: str) -> int:
    """Rows that do not have a vector of this model with its bits."""
    return look(
        "SELECT count(*) FROM archival_memories WHERE embedding IS NULL OR embedding_bits IS NULL "
        f"OR embedding_model IS DISTINCT FROM '{model}' OR vector_dims(embedding) <> {DIMENSIONS.get(model, 256)} "
        "OR embedding_bits <> binary_quantize(embedding)"
    )


def near(memory: Memory, text: str) -> list[int]:
    return [id for id, _ in memory.archival.near_duplicates(text, threshold=0.999)]


def test_a_memory_is_switched_through_dimensions_and_types(options: Settings, look: Callable[..., Any]) -> None:
    with Memory("a", options=options) as memory:
        fill(memory, 300)
        for model in ("all-minilm", "text-embedding-ada-002", "text-embedding-3-large"):
            report = reembed(to=model, options=options)
            assert (report.switched, report.model, report.dimensions) == (True, model, DIMENSIONS[model])
            assert report.embedded == look("SELECT count(*) FROM archival_memories")
            assert lacking(look, model) == 0
            # the same process goes on, with another model than it was started with
            id = memory.remember(f"written after the switch to {model}").id
            assert near(memory, f"written after the switch to {model}") == [id]
            assert near(memory, "note 7 about topic 7") == [8]
            assert lacking(look, model) == 0
            assert finish(options=options).state == "finished"
    assert look("SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
                "WHERE attrelid = 'archival_memories'::regclass AND attname = 'embedding'") == "halfvec(3072)"  # fmt: skip
    assert not look("SELECT count(*) FROM information_schema.columns WHERE column_name ~ '^embedding_(next|previous)'")
    assert not look("SELECT count(*) FROM pg_class WHERE relname ~ '_(next|previous|missing_idx)$'")
    assert verify.verify(options=options).drifts == ()
