"""Search over everything an agent knows, and context for a prompt."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from memgpt.llm.context import Context
from memgpt.models import Hit
from memgpt.server.api import bodies
from memgpt.server.api.callers import Reading

router = APIRouter(prefix="/v1/agents/{agent_id}", tags=["search"])


@router.post("/search")
def search(memory: Reading, body: bodies.SearchRequest) -> Sequence[Hit]:
    """Search by a query, or a vector, best first."""
    return memory.search(**body.sent())


@router.post("/search/batch")
def search_many(memory: Reading, body: bodies.SearchBatch) -> Sequence[Sequence[Hit]]:
    """Several searches; one list of hits for each, in order."""
    return [memory.search(**one.sent()) for one in body.searches]


@router.post("/context")
def context(memory: Reading, body: bodies.ContextRequest) -> Context:
    """Build a prompt-ready text within a budget of tokens, with the source and the cost of each piece."""
    return memory.context(**body.sent())
