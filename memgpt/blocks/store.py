"""Core memory: labelled blocks, an agent's own and those that are shared with it."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from memgpt.database import queries
from memgpt.database.single_statement import with_agent
from memgpt.models import Author, Block
from memgpt.models.block import BlockChange

SQL = queries.beside(__name__)


class BlockStore:
    """The rows of ``core_memories`` one agent sees, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def get(self, label: str, *, lock: bool = False) -> Block | None:
        """Return the block seen under a label, the agent's own before a shared one. Locked, it stays as read until the
        transaction ends."""
        with self._connection.cursor(row_factory=class_row(Block)) as cursor:
            query = SQL.get_locked if lock else SQL.get
            return cursor.execute(query, {"agent_id": self._author.agent_id, "label": label}).fetchone()

    def changes(self, block: Block, *, most: int, replaced: int) -> Sequence[BlockChange]:
        """Return what was done to a block of the agent's own, newest first."""
        parameters = {"agent_id": block.agent_id, "id": block.id, "most": most, "replaced": replaced}
        with self._connection.cursor(row_factory=class_row(BlockChange)) as cursor:
            return cursor.execute(SQL.changes, parameters).fetchall()

    def list(self) -> Sequence[Block]:
        """Every block the agent sees, oldest first."""
        with self._connection.cursor(row_factory=class_row(Block)) as cursor:
            return cursor.execute(SQL.list, {"agent_id": self._author.agent_id}).fetchall()

    def seen_by(self, agents: builtins.list[str], label: str) -> Sequence[str]:
        """Return those of these agents that already see a block of that label which is not this agent's."""
        parameters = {"agents": agents, "label": label, "agent_id": self._author.agent_id}
        return [row[0] for row in self._connection.execute(SQL.seen_by, parameters)]

    def insert(
        self, label: str, *, change_id: UUID, value: str, description: str, limit: int, read_only: bool = False
    ) -> Block | None:
        """Insert a block; return None if the agent has one of that label."""
        parameters = {
            "label": label,
            "value": value,
            "description": description,
            "limit": limit,
            "read_only": read_only,
            "agent_id": self._author.agent_id,
            "own_agent_id": self._author.agent_id,
            "actor": self._author.actor,
            "change_id": change_id,
        }
        with self._connection.cursor(row_factory=class_row(Block)) as cursor:
            return cursor.execute(with_agent(SQL.insert, self._connection), parameters).fetchone()

    def update(
        self,
        block: Block,
        *,
        change_id: UUID,
        value: str | None = None,
        description: str | None = None,
        limit: int | None = None,
        read_only: bool | None = None,
        shared_with: builtins.list[str] | None = None,
    ) -> Block | None:
        """Change what is given of a block just read, keep the rest; None where somebody changed it since."""
        parameters = {
            "value": value,
            "description": description,
            "limit": limit,
            "read_only": read_only,
            "shared_with": shared_with,
            **self._version(block, change_id),
        }
        with self._connection.cursor(row_factory=class_row(Block)) as cursor:
            return cursor.execute(with_agent(SQL.update, self._connection), parameters).fetchone()

    def delete(self, block: Block, *, change_id: UUID) -> bool:
        """Remove a block just read, keeping it in the history; False where somebody changed it since."""
        return bool(self._connection.execute(SQL.delete, self._version(block, change_id)).rowcount)

    def _version(self, block: Block, change_id: UUID) -> dict[str, Any]:
        """One version of a block, and who changes it. The owner's history names the agent a block is shared with."""
        own = block.agent_id == self._author.agent_id
        return {
            "agent_id": block.agent_id,
            "own_agent_id": self._author.agent_id,
            "id": block.id,
            "version": block.version,
            "change_id": change_id,
            "actor": self._author.actor if own else f"{self._author.actor}@{self._author.agent_id}",
        }
