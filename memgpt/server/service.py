"""Service shared by its faces (HTTP, MCP): keys, isolated memories, rates and the audit log."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from psycopg.rows import class_row, dict_row

from memgpt import embeddings, validation
from memgpt.agents.store import AgentStore
from memgpt.config import Settings, settings
from memgpt.database import forks, queries
from memgpt.database.connection import Connection
from memgpt.database.isolation import LAST_CHARACTER, Tenancy
from memgpt.database.slow_queries import SlowStatements
from memgpt.errors import AccessError, DatabaseError, ForbiddenError, NotFoundError
from memgpt.memory import Memory
from memgpt.models import PERMISSIONS, AgentInfo, AgentRow, Json, Key, Permission
from memgpt.scope.opening import open_database
from memgpt.server.audit import Audit
from memgpt.server.keys import Keys
from memgpt.server.rates import Rates

if TYPE_CHECKING:
    from memgpt.agent.chat_model import ChatModel
    from memgpt.jobs import Jobs

SQL = queries.beside(__name__)

MOST_MEMORIES: Final = 1000
"""Open memories kept for the next request; the least used goes first."""


COUNTED_TO: Final = 10_000
"""Rows of a table that are counted for a list of agents: more are "10,000+"."""


@dataclass(frozen=True, slots=True)
class NamedThing:
    """An agent, or a core memory block or an entity of one, by its name."""

    kind: Literal["agent", "block", "entity"]
    id: int | None
    """Of an entity."""
    name: str


BlocksSeen = dict[str, tuple[object, ...]]
"""By label, what differs after any change of the block that an agent sees under it."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Rows that were added to an agent in a day, in UTC."""

    day: date
    rows: int


@dataclass(frozen=True, slots=True)
class Caller:
    """Sender of a request, and the agents and permissions of their key."""

    key: Key | None
    """None when the service runs without keys."""

    @property
    def name(self) -> str:
        """As the history names the actor."""
        return "api" if self.key is None else f"key:{self.key.key_id}"

    @property
    def agents(self) -> tuple[str, ...]:
        return ("*",) if self.key is None else tuple(self.key.agents)

    @property
    def only_agent(self) -> str | None:
        """The agent of a key that reaches one."""
        return self.agents[0] if len(self.agents) == 1 and not self.agents[0].endswith("*") else None

    def may(self, permission: Permission, agent_id: str) -> bool:
        """Tell whether the key has a permission for an agent; ``*`` is every agent."""
        held: Iterable[Permission] = PERMISSIONS if self.key is None else self.key.permissions
        return permission in held and Tenancy(self.agents).allows(agent_id)

    def require(self, permission: Permission, agent_id: str | None = None) -> None:
        """Refuse a caller whose key lacks a permission or has no access to an agent.

        Raises:
            ForbiddenError: the key may not do this, or not to this agent.
        """
        held: Iterable[Permission] = PERMISSIONS if self.key is None else self.key.permissions
        if permission not in held:
            raise ForbiddenError(f"this key has no {permission!r} permission")
        if agent_id is not None and not Tenancy(self.agents).allows(agent_id):
            raise ForbiddenError(f"this API key has no access to agent {agent_id!r}")


def token_of(authorization: str | None, api_key: str | None = None) -> str | None:
    """Return the token of a header ``Authorization: Bearer …``, else that of ``x-api-key``, as Anthropic's clients
    send it."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else api_key


class Service:
    """One running service. Threads may share it.

    Args:
        keys_required: False lets everybody do everything; for a loopback address only.
        explain_slower_than: milliseconds after which a statement is noted with its plan; None: none are.
    """

    def __init__(
        self,
        options: Settings | None = None,
        *,
        keys_required: bool = True,
        explain_slower_than: float | None = None,
    ) -> None:
        self.options = options or settings()
        self.keys_required = keys_required
        self.slow = None if explain_slower_than is None else SlowStatements(explain_slower_than)
        self.database = open_database(None, self.options, self.slow)
        self.embedder = embeddings.from_settings(self.options)
        self.keys = Keys(self.database)
        self.rates = Rates()
        self.audit = Audit(self.database)
        self._memories: OrderedDict[tuple[str, str, tuple[str, ...]], Memory] = OrderedDict()
        self._lock = forks.lock()
        self._setting_up = forks.lock()
        self._queue_installed = False
        self._chat_model: ChatModel | None = None

    def known_caller(self, token: str | None) -> Caller | None:
        """Return the caller, if they are known without asking the database."""
        if not self.keys_required:
            return Caller(None)
        key = self.keys.known(token) if token else None
        return None if key is None else Caller(key)

    def caller(self, token: str | None) -> Caller:
        """Return the caller with this token.

        Raises:
            AccessError: there is no key, or it is not valid.
        """
        if not self.keys_required:
            return Caller(None)
        if not token:
            raise AccessError(
                "this needs a key: send the header 'Authorization: Bearer memgpt_…' or 'x-api-key: memgpt_…'"
            )
        return Caller(self.keys.authenticate(token))

    def memory(self, caller: Caller, agent_id: str, permission: Permission) -> Memory:
        """Open the memory of one agent as this caller sees it; the database itself keeps it to that agent.

        Raises:
            ForbiddenError: the key may not do this.
        """
        return self._memory(caller, validation.agent_id(agent_id), permission)

    def _memory(self, caller: Caller, agent_id: str, permission: Permission) -> Memory:
        caller.require(permission, agent_id)
        name = (agent_id, caller.name, caller.agents)
        with self._lock:
            memory = self._memories.get(name)
            if memory is not None:
                self._memories.move_to_end(name)
                return memory
        database = self.database.isolated(Tenancy(caller.agents, agent_id))
        memory = Memory(agent_id, actor=caller.name, options=self.options, database=database, embedder=self.embedder)
        with self._lock:
            self._memories[name] = memory
            if len(self._memories) > MOST_MEMORIES:
                self._memories.popitem(last=False)
        return memory

    def jobs(self, caller: Caller, agent_id: str, permission: Permission) -> Jobs:
        """Open the jobs of one agent, or those that concern every agent (``*``), as this caller sees them.

        Raises:
            ForbiddenError: the key may not do this.
        """
        from memgpt.jobs import Jobs, queue  # MCP over stdio does without the queue's library

        memory = self._memory(caller, validation.agent_id(agent_id, or_every=True), permission)
        with self._setting_up:
            if not self._queue_installed:
                queue.install(self.database)
                self._queue_installed = True
        return Jobs(memory)

    def chat_model(self) -> ChatModel:
        """Return the model agents speak through; one for all, with its connections.

        Raises:
            ConfigurationError: none is configured, or it cannot be used.
        """
        from memgpt.agent.loop import chat_model

        with self._setting_up:
            if self._chat_model is None:
                self._chat_model = chat_model(None, self.options)
            return self._chat_model

    def agents(
        self, caller: Caller, *, after: str | None = None, limit: int = 50, prefix: str | None = None
    ) -> Sequence[AgentRow]:
        """List the agents of the caller's key, by id; with a prefix those whose id begins so."""
        caller.require("read")
        scope = Tenancy(caller.agents)
        if (begins := validation.optional_name(prefix, "prefix")) is not None:
            scope = scope.narrowed(begins)
        ranges = scope.ranges(by_code_point=self.database.server.by_code_point)
        limit = validation.limit(limit)
        database = self.database.isolated(scope)
        return database.read(lambda connection: AgentStore(connection).page_of_key(ranges, after=after, limit=limit))

    def described(self, caller: Caller, agent_ids: Sequence[str]) -> dict[str, AgentInfo]:
        """Return some agents of the caller's key with what they hold; of each table :data:`COUNTED_TO` rows count."""
        caller.require("read")
        reached = [agent_id for agent_id in agent_ids if caller.may("read", agent_id)]
        agents = self.database.read(lambda connection: AgentStore(connection).describe(reached, most=COUNTED_TO))
        return {agent.agent_id: agent for agent in agents}

    def named(self, caller: Caller, prefix: str, agent_id: str | None, *, limit: int) -> Sequence[NamedThing]:
        """Return what begins with a text, in upper or lower case: agents of the caller's key, and blocks and entities
        of one agent; at most so many of each kind, by name."""
        caller.require("read", agent_id)
        scope = Tenancy(caller.agents, agent_id or "")
        by_code_point = self.database.server.by_code_point
        spellings = sorted({prefix, prefix.lower(), prefix.upper(), prefix.capitalize(), prefix.title()})
        ranges = [scope.narrowed(spelling).ranges(by_code_point=by_code_point) for spelling in spellings]
        agents = [bounds for one in ranges for bounds in one.bounds]
        parameters = {
            "prefix": prefix,
            "agent_id": scope.agent_id,
            "limit": limit,
            "firsts": spellings,
            "lasts": [f"{spelling}{LAST_CHARACTER}" for spelling in spellings],
            "first_agents": [first for first, _ in agents],
            "last_agents": [last for _, last in agents],
            "anywhere": not by_code_point,
        }

        def work(connection: Connection) -> Sequence[NamedThing]:
            with connection.cursor(row_factory=class_row(NamedThing)) as cursor:
                return cursor.execute(SQL.named, parameters).fetchall()

        return self.database.isolated(scope).read(work)

    def blocks_seen(self, agent_ids: Sequence[str]) -> dict[str, BlocksSeen]:
        """Return in which state each of some agents sees its blocks. What is in them is not read; whose they are the
        caller has checked."""

        def work(connection: Connection) -> dict[str, BlocksSeen]:
            seen: dict[str, BlocksSeen] = {agent_id: {} for agent_id in agent_ids}
            for agent_id, label, *state in connection.execute(SQL.blocks_seen, {"agents": list(agent_ids)}):
                seen[agent_id][label] = tuple(state)
            return seen

        return self.database.read(work)

    def growth(self, caller: Caller, agent_id: str) -> Sequence[Growth]:
        """Return how many memories and messages were added in each of the last 30 days."""
        caller.require("read", agent_id)
        database = self.database.isolated(Tenancy(caller.agents, agent_id))

        def work(connection: Connection) -> Sequence[Growth]:
            with connection.cursor(row_factory=class_row(Growth)) as cursor:
                return cursor.execute(SQL.growth, {"agent_id": agent_id}).fetchall()

        return database.read(work)

    def changes_beside(self, caller: Caller, agent_id: str, at: datetime) -> tuple[datetime | None, datetime | None]:
        """Return when the last change that had begun by a moment began, and when the one after it did."""
        caller.require("read", agent_id)
        database = self.database.isolated(Tenancy(caller.agents, agent_id))
        parameters = {"agent_id": agent_id, "at": at}
        row = database.read(lambda connection: connection.execute(SQL.changes_beside, parameters).fetchone())
        assert row is not None  # noqa: S101 - the statement always gives one row
        return row[0], row[1]

    def agent(self, caller: Caller, agent_id: str) -> AgentRow:
        """Return one agent.

        Raises:
            NotFoundError: there is no such agent.
        """
        caller.require("read", agent_id)
        database = self.database.isolated(Tenancy(caller.agents, agent_id))
        row = database.read(lambda connection: AgentStore(connection).row(agent_id))
        if row is None:
            raise NotFoundError(f"there is no agent {agent_id!r}")
        return row

    def visited(self, caller: Caller, agent_id: str) -> tuple[AgentRow, int]:
        """Return one agent, and how many of its proposals wait to be decided: at most a hundred.

        Raises:
            NotFoundError: there is no such agent.
        """
        caller.require("read", agent_id)
        database = self.database.isolated(Tenancy(caller.agents, agent_id))

        def work(connection: Connection) -> dict[str, Any] | None:
            with connection.cursor(row_factory=dict_row) as cursor:
                return cursor.execute(SQL.visited, {"agent_id": agent_id}).fetchone()

        if (row := database.read(work)) is None:
            raise NotFoundError(f"there is no agent {agent_id!r}")
        waiting = row.pop("waiting")
        return AgentRow(**row), waiting

    def describe_agent(
        self,
        caller: Caller,
        agent_id: str,
        *,
        description: str | None = None,
        metadata: Json | None = None,
        time_zone: str | None = None,
        clear_time_zone: bool = False,
    ) -> AgentRow:
        """Describe an agent, which need not exist yet. What is absent stays; ``clear_time_zone`` makes it UTC again."""
        caller.require("write", validation.agent_id(agent_id))
        about = None if description is None else validation.description(description)
        facts = None if metadata is None else validation.json_object(metadata, "metadata")
        zone = None if time_zone is None else validation.time_zone(time_zone)
        with self.database.isolated(Tenancy(caller.agents, agent_id)).transaction() as connection:
            return AgentStore(connection).put(
                agent_id, description=about, metadata=facts, time_zone=zone, clear_time_zone=clear_time_zone
            )

    def check(self) -> None:
        """Check that requests can be served.

        Raises:
            MemgptError: requests cannot be served; the message says why.
        """
        role = self.options.db_role
        row = self.database.read(lambda connection: connection.execute(SQL.ready, {"role": role}).fetchone())
        if row is None or not row[1]:
            raise DatabaseError(
                f"the role {role}, as which requests run, is missing or belongs to somebody else. As an administrator: "
                f"CREATE ROLE {role} NOLOGIN; GRANT {role} TO the user of this service; then memgpt db migrate. Or set "
                "MEMGPT_DB_ROLE to another name, and run memgpt db migrate"
            )
        if not row[2]:
            raise DatabaseError(
                f"the policies of the tables are for another role than {role}: run memgpt db migrate, or set "
                "MEMGPT_DB_ROLE to that role"
            )

    def jobs_by_status(self) -> dict[str, int]:
        """Count waiting and running jobs of all agents; nothing while the database is away."""
        try:
            return dict(self.database.read(lambda connection: connection.execute(SQL.unfinished_jobs).fetchall()))
        except DatabaseError:
            return {}

    def close(self) -> None:
        """Write what is left of the audit log and return the connections."""
        self.audit.close()
        self.database.close()
