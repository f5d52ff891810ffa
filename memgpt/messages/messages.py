"""Recall memory as ``memory.messages``: the conversations an agent had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from pgvector import Vector

from memgpt import validation
from memgpt.database.connection import Connection
from memgpt.database.deadlines import without_deadline
from memgpt.database.embedded_text import message_text
from memgpt.errors import InputError, MismatchError, NotFoundError
from memgpt.messages import content as contents
from memgpt.messages.content import Content
from memgpt.messages.intents import Intents
from memgpt.messages.speaker import LOOKED_AT, MAX_NAME, named, prefix, speakers
from memgpt.messages.store import BATCH, MessageStore, NewMessage
from memgpt.messages.turns_before import of_each, turns_before
from memgpt.models import ROLES, ActiveModel, Json, Message, Session
from memgpt.scope import batches
from memgpt.scope.batches import Batch, OnError
from memgpt.scope.scope import AgentScope

MAX_TOKENS: Final = 2**31 - 1

_KEYS: Final = (
    *("role", "content", "text", "session", "name", "created_at", "metadata", "intent", "intent_confidence"),
    *("tokens", "tool_calls", "tool_call_id", "embedding"),
)


class Messages:
    """The messages of one agent. Within a session their order is (created_at, id)."""

    def __init__(self, scope: AgentScope, intents: Intents) -> None:
        self._scope = scope
        self._intents = intents

    def append(
        self,
        role: str,
        content: str | Sequence[str | Json] | None,
        *,
        session: str = "default",
        name: str | None = None,
        created_at: datetime | str | None = None,
        metadata: Json | None = None,
        intent: str | None = None,
        intent_confidence: float | None = None,
        tokens: int | None = None,
        tool_calls: Sequence[Json] | None = None,
        tool_call_id: str | None = None,
        embedding: Any = None,
    ) -> Message:
        """Keep one message.

        ``role`` is system, developer, user, assistant or tool. An absent ``name`` is taken from
        ``metadata["speaker"]``, ``metadata["name"]`` or a "Name: " prefix of the content (where somebody of that name
        speaks in the session), absent ``tokens`` are
        counted, and the absent ``intent`` of a user's message is that of the nearest examples
        (:class:`memgpt.messages.intents.Intents`). ``content`` may be a list of parts as providers write it:
        their texts are joined, and what is no text is named, as ``[image_url]``. Only the assistant and tools may say
        nothing.

        Raises:
            InputError: a value cannot be used; nothing was written.
        """
        fields = {
            "role": role,
            "content": content,
            "session": session,
            "name": name,
            "created_at": created_at,
            "metadata": metadata,
            "intent": intent,
            "intent_confidence": intent_confidence,
            "tokens": tokens,
            "tool_calls": tool_calls,
            "tool_call_id": tool_call_id,
            "embedding": embedding,
        }
        checked = self._checked(fields, "")
        [message] = self._scope.repeat_on_switch(lambda: self._append([checked]))
        return message

    def append_many(self, messages: Iterable[Mapping[str, Any]], *, on_error: OnError = "fail") -> Batch[Message]:
        """Keep many messages in one transaction: all or, if one of them is bad, none. One answer per item, in order.

        Each is a mapping with ``content`` (or ``text``) and the fields of :meth:`append`; ``role`` is "user" when
        absent. ``on_error`` is as in :meth:`memgpt.archival.archival.Archival.insert_many`.

        Raises:
            InputError: names the item and its field; nothing was written.
        """
        checked, problems = batches.checked(messages, self._checked, on_error)
        return Batch(self._scope.repeat_on_switch(lambda: self._append(checked)), problems)

    def get(self, id: int) -> Message:
        """One message.

        Raises:
            NotFoundError: the agent has no message of that id.
        """
        validation.row_id(id)
        return self._scope.read(lambda connection: self._store(connection).get(id))

    def list(
        self,
        *,
        session: str | None = None,
        limit: int = 50,
        before: Message | int | None = None,
        roles: Sequence[str] | None = None,
        intent: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
    ) -> Sequence[Message]:
        """Return the newest ``limit`` messages that fit, in the order of the conversation: the newest is last.

        The page before is ``list(before=page[0])``, with a message or its id. ``since`` is included, ``until`` is
        not. Without ``session``, all conversations are read as one.
        """
        wanted = (
            None
            if roles is None
            else [validation.choice(role, ROLES, "roles") for role in validation.texts(roles, "roles")]
        )
        limit = validation.limit(limit)
        first, end = validation.moment(since, "since"), validation.moment(until, "until")
        session, intent = validation.optional_name(session, "session"), validation.optional_name(intent, "intent")
        if isinstance(before, int):
            validation.row_id(before, "before")
        else:
            validation.row(before, "before", "created_at")

        def work(connection: Connection) -> Sequence[Message]:
            store = self._store(connection)
            start = store.get(before) if isinstance(before, int) else before
            return store.list(
                limit=limit, session=session, before=start, roles=wanted, intent=intent, since=first, until=end
            )

        return self._scope.read(work)

    def sessions(self, *, limit: int = 1000, after: str | None = None) -> Sequence[Session]:
        """Return the conversations, the one last spoken in first.

        Args:
            after: the name of the last session of the page before.
        """
        limit = validation.limit(limit)
        validation.optional_name(after, "after")
        return self._scope.read(lambda connection: self._store(connection).sessions(limit=limit, after=after))

    def update(
        self,
        id: int,
        *,
        content: str | None = None,
        name: str | None = None,
        intent: str | None = None,
        intent_confidence: float | None = None,
        metadata: Json | None = None,
        embedding: Any = None,
    ) -> Message:
        """Change what is given and keep the rest; a new content is counted and embedded anew.

        Raises:
            NotFoundError: the agent has no message of that id.
        """
        validation.row_id(id)
        if content is None and embedding is not None:
            raise InputError("an embedding is changed together with its content: give both")
        fields: dict[str, Any] = {
            "content": content,
            "tokens": None if content is None else self._scope.count_tokens([validation.text(content, "content")])[0],
            "name": validation.optional_name(name, "name"),
            "intent": validation.optional_name(intent, "intent"),
            "intent_confidence": None
            if intent_confidence is None
            else validation.share(intent_confidence, "intent_confidence"),
            "metadata": None if metadata is None else validation.json_object(metadata, "metadata"),
        }

        def write() -> Message:
            vector = None
            if content is not None:
                there = self.get(id)
                text = message_text(content, there.name if name is None else name)
                before = [turns_before(self._scope, there.session, before=there)]
                vector = self._given_vector(embedding, "") or self._scope.embed([text], before=before)[0]
            with self._scope.change() as (connection, change_id):
                return self._store(connection).update(
                    id, change_id=change_id, embedding=vector, embedding_model=self._scope.model.name, **fields
                )

        return self._scope.repeat_on_switch(write)

    def delete(self, id: int) -> None:
        """Remove one message; the history keeps it and ``undo`` brings it back. ``forget`` is for good.

        Raises:
            NotFoundError: the agent has no message of that id.
        """
        validation.row_id(id)
        with self._scope.change() as (connection, change_id):
            if not self._store(connection).delete([id], change_id=change_id):
                raise NotFoundError(f"agent {self._scope.agent_id!r} has no message {id}")

    def delete_session(self, session: str) -> int:
        """Remove a whole conversation in one change; the history keeps it and ``undo`` brings it back.
        ``memory.forget(session=…)`` is for good.

        Returns:
            How many messages it had.

        Raises:
            NotFoundError: the agent has no message in that session.
        """
        name = validation.text(session, "session")
        with self._scope.change() as (connection, change_id), without_deadline(connection):
            count = self._store(connection).delete_session(name, change_id=change_id)
        if not count:
            raise NotFoundError(f"agent {self._scope.agent_id!r} has no session {session!r}")
        return count

    def count(self, *, session: str | None = None) -> int:
        """Count the messages of one session, or all."""
        session = validation.optional_name(session, "session")
        return self._scope.read(lambda connection: self._store(connection).count(session=session))

    def _store(self, connection: Connection) -> MessageStore:
        return MessageStore(connection, self._scope.author)

    def _append(self, checked: Sequence[dict[str, Any]]) -> Sequence[Message]:
        if not checked:
            return []
        checked = [dict(fields) for fields in checked]  # what is filled in is of this attempt
        unlabelled = [m for m in checked if m["role"] == "user" and m["intent"] is None and m["content"].strip()]
        if len(checked) > BATCH:
            self._label(unlabelled)
            prepared = self._prepared(checked)
            with self._scope.single_change():
                return [
                    message
                    for start in range(0, len(prepared), BATCH)
                    for message in self._insert(prepared[start : start + BATCH])
                ]
        examples = self._label(unlabelled, by_known=True)
        prepared = self._prepared(checked)
        while not (appended := self._insert(prepared, examples)):  # somebody taught the agent other intents
            examples = self._label(unlabelled)
            prepared = [
                replace(message, intent=fields["intent"], intent_confidence=fields["intent_confidence"])
                for message, fields in zip(prepared, checked, strict=True)
            ]
        return appended

    def _insert(self, batch: Sequence[NewMessage], examples: int | None = None) -> Sequence[Message]:
        def write(connection: Connection, change_id: UUID, model: ActiveModel) -> tuple[ActiveModel, Sequence[Message]]:
            store = self._store(connection)
            self._scope.new_rows.add("conversations", len(batch))
            languages = self._scope.languages_of(connection, [message.content for message in batch], guarded=True)
            return store.insert(batch, change_id=change_id, languages=languages, model=model, examples=examples)

        return self._scope.write(write)

    def _checked(self, value: Mapping[str, Any], where: str) -> dict[str, Any]:
        fields = _checked(value, where)
        return {**fields, "embedding": self._given_vector(value.get("embedding"), where)}

    def _prepared(self, checked: Sequence[dict[str, Any]]) -> Sequence[NewMessage]:
        """Count the tokens of messages and embed them, before any transaction is opened."""
        uncounted = [fields for fields in checked if fields["tokens"] is None]
        counts = self._scope.count_tokens([fields["content"] for fields in uncounted])
        for fields, tokens in zip(uncounted, counts, strict=True):
            fields["tokens"] = tokens
        self._name(checked)
        missing = [fields for fields in checked if fields["embedding"] is None and fields["content"].strip()]
        texts = [message_text(fields["content"], fields["name"]) for fields in missing]
        before = of_each(self._scope, checked, missing)
        for fields, vector in zip(missing, self._scope.embed(texts, before=before), strict=True):
            fields["embedding"] = vector
        return [NewMessage(**fields) for fields in checked]

    def _name(self, messages: Sequence[dict[str, Any]]) -> None:
        """Give the messages that begin with the name of somebody who speaks in their session that name."""
        sessions: dict[str, list[tuple[dict[str, Any], str | None]]] = {}
        for message in messages:
            head = None if message["name"] else prefix(message["role"], message["content"])
            sessions.setdefault(message["session"], []).append((message, head))
        for session, spoken in sessions.items():
            if not any(head for _, head in spoken):
                continue
            voices = self._scope.read(partial(self._voices, session))
            names = [*(name for name, _, _ in voices), *(message["name"] for message, _ in spoken)]
            before = [prefix(role, beginning) for name, role, beginning in voices if not name]
            speaking = speakers(names, [*before, *(head for _, head in spoken)])
            for message, head in spoken:
                message["name"] = head if head in speaking else message["name"]

    def _voices(self, session: str, connection: Connection) -> Sequence[tuple[str | None, str, str]]:
        return self._store(connection).voices(session, characters=2 * MAX_NAME, limit=LOOKED_AT)

    def _label(self, messages: Sequence[dict[str, Any]], *, by_known: bool = False) -> int | None:
        """Give messages their intents; return the version of the examples that decided, None where none did."""
        if not messages:
            return None
        labels, version = self._intents.labels([m["content"] for m in messages], by_known=by_known)
        for message, label in zip(messages, labels, strict=True):
            message["intent"], message["intent_confidence"] = label.intent, label.confidence
        return version

    def _given_vector(self, value: Any, where: str) -> Vector | None:
        if value is None:
            return None
        return validation.vector(value, f"{where}embedding", dimensions=self._scope.model.dimensions)


def _checked(value: Mapping[str, Any], where: str) -> dict[str, Any]:
    value = validation.item(value, f"{where}message", _KEYS)
    role = validation.choice(value.get("role", "user"), ROLES, f"{where}role")
    said = _content(value, where)
    calls = value.get("tool_calls")
    tool_calls = _tool_calls(said.calls or None if calls is None else calls, where)
    # a tool may answer nothing, and an assistant may say nothing beside what it calls or shows
    silent = bool(tool_calls) or role in ("tool", "assistant")
    if not (silent or said.text.strip() or isinstance(value.get("content"), (str, type(None)))):
        raise MismatchError(f"{where}content has no part with a text: {role} messages have one")
    content = validation.text(said.text, f"{where}content", empty=silent)
    metadata = validation.json_object(value.get("metadata"), f"{where}metadata", most=validation.MAX_TEXT)
    confidence, tokens = value.get("intent_confidence"), value.get("tokens")
    if tokens is not None and tokens != 0:
        tokens = validation.limit(tokens, f"{where}tokens", most=MAX_TOKENS)
    return {
        "role": role,
        "content": content,
        "session": validation.name(value.get("session", "default"), f"{where}session"),
        "name": validation.optional_name(value.get("name"), f"{where}name") or named(metadata),
        "intent": validation.optional_name(value.get("intent"), f"{where}intent"),
        "intent_confidence": None if confidence is None else validation.share(confidence, f"{where}intent_confidence"),
        "tokens": tokens,
        "tool_calls": tool_calls,
        "tool_call_id": _call_id(value.get("tool_call_id"), where),
        "metadata": metadata,
        "created_at": validation.moment(value.get("created_at"), f"{where}created_at"),
    }


def _content(value: Mapping[str, Any], where: str) -> Content:
    """Read content that may be a list of parts as providers write it."""
    texts = {value[key] for key in ("content", "text") if isinstance(value.get(key), str)}
    if len(texts) > 1:
        raise InputError(f"{where}content and text say different things; they are two words for the same: give one")
    content = value.get("content") if value.get("content") is not None else value.get("text")
    if content is not None and not isinstance(content, (str, list, tuple)):
        raise InputError(f"{where}content must be a text or a list of parts, not {type(content).__name__}")
    for n, part in enumerate(() if isinstance(content, (str, type(None))) else content):
        if not isinstance(part, (str, Mapping)):
            raise InputError(f"{where}content[{n}] must be a text or a mapping, not {type(part).__name__}")
    read = contents.read(content)
    text = "\n".join(filter(None, [read.text, *(result for _, result in read.results)]))
    return Content(text, read.calls)


def _call_id(value: object, where: str) -> str | None:
    return None if value is None else validation.text(value, f"{where}tool_call_id", most=validation.MAX_NAME)


def _tool_calls(value: object, where: str) -> Sequence[Json] | None:
    if value is None:
        return None
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise InputError(f"{where}tool_calls must be a list of mappings, not {type(value).__name__}")
    return [
        validation.json_object(call, f"{where}tool_calls[{n}]", most=validation.MAX_TEXT)
        for n, call in enumerate(value)
    ]
