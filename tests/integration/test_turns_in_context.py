"""Vectors of turns from a model that reads each together with the turns before it, as they are stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import SecretStr

from memgpt import Memory, Settings, embeddings
from memgpt.database.admin import migrate
from memgpt.database.admin.migrate import ModelSpec
from memgpt.database.connection import connect
from memgpt.embeddings.onnx import OnnxModel
from memgpt.reembed import reembed
from tests import tiny_onnx


def vectors(dsn: str) -> list[list[float]]:
    with connect(dsn, autocommit=True) as connection:
        rows = connection.execute("SELECT embedding FROM conversations ORDER BY id").fetchall()
    return [row[0].to_list() for row in rows]


def test_messages_are_embedded_behind_the_two_turns_before_them(empty_dsn: str, tmp_path: Path) -> None:
    name = f"onnx:{tiny_onnx.write(tmp_path, seeing=True)}"
    migrate.apply(empty_dsn, model=ModelSpec(name, 3))
    options = Settings(database_url=SecretStr(empty_dsn), embedding_model=name)
    with Memory("ann", options=options) as memory:
        memory.messages.append("user", "cat", session="s")
        memory.messages.append_many([
            {"role": "assistant", "content": "dog", "session": "s"},
            {"role": "user", "content": "dog", "session": "other"},
            {"role": "user", "content": "sun", "session": "other"},
        ])  # fmt: skip
        memory.messages.append("user", "sun", session="s")
        last = memory.messages.append("user", "cat", session="s")
        changed = memory.messages.update(last.id, content="dog")
        assert changed.id in {hit.id for hit in memory.search("dog", kinds=["message"])}
    model = embeddings.load(name)
    assert isinstance(model, OnnxModel)
    contexts = [[], ["cat"], [], ["dog"], ["cat", "dog"], ["dog", "sun"]]
    texts = ["cat", "dog", "dog", "sun", "sun", "dog"]
    expected = [model.embed_in_context([text], [before])[0] for text, before in zip(texts, contexts, strict=True)]
    np.testing.assert_allclose(vectors(empty_dsn), expected, atol=1e-6)


def test_a_switch_to_such_a_model_reads_messages_behind_each_other_too(dsn: str, tmp_path: Path) -> None:
    name = f"onnx:{tiny_onnx.write(tmp_path, seeing=True)}"
    options = Settings(database_url=SecretStr(dsn))
    with Memory("ann", options=options) as memory:
        for content, session in (("cat", "s"), ("dog", "other"), ("dog", "s"), ("sun", "s"), ("cat", "s")):
            memory.messages.append("user", content, session=session)
        memory.remember("sun")
    assert reembed(to=name, options=options).embedded == 6
    model = embeddings.load(name)
    assert isinstance(model, OnnxModel)
    turns = [("cat", []), ("dog", []), ("dog", ["cat"]), ("sun", ["cat", "dog"]), ("cat", ["dog", "sun"])]
    expected = model.embed_in_context([text for text, _ in turns], [before for _, before in turns])
    np.testing.assert_allclose(vectors(dsn), expected, atol=1e-6)
