"""Reading texts with a model: what may be found in them, asking for it, and what an answer says."""

from __future__ import annotations

from memgpt.graph.extraction.default import Knowledge
from memgpt.graph.extraction.reader import Reader, Reading
from memgpt.graph.extraction.schema import ExtractedEntity, ExtractedFact, Schema

__all__ = ["ExtractedEntity", "ExtractedFact", "Knowledge", "Reader", "Reading", "Schema"]
