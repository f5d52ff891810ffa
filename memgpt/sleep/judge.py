"""Are two entities one? A chat model's opinion where the rules are not sure."""

from __future__ import annotations

from memgpt.agent.chat_model import ChatModel
from memgpt.graph.merges_store import Pair
from memgpt.graph.merging import Judge
from memgpt.models import Json
from memgpt.sleep.asking import asked


def judge(model: ChatModel) -> Judge:
    """Return a judge for ``memory.graph.propose_merges`` that asks a model. An answer that cannot be read decides
    nothing."""

    def decide(pair: Pair) -> tuple[bool, str] | None:
        answer = asked(model, "judge", _material(pair))
        if answer is None or not isinstance(answer.get("same"), bool):
            return None
        return answer["same"], str(answer.get("why") or "it does not say why")[:300]

    return decide


def _material(pair: Pair) -> Json:
    ends = {
        "one": (pair.one_name, pair.one_type, pair.one_aliases, pair.one_description),
        "other": (pair.other_name, pair.other_type, pair.other_aliases, pair.other_description),
    }
    names = ("name", "type", "aliases", "description")
    return {
        **{end: dict(zip(names, values, strict=True)) for end, values in ends.items()},
        "contradictions": pair.contradictions,
    }
