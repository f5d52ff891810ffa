"""The graph is put together from parts that do not inherit from each other."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Final

import pytest

from memgpt.graph import Graph
from memgpt.graph.entities import Entities
from memgpt.graph.extraction.extraction import Extraction
from memgpt.graph.facts import Facts
from memgpt.graph.mentions import Mentions
from memgpt.graph.merging import Merging
from memgpt.graph.traversal import Traversal

PARTS: Final = (Entities, Facts, Mentions, Merging, Extraction, Traversal)

BETWEEN_PARTS: Final = {
    "Entities.create",
    "Entities.create_named",
    "Entities.id_at",
    "Entities.known_or_new",
    "Facts.record",
}
"""What parts need of each other, inside of a transaction or on rows that are checked."""


def verbs() -> Iterator[tuple[type, str]]:
    for part in PARTS:
        for name in vars(part):
            if not name.startswith("_") and f"{part.__name__}.{name}" not in BETWEEN_PARTS:
                yield part, name


@pytest.mark.parametrize(("part", "name"), [*verbs()], ids=str)
def test_every_verb_of_a_part_is_the_facades_with_its_signature_and_documentation(part: type, name: str) -> None:
    offered, own = getattr(Graph, name), getattr(part, name)
    assert inspect.signature(offered) == inspect.signature(own)
    assert offered.__doc__ == own.__doc__
    assert own.__doc__


def test_no_part_inherits() -> None:
    assert all(part.__bases__ == (object,) for part in (Graph, *PARTS))
