"""Blocks that are kept short: lines that are there twice go; with a model, a block that is nearly full is rewritten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from memgpt.agent.chat_model import ChatModel
from memgpt.history.proposals_store import NewProposal
from memgpt.memory import Memory
from memgpt.models import Block, Proposal
from memgpt.proposals.proposals import digest
from memgpt.sleep.asking import asked, invented, lost

FULL: Final = 0.75
"""Share of its limit from which a block is rewritten."""


def tidying(memory: Memory, model: ChatModel | None) -> Sequence[Proposal]:
    """Shorter values for the agent's own blocks that may be edited. Applying one refuses if the block was edited since.

    Raises:
        ChatError: the model failed.
    """
    proposals = []
    for block in memory.core.list():
        if block.agent_id == memory.agent and not block.read_only:
            proposal = _without_repetition(block)
            if proposal is None and model is not None and len(block.value) >= FULL * block.limit:
                proposal = _rewritten(memory, block, model)
            if proposal is not None:
                proposals.append(memory.proposals.propose(proposal))
    return [proposal for proposal in proposals if proposal is not None]


def _without_repetition(block: Block) -> NewProposal | None:
    lines: list[str] = []
    there: set[str] = set()
    for line in block.value.split("\n"):
        words = " ".join(line.split())
        if words not in there or not any(c.isalnum() for c in words):
            lines.append(line)
        there.add(words)
    value = "\n".join(lines)
    return None if value == block.value else _proposal(block, value, "lines that are there twice")


def _rewritten(memory: Memory, block: Block, model: ChatModel) -> NewProposal | None:
    asked_for = _proposal(block, "", "")
    if memory.proposals.known(asked_for):
        return None
    material = {"label": block.label, "description": block.description, "limit": block.limit, "value": block.value}
    answer = asked(model, "tidying", material)
    value = answer.get("value") if answer else None
    if not isinstance(value, str) or not value.strip() or "\0" in value or len(value) >= len(block.value):
        return None
    if len(value) > block.limit or lost(block.value, value) or invented(block.value, value):
        return None
    return _proposal(block, value.strip(), "rewritten shorter by the model")


def _proposal(block: Block, value: str, why: str) -> NewProposal:
    before, after = len(block.value), len(value)
    return NewProposal(
        kind="tidying",
        reason=f"block {block.label!r} with {after:,} characters instead of {before:,} of {block.limit:,}: {why}",
        change={"label": block.label, "sha256": block.sha256, "value": value},
        about=[f"block:{block.id}"],
        same_as=[block.id, digest(block.value)],
    )
