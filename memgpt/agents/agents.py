"""Agents as a whole: list, describe, rename, copy, delete them, and carry their memory in a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO, cast
from uuid import uuid4

from psycopg.errors import UniqueViolation

from memgpt import embeddings, validation
from memgpt.agents import transfer
from memgpt.agents.forget_store import ForgetStore
from memgpt.agents.store import AgentStore
from memgpt.config import Settings, settings
from memgpt.database.connection import Connection, Database
from memgpt.database.deadlines import without_deadline
from memgpt.errors import ConflictError, InputError, NotFoundError
from memgpt.models import AgentInfo, Author, Imported, Json
from memgpt.scope.opening import open_database
from memgpt.scope.scope import AgentScope

MOST_COUNTED: Final = 10_000
"""Rows of one agent and table that a list counts; a person does not tell more apart."""


class Agents:
    """All the agents of one database. A context manager.

    Args:
        dsn: a PostgreSQL connection string; absent, ``DATABASE_URL`` or libpq's variables, else the embedded server.
        actor: in whose name changes are recorded in the history.
        options: settings; absent, those of the environment.
        database: an open database to share; it is not closed with this object.
    """

    def __init__(
        self,
        dsn: str | None = None,
        *,
        actor: str = "api",
        options: Settings | None = None,
        database: Database | None = None,
    ) -> None:
        self._options = options or settings()
        self._actor = validation.name(actor, "actor")
        self._shared = database is not None
        self._database = open_database(dsn, self._options) if database is None else database

    def create(
        self, agent_id: str, description: str = "", metadata: Json | None = None, *, time_zone: str | None = None
    ) -> AgentInfo:
        """Describe a new agent. Not needed before writing: the first write creates it.

        ``time_zone`` is that of its people, such as ``Europe/Vienna``; see :attr:`memgpt.Memory.time_zone`.

        Raises:
            ConflictError: there is an agent of that id.
        """
        name = _agent_id(agent_id)
        about = validation.description(description)
        zone = None if time_zone is None else validation.time_zone(time_zone)
        facts = validation.json_object(metadata, "metadata")
        with self._database.transaction() as connection:
            store = AgentStore(connection)
            if not store.create(name, description=about, metadata=facts, time_zone=zone):
                raise ConflictError(f"there is an agent {name!r} already")
            return store.describe([name])[0]

    def list(
        self, *, limit: int | None = None, after: str | None = None, prefix: str | None = None
    ) -> Sequence[AgentInfo]:
        """Return agents by id, with their sizes: also those that nobody created and that have rows only.

        Of each table at most 10,000 rows of an agent are counted; ``more_rows`` names those with more.

        Args:
            limit: length of a page; absent, all agents.
            after: id of the last agent of the page before.
            prefix: what the ids begin with.
        """
        most = None if limit is None else validation.limit(limit)
        begins = validation.text(prefix, "prefix", most=validation.MAX_AGENT_ID) if prefix else None
        by_code_point = self._database.server.by_code_point

        def work(connection: Connection) -> Sequence[AgentInfo]:
            with without_deadline(connection) if most is None else nullcontext():
                return AgentStore(connection).page(
                    limit=most, after=after, prefix=begins, most=MOST_COUNTED, by_code_point=by_code_point
                )

        return self._database.read(work)

    def describe(self, agent_id: str) -> AgentInfo:
        """Return one agent with its size; all its rows are counted.

        Raises:
            NotFoundError: no agent has that id.
        """
        described = self._database.read(lambda connection: AgentStore(connection).describe([agent_id]))
        if not described:
            raise _not_found(agent_id)
        return described[0]

    def rename(self, old: str, new: str) -> None:
        """Give an agent's memory, history included, another id; ids of its rows stay, and blocks shared with it are
        shared with the new one.

        Raises:
            NotFoundError: no agent has the old id.
            ConflictError: an agent has the new one.
        """
        with self._copied(old, new) as (connection, name):
            change_id = uuid4()
            AgentStore(connection).reshare(old, name, change_id=change_id, actor=self._actor)
            ForgetStore(connection, Author(old, self._actor)).agent(change_id=change_id)

    def fork(self, source: str, target: str) -> None:
        """Copy an agent's whole memory, history included, to a new agent: the same ids, and from then on apart.

        Raises:
            NotFoundError: no agent has the source's id.
            ConflictError: an agent has the target's.
        """
        with self._copied(source, target):
            pass

    def delete(self, agent_id: str) -> Mapping[str, int]:
        """Remove an agent's whole memory for good, history included. There is no undo.

        Returns:
            How many rows of each table were removed.

        Raises:
            NotFoundError: no agent has that id.
        """
        with self._database.transaction() as connection, without_deadline(connection):
            if not AgentStore(connection).occupied(agent_id):
                raise _not_found(agent_id)
            counts = ForgetStore(connection, Author(agent_id, self._actor)).agent(change_id=uuid4())
        self._database.caches.forget(agent_id)
        return counts

    def export(
        self, agent_id: str, file: str | os.PathLike[str] | TextIO, *, vectors: bool = True, history: bool = False
    ) -> Mapping[str, int]:
        """Write an agent's memory, as it is at one moment, to a file of JSON lines; answers the rows per table.

        A path appears when the file is complete, in the place of one that was there.

        Raises:
            NotFoundError: no agent has that id.
        """
        if not isinstance(file, str | os.PathLike):
            return self._export(agent_id, file, vectors=vectors, history=history)
        path = Path(file)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=f"{path.name}.", delete=False
        ) as part:
            try:
                counts = self._export(agent_id, cast(TextIO, part), vectors=vectors, history=history)
            except BaseException:
                Path(part.name).unlink()
                raise
        Path(part.name).replace(path)
        return counts

    def import_(
        self, file: str | os.PathLike[str] | TextIO, agent_id: str | None = None, *, reembed: bool = False
    ) -> Imported:
        """Read an exported memory into an agent: that one, or the one it was exported from.

        The whole file is checked first, and everything is written in one transaction. Rows that are there already are
        skipped, so that it can be repeated. Texts without a vector are embedded by the configured model; ``reembed``
        also replaces vectors of other models.

        Raises:
            InputError: names the bad line; nothing was written.
            ConflictError: a row of that id is there and differs; names the line.
            ModelMismatchError: the vectors are another model's, and ``reembed`` is not given.
        """
        with _opened(file) as lines:
            head = transfer.header(lines)
            scope = self._scope(_agent_id(agent_id or head.agent["agent_id"]))
            transfer.check(scope, lines, reembed=reembed)

            def write() -> Imported:
                with self._database.transaction() as connection, without_deadline(connection):
                    scope.hold_model(connection)
                    return transfer.load(connection, scope, lines, reembed=reembed)

            imported = scope.repeat_on_switch(write)
        for table, rows in imported.inserted.items():
            scope.new_rows.add(table, rows)
        scope.new_rows.vacuum()
        return imported

    def close(self) -> None:
        """Return the connections; the embedded server stops when nobody uses it any more."""
        if not self._shared:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _scope(self, agent_id: str) -> AgentScope:
        author = Author(agent_id, self._actor)
        return AgentScope(self._database, author, embeddings.from_settings(self._options), self._options)

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        """Open a transaction that sees one moment of the database, and fails rather than lose a concurrent write."""
        with self._database.transaction() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            with without_deadline(connection):
                yield connection

    @contextmanager
    def _copied(self, source: str, target: str) -> Iterator[tuple[Connection, str]]:
        name = _agent_id(target)
        try:
            with self._snapshot() as connection:
                store = AgentStore(connection)
                if not store.occupied(source):
                    raise _not_found(source)
                if store.occupied(name):
                    raise ConflictError(f"there is an agent {name!r} already: choose another id, or delete it first")
                store.copy(source, name)
                store.create(name)
                yield connection, name
        except ConflictError as error:
            if isinstance(error.__cause__, UniqueViolation):
                raise ConflictError(f"an agent {name!r} is being written by somebody else") from error
            raise

    def _export(self, agent_id: str, file: TextIO, *, vectors: bool, history: bool) -> Mapping[str, int]:
        with self._snapshot() as connection:
            if not AgentStore(connection).occupied(agent_id):
                raise _not_found(agent_id)
            return transfer.export(connection, self._scope(agent_id), file, vectors=vectors, history=history)


@contextmanager
def _opened(file: str | os.PathLike[str] | TextIO) -> Iterator[TextIO]:
    """Open a file that can be read twice; a pipe, which cannot, is copied to a temporary file."""
    if isinstance(file, str | os.PathLike):
        try:
            with open(file, encoding="utf-8") as lines:
                yield lines
        except FileNotFoundError:
            raise InputError(f"there is no file {os.fspath(file)!r}") from None
    elif file.seekable():
        yield file
    else:
        with tempfile.TemporaryFile("w+", encoding="utf-8") as copy:
            copy.writelines(file)
            yield copy


def _agent_id(value: object) -> str:
    return validation.agent_id(value)


def _not_found(agent_id: str) -> NotFoundError:
    return NotFoundError(f"there is no agent {agent_id!r}")
