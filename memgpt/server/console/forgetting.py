"""Forgetting for good, as a person does it: what it is about, what goes, what stays, and the receipt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, Field

from memgpt.database.tables import by_kind
from memgpt.errors import InputError
from memgpt.memory import Memory, scope_of
from memgpt.server.api.bodies import HistoryKind
from memgpt.server.console.changes import TEXT
from memgpt.server.console.texts import say

SAMPLES: Final = 5
"""Rows of a table that a preview shows."""


class ForgetTarget(BaseModel):
    """Something that can be forgotten: a row, a conversation, or everything of the agent."""

    kind: HistoryKind = "archival"
    id: Annotated[int | None, Field(ge=1, le=2**63 - 1), BeforeValidator(lambda text: text or None)] = None
    session: Annotated[str, Field(max_length=1000)] = ""
    keep_history: bool = False

    @property
    def whole(self) -> bool:
        return self.id is None and not self.session

    def typed(self, agent_id: str) -> str:
        """Return what a person types to say that they mean it."""
        return self.session or (agent_id if self.id is None else str(self.id))

    def about(self) -> dict[str, Any]:
        """Return it as a form and a receipt name it."""
        if self.whole:
            return {}
        row = {"session": self.session} if self.session else {"kind": self.kind, "id": self.id}
        return {**row, "keep_history": self.keep_history}

    def forget(self, memory: Memory, *, preview: bool = False) -> dict[str, int]:
        """Forget it, or count what would go; return the rows of each table that has some."""
        if self.whole:
            counts = memory.forget_agent(preview=preview)
        elif self.session:
            counts = memory.forget(session=self.session, keep_history=self.keep_history, preview=preview)
        else:
            counts = memory.forget(self.id, self.kind, keep_history=self.keep_history, preview=preview)
        return {table: rows for table, rows in counts.items() if rows}

    def fingerprint(self, agent_id: str, counts: Mapping[str, int]) -> str:
        """Return what a preview and the act that follows it have in common."""
        text = json.dumps([agent_id, self.about(), sorted(counts.items())], ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()

    def forget_as_seen(self, memory: Memory, digest: str) -> dict[str, int]:
        """Forget what a preview counted, in one transaction that is taken back where the counts are others by now.

        Raises:
            CountsChangedError: they are; nothing was forgotten.
        """
        with memory.transaction():
            counts = self.forget(memory)
            if self.fingerprint(memory.agent, counts) != digest:
                raise CountsChangedError(say("forget.changed"))
        scope_of(memory).database.caches.forget(
            memory.agent
        )  # again: somebody may have searched before it was committed
        return counts


class CountsChangedError(InputError):
    """What would be forgotten is not what was shown."""


def samples(memory: Memory, target: ForgetTarget) -> Mapping[str, Sequence[str]]:
    """Return a few texts of what goes, by table."""
    if target.session:
        turns = memory.messages.list(session=target.session, limit=SAMPLES)
        return {"conversations": [turn.content for turn in turns]}
    if target.id is None:
        memories = memory.archival.list(limit=SAMPLES, superseded=True)
        turns = memory.messages.list(limit=SAMPLES)
        return {"archival_memories": [one.text for one in memories], "conversations": [turn.content for turn in turns]}
    changes = memory.history(target.kind, target.id, limit=SAMPLES)
    column = TEXT.get(target.kind, "text")
    texts = {"memory_history": [str((change.old or change.new or {}).get(column) or "") for change in changes]}
    rows = memory.as_of(datetime.now(UTC)).rows(target.kind, after=target.id - 1 or None, limit=1)
    if rows and rows[0].id == target.id:
        texts[by_kind()[target.kind].name] = [str(getattr(rows[0], column))]
    if target.kind == "document" and rows:
        texts["document_chunks"] = [one.chunk_text for one in memory.documents.chunks(target.id, limit=SAMPLES)]
    return texts


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of what was forgotten, without what it said."""

    agent: str
    target: Mapping[str, Any]
    rows: Mapping[str, int]
    at: datetime
    actor: str
    request_id: str

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    @property
    def text(self) -> str:
        """Return it as JSON, written in one way only."""
        fields = {
            "agent": self.agent,
            "forgotten": dict(self.target) or {"agent": self.agent},
            "rows": dict(self.rows),
            "at": self.at.isoformat(),
            "actor": self.actor,
            "request_id": self.request_id,
        }
        return json.dumps(fields, ensure_ascii=False, sort_keys=True)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode("utf-8", "replace")).hexdigest()
