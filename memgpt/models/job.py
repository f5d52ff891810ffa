"""Long work, done by a worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from memgpt.models.json_object import Json

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]

JOB_STATUSES: tuple[JobStatus, ...] = ("queued", "running", "succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Job:
    """Long work of an agent, done by a worker."""

    agent_id: str
    """``*`` for what concerns every agent."""
    id: int
    kind: str
    arguments: Json
    status: JobStatus
    done: int
    """Steps done of ``total``; it never goes back."""
    total: int | None
    """None until it is known."""
    message: str
    """What is being done."""
    result: Json | None
    error: str | None
    """Why it failed, or why its last attempt did and it waits for the next."""
    requested_by: str
    attempts: int
    cancel_requested_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def finished(self) -> bool:
        return self.finished_at is not None
