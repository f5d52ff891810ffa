"""Bodies of requests. Names are those of the glossary; unknown ones are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from memgpt import validation
from memgpt.errors import InputError
from memgpt.models import Json, Kind, Role
from memgpt.scope import batches
from memgpt.scope.batches import OnError, Outcome, Problem
from memgpt.server.api import patterns
from memgpt.server.api.json_types import (
    NUMBER,
    Aliases,
    AnyText,
    BlockText,
    Description,
    EntityName,
    FileContent,
    FilePath,
    Flag,
    Id,
    Label,
    Moment,
    Name,
    OtherAgent,
    Query,
    Score,
    Share,
    Source,
    Span,
    Tags,
    Text,
    Vector,
    Version,
    described,
)

T = TypeVar("T")

FileKind = Literal["ingest", "import", "import-agent"]
ProvenanceKind = Literal["archival", "message", "chunk", "document", "block", "fact"]
HistoryKind = Literal[
    "block", "archival", "message", "document", "chunk", "entity", "fact", "item", "file", "file_chunk"
]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    def sent(self) -> dict[str, Any]:
        """Return the fields the caller sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def _example(schema: Json | None = None, **values: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={**(schema or {}), "examples": [values]})


class AgentBody(Body):
    model_config = _example(description="Helps Ann plan her travels", metadata={"team": "travel"})
    description: Description | None = None
    metadata: Json | None = None
    time_zone: Annotated[Name, described(enum=sorted(available_timezones()))] | None = None
    """Of the agent's people, such as Europe/Vienna: times in prompts and questions are theirs."""


class BlockCreate(Body):
    model_config = _example(label="human", value="Name: Ann", limit=2000)
    label: Label
    value: BlockText = ""
    description: Description | None = None
    limit: Annotated[int, Field(ge=1, le=1_000_000), NUMBER] = 5000
    read_only: Flag = False


class BlockUpdate(Body):
    model_config = _example(patterns.CHANGES_A_BLOCK, value="Name: Ann\nLikes: trains")
    value: BlockText | None = None
    description: Description | None = None
    limit: Annotated[int | None, Field(ge=1, le=1_000_000), NUMBER] = None
    read_only: Flag | None = None


class BlockAppend(Body):
    model_config = _example(text="Lives in Vienna")
    text: Text


class BlockReplace(Body):
    model_config = _example(old="Vienna", new="Graz")
    old: Annotated[BlockText, Field(min_length=1)]
    new: BlockText


class BlockInsert(Body):
    model_config = _example(text="Speaks German", line=1)
    text: Text
    line: Annotated[int | None, Field(ge=1, le=1_000_000), NUMBER] = None


class BlockShare(Body):
    model_config = _example(agents=["colleague"])
    agents: Annotated[list[OtherAgent], Field(max_length=1000)]


class ArchivalCreate(Body):
    model_config = _example(text="Ann prefers night trains", tags=["travel"], importance=0.8)
    text: Text
    tags: Tags = []
    importance: Share = 0.5
    source: Source | None = None
    metadata: Json | None = None
    created_at: Moment | None = None
    expires_at: Moment | None = None
    embedding: Vector | None = None


class FileCreate(Body):
    model_config = _example(path="/memories/notes.md", content="# Notes\n\nAnn prefers night trains.\n")
    path: FilePath
    content: FileContent
    metadata: Json | None = None


class FileWrite(FileCreate):
    expected_version: Version | None = None
    """The version that was read; 0: there is to be none."""


class FileEdit(Body):
    model_config = _example(path="/memories/notes.md", old="night trains", new="sleepers")
    path: FilePath
    old: Annotated[FileContent, Field(min_length=1)]
    new: FileContent
    expected_version: Version | None = None


class FileRename(Body):
    model_config = _example(path="/memories/notes.md", to="/memories/ann/notes.md")
    path: FilePath
    to: FilePath
    expected_version: Version | None = None


class BatchBody(Body):
    """Several items, of which one may be bad."""

    on_error: OnError = "fail"
    _unstorable: list[Problem] = PrivateAttr(default_factory=list)

    @model_validator(mode="wrap")
    @classmethod
    def _with_characters_replaced(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Half of a surrogate pair is no text to Pydantic, which would refuse the whole body."""
        on_error: Any = value.get("on_error") if isinstance(value, dict) else None
        if on_error not in ("skip", "replace"):
            return handler(value)
        batch = handler(validation.mended(value))
        outcome: Outcome = "skipped" if on_error == "skip" else "replaced"
        for n, item in enumerate(value.get(cls._items()) or []):
            for field, each in item.items() if isinstance(item, dict) else ():
                if validation.mended(each) != each:
                    reason = f"{field} has characters that PostgreSQL cannot store"
                    batch._unstorable.append(Problem(n, field, reason, outcome))
        return batch

    @classmethod
    def _items(cls) -> str:
        return next(name for name in cls.model_fields if name != "on_error")

    def kept_by(
        self, keep: Callable[[list[dict[str, Any]], OnError], batches.Batch[T]]
    ) -> tuple[list[tuple[int, T]], list[Problem]]:
        """Have the items kept: the place and the answer of each that was, and what was wrong with others."""
        left_out = {problem.index for problem in self._unstorable if problem.outcome == "skipped"}
        places = [n for n in range(len(getattr(self, self._items()))) if n not in left_out]
        done = keep([getattr(self, self._items())[n].sent() for n in places], self.on_error)
        problems = [replace(problem, index=places[problem.index]) for problem in done.problems]
        skipped = {problem.index for problem in problems if problem.outcome == "skipped"}
        pairs = zip((n for n in places if n not in skipped), done, strict=True)
        return [*pairs], sorted([*self._unstorable, *problems], key=lambda problem: problem.index)


class ArchivalBatch(BatchBody):
    model_config = _example(memories=[{"text": "Ann prefers night trains"}, {"text": "Ann's dog is called Rex"}])
    memories: Annotated[list[ArchivalCreate], Field(min_length=1, max_length=1000)]


class ArchivalUpdate(Body):
    model_config = _example(patterns.WITH_TEXT, importance=1.0)
    text: Text | None = None
    tags: Tags | None = None
    importance: Share | None = None
    source: Source | None = None
    metadata: Json | None = None
    expires_at: Moment | None = None
    embedding: Vector | None = None


class MessageCreate(Body):
    model_config = _example(
        patterns.SAYS_SOMETHING, role="user", content="I am off to Graz tomorrow", session="2026-11-23"
    )
    role: Role = "user"
    content: AnyText | Annotated[list[AnyText | Json], Field(max_length=1000)] | None = None
    """A text, or a list of parts as OpenAI and Anthropic write it."""
    session: Name = "default"
    name: Name | None = None
    intent: Name | None = None
    intent_confidence: Share | None = None
    tokens: Annotated[int | None, Field(ge=0, le=2**31 - 1), NUMBER] = None
    """Counted when absent."""
    tool_calls: Annotated[list[Json] | None, Field(max_length=100)] = None
    tool_call_id: Name | None = None
    metadata: Json | None = None
    created_at: Moment | None = None
    embedding: Vector | None = None


class MessageBatch(BatchBody):
    model_config = _example(messages=[{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"}])
    messages: Annotated[list[MessageCreate], Field(min_length=1, max_length=1000)]


class MessageUpdate(Body):
    model_config = _example(patterns.WITH_CONTENT, intent="plan a trip")
    content: Text | None = None
    name: Name | None = None
    intent: Name | None = None
    intent_confidence: Share | None = None
    metadata: Json | None = None
    embedding: Vector | None = None


class DocumentCreate(Body):
    model_config = _example(text="# Timetable\n\nThe night train leaves at 22:08.", source="timetable.md")
    text: Text
    title: Name | None = None
    source: Source | None = None
    media_type: Literal["text/plain", "text/markdown"] | None = None
    metadata: Json | None = None


class DocumentUpdate(Body):
    model_config = _example(title="Timetable 2026")
    title: Annotated[str, Field(max_length=validation.MAX_NAME), described(pattern=patterns.STORABLE)] | None = None
    source: Source | None = None
    metadata: Json | None = None


class EntityCreate(Body):
    model_config = _example(name="Ann", type="person", aliases=["Anna"])
    name: EntityName
    type: EntityName = "thing"
    aliases: Aliases = []
    description: Description = ""
    properties: Json | None = None


class EntityUpdate(Body):
    model_config = _example(description="Lives in Vienna")
    name: EntityName | None = None
    type: EntityName | None = None
    aliases: Aliases | None = None
    description: Description | None = None
    properties: Json | None = None


class FactCreate(Body):
    model_config = _example(source="Ann", type="works_at", target="Acme", valid_from="2024-05-01T00:00:00Z")
    source: EntityName | Id
    """A name, or the id of an entity."""
    type: EntityName
    target: EntityName | Id
    fact: Text | None = None
    weight: Annotated[float, Field(ge=0, le=1_000_000), NUMBER] | None = None
    """Of a new fact 1, of one that is there already what it has."""
    valid_from: Moment | None = None
    valid_to: Moment | None = None
    properties: Json | None = None
    provenance: tuple[ProvenanceKind, Id] | None = None
    """The kind and the id of the row it is from."""
    functional: Flag | None = None
    """One target at a time; absent, the type decides."""


class SearchRequest(Body):
    model_config = _example(patterns.one_of("query", "vector"), query="how does Ann like to travel?", limit=5)
    query: Query | None = None
    vector: Vector | None = None
    limit: Annotated[int, Field(ge=1, le=1000), NUMBER] = 10
    offset: Annotated[int, Field(ge=0, le=9000), NUMBER] = 0
    kinds: list[Kind] | None = None
    tags: Tags | None = None
    since: Moment | None = None
    until: Moment | None = None
    metadata: Json | None = None
    roles: Annotated[list[Role] | None, Field(max_length=10)] = None
    intents: Tags | None = None
    min_score: Score | None = None
    recency: Annotated[float, Field(ge=0, le=100), NUMBER] = 0.0
    importance: Annotated[float, Field(ge=0, le=100), NUMBER] = 0.0
    half_life: Span = "30d"
    """Age that halves recency: 12h, 30d, 2w."""
    now: Moment | None = None
    """When it is asked: what "yesterday" and "last week" are seen from; absent, this moment."""
    graph: Flag = True
    """Whether facts about what the query names rise, and bring their texts."""
    explain: Flag = False
    spans: Annotated[Flag, Field(description="Whether hits tell which characters of their texts match the words.")] = (
        False
    )
    operators: Annotated[Flag, Field(description='Whether "phrases", -words and OR mean something.')] = True


class SearchBatch(Body):
    model_config = _example(searches=[{"query": "trains"}, {"query": "Ann's dog"}])
    searches: Annotated[list[SearchRequest], Field(min_length=1, max_length=50)]


class ContextRequest(Body):
    model_config = _example(query="how does Ann like to travel?", budget_tokens=2000)
    query: Query | None = None
    budget_tokens: Annotated[int, Field(ge=1, le=1_000_000), NUMBER] = 2000
    session: Name | None = None
    recent: Annotated[int, Field(ge=0, le=1000), NUMBER] = 20
    """Most messages to include without being recalled."""
    limit: Annotated[int, Field(ge=1, le=1000), NUMBER] = 20
    """Most hits to recall."""
    kinds: list[Kind] | None = None
    summary: Annotated[str, Field(min_length=1, max_length=validation.MAX_TEXT)] | None = None
    """Of the conversation before the recent messages."""
    said: Annotated[list[Annotated[str, Field(max_length=1_000_000)]], Field(max_length=1000)] = []
    """Texts of messages that the prompt has already: they are not recalled."""


class UndoRequest(Body):
    model_config = _example(change_id="0b0e5b1c-0000-4000-8000-000000000001")
    change_id: UUID | None = None


class ForgetRequest(Body):
    model_config = _example(patterns.one_of("id", "session"), kind="archival", id=1)
    kind: HistoryKind = "archival"
    id: Id | None = None
    session: Name | None = None
    """A whole conversation, in the place of a row."""
    keep_history: Flag = False
    preview: Flag = False
    """Remove nothing, and count what would be removed."""


class JobCreate(Body):
    model_config = _example({"oneOf": patterns.jobs()}, kind="sleep", arguments={"apply": False})
    kind: Name
    arguments: Json = {}


class ChatTurn(Body):
    model_config = _example(text="When does my train leave?", session="2026-11-23")
    text: Text
    session: Name = "default"
    stream: Flag = False
    """Server-sent events instead of one answer at the end."""
    steps: Annotated[int, Field(ge=1, le=100), NUMBER] = 30
    """Most requests to the model."""
    tokens: Annotated[int | None, Field(ge=1, le=10_000_000), NUMBER] = None
    """Most tokens sent and received."""
    seconds: Annotated[float, Field(gt=0, le=3600), NUMBER] = 300.0


class ChatResume(Body):
    model_config = _example(session="2026-11-23")
    session: Name = "default"
    stream: Flag = False


class ChatSession(Body):
    model_config = _example(session="2026-11-23")
    session: Name = "default"


def json_object(text: str, what: str) -> Json:
    """Parse a JSON object that comes in a field of a form."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{what} is not JSON") from None
    if not isinstance(value, dict):
        raise InputError(f"{what} is not a JSON object")
    return validation.json_object(value, what)
