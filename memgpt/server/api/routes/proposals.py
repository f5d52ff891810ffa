"""Proposed changes, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from memgpt.models import Proposal, ProposalKind, ProposalStatus
from memgpt.server.api import pages
from memgpt.server.api.callers import Reading, RowId, Writing
from memgpt.server.api.idempotency import IdempotentRoute
from memgpt.server.api.json_types import Name

router = APIRouter(prefix="/v1/agents/{agent_id}/proposals", tags=["proposals"], route_class=IdempotentRoute)


@router.get("")
def list_proposals(
    request: Request,
    response: Response,
    memory: Reading,
    status: ProposalStatus | None = None,
    kind: ProposalKind | None = None,
    about: Annotated[Name | None, Query(description="The row: `entity:4`.")] = None,
    limit: pages.Limit = 50,
    after: pages.After = None,
) -> Sequence[Proposal]:
    """Proposals, newest first."""
    last = pages.after(after, pages.Position)
    rows = memory.proposals.list(status, kind=kind, about=about, limit=limit + 1, before=last.id if last else None)
    return pages.page(request, response, rows, limit, lambda row: pages.written(id=row.id))


@router.post("/merges", status_code=201)
def propose_merges(memory: Writing) -> Sequence[Proposal]:
    """Propose to merge entities that are probably one; answers the new proposals, surest first. Asks no model."""
    return memory.graph.propose_merges()


@router.get("/{id:int}")
def get_proposal(memory: Reading, id: RowId) -> Proposal:
    """One proposal: why it is made, and what it would do."""
    return memory.proposals.get(id)


@router.post("/{id:int}/apply")
def apply_proposal(memory: Writing, id: RowId) -> Proposal:
    """Do what is proposed, as one change in one transaction. 409 where what it is about was changed since."""
    return memory.proposals.apply(id)


@router.post("/{id:int}/reject")
def reject_proposal(memory: Writing, id: RowId) -> Proposal:
    """Decide against a proposal; the same is never proposed again."""
    return memory.proposals.reject(id)


@router.post("/{id:int}/revert")
def revert_proposal(memory: Writing, id: RowId) -> Proposal:
    """Take back what applying did. 409 where one of its rows was changed later."""
    return memory.proposals.revert(id)
