"""Server-sent events: how one is written, and a job's progress as a stream of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool

from memgpt.errors import NotFoundError
from memgpt.jobs import Jobs
from memgpt.models import Job

EVENT_STREAM: Final = "text/event-stream"
_EVERY: Final = 0.5
"""Seconds between two looks at a job."""
_ALIVE: Final = 15.0
"""Seconds of silence after which a comment is sent, so that nobody in between gives the connection up."""
_LONGEST: Final = 600.0
"""Seconds after which a stream ends, and whoever still listens asks again: nobody holds a place for ever."""


def event(name: str, data: Any) -> bytes:
    """One event; ``data`` becomes JSON, which has no line breaks."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), to_json(data))


def stream(events: AsyncIterator[bytes]) -> StreamingResponse:
    """Events as they come; a proxy is asked not to hold them back."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type=EVENT_STREAM, headers=headers)


def watched(request: Request, jobs: Jobs, job: Job) -> StreamingResponse:
    """Stream a job's progress until its end, for ten minutes at most, or until the service stops."""
    return stream(_progress(jobs, job, lambda: bool(request.app.state.stopping())))


async def _progress(jobs: Jobs, job: Job, stopping: Callable[[], bool]) -> AsyncIterator[bytes]:
    yield event("job", job)
    said = began = time.monotonic()
    while not job.finished and not stopping() and time.monotonic() - began < _LONGEST:
        await asyncio.sleep(_EVERY)
        try:
            now = await run_in_threadpool(jobs.get, job.id)
        except NotFoundError:  # the agent was forgotten
            return
        if now != job:
            job = now
            yield event("job", job)
            said = time.monotonic()
        elif time.monotonic() - said >= _ALIVE:
            yield b": still there\n\n"
            said = time.monotonic()
