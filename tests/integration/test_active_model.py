"""A unit of work begins again with its texts when the model is switched between embedding and writing."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import psycopg
import pytest
from pgvector.psycopg import register_vector

from memgpt import Agents, Memory
from memgpt.config import Settings
from memgpt.embeddings.active_model import ActiveModelTracker
from memgpt.memory import scope_of
from memgpt.reembed import finish, reembed
from memgpt.scope.scope import AgentScope
from memgpt.server.mcp.reference_graph import Node, Nodes, Relation
from tests.integration.test_reembed import look, options, provider, vector

__all__ = ["look", "options", "provider"]

BEFORE: Final = "text-embedding-ada-002"
AFTER: Final = "text-embedding-3-small"
"""As long as the vectors of the other: what is wrong is not refused by its length."""

EMBEDDED: Final = {
    "archival_memories": "text",
    "conversations": "content",
    "document_chunks": "concat_ws(E'\\n', metadata ->> 'context', chunk_text)",
    "kg_entities": "concat_ws(': ', name, nullif(description, ''))",
    "kg_relationships": "fact",
}

VERBS: Final[dict[str, Callable[[Memory], Any]]] = {
    "remember": lambda m: m.remember("new"),
    "remember_many": lambda m: m.remember_many({"text": text} for text in ("new", "newer")),
    "archival.update": lambda m: m.archival.update(1, text="changed"),
    "archival.supersede": lambda m: m.archival.supersede(1, "changed"),
    "near_duplicates": lambda m: m.archival.near_duplicates("old", threshold=0.999)[0],
    "append": lambda m: m.messages.append("user", "new"),
    "append_many": lambda m: m.messages.append_many({"content": text} for text in ("new", "newer")),
    "messages.update": lambda m: m.messages.update(1, content="changed"),
    "documents.add": lambda m: m.documents.add("new text"),
    "documents.create": lambda m: m.documents.create({"chunk_text": text} for text in ("new", "newer")),
    "ingest": lambda m: m.ingest(b"another text", title="t.txt"),
    "add_entity": lambda m: m.graph.add_entity("New", description="thing"),
    "graph.update": lambda m: m.graph.update("Ann", description="pilot"),
    "add_fact": lambda m: m.graph.add_fact("Ann", "flies_to", "Oslo"),
    "create_entities": lambda m: Nodes(m).create([Node("Carl", "person", ("pilot",))]),
    "create_relations": lambda m: Nodes(m).relate([Relation("Ann", "Bob", "likes")]),
    "search": lambda m: m.search("old")[0],
}


def filled(options: Settings) -> Settings:
    """A memory with a row of each kind, by the model before."""
    reembed(to=BEFORE, options=options)
    finish(options=options)
    configured = options.model_copy(update={"embedding_model": BEFORE})
    with Memory("a", options=configured) as memory:
        memory.remember("old")
        memory.messages.append("user", "old")
        memory.graph.add_fact("Ann", "knows", "Bob")
    return configured


def wrong(dsn: str, model: str) -> list[tuple[str, str]]:
    """Rows whose vector is not this model's of their text."""
    found = []
    with psycopg.connect(dsn) as connection:
        register_vector(connection)
        for table, text in EMBEDDED.items():
            rows = connection.execute(f"SELECT {text}, embedding_model, embedding FROM {table}").fetchall()
            for said, name, stored in rows:
                if name != model or not np.allclose(np.asarray(stored.to_list()), vector(model, said), atol=1e-3):
                    found.append((table, said))
    return found


@pytest.fixture
def switching(monkeypatch: pytest.MonkeyPatch) -> Callable[[Settings], list[int]]:
    """Switches the model once a text is embedded, before it is written; how many texts were embedded at each time."""

    def arm(options: Settings) -> list[int]:
        embed, sizes = ActiveModelTracker.embed, []

        def embed_then_switch(self: ActiveModelTracker, texts: Any, *rest: Any) -> Any:
            vectors = embed(self, texts, *rest)
            sizes.append(len(texts))
            if len(sizes) == 1:
                assert reembed(to=AFTER, options=options).switched
            return vectors

        monkeypatch.setattr(ActiveModelTracker, "embed", embed_then_switch)
        return sizes

    return arm


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_begins_again_with_its_texts(
    verb: str, dsn: str, options: Settings, switching: Callable[[Settings], list[int]]
) -> None:
    configured = filled(options)
    with Memory("a", options=configured) as memory:
        sizes = switching(configured)
        assert VERBS[verb](memory)
        assert len(sizes) == 2
        assert sizes[0] == sizes[1]
    assert wrong(dsn, AFTER) == []


def test_an_import_holds_the_model(dsn: str, options: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It embeds in its transaction: where the model is switched after its lines were checked, by the new one."""
    configured = filled(options)
    repeat, switched = AgentScope.repeat_on_switch, []

    def switch_then_repeat(self: AgentScope, work: Callable[[], Any]) -> Any:
        switched.append(reembed(to=AFTER, options=configured).switched)
        return repeat(self, work)

    with Agents(options=configured) as agents:
        agents.export("a", file := io.StringIO(), vectors=False)
        monkeypatch.setattr(AgentScope, "repeat_on_switch", switch_then_repeat)
        agents.import_(file, "b")
    assert switched == [True]
    assert wrong(dsn, AFTER) == []


def test_vectors_are_made_for_work_that_can_begin_again(dsn: str) -> None:
    with Memory("a", dsn=dsn) as memory:
        with pytest.raises(RuntimeError, match="unit of work that can be repeated"):
            scope_of(memory).embed(["lost"])
        with memory.transaction():
            assert len(scope_of(memory).embed(["held"])) == 1
