"""Long-term memory for LLM agents, in the PostgreSQL you already run.

An application imports what it needs from here: ``from memgpt import Memory``. Three verbs have modules of their own:
``memgpt.sleep`` orders a memory, ``memgpt.reembed`` changes its embedding model, ``memgpt.embeddings`` loads a model.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# fmt: off
# isort: off
if TYPE_CHECKING:
    from memgpt.agent import Agent, Cut, Ended, Event, Evicted, Inspection, Pressure, Restarted, Text, ToolCalled
    from memgpt.agent import ToolReturned, Turn, TurnLimits
    from memgpt.agent.chat_model import ChatModel
    from memgpt.agent.request import Sent
    from memgpt.agent.store import TurnStep
    from memgpt.agents.agents import Agents
    from memgpt.archival.archival import Archival
    from memgpt.async_memory import AsyncFacade, AsyncMemory, OpenTransaction
    from memgpt.blocks.blocks import Core, CoreBlock
    from memgpt.config import Settings
    from memgpt.database.connection import Connection, Database
    from memgpt.documents.documents import Documents
    from memgpt.documents.report import IngestReport, Ingested
    from memgpt.embeddings import EmbeddingModel, Usage, UsageTotals
    from memgpt.errors import AccessError, BusyError, ChatError, ConfigurationError, ConflictError, ContentionError
    from memgpt.errors import DatabaseError, DeniedError, EmbeddingError, ForbiddenError, ForgottenError, InputError
    from memgpt.errors import MemgptError, MigrationError, MismatchError, MissingExtraError, ModelMismatchError
    from memgpt.errors import NoModelError, NotFoundError, ReadOnlyError, ServerError, UnavailableError
    from memgpt.errors import WindowExceededError
    from memgpt.files.files import Files
    from memgpt.graph import Direction, EntityRef, Extracted, ExtractionPlan, Graph, Linked, NamedTogether
    from memgpt.graph import PlacedText
    from memgpt.graph.extraction.schema import ExtractedEntity, ExtractedFact, Schema
    from memgpt.graph.merges_store import Pair
    from memgpt.graph.traversal import WalkFilters
    from memgpt.history.history import AsOf
    from memgpt.history.proposals_store import NewProposal
    from memgpt.integrations.importers import ImportItem, ImportReport, ImportedItem, import_memory
    from memgpt.integrations.transcripts import ImportedTranscript, import_transcript
    from memgpt.items.items import Items, ItemSearchOptions, NewItem
    from memgpt.items.predicates import ItemCondition
    from memgpt.jobs import JobKind, Jobs
    from memgpt.jobs.store import JobFile
    from memgpt.llm.context import Context, ContextItem, CountTokens, LeftOut
    from memgpt.memory import Memory
    from memgpt.messages.intents import Intents
    from memgpt.messages.messages import Messages
    from memgpt.models import Action, ActiveModel, AgentInfo, AgentRow, ArchivalMemory, Author, BlameLine, Block, Change
    from memgpt.models import Chunk, ConnectedEntity, Document, Entity, ExtractionFailure, ExtractionSpent, Fact, File
    from memgpt.models import FileChunk, FileEntry, FoundItem, GraphOverview, Hit, Imported, Intent, IntentCount
    from memgpt.models import Job, JobStatus, Json, Key, Kind, KindStats, MemoryFields, Message, NearDuplicate
    from memgpt.models import Neighbourhood, Path
    from memgpt.models import Permission, Proposal, ProposalKind, ProposalStatus, RankedEntity, ReachedEntity
    from memgpt.models import ReachedFact, Remembered, Role, Session, Source, Stats, StoreItem
    from memgpt.models import SyncConflict, SyncedFile, SyncReport, SyncSide, TypeCount
    from memgpt.proposals.proposals import Proposals
    from memgpt.reembed import ReembedPlan, ReembedProgress, ReembedReport, ReembedStatus, Switch, VectorComparison
    from memgpt.scope.batches import Batch, OnError, Problem
    from memgpt.scope.opening import open_database
    from memgpt.search import SearchOptions
    from memgpt.sleep import SleepProgress, SleepReport, Task, TaskReport

__all__ = [
    "AccessError", "Action", "ActiveModel", "Agent", "AgentInfo", "AgentRow", "Agents", "Archival", "ArchivalMemory",
    "AsOf", "AsyncFacade", "AsyncMemory", "Author", "Batch", "BlameLine", "Block", "BusyError", "Change", "ChatError",
    "ChatModel", "Chunk", "ConfigurationError", "ConflictError", "ConnectedEntity", "Connection", "ContentionError",
    "Context", "ContextItem", "Core", "CoreBlock", "CountTokens", "Cut", "Database", "DatabaseError", "DeniedError",
    "Direction", "Document", "Documents", "EmbeddingError", "EmbeddingModel", "Ended", "Entity", "EntityRef", "Event",
    "Evicted", "Extracted", "ExtractedEntity", "ExtractedFact", "ExtractionFailure", "ExtractionPlan",
    "ExtractionSpent", "Fact", "File", "FileChunk", "FileEntry", "Files", "ForbiddenError", "ForgottenError",
    "FoundItem", "Graph", "GraphOverview", "Hit", "ImportItem", "ImportReport", "Imported", "ImportedItem",
    "ImportedTranscript", "IngestReport", "Ingested", "InputError", "Inspection", "Intent", "IntentCount", "Intents",
    "ItemCondition", "ItemSearchOptions", "Items", "Job", "JobFile", "JobKind", "JobStatus", "Jobs", "Json", "Key",
    "Kind", "KindStats", "LeftOut", "Linked", "MemgptError", "Memory", "MemoryFields", "Message", "Messages",
    "MigrationError", "MismatchError", "MissingExtraError", "ModelMismatchError", "NamedTogether", "NearDuplicate",
    "Neighbourhood", "NewItem", "NewProposal", "NoModelError", "NotFoundError", "OnError", "OpenTransaction", "Pair",
    "Path", "Permission", "PlacedText", "Pressure", "Problem", "Proposal", "ProposalKind", "ProposalStatus",
    "Proposals", "RankedEntity", "ReachedEntity", "ReachedFact", "ReadOnlyError", "ReembedPlan", "ReembedProgress",
    "ReembedReport", "ReembedStatus", "Remembered", "Restarted", "Role", "Schema", "SearchOptions", "Sent",
    "ServerError", "Session", "Settings", "SleepProgress", "SleepReport", "Source", "Stats", "StoreItem", "Switch",
    "SyncConflict", "SyncReport", "SyncSide", "SyncedFile", "Task", "TaskReport", "Text", "ToolCalled", "ToolReturned",
    "Turn", "TurnLimits", "TurnStep", "TypeCount", "UnavailableError", "Usage", "UsageTotals", "VectorComparison",
    "WalkFilters", "WindowExceededError", "import_memory", "import_transcript", "open_database",
]

_HOMES = {
    "memgpt.agent":
        "Agent Cut Ended Event Evicted Inspection Pressure Restarted Text ToolCalled ToolReturned Turn TurnLimits",
    "memgpt.agent.chat_model": "ChatModel",
    "memgpt.agent.request": "Sent",
    "memgpt.agent.store": "TurnStep",
    "memgpt.agents.agents": "Agents",
    "memgpt.archival.archival": "Archival",
    "memgpt.async_memory": "AsyncFacade AsyncMemory OpenTransaction",
    "memgpt.blocks.blocks": "Core CoreBlock",
    "memgpt.config": "Settings",
    "memgpt.database.connection": "Connection Database",
    "memgpt.documents.documents": "Documents",
    "memgpt.documents.report": "IngestReport Ingested",
    "memgpt.embeddings": "EmbeddingModel Usage UsageTotals",
    "memgpt.errors":
        "AccessError BusyError ChatError ConfigurationError ConflictError ContentionError DatabaseError "
        "DeniedError EmbeddingError ForbiddenError ForgottenError InputError MemgptError MigrationError "
        "MismatchError MissingExtraError ModelMismatchError NoModelError NotFoundError ReadOnlyError ServerError "
        "UnavailableError WindowExceededError",
    "memgpt.files.files": "Files",
    "memgpt.graph": "Direction EntityRef Extracted ExtractionPlan Graph Linked NamedTogether PlacedText",
    "memgpt.graph.extraction.schema": "ExtractedEntity ExtractedFact Schema",
    "memgpt.graph.merges_store": "Pair",
    "memgpt.graph.traversal": "WalkFilters",
    "memgpt.history.history": "AsOf",
    "memgpt.history.proposals_store": "NewProposal",
    "memgpt.integrations.importers": "ImportItem ImportReport ImportedItem import_memory",
    "memgpt.integrations.transcripts": "ImportedTranscript import_transcript",
    "memgpt.items.items": "ItemSearchOptions Items NewItem",
    "memgpt.items.predicates": "ItemCondition",
    "memgpt.jobs": "JobKind Jobs",
    "memgpt.jobs.store": "JobFile",
    "memgpt.llm.context": "Context ContextItem CountTokens LeftOut",
    "memgpt.memory": "Memory",
    "memgpt.messages.intents": "Intents",
    "memgpt.messages.messages": "Messages",
    "memgpt.models":
        "Action ActiveModel AgentInfo AgentRow ArchivalMemory Author BlameLine Block Change Chunk ConnectedEntity "
        "Document Entity ExtractionFailure ExtractionSpent Fact File FileChunk FileEntry FoundItem GraphOverview Hit "
        "Imported Intent IntentCount Job JobStatus Json Key Kind KindStats MemoryFields Message NearDuplicate "
        "Neighbourhood Path Permission Proposal ProposalKind ProposalStatus RankedEntity ReachedEntity ReachedFact "
        "Remembered Role Session Source Stats StoreItem SyncConflict SyncReport SyncSide SyncedFile TypeCount",
    "memgpt.proposals.proposals": "Proposals",
    "memgpt.reembed": "ReembedPlan ReembedProgress ReembedReport ReembedStatus Switch VectorComparison",
    "memgpt.scope.batches": "Batch OnError Problem",
    "memgpt.scope.opening": "open_database",
    "memgpt.search": "SearchOptions",
    "memgpt.sleep": "SleepProgress SleepReport Task TaskReport",
}
"""The names of each module, for the interpreter; the imports above are for type checkers and editors."""
# isort: on
# fmt: on

_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Load a name when it is first used: the command line shows its help without the database driver and NumPy."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'memgpt' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
