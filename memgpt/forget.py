"""Forgetting for good, with a count of what was removed that anybody can verify."""

from __future__ import annotations

from uuid import uuid4

from memgpt.errors import InputError, NotFoundError
from memgpt.history import row_kind
from memgpt.scope import Scope
from memgpt.stores.forget import ForgetStore


def forget(scope: Scope, id: int, kind: str, *, keep_history: bool = False) -> dict[str, int]:
    """Remove a row, what is derived from it, and their history; see :meth:`memgpt.Memory.forget`."""
    chosen = row_kind(kind)
    if isinstance(id, bool) or not isinstance(id, int):
        raise InputError(f"id must be a whole number, not {id!r}")
    with scope.transaction() as connection:
        counts = ForgetStore(connection, scope.author).row(chosen, id, keep_history=keep_history)
    scope.database.caches.forget(scope.agent_id)
    if not any(counts.values()):
        raise NotFoundError(f"agent {scope.agent_id!r} has no {kind} {id}, and nothing of it in the history")
    return counts


def forget_agent(scope: Scope) -> dict[str, int]:
    """Remove everything of the agent; see :meth:`memgpt.Memory.forget_agent`."""
    with scope.transaction() as connection:
        counts = ForgetStore(connection, scope.author).agent(change_id=uuid4())
    scope.database.caches.forget(scope.agent_id)
    return counts
