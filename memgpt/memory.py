"""The facade: one agent's whole memory. It composes the parts and delegates to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack
from uuid import UUID

from memgpt import embeddings, validation
from memgpt.archival.archival import Archival
from memgpt.blocks.blocks import Core
from memgpt.config import Settings, settings
from memgpt.database.connection import Connection, Database
from memgpt.database.isolation import Tenancy
from memgpt.documents.documents import Documents
from memgpt.documents.ingest import Ingest
from memgpt.documents.report import Ingested, IngestReport
from memgpt.embeddings import EmbeddingModel
from memgpt.errors import InputError
from memgpt.history.history import AsOf, History
from memgpt.llm.context import MOST_SAID, Context, CountTokens, compared, compose, unsaid
from memgpt.messages.intents import Intents
from memgpt.messages.messages import Messages
from memgpt.models import IN_PROMPTS, Author, Change, Hit, Json, Kind, MemoryFields, Remembered, Stats
from memgpt.scope.batches import Batch, OnError
from memgpt.scope.opening import open_database
from memgpt.scope.scope import AgentScope
from memgpt.search import Search, SearchOptions
from memgpt.telemetry import span

if TYPE_CHECKING:
    from memgpt.files.files import Files
    from memgpt.graph import Graph
    from memgpt.items.items import Items
    from memgpt.proposals.proposals import Proposals


class Memory:
    """The memory of one agent. Safe to share between threads; a context manager.

    Args:
        agent: the agent's id; its rows, and no others, are seen and written.
        dsn: a PostgreSQL connection string; absent, ``DATABASE_URL`` or libpq's variables, else the embedded server.
        actor: in whose name changes are recorded in the history.
        options: settings; absent, those of the environment.
        isolated: let PostgreSQL itself refuse the rows of other agents, whatever the statements ask for.
        database: an open database to share; it is not closed by this memory.
        embedder: a loaded embedding model to share.

    Raises:
        DatabaseError: PostgreSQL cannot be reached, or its schema is not migrated.
        ConfigurationError: a setting is wrong.
    """

    def __init__(
        self,
        agent: str | None = None,
        *,
        dsn: str | None = None,
        actor: str = "api",
        options: Settings | None = None,
        isolated: bool = False,
        database: Database | None = None,
        embedder: EmbeddingModel | None = None,
    ) -> None:
        options = options or settings()
        # work of a process that concerns every agent has that process's database
        name = validation.agent_id(agent or options.agent, "agent", or_every=database is not None)
        author = Author(name, validation.name(actor, "actor"))
        self._shared = database is not None
        self._database = open_database(dsn, options) if database is None else database
        scope = Tenancy((author.agent_id,), author.agent_id)
        seen = self._database.isolated(scope) if isolated else self._database
        self._scope = AgentScope(seen, author, embedder or embeddings.from_settings(options), options)
        self.archival = Archival(self._scope)
        self._search = Search(self._scope)
        self.core = Core(self._scope)
        self._history = History(self._scope)
        self.intents = Intents(self._scope)
        self.messages = Messages(self._scope, self.intents)
        self.documents = Documents(self._scope)
        self._ingest = Ingest(self._scope)

    # The rooms beside a memory's texts are loaded when they are used: a memory works without them.

    @cached_property
    def graph(self) -> Graph:
        """The entities and the dated facts of this memory."""
        from memgpt.graph import Graph

        return Graph(self._scope)

    @cached_property
    def items(self) -> Items:
        """The values this memory keeps at namespaces and keys."""
        from memgpt.items.items import Items

        return Items(self._scope)

    @cached_property
    def files(self) -> Files:
        """The files of this memory: texts at paths, as Claude's memory tool writes them."""
        from memgpt.files.files import Files

        return Files(self._scope)

    @cached_property
    def proposals(self) -> Proposals:
        """The changes of this memory that wait to be applied or rejected."""
        from memgpt.proposals.proposals import Proposals

        return Proposals(self._scope, self.archival, self.core, self.graph, self._history)

    @property
    def agent(self) -> str:
        """The agent's id."""
        return self._scope.agent_id

    @property
    def time_zone(self) -> str:
        """The time zone of the agent's people, such as ``Europe/Vienna``: times in prompts, and the days of questions
        such as "yesterday", are theirs. UTC until :meth:`set_time_zone`."""
        return self._scope.zone.key

    def set_time_zone(self, time_zone: str | None) -> None:
        """Give the agent a time zone of the IANA database; None is UTC.

        Raises:
            InputError: there is no such zone.
        """
        self._scope.set_zone(None if time_zone is None else validation.time_zone(time_zone))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commit everything written inside together, or nothing of it; within another one, it is a savepoint.

        It belongs to the task, or else the thread, that opened it. Calls handed to a thread with the context
        (``await asyncio.to_thread(memory.remember, text)``) are part of it; what other tasks and threads do is not.

        The psycopg connection it gives is the transaction's, for statements on tables of your own. It keeps the
        memory's deadline and, with ``isolated=True``, its role; it must not be used after the end of the block.
        """
        with self._scope.unit_of_work() as connection:
            yield connection

    def remember(self, text: str, **fields: Unpack[MemoryFields]) -> Remembered:
        """Keep a text for good; see :meth:`memgpt.archival.archival.Archival.insert`."""
        with span("remember"):
            return self.archival.insert(text, **fields)

    def remember_many(self, memories: Iterable[Mapping[str, Any]], *, on_error: OnError = "fail") -> Batch[Remembered]:
        """Keep many texts in one transaction; see :meth:`memgpt.archival.archival.Archival.insert_many`."""
        with span("remember"):
            return self.archival.insert_many(memories, on_error=on_error)

    def history(
        self,
        kind: str | None = None,
        id: int | None = None,
        *,
        label: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        change_id: UUID | str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> Sequence[Change]:
        """Return what was done to this memory, newest first; see :meth:`memgpt.history.history.History.list`."""
        return self._history.list(
            kind,
            id,
            label=label,
            actor=actor,
            action=action,
            change_id=change_id,
            since=since,
            until=until,
            limit=limit,
            before=before,
        )

    def undo(self, change_id: UUID | str | None = None) -> Sequence[Change]:
        """Take back the last change, or the one named; see :meth:`memgpt.history.history.History.undo`."""
        return self._history.undo(change_id)

    def as_of(self, time: datetime | str) -> AsOf:
        """Return this memory as it was at a time: ``memory.as_of("2026-01-31T12:00Z").block("human")``."""
        moment = validation.moment(time, "time")
        if moment is None:
            raise InputError("time is missing: give a datetime or an ISO 8601 text")
        return AsOf(self._scope, moment)

    def forget(
        self,
        id: int | None = None,
        kind: str = "archival",
        *,
        session: str | None = None,
        keep_history: bool = False,
        preview: bool = False,
    ) -> dict[str, int]:
        """Remove a row, or a whole conversation, for good: what is derived from it (a document's chunks, an entity's
        facts, the facts learned from any of them, an agent's notes of its turns), and all their history too. Nothing
        brings them back.

        Args:
            id: of the row.
            kind: block, archival, message, document, chunk, entity, fact, item, file or file_chunk.
            session: the conversation, in the place of an id.
            keep_history: leave the history entries there are, with the earlier contents they hold.
            preview: remove nothing, and count what would be removed.

        Returns:
            How many rows of each table were removed.

        Raises:
            NotFoundError: neither the row nor anything of it in the history is there.
        """
        from memgpt.agents import forget

        if session is not None:
            if id is not None:
                raise InputError("give the id of a row, or a session, not both")
            return forget.forget_session(self._scope, session, keep_history=keep_history, preview=preview)
        if id is None:
            raise InputError("id must be a whole number, not None; or give a session")
        return forget.forget(self._scope, id, kind, keep_history=keep_history, preview=preview)

    def forget_agent(self, *, preview: bool = False) -> dict[str, int]:
        """Remove everything of this agent for good, its history included, and its name from blocks others share.

        Args:
            preview: remove nothing, and count what would be removed.

        Returns:
            How many rows of each table were removed.
        """
        from memgpt.agents import forget

        return forget.forget_agent(self._scope, preview=preview)

    def stats(self) -> Stats:
        """Count each kind, how much of it has a vector, and since when."""
        from memgpt.agents import stats

        return stats.stats(self._scope)

    def search(self, query: str | None = None, **options: Unpack[SearchOptions]) -> list[Hit]:
        """Search by a query (or ``vector=``), best first; see :meth:`memgpt.search.Search.search`."""
        return self._search.search(query, **options)

    def context(
        self,
        query: str | None = None,
        *,
        budget_tokens: int = 2000,
        session: str | None = None,
        recent: int = 20,
        limit: int = 20,
        kinds: Sequence[Kind] | None = None,
        summary: str | None = None,
        said: Sequence[str] = (),
        count_tokens: CountTokens | None = None,
    ) -> Context:
        """Build a prompt-ready text within a budget: core memory, what a query recalls, the latest messages.

        Args:
            query: what to recall; absent, nothing is.
            budget_tokens: most tokens of the text.
            session: whose latest messages to include; absent, those of all sessions.
            recent: most messages to include without being recalled.
            limit: most hits to recall.
            kinds: what to recall; absent, everything but files.
            summary: of the conversation before the recent messages.
            said: texts of messages that the prompt has already: they are not recalled.
            count_tokens: the tokenizer of the model that will read it; absent, that of the embedding model.
        """
        budget = validation.limit(budget_tokens, "budget_tokens", most=10_000_000)
        with span("context"):
            more = min(len(said), MOST_SAID)
            asked = query if query and query.strip() else None
            recalled = IN_PROMPTS if kinds is None else kinds
            hits = self.search(asked, limit=limit + more, kinds=recalled, operators=False) if asked else []
            hits = unsaid(hits, {compared(text) for text in said})[:limit] if said else hits
            latest = self.messages.list(session=session, limit=recent) if recent else []
            blocks = self.core.list()
            standing = self._search.standing(query or "", kinds)
            with span("context.compose"):
                return compose(
                    budget_tokens=budget,
                    count_tokens=count_tokens or self._scope.count_tokens,
                    blocks=blocks,
                    summary=summary,
                    hits=hits,
                    standing=unsaid(standing, {compared(text) for text in said}) if said else standing,
                    recent=latest,
                    zone=self._scope.zone,
                )

    def ingest(
        self,
        content: Path | bytes | str | None = None,
        *,
        text: str | None = None,
        title: str | None = None,
        source: str | None = None,
        media_type: str | None = None,
        encoding: str | None = None,
        ocr: bool = False,
        metadata: Json | None = None,
    ) -> Ingested:
        """Keep a document: extract its text, cut it into chunks, embed and store them, in one transaction.

        ``content`` is a path, or a file's bytes. As a ``str`` it is a path if there is such a file, and a text if it
        has white space and there is none; a text of unknown origin is safer as ``text``. The same content again does
        nothing; a changed content of the same ``source`` (by default the path) replaces only the chunks that changed.
        ``encoding`` is that of a text or a web page (``"shift_jis"``); absent, it is read from the content or detected,
        and ``reason`` of the result says when it was a guess. ``ocr`` has the characters of scanned pages recognised.

        Raises:
            InputError: it is empty, damaged, encrypted, too large, no document or not in ``encoding``; nothing was
                stored.
            NotFoundError: there is no such file.
            MissingExtraError: the format needs the extra ``documents``, or ``ocr`` the extra of that name.
        """
        with span("ingest"):
            return self._ingest.one(
                content,
                text=text,
                title=title,
                source=source,
                media_type=media_type,
                encoding=encoding,
                ocr=ocr,
                metadata=metadata,
            )

    def ingest_files(
        self,
        paths: str | Path | Iterable[str | Path],
        *,
        glob: Sequence[str] = (),
        exclude: Sequence[str] = (),
        workers: int | None = None,
        encoding: str | None = None,
        ocr: bool = False,
        progress: Callable[[Ingested, int, int], None] | None = None,
    ) -> IngestReport:
        """Keep the documents in files and directories, each in a transaction of its own, read by several processes.

        ``glob`` and ``exclude`` are patterns for what is found in directories: for names, or, with a slash, for paths
        below the directory. ``encoding`` is that of texts and pages whose own is not to be detected; ``ocr`` has the
        characters of scanned pages recognised. What cannot be read is in the report, and the rest goes on. A run that
        was interrupted goes on where it was when it is started again. ``progress`` is called after each file with what
        became of it, how many are done, and how many there are.
        """
        return self._ingest.many(
            paths, glob=glob, exclude=exclude, workers=workers, encoding=encoding, ocr=ocr, progress=progress
        )

    def ingest_uploads(self, files: Mapping[Path, str], *, metadata: Json | None = None) -> Iterator[Ingested]:
        """Keep documents that somebody sent: where each lies now, and the ``source`` it is to have. They are read by a
        process of its own, and what cannot be read is told, not raised.
        """
        return self._ingest.sent(files, metadata)

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


def scope_of(memory: Memory) -> AgentScope:
    """Return what the parts of a memory share, for the rooms of this package that build on a memory.

    Internal: an application has :meth:`Memory.transaction`.
    """
    return memory._scope
