"""Chat with the agent: turns as they happen, the edits of each beside it, and exactly what each step sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Form, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from memgpt.agent import Agent, quoting
from memgpt.agent.record import TurnRecord
from memgpt.agent.store import StepOutline, TurnRow
from memgpt.errors import ConflictError
from memgpt.models import Message
from memgpt.server.api.callers import RowId, TheService
from memgpt.server.api.event_stream import EVENT_STREAM
from memgpt.server.api.routes.chat import answered
from memgpt.server.console import visits
from memgpt.server.console.changes import RowDifference, row_difference
from memgpt.server.console.texts import say
from memgpt.server.console.token_bar import BAR, bar
from memgpt.server.console.visits import Reading, Visit, Writing, plain_lines
from memgpt.server.service import Service
from memgpt.validation import MAX_NAME, MAX_TEXT

router: Final = visits.router("/agents/{agent}/chat")
PAGE: Final = 40
MOST_EDITS: Final = 200
"""Changes that are looked through for those of the turns on a page."""

Session = Annotated[str, Query(max_length=MAX_NAME)]
SessionField = Annotated[str, Form(max_length=MAX_NAME)]


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """A message of the chat; where it began a turn, what that did."""

    message: Message
    turn: TurnRow | None
    steps: Sequence[StepOutline]
    edits: Sequence[RowDifference]


@router.get("")
def show_chat(
    visit: Reading,
    service: TheService,
    session: Session = "default",
    asked: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """Show the latest messages of a session; without a model, what the memory quotes for the one that asked."""
    turns = _turns(visit, session)
    question = next((one.message for one in turns if one.message.id == asked), None)
    status = _latest(turns)
    values = {
        "section": "chat",
        "session": session,
        "sessions": visit.memory.messages.sessions(limit=50),
        "turns": turns,
        "model": service.options.chat_model,
        "running": status == "running",
        "failed": status == "failed",
        "question": question,
        "quotations": quoting.quotations(visit.memory, question.content, but=asked) if question else (),
        "form": {"id": None},
    }
    return visit.page("chat.html", values, part="turns")


@router.post("")
async def send(
    visit: Writing,
    service: TheService,
    text: Annotated[str, Form(max_length=MAX_TEXT)] = "",
    session: SessionField = "default",
) -> Response:
    """Answer a message: as events for a script, else with the page when the turn has ended."""
    line = plain_lines(text)
    if service.options.chat_model is None:
        return await run_in_threadpool(_quoted, visit, session, line)
    agent = await run_in_threadpool(_agent, visit, service, session)
    return await _answered(visit, agent, agent.stream(line))


@router.post("/resume")
async def resume(visit: Writing, service: TheService, session: SessionField = "default") -> Response:
    """Go on with a turn that a crash or a failing model interrupted."""
    agent = await run_in_threadpool(_agent, visit, service, session)
    happening = await run_in_threadpool(agent.resume_stream)
    if happening is None:
        raise ConflictError(say("chat.nothing_to_resume"))
    return await _answered(visit, agent, happening)


@router.post("/cancel")
def cancel(visit: Writing, service: TheService, session: SessionField = "default") -> Response:
    """End the turn that a session is in, wherever it runs."""
    turns = visit.request.app.state.turns
    agent = turns.get((visit.agent.agent_id, session)) or _agent(visit, service, session)
    said = say("chat.cancelled") if agent.cancel() else say("chat.nothing_to_cancel")
    return visit.back(said, None, "chat", session=session)


@router.get("/edits")
def show_edits(visit: Reading, session: Session = "default") -> Response:
    """Show what the turn that goes on has changed so far."""
    turns = [one for one in _turns(visit, session) if one.turn is not None]
    values: dict[str, Any] = {
        "section": "chat",
        "session": session,
        "edits": turns[-1].edits if turns else (),
        "form": {"id": None},
    }
    return visit.page("chat_edits.html", values, part="edits")


@router.get("/steps/{id}")
def show_step(visit: Reading, id: RowId) -> Response:
    """Show exactly what a step sent to the model, and the tokens of each part."""
    inspection = TurnRecord(visit.memory, "default").inspect(id)
    step = inspection.step
    shares = bar(dict(inspection.tokens_by_part), sum(inspection.tokens_by_part.values()))
    values = {"section": "chat", "inspection": inspection, "step": step, "shares": shares, "bar": BAR}
    return visit.page("chat_step.html", values)


def _agent(visit: Visit, service: Service, session: str) -> Agent:
    if service.options.chat_model is None:
        raise ConflictError(say("chat.quoting"))
    return Agent(visit.memory, service.chat_model(), session=session)


async def _answered(visit: Visit, agent: Agent, happening: Any) -> Response:
    streamed = visit.request.headers.get("accept") == EVENT_STREAM
    answer = await answered(visit.request, agent, happening, streamed)
    if streamed or answer.status_code != 200:
        return answer
    return RedirectResponse(visit.url("chat", session=agent.session), 303)


def _quoted(visit: Visit, session: str, line: str) -> Response:
    """Keep what was told; a question leads to the page that quotes for it."""
    answer = quoting.answer(visit.memory, session, line)
    if answer.kept is not None:
        said, change = say("memories.kept", id=answer.kept.id), visit.last_change("archival", answer.kept.id)
        return visit.back(said, change, "chat", session=session)
    if answer.told:
        return visit.back(say("chat.kept", id=answer.message.id), None, "chat", session=session)
    return RedirectResponse(visit.url("chat", session=session, asked=answer.message.id), 303)


def _turns(visit: Visit, session: str) -> list[ShownTurn]:
    """Return the latest messages, oldest first, with the turns they began and what those changed."""
    messages = visit.memory.messages.list(session=session, limit=PAGE)
    turns = {row.message_id: (row, steps) for row, steps in TurnRecord(visit.memory, session).turns(PAGE)}
    began = [turns[message.id][0] for message in messages if message.id in turns]
    edits = _edits(visit, began)
    return [
        ShownTurn(message, *turns[message.id], edits[turns[message.id][0].id])
        if message.id in turns
        else ShownTurn(message, None, (), ())
        for message in messages
    ]


def _edits(visit: Visit, turns: Sequence[TurnRow]) -> dict[int, list[RowDifference]]:
    """Return what was changed while each turn ran, oldest first; messages are shown themselves."""
    edits: dict[int, list[RowDifference]] = {turn.id: [] for turn in turns}
    if not turns:
        return edits
    since = min(turn.started_at for turn in turns)
    for change in reversed(visit.memory.history(since=since, limit=MOST_EDITS)):
        at = change.changed_at
        during = [turn for turn in turns if turn.started_at < at and (turn.ended_at is None or at <= turn.ended_at)]
        if during and change.kind != "message":
            edits[during[-1].id].append(row_difference(change, visit.url))
    return edits


def _latest(turns: Sequence[ShownTurn]) -> str | None:
    return next((one.turn.status for one in reversed(turns) if one.turn is not None), None)
