"""The knowledge graph as ``memory.graph``: entities, dated facts about two of them, and walks over both."""

from __future__ import annotations

from memgpt.graph.entities import UNTYPED, EntityRef
from memgpt.graph.extraction.run import Extracted, ExtractionPlan
from memgpt.graph.facts import PROVENANCE, Direction
from memgpt.graph.graph import Graph
from memgpt.graph.mentions import Linked, NamedTogether, PlacedText

__all__ = [
    "PROVENANCE",
    "UNTYPED",
    "Direction",
    "EntityRef",
    "Extracted",
    "ExtractionPlan",
    "Graph",
    "Linked",
    "NamedTogether",
    "PlacedText",
]
