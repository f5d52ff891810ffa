"""Preferences and standing instructions of the user, proposed as lines of core memory: a request hardly resembles the
instruction it falls under, and core memory is always in context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from memgpt.agent.chat_model import ChatModel
from memgpt.blocks.blocks import DEFAULT_LIMIT
from memgpt.history.proposals_store import NewProposal
from memgpt.memory import Memory, scope_of
from memgpt.models import Block, Json, Proposal
from memgpt.search.ranking.languages.language import codes, language, language_of
from memgpt.search.ranking.words import SoftMatcher
from memgpt.search.search import Search
from memgpt.sleep.asking import asked, invented
from memgpt.sleep.sayings import LONGEST, Saying, about, day_of, saying_of, sayings_in, says, sorted_out

LABEL: Final = "human"
"""The block: what is known about the person the agent talks to."""
MOST: Final = 1000
"""Texts that are looked at for each language."""
AT_ONCE: Final = 40
"""Sayings a model is asked about in one run, the newest."""


def standing(memory: Memory, model: ChatModel | None) -> Sequence[Proposal]:
    """Propose a line for each instruction that core memory does not have; of contradicting ones the newest, in the
    place of lines that are older. With a model, it says which hold from now on, and how a line says them.

    Raises:
        ChatError: the model failed.
    """
    block = _own(memory)
    if block is not None and block.read_only:
        return []
    said = _sayings(memory)
    with Search(scope_of(memory)).matcher() as matcher:
        newest, outdated = sorted_out(said, matcher)
        _withdraw(memory, outdated)
        lines = [
            saying_of(line, language_of(line), b.updated_at.date(), ()) for b in memory.core.list()
            for line in b.value.split("\n") if any(map(str.isalnum, line))
        ]  # fmt: skip
        proposals = [_proposal(s, lines, block, matcher) for s in newest if not says(lines, s)]
    fresh: Sequence[NewProposal] = [p for p in proposals if p is not None and not memory.proposals.known(p)]
    if model is not None and fresh:
        fresh = _judged(memory, fresh[-AT_ONCE:], block, model)
    return _that_fit(memory, fresh, block)


def _own(memory: Memory) -> Block | None:
    own = [block for block in memory.core.list() if block.label == LABEL and block.agent_id == memory.agent]
    return own[0] if own else None


def _sayings(memory: Memory) -> list[Saying]:
    """Read what the user said, the oldest first. A few words tell their language less well than its cues do."""
    search = Search(scope_of(memory))
    found = {
        (hit.created_at, hit.kind, hit.id, saying.text): saying
        for spoken in map(language, codes())
        for hit in search.standing_in(spoken, MOST)
        for saying in sayings_in(hit, spoken)
    }
    return [found[key] for key in sorted(found)]


def _proposal(saying: Saying, lines: Sequence[Saying], block: Block | None, matcher: SoftMatcher) -> NewProposal | None:
    """Return the line of a saying, in the place of older ones; None where a line says otherwise since."""
    about_it = about(saying, lines, matcher)
    if any(line.day > saying.day for line in about_it):
        return None
    own = set(block.value.split("\n")) if block else set()
    change: Json = {
        "label": LABEL,
        "line": f"{saying.day}: {saying.text}",
        "replaces": [line.text for line in about_it if line.text in own],
        "said": saying.text,
    }
    return NewProposal(
        kind="standing",
        reason=_reason(change, saying.rows),
        change=change,
        about=saying.rows,
        same_as=[saying.rows[0], saying.text],
        evidence={"said": saying.text, "day": saying.day.isoformat()},
    )


def _reason(change: Json, rows: Sequence[str]) -> str:
    instead = f" instead of {', '.join(map(repr, change['replaces']))}" if change["replaces"] else ""
    return f"block {LABEL!r} with {change['line']!r}{instead}: said in {', '.join(rows).replace(':', ' ')}"


def _withdraw(memory: Memory, outdated: Sequence[Saying]) -> None:
    """Reject what waits and was contradicted since."""
    over = {(saying.rows[0], saying.text) for saying in outdated}
    for proposal in memory.proposals.list("proposed", kind="standing", limit=MOST) if over else ():
        if (proposal.about[0], proposal.change["said"]) in over:
            memory.proposals.reject(proposal.id)


def _judged(
    memory: Memory, proposals: Sequence[NewProposal], block: Block | None, model: ChatModel
) -> Sequence[NewProposal]:
    """Return what a model keeps; the rest is kept as rejected. An answer that cannot be read decides nothing."""
    lines = [line for line in (block.value if block else "").split("\n") if line.strip()]
    material: Json = {
        "lines": [{"number": n, "line": line} for n, line in enumerate(lines, 1)],
        "said": [{"number": n, "day": p.evidence["day"], "text": p.change["said"]} for n, p in enumerate(proposals, 1)],
    }
    answer = asked(model, "standing", material)
    kept = answer.get("keep") if answer else None
    if not isinstance(kept, list) or not all(isinstance(one, dict) for one in kept):
        return proposals
    by_number = {one.get("said"): one for one in kept}
    judged = []
    for n, proposal in enumerate(proposals, 1):
        if n in by_number:
            judged.append(_worded(proposal, by_number[n], lines))
        else:
            memory.proposals.propose(replace(proposal, reason=f"not to be kept: {proposal.reason}"), status="rejected")
    return judged


def _worded(proposal: NewProposal, answer: Json, lines: Sequence[str]) -> NewProposal:
    """Return the proposal in a model's words, where they add nothing; it replaces nothing that is newer."""
    said, day = proposal.change["said"], proposal.evidence["day"]
    line, wanted = proposal.change["line"], answer.get("line")
    if isinstance(wanted, str) and wanted.strip() and "\n" not in wanted and len(wanted) <= LONGEST:
        line = line if invented(said, wanted) else f"{day}: {wanted.strip()}"
    numbers = answer.get("replaces")
    older = [lines[n - 1] for n in numbers if n in range(1, len(lines) + 1)] if isinstance(numbers, list) else []
    replaces = [old for old in older if (its := day_of(old)) is None or its.isoformat() <= day]
    change = {**proposal.change, "line": line, "replaces": replaces}
    return replace(proposal, change=change, reason=_reason(change, proposal.about))


def _that_fit(memory: Memory, proposals: Sequence[NewProposal], block: Block | None) -> Sequence[Proposal]:
    """Propose what the block has room for; the rest waits until it is shorter."""
    room = (block.limit - len(block.value)) if block else DEFAULT_LIMIT
    made = []
    for proposal in proposals:
        room -= len(proposal.change["line"]) + 1 - sum(len(old) + 1 for old in proposal.change["replaces"])
        if room >= 0:
            made.append(memory.proposals.propose(proposal))
    return [proposal for proposal in made if proposal is not None]
