"""Rows of ``api_keys``, ``audit_log`` and ``idempotent_answers``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from memgpt.database import queries
from memgpt.models import Json, Key

SQL = queries.beside(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit log."""

    logged_at: datetime
    request_id: str
    key_id: str | None
    agent_id: str | None
    action: str
    status: int
    client: str | None


@dataclass(frozen=True, slots=True)
class AuditLine(Entry):
    """One line of the audit log as it is read."""

    id: int


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which lines of the audit log are looked for; None: any."""

    key_id: str | None = None
    agent_id: str | None = None
    refused: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class IdempotentAnswer:
    """Response to a request with an Idempotency-Key; without a status it is still under way."""

    request_hash: bytes
    status: int | None
    headers: Json | None
    body: bytes | None


@dataclass(frozen=True, slots=True)
class IdempotencyClaim:
    """The right to answer a request with an Idempotency-Key."""

    key_id: str
    idempotency_key: str
    claimed_at: datetime


class KeyStore:
    """Keys of the service on a connection of the caller, which is the owner's, never a request's."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def insert(self, fields: Mapping[str, Any]) -> Key:
        [key] = self._keys(SQL.insert, fields)
        return key

    def get(self, key_id: str) -> Key | None:
        return next(iter(self._keys(SQL.get, {"key_id": key_id})), None)

    def list(self) -> Sequence[Key]:
        return self._keys(SQL.list, {})

    def any(self) -> bool:
        row = self._connection.execute(SQL.any).fetchone()
        return bool(row and row[0])

    def secret_hashes(self) -> Mapping[str, bytes]:
        """By the ids of all keys."""
        return dict(self._connection.execute(SQL.secret_hashes).fetchall())

    def revoke(self, key_id: str) -> Key | None:
        return next(iter(self._keys(SQL.revoke, {"key_id": key_id})), None)

    def expire(self, key_id: str, expires_at: datetime) -> None:
        self._connection.execute(SQL.expire, {"key_id": key_id, "expires_at": expires_at})

    def audit(self, entries: Sequence[Entry]) -> None:
        names = Entry.__slots__
        self._connection.execute(SQL.audit, {name: [getattr(entry, name) for entry in entries] for name in names})

    def prune_audit(self) -> None:
        self._connection.execute(SQL.prune_audit)

    def audited(self, chosen: AuditFilter, *, limit: int, before: int | None) -> Sequence[AuditLine]:
        with self._connection.cursor(row_factory=class_row(AuditLine)) as cursor:
            return cursor.execute(SQL.audited, asdict(chosen) | {"limit": limit, "before": before}).fetchall()

    def claim(
        self, key_id: str, idempotency_key: str, request_hash: bytes, agent_id: str | None
    ) -> IdempotencyClaim | None:
        """None where somebody has it, or has answered. The agent is whose memory the answer will tell of."""
        parameters = {
            "key_id": key_id,
            "idempotency_key": idempotency_key,
            "request_hash": request_hash,
            "agent_id": agent_id,
        }
        row = self._connection.execute(SQL.claim, parameters).fetchone()
        return None if row is None else IdempotencyClaim(key_id, idempotency_key, row[0])

    def answer(self, key_id: str, idempotency_key: str) -> IdempotentAnswer | None:
        with self._connection.cursor(row_factory=class_row(IdempotentAnswer)) as cursor:
            return cursor.execute(SQL.answer, {"key_id": key_id, "idempotency_key": idempotency_key}).fetchone()

    def keep_answer(self, claim: IdempotencyClaim, status: int, headers: Json, body: bytes) -> bool:
        """Keep the response of a claim; return False if the claim has become another request's."""
        parameters = {**asdict(claim), "status": status, "headers": Jsonb(headers), "body": body}
        return self._connection.execute(SQL.keep_answer, parameters).fetchone() is not None

    def give_up(self, claim: IdempotencyClaim) -> None:
        self._connection.execute(SQL.give_up, asdict(claim))

    def remove_old_answers(self) -> None:
        self._connection.execute(SQL.remove_old_answers)

    def _keys(self, statement: bytes, parameters: Mapping[str, Any]) -> Sequence[Key]:
        with self._connection.cursor(row_factory=class_row(Key)) as cursor:
            return cursor.execute(statement, parameters).fetchall()
