"""What folders and files had in common when they were last synchronized."""

from __future__ import annotations

from typing import Any

from memgpt.database import queries
from memgpt.database.connection import Connection

SQL = queries.beside(__name__)


class FileSyncStore:
    """The rows of ``file_syncs`` of one agent and one folder."""

    def __init__(self, connection: Connection, agent_id: str, folder: str) -> None:
        self._connection = connection
        self._keys = {"agent_id": agent_id, "folder": folder}

    def list(self) -> dict[str, str]:
        """Return the SHA-256 of each file, by its path below the folder."""
        rows: list[tuple[str, str]] = self._connection.execute(SQL.list, self._keys).fetchall()
        return dict(rows)

    def set(self, path: str, sha256: str | None) -> None:
        """Note what both sides have now; None where neither has the file."""
        parameters: dict[str, Any] = {**self._keys, "path": path}
        if sha256 is None:
            self._connection.execute(SQL.delete, parameters)
        else:
            self._connection.execute(SQL.set, {**parameters, "sha256": sha256})
