"""Proposals: changes that somebody may make, and what became of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from memgpt.database import queries
from memgpt.errors import NotFoundError
from memgpt.models import Author, Json, Proposal, ProposalKind, ProposalStatus

SQL = queries.beside(__name__)


@dataclass(frozen=True, slots=True)
class NewProposal:
    """A change to be proposed."""

    kind: ProposalKind
    reason: str
    change: Json
    about: Sequence[str]
    same_as: Sequence[object]
    """What makes it the same as another one of its kind, whatever its words are."""
    evidence: Json = field(default_factory=dict)
    score: float | None = None

    @property
    def fingerprint(self) -> UUID:
        text = json.dumps([self.kind, *self.same_as], default=str)
        return UUID(bytes=hashlib.sha256(text.encode()).digest()[:16])


class ProposalStore:
    """The rows of ``proposals`` of one agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def insert(self, proposal: NewProposal, *, status: ProposalStatus = "proposed") -> Proposal | None:
        """Insert a proposal; return None if the same was proposed before, whatever became of it."""
        parameters = self._parameters(
            kind=proposal.kind,
            status=status,
            reason=proposal.reason,
            score=proposal.score,
            about=[*proposal.about],
            evidence=Jsonb(proposal.evidence),
            change=Jsonb(proposal.change),
            fingerprint=proposal.fingerprint,
        )
        return self._one(SQL.insert, parameters)

    def known(self, fingerprints: Sequence[UUID]) -> set[UUID]:
        """Return those of these fingerprints that were proposed before."""
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            return set(cursor.execute(SQL.known, self._parameters(fingerprints=[*fingerprints])).fetchall())

    def get(self, id: int, *, lock: bool = False) -> Proposal:
        """One proposal. Locked, nobody else decides on it until the end of the transaction.

        Raises:
            NotFoundError: the agent has no proposal of that id.
        """
        proposal = self._one(SQL.get_locked if lock else SQL.get, self._parameters(id=id))
        if proposal is None:
            raise NotFoundError(f"agent {self._author.agent_id!r} has no proposal {id}")
        return proposal

    def list(
        self,
        *,
        limit: int,
        status: ProposalStatus | None = None,
        kind: ProposalKind | None = None,
        about: str | None = None,
        before: int | None = None,
    ) -> Sequence[Proposal]:
        """Proposals, newest first."""
        parameters = self._parameters(limit=limit, status=status, kind=kind, about=about, before=before)
        with self._connection.cursor(row_factory=class_row(Proposal)) as cursor:
            return cursor.execute(SQL.list, parameters).fetchall()

    def decide(self, id: int, status: ProposalStatus, *, change_id: UUID | None = None) -> Proposal:
        """Write down what became of a proposal."""
        decided = self._one(SQL.decide, self._parameters(id=id, status=status, change_id=change_id))
        assert decided is not None  # noqa: S101 - the caller holds the row
        return decided

    def _one(self, query: bytes, parameters: dict[str, Any]) -> Proposal | None:
        with self._connection.cursor(row_factory=class_row(Proposal)) as cursor:
            return cursor.execute(query, parameters).fetchone()

    def _parameters(self, **values: Any) -> dict[str, Any]:
        return {"agent_id": self._author.agent_id, "actor": self._author.actor, **values}
