"""Reading texts with a model: what may be found in them, asking for it, and what an answer says."""

from __future__ import annotations

from memgpt.graph.extraction.default import Knowledge
from memgpt.graph.extraction.reader import Reader, Reading
from memgpt.graph.extraction.schema import Schema, Statement, Thing

__all__ = ["Knowledge", "Reader", "Reading", "Schema", "Statement", "Thing"]
