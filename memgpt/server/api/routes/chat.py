"""The agent itself: a turn of a conversation, in which the model reads and writes the memory by its tools."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic_core import to_jsonable_python
from starlette.concurrency import run_in_threadpool

from memgpt.agent import Agent, Ended, Event, ToolCalled, ToolReturned, Turn, TurnLimits
from memgpt.database import forks
from memgpt.errors import ConflictError, MemgptError
from memgpt.memory import Memory
from memgpt.models import Change, Json
from memgpt.server.api import bodies, event_stream, problems
from memgpt.server.api.callers import TheService, Writing

log = logging.getLogger("memgpt.server.api")
router = APIRouter(prefix="/v1/agents/{agent_id}/chat", tags=["chat"])

MOST_CHANGES: Final = 100
"""Changes told of one tool call."""
_NOBODY: Final = 499
"""The status that is logged where the caller went away."""
T = TypeVar("T")
Turns: TypeAlias = dict[tuple[str, str], Agent]
"""The agents of this process that are in a turn: told to stop, they do not wait for the model."""


class _Threads:
    """Waiting for a model holds a thread, not one of those that other requests need."""

    def __init__(self) -> None:
        self.after_fork()
        forks.register(self)

    def after_fork(self) -> None:
        """Begin without threads: those of the parent are not here."""
        self.pool = ThreadPoolExecutor(64, "memgpt-chat")


_turns: Final = _Threads()

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {event_stream.EVENT_STREAM: {}},
        "description": "The answer, or with `stream` events: `text` (a piece), `tool_called`, `tool_returned`, "
        "`change` (of the memory), `restarted` (the text so far does not count), `pressure`, `evicted`, `cut`, and "
        "at last `ended` (the turn) or `error` (a problem).",
    }
}


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool the model called, and what it answered."""

    name: str
    arguments: Json | str
    result: str
    failed: bool


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """A whole turn."""

    turn: Turn
    tools: Sequence[ToolUse]
    changes: Sequence[Change]
    """What the turn changed in the memory, oldest first; messages are not told."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Tells whether there was a turn to cancel."""

    cancelled: bool


@router.post("", response_model=ChatAnswer, responses=_STREAM)
async def chat(request: Request, service: TheService, memory: Writing, body: bodies.ChatTurn) -> Response:
    """Answer a message of the user. One turn of a session at a time; who goes away cancels it. A turn sent again is
    another turn."""
    limits = TurnLimits(steps=body.steps, tokens=body.tokens, seconds=body.seconds)
    agent = await run_in_threadpool(lambda: Agent(memory, service.chat_model(), session=body.session, limits=limits))
    return await answered(request, agent, agent.stream(body.text), body.stream)


@router.post("/resume", response_model=ChatAnswer, responses=_STREAM)
async def resume_chat(request: Request, service: TheService, memory: Writing, body: bodies.ChatResume) -> Response:
    """Go on with a turn that a crash or a failing model interrupted; 409 when there is none."""
    agent = await run_in_threadpool(lambda: Agent(memory, service.chat_model(), session=body.session))
    going_on = await run_in_threadpool(agent.resume_stream)
    if going_on is None:
        raise ConflictError(f"session {body.session!r} has no interrupted turn")
    return await answered(request, agent, going_on, body.stream)


@router.post("/cancel")
def cancel_chat(request: Request, service: TheService, memory: Writing, body: bodies.ChatSession) -> Cancelled:
    """End the turn a session is in, wherever it runs. What was kept stays; tools not called yet are not called."""
    turns: Turns = request.app.state.turns
    agent = turns.get((memory.agent, body.session)) or Agent(memory, service.chat_model(), session=body.session)
    return Cancelled(agent.cancel())


async def answered(request: Request, agent: Agent, happening: Generator[Event], streamed: bool) -> Response:
    """Run a turn and answer it, whole or as events.

    Answer an error at the start as a problem with a status of its own, also where events were asked for."""
    pieces = _pieces(request.app.state.turns, agent, happening)
    gone: asyncio.Future[Any] = asyncio.ensure_future(_gone(request))
    try:
        first = await _unless(gone, anext(pieces))
        if first is None:
            return Response(status_code=_NOBODY)
        if streamed:
            return event_stream.stream(_as_events(request, _chained(first, pieces)))
        whole = await _unless(gone, _whole(_chained(first, pieces)))
        return Response(status_code=_NOBODY) if whole is None else JSONResponse(to_jsonable_python(whole))
    finally:
        gone.cancel()


async def _unless(gone: asyncio.Future[Any], work: Awaitable[T]) -> T | None:
    """Return the result of work; None, with the work cancelled, if the caller goes away first."""
    task: asyncio.Future[Any] = asyncio.ensure_future(work)
    try:
        await asyncio.wait({gone, task}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _whole(pieces: AsyncIterator[Event | Change]) -> ChatAnswer:
    called: ToolCalled | None = None
    tools: list[ToolUse] = []
    changes: list[Change] = []
    turn: Turn | None = None
    async for piece in pieces:
        match piece:
            case ToolCalled():
                called = piece
            case ToolReturned(name, result, failed):
                tools.append(ToolUse(name, called.arguments if called else {}, result, failed))
            case Change():
                changes.append(piece)
            case Ended():
                turn = piece.turn
    assert turn is not None  # noqa: S101 - the last event of every turn
    return ChatAnswer(turn, tools, changes)


async def _as_events(request: Request, pieces: AsyncIterator[Event | Change]) -> AsyncIterator[bytes]:
    try:
        async for piece in pieces:
            if isinstance(piece, Ended):
                yield event_stream.event("ended", piece.turn)
            else:
                yield event_stream.event(_NAMES.get(type(piece).__name__, type(piece).__name__.lower()), asdict(piece))
    except MemgptError as error:
        status = problems.status_of(error)
        problem = problems.response(status, problems.detail_of(error), request_id=problems.request_id(request))
        yield b"event: error\ndata: %s\n\n" % bytes(problem.body)


_NAMES: Final = {"ToolCalled": "tool_called", "ToolReturned": "tool_returned"}


async def _chained(first: Event | Change, rest: AsyncIterator[Event | Change]) -> AsyncIterator[Event | Change]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()  # type: ignore[attr-defined]


async def _pieces(turns: Turns, agent: Agent, happening: Generator[Event]) -> AsyncIterator[Event | Change]:
    """Yield the events of a turn, and after each tool call what it changed. If the reader stops, the turn is cancelled,
    also while the model is silent."""
    name = (agent.memory.agent, agent.session)
    turns.setdefault(name, agent)
    step: Future[Event | None] | None = None
    ended = False
    try:
        last = await _in_thread(_newest, agent.memory)
        while not ended:
            step = _turns.pool.submit(next, happening, None)
            piece = await asyncio.shield(asyncio.wrap_future(step))
            assert piece is not None  # noqa: S101 - Ended is the last
            ended = isinstance(piece, Ended)
            yield piece
            if isinstance(piece, ToolReturned):
                for change in await _in_thread(_changes, agent.memory, last):
                    last = change.id
                    yield change
    except MemgptError:
        ended = True
        raise
    finally:
        if turns.get(name) is agent:
            del turns[name]
        if not ended:  # in a thread of its own: those of the turns may all wait for models
            threading.Thread(target=_cancelled, args=(agent, happening, step), name="memgpt-chat-end").start()


async def _in_thread(work: Callable[..., T], *given: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(_turns.pool, work, *given)


def _newest(memory: Memory) -> int:
    return next((change.id for change in memory.history(limit=1)), 0)


def _changes(memory: Memory, last: int) -> Sequence[Change]:
    newest = memory.history(limit=MOST_CHANGES)
    return [change for change in reversed(newest) if change.id > last and change.kind != "message"]


def _cancelled(agent: Agent, happening: Generator[Event], step: Future[Event | None] | None) -> None:
    """End a turn that nobody reads. A step that waits for the model notices within a moment."""
    try:
        if step is not None and not step.done():
            agent.cancel()
            step.exception()
        happening.close()
    except MemgptError as error:  # it ended meanwhile, or the database is away: resume goes on
        log.info("a turn of agent %r was not cancelled: %s", agent.memory.agent, error)
