"""ADK's ``BaseMemoryService``: sessions are conversations, explicit memories archival ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Self, TypeVar
from urllib.parse import quote

from google.adk.events import Event
from google.adk.memory import BaseMemoryService
from google.adk.memory.base_memory_service import SearchMemoryResponse
from google.adk.memory.memory_entry import MemoryEntry
from google.adk.sessions import Session
from google.genai import types

from memgpt import embeddings, validation
from memgpt.agents.forget import forget_many
from memgpt.async_memory import CallThreads
from memgpt.config import settings
from memgpt.database.connection import Database
from memgpt.database.embedded_text import message_text
from memgpt.integrations.google_adk.event_store import messages_of_event
from memgpt.items.items import NewItem
from memgpt.memory import Memory, scope_of
from memgpt.messages.store import MessageStore
from memgpt.models import IN_PROMPTS, KINDS, Hit, Json
from memgpt.scope.opening import open_database

T = TypeVar("T")

EVENT_ID: Final = "transcript_id"
"""The key of a message's metadata under which the id of its event is: what is imported has its own id there, too."""
AUTHOR: Final = "author"
DELETED: Final = ("google-adk", "deleted")
"""The namespace with the ids of events that were deleted: their sessions do not bring them back."""
UNNAMED: Final = "default"
"""The conversation of events that come without a session."""
_ROW: Final = re.compile(rf"(?P<kind>{'|'.join(KINDS)}):(?P<id>\d{{1,18}})", re.ASCII)
_UNUSABLE: Final = re.compile(r"[%*\x00-\x1f\x7f-\x9f\u2028\u2029]|^\s+|\s+$")


def agent_of(app_name: str, user_id: str) -> str:
    """Return the agent whose memory belongs to a user of an app: ``shop:ann``; no two users have the same one."""
    app, user = (_UNUSABLE.sub(lambda odd: quote(odd[0], safe=""), name) for name in (app_name, user_id))
    return f"{app.replace(':', '%3A')}:{user}"


class MemgptMemoryService(BaseMemoryService):
    """The memories of the users of ADK's apps: each user of an app has the memory of an agent (:func:`agent_of`).

    The texts of a session's events are messages of the conversation with the session's id; a session that has grown
    is added again without storing an event twice. ``search_memory`` is ``memory.search`` over all kinds but files.

    Args:
        dsn: a PostgreSQL connection string, as of :class:`memgpt.Memory`.
        database: an open database to share; it is not closed by this service.
        isolated: let PostgreSQL itself refuse the rows of other users.
        limit: most memories that a search returns.
    """

    def __init__(
        self, dsn: str | None = None, *, database: Database | None = None, isolated: bool = False, limit: int = 10
    ) -> None:
        options = settings()
        self._limit = validation.limit(limit)
        self._isolated = isolated
        self._shared = database is not None
        self._database = open_database(dsn, options) if database is None else database
        self._embedder = embeddings.from_settings(options)
        self._threads = CallThreads(options.pool_size)

    def memory(self, app_name: str, user_id: str) -> Memory:
        """Return the memory of a user of an app."""
        return Memory(
            agent_of(app_name, user_id),
            actor="google-adk",
            isolated=self._isolated,
            database=self._database,
            embedder=self._embedder,
        )

    async def add_session_to_memory(self, session: Session) -> None:
        """Keep what a session's events say, each event once."""
        await self.add_events_to_memory(
            app_name=session.app_name, user_id=session.user_id, events=session.events, session_id=session.id
        )

    async def add_events_to_memory(
        self,
        *,
        app_name: str,
        user_id: str,
        events: Sequence[Event],
        session_id: str | None = None,
        custom_metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Keep what events say and ``custom_metadata`` with it, in one transaction, each event of a session once."""
        messages = [*_messages(events, session_id or UNNAMED, custom_metadata or {})]
        if messages:
            await self._run(app_name, user_id, lambda memory: _append(memory, messages))

    async def add_memory(
        self,
        *,
        app_name: str,
        user_id: str,
        memories: Sequence[MemoryEntry],
        custom_metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Keep memories for good, in one transaction; a text that is there already is merged into that memory."""
        rows = [_archival(entry, custom_metadata or {}) for entry in memories]
        await self._run(app_name, user_id, lambda memory: memory.remember_many(rows))

    async def search_memory(self, *, app_name: str, user_id: str, query: str) -> SearchMemoryResponse:
        """Find what the memory of a user says about a query, best first."""
        if not query.strip():
            return SearchMemoryResponse()
        hits = await self._run(
            app_name,
            user_id,
            lambda memory: memory.search(query, kinds=IN_PROMPTS, limit=self._limit, operators=False),
        )
        return SearchMemoryResponse(memories=[_entry(hit) for hit in hits])

    async def delete_memory(self, *, app_name: str, user_id: str, memory_id: str | None = None) -> None:
        """Forget what a search found, by its id, for good; adding its session again does not bring it back."""
        if memory_id:
            await self._run(app_name, user_id, lambda memory: _forget(memory, memory_id))

    async def close(self) -> None:
        """Return the connections of a database that was opened here."""
        if not self._shared:
            await self._threads.run(self._database.close)
        self._threads.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, app_name: str, user_id: str, work: Callable[[Memory], T]) -> T:
        return await self._threads.run(lambda: work(self.memory(app_name, user_id)))


def _messages(events: Sequence[Event], session: str, about: Mapping[str, object]) -> Iterator[Json]:
    """Yield the messages of events that say something; thoughts and calls are no memory."""
    for event in events:
        text = _text(event.content)
        if text:
            by_user = event.author == "user"
            yield {
                "role": "user" if by_user else "assistant",
                "name": None if by_user else event.author or None,
                "content": text,
                "session": session,
                "created_at": datetime.fromtimestamp(event.timestamp, UTC),
                "metadata": {**about, EVENT_ID: event.id},
            }


def _text(content: types.Content | None) -> str:
    parts = (content and content.parts) or ()
    return "\n".join(part.text for part in parts if part.text and part.text.strip() and not part.thought)


def _append(memory: Memory, messages: Sequence[Json]) -> None:
    """Append the messages of a session that it does not have, and whose events were not deleted."""
    scope = scope_of(memory)
    session = messages[0]["session"]
    fresh = _fresh(memory, messages, scope.read(lambda c: MessageStore(c, scope.author).transcript_ids(session)))
    # before the session is locked: a slow provider holds nobody up
    scope.warm_embedding_cache([message_text(message["content"], message["name"]) for message in fresh])
    if fresh:
        with scope.transaction() as connection:
            store = MessageStore(connection, scope.author)
            store.lock_session(session)
            memory.messages.append_many(_fresh(memory, fresh, store.transcript_ids(session)), on_error="replace")


def _fresh(memory: Memory, messages: Sequence[Json], known: set[str]) -> Sequence[Json]:
    """Return the messages that are not known, each event once, and not of deleted events."""
    by_event = {message["metadata"][EVENT_ID]: message for message in messages}
    candidates = [event for event in by_event if event not in known]
    deleted = memory.items.get_many([(DELETED, event) for event in candidates])
    return [by_event[event] for event, item in zip(candidates, deleted, strict=True) if item is None]


def _archival(entry: MemoryEntry, about: Mapping[str, object]) -> Json:
    said_by = {AUTHOR: entry.author} if entry.author else {}
    return {
        "text": _text(entry.content),
        "metadata": {**about, **entry.custom_metadata, **said_by},
        "created_at": entry.timestamp,
    }


def _entry(hit: Hit) -> MemoryEntry:
    """Return a hit as ADK's memory: that of an event has the event's id, any other its kind and id."""
    metadata = {**hit.metadata}
    event, author = metadata.pop(EVENT_ID, None), metadata.pop(AUTHOR, None)
    role = hit.source.get("role") if hit.kind == "message" else None
    speaker = hit.source.get("name") or role if hit.kind == "message" else author
    return MemoryEntry(
        id=str(event) if event and hit.kind == "message" else f"{hit.kind}:{hit.id}",
        content=types.Content(role="user" if role == "user" else "model", parts=[types.Part(text=hit.text)]),
        author=speaker,
        timestamp=hit.created_at.isoformat(),
        custom_metadata=metadata,
    )


def _forget(memory: Memory, id: str) -> None:
    """Forget a row, or the messages of an event; what is not there is forgotten already."""
    scope = scope_of(memory)
    with scope.transaction() as connection:
        messages = messages_of_event(connection, memory.agent, id)
        forget_many(scope, messages, "message")
        if messages:
            memory.items.put_many([NewItem(DELETED, id, {}, "")])
    if row_of := _ROW.fullmatch(id):
        forget_many(scope, [int(row_of["id"])], row_of["kind"])
