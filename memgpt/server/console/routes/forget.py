"""Forgetting for good: what goes is shown beforehand, a person says that they mean it, and a receipt says what went."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Form, Query, Request
from starlette.responses import Response

from memgpt.errors import AccessError, ForbiddenError
from memgpt.server.console import pages, visits
from memgpt.server.console.forgetting import CountsChangedError, ForgetTarget, Receipt, samples
from memgpt.server.console.texts import say
from memgpt.server.console.visits import Administering, Visit

router: Final = visits.router()

Typed = Annotated[str, Form(max_length=1000)]


class ForgetOrder(ForgetTarget):
    """The form that forgets: what, and that it is meant."""

    digest: str = ""
    confirm: str = ""
    key: str = ""


@router.get("/agents/{agent}/forget")
def preview(visit: Administering, target: Annotated[ForgetTarget, Query()]) -> Response:
    """Show what would go, table by table, and what stays; nothing is removed."""
    return _preview(visit, target)


@router.post("/agents/{agent}/forget")
def forget(visit: Administering, order: Annotated[ForgetOrder, Form()]) -> Response:
    """Forget what the preview counted, and show a receipt."""
    agent_id = visit.agent.agent_id
    if order.confirm != order.typed(agent_id):
        return _preview(visit, order, problem=say("forget.not_typed", name=order.typed(agent_id)), status=422)
    try:
        visits.confirm(visit.request, order.key)
    except ForbiddenError as error:
        return _preview(visit, order, problem=str(error), status=403)
    try:
        rows = order.forget_as_seen(visit.memory, order.digest)
    except CountsChangedError as error:
        return _preview(visit, order, problem=str(error), status=409)
    request_id = getattr(visit.request.state, "request_id", "")
    receipt = Receipt(agent_id, order.about(), rows, datetime.now(UTC), visit.caller.name, request_id)
    mark = visits.session_of(visit.request).sign(receipt.text)
    there = {} if order.whole else {"agent_id": agent_id, "section": "history"}
    return pages.page(visit.request, "receipt.html", {**there, "receipt": receipt, "mark": mark})


@router.post("/receipt")
def save_receipt(request: Request, receipt: Annotated[str, Form(max_length=100_000)], mark: Typed) -> Response:
    """Answer a receipt that this session was shown, as a file."""
    if not visits.session_of(request).is_signed(receipt, mark):
        raise AccessError(say("forget.foreign_receipt"))
    headers = {"Content-Disposition": 'attachment; filename="receipt.json"'}
    return Response(receipt, media_type="application/json", headers=headers)


def _preview(visit: Visit, target: ForgetTarget, problem: str | None = None, status: int = 200) -> Response:
    counts = target.forget(visit.memory, preview=True)
    agent_id = visit.agent.agent_id
    values: dict[str, Any] = {
        "section": "history",
        "target": target,
        "typed": target.typed(agent_id),
        "counts": counts,
        "samples": samples(visit.memory, target),
        "digest": target.fingerprint(agent_id, counts),
        "problem": problem,
        "stays": "agent" if target.whole else "session" if target.session else target.kind,
    }
    return visit.page("forget.html", values, status=status)
