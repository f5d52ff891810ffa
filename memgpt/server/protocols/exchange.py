"""One exchange with a client: what of its messages is new, and keeping it with the reply.

A client sends the conversation again with each step and each retry, or refers to what the upstream has of it. What the
session has of it is found by aligning the two from their ends; what comes after is new. The last reply that is stored
and that the client does not know (it was lost on the way, or broke off) gives way to what the client says or gets
instead, so that every message is there once.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Final

from memgpt import validation
from memgpt.errors import MemgptError
from memgpt.memory import Memory, scope_of
from memgpt.messages.store import MessageStore
from memgpt.models import Message
from memgpt.server.protocols.said import Key, Said, stored

log = logging.getLogger("memgpt.server.api")

_LONGEST_REPLY: Final = 100
"""Messages of one turn behind which its beginning is looked for."""
_MOST_STORED: Final = 10_000
_MOST_SESSIONS: Final = 1000
_begun: Final = count()
_last_kept: Final[OrderedDict[tuple[str, str], int]] = OrderedDict()
"""By agent and session which exchange of this process, in the order of their beginnings, was kept last."""


def align(stored: Sequence[Key], sent: Sequence[Key]) -> tuple[int, int]:
    """Return how many of the sent messages are stored, and how many of the stored ones stand: after them comes the last
    reply, which the client does not know."""
    last_user = max((n for n, key in enumerate(stored) if key[0] == "user"), default=-1)
    best, matched, standing = 0, 0, len(stored)
    for end in range(len(stored), max(last_user, len(stored) - _LONGEST_REPLY), -1):
        for place, length in enumerate(_common_ends(stored[:end], sent), start=1):
            if length > best and _is_continued(stored[: end - length], sent[: place - length], length):
                best, matched, standing = length, place, end
    return matched, standing


def _is_continued(stored: Sequence[Key], sent: Sequence[Key], length: int) -> bool:
    """Tell whether what was sent before the equal part belongs to it: a client leaves out and shortens what is old, but
    a single equal message does not make the same conversation."""
    if length > 1 or not sent:
        return True
    earlier = iter(reversed(stored))
    return all(key in earlier for key in reversed(sent))


def _common_ends(stored: Sequence[Key], sent: Sequence[Key]) -> list[int]:
    """For every beginning of ``sent``, how many messages at its end are also those at the end of ``stored``.

    In linear time, by the Z-function of both read from their ends.
    """
    line: list[Key | None] = [*reversed(stored), None, *reversed(sent)]
    lengths = [0] * len(line)
    left = right = 0
    for n in range(1, len(line)):
        length = min(right - n, lengths[n - left]) if n < right else 0
        while n + length < len(line) and line[length] == line[n + length]:
            length += 1
        lengths[n] = length
        if n + length > right:
            left, right = n, n + length
    return lengths[: len(stored) : -1] if sent else []


class Exchange:
    """One request and its reply, kept once it is known how the reply ended.

    Args:
        sent: what of the request is kept.
        previous: the upstream's id of the reply that it goes on from; what was said until then is not in it.
    """

    def __init__(self, memory: Memory, session: str, sent: Sequence[Said], previous: str | None = None) -> None:
        self._memory = memory
        self._session = validation.name(session, "session")
        self._sent = sent
        self._previous = previous
        self._number = next(_begun)
        self._last_id = 0
        self._conversation: Sequence[Said] = ()
        self._lost: Sequence[Message] = ()

    def begin(self) -> str | None:
        """Note how far the session is: what is kept after that is not older than this request.

        Returns the first reference to what is not a reply of this session; the request is not to be sent with it.
        """
        before = self._stored()
        self._last_id = max((message.id for message in before), default=0)
        references = [id for id in (self._previous, *(each.refers_to for each in self._sent)) if id is not None]
        places = _places(before)
        if not all(id in places for id in references):
            before = self._stored(_MOST_STORED)
            places = _places(before)
        self._conversation, _ = self._believed(before)
        _, self._lost = self._new(before)
        return next((id for id in references if id not in places), None)

    @property
    def texts(self) -> Sequence[str]:
        """Return the texts that are no memory: what the prompt has already, and a reply to it that did not arrive."""
        return [*(each.content for each in self._conversation), *(message.content for message in self._lost)]

    @property
    def question(self) -> str:
        """Return what the user said last."""
        return next((each.content for each in reversed(self._conversation) if each.role == "user"), "")

    def keep(self, reply: Said | None) -> bool:
        """Keep what is new. False where that failed, which does not take the reply away from who paid for it."""
        try:
            self._keep(reply)
        except MemgptError as error:
            log.error("a turn of agent %r was not kept: %s", self._memory.agent, error)
            return False
        return True

    def _keep(self, reply: Said | None) -> None:
        scope = scope_of(self._memory)
        fresh = [*self._new(self._stored())[0], *([reply] if reply else [])]
        # before the session is locked: a slow provider holds nobody up
        scope.warm_embedding_cache([each.content for each in fresh if each.content.strip()])
        with scope.transaction() as connection:
            now = MessageStore(connection, scope.author).lock_session(self._session)
            before = self._stored()
            fresh, lost = self._new(before)
            older = self._number < _last_kept.get((self._memory.agent, self._session), -1)
            if (fresh or older or (reply is not None and reply.interrupted)) and self._is_late(before):
                return
            if reply is not None and (fresh or self._replaces(lost, reply)):
                fresh.append(reply)
            if not fresh:
                return
            for message in lost:
                self._memory.messages.delete(message.id)
            if before:
                now = max(now, before[-1].created_at + timedelta(microseconds=1))
            self._memory.messages.append_many([{**each.fields(self._session), "created_at": now} for each in fresh])
            self._note()

    def _note(self) -> None:
        """Note that this exchange was kept: one that began before it and comes later is late."""
        _last_kept[self._memory.agent, self._session] = self._number
        _last_kept.move_to_end((self._memory.agent, self._session))
        if len(_last_kept) > _MOST_SESSIONS:
            _last_kept.popitem(last=False)

    def _is_late(self, now: Sequence[Message]) -> bool:
        """Tell whether the client has asked again, was answered, and went on: then this reply belongs to no
        conversation."""
        if not self._sent:
            return False
        asked = self._sent[-1].key
        return any(message.id > self._last_id and stored(message).key == asked for message in now)

    def _replaces(self, lost: Sequence[Message], reply: Said) -> bool:
        """Tell whether a reply takes the place of a stored one: it is neither the same again nor a part of it."""
        if not lost or reply.interrupted:
            return not lost
        replies = [stored(message) for message in lost]
        return [each.key for each in replies] != [reply.key] or replies[0].ids != reply.ids

    def _stored(self, most: int | None = None) -> Sequence[Message]:
        most = min(_MOST_STORED, most or 2 * len(self._sent) + _LONGEST_REPLY)
        return self._memory.messages.list(session=self._session, limit=most, roles=("user", "assistant", "tool"))

    def _believed(self, before: Sequence[Message]) -> tuple[list[Said], int]:
        """Return the conversation as the client believes it, with what it refers to, and how much of that comes before
        what it sent."""
        places = _places(before)
        known = [stored(message) for message in before[: places.get(self._previous or "", -1) + 1]]
        sent: list[Said] = []
        last = None
        for each in self._sent:
            place = places.get(each.refers_to) if each.refers_to else None
            if each.refers_to is None:
                sent.append(each)
            elif place is not None and place != last:
                sent.append(stored(before[place]))
            last = place
        return [*known, *sent], len(known)

    def _new(self, before: Sequence[Message]) -> tuple[list[Said], Sequence[Message]]:
        believed, known = self._believed(before)
        matched, standing = align([stored(message).key for message in before], [each.key for each in believed])
        return believed[max(matched, known) :], before[standing:]


def _places(messages: Sequence[Message]) -> dict[str, int]:
    """Return where the replies are that have an id of the upstream's."""
    return {id: place for place, message in enumerate(messages) for id in stored(message).ids}
