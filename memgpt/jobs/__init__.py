"""Long work in the background: jobs of an agent, the queue that carries them, the worker that does them."""

from memgpt.jobs.api import Jobs
from memgpt.jobs.kinds import KINDS, JobKind

__all__ = ["KINDS", "JobKind", "Jobs"]
