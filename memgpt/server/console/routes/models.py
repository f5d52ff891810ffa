"""The embedding model, and its change while the memory is in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import Form
from pydantic import BeforeValidator
from starlette.responses import Response

from memgpt import reembed
from memgpt.errors import ConflictError
from memgpt.models import Job
from memgpt.reembed import ReembedPlan, ReembedStatus
from memgpt.server.console import visits
from memgpt.server.console.texts import say
from memgpt.server.console.visits import Confirmed, Operating, OperatorVisit

router: Final = visits.router("/operations/models")

EVERY: Final = "*"
"""The agent whose jobs concern all."""
LOOKED_BACK: Final = 50

Model = Annotated[str, Form(min_length=1, max_length=1000)]
Rate = Annotated[float | None, BeforeValidator(lambda text: text or None), Form(gt=0, le=1_000_000)]


@dataclass(frozen=True, slots=True)
class ModelSwitch:
    """The state of a switch, and what can be done about it."""

    status: ReembedStatus
    job: Job | None
    """The last one that worked on a switch."""

    @property
    def at_work(self) -> bool:
        return self.status.at_work or (self.job is not None and not self.job.finished)

    @property
    def doable(self) -> frozenset[str]:
        """Of start, pause, resume, finish and roll-back."""
        switch = self.status.switch
        if self.at_work:
            return frozenset({"pause"} if self.job is not None and not self.job.finished else ())
        if switch is None or switch.state in ("finished", "rolled back", "cancelled"):
            return frozenset({"start"})
        return frozenset({"resume", "roll-back"} if switch.state == "running" else {"finish", "roll-back"})

    @property
    def resumed_by(self) -> tuple[str, dict[str, str]]:
        """The kind of work, and its arguments, that goes on with an interrupted switch."""
        switch = self.status.switch
        if switch is None or switch.backward:
            return "reembed-rollback", {}
        asked = self.job.arguments.get("to") if self.job is not None and self.job.kind == "reembed" else None
        return "reembed", {"to": asked or switch.to_model}


@router.get("")
def show_models(visit: Operating) -> Response:
    """Show the model of the memory, and how far a switch is."""
    return _page(visit, "", None)


@router.post("/plan")
def show_plan(visit: Operating, to: Model) -> Response:
    """Show what a switch would take; a sample is embedded, which a provider may charge."""
    return _page(visit, to, reembed.plan(to, options=visit.service.options))


@router.post("/start")
def start(visit: Confirmed, to: Model, rate: Rate = None) -> Response:
    """Begin a switch to another model."""
    _check(visit, "start")
    job = visit.operations.jobs_of(EVERY).add("reembed", {"to": to, "rate": rate})
    return visit.back(say("models.started", id=job.id), "models")


@router.post("/{step}")
def go_on(visit: Confirmed, step: Literal["pause", "resume", "finish", "roll-back"]) -> Response:
    """Pause a switch, go on with it, end it, or take it back."""
    now = _check(visit, step)
    jobs = visit.operations.jobs_of(EVERY)
    if step == "pause":
        assert now.job is not None  # noqa: S101 - what is not at work is not paused
        job = jobs.cancel(now.job.id)
    elif step == "resume":
        job = jobs.add(*now.resumed_by)
    else:
        job = jobs.add("reembed-finish" if step == "finish" else "reembed-rollback")
    return visit.back(say(f"models.asked_{step.replace('-', '_')}", id=job.id), "models")


def _check(visit: OperatorVisit, step: str) -> ModelSwitch:
    """Return the switch, where this can be done with it now.

    Raises:
        ConflictError: somebody was faster.
    """
    now = _switch(visit)
    if step not in now.doable:
        raise ConflictError(say("models.not_now"))
    return now


def _switch(visit: OperatorVisit) -> ModelSwitch:
    jobs = visit.operations.jobs_of(EVERY).list(limit=LOOKED_BACK)
    return ModelSwitch(visit.operations.model(), next((job for job in jobs if job.kind.startswith("reembed")), None))


def _page(visit: OperatorVisit, to: str, plan: ReembedPlan | None) -> Response:
    values = {"section": "models", "now": _switch(visit), "to": to, "plan": plan}
    return visit.page("models.html", values, part="switch")
