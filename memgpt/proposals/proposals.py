"""Proposed changes as ``memory.proposals``: look at them, apply, reject, revert.

A proposal is applied in one transaction and as one change of the history; reverting it is taking that change back.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from memgpt import validation
from memgpt.archival.archival import Archival
from memgpt.archival.store import ArchivalStore
from memgpt.blocks.blocks import Core
from memgpt.errors import ConflictError, InputError
from memgpt.graph import PROVENANCE, Graph
from memgpt.history.history import History
from memgpt.history.proposals_store import NewProposal, ProposalStore
from memgpt.models import (
    PROPOSAL_KINDS,
    PROPOSAL_STATUSES,
    ArchivalMemory,
    Json,
    Proposal,
    ProposalKind,
    ProposalStatus,
)
from memgpt.proposals.archival_store import SleepStore
from memgpt.scope.scope import AgentScope

_FACT: Final = (
    *("source", "type", "target", "fact", "weight", "valid_from", "valid_to", "properties", "provenance"),
    *("functional", "source_type", "target_type"),
)


class Proposals:
    """The proposed changes of one agent's memory."""

    def __init__(self, scope: AgentScope, archival: Archival, core: Core, graph: Graph, history: History) -> None:
        self._scope = scope
        self._archival = archival
        self._core = core
        self._graph = graph
        self._history = history
        self._applied: Mapping[ProposalKind, Callable[[Proposal], object]] = {
            "merge": lambda proposal: graph.merge(proposal.change),
            "duplicates": self._set_aside,
            "decay": self._weaken,
            "expiry": self._retire,
            "consolidation": self._consolidate,
            "tidying": self._tidy,
            "facts": self._add_facts,
            "standing": self._add_line,
        }

    def list(
        self,
        status: str | None = None,
        *,
        kind: str | None = None,
        about: str | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> Sequence[Proposal]:
        """Proposals, newest first.

        Args:
            status: proposed, applied, rejected or reverted; absent, all.
            about: only those about this row, such as ``entity:4``.
            before: the id of the last one of the page before.
        """
        if status is not None:
            validation.choice(status, PROPOSAL_STATUSES, "status")
        if kind is not None:
            validation.choice(kind, PROPOSAL_KINDS, "kind")
        about = validation.optional_text(about, "about")
        limit = validation.limit(limit)
        validation.optional_id(before, "before")
        return self._scope.read(
            lambda connection: ProposalStore(connection, self._scope.author).list(
                limit=limit,
                status=cast("ProposalStatus | None", status),
                kind=cast("ProposalKind | None", kind),
                about=about,
                before=before,
            )
        )

    def get(self, id: int) -> Proposal:
        """One proposal.

        Raises:
            NotFoundError: the agent has no proposal of that id.
        """
        validation.row_id(id)
        return self._scope.read(lambda connection: ProposalStore(connection, self._scope.author).get(id))

    def propose(self, proposal: NewProposal, *, status: ProposalStatus = "proposed") -> Proposal | None:
        """Keep a proposal; None where the same was proposed before, whatever became of it."""
        with self._scope.change() as (connection, _):
            return ProposalStore(connection, self._scope.author).insert(proposal, status=status)

    def known(self, proposal: NewProposal) -> bool:
        """Tell whether the same was proposed before."""
        return bool(
            self._scope.read(
                lambda connection: ProposalStore(connection, self._scope.author).known([proposal.fingerprint])
            )
        )

    def propose_facts(
        self,
        facts: Sequence[Mapping[str, Any]],
        *,
        reason: str,
        score: float | None = None,
        evidence: Json | None = None,
    ) -> Proposal | None:
        """Propose facts, to be added together; None where the same were proposed before.

        Each fact has ``source``, ``type`` and ``target``, and may have what :meth:`memgpt.graph.Graph.add_fact` takes
        (``provenance`` is the kind and id of the row it is from) and the types of its ends.

        Raises:
            InputError: a fact cannot be recorded; nothing was written.
        """
        checked = [_checked_fact(fact, f"facts[{n}]") for n, fact in enumerate(facts)]
        from_rows = {":".join(map(str, fact["provenance"])) for fact in checked if fact.get("provenance")}
        return self.propose(
            NewProposal(
                kind="facts",
                reason=validation.text(reason, "reason"),
                change={"facts": checked},
                about=sorted(from_rows),
                same_as=[checked],
                evidence=validation.json_object(evidence, "evidence"),
                score=None if score is None else validation.share(score, "score"),
            )
        )

    def apply(self, id: int) -> Proposal:
        """Do what is proposed, as one change in one transaction.

        Raises:
            ConflictError: it is decided already, or what it is about was changed since; nothing was written.
            NotFoundError: the agent has no such proposal, or what it is about is gone.
            InputError: it cannot be done any more, such as facts about a name that several entities have by now.
        """
        validation.row_id(id)
        proposal = self.get(id)
        _refuse_unless(proposal, "proposed", "applied")
        self._embed(proposal)
        with (
            self._scope.single_change() as change_id,
            self._scope.change() as (connection, _),
            connection.transaction(),
        ):
            store = ProposalStore(connection, self._scope.author)
            _refuse_unless(store.get(id, lock=True), "proposed", "applied")
            self._applied[proposal.kind](proposal)
            return store.decide(id, "applied", change_id=change_id)

    def reject(self, id: int) -> Proposal:
        """Decide against a proposal; the same is never proposed again.

        Raises:
            ConflictError: it is decided already.
        """
        validation.row_id(id)
        with self._scope.change() as (connection, _):
            store = ProposalStore(connection, self._scope.author)
            _refuse_unless(store.get(id, lock=True), "proposed", "rejected")
            return store.decide(id, "rejected")

    def revert(self, id: int) -> Proposal:
        """Take back what applying did, from the history; the same is never proposed again.

        Raises:
            ConflictError: it is not applied, or a row it changed was changed later; the message names it.
        """
        validation.row_id(id)
        with self._scope.change() as (connection, _):
            store = ProposalStore(connection, self._scope.author)
            proposal = store.get(id, lock=True)
            _refuse_unless(proposal, "applied", "reverted")
            assert proposal.change_id is not None  # noqa: S101 - the schema says so
            if self._history.is_applied(proposal.change_id):
                self._history.undo(proposal.change_id)
            return store.decide(id, "reverted")

    def _embed(self, proposal: Proposal) -> None:
        """Ask for the vectors before the transaction is open; then they come from the cache."""
        match proposal.kind, proposal.change:
            case "consolidation", {"text": str(text)}:
                self._scope.warm_embedding_cache([text])
            case "facts", {"facts": facts}:
                self._scope.warm_embedding_cache([fact["fact"] for fact in facts if fact.get("fact")])

    def _set_aside(self, proposal: Proposal) -> None:
        keep: Json = proposal.change["keep"]
        others: Sequence[Json] = proposal.change["supersede"]
        there = self._unchanged([keep, *others])
        tags = list(dict.fromkeys(tag for memory in (keep, *others) for tag in there[memory["id"]].tags))
        with self._scope.change() as (connection, change_id):
            store = ArchivalStore(connection, self._scope.author)
            if tags != there[keep["id"]].tags:
                store.update(keep["id"], change_id=change_id, tags=tags)
            for memory in others:
                store.update(memory["id"], change_id=change_id, superseded_by=keep["id"])

    def _consolidate(self, proposal: Proposal) -> None:
        sources = proposal.change["sources"]
        there = self._unchanged(sources)
        memories = [there[source["id"]] for source in sources]
        with self._scope.change() as (connection, change_id):
            inserted = self._archival.insert(
                proposal.change["text"],
                tags=list(dict.fromkeys(tag for memory in memories for tag in memory.tags)),
                importance=max(memory.importance for memory in memories),
                source="consolidation",
                metadata={"consolidated_from": [memory.id for memory in memories]},
            )
            store = ArchivalStore(connection, self._scope.author)
            for memory in memories:
                if memory.id != inserted.id:
                    store.update(memory.id, change_id=change_id, superseded_by=inserted.id)

    def _weaken(self, proposal: Proposal) -> None:
        rows = [(row["id"], row["from"], row["to"]) for row in proposal.change["memories"]]
        since = datetime.fromisoformat(proposal.change["since"])
        with self._scope.change() as (connection, change_id):
            SleepStore(connection, self._scope.author).weaken(rows, since=since, change_id=change_id)

    def _retire(self, proposal: Proposal) -> None:
        with self._scope.change() as (connection, change_id):
            SleepStore(connection, self._scope.author).retire(proposal.change["memories"], change_id=change_id)

    def _tidy(self, proposal: Proposal) -> None:
        change = proposal.change
        self._core[change["label"]].rethink(change["value"], expected_sha256=change["sha256"])

    def _add_line(self, proposal: Proposal) -> None:
        label, line, replaces = (proposal.change[name] for name in ("label", "line", "replaces"))
        own = [block for block in self._core.list() if block.label == label and block.agent_id == self._scope.agent_id]
        lines = own[0].value.rstrip("\n").split("\n") if own and own[0].value else []
        if missing := [old for old in replaces if old not in lines]:
            raise ConflictError(f"block {label!r} has no line {missing[0]!r} any more: reject this proposal")
        value = "\n".join([*(old for old in lines if old not in replaces), line])
        self._core[label].rethink(value, expected_sha256=own[0].sha256 if own else None)

    def _add_facts(self, proposal: Proposal) -> None:
        for fact in proposal.change["facts"]:
            fields = dict(fact)
            ends = [
                self._graph.add_entity(fields[end], fields[f"{end}_type"]) if f"{end}_type" in fields else fields[end]
                for end in ("source", "target")
            ]
            more = {name: value for name, value in fields.items() if name not in _ENDS}
            if more.get("provenance") is not None:
                more["provenance"] = tuple(more["provenance"])
            self._graph.add_fact(ends[0], fields["type"], ends[1], **more)

    def _unchanged(self, expected: Sequence[Json]) -> dict[int, ArchivalMemory]:
        """Memories of a proposal, locked, if all still say what they said then."""
        with self._scope.change() as (connection, _):
            ids = [memory["id"] for memory in expected]
            current = SleepStore(connection, self._scope.author).memories(ids, lock=True)
            there = {memory.id: memory for memory in current}
            for memory in expected:
                now = there.get(memory["id"]) or ArchivalStore(connection, self._scope.author).hold(memory["id"])
                if digest(now.text) != memory["sha256"]:
                    which = f"archival memory {memory['id']}"
                    raise ConflictError(f"{which} says something else now: reject this proposal and propose again")
                there[now.id] = now
        return there


_ENDS: Final = ("source", "type", "target", "source_type", "target_type")


def digest(text: str) -> str:
    """Return the digest by which a text is recognised as the one that was looked at."""
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_unless(proposal: Proposal, status: ProposalStatus, wanted: str) -> None:
    if proposal.status != status:
        raise ConflictError(f"proposal {proposal.id} is {proposal.status} and cannot be {wanted}")


def _checked_fact(value: Mapping[str, Any], where: str) -> Json:
    fact = dict(validation.item(value, where, _FACT))
    for name in ("source", "type", "target"):
        validation.text(fact.get(name), f"{where}.{name}")
    for name in ("fact", "source_type", "target_type"):
        if fact.get(name) is None:
            fact.pop(name, None)
        else:
            validation.text(fact[name], f"{where}.{name}")
    for name in ("valid_from", "valid_to"):
        if (moment := validation.moment(fact.pop(name, None), f"{where}.{name}")) is not None:
            fact[name] = moment.isoformat()
    if "weight" in fact:
        fact["weight"] = validation.number(fact["weight"], f"{where}.weight")
    if "properties" in fact:
        fact["properties"] = validation.json_object(fact["properties"], f"{where}.properties")
    if fact.get("provenance") is not None:
        fact["provenance"] = _provenance(fact["provenance"], where)
    return fact


def _provenance(value: Any, where: str) -> builtins.list[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise InputError(f"{where}.provenance must be the kind and the id of a row, not {value!r}")
    kind, id = value
    what = f"{where}.provenance"
    return [validation.choice(kind, PROVENANCE, what), validation.limit(id, what, most=2**63 - 1)]
