"""Writing what was read of another memory, each item once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final, Literal

from memgpt import validation
from memgpt.blocks.blocks import DEFAULT_LIMIT, MOST_CHARACTERS
from memgpt.errors import ConflictError, InputError, MemgptError, MissingExtraError, NotFoundError
from memgpt.integrations.importers.import_items import ImportItem, ItemKind
from memgpt.integrations.importers.kinds import open_memory
from memgpt.integrations.importers.store import ImportStore
from memgpt.integrations.transcripts import ImportedTranscript, import_transcript
from memgpt.memory import Memory, scope_of
from memgpt.models import Json
from memgpt.scope.batches import ON_ERROR, OnError, Problem

BATCH: Final = 500
"""Items of one transaction."""

ImportOutcome = Literal["new", "merged", "there", "problem"]

OUTCOMES: Final[Sequence[ImportOutcome]] = ("new", "merged", "there", "problem")


@dataclass(frozen=True, slots=True)
class ImportedItem:
    """Outcome of one item."""

    id: str
    """In the other system."""
    kind: ItemKind
    outcome: ImportOutcome
    """``merged``: into what is the same, or was there before. ``there``: imported before, or nothing new in it."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Outcomes of one import."""

    kind: str
    """The system it is from."""
    items: Sequence[ImportedItem]
    problems: Sequence[Problem]
    """What is wrong with which item; ``index`` is its place in the source, from 0."""
    transcript: ImportedTranscript | None = None
    """What became of its messages, where it has any."""

    @property
    def counts(self) -> dict[ImportOutcome, int]:
        """Return the number of items by outcome."""
        counted = Counter(item.outcome for item in self.items)
        return {outcome: counted[outcome] for outcome in OUTCOMES}


def import_memory(
    memory: Memory,
    source: str | Path,
    kind: str | None = None,
    *,
    table: str | None = None,
    on_error: OnError = "replace",
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Take over another memory: a file, a folder, or a table of a database at a ``postgresql://`` address.

    Every item keeps ``imported_from`` and ``imported_id`` in its metadata (properties, in the graph), by which it is
    known when the same memory is imported again: that adds what is new and leaves alone what is there, whatever
    became of it. Items are written 500 in a transaction, documents one by one; what was interrupted goes on.

    Args:
        kind: one of ``memgpt.integrations.importers.kinds.NAMES``; absent, told by the source itself. What is none
            of the others is read by :func:`memgpt.integrations.transcripts.import_transcript`.
        table: of the database, where several could be meant; with its schema, ``public.memories``.
        on_error: what becomes of a bad item: "replace" puts U+FFFD for characters that cannot be stored and leaves
            out what is bad in another way, "skip" leaves it out, "fail" ends the import there.
        dry_run: write nothing; the report says what would come.
        progress: called with the number of items done so far.

    Raises:
        InputError: the source is unknown or cannot be read, or an item is bad with ``on_error="fail"``.
    """
    validation.choice(on_error, ON_ERROR, "on_error")
    opened = open_memory(source, kind, table)
    run = _Run(memory, opened.kind, on_error, dry_run=dry_run)
    for batch in _batches(opened.items()):
        run.add(batch)
        if progress is not None:
            progress(len(run.items))
    transcript = None
    if opened.transcript is not None:
        with suppress(_RollbackDryRun), memory.transaction() if dry_run else nullcontext():
            transcript = import_transcript(memory, opened.transcript, on_error=on_error, progress=progress)
            if dry_run:
                raise _RollbackDryRun
    return ImportReport(opened.kind, run.items, run.problems, transcript)


class _RollbackDryRun(Exception):
    """Takes back what a dry run wrote."""


def _batches(items: Iterable[ImportItem]) -> Iterator[Sequence[ImportItem]]:
    """Yield runs of items of one kind, at most 500 in each."""
    for _, same in groupby(items, key=lambda item: item.kind):
        while batch := [*islice(same, BATCH)]:
            yield batch


class _Run:
    """One import, as far as it is."""

    def __init__(self, memory: Memory, kind: str, on_error: OnError, *, dry_run: bool) -> None:
        self._memory = memory
        self._kind = kind
        self._on_error = on_error
        self._dry_run = dry_run
        self._scope = scope = scope_of(memory)
        self._known = scope.read(lambda connection: ImportStore(connection, scope.author).known(kind))
        newest = memory.graph.facts(limit=1)
        self._newest = newest[0].recorded_at if newest else None
        self.items: list[ImportedItem] = []
        self.problems: list[Problem] = []

    def add(self, batch: Sequence[ImportItem]) -> None:
        """Write what is new of a batch of one kind."""
        start = len(self.items)
        outcomes: list[ImportOutcome] = ["there"] * len(batch)
        fresh: list[tuple[int, ImportItem]] = []
        for place, item in enumerate(batch):
            if item.problem is not None:
                self._bad(start + place, item, InputError(item.problem))
                outcomes[place] = "problem"
            elif self._is_new(item):
                fresh.append((place, item))
        if self._dry_run:
            written: Iterable[ImportOutcome] = ["new"] * len(fresh)
        elif batch[0].kind == "memory":
            written = self._memories(start, fresh)
        elif batch[0].kind == "document":
            written = [self._one(start + place, item) for place, item in fresh]
        else:
            with self._memory.transaction():
                written = [self._one(start + place, item) for place, item in fresh]
        for (place, _), outcome in zip(fresh, written, strict=True):
            outcomes[place] = outcome
        self.items += [ImportedItem(i.id, i.kind, outcome) for i, outcome in zip(batch, outcomes, strict=True)]

    def _is_new(self, item: ImportItem) -> bool:
        """Tell whether an item may be new: none of its id was imported. Documents are compared whole, blocks by
        label."""
        if item.kind == "block" or (item.kind == "document" and not self._dry_run):
            return not self._dry_run or item.values["label"] not in self._memory.core
        key = (item.kind, self._id(item))
        if key in self._known:
            return False
        self._known.add(key)
        return True

    def _id(self, item: ImportItem) -> str:
        return validation.replaced(item.id)[: validation.MAX_NAME]

    def _from(self, item: ImportItem) -> Json:
        return {"imported_from": self._kind, "imported_id": self._id(item)}

    def _bad(self, index: int, item: ImportItem, error: MemgptError) -> None:
        reason = validation.replaced(f"{item.kind} {item.id[:100]!r}: {error}")
        if self._on_error == "fail":
            raise InputError(f"item {index}: {reason}") from error
        self.problems.append(Problem(index, "", reason, "skipped"))

    def _memories(self, start: int, fresh: Sequence[tuple[int, ImportItem]]) -> list[ImportOutcome]:
        """Texts, embedded together. A text that is there under another id stays under that."""
        values = [{**i.values, "metadata": {**i.values.get("metadata", {}), **self._from(i)}} for _, i in fresh]
        there = self._scope.read(
            lambda connection: ImportStore(connection, self._scope.author).imported_texts(
                [validation.replaced(value["text"]) for value in values]
            )
        )
        first: set[str] = set()
        outcomes: list[ImportOutcome] = ["new"] * len(fresh)
        sent = []
        for n, value in enumerate(values):
            text = validation.normal(validation.replaced(value["text"]))
            if text in first or there[n]:
                outcomes[n] = "merged"
            else:
                first.add(text)
                sent.append(n)
        done = self._memory.remember_many([values[n] for n in sent], on_error=self._on_error)
        skipped = set()
        for problem in done.problems:
            n = sent[problem.index]
            place, item = fresh[n]
            reason = f"{item.kind} {item.id[:100]!r}: {problem.reason}"
            self.problems.append(Problem(start + place, problem.field, validation.replaced(reason), problem.outcome))
            if problem.outcome == "skipped":
                outcomes[n] = "problem"
                skipped.add(n)
        for n, remembered in zip([n for n in sent if n not in skipped], done, strict=True):
            outcomes[n] = "merged" if remembered.duplicate else "new"
        return outcomes

    def _one(self, index: int, item: ImportItem) -> ImportOutcome:
        """Write one item by itself; a failure leaves nothing of it."""
        values = validation.mended(item.values) if self._on_error == "replace" else item.values
        write = {"block": self._block, "entity": self._entity, "fact": self._fact, "document": self._document}
        try:
            return write[item.kind](item, values)
        except (InputError, ConflictError, NotFoundError, MissingExtraError) as error:
            self._bad(index, item, error)
            return "problem"

    def _block(self, _: ImportItem, values: Json) -> ImportOutcome:
        label, value = validation.label(values["label"]), values["value"]
        there = next(
            (b for b in self._memory.core.list() if b.label == label and b.agent_id == self._memory.agent), None
        )
        if there is None:
            limit = min(values["limit"] or max(DEFAULT_LIMIT, len(str(value))), MOST_CHARACTERS)
            self._memory.core.create(
                label, value, description=values["description"], limit=limit, read_only=values["read_only"]
            )
            return "new"
        if there.value.strip() in ("", str(value).strip()):
            self._memory.core[label].rethink(value)
            return "there" if there.value else "merged"
        raise ConflictError(f"there is a block {label!r} with another text, which is not overwritten")

    def _entity(self, item: ImportItem, values: Json) -> ImportOutcome:
        name = _name(values["name"])
        properties = {**self._from(item), **values.get("properties", {})}
        before = self._memory.graph.find(name)
        entity = self._memory.graph.add_entity(
            name, _name(values.get("type")), aliases=values.get("aliases", ()), properties=properties
        )
        return "merged" if entity.id in {each.id for each in before} else "new"

    def _fact(self, item: ImportItem, values: Json) -> ImportOutcome:
        ends = [_name(values[end]) for end in ("source", "type", "target")]
        fact = self._memory.graph.add_fact(*ends, properties=self._from(item))
        return "new" if self._newest is None or fact.recorded_at > self._newest else "merged"

    def _document(self, item: ImportItem, values: Json) -> ImportOutcome:
        metadata: Mapping[str, Any] = {**values.get("metadata", {}), **self._from(item)}
        done = self._memory.ingest(**{**values, "metadata": metadata})
        return "new" if done.outcome == "new" else "merged" if done.outcome == "changed" else "there"


def _name(value: Any) -> Any:
    """Return a name; a number, such as a year, as it is written."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
