"""Types of AsyncMemory and its parts. Made by `make stub` from those of Memory: change those."""

import os
from builtins import list as builtin_list
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Unpack
from uuid import UUID

from pydantic import BaseModel

from memgpt.async_memory import AsyncFacade
from memgpt.database.tables import Row
from memgpt.documents.report import Ingested, IngestReport
from memgpt.graph.entities import EntityRef
from memgpt.graph.extraction.apply import TakeOver
from memgpt.graph.extraction.run import Extracted, ExtractionPlan
from memgpt.graph.facts import Direction
from memgpt.graph.mentions import Linked, NamedTogether, PlacedText
from memgpt.graph.merging import Judge
from memgpt.graph.traversal import Cost, WalkFilters
from memgpt.history.proposals_store import NewProposal
from memgpt.items.items import ItemSearchOptions, NewItem
from memgpt.items.store import Namespace
from memgpt.llm.context import Context, CountTokens
from memgpt.messages.intents import Classifier, Examples
from memgpt.models import (
    ArchivalMemory,
    BlameLine,
    Block,
    Change,
    Chunk,
    Document,
    Entity,
    ExtractionFailure,
    ExtractionSpent,
    Fact,
    File,
    FileEntry,
    FoundItem,
    GraphOverview,
    Hit,
    Intent,
    IntentCount,
    Json,
    Kind,
    MemoryFields,
    Message,
    NearDuplicate,
    Neighbourhood,
    Proposal,
    ProposalStatus,
    RankedEntity,
    Remembered,
    Session,
    Source,
    Stats,
    StoreItem,
    SyncReport,
)
from memgpt.models import Path as ModelsPath
from memgpt.scope.batches import Batch, OnError
from memgpt.search import SearchOptions

class AsyncVerbs:
    async def as_of(self, time: datetime | str) -> AsyncAsOf: ...
    async def context(
        self,
        query: str | None = ...,
        *,
        budget_tokens: int = ...,
        session: str | None = ...,
        recent: int = ...,
        limit: int = ...,
        kinds: Sequence[Kind] | None = ...,
        summary: str | None = ...,
        said: Sequence[str] = ...,
        count_tokens: CountTokens | None = ...,
    ) -> Context: ...
    @property
    def files(self) -> AsyncFiles: ...
    async def forget(
        self,
        id: int | None = ...,
        kind: str = ...,
        *,
        session: str | None = ...,
        keep_history: bool = ...,
        preview: bool = ...,
    ) -> dict[str, int]: ...
    async def forget_agent(self, *, preview: bool = ...) -> dict[str, int]: ...
    @property
    def graph(self) -> AsyncGraph: ...
    async def history(
        self,
        kind: str | None = ...,
        id: int | None = ...,
        *,
        label: str | None = ...,
        actor: str | None = ...,
        action: str | None = ...,
        change_id: UUID | str | None = ...,
        since: datetime | str | None = ...,
        until: datetime | str | None = ...,
        limit: int = ...,
        before: int | None = ...,
    ) -> Sequence[Change]: ...
    async def ingest(
        self,
        content: Path | bytes | str | None = ...,
        *,
        text: str | None = ...,
        title: str | None = ...,
        source: str | None = ...,
        media_type: str | None = ...,
        encoding: str | None = ...,
        ocr: bool = ...,
        metadata: Json | None = ...,
    ) -> Ingested: ...
    async def ingest_files(
        self,
        paths: str | Path | Iterable[str | Path],
        *,
        glob: Sequence[str] = ...,
        exclude: Sequence[str] = ...,
        workers: int | None = ...,
        encoding: str | None = ...,
        ocr: bool = ...,
        progress: Callable[[Ingested, int, int], None] | None = ...,
    ) -> IngestReport: ...
    def ingest_uploads(self, files: Mapping[Path, str], *, metadata: Json | None = ...) -> AsyncIterator[Ingested]: ...
    @property
    def items(self) -> AsyncItems: ...
    @property
    def proposals(self) -> AsyncProposals: ...
    async def remember(self, text: str, **fields: Unpack[MemoryFields]) -> Remembered: ...
    async def remember_many(
        self, memories: Iterable[Mapping[str, Any]], *, on_error: OnError = ...
    ) -> Batch[Remembered]: ...
    async def search(self, query: str | None = ..., **options: Unpack[SearchOptions]) -> list[Hit]: ...
    async def set_time_zone(self, time_zone: str | None) -> None: ...
    async def stats(self) -> Stats: ...
    @property
    def time_zone(self) -> Coroutine[Any, Any, str]: ...
    async def undo(self, change_id: UUID | str | None = ...) -> Sequence[Change]: ...
    @property
    def archival(self) -> AsyncArchival: ...
    @property
    def core(self) -> AsyncCore: ...
    @property
    def documents(self) -> AsyncDocuments: ...
    @property
    def intents(self) -> AsyncIntents: ...
    @property
    def messages(self) -> AsyncMessages: ...

class AsyncArchival(AsyncFacade):
    async def delete(self, id: int) -> None: ...
    async def get(self, id: int) -> ArchivalMemory: ...
    async def insert(self, text: str, **fields: Unpack[MemoryFields]) -> Remembered: ...
    async def insert_many(
        self, memories: Iterable[Mapping[str, Any]], *, on_error: OnError = ...
    ) -> Batch[Remembered]: ...
    async def list(
        self,
        *,
        limit: int = ...,
        tags: Sequence[str] | None = ...,
        after: ArchivalMemory | int | None = ...,
        superseded: bool = ...,
    ) -> Sequence[ArchivalMemory]: ...
    async def near_duplicates(
        self, of: int | str, *, threshold: float = ..., limit: int = ...
    ) -> Sequence[NearDuplicate]: ...
    async def supersede(self, id: int, text: str, **fields: Unpack[MemoryFields]) -> Remembered: ...
    async def touch(self, ids: Iterable[int]) -> None: ...
    async def update(
        self,
        id: int,
        *,
        text: str | None = ...,
        tags: Sequence[str] | None = ...,
        importance: float | None = ...,
        source: str | None = ...,
        metadata: Json | None = ...,
        expires_at: datetime | str | None = ...,
        clear_expiry: bool = ...,
        embedding: Any = ...,
    ) -> ArchivalMemory: ...

class AsyncAsOf(AsyncFacade):
    async def archival(self, id: int) -> ArchivalMemory: ...
    async def block(self, label: str) -> Block: ...
    async def blocks(self) -> Sequence[Block]: ...
    async def chunk(self, id: int) -> Chunk: ...
    async def document(self, id: int) -> Document: ...
    async def entity(self, id: int) -> Entity: ...
    async def fact(self, id: int) -> Fact: ...
    async def file(self, id: int) -> File: ...
    async def item(self, id: int) -> StoreItem: ...
    async def message(self, id: int) -> Message: ...
    async def rows(
        self, kind: str, *, after: int | None = ..., limit: int | None = ..., parent: str | int | None = ...
    ) -> Sequence[Row]: ...

class AsyncCore(AsyncFacade):
    async def create(
        self, label: str, value: str = ..., *, description: str | None = ..., limit: int = ..., read_only: bool = ...
    ) -> Block: ...
    async def delete(
        self, label: str, *, expected_version: int | None = ..., expected_sha256: str | None = ...
    ) -> None: ...
    async def list(self) -> Sequence[Block]: ...
    def __getitem__(self, label: str) -> AsyncCoreBlock: ...
    def __aiter__(self) -> AsyncIterator[str]: ...

class AsyncCoreBlock(AsyncFacade):
    async def append(
        self, text: str, *, expected_version: int | None = ..., expected_sha256: str | None = ...
    ) -> Block: ...
    async def blame(self) -> Sequence[BlameLine]: ...
    @property
    def block(self) -> Coroutine[Any, Any, Block]: ...
    async def describe(
        self,
        description: str | None = ...,
        *,
        limit: int | None = ...,
        read_only: bool | None = ...,
        expected_version: int | None = ...,
        expected_sha256: str | None = ...,
    ) -> Block: ...
    async def insert(
        self,
        text: str,
        line: int | None = ...,
        *,
        expected_version: int | None = ...,
        expected_sha256: str | None = ...,
    ) -> Block: ...
    async def replace(
        self, old: str, new: str, *, expected_version: int | None = ..., expected_sha256: str | None = ...
    ) -> Block: ...
    async def rethink(
        self, value: str, *, expected_version: int | None = ..., expected_sha256: str | None = ...
    ) -> Block: ...
    async def share_with(self, *agents: str) -> Block: ...
    async def unshare(self, *agents: str) -> Block: ...
    @property
    def value(self) -> Coroutine[Any, Any, str]: ...

class AsyncDocuments(AsyncFacade):
    async def add(
        self,
        text: str,
        *,
        title: str | None = ...,
        source: str | None = ...,
        media_type: str | None = ...,
        metadata: Json | None = ...,
    ) -> Document: ...
    async def chunk(self, id: int) -> Chunk: ...
    async def chunks(self, document_id: int, *, limit: int = ..., after: Chunk | None = ...) -> Sequence[Chunk]: ...
    async def count(self) -> int: ...
    async def create(
        self,
        chunks: Iterable[Mapping[str, Any]],
        *,
        title: str = ...,
        source: str | None = ...,
        media_type: str | None = ...,
        content_hash: str | None = ...,
        metadata: Json | None = ...,
    ) -> Document: ...
    async def delete(self, id: int) -> None: ...
    async def find(self, source: str) -> Document | None: ...
    async def get(self, id: int) -> Document: ...
    async def list(self, *, limit: int = ..., after: Document | None = ...) -> Sequence[Document]: ...
    async def text(self, document_id: int) -> str: ...
    async def update(
        self, id: int, *, title: str | None = ..., source: str | None = ..., metadata: Json | None = ...
    ) -> Document: ...

class AsyncFiles(AsyncFacade):
    async def create(self, path: str, content: str, *, metadata: Json | None = ...) -> File: ...
    async def delete(self, path: str, *, expected_version: int | None = ...) -> Sequence[str]: ...
    async def edit(self, path: str, old: str, new: str, *, expected_version: int | None = ...) -> File: ...
    async def get(self, id: int) -> File: ...
    async def list(self, directory: str = ..., *, limit: int = ..., after: str | None = ...) -> Sequence[FileEntry]: ...
    async def read(self, path: str) -> File: ...
    async def rename(self, path: str, to: str, *, expected_version: int | None = ...) -> Sequence[str]: ...
    async def sync(
        self,
        folder: str | os.PathLike[str],
        *,
        path: str = ...,
        delete: bool = ...,
        dry_run: bool = ...,
        on_progress: Callable[[int, int], None] | None = ...,
    ) -> SyncReport: ...
    async def write(
        self, path: str, content: str, *, metadata: Json | None = ..., expected_version: int | None = ...
    ) -> File: ...

class AsyncGraph(AsyncFacade):
    async def about(
        self,
        query: str,
        *,
        hops: int = ...,
        limit: int = ...,
        fan_out: int | None = ...,
        **filters: Unpack[WalkFilters],
    ) -> Neighbourhood: ...
    async def add_entity(
        self,
        name: str,
        type: str = ...,
        *,
        aliases: Sequence[str] = ...,
        description: str = ...,
        properties: Json | None = ...,
    ) -> Entity: ...
    async def add_fact(
        self,
        source: EntityRef,
        type: str,
        target: EntityRef,
        *,
        fact: str | None = ...,
        weight: float | None = ...,
        valid_from: datetime | str | None = ...,
        valid_to: datetime | str | None = ...,
        properties: Json | None = ...,
        provenance: tuple[str, int] | None = ...,
        functional: bool | None = ...,
    ) -> Fact: ...
    async def around(
        self,
        entity: EntityRef | Sequence[EntityRef],
        *,
        hops: int = ...,
        limit: int = ...,
        fan_out: int | None = ...,
        **filters: Unpack[WalkFilters],
    ) -> Neighbourhood: ...
    async def declare_functional(self, type: str, functional: bool = ...) -> Sequence[str]: ...
    async def delete(self, entity: EntityRef) -> None: ...
    async def delete_fact(self, id: int) -> None: ...
    async def end(
        self,
        source: EntityRef,
        type: str,
        target: EntityRef | None = ...,
        *,
        valid_from: datetime | str | None = ...,
        valid_to: datetime | str | None = ...,
    ) -> int: ...
    async def extract(
        self,
        model: str | None = ...,
        schema: type[BaseModel] = ...,
        *,
        kinds: Sequence[Source] = ...,
        batch: int = ...,
        concurrency: int = ...,
        max_items: int | None = ...,
        max_cost: float | None = ...,
        failed: bool = ...,
        take_over: TakeOver | None = ...,
        on_progress: Callable[[Extracted], None] | None = ...,
    ) -> Extracted: ...
    async def extraction_failures(self, *, limit: int = ...) -> Sequence[ExtractionFailure]: ...
    async def extraction_spent(self) -> Sequence[ExtractionSpent]: ...
    async def fact(self, id: int) -> Fact: ...
    async def facts(
        self,
        entity: EntityRef | None = ...,
        *,
        direction: Direction = ...,
        type: str | None = ...,
        superseded: bool = ...,
        valid_at: datetime | str | None = ...,
        known_at: datetime | str | None = ...,
        limit: int = ...,
        after: Fact | None = ...,
    ) -> Sequence[Fact]: ...
    async def find(self, name: str) -> Sequence[Entity]: ...
    async def functional_types(self) -> Sequence[str]: ...
    async def get(self, entity: EntityRef) -> Entity: ...
    async def link(self, *, batch: int = ..., on_progress: Callable[[Linked], None] | None = ...) -> Linked: ...
    async def list(
        self, *, type: str | None = ..., limit: int = ..., after: Entity | None = ...
    ) -> Sequence[Entity]: ...
    async def merge(self, change: Json) -> int: ...
    async def named_with(self, name: str, *, limit: int = ...) -> Sequence[NamedTogether]: ...
    async def names(self, ids: Sequence[int]) -> dict[int, str]: ...
    async def neighbours(
        self, entity: EntityRef, *, limit: int = ..., fan_out: int | None = ..., **filters: Unpack[WalkFilters]
    ) -> Neighbourhood: ...
    async def overview(
        self, *, limit: int = ..., valid_at: datetime | str | None = ..., known_at: datetime | str | None = ...
    ) -> GraphOverview: ...
    async def path(
        self,
        source: EntityRef,
        target: EntityRef,
        *,
        by: Cost = ...,
        max_hops: int = ...,
        **filters: Unpack[WalkFilters],
    ) -> ModelsPath | None: ...
    async def plan_extraction(
        self, model: str, schema: type[BaseModel] = ..., *, kinds: Sequence[Source] = ..., failed: bool = ...
    ) -> ExtractionPlan: ...
    async def propose_merges(self, *, judge: Judge | None = ..., among: int = ...) -> Sequence[Proposal]: ...
    async def rank(
        self,
        seeds: EntityRef | Sequence[EntityRef] | Mapping[str, float],
        *,
        hops: int = ...,
        limit: int = ...,
        among: int = ...,
        fan_out: int | None = ...,
        **filters: Unpack[WalkFilters],
    ) -> builtin_list[RankedEntity]: ...
    async def retract_fact(self, id: int) -> Fact: ...
    async def texts_behind(self, facts: Sequence[Fact]) -> Sequence[PlacedText]: ...
    async def texts_naming(self, names: Sequence[str], *, limit: int = ...) -> Sequence[PlacedText]: ...
    def transaction(self) -> AbstractAsyncContextManager[Any]: ...
    async def update(
        self,
        entity: EntityRef,
        *,
        name: str | None = ...,
        type: str | None = ...,
        aliases: Sequence[str] | None = ...,
        description: str | None = ...,
        properties: Json | None = ...,
    ) -> Entity: ...
    async def within(
        self,
        entity: EntityRef | Sequence[EntityRef],
        *,
        hops: int = ...,
        limit: int = ...,
        fan_out: int | None = ...,
        **filters: Unpack[WalkFilters],
    ) -> Neighbourhood: ...

class AsyncIntents(AsyncFacade):
    async def classify(self, text: str) -> Intent: ...
    async def classify_many(self, texts: Sequence[str]) -> Sequence[Intent]: ...
    async def examples(self) -> Examples: ...
    async def labels(self, texts: Sequence[str], *, by_known: bool = ...) -> tuple[Sequence[Intent], int]: ...
    async def learn(self, intent: str, *examples: str) -> None: ...
    async def statistics(
        self, *, since: datetime | str | None = ..., until: datetime | str | None = ...
    ) -> Sequence[IntentCount]: ...
    async def unlearn(self, intent: str, *examples: str) -> int: ...
    async def use(self, classifier: Classifier | None) -> None: ...

class AsyncItems(AsyncFacade):
    async def delete(self, namespace: Sequence[str], key: str) -> None: ...
    async def delete_many(self, places: Iterable[tuple[Sequence[str], str]]) -> int: ...
    async def get(self, namespace: Sequence[str], key: str, *, refresh: bool = ...) -> StoreItem: ...
    async def get_many(
        self, places: Iterable[tuple[Sequence[str], str]], *, refresh: bool = ..., expired: bool = ...
    ) -> Sequence[StoreItem | None]: ...
    async def list(
        self, namespace: Sequence[str], *, begins: str = ..., after: str = ..., limit: int = ...
    ) -> Sequence[StoreItem]: ...
    async def namespaces(
        self,
        prefix: Sequence[str] = ...,
        *,
        suffix: Sequence[str] = ...,
        max_depth: int | None = ...,
        limit: int = ...,
        offset: int = ...,
        expired: bool = ...,
    ) -> Sequence[Namespace]: ...
    async def put(
        self,
        namespace: Sequence[str],
        key: str,
        value: Mapping[str, Any],
        *,
        text: str | None = ...,
        ttl_minutes: float | None = ...,
    ) -> int: ...
    async def put_many(self, items: Iterable[NewItem], *, collection: str = ...) -> Sequence[int]: ...
    async def search(
        self, prefix: Sequence[str] = ..., **options: Unpack[ItemSearchOptions]
    ) -> Sequence[FoundItem]: ...
    async def sweep(self) -> int: ...

class AsyncMessages(AsyncFacade):
    async def append(
        self,
        role: str,
        content: str | Sequence[str | Json] | None,
        *,
        session: str = ...,
        name: str | None = ...,
        created_at: datetime | str | None = ...,
        metadata: Json | None = ...,
        intent: str | None = ...,
        intent_confidence: float | None = ...,
        tokens: int | None = ...,
        tool_calls: Sequence[Json] | None = ...,
        tool_call_id: str | None = ...,
        embedding: Any = ...,
    ) -> Message: ...
    async def append_many(
        self, messages: Iterable[Mapping[str, Any]], *, on_error: OnError = ...
    ) -> Batch[Message]: ...
    async def count(self, *, session: str | None = ...) -> int: ...
    async def delete(self, id: int) -> None: ...
    async def delete_session(self, session: str) -> int: ...
    async def get(self, id: int) -> Message: ...
    async def list(
        self,
        *,
        session: str | None = ...,
        limit: int = ...,
        before: Message | int | None = ...,
        roles: Sequence[str] | None = ...,
        intent: str | None = ...,
        since: datetime | str | None = ...,
        until: datetime | str | None = ...,
    ) -> Sequence[Message]: ...
    async def sessions(self, *, limit: int = ..., after: str | None = ...) -> Sequence[Session]: ...
    async def update(
        self,
        id: int,
        *,
        content: str | None = ...,
        name: str | None = ...,
        intent: str | None = ...,
        intent_confidence: float | None = ...,
        metadata: Json | None = ...,
        embedding: Any = ...,
    ) -> Message: ...

class AsyncProposals(AsyncFacade):
    async def apply(self, id: int) -> Proposal: ...
    async def get(self, id: int) -> Proposal: ...
    async def known(self, proposal: NewProposal) -> bool: ...
    async def list(
        self,
        status: str | None = ...,
        *,
        kind: str | None = ...,
        about: str | None = ...,
        limit: int = ...,
        before: int | None = ...,
    ) -> Sequence[Proposal]: ...
    async def propose(self, proposal: NewProposal, *, status: ProposalStatus = ...) -> Proposal | None: ...
    async def propose_facts(
        self, facts: Sequence[Mapping[str, Any]], *, reason: str, score: float | None = ..., evidence: Json | None = ...
    ) -> Proposal | None: ...
    async def reject(self, id: int) -> Proposal: ...
    async def revert(self, id: int) -> Proposal: ...
