"""Search as ``memory.search``: one query over archival memories, messages, chunks and facts."""

from __future__ import annotations

from memgpt.search.order import Blend, weak
from memgpt.search.run import Search

__all__ = ["Blend", "Search", "weak"]
