"""Recall memory: the messages of an agent's conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypedDict, Unpack
from uuid import UUID

from pgvector import Vector
from psycopg import Connection
from psycopg.rows import class_row, kwargs_row
from psycopg.types.json import Jsonb

from memgpt.database import queries
from memgpt.database.languages import noted
from memgpt.database.single_statement import guarded
from memgpt.errors import NotFoundError
from memgpt.models import ActiveModel, Author, Json, Message, Session

SQL = queries.beside(__name__)

BATCH: Final = 500
"""Rows sent in one statement: about 3 MB at 1536 dimensions."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be kept, checked and embedded."""

    role: str
    content: str
    session: str = "default"
    name: str | None = None
    intent: str | None = None
    intent_confidence: float | None = None
    tokens: int | None = None
    tool_calls: Sequence[Json] | None = None
    tool_call_id: str | None = None
    metadata: Json | None = None
    created_at: datetime | None = None
    embedding: Vector | None = None


class MessageChanges(TypedDict, total=False):
    """Columns of a message to change; those that are absent, or None, stay."""

    content: str | None
    tokens: int | None
    embedding: Vector | None
    embedding_model: str
    name: str | None
    intent: str | None
    intent_confidence: float | None
    metadata: Json | None


_UNCHANGED: Final[Mapping[str, None]] = dict.fromkeys(MessageChanges.__annotations__)


class MessageStore:
    """The rows of ``conversations`` of one agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def insert(
        self,
        messages: Sequence[NewMessage],
        *,
        change_id: UUID,
        languages: Sequence[str],
        model: ActiveModel,
        examples: int | None = None,
    ) -> tuple[ActiveModel, Sequence[Message]]:
        """Append at most ``BATCH`` messages in a single statement, which answers the active model; ids ascend in the
        order given, also over several calls in one transaction.

        ``examples`` is the version of those that the intents were found by: none is appended where there are others.
        """
        parameters = self._parameters(
            change_id=change_id,
            language=[*languages],
            noted=noted(languages),
            embedding_model=model.name,
            embedding_dimensions=model.dimensions,
            examples=examples,
            **_columns(messages),
        )
        with self._connection.cursor(row_factory=kwargs_row(_inserted)) as cursor:
            statement = guarded(SQL.insert, self._connection, noting=bool(parameters["noted"]))
            rows = cursor.execute(statement, parameters).fetchall()
        return rows[0][0], [message for _, message in rows if message is not None]

    def get(self, id: int) -> Message:
        """One message.

        Raises:
            NotFoundError: the agent has no message of that id.
        """
        with self._connection.cursor(row_factory=class_row(Message)) as cursor:
            message = cursor.execute(SQL.get, self._parameters(id=id)).fetchone()
        if message is None:
            raise self._not_found(id)
        return message

    def transcript_ids(self, session: str) -> set[str]:
        """Return the ids that the imported messages of a session have in their file."""
        return {id for (id,) in self._connection.execute(SQL.transcript_ids, self._parameters(session=session))}

    def list(
        self,
        *,
        limit: int,
        session: str | None = None,
        before: Message | None = None,
        roles: Sequence[str] | None = None,
        intent: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[Message]:
        """Return the newest messages that fit, newest last."""
        parameters = self._parameters(
            limit=limit,
            session=session,
            roles=None if roles is None else [*roles],
            intent=intent,
            since=since,
            until=until,
            before=before and before.created_at,
            before_id=before and before.id,
        )
        with self._connection.cursor(row_factory=class_row(Message)) as cursor:
            # Never prepared: which index serves depends on the filters given, which a generic plan does not see.
            return cursor.execute(SQL.list, parameters, prepare=False).fetchall()

    def voices(self, session: str, *, characters: int, limit: int) -> Sequence[tuple[str | None, str, str]]:
        """Name, role and beginning of the latest messages of a session."""
        parameters = self._parameters(session=session, characters=characters, limit=limit)
        return self._connection.execute(SQL.voices, parameters).fetchall()

    def sessions(self, *, limit: int, after: str | None = None) -> Sequence[Session]:
        """Return the conversations of the agent, the one last spoken in first, those that follow ``after``."""
        with self._connection.cursor(row_factory=class_row(Session)) as cursor:
            return cursor.execute(SQL.sessions, self._parameters(limit=limit, after=after)).fetchall()

    def update(self, id: int, *, change_id: UUID, **changes: Unpack[MessageChanges]) -> Message:
        """Change what is in ``changes``, keep the rest; a new intent replaces the confidence too."""
        parameters = self._parameters(id=id, change_id=change_id, **{**_UNCHANGED, **changes})
        parameters["embedding_model"] = None if parameters["embedding"] is None else parameters["embedding_model"]
        parameters["metadata"] = None if parameters["metadata"] is None else Jsonb(parameters["metadata"])
        with self._connection.cursor(row_factory=class_row(Message)) as cursor:
            message = cursor.execute(SQL.update, parameters).fetchone()
        if message is None:
            raise self._not_found(id)
        return message

    def delete(self, ids: Sequence[int], *, change_id: UUID) -> Sequence[int]:
        """Remove messages, keeping them in the history; answers the ids that were there."""
        rows = self._connection.execute(SQL.delete, self._parameters(ids=[*ids], change_id=change_id)).fetchall()
        return [row[0] for row in rows]

    def delete_session(self, session: str, *, change_id: UUID) -> int:
        """Remove a whole conversation, keeping it in the history; answers how many messages it had."""
        return self._connection.execute(
            SQL.delete_session, self._parameters(session=session, change_id=change_id)
        ).rowcount

    def lock_session(self, session: str) -> datetime:
        """Serialize what is added to a session by comparison with what it has; return the time it is from then on."""
        self._connection.execute(SQL.lock_session, self._parameters(session=session))
        row = self._connection.execute(SQL.clock).fetchone()
        assert row is not None  # noqa: S101 - there is always a time
        time: datetime = row[0]
        return time

    def count(self, *, session: str | None = None) -> int:
        row = self._connection.execute(SQL.count, self._parameters(session=session)).fetchone()
        assert row is not None  # noqa: S101 - count(*) always gives one row
        return int(row[0])

    def _parameters(self, **values: Any) -> dict[str, Any]:
        return {"agent_id": self._author.agent_id, "actor": self._author.actor, **values}

    def _not_found(self, id: int) -> NotFoundError:
        return NotFoundError(f"agent {self._author.agent_id!r} has no message {id}")


def _inserted(active_model: str, active_dimensions: int, **fields: Any) -> tuple[ActiveModel, Message | None]:
    return ActiveModel(active_model, active_dimensions), None if fields["id"] is None else Message(**fields)


def _columns(batch: Sequence[NewMessage]) -> dict[str, Any]:
    return {
        "session": [m.session for m in batch],
        "role": [m.role for m in batch],
        "name": [m.name for m in batch],
        "content": [m.content for m in batch],
        "intent": [m.intent for m in batch],
        "intent_confidence": [m.intent_confidence for m in batch],
        "tokens": [m.tokens for m in batch],
        "tool_calls": [None if m.tool_calls is None else Jsonb([*m.tool_calls]) for m in batch],
        "tool_call_id": [m.tool_call_id for m in batch],
        "metadata": [Jsonb(m.metadata or {}) for m in batch],
        "created_at": [m.created_at for m in batch],
        "embedding": [m.embedding for m in batch],
    }
