"""The names that texts mention, taken from them when asked for: what the graph arm of a search walks over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from memgpt import validation
from memgpt.graph.entities import name_of
from memgpt.graph.mentions_store import MentionStore
from memgpt.models import Fact
from memgpt.scope.scope import AgentScope

BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class Linked:
    """Progress, or result, of linking."""

    texts: int
    """Texts that were new or changed."""
    mentions: int
    """Names found in them."""
    seen: int
    total: int
    """Texts there are; more may be written meanwhile."""


@dataclass(frozen=True, slots=True)
class NamedTogether:
    """A name that texts mention beside another one. No fact says that the two have to do with each other."""

    name: str
    texts: int
    """That mention both."""


@dataclass(frozen=True, slots=True)
class PlacedText:
    """The beginning of a row's text, and where it stands."""

    kind: str
    id: int
    text: str
    place: str | None
    """The conversation of a message, the label of a block, the title of a document or of a chunk's."""
    document_id: int | None


class Mentions:
    """The names in one agent's texts."""

    def __init__(self, scope: AgentScope) -> None:
        self._scope = scope

    def link(self, *, batch: int = BATCH, on_progress: Callable[[Linked], None] | None = None) -> Linked:
        """Link archival memories and chunks by the names they mention, for searches to follow.

        Takes the texts that are new or changed since the last time; run it again after writing. Each batch is one
        statement in a transaction of its own, unless one is open: what was interrupted goes on from there. From the
        first name on, every search that may use it makes a second round trip.
        """
        validation.limit(batch, "batch")
        totals = self._scope.read(lambda connection: MentionStore(connection, self._scope.agent_id).totals())
        done = Linked(0, 0, 0, sum(totals.values()))
        for kind in totals:
            after = 0
            while True:
                with self._scope.transaction() as connection:
                    step = MentionStore(connection, self._scope.agent_id).link(kind, after=after, batch=batch)
                if step.last is None:
                    break
                after = step.last
                seen = done.seen + step.seen
                done = Linked(done.texts + step.linked, done.mentions + step.mentions, seen, max(done.total, seen))
                if on_progress is not None:
                    on_progress(done)
        return done

    def named_with(self, name: str, *, limit: int = 20) -> Sequence[NamedTogether]:
        """Return the names that the linked texts mention beside this one, those in most texts first.

        These are no facts: two names stand in one text, whatever it says of them. They are found by rule (:meth:`link`)
        and kept apart from facts.
        """
        wanted, limit = name_of(name, "name").lower(), validation.limit(limit)
        return self._scope.read(
            lambda connection: [
                NamedTogether(*row)
                for row in MentionStore(connection, self._scope.agent_id).together(wanted, limit=limit)
            ]
        )

    def texts_naming(self, names: Sequence[str], *, limit: int = 20) -> Sequence[PlacedText]:
        """Return linked texts that mention one of some names, the newest rows first; see :meth:`link`."""
        wanted, limit = [name_of(name, "name").lower() for name in names], validation.limit(limit)
        return self._scope.read(
            lambda connection: [
                PlacedText(*row) for row in MentionStore(connection, self._scope.agent_id).naming(wanted, limit=limit)
            ]
        )

    def texts_behind(self, facts: Sequence[Fact]) -> Sequence[PlacedText]:
        """Return the texts that facts are from, where they have a provenance that is still there."""
        rows = sorted({(f.provenance_kind, f.provenance_id) for f in facts if f.provenance_kind and f.provenance_id})
        if not rows:
            return []
        return self._scope.read(
            lambda connection: [PlacedText(*row) for row in MentionStore(connection, self._scope.agent_id).texts(rows)]
        )
