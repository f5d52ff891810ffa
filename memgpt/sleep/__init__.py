"""Sleep-time work: what is done to a memory while nobody talks to its agent.

``run(memory)`` looks for what can be put in order and proposes it; with ``apply=True`` it does what is sure. Everything
is a proposal (``memory.proposals``), applied in one transaction and reversible.
"""

from memgpt.sleep.judge import judge
from memgpt.sleep.run import TASKS, SleepProgress, SleepReport, Task, TaskReport, run

__all__ = ["TASKS", "SleepProgress", "SleepReport", "Task", "TaskReport", "judge", "run"]
