"""Several archival memories about one thing become one, in the words of a chat model. The sources are set aside in
favour of it and linked, not deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from memgpt.agent.chat_model import ChatModel
from memgpt.history.proposals_store import NewProposal
from memgpt.memory import Memory, scope_of
from memgpt.models import ArchivalMemory, Json, Proposal
from memgpt.proposals.archival_store import Similar, SleepStore
from memgpt.proposals.proposals import digest
from memgpt.sleep.asking import asked, invented, lost
from memgpt.sleep.memories import alike, seen

ALIKE: Final = 0.7
"""Cosine similarity from which two memories may be about one thing; whether they are is for the model to say."""

AMONG: Final = 500
FEWEST: Final = 3
MOST: Final = 8
CHARACTERS: Final = 6000
GROUPS: Final = 20
"""Groups a run asks about."""


def consolidation(memory: Memory, model: ChatModel) -> Sequence[Proposal]:
    """One text for groups of memories that are alike, among the latest 500.

    A text that leaves out or invents a number or a name is dropped; groups of which the model says that they do not
    belong together are kept as rejected, and not asked about again.

    Raises:
        ChatError: the model failed; what was proposed before stays.
    """
    proposals = []
    for ids in groups(alike(memory, ALIKE, AMONG))[:GROUPS]:
        memories = _memories(memory, ids)
        asked_for = _proposal(memories, "")
        if sum(len(m.text) for m in memories) <= CHARACTERS and not memory.proposals.known(asked_for):
            proposals.append(_asked(memory, memories, asked_for, model))
    return [proposal for proposal in proposals if proposal is not None]


def groups(pairs: Sequence[Similar]) -> Sequence[Sequence[int]]:
    """Memories that hang together, the most alike first; a group that is full takes no more."""
    of: dict[int, list[int]] = {}
    for pair in pairs:
        one, other = of.get(pair.one, [pair.one]), of.get(pair.other, [pair.other])
        if one is not other and len(one) + len(other) <= MOST:
            joined = [*one, *other]
            of.update(dict.fromkeys(joined, joined))
    distinct = {id(group): sorted(group) for group in of.values() if len(group) >= FEWEST}
    return sorted(distinct.values())


def _asked(
    memory: Memory, memories: Sequence[ArchivalMemory], asked_for: NewProposal, model: ChatModel
) -> Proposal | None:
    material: Json = {"memories": [{"at": m.created_at.isoformat(), "text": m.text} for m in memories]}
    answer = asked(model, "consolidation", material)
    if answer is None or "text" not in answer:
        return None
    text = answer["text"]
    if text is None:
        memory.proposals.propose(replace(asked_for, reason=f"not to be one: {answer.get('why')}"), status="rejected")
        return None
    sources = "\n".join(m.text for m in memories)
    if not isinstance(text, str) or not text.strip() or "\0" in text or len(text) > len(sources):
        return None
    if lost(sources, text) or invented(sources, text):
        return None
    return memory.proposals.propose(_proposal(memories, text.strip()))


def _memories(memory: Memory, ids: Sequence[int]) -> Sequence[ArchivalMemory]:
    scope = scope_of(memory)
    return scope.read(lambda connection: SleepStore(connection, scope.author).memories(ids))


def _proposal(memories: Sequence[ArchivalMemory], text: str) -> NewProposal:
    ids = ", ".join(str(m.id) for m in memories)
    return NewProposal(
        kind="consolidation",
        reason=f"archival memories {ids} as one",
        change={"sources": [seen(m) for m in memories], "text": text},
        about=[f"archival:{m.id}" for m in memories],
        same_as=sorted((m.id, digest(m.text)) for m in memories),
    )
