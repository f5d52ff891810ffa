"""The graph arm of a search: texts are linked by the names they mention, found by rule and not by a model.

An answer to "who founded the firm Ann works for" stands in a text that has no word of the question; what leads there
is the firm's name, which the best text for the question mentions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import replace
from typing import Final

from memgpt.models import Hit, Kind
from memgpt.search.store import Links

LINKED: Final[tuple[Kind, ...]] = ("archival", "chunk")
"""Kinds of rows whose names are known."""

LOOKED_AT: Final = 60
"""Hits of the other arms, and texts of this one, among which the order is decided."""

SEEDS = 3
"""Best texts of the other arms a walk starts from, beside the names of the question."""

SOURCES: Final = 10
"""Facts whose texts are brought along."""

STAYS = 0.1
"""Share of its weight that such a text keeps: where it keeps much, what is a step away is nothing beside it."""

ABOUT = 3.0
"""How many times a name counts for a text that begins with it, which is about it."""

WEIGHT = 1.5
"""Of the text that is linked best to the names asked for, and of the one best linked to the best texts, where the best
hit of the other arms counts 1 and the last 0.

``benchmarks/graph_retrieval.py --weights`` measures these four, each question with those that others chose."""

_ARTICLE = re.compile(r"(?:the|a|an) ")
_BEGINNING: Final = 120
_WORD = re.compile(r"\w[\w'’&.-]*")
_WORD_ASKED = re.compile(r"\w[\w'’.-]*")
_WORDS_OF_A_NAME: Final = 8
_WORDS_OF_AN_ENTITY: Final = 6


def names_in(text: str) -> list[str]:
    """Everything in a text that may be a name: its words and runs of up to six, in lower case."""
    words = _WORD.findall(text.lower())
    cleaned = [_bare(word) for word in words]
    runs = {
        " ".join(cleaned[n : n + length])
        for length in range(1, _WORDS_OF_AN_ENTITY + 1)
        for n in range(len(cleaned) - length + 1)
    }
    return sorted(run for run in runs if run)


def names_asked(text: str) -> list[str]:
    """Return what may be a name in a question: every run of words, but a single word only with a capital."""
    words = _WORD_ASKED.findall(text)
    cleaned = [_bare(word) for word in words]
    runs = {
        " ".join(cleaned[n : n + length]).lower()
        for length in range(1, _WORDS_OF_A_NAME + 1)
        for n in range(len(cleaned) - length + 1)
        if length > 1 or (n > 0 and not cleaned[n][:1].islower())
    }
    return sorted(run for run in runs if len(run) > 1)


def _bare(word: str) -> str:
    """Return a word without a possessive ending, or without the marks at its end."""
    return word[:-2] if word.endswith(("'s", "’s")) else word.rstrip(".'’-")


def sources_of(hits: Sequence[Hit], connected: Set[tuple[Kind, int]], kinds: Sequence[Kind]) -> list[tuple[Kind, int]]:
    """Return the texts from which the best facts about the names of a query are, where they can be fetched."""
    facts = [hit.source for hit in hits if (hit.kind, hit.id) in connected][:SOURCES]
    sources = {(fact["provenance_kind"], fact["provenance_id"]): None for fact in facts}
    return [(kind, id) for kind, id in sources if kind in LINKED and kind in kinds]


def links_of(
    text: str, hits: Sequence[Hit], kinds: Sequence[Kind], total: int, sources: Sequence[tuple[Kind, int]] = ()
) -> Links:
    """Start from the question's names, the best texts, and the ``sources`` of facts that weigh as much as these.

    Of texts the first weighs twice as much as the second.
    """
    best = [hit for hit in hits if hit.kind in LINKED][:SEEDS]
    seeds = [(hit.kind, hit.id, w, _beginning(hit)) for hit, w in zip(best, _shares(best), strict=True)]
    seeds += [(kind, id, w, "") for (kind, id), w in zip(sources, _shares(sources), strict=True)]
    return Links(names_asked(text), seeds, [kind for kind in LINKED if kind in kinds], max(total, 1), STAYS, ABOUT)


def _beginning(hit: Hit) -> str:
    """Return the first words of a text, its title before them, without an article."""
    title = hit.source.get("title") if hit.kind == "chunk" else None
    text = f"{title}\n{hit.text}" if title else hit.text
    lowered = text[:_BEGINNING].lower()
    article = _ARTICLE.match(lowered)
    return lowered[article.end() :] if article else lowered


def _shares(texts: Sequence[object]) -> list[float]:
    weights = [1 / place for place in range(1, len(texts) + 1)]
    return [weight / sum(weights) for weight in weights]


def with_linked(hits: Sequence[Hit], linked: Sequence[Hit], explain: bool) -> list[Hit]:
    """Merge both lists into one order; messages and facts keep their places in the list.

    Scores stay on the scale of the other arms; a place never scores more than the one before it.
    """
    best, least = (hits[0].score, hits[-1].score) if hits else (1.0, 0.0)
    span = (best - least) or 1.0
    by_links = {(hit.kind, hit.id): hit.score for hit in linked}
    texts = [hit for hit in hits if hit.kind in LINKED]
    there = {(hit.kind, hit.id) for hit in texts}
    texts += [replace(hit, score=least) for hit in linked if (hit.kind, hit.id) not in there]
    scored = [replace(hit, score=hit.score + span * WEIGHT * by_links.get((hit.kind, hit.id), 0.0)) for hit in texts]
    if explain:
        scored = [replace(hit, explain=_explained(hit, by_links, linked)) for hit in scored]
    order = sorted(scored, key=lambda hit: (-hit.score, hit.kind, hit.id))
    remaining = iter(order)
    merged = [next(remaining) if hit.kind in LINKED else hit for hit in hits]
    merged += remaining
    for n in range(len(merged) - 2, -1, -1):  # a text that was lifted lifts what stands before it
        if merged[n].score < merged[n + 1].score:
            merged[n] = replace(merged[n], score=merged[n + 1].score)
    return merged


def _explained(hit: Hit, by_links: dict[tuple[Kind, int], float], linked: Sequence[Hit]) -> dict[str, object]:
    place = next((n for n, other in enumerate(linked, start=1) if (other.kind, other.id) == (hit.kind, hit.id)), None)
    score = by_links.get((hit.kind, hit.id))
    arm = None if score is None else {"rank": place, "score": score}
    return {**(hit.explain or {"vector": None, "text": None}), "graph": arm}
