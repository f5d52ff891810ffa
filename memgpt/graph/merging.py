"""Merging of entities that are one: found in SQL, weighed here, proposed, and merged when the proposal is applied.

The thresholds are from ``benchmarks/resolution.py``, over pairs of our own (docs/knowledge-graph.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

from memgpt import validation
from memgpt.errors import ConflictError
from memgpt.graph.entities import UNTYPED, Entities
from memgpt.graph.facts_store import FactSpan, FactStore
from memgpt.graph.merges_store import MergeStore, Pair
from memgpt.graph.name_similarity import agreement, key, signs
from memgpt.graph.store import GraphStore
from memgpt.history.proposals_store import NewProposal, ProposalStore
from memgpt.models import Fact, Json, Proposal
from memgpt.scope.scope import AgentScope

SURE: Final = 0.8
"""Score from which ``memgpt.sleep`` merges without asking: all 21 of our development pairs above it are one, and all 16
held out."""

UNSURE: Final = 0.5
"""Score from which a pair is proposed for somebody to decide."""

ALIKE: Final = 0.4
"""Cosine similarity from which names without anything in common are looked at: at 0.3 as many are found (97%), at 0.5
fewer (88%)."""

ASKED: Final = 50
"""Pairs a judge is asked about at once; the others wait for the next time."""

AMONG: Final = 1000
NEAREST: Final = 5

Judge = Callable[[Pair], "tuple[bool, str] | None"]
"""Says whether two entities are one, and why; None where it does not know."""


class Merging:
    """Entities that turn out to be one."""

    def __init__(self, scope: AgentScope, entities: Entities) -> None:
        self._scope = scope
        self._entities = entities

    def propose_merges(self, *, judge: Judge | None = None, among: int = AMONG) -> Sequence[Proposal]:
        """Propose to merge entities that are probably one; nothing is merged until a proposal is applied.

        Candidates have the same type (or one has none), and the same name or alias but for case, punctuation and ways
        to write a character, or a similar embedding: of the ``among`` entities changed last with their nearest. What
        was proposed before, whatever became of it, is not proposed again.

        Args:
            judge: decides pairs that are neither sure nor out of the question, such as a model
                (:func:`memgpt.sleep.judge`), the surest 50 at once. What it refuses is kept as rejected, and not
                asked again.

        Returns:
            The new proposals that are open, surest first.
        """
        most = validation.limit(among, "among", most=100_000)
        author = self._scope.author
        dimensions = self._scope.model.dimensions
        pairs = self._scope.read(
            lambda c: MergeStore(c, author).pairs(
                similarity=ALIKE, among=most, nearest=NEAREST, untyped=UNTYPED, dimensions=dimensions
            )
        )
        weighed = [(proposal, pair) for pair in pairs if (proposal := proposed(pair)) is not None]
        by_fingerprint = {proposal.fingerprint: (proposal, pair) for proposal, pair in weighed}
        proposed_before = self._scope.read(lambda c: ProposalStore(c, author).known([*by_fingerprint]))
        new = [candidate for fingerprint, candidate in by_fingerprint.items() if fingerprint not in proposed_before]
        new.sort(key=lambda candidate: -(candidate[0].score or 0))
        sure = sum((proposal.score or 0) >= SURE for proposal, _ in new)
        proposals = [self._propose(*candidate, judge) for candidate in (new if judge is None else new[: sure + ASKED])]
        return sorted((p for p in proposals if p is not None), key=lambda p: (-(p.score or 0), p.id))

    def _propose(self, proposal: NewProposal, pair: Pair, judge: Judge | None) -> Proposal | None:
        refused = False
        if judge is not None and (proposal.score or 0) < SURE and (verdict := judge(pair)) is not None:
            same, why = verdict
            proposal, refused = _judged(proposal, same, why), not same
        with self._scope.change() as (connection, _):
            store = ProposalStore(connection, self._scope.author)
            inserted = store.insert(proposal, status="rejected" if refused else "proposed")
        return None if refused else inserted

    def merge(self, change: Json) -> int:
        """Carry out a proposed merge and return how many facts went along. Called by ``memory.proposals.apply``.

        Raises:
            ConflictError: one of the two was renamed, deleted, or they are one already.
        """
        with self._scope.change() as (connection, change_id):
            facts = FactStore(connection, self._scope.author)
            GraphStore(connection, self._scope.author).lock_names()
            at, _ = facts.begin("")
            store = MergeStore(connection, self._scope.author)
            survivor, merged = (self._still(change[role]) for role in ("survivor", "merged"))
            if survivor == merged:
                raise ConflictError(f"entities {change['survivor']['id']} and {change['merged']['id']} are one already")
            store.lock([survivor, merged])
            for older, newer in _conflicts(store.contradicting([survivor, merged])):
                facts.clear(_overlap(older, newer), at=at, change_id=change_id)
            return store.merge(merged, survivor, at=at, change_id=change_id)

    def _still(self, proposed: Json) -> int:
        """Return the entity of a proposal, or what it was merged into since, if it is called as it was then."""
        there = self._entities.get(int(proposed["id"]))
        if (there.name, there.type) != (proposed["name"], proposed["type"]):
            raise ConflictError(
                f"entity {there.id} was {proposed['name']!r} ({proposed['type']}) when the merge was proposed and is "
                f"{there.name!r} ({there.type}) now: reject this proposal and propose again"
            )
        return self._entities.id_at(there, None)


def proposed(pair: Pair) -> NewProposal | None:
    """Return the proposal to merge two entities; None where too little speaks for it."""
    score, reason = weigh(pair)
    if score < UNSURE:
        return None
    survivor, merged = _ordered(pair)
    evidence: Json = {"similarity": None if pair.similarity is None else round(pair.similarity, 3)}
    if pair.contradictions:
        evidence["contradictions"] = pair.contradictions
    return NewProposal(
        kind="merge",
        reason=f"{merged['name']!r} is {survivor['name']!r}: {reason}",
        change={"survivor": survivor, "merged": merged},
        about=[f"entity:{pair.one}", f"entity:{pair.other}"],
        same_as=[pair.one, pair.other],
        evidence=evidence,
        score=score,
    )


def weigh(pair: Pair) -> tuple[float, str]:
    """Return how sure it is that two entities are one, from 0 to 1, and why."""
    typed = UNTYPED not in (pair.one_type, pair.other_type)
    names = [(a, b) for a in (pair.one_name, *pair.one_aliases) for b in (pair.other_name, *pair.other_aliases)]
    if pair.same_name and signs(pair.one_name) == signs(pair.other_name):
        score, reason = (1.0 if typed else 0.9), "the same name"
    elif pair.shared_name and any(key(a) == key(b) and signs(a) == signs(b) for a, b in names):
        score, reason = (0.9 if typed else 0.8), "a name in common"
    else:
        score, reason = max(agreement(a, b) for a, b in names)
        if not typed:
            score *= 0.9
    if pair.contradictions:
        return min(score, 0.6), f"{reason}, but they contradict each other: {pair.contradictions[0]}"
    return score, reason


def _ordered(pair: Pair) -> tuple[Json, Json]:
    """Return who survives and who is merged: the one with a type, with more facts, the older one."""
    ends = [
        (pair.one_type == UNTYPED, -pair.one_facts, pair.one_created_at, pair.one, pair.one_name, pair.one_type),
        (pair.other_type == UNTYPED, -pair.other_facts, pair.other_created_at, pair.other, pair.other_name,
         pair.other_type),
    ]  # fmt: skip
    first, second = ({"id": end[3], "name": end[4], "type": end[5]} for end in sorted(ends))
    return first, second


def _judged(proposal: NewProposal, same: bool, why: str) -> NewProposal:
    said = "the same" if same else "not the same"
    score = max(SURE, proposal.score or 0) if same else proposal.score
    return replace(proposal, score=score, evidence={**proposal.evidence, "judge": f"{said}: {why}"})


def _conflicts(facts: Sequence[Fact]) -> Sequence[tuple[Fact, Fact]]:
    """Return which newer fact takes the place of which older one of the other entity; ``facts`` come oldest first."""
    return [
        (older, newer)
        for older, newer in combinations(facts, 2)
        if older.type == newer.type
        and older.source_id != newer.source_id
        and older.target_id != newer.target_id
        and (older.valid_to is None or newer.valid_from is None or older.valid_to > newer.valid_from)
        and (newer.valid_to is None or older.valid_from is None or newer.valid_to > older.valid_from)
    ]


def _overlap(older: Fact, newer: Fact) -> FactSpan:
    starts = [r.valid_from for r in (older, newer) if r.valid_from is not None]
    ends = [r.valid_to for r in (older, newer) if r.valid_to is not None]
    start, end = max(starts, default=None), min(ends, default=None)
    return FactSpan(older.source_id, older.type, start, end, only=older.target_id)
