"""Work on archival memory that needs no model: memories that are expired, kept twice, or unused."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from memgpt.database.deadlines import without_deadline
from memgpt.graph.name_similarity import key
from memgpt.history.proposals_store import NewProposal
from memgpt.memory import Memory, scope_of
from memgpt.models import ArchivalMemory, Json, Proposal
from memgpt.proposals.archival_store import Similar, SleepStore
from memgpt.proposals.proposals import digest

UNUSED_DAYS: Final = 90
"""After so many days without use a memory's importance is halved, and after as many again."""

LEAST: Final = 0.05
"""Importance below which nothing decays further."""

NEARLY: Final = 0.8
"""Cosine similarity from which texts are compared word by word, which decides."""

AMONG: Final = 1000
NEAREST: Final = 5
STARTS: Final = 100
GROUPS: Final = 500
AT_ONCE: Final = 500
"""Memories in one proposal."""

_NOT = re.compile(r"n['’]t\b")
_SIGN = re.compile(r"[^\w\s.,;:!'’\"“”()-]")
FILLERS: Final = frozenset({"a", "an", "the", "that", "also", "just", "really", "very", "so", "s"})
"""Words without which a sentence says the same."""


def expiry(memory: Memory) -> Sequence[Proposal]:
    """Set memories aside whose time is over. No search finds them since; set aside, they leave the indexes too."""
    proposals: list[Proposal] = []
    scope = scope_of(memory)
    while ids := scope.read(lambda c: SleepStore(c, scope.author).expired(limit=AT_ONCE)):
        proposals += _made(memory, [NewProposal(
            kind="expiry",
            reason=f"{len(ids)} memories have expired",
            change={"memories": [*ids]},
            about=[f"archival:{id}" for id in ids],
            same_as=[*ids],
            score=1.0,
        )])  # fmt: skip
    return proposals


def decay(memory: Memory) -> Sequence[Proposal]:
    """Halve the importance of memories nobody used for 90 days (``memory.archival.touch`` says that one was used).

    Importance counts in searches that ask for it and in which of several duplicates is kept; nothing else changes.
    """
    proposals: list[Proposal] = []
    now = datetime.now(UTC)
    scope = scope_of(memory)
    while unused := scope.read(
        lambda c: SleepStore(c, scope.author).unused(days=UNUSED_DAYS, least=LEAST, limit=AT_ONCE)
    ):
        rows = [{"id": id, "from": old, "to": max(LEAST, old / 2)} for id, old in unused]
        proposals += _made(memory, [NewProposal(
            kind="decay",
            reason=f"{len(rows)} memories were not used for {UNUSED_DAYS} days",
            change={"memories": rows, "since": now.isoformat()},
            about=[f"archival:{row['id']}" for row in rows],
            same_as=[now, rows[0]["id"]],
            score=1.0,
        )])  # fmt: skip
    return proposals


def duplicates(memory: Memory) -> Sequence[Proposal]:
    """Of memories that say the same, keep the most important (the oldest, where that is equal); the others are set
    aside in its favour, as by ``memory.archival.supersede``, and their tags go to it.

    The same are texts that differ in case, white space or the final stop; and, among the latest 1,000, those that are
    alike by embedding and have the same words in the same order, but for words like "the" and "really".
    """
    author = scope_of(memory).author
    with scope_of(memory).transaction() as connection, without_deadline(connection):
        same = SleepStore(connection, author).same_texts(limit=GROUPS)
    similar = alike(memory, NEARLY, AMONG)
    ids = {id for group in same for id in group} | {id for pair in similar for id in (pair.one, pair.other)}
    groups: dict[str, list[ArchivalMemory]] = defaultdict(list)
    if ids:
        for each in scope_of(memory).read(lambda c: SleepStore(c, author).memories(sorted(ids))):
            groups[telling(each.text)].append(each)
    return _made(memory, [_duplicates(group) for group in groups.values() if len(group) > 1])


def alike(memory: Memory, similarity: float, among: int) -> Sequence[Similar]:
    """Pairs of memories that are alike, most first: of the latest ``among``, each with its nearest.

    Some at a time: a statement looks at every memory as often as it has starts, and has a time limit.
    """
    similar: dict[tuple[int, int], Similar] = {}
    dimensions = scope_of(memory).model.dimensions
    for skip in range(0, among, STARTS):
        with scope_of(memory).transaction() as connection:
            store = SleepStore(connection, scope_of(memory).author)
            pairs = store.similar(
                similarity=similarity, skip=skip, among=STARTS, nearest=NEAREST, dimensions=dimensions
            )
        similar.update({(pair.one, pair.other): pair for pair in pairs})
    return sorted(similar.values(), key=lambda pair: (-pair.similarity, pair.one, pair.other))


def _duplicates(group: Sequence[ArchivalMemory]) -> NewProposal:
    keep, *others = group
    return NewProposal(
        kind="duplicates",
        reason=f"archival memories {', '.join(str(m.id) for m in group)} say the same; {keep.id} is kept",
        change={"keep": seen(keep), "supersede": [seen(m) for m in others]},
        about=[f"archival:{m.id}" for m in group],
        same_as=sorted((m.id, digest(m.text)) for m in group),
        score=1.0,
    )


def seen(memory: ArchivalMemory) -> Json:
    """Return a memory as a proposal refers to it: applying refuses if its text has changed by then."""
    return {"id": memory.id, "sha256": digest(memory.text)}


def telling(text: str) -> str:
    """Return the words of a text in order, without those that carry no information. A question stays a question."""
    plain = _NOT.sub(" not", text)
    words = [word for word in key(plain).split() if word not in FILLERS]
    signs = "".join(sorted({*_SIGN.findall(text)}))
    return f"{' '.join(words)} {signs}"


def _made(memory: Memory, proposals: Sequence[NewProposal]) -> Sequence[Proposal]:
    proposed = [memory.proposals.propose(proposal) for proposal in proposals]
    return [proposal for proposal in proposed if proposal is not None]
