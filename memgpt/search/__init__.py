"""Search as ``memory.search``: one query over archival memories, messages, chunks, facts and store items."""

from __future__ import annotations

from memgpt.search.fusion import Blend, weak
from memgpt.search.options import SearchOptions
from memgpt.search.search import Search

__all__ = ["Blend", "Search", "SearchOptions", "weak"]
