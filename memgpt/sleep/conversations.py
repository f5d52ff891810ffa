"""Facts from conversations, proposed message by message instead of added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from memgpt.graph.extraction import ExtractedFact, Schema
from memgpt.memory import Memory
from memgpt.models import Json, Proposal

AT_ONCE: Final = 100
"""Messages a run reads; the next run goes on from there."""


def facts(memory: Memory, model: str) -> Sequence[Proposal]:
    """Propose the facts that messages state and that this model has not read yet, a proposal for each message.

    The types of things go along; their descriptions and other names do not (``memory.graph.extract`` adds them too).

    Raises:
        ChatError: the model failed; what was proposed before stays, and paid answers are kept.
    """
    proposals: list[Proposal] = []

    def propose(schema: Schema, answer: Json, source: tuple[str, int]) -> tuple[int, int]:
        things, stated = schema.parse(answer)
        types = {thing.name: thing.type for thing in things}
        if stated:
            checked = [_fact(said, types, source) for said in stated]
            proposal = memory.proposals.propose_facts(
                checked, reason=f"{source[0]} {source[1]} states {len(checked)} facts"
            )
            proposals.extend([proposal] if proposal is not None else [])
        return len(things), len(stated)

    memory.graph.extract(model, kinds=["message"], max_items=AT_ONCE, take_over=propose)
    return proposals


def _fact(said: ExtractedFact, types: dict[str, str], source: tuple[str, int]) -> dict[str, Any]:
    fields = {
        "source": said.source,
        "type": said.type,
        "target": said.target,
        "fact": said.fact,
        "weight": said.weight,
        "valid_from": said.valid_from,
        "valid_to": said.valid_to,
        "properties": said.properties,
        "functional": said.functional,
        "provenance": source,
        "source_type": types.get(said.source),
        "target_type": types.get(said.target),
    }
    return {name: value for name, value in fields.items() if value is not None}
