"""Conversations from elsewhere in recall memory: every message once, in order, whatever the file has of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from math import isfinite
from pathlib import Path
from typing import Any, Final

from memgpt import validation
from memgpt.errors import InputError
from memgpt.integrations.transcripts import messengers, shapes
from memgpt.integrations.transcripts.source import LARGE, Source, of_value, open_source
from memgpt.integrations.transcripts.turns import Conversation, TranscriptTurn
from memgpt.memory import Memory, scope_of
from memgpt.messages.store import MessageStore
from memgpt.models import ROLES, Json
from memgpt.scope.batches import ON_ERROR, OnError, Problem

BATCH: Final = 500
"""Messages that are embedded and written at once."""

_PEEKED: Final = 20
"""Messages among which the first with a time is looked for: those before it, such as instructions, have that one."""

_MOST_PROBLEMS: Final = 1000
"""Problems that are listed; all are counted."""


@dataclass(frozen=True, slots=True)
class ImportedTranscript:
    """Outcome of importing a file."""

    sessions: int
    messages: int
    skipped: int
    """Messages that were there already, those without any text, and with ``on_error="skip"`` those that are bad."""
    problems: Sequence[Problem] = ()
    """What was wrong with which message of its conversation, and what was done about it; the first thousand."""


def import_transcript(
    memory: Memory,
    source: Path | str | Json | Sequence[Any],
    *,
    session: str | None = None,
    branches: bool = False,
    on_error: OnError = "replace",
    progress: Callable[[int], None] | None = None,
) -> ImportedTranscript:
    """Keep the messages of a file, or of what was read from one, in recall memory.

    The file's system is told by its shape; ``memgpt.integrations.transcripts.shapes.KNOWN`` names them. A session is
    named by the conversation's id, so that one renamed since is not imported again; its title is in the messages'
    metadata. A message that is there already, by the file's id for it or else by its words and place, is skipped, so
    the same export may be imported again, and a longer one adds only what is new. Times that go back are moved to that
    of the message before, and a missing one is taken from it: the order of the file is the order of the session.

    A file of up to 32 MiB is one transaction. A larger one is read while it is imported, 500 messages in a transaction,
    and goes on where it was when it is imported again.

    Args:
        source: a file, a folder of a Slack export, or the messages themselves.
        session: the conversation to add to; absent, what the file calls it, else "imported".
        branches: also the branches of ChatGPT conversations that were not shown last.
        on_error: what becomes of a message that cannot be kept as it is: "replace" puts U+FFFD for characters that
            cannot be stored and leaves out a time or a call that is none, or else the message; "skip" leaves the
            message out; "fail" refuses the file.
        progress: called with the number of messages done so far.

    Raises:
        InputError: the shape is unknown, or a message is bad; nothing of a file of up to 32 MiB was written.
    """
    validation.choice(on_error, ON_ERROR, "on_error")
    run = _TranscriptImport(memory, session, on_error, progress)
    opened, large = _opened(source)
    with nullcontext() if large else memory.transaction():
        for conversation in opened(branches):
            run.add(conversation)
        if run.problems and not run.messages and run.skipped == len(run.problems):
            first = run.problems[0]
            raise InputError(f"no message of it can be kept: message {first.index}: {first.reason}")
    return ImportedTranscript(len(run.sessions), run.messages, run.skipped, run.problems)


Opened = Callable[[bool], Iterator[Conversation]]


def _opened(source: Path | str | Json | Sequence[Any]) -> tuple[Opened, bool]:
    """Open a source of conversations, and tell whether they are read while they are imported."""
    if not isinstance(source, (str, Path)):
        opened = of_value(source)
        return lambda branches: shapes.conversations(opened, branches=branches), False
    path = Path(source)
    if path.is_dir():
        return lambda _: _slack_folder(path), True
    read = open_source(path)
    large = bool(read.items) and path.stat().st_size > LARGE
    return lambda branches: _named(shapes.conversations(read, branches=branches), read, path), large


def _named(conversations: Iterator[Conversation], source: Source, path: Path) -> Iterator[Conversation]:
    """Files that hold a single conversation without a name have that of the file (a channel's day: of its folder)."""
    if source.text is not None or any("ts" in item for item in source.first if isinstance(item, Mapping)):
        name = path.stem if source.text is not None else path.parent.name
        yield from (replace(each, session=each.session or name) for each in conversations)
    else:
        yield from conversations


def _slack_folder(path: Path) -> Iterator[Conversation]:
    """Yield the channels of an unpacked Slack export: a folder each, a file a day."""
    try:
        people = {
            str(user.get("id")): str(user.get("real_name") or user.get("name") or user.get("id"))
            for user in json.loads((path / "users.json").read_text(encoding="utf-8"))
        }
        days = sorted(path.glob("*/*.json"))
    except (OSError, ValueError, AttributeError):
        raise InputError(f"{path} is not a Slack export: it has no readable users.json") from None
    for day in days:
        yield messengers.slack(open_source(day).items, day.parent.name, people)


class _TranscriptImport:
    """One import, as far as it is."""

    def __init__(
        self, memory: Memory, session: str | None, on_error: OnError, progress: Callable[[int], None] | None
    ) -> None:
        self._memory = memory
        self._session = session
        self._on_error = on_error
        self._progress = progress
        self._known: dict[str, set[str]] = {}
        self.sessions: set[str] = set()
        self.messages = 0
        self.skipped = 0
        self.problems: list[Problem] = []

    def add(self, conversation: Conversation) -> None:
        """Keep what is new of a conversation."""
        session = self._session or _session_name(conversation.session)
        self.sessions.add(session)
        if session not in self._known:
            scope = scope_of(self._memory)
            self._known[session] = scope.read(
                lambda connection: MessageStore(connection, scope.author).transcript_ids(session)
            )
        about = {"title": conversation.title} if conversation.title and conversation.title != session else {}
        batch: list[Json] = []
        for message in self._fresh(conversation, session):
            message["metadata"] = {**about, **message["metadata"]}
            batch.append(message)
            if len(batch) == BATCH:
                self._keep(batch)
                batch = []
        self._keep(batch)

    def _keep(self, batch: list[Json]) -> None:
        if batch:
            self._memory.messages.append_many(batch)
            self.messages += len(batch)
        if self._progress is not None:
            self._progress(self.messages + self.skipped)

    def _fresh(self, conversation: Conversation, session: str) -> Iterator[Json]:
        """Yield the messages of a conversation that are not stored yet, in the form of ``Messages.append_many``."""
        stored = self._known[session]
        seen: dict[str, int] = {}
        turns = iter(conversation.turns)
        first = list(islice(turns, _PEEKED))
        last = next(filter(None, (_Checked(0).time(turn.when) for turn in first)), None)
        for number, turn in enumerate(chain(first, turns)):
            id = turn.id or _fingerprint(turn, seen)
            message = self._message(turn, number, session, last)
            last = message["created_at"] if message is not None else last
            if message is None or id in stored or not (message["content"].strip() or message["tool_calls"]):
                self.skipped += 1
            else:
                stored.add(id)
                yield {**message, "session": session, "metadata": {**turn.about, "transcript_id": id}}

    def _message(self, turn: TranscriptTurn, number: int, session: str, last: datetime | None) -> Json | None:
        """Return the message of a turn; None if it is left out."""
        checked = _Checked(number)
        acceptable = turn.role in ROLES and not turn.problem
        if not acceptable:
            checked.bad("role", turn.problem or f"role {turn.role!r} is none of {', '.join(ROLES)}")
        text = checked.text(turn.text, "content")
        message = {
            "role": turn.role,
            "content": text or ("(empty)" if turn.role == "tool" else ""),
            "name": checked.name(turn.name or None, "name"),
            "tool_calls": checked.calls(turn.tool_calls) or None,
            "tool_call_id": checked.name(turn.tool_call_id or None, "tool_call_id"),
            "created_at": _not_before(last, checked.time(turn.when)),
        }
        if checked.problems and self._on_error == "fail":
            raise InputError(f"message {number} of {session!r}: {checked.problems[0].reason}")
        left_out = not acceptable or bool(checked.problems and self._on_error == "skip")
        if left_out:
            checked.problems = [replace(each, outcome="skipped") for each in checked.problems]
        self.problems += checked.problems[: _MOST_PROBLEMS - len(self.problems)]
        return None if left_out else message


def _session_name(title: str | None) -> str:
    """Return the file's name of a conversation, if it is a valid name."""
    name = validation.normal(validation.replaced(title or "")).strip()
    while len(name.encode()) > validation.MAX_NAME:
        name = name[: len(name) * 3 // 4]
    return name or "imported"


def _not_before(last: datetime | None, when: datetime | None) -> datetime | None:
    return max(last, when) if last and when else when or last


def _fingerprint(turn: TranscriptTurn, seen: dict[str, int]) -> str:
    """Identify a message without an id by its words and how many equal ones came before."""
    said = json.dumps([turn.role, turn.text, turn.name, str(turn.when), [*turn.tool_calls]], default=str)
    digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    seen[digest] = seen.get(digest, 0) + 1
    return f"{digest}-{seen[digest]}"


@dataclass(slots=True)
class _Checked:
    """The values of one message, made fit to be kept, with what had to be changed."""

    number: int
    problems: list[Problem] = field(default_factory=list)

    def bad(self, field: str, reason: str) -> None:
        self.problems.append(Problem(self.number, field, validation.replaced(reason), "replaced"))

    def text(self, value: str, field: str) -> str:
        if reason := validation.unstorable(value):
            self.bad(field, f"{field} has {reason}")
            value = validation.replaced(value)
        if len(value) > validation.MAX_TEXT:
            self.bad(field, f"{field} has {len(value):,} characters; the first {validation.MAX_TEXT:,} are kept")
        return value[: validation.MAX_TEXT]

    def name(self, value: str | None, field: str) -> str | None:
        try:
            return None if value is None else validation.name(self.text(value, field), field)
        except InputError as error:
            self.bad(field, str(error))
            return None

    def calls(self, calls: Sequence[Any]) -> list[Json]:
        checked: list[Json] = []
        for number, call in enumerate(calls):
            try:
                mended = validation.mended(call)
                checked.append(validation.json_object(mended, f"tool_calls[{number}]"))
            except InputError as error:
                self.bad("tool_calls", str(error))
            else:
                if mended != call:
                    self.bad("tool_calls", f"tool_calls[{number}] has characters that PostgreSQL cannot store")
        return checked

    def time(self, value: Any) -> datetime | None:
        """Parse a time as files have it: a date of ISO 8601, or seconds, milli-, micro- or nanoseconds since 1970."""
        if value is None or value == "":
            return None
        try:
            return _time(value)
        except (ValueError, OverflowError, TypeError):
            self.bad("created_at", f"created_at is no time, or none that can be kept: {str(value)[:60]!r}")
            return None


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_SECONDS: Final = 1e11
"""The year 5138; a larger number is of a finer unit."""
_FINEST: Final = 1e20
"""A number of nanoseconds that is no time any more."""


def _time(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return validation.moment(value, "created_at")
    if isinstance(value, datetime):
        return validation.moment(value, "created_at")
    seconds = float(value)
    if not isfinite(seconds) or abs(seconds) >= _FINEST:
        raise ValueError(value)
    while abs(seconds) >= _MOST_SECONDS:  # milli-, micro- or nanoseconds
        seconds /= 1000
    return validation.moment(_EPOCH + timedelta(seconds=seconds), "created_at")
