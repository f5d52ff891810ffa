"""One run of sleep-time work over one memory, task by task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from memgpt import validation
from memgpt.agent.chat_model import ChatModel
from memgpt.agent.loop import chat_model
from memgpt.errors import ChatError, InputError
from memgpt.graph.merging import SURE
from memgpt.memory import Memory, scope_of
from memgpt.models import Proposal, ProposalKind
from memgpt.sleep import blocks, consolidation, conversations, memories, standing
from memgpt.sleep.judge import judge

Task = Literal["expiry", "duplicates", "merges", "decay", "tidying", "consolidation", "facts", "standing"]

TASKS: Final[tuple[Task, ...]] = (
    "facts", "expiry", "duplicates", "merges", "decay", "standing", "tidying", "consolidation",
)  # fmt: skip
"""In the order in which they are done: new facts may name old things, what is there twice is not consolidated, and a
block is tidied with its new lines."""

_KIND: Final[Mapping[Task, ProposalKind]] = {
    "expiry": "expiry",
    "duplicates": "duplicates",
    "merges": "merge",
    "decay": "decay",
    "tidying": "tidying",
    "consolidation": "consolidation",
    "facts": "facts",
    "standing": "standing",
}
_NEEDS_MODEL: Final[frozenset[Task]] = frozenset({"consolidation", "facts"})
_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class TaskReport:
    """Outcome of one task."""

    proposed: int = 0
    """New proposals."""
    applied: int = 0
    """Proposals applied, those of earlier runs included."""
    outdated: Sequence[str] = ()
    """Why proposals could not be applied: what they are about was changed since. They are rejected."""
    error: str | None = None
    """The chat model failed; what was done before stays."""


@dataclass(frozen=True, slots=True)
class SleepReport:
    """Outcomes of a run."""

    agent_id: str
    apply: bool
    tasks: Mapping[Task, TaskReport] = field(default_factory=dict)

    @property
    def proposed(self) -> int:
        return sum(task.proposed for task in self.tasks.values())

    @property
    def applied(self) -> int:
        return sum(task.applied for task in self.tasks.values())


@dataclass(frozen=True, slots=True)
class SleepProgress:
    """Progress of a run: ``done`` tasks of ``total``, and the report so far."""

    done: int
    total: int
    task: Task | None
    """The one that begins; None at the end."""
    report: SleepReport


Told: TypeAlias = Callable[[SleepProgress], None]


def run(
    memory: Memory,
    *,
    tasks: Sequence[str] | None = None,
    apply: bool = False,
    model: str | None = None,
    progress: Told | None = None,
) -> SleepReport:
    """Look for what can be put in order in a memory, and propose it.

    Args:
        tasks: of ``TASKS``; absent, all that can be done: without a chat model those that need none.
        apply: also apply every open proposal of these tasks that is sure, each in its own transaction. Entity merges
            that nobody can be sure of stay proposed.
        model: ``provider:model`` at the configured address; absent, ``MEMGPT_CHAT_MODEL``, and without that no model
            is asked.
        progress: called before each task, and at the end. What it raises ends the run; what was done stays.

    Raises:
        InputError: there is no such task.
        ConfigurationError: a task was asked for that needs a chat model, and there is none.
    """
    wanted = _wanted(memory, tasks, model)
    options = scope_of(memory).options
    chat = chat_model(model, options) if model or options.chat_model or _NEEDS_MODEL & {*wanted} else None
    report = SleepReport(memory.agent, apply)
    for done, task in enumerate(wanted):
        if progress is not None:
            progress(SleepProgress(done, len(wanted), task, report))
        result = _task(memory, task, chat, apply)
        report = replace(report, tasks={**report.tasks, task: result})
    if progress is not None:
        progress(SleepProgress(len(wanted), len(wanted), None, report))
    return report


def _wanted(memory: Memory, tasks: Sequence[str] | None, model: str | None) -> Sequence[Task]:
    if tasks is None:
        able = bool(model or scope_of(memory).options.chat_model)
        return [task for task in TASKS if able or task not in _NEEDS_MODEL]
    for task in tasks:
        validation.choice(task, TASKS, "task")
    return [task for task in TASKS if task in tasks]


def _task(memory: Memory, task: Task, chat: ChatModel | None, apply: bool) -> TaskReport:
    error: str | None = None
    proposals: Sequence[Proposal] = ()
    try:
        proposals = _propose(memory, task, chat)
    except ChatError as failure:
        error = str(failure)
    report = TaskReport(proposed=len(proposals), error=error)
    return _applied(memory, _KIND[task], report) if apply else report


def _propose(memory: Memory, task: Task, chat: ChatModel | None) -> Sequence[Proposal]:
    match task:
        case "expiry":
            return memories.expiry(memory)
        case "duplicates":
            return memories.duplicates(memory)
        case "decay":
            return memories.decay(memory)
        case "merges":
            return memory.graph.propose_merges(judge=None if chat is None else judge(chat))
        case "tidying":
            return blocks.tidying(memory, chat)
        case "standing":
            return standing.standing(memory, chat)
        case "consolidation":
            assert chat is not None  # noqa: S101 - run() asked for one
            return consolidation.consolidation(memory, chat)
        case "facts":
            assert chat is not None  # noqa: S101 - run() asked for one
            return conversations.facts(memory, chat.name)


def _applied(memory: Memory, kind: ProposalKind, report: TaskReport) -> TaskReport:
    """Apply what is open and sure, the oldest first."""
    applied, outdated = 0, []
    for proposal in reversed(_open(memory, kind)):
        if proposal.score is not None and proposal.score < SURE:
            continue
        try:
            memory.proposals.apply(proposal.id)
            applied += 1
        except InputError as error:
            outdated.append(str(error))
            _reject(memory, proposal)
    return replace(report, applied=applied, outdated=outdated)


def _reject(memory: Memory, proposal: Proposal) -> None:
    if memory.proposals.get(proposal.id).status == "proposed":
        memory.proposals.reject(proposal.id)


def _open(memory: Memory, kind: ProposalKind) -> Sequence[Proposal]:
    proposals: list[Proposal] = []
    before = None
    while page := memory.proposals.list("proposed", kind=kind, limit=_PAGE, before=before):
        proposals += page
        before = page[-1].id
    return proposals
