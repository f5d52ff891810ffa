"""The history: what was done to a memory, taking it back, and reading the memory as it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import psycopg

from memgpt import validation
from memgpt.database.connection import Connection
from memgpt.database.deadlines import without_deadline
from memgpt.database.tables import Row, RowKind, by_kind
from memgpt.errors import ConflictError, ForbiddenError, InputError, MismatchError, NotFoundError
from memgpt.history.store import ChangeFilter, HistoryStore, Later, RowChange
from memgpt.models import (
    ACTIONS,
    Action,
    ArchivalMemory,
    Block,
    Change,
    Chunk,
    Document,
    Entity,
    Fact,
    File,
    Message,
    StoreItem,
)
from memgpt.scope.scope import AgentScope

_DELETED_LAST: Final[Sequence[RowKind]] = ("entity",)
"""After rows came back, for a fact may go back to the entity it was about before. Rows of other kinds are deleted
before, so that a label, a text or a source is free again."""

R = TypeVar("R", bound=Row)


class History:
    """The history of one agent's memory."""

    def __init__(self, scope: AgentScope) -> None:
        self._scope = scope

    def list(
        self,
        kind: str | None = None,
        id: int | None = None,
        *,
        label: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        change_id: UUID | str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> Sequence[Change]:
        """Return changes, newest first: of one kind of row, of one row (``kind`` and ``id``), or of the block
        ``label``.

        Args:
            kind: block, archival, message, document, chunk, entity, fact, item, file or file_chunk.
            actor: in whose name it was done.
            action: insert, update or delete.
            change_id: what one change did.
            since: not before this time.
            until: before this time.
            before: the ``id`` of the last change of the page before.
        """
        if label is not None and kind not in (None, "block"):
            raise MismatchError(f"only blocks have a label, not kind {kind!r}")
        if id is not None and kind is None:
            raise MismatchError(f"id {id} needs its kind: one of {', '.join(by_kind())}")
        chosen = None if kind is None else row_kind(kind)
        limit = validation.limit(limit)
        validation.optional_id(id)
        validation.optional_id(before, "before")
        if action is not None:
            validation.choice(action, ACTIONS, "action")
        wanted = ChangeFilter(
            kind=chosen,
            row_id=id,
            label=validation.optional_name(label, "label"),
            actor=validation.optional_name(actor, "actor"),
            action=cast("Action | None", action),
            change_id=None if change_id is None else _uuid(change_id),
            since=validation.moment(since, "since"),
            until=validation.moment(until, "until"),
        )
        return self._scope.read(
            lambda connection: HistoryStore(connection, self._scope.author).entries(wanted, limit=limit, before=before)
        )

    def undo(self, change_id: UUID | str | None = None) -> Sequence[Change]:
        """Take back a change as a whole: the last one that is not taken back yet, or the one named.

        An undo is a change itself, so undoing an undo does the change again. Vectors come back from the history
        without a model being asked; those of a model no longer active stay away, and the rows are found by their words.

        Returns:
            What the undo did, newest first.

        Raises:
            NotFoundError: there is nothing to undo, or no such change.
            ConflictError: a row was changed later, the change is taken back already, or something else took the place.
            ForbiddenError: isolated, and a block would be shared again with an agent that the key has no access to.
        """
        wanted = None if change_id is None else _uuid(change_id)
        with self._scope.change() as (connection, undo_id), without_deadline(connection):
            store = HistoryStore(connection, self._scope.author)
            store.lock_agent()
            undone = _undone(store.undos())
            wanted = wanted or store.last_change(undone)
            if wanted is None:
                raise NotFoundError(f"the history of agent {self._scope.agent_id!r} has nothing to undo")
            steps = store.steps(wanted)
            if not steps:
                raise NotFoundError(f"the history of agent {self._scope.agent_id!r} has no change {wanted}")
            if wanted in undone:
                raise ConflictError(f"change {wanted} is undone already: undo its undo to do it again")
            try:
                with connection.transaction():
                    _take_back(store, wanted, steps, undo_id)
            except psycopg.IntegrityError as error:
                detail = error.diag.message_detail or error.diag.message_primary
                raise ConflictError(
                    f"change {wanted} cannot be undone, because something else took its place: {detail}"
                ) from error
            except psycopg.errors.InsufficientPrivilege as error:
                raise ForbiddenError(
                    f"change {wanted} cannot be undone: a block would be shared again with an agent that "
                    "this API key has no access to"
                ) from error
            return store.entries(ChangeFilter(change_id=undo_id), limit=None)

    def is_applied(self, change_id: UUID) -> bool:
        """Tell whether a change is not taken back."""
        undos = self._scope.read(lambda connection: HistoryStore(connection, self._scope.author).undos())
        return change_id not in _undone(undos)


class AsOf:
    """A memory as it was at a time, rebuilt from the rows of today and the history since.

    The agent's own rows only. Counters of use (``accessed_at``, ``access_count``) are not in the history.
    """

    def __init__(self, scope: AgentScope, time: datetime) -> None:
        self._scope = scope
        self.time = time

    def blocks(self) -> Sequence[Block]:
        """Return the agent's own blocks."""
        return self._rows("block", Block)

    def block(self, label: str) -> Block:
        """Return the agent's own block of that label.

        Raises:
            NotFoundError: there was none.
        """
        for block in self.blocks():
            if block.label == label:
                return block
        raise NotFoundError(f"agent {self._scope.agent_id!r} had no block {label!r} at {self.time.isoformat()}")

    def archival(self, id: int) -> ArchivalMemory:
        return self._row("archival", ArchivalMemory, id)

    def message(self, id: int) -> Message:
        return self._row("message", Message, id)

    def document(self, id: int) -> Document:
        return self._row("document", Document, id)

    def chunk(self, id: int) -> Chunk:
        return self._row("chunk", Chunk, id)

    def file(self, id: int) -> File:
        return self._row("file", File, id)

    def entity(self, id: int) -> Entity:
        return self._row("entity", Entity, id)

    def fact(self, id: int) -> Fact:
        return self._row("fact", Fact, id)

    def item(self, id: int) -> StoreItem:
        return self._row("item", StoreItem, id)

    def rows(
        self, kind: str, *, after: int | None = None, limit: int | None = None, parent: str | int | None = None
    ) -> Sequence[Row]:
        """Return the rows of a kind, in the order of their ids: all, or one page.

        Args:
            after: the id of the last row of the page before.
            limit: most rows of one page; absent, all rows.
            parent: of messages the session, of chunks the id of the document.
        """
        chosen = row_kind(kind)
        validation.optional_id(after, "after")
        if limit is not None:
            validation.limit(limit)
        if parent is not None and chosen not in ("message", "chunk"):
            raise MismatchError(f"only messages have a session and chunks a document, not kind {kind!r}")
        if chosen == "chunk" and parent is not None:
            validation.row_id(parent if isinstance(parent, int) else _whole(parent), "parent")
        return self._rows(chosen, by_kind()[chosen].row_class, after=after, limit=limit, parent=parent)

    def _rows(self, kind: RowKind, of: type[R], id: int | None = None, **page: Any) -> Sequence[R]:
        def work(connection: Connection) -> Sequence[Row]:
            with without_deadline(connection):
                store = HistoryStore(connection, self._scope.author)
                return store.as_of(kind, self.time, id=id, **page)

        rows = self._scope.read(work)
        return [row for row in rows if isinstance(row, of)]

    def _row(self, kind: RowKind, of: type[R], id: int) -> R:
        validation.row_id(id)
        rows = self._rows(kind, of, id)
        if not rows:
            raise NotFoundError(f"agent {self._scope.agent_id!r} had no {kind} {id} at {self.time.isoformat()}")
        return rows[0]


def row_kind(value: str) -> RowKind:
    """Check a kind of row that the history keeps; the error names them all."""
    validation.choice(value, tuple(by_kind()), "kind")
    return next(kind for kind in by_kind() if kind == value)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise MismatchError(f"parent must be the id of a document, not {text!r}")
    return int(text)


def _uuid(value: UUID | str) -> UUID:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise InputError(f"change_id is not a UUID: {value!r}; history shows that of each entry") from None


def _undone(undos: Sequence[tuple[UUID, UUID]]) -> set[UUID]:
    """Return the changes that are taken back: by an undo that is not taken back itself."""
    undone: set[UUID] = set()
    for undo, undoes in reversed(undos):  # what undid an undo is newer, so it is decided already
        if undo not in undone:
            undone.add(undoes)
    return undone


def _take_back(store: HistoryStore, change: UUID, steps: Sequence[RowChange], undo_id: UUID) -> None:
    first: dict[tuple[RowKind, int], RowChange] = {}
    vectors: dict[tuple[RowKind, int], RowChange] = {}
    for step in steps:
        first.setdefault((step.kind, step.row_id), step)
        if step.has_vector:
            vectors.setdefault((step.kind, step.row_id), step)
    ids = [step.id for step in steps]
    _refuse_if_changed(change, store.later(ids, undone=change, change_id=undo_id))
    for kind in reversed([*by_kind()]):  # the rows that refer to others first
        if kind not in _DELETED_LAST:
            _delete(store, kind, first.values(), change, undo_id)
    for kind in by_kind():
        back = [step.id for step in first.values() if step.kind == kind and step.existed]
        if back:
            entries = [step.id for step in vectors.values() if step.kind == kind]
            store.put(kind, back, entries, change_id=undo_id, undoes=change)
    for kind in _DELETED_LAST:
        _delete(store, kind, first.values(), change, undo_id)
    # Now that we hold the rows: whoever changed them in between has committed, and is seen here.
    _refuse_if_changed(change, store.later(ids, undone=change, change_id=undo_id))


def _delete(store: HistoryStore, kind: RowKind, steps: Iterable[RowChange], change: UUID, undo_id: UUID) -> None:
    ids = [step.row_id for step in steps if step.kind == kind and not step.existed]
    if not ids:
        return
    left = sorted(set(ids) - set(store.delete(kind, ids, change_id=undo_id, undoes=change)))
    if left:
        raise ConflictError(
            f"change {change} cannot be undone: {kind} {left[0]} is gone, or something made later depends on it"
        )


def _refuse_if_changed(change: UUID, later: Sequence[Later]) -> None:
    """Later changes, newest first, are in the way unless they and their undo are both among them."""
    there = {entry.change_id for entry in later}
    cancelled: set[UUID] = set()
    for entry in later:
        if entry.change_id in cancelled:
            continue
        if entry.undoes is not None and entry.undoes in there:
            cancelled.add(entry.undoes)
            continue
        raise ConflictError(
            f"change {change} cannot be undone: {entry.kind} {entry.row_id} was changed later, at "
            f"{entry.changed_at.isoformat(timespec='seconds')} by {entry.actor!r} "
            f"(change {entry.change_id}); undo that first"
        )
