"""Recall memory: the messages of conversations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from memgpt.models import Message, Role, Session
from memgpt.scope.batches import Problem
from memgpt.server.api import bodies, pages
from memgpt.server.api.callers import Reading, RowId, Writing
from memgpt.server.api.idempotency import IdempotentRoute
from memgpt.server.api.json_types import Moment, Name

router = APIRouter(prefix="/v1/agents/{agent_id}/messages", tags=["messages"], route_class=IdempotentRoute)


@dataclass(frozen=True, slots=True)
class AppendedOf:
    """Outcomes of a batch of which bad messages are skipped or mended."""

    kept: Sequence[Message]
    problems: Sequence[Problem]


@router.get("")
def list_messages(
    request: Request,
    response: Response,
    memory: Reading,
    session: Name | None = None,
    roles: Annotated[list[Role] | None, Query()] = None,
    intent: Name | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    limit: pages.Limit = 50,
    after: pages.After = None,
) -> Sequence[Message]:
    """List the newest messages, in the order of the conversation; the next page is the one before."""
    last = pages.after(after, Message)
    rows = memory.messages.list(
        session=session, roles=roles, intent=intent, since=since, until=until, limit=limit + 1, before=last
    )
    newest_first = list(reversed(rows))
    cursor = lambda row: pages.written(id=row.id, created_at=row.created_at)  # noqa: E731
    return list(reversed(pages.page(request, response, newest_first, limit, cursor)))


@router.post("", status_code=201)
def append_message(memory: Writing, body: bodies.MessageCreate) -> Message:
    """Keep one message."""
    [message] = memory.messages.append_many([body.sent()])
    return message


@router.delete("", status_code=204)
def delete_session(
    memory: Writing,
    session: Annotated[Name, Query(description="The conversation.")],
) -> None:
    """Remove a whole conversation; undo brings it back."""
    memory.messages.delete_session(session)


@router.post("/batch", status_code=201)
def append_messages(memory: Writing, body: bodies.MessageBatch) -> Sequence[Message] | AppendedOf:
    """Keep many messages: all or none; with ``on_error`` skip or replace a report."""
    appended, problems = body.kept_by(lambda items, on_error: memory.messages.append_many(items, on_error=on_error))
    answers = [message for _, message in appended]
    return answers if body.on_error == "fail" else AppendedOf(answers, problems)


@router.get("/sessions")
def list_sessions(
    request: Request, response: Response, memory: Reading, limit: pages.Limit = 1000, after: pages.After = None
) -> Sequence[Session]:
    """List the conversations, the one last spoken in first."""
    last = pages.after(after, pages.Position)
    rows = memory.messages.sessions(limit=limit + 1, after=last.name if last else None)
    return pages.page(request, response, rows, limit, lambda row: pages.written(name=row.session))


@router.get("/{id:int}")
def get_message(memory: Reading, id: RowId) -> Message:
    """One message."""
    return memory.messages.get(id)


@router.patch("/{id:int}")
def update_message(memory: Writing, id: RowId, body: bodies.MessageUpdate) -> Message:
    """Change what is given and keep the rest."""
    return memory.messages.update(id, **body.sent())


@router.delete("/{id:int}", status_code=204)
def delete_message(memory: Writing, id: RowId) -> None:
    """Remove one message; undo brings it back."""
    memory.messages.delete(id)
