"""Forgetting for good, with a count of what was removed that anybody can verify."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import get_args
from uuid import uuid4

from memgpt import validation
from memgpt.agents.forget_store import ForgetStore, Texts
from memgpt.database.deadlines import without_deadline
from memgpt.database.tables import by_kind
from memgpt.embeddings import Purpose
from memgpt.embeddings.cache import cache_key
from memgpt.errors import NotFoundError
from memgpt.history.history import row_kind
from memgpt.scope.scope import AgentScope


def forget(
    scope: AgentScope, id: int, kind: str, *, keep_history: bool = False, preview: bool = False
) -> dict[str, int]:
    """Remove a row, what is derived from it, and their history; see :meth:`memgpt.Memory.forget`."""
    chosen = row_kind(kind)
    validation.row_id(id)
    with _removal(scope, preview) as store:
        counts, texts = store.rows(chosen, [id], keep_history=keep_history)
        if not any(counts.values()):
            raise NotFoundError(f"agent {scope.agent_id!r} has no {kind} {id}, and nothing of it in the history")
        _forget_vectors(store, texts)
    return counts


def forget_many(scope: AgentScope, ids: Sequence[int], kind: str) -> dict[str, int]:
    """Remove rows of one kind, what is derived from them, and their history, in one transaction; what is not there is
    forgotten already."""
    if not ids:
        return {}
    with _removal(scope) as store:
        counts, texts = store.rows(row_kind(kind), [*ids], keep_history=False)
        _forget_vectors(store, texts)
    return counts


def forget_session(
    scope: AgentScope, session: str, *, keep_history: bool = False, preview: bool = False
) -> dict[str, int]:
    """Remove a whole conversation and what is derived from it; see :meth:`memgpt.Memory.forget`."""
    name = validation.name(session, "session")
    with _removal(scope, preview) as store:
        messages = store.session_messages(name)
        counts, texts = store.rows("message", messages, keep_history=keep_history)
        counts |= store.turns(name)
        if not any(counts.values()):
            raise NotFoundError(f"agent {scope.agent_id!r} has no session {name!r}, and nothing of it in the history")
        _forget_vectors(store, texts)
    return counts


def forget_agent(scope: AgentScope, *, preview: bool = False) -> dict[str, int]:
    """Remove everything of the agent; see :meth:`memgpt.Memory.forget_agent`."""
    with _removal(scope, preview) as store:
        return store.agent(change_id=uuid4())


@contextmanager
def _removal(scope: AgentScope, preview: bool = False) -> Iterator[ForgetStore]:
    """Open a transaction to remove in; a preview is taken back, so it counts exactly what would be removed."""
    scope.write_payments()  # or vectors of what is forgotten would be written afterwards
    with (
        scope.transaction() as connection,
        without_deadline(connection),
        connection.transaction(force_rollback=True) if preview else nullcontext(),
    ):
        yield ForgetStore(connection, scope.author)
    if not preview:
        scope.database.caches.forget(scope.agent_id)


def _forget_vectors(store: ForgetStore, texts: Texts) -> None:
    """Remove the cached vectors of texts that are forgotten, and of no others."""
    embedded: set[str] = set()
    for kind, row in texts:
        if (table := by_kind()[kind]).texts:
            embedded |= {row[table.texts[0]], table.embedded(row)}
    if embedded:
        ways = [(purpose, dimensions) for purpose in get_args(Purpose) for dimensions in store.dimensions()]
        store.vectors([cache_key(text, *way) for text in embedded for way in ways])
