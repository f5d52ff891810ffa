"""What a provider is paid for: a read writes none of it down, and none of it is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from memgpt import Memory
from memgpt.config import Settings
from memgpt.database.admin import migrate
from memgpt.database.connection import Database
from memgpt.embeddings import cache
from memgpt.errors import InputError
from tests.openai_server import OpenAIServer

MODEL = "text-embedding-3-small"


@pytest.fixture
def provider() -> Iterator[OpenAIServer]:
    server = OpenAIServer(1536)
    with server.running():
        yield server


@pytest.fixture
def options(empty_dsn: str, provider: OpenAIServer) -> Settings:
    migrate.apply(empty_dsn, model=migrate.ModelSpec(MODEL, 1536))
    return Settings(
        database_url=SecretStr(empty_dsn),
        embedding_model=MODEL,
        embedding_base_url=provider.url,
        embedding_api_key=SecretStr("test"),
    )


@pytest.fixture
def look(options: Settings) -> Iterator[Callable[[str], Any]]:
    """The first row of a query."""
    assert options.database_url is not None
    with psycopg.connect(options.database_url.get_secret_value(), autocommit=True) as connection:

        def first(query: str) -> Any:
            cursor = connection.execute(query)
            return cursor.fetchone() if cursor.description else None

        yield first


CACHED = "SELECT count(*)::int FROM embedding_cache"
PAID = "SELECT sum(texts)::int, sum(requests)::int, sum(tokens)::int FROM embedding_usage"


def test_a_search_writes_nothing_and_the_next_write_pays_for_it(
    options: Settings, provider: OpenAIServer, look: Callable[[str], Any]
) -> None:
    with Memory("a", options=options) as memory:
        for _ in range(2):
            memory.search("a question")
            memory.archival.near_duplicates("a text")
        assert len(provider.requests) == 2
        assert (look(CACHED), look(PAID)) == ((0,), (None, None, None))
        memory.remember("a text that is kept")
        assert (look(CACHED), look(PAID)) == ((3,), (3, 3, 21))
        memory.search("another question")
        memory.core["human"].append("Likes tea.")  # any write will do
        assert (look(CACHED), look(PAID)) == ((4,), (4, 4, 28))


def test_those_of_a_memory_that_only_reads_are_written_when_it_is_closed(
    options: Settings, provider: OpenAIServer, look: Callable[[str], Any]
) -> None:
    for _ in range(2):
        with Memory("a", options=options, isolated=True) as memory:
            memory.search("a question")
        assert len(provider.requests) == 1
        assert (look(CACHED), look(PAID)) == ((1,), (1, 1, 7))


def test_those_of_a_write_that_fails_wait_for_the_next(
    options: Settings, provider: OpenAIServer, look: Callable[[str], Any]
) -> None:
    with Memory("a", options=options) as memory:
        with pytest.raises(InputError, match="importance"):
            _write_two(memory, importance=5)
        assert look(CACHED) == (0,)
        memory.remember("a text")
        assert len(provider.requests) == 1
        assert (look(CACHED), look(PAID)) == ((1,), (1, 1, 7))


def _write_two(memory: Memory, *, importance: float) -> None:
    with memory.transaction():
        memory.remember("a text")
        memory.remember("another text", importance=importance)


def test_many_texts_are_paid_for_before_they_are_written(options: Settings, look: Callable[[str], Any]) -> None:
    texts = [{"text": f"text {n}"} for n in range(2 * cache.A_FEW)]
    with Memory("a", options=options) as memory:
        look("ALTER TABLE archival_memories ADD CONSTRAINT refused CHECK (text <> 'text 3')")
        with pytest.raises(InputError, match="refused"):
            memory.remember_many(texts)
        assert look(CACHED) == (len(texts),)


def test_what_waits_is_bounded(options: Settings, look: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_WAITING", 3)
    database = Database(options=options)
    with Memory("a", options=options, database=database) as memory:
        for n in range(3):
            memory.search(f"question {n}")
        for thread in threading.enumerate():
            if thread.name == "memgpt-payments":
                thread.join()
        assert look(CACHED) == (3,)
    database.close()


def test_vectors_of_what_is_forgotten_are_not_written_afterwards(options: Settings, look: Callable[[str], Any]) -> None:
    with Memory("a", options=options) as memory:
        memory.archival.near_duplicates("a secret")
        id = memory.remember("a secret").id
        memory.search("a question")
        memory.forget(id)
        assert look(CACHED) == (1,)
        memory.search("another question")
        memory.forget_agent()
    assert (look(CACHED), look(PAID)) == ((0,), (None, None, None))
