"""Proposals: what could be put in order, what applying would change, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, Field
from starlette.responses import Response

from memgpt.errors import InputError
from memgpt.memory import Memory
from memgpt.models import PROPOSAL_KINDS, PROPOSAL_STATUSES, Change, Proposal, ProposalKind, ProposalStatus
from memgpt.server.api.callers import RowId, TheService
from memgpt.server.console import visits
from memgpt.server.console.changes import by_day
from memgpt.server.console.texts import say
from memgpt.server.console.visits import Reading, Visit, Writing

router: Final = visits.router("/agents/{agent}/proposals")
PAGE: Final = 20
MOST_ROWS: Final = 100
"""Rows of a proposal that are shown with what would become of them."""

RowNumber = Annotated[int | None, Field(ge=1, le=2**63 - 1), BeforeValidator(lambda text: text or None)]


class ProposalForm(BaseModel):
    """The filters of the list, or the proposal that is looked at alone; and the job that looks for more."""

    status: Annotated[ProposalStatus | None, BeforeValidator(lambda text: text or None)] = "proposed"
    kind: Annotated[ProposalKind | None, BeforeValidator(lambda text: text or None)] = None
    before: RowNumber = None
    id: RowNumber = None
    job: RowNumber = None


@router.get("")
def list_proposals(visit: Reading, service: TheService, form: Annotated[ProposalForm, Query()]) -> Response:
    """Show proposals, newest first; one alone with what applying it would change, or did."""
    proposals = visit.memory.proposals
    if form.id is None:
        rows = proposals.list(form.status, kind=form.kind, limit=PAGE + 1, before=form.before)
    else:
        rows = [proposals.get(form.id)]
    values = {
        "section": "proposals",
        "form": form,
        "kinds": PROPOSAL_KINDS,
        "statuses": PROPOSAL_STATUSES,
        "proposals": [(one, _about(visit, one)) for one in rows[:PAGE]],
        "following": rows[PAGE - 1].id if len(rows) > PAGE else None,
        "filters": {"status": form.status or "", "kind": form.kind},
        "job": form.job and service.jobs(visit.caller, visit.agent.agent_id, "read").get(form.job),
        **(_alone(visit, rows[0]) if form.id else {"days": (), "problem": None}),
    }
    return visit.page("proposals.html", values, part="results")


@router.post("/look")
def look(visit: Writing, service: TheService) -> Response:
    """Have a worker look for what can be put in order; what it finds is proposed, and nothing applied."""
    job = service.jobs(visit.caller, visit.agent.agent_id, "write").add("sleep")
    return visit.back(say("proposals.looking", id=job.id), None, "proposals", job=job.id)


@router.post("/{id}/apply")
def apply(visit: Writing, id: RowId) -> Response:
    """Do what is proposed, as one change."""
    proposal = visit.memory.proposals.apply(id)
    return visit.back(say("proposals.did_apply", id=id), proposal.change_id, "proposals")


@router.post("/{id}/reject")
def reject(visit: Writing, id: RowId) -> Response:
    """Decide against a proposal."""
    visit.memory.proposals.reject(id)
    return visit.back(say("proposals.did_reject", id=id), None, "proposals")


@router.post("/{id}/revert")
def revert(visit: Writing, id: RowId) -> Response:
    """Take back what applying did."""
    visit.memory.proposals.revert(id)
    return visit.back(say("proposals.did_revert", id=id), None, "proposals", id=id)


def _alone(visit: Visit, proposal: Proposal) -> Mapping[str, Any]:
    """Return what a proposal changes: for an applied one from the history, for an open one by trying."""
    changes: Sequence[Change] = ()
    problem: str | None = None
    if proposal.change_id is not None:
        changes = visit.memory.history(change_id=proposal.change_id, limit=MOST_ROWS + 1)
    elif proposal.status == "proposed" and visit.caller.may("write", visit.agent.agent_id):
        try:
            changes = _tried(visit.memory, proposal.id)
        except InputError as error:
            problem = str(error)
    cut = len(changes) > MOST_ROWS
    return {"days": by_day(changes[:MOST_ROWS], visit.url, alone=True, cut=cut, by_row=False), "problem": problem}


def _tried(memory: Memory, id: int) -> Sequence[Change]:
    """Apply a proposal, read what it changed, and take it back: what is shown is exactly what applying does."""
    with memory.transaction() as connection, connection.transaction(force_rollback=True):
        return memory.history(change_id=memory.proposals.apply(id).change_id, limit=MOST_ROWS + 1)


def _about(visit: Visit, proposal: Proposal) -> list[tuple[str, str, str]]:
    """Return the rows a proposal is about: kind, id, and the address of what was done to each."""
    pairs = [about.partition(":") for about in proposal.about[:PAGE]]
    return [(kind, id, visit.url("history", kind=kind, id=id)) for kind, _, id in pairs]
