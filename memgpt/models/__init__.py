"""The memory's values, as frozen dataclasses whose fields have the names of the columns."""

from memgpt.models.active_model import ActiveModel
from memgpt.models.agent_info import AgentInfo, AgentRow, Imported, KindStats, Stats
from memgpt.models.api_key import PERMISSIONS, Key, Permission
from memgpt.models.archival_memory import ArchivalMemory, MemoryFields, NearDuplicate, Remembered
from memgpt.models.block import BlameLine, Block
from memgpt.models.change import ACTIONS, Action, Author, Change
from memgpt.models.document import Chunk, Document
from memgpt.models.fact import SOURCES, Entity, ExtractionFailure, ExtractionSpent, Fact, Source
from memgpt.models.file import File, FileChunk, FileEntry, SyncConflict, SyncedFile, SyncReport, SyncSide
from memgpt.models.hit import IN_PROMPTS, KINDS, Hit, Kind
from memgpt.models.job import JOB_STATUSES, Job, JobStatus
from memgpt.models.json_object import Json
from memgpt.models.message import ROLES, Intent, IntentCount, Message, Role, Session
from memgpt.models.proposal import PROPOSAL_KINDS, PROPOSAL_STATUSES, Proposal, ProposalKind, ProposalStatus
from memgpt.models.store_item import FoundItem, StoreItem
from memgpt.models.walk import (
    ConnectedEntity,
    GraphOverview,
    Neighbourhood,
    Path,
    RankedEntity,
    ReachedEntity,
    ReachedFact,
    TypeCount,
)

__all__ = [
    "ACTIONS",
    "IN_PROMPTS",
    "JOB_STATUSES",
    "KINDS",
    "PERMISSIONS",
    "PROPOSAL_KINDS",
    "PROPOSAL_STATUSES",
    "ROLES",
    "SOURCES",
    "Action",
    "ActiveModel",
    "AgentInfo",
    "AgentRow",
    "ArchivalMemory",
    "Author",
    "BlameLine",
    "Block",
    "Change",
    "Chunk",
    "ConnectedEntity",
    "Document",
    "Entity",
    "ExtractionFailure",
    "ExtractionSpent",
    "Fact",
    "File",
    "FileChunk",
    "FileEntry",
    "FoundItem",
    "GraphOverview",
    "Hit",
    "Imported",
    "Intent",
    "IntentCount",
    "Job",
    "JobStatus",
    "Json",
    "Key",
    "Kind",
    "KindStats",
    "MemoryFields",
    "Message",
    "NearDuplicate",
    "Neighbourhood",
    "Path",
    "Permission",
    "Proposal",
    "ProposalKind",
    "ProposalStatus",
    "RankedEntity",
    "ReachedEntity",
    "ReachedFact",
    "Remembered",
    "Role",
    "Session",
    "Source",
    "Stats",
    "StoreItem",
    "SyncConflict",
    "SyncReport",
    "SyncSide",
    "SyncedFile",
    "TypeCount",
]
