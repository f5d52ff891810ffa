"""The facade: one agent's whole memory. It composes the parts and delegates to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from memgpt import embeddings, inputs
from memgpt.archival import Archival
from memgpt.config import Settings, settings
from memgpt.database.connection import Database
from memgpt.documents import Documents
from memgpt.graph import Graph
from memgpt.messages import Messages
from memgpt.models import Author, Remembered
from memgpt.scope import Scope


class Memory:
    """The memory of one agent. Safe to share between threads; a context manager.

    Args:
        agent: the agent's id; its rows, and no others, are seen and written.
        dsn: a PostgreSQL connection string; absent, ``DATABASE_URL`` or libpq's variables, else the embedded server.
        actor: in whose name changes are recorded in the history.
        options: settings; absent, those of the environment.

    Raises:
        DatabaseError: PostgreSQL cannot be reached, or its schema is not migrated.
        ConfigurationError: a setting is wrong.
    """

    def __init__(
        self, agent: str | None = None, *, dsn: str | None = None, actor: str = "api", options: Settings | None = None
    ) -> None:
        options = options or settings()
        author = Author(inputs.text(agent or options.agent, "agent"), inputs.text(actor, "actor"))
        self._database = Database(dsn, options=options)
        self._scope = Scope(self._database, author, embeddings.from_settings(options), options)
        self.archival = Archival(self._scope)
        self.messages = Messages(self._scope)
        self.documents = Documents(self._scope)
        self.graph = Graph(self._scope)

    @property
    def agent(self) -> str:
        """The agent's id."""
        return self._scope.agent_id

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything this thread writes inside is committed together, or not at all."""
        with self._scope.transaction():
            yield

    def remember(self, text: str, **fields: Any) -> Remembered:
        """Keep a text for good; see :meth:`memgpt.archival.Archival.insert`."""
        return self.archival.insert(text, **fields)

    def remember_many(self, memories: Iterable[Mapping[str, Any]]) -> Sequence[Remembered]:
        """Keep many texts in one transaction; see :meth:`memgpt.archival.Archival.insert_many`."""
        return self.archival.insert_many(memories)

    def close(self) -> None:
        """Return the connections; the embedded server stops when nobody uses it any more."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
