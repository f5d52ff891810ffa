"""What a process remembers of agents' texts is bounded, in bytes."""

from __future__ import annotations

import gc
import random
import tracemalloc
from dataclasses import dataclass

import pytest

from memgpt.database.caches import ENTRY, AgentCaches
from memgpt.embeddings.static import StaticWords
from memgpt.messages import intents
from memgpt.search.ranking import SoftMatcher
from memgpt.search.ranking.words import Texts

WORDS = [f"{'abcdefghijklmnop'[n % 16]}word{n}" for n in range(4_000)]


@dataclass
class Sized:
    """A cache of any size."""

    nbytes: int = 0


def use(caches: AgentCaches, agent_id: str, nbytes: int) -> Sized:
    with caches.using(agent_id, Sized, Sized) as cache:
        cache.nbytes = nbytes
        return cache


def there(caches: AgentCaches, agent_id: str) -> bool:
    """Whether the agent's cache is still there; it becomes the one used last."""
    with caches.using(agent_id, Sized, Sized) as cache:
        return cache.nbytes > 0


def test_the_least_used_go_first() -> None:
    caches = AgentCaches(most_bytes=3 * (10_000 + 2 * ENTRY))
    for agent in ("ann", "bob", "cid"):
        use(caches, agent, 10_000)
    assert there(caches, "ann")
    use(caches, "dan", 10_000)
    assert caches.nbytes <= 3 * (10_000 + 2 * ENTRY)
    assert [there(caches, agent) for agent in ("ann", "bob", "cid", "dan")] == [True, False, True, True]


def test_empty_caches_of_many_agents_take_room_too() -> None:
    caches = AgentCaches(most_bytes=100_000)
    for n in range(1_000):
        use(caches, f"agent-{n}", 0)
        assert caches.nbytes <= 100_000
    assert len(caches._caches) < 100_000 / ENTRY


def test_one_that_is_too_large_does_not_stay() -> None:
    caches = AgentCaches(most_bytes=100_000)
    use(caches, "ann", 200_000)
    assert caches.nbytes == 0
    assert not there(caches, "ann")


def test_one_that_was_forgotten_while_in_use_does_not_come_back() -> None:
    caches = AgentCaches()
    with caches.using("ann", Sized, Sized) as cache:
        caches.forget("ann")
        cache.nbytes = 5_000
    assert caches.nbytes == 0


def test_words_cost_the_bytes_they_say_and_not_the_kilobyte_of_a_vector() -> None:
    chance = random.Random(1)
    texts = [" ".join(chance.sample(WORDS, 25)) for _ in range(2_000)]
    table = StaticWords()
    SoftMatcher(table).match(["warm"], Texts.of(["up"], SoftMatcher(table).lexicon))
    gc.collect()
    tracemalloc.start()
    try:
        matcher = SoftMatcher(table)
        for start in range(0, len(texts), 200):
            matcher.match(WORDS[start : start + 5], Texts.of(texts[start : start + 200], matcher.lexicon))
        gc.collect()
        real = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert real / 1.3 < matcher.nbytes < real * 1.3
    assert matcher.nbytes < 400 * (len(WORDS) + len(texts))


def test_a_lexicon_begins_anew_when_it_has_become_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    matcher = SoftMatcher(StaticWords())
    Texts.of([" ".join(WORDS)], matcher.lexicon)
    monkeypatch.setattr("memgpt.search.ranking.words._MOST_BYTES", matcher.nbytes - 1)
    known = Texts.of(["aword0 and tea"], matcher.lexicon)
    assert matcher.nbytes < 100_000
    near, _, _ = matcher.match(["tea"], known)
    assert near[0, 0] == pytest.approx(1.0)


def test_an_agents_own_intents_do_not_copy_those_that_come_with_memgpt() -> None:
    shipped = intents._shipped_only()
    own = intents._with_own((("garden", "what shall I plant?"),))
    assert own.nbytes < 10_000 < intents._shipped_vectors().nbytes
    assert set(own.examples) == {*shipped.examples, "garden"}
    assert own.classify(["what shall I plant?"])[0].intent == "garden"
