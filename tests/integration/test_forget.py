"""Forgetting for good: nothing of what was forgotten is left anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from operator import truediv
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from memgpt.config import Settings
from memgpt.embeddings.static import StaticModel
from memgpt.errors import InputError, NotFoundError
from memgpt.items.items import NewItem
from memgpt.memory import Memory

WITHOUT_MODEL = Settings(embedding_model="none")


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn, options=WITHOUT_MODEL) as memory:
        yield memory


@pytest.fixture
def direct(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def tables(direct: psycopg.Connection[Any]) -> list[str]:
    """Every table with an agent_id, by the catalog. Two outlive the agents they tell of: the audit of the service, and
    the keys of requests that were answered, without the answers."""
    return [
        row[0]
        for row in direct.execute(
            """SELECT c.relname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
               WHERE a.attname = 'agent_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')
                   AND c.relname NOT IN ('audit_log', 'idempotent_answers')
                   AND c.relnamespace = current_schema()::regnamespace
               ORDER BY c.relname"""
        )
    ]


def mentions(direct: psycopg.Connection[Any], words: str, agent: str = "ann") -> list[str]:
    """The tables in which any column of any row of an agent contains these words."""
    return [
        table
        for table in tables(direct)
        if direct.execute(
            f"SELECT 1 FROM {table} t WHERE agent_id = %s AND to_jsonb(t)::text ILIKE %s", [agent, f"%{words}%"]
        ).fetchone()
    ]


def log(
    direct: psycopg.Connection[Any], kind: str, id: int, action: str, old: object = None, agent: str = "ann"
) -> None:
    direct.execute(
        """INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
           VALUES (%s, gen_random_uuid(), 'test', %s, %s, %s, %s)""",
        [agent, kind, id, action, None if old is None else Jsonb(old)],
    )


def fill(direct: psycopg.Connection[Any], agent: str = "ann") -> None:
    """A message, a document of two chunks, entities, and facts learned from each."""
    for statement in (
        "INSERT INTO conversations (agent_id, id, role, content) VALUES (%s, 1, 'user', 'secret message')",
        "INSERT INTO documents (agent_id, id, title) VALUES (%s, 1, 'secret document')",
        """INSERT INTO document_chunks (agent_id, id, document_id, chunk_text)
           SELECT %s, n, 1, 'secret document chunk' FROM generate_series(1, 2) n""",
        "INSERT INTO document_chunks (agent_id, id, chunk_text) VALUES (%s, 3, 'a chunk without document')",
        "INSERT INTO intent_examples (agent_id, intent, text) VALUES (%s, 'ask', 'secret example')",
        """INSERT INTO agent_turns (agent_id, id, session, message_id, runner)
           VALUES (%s, 1, 's', 1, gen_random_uuid())""",
        """INSERT INTO agent_steps (agent_id, turn_id, number, session, model, longest, sent_hash)
           VALUES (%s, 1, 1, 's', 'm', 1, '')""",
        """INSERT INTO proposals (agent_id, kind, reason, about, change, fingerprint, actor)
           VALUES (%s, 'facts', 'a reason', '{chunk:99}', '{}', gen_random_uuid(), 'x')""",
        """INSERT INTO kg_entities (agent_id, id, name)
           SELECT %s, n, 'entity ' || n FROM generate_series(1, 3) n""",
        """INSERT INTO kg_relationships (agent_id, id, source_id, target_id, type, fact, provenance_kind, provenance_id)
           SELECT %s, v.* FROM (VALUES
               (1, 1, 2, 't', 'fact of the secret message', 'message', 1),
               (2, 1, 3, 't', 'fact of the secret document chunk', 'chunk', 2),
               (3, 2, 3, 't', 'fact of the secret document', 'document', 1),
               (4, 2, 1, 't', 'fact of nobody', NULL, NULL)) v""",
    ):
        direct.execute(statement, [agent])
    rows = {"message": 1, "document": 1, "chunk": 3, "entity": 3, "fact": 4}
    for kind, number in rows.items():
        for id in range(1, number + 1):
            log(direct, kind, id, "insert", agent=agent)


def removed(**counts: int) -> dict[str, int]:
    names = (
        "core_memories", "archival_memories", "conversations", "kg_relationships", "kg_entities", "document_chunks",
        "documents", "store_items", "files", "file_chunks", "proposals", "memory_history",
    )  # fmt: skip
    return {name: counts.get(name, 0) for name in names}


def test_an_archival_memory_leaves_nothing(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    kept = memory.remember("the secret word")
    memory.archival.update(kept.id, text="the other secret word", tags=["t"])
    other = memory.remember("harmless")
    assert mentions(direct, "secret") == ["archival_memories", "memory_history"]

    assert memory.forget(id=kept.id) == removed(archival_memories=1, memory_history=2)

    assert mentions(direct, "secret") == []
    assert [left.id for left in memory.archival.list()] == [other.id]
    with pytest.raises(NotFoundError, match=f"no archival {kept.id}"):
        memory.forget(kept.id)


def test_a_preview_counts_what_forgetting_removes_and_removes_nothing(memory: Memory) -> None:
    memory.core["human"].append("a")
    message = memory.messages.append("user", "Ann moved to Lisbon.", session="s")
    memory.graph.add_fact("Ann", "lives in", "Lisbon", provenance=("message", message.id))
    before = memory.stats(), memory.history()
    counts = memory.forget(message.id, "message", preview=True)
    of_session = memory.forget(session="s", preview=True)
    assert (memory.stats(), memory.history()) == before
    assert counts["kg_relationships"] == 1
    assert memory.forget(message.id, "message") == counts
    assert of_session["conversations"] == 1


def test_what_was_deleted_is_forgotten_too(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    kept = memory.remember("the secret word")
    memory.archival.delete(kept.id)
    assert memory.forget(kept.id, kind="archival") == removed(memory_history=2)
    assert mentions(direct, "secret") == []


def test_a_block_leaves_nothing(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    memory.core["human"].append("secret")
    memory.core["human"].append("more")
    counts = memory.forget(memory.core["human"].block.id, "block")
    assert counts == removed(core_memories=1, memory_history=2)
    assert mentions(direct, "secret") == []


def test_history_can_be_kept(memory: Memory) -> None:
    kept = memory.remember("one")
    memory.archival.update(kept.id, text="two")
    assert memory.forget(kept.id, keep_history=True) == removed(archival_memories=1)
    update, insert = memory.history("archival", kept.id)
    assert update.old == insert.new
    assert update.old is not None
    assert update.old["text"] == "one"
    assert update.new is None


def test_a_message_takes_the_facts_learned_from_it(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    fill(direct)
    log(
        direct,
        "fact",
        9,
        "delete",
        {"fact": "old fact of the secret message", "provenance_kind": "message", "provenance_id": 1},
    )
    assert memory.forget(1, "message") == removed(conversations=1, kg_relationships=1, memory_history=3)
    assert mentions(direct, "secret message") == []


def test_a_document_takes_its_chunks_and_their_facts(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    fill(direct)
    log(direct, "chunk", 8, "delete", {"chunk_text": "older chunk of the secret document", "document_id": 1})
    log(
        direct,
        "fact",
        9,
        "delete",
        {"fact": "its fact, secret document", "provenance_kind": "chunk", "provenance_id": 8},
    )
    assert memory.forget(1, "document") == removed(documents=1, document_chunks=2, kg_relationships=2, memory_history=7)
    assert mentions(direct, "secret document") == []
    assert mentions(direct, "chunk without document") == ["document_chunks"]


def test_an_entity_takes_its_facts(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    fill(direct)
    log(direct, "fact", 9, "delete", {"fact": "old fact", "source_id": 3, "target_id": 1})
    assert memory.forget(1, "entity") == removed(kg_entities=1, kg_relationships=3, memory_history=5)
    assert mentions(direct, "entity 1") == []
    assert mentions(direct, "old fact") == []


def test_a_fact_and_a_chunk_alone(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    fill(direct)
    assert memory.forget(4, "fact") == removed(kg_relationships=1, memory_history=1)
    assert memory.forget(2, "chunk") == removed(document_chunks=1, kg_relationships=1, memory_history=2)
    assert memory.forget(3, "entity")["kg_relationships"] == 1


def test_a_session_leaves_nothing(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    first = memory.messages.append("user", "secret plan", session="s/1")
    memory.messages.append("assistant", "secret answer", session="s/1")
    other = memory.messages.append("user", "harmless", session="other")
    deleted = memory.messages.append("user", "secret, deleted", session="s/1")
    memory.messages.delete(deleted.id)
    memory.graph.add_fact("Ann", "plans", "Trip", fact="secret plan of a trip", provenance=("message", first.id))
    direct.execute(
        """INSERT INTO agent_turns (agent_id, id, session, message_id, runner)
           VALUES ('ann', 1, 's/1', 1, gen_random_uuid()), ('ann', 2, 'other', 3, gen_random_uuid())"""
    )
    direct.execute(
        """INSERT INTO agent_steps (agent_id, turn_id, number, session, kind, model, longest, sent_hash, summary)
           VALUES ('ann', 1, 1, 's/1', 'summary', 'm', 1, '', 'secret summary'),
               ('ann', 2, 1, 'other', 'summary', 'm', 1, '', 'another')"""
    )
    counts = memory.forget(session="s/1")
    assert counts == removed(conversations=2, kg_relationships=1, memory_history=5) | {
        "agent_turns": 1,
        "agent_steps": 1,
    }
    assert mentions(direct, "secret") == []
    assert mentions(direct, "another") == ["agent_steps"]
    assert [m.id for m in memory.messages.list()] == [other.id]
    with pytest.raises(NotFoundError, match="no session 's/1'"):
        memory.forget(session="s/1")
    with pytest.raises(InputError, match="not both"):
        memory.forget(1, session="other")


def test_a_session_is_deleted_in_one_change_that_undo_takes_back(memory: Memory) -> None:
    said = [memory.messages.append("user", f"message {n}", session="s") for n in range(3)]
    other = memory.messages.append("user", "harmless")
    assert memory.messages.delete_session("s") == 3
    assert memory.messages.list() == [other]
    with pytest.raises(NotFoundError, match="no session 's'"):
        memory.messages.delete_session("s")
    memory.undo()
    assert memory.messages.list(session="s") == said


def test_the_vectors_of_other_texts_stay_cached(dsn: str, direct: psycopg.Connection[Any]) -> None:
    """What is forgotten leaves no vector in the cache, in none of the forms in which its texts were embedded."""
    with Memory("ann", dsn=dsn, embedder=Paid()) as memory:
        memory.search("a question")
        memory.remember("harmless")  # what a search was paid for is written with the next write
        before = cached(direct)
        kept = memory.remember("one secret")
        memory.archival.update(kept.id, text="another secret")
        memory.search("another secret")
        message = memory.messages.append("user", "a secret message", session="s", name="Ann")
        memory.messages.append("user", "a second secret message", session="s", name="Ann")
        memory.search("a secret message")
        document = memory.documents.add("# Secret title\n\nSecret text.\n\n## Secret part\n\nMore.", title="Secret")
        entity = memory.graph.add_entity("Secret entity", description="of one")
        memory.graph.update(entity, description="of another")
        memory.graph.add_fact("Secret entity", "is", "Secret entity", provenance=("message", message.id))
        assert len(cached(direct)) > len(before) + 8
        for forget in (
            lambda: memory.forget(kept.id),
            lambda: memory.forget(session="s"),
            lambda: memory.forget(document.id, "document"),
            lambda: memory.forget(entity.id, "entity"),
        ):
            forget()  # type: ignore[no-untyped-call]
            assert cached(direct) >= before
        assert cached(direct) == before


class Paid(StaticModel):
    """The offline model at a price, so that its vectors are cached."""

    price_per_million_tokens = 1.0


def cached(direct: psycopg.Connection[Any]) -> set[bytes]:
    return {row[0] for row in direct.execute("SELECT hash FROM embedding_cache WHERE agent_id = 'ann'")}


def test_others_and_bad_requests_change_nothing(dsn: str, memory: Memory, direct: psycopg.Connection[Any]) -> None:
    kept = memory.remember("one")
    with Memory("bob", dsn=dsn, options=WITHOUT_MODEL) as bob, pytest.raises(NotFoundError):
        bob.forget(kept.id)
    with pytest.raises(InputError, match="kind must be one of"):
        memory.forget(kept.id, "table")
    for bad in ("1", True, None):
        with pytest.raises(InputError, match="whole number"):
            memory.forget(bad)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError), memory.transaction():
        truediv(len(memory.forget(kept.id)), 0)
    assert memory.archival.get(kept.id).text == "one"


def test_the_rest_of_a_change_can_still_be_undone(memory: Memory) -> None:
    first, second = memory.remember_many([{"text": "one"}, {"text": "two"}])
    memory.forget(first.id)
    [change] = memory.undo()
    assert change.row_id == second.id
    with pytest.raises(NotFoundError):
        memory.undo()


def test_forgetting_an_agent_leaves_only_the_others(dsn: str, memory: Memory, direct: psycopg.Connection[Any]) -> None:
    with Memory("bob", dsn=dsn, options=WITHOUT_MODEL) as bob:
        for each in (memory, bob):
            each.remember("text of Ulm")
            each.graph.link()
            each.core["human"].append("value")
            fill(direct, each.agent)
            direct.execute(
                "INSERT INTO embedding_cache (agent_id, model, hash, embedding) "
                "VALUES (%s, 'paid', sha256('text'), '[1,2]')",
                (each.agent,),
            )
            direct.execute("INSERT INTO embedding_usage (agent_id, model) VALUES (%s, 'paid')", (each.agent,))
            direct.execute(
                "INSERT INTO kg_extractions (agent_id, recipe, kind, row_id, model, text_hash, reason) SELECT %s, "
                "gen_random_uuid(), 'archival', max(id), 'm', gen_random_uuid(), 'none' FROM archival_memories "
                "WHERE agent_id = %s",
                (each.agent, each.agent),
            )
            direct.execute(
                "INSERT INTO jobs (agent_id, id, kind, requested_by) VALUES (%s, 1, 'k', 'x')", (each.agent,)
            )
            direct.execute("INSERT INTO job_files VALUES (%s, 1, 0, 'name', 'content')", (each.agent,))
            each.files.create("a.md", "text")
            direct.execute("INSERT INTO file_syncs VALUES (%s, 'folder', 'a.md', 'sha')", (each.agent,))
            each.items.put_many([NewItem(["n"], "k", {"v": 1}, vectors=[("v", [1.0, 2.0])])], collection="c")
            for statement in (
                "INSERT INTO thread_checkpoints VALUES (%s, 't', '', 'c', NULL, NULL, '{}', '{}', 'j', '', 'j', '')",
                "INSERT INTO thread_values VALUES (%s, 't', '', 'channel', '1', 'j', '')",
                "INSERT INTO thread_writes VALUES (%s, 't', '', 'c', 'task', 1, '', 'channel', 'j', '')",
            ):
                direct.execute(statement, (each.agent,))
        bob.core["project"].append("shared")
        bob.core["project"].share_with("ann", "cleo")
        before = {table: count(direct, table, "ann") for table in tables(direct)}
        assert all(before.values())
        others = {table: count(direct, table, "bob") for table in tables(direct)}

        assert memory.forget_agent() == before

        assert not any(count(direct, table, "ann") for table in tables(direct))
        others["memory_history"] += 1  # the block that is shared with one agent fewer
        assert {table: count(direct, table, "bob") for table in tables(direct)} == others
        assert bob.core["project"].block.shared_with == ["cleo"]
        change = bob.history(limit=1)[0]
        assert change.old is not None
        assert change.old["shared_with"] == ["ann", "cleo"]
        assert bob.as_of(change.changed_at).block("project") == bob.core["project"].block
    assert list(memory.core) == []
    memory.remember("a new life")
    assert count(direct, "agents", "ann") == 1


def test_every_table_of_an_agent_is_known(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    """A migration that adds a table with an agent_id must add it to database/tables.py."""
    assert sorted(memory.forget_agent()) == tables(direct)


def count(direct: psycopg.Connection[Any], table: str, agent: str) -> int:
    row = direct.execute(f"SELECT count(*) FROM {table} WHERE agent_id = %s", [agent]).fetchone()
    assert row is not None
    return int(row[0])


def test_a_fact_is_forgotten_by_what_a_model_answered_too(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    source = memory.messages.append("user", "Ann works there")
    direct.execute(
        "INSERT INTO kg_extractions (agent_id, recipe, kind, row_id, model, text_hash, answer, applied_at) VALUES "
        "('ann', gen_random_uuid(), 'message', %s, 'm', gen_random_uuid(), '{\"facts\": [\"secret\"]}', now())",
        [source.id],
    )
    fact = memory.graph.add_fact("Ann", "works_at", "secret", provenance=("message", source.id))
    memory.forget(fact.id, "fact")
    assert mentions(direct, "secret") == ["kg_entities"]
    assert memory.messages.get(source.id).content == "Ann works there"


def test_a_deleted_message_takes_its_summary_and_its_examples(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    message = memory.messages.append("user", "the secret word", session="s")
    memory.intents.learn("tell", "the secret word", "another example")
    direct.execute(
        "INSERT INTO agent_turns (agent_id, id, session, message_id, runner) "
        "VALUES ('ann', 1, 's', 1, gen_random_uuid())"
    )
    direct.execute(
        "INSERT INTO agent_steps (agent_id, turn_id, number, session, model, longest, sent_hash, kind, summary, "
        "summary_until, summary_until_id) VALUES ('ann', 1, 1, 's', 'm', 1, '', 'summary', 'a secret', %s, %s)",
        [message.created_at, message.id],
    )
    memory.messages.delete(message.id)
    memory.forget(message.id, "message")
    assert mentions(direct, "secret") == []
    assert "another example" in memory.intents.examples()["tell"]
