"""A whole memory as a file of JSON lines, and back.

The first line is a header; every other line is a row: ``{"table": …, "row": {…}, "embedding": "…"}`` with the vector as
base64 of little-endian float32. Rows stand in an order that foreign keys accept, those of a table by their ids. Read
into another database they get ids of that one (see renumbering.py).
"""

from __future__ import annotations

import base64
import binascii
import json
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final, NoReturn, TextIO
from uuid import uuid4

import numpy as np
import psycopg
from pgvector import Vector

from memgpt import validation
from memgpt.agents.renumbering import Renumbering, missing, renumbered
from memgpt.agents.transfer_store import BATCH, Line, Outcome, TransferStore
from memgpt.archival.store import ArchivalStore, NewMemory
from memgpt.database import times
from memgpt.database.connection import Connection
from memgpt.database.tables import BY_NAME, HISTORY, in_files
from memgpt.errors import ConflictError, InputError, ModelMismatchError
from memgpt.models import Imported, Json
from memgpt.scope.scope import AgentScope

FORMAT: Final = "memgpt-agent"
ARCHIVAL: Final = "archival_memories"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a file."""

    agent: Json
    counts: Json
    history: bool


def export(
    connection: Connection, scope: AgentScope, file: TextIO, *, vectors: bool, history: bool
) -> Mapping[str, int]:
    """Write one agent's memory to a file; answers the rows per table. Give it a repeatable-read transaction."""
    store = TransferStore(connection, scope.author)
    header = store.header()
    counts = {table: count for table, count in header["counts"].items() if history or table != HISTORY}
    first = {"format": FORMAT, "version": VERSION, **header, "counts": counts, "vectors": vectors, "history": history}
    file.write(json.dumps(first) + "\n")
    for table in in_files():
        if table in counts:
            for row, vector in store.rows(table):
                encoded = f', "embedding": "{_encoded(vector)}"' if vectors and vector is not None else ""
                file.write(f'{{"table": "{table}", "row": {row}{encoded}}}\n')
    return counts


def header(file: TextIO) -> Header:
    """Read and check the first line of a file; the file then stands after it."""
    file.seek(0)
    value = next((_parsed(number, text) for number, text in _numbered(file, 1)), None)
    if value is None:
        raise InputError("the file is empty")
    if value.get("format") != FORMAT:
        raise InputError(f"line 1: this is not an exported agent: its format is not {FORMAT!r}")
    if value.get("version") != VERSION:
        raise InputError(f"line 1: the file has version {value.get('version')!r}; this memgpt reads version {VERSION}")
    agent, counts = value.get("agent"), value.get("counts")
    if not isinstance(agent, dict) or not isinstance(counts, dict):
        raise InputError("line 1: the header has no agent or no counts")
    for what in ("agent_id", "description"):
        validation.text(agent.get(what), f"line 1: {what}", empty=what == "description")
    validation.json_object(agent.get("metadata"), "line 1: metadata")
    validation.texts(agent.get("functional_types") or [], "line 1: functional_types")
    if agent.get("time_zone") is not None:
        validation.time_zone(agent["time_zone"], "line 1: time_zone")
    return Header(agent, counts, history=value.get("history") is True)


def check(scope: AgentScope, file: TextIO, *, reembed: bool) -> Header:
    """Read a whole file and refuse it for the first bad line; nothing is written."""
    head = header(file)
    seen = Counter(line.table for line in _lines(scope, file, reembed=reembed))
    for table, count in head.counts.items():
        if seen[table] != count:
            raise InputError(
                f"the file has {seen[table]} rows of {table}, and its header says {count}: it is incomplete"
            )
    return head


def load(connection: Connection, scope: AgentScope, file: TextIO, *, reembed: bool) -> Imported:
    """Write the rows of a checked file; give it a transaction, so that all are written or none."""
    head = header(file)
    store = TransferStore(connection, scope.author)
    store.describe(
        head.agent["description"],
        head.agent.get("metadata") or {},
        head.agent.get("functional_types") or [],
        head.agent.get("time_zone"),
    )
    how: Json = {"change_id": uuid4(), "embedding_model": scope.model.name, "logged": not head.history}
    ids = _Ids(connection, store)
    if any(store.header()["counts"].values()):
        for batch in _batches(_lines(scope, file, reembed=reembed)):
            ids.compare(batch)
        ids.settle()
        header(file)
    inserted: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for batch in _batches(_lines(scope, file, reembed=reembed)):
        table = batch[0].table
        scope.note_languages(connection, {line.row["language"] for line in batch if "language" in line.row})
        lines = _folded(connection, scope, ids.renumber(table, _embedded(scope, batch)), how)
        for outcome in _inserted(connection, store, lines, how):
            line = batch[outcome.position]
            if outcome.differs:
                which = f"{table} {line.row['id']} of agent {scope.agent_id!r}"
                raise ConflictError(f"line {line.number}: {which} is there already and differs")
            (inserted if outcome.inserted else skipped)[table] += 1
    return Imported(scope.agent_id, dict(inserted), dict(skipped))


class _Ids:
    """The ids that the rows of a file get here."""

    def __init__(self, connection: Connection, store: TransferStore) -> None:
        self._connection = connection
        self._store = store
        with connection.as_owner():
            self._ids = Renumbering(store.last_ids())

    def compare(self, batch: Sequence[Line]) -> None:
        """Find out which rows the agent has already, under the same ids or under others."""
        table, rows = batch[0].table, [line.row for line in batch]
        try:
            with self._connection.transaction():
                there = self._store.there(table, rows)
                others = [n for n in range(len(rows)) if not there.get(n)]
                matched = self._same(table, {n: rows[n] for n in others})
                if table == ARCHIVAL:  # those that were merged into others when the file was read before
                    left = [n for n in others if n not in matched and rows[n]["superseded_at"] is None]
                    matched |= self._same(table, {n: _set_aside(rows[n], None) for n in left})
        except psycopg.DataError:
            return  # which line cannot be read is found where it is written
        for n, row in enumerate(rows):
            if n in matched:
                self._ids.match(table, row, matched[n])
            elif there.get(n):
                self._ids.put(table, row["id"], row["id"])
            else:
                self._ids.add(table, row["id"], taken=n in there)

    def _same(self, table: str, rows: Mapping[int, Json]) -> dict[int, Json]:
        places = [*rows]
        same = self._store.same(table, [*rows.values()]) if rows else {}
        return {places[place]: row for place, row in same.items()}

    def settle(self) -> None:
        """End the comparison."""
        self._ids.settle()

    def renumber(self, table: str, batch: Sequence[Line]) -> Sequence[Line]:
        """Give the lines their new ids."""
        self._reserve(missing(table, [line.row for line in batch], self._ids))
        return [replace(line, row=renumbered(table, line.row, self._ids)) for line in batch]

    def _reserve(self, wanted: Mapping[str, Sequence[int]]) -> None:
        if not wanted:
            return
        with self._connection.as_owner():
            reserved = self._store.reserve({table: len(ids) for table, ids in wanted.items()})
        for table, ids in wanted.items():
            for old, new in zip(ids, reserved[table], strict=True):
                self._ids.put(table, old, new)


def _lines(scope: AgentScope, file: TextIO, *, reembed: bool) -> Iterator[Line]:
    """Yield the rows of a file that stands after its header, each checked."""
    seen: dict[str, array[int]] = {table: array("q") for table in in_files()}
    for number, text in _numbered(file, 2):
        line = _line(scope, number, _parsed(number, text), reembed=reembed)
        ids = seen[line.table]
        if ids and line.row["id"] <= ids[-1]:
            _bad(number, f"{line.table} {line.row['id']} comes after {ids[-1]}: ids must ascend")
        ids.append(line.row["id"])
        for column in BY_NAME[line.table].parents:
            _check_parent(line, column, seen)
        yield line


def _check_parent(line: Line, column: str, seen: Mapping[str, array[int]]) -> None:
    """Refuse a row whose foreign key names no row that came before it."""
    table, id = BY_NAME[line.table].references[column], line.row[column]
    if id is None:
        return
    ids = seen[table]
    place = bisect_left(ids, id)
    if place == len(ids) or ids[place] != id:
        _bad(line.number, f"the foreign key {column} names {table} {id}, which does not come before it")


def _numbered(file: TextIO, start: int) -> Iterator[tuple[int, str]]:
    number = start - 1
    try:
        for number, text in enumerate(file, start):
            yield number, text
    except UnicodeDecodeError:
        raise InputError(f"line {number + 1}, or one soon after it, is not UTF-8") from None


def _line(scope: AgentScope, number: int, value: Json, *, reembed: bool) -> Line:
    table, row = _checked_row(number, value)
    vector = None if value.get("embedding") is None else _decoded(number, value["embedding"])
    if vector is None:
        return Line(number, table, row, None, given=False)
    if table == HISTORY:  # a model of before may have had other dimensions
        _checked(number, validation.vector, vector, "embedding", dimensions=len(vector.to_numpy()))
        return Line(number, table, row, vector, given=True)
    if not BY_NAME[table].texts:
        _bad(number, f"a row of {table} has no embedding")
    if row["embedding_model"] != scope.model.name:
        if reembed:
            return Line(number, table, row, None, given=False)
        raise ModelMismatchError(
            f"line {number}: the vector is of {row['embedding_model']!r}, and this memory holds vectors of "
            f"{scope.model.name!r}: import with reembed=True (--reembed), which embeds the texts anew"
        )
    checked = validation.vector(vector, f"line {number}: embedding", dimensions=scope.model.dimensions)
    return Line(number, table, row, checked, given=True)


def _checked_row(number: int, value: Json) -> tuple[str, Json]:
    table, row = value.get("table"), value.get("row")
    if not isinstance(table, str) or table not in BY_NAME or BY_NAME[table].part != "memory":
        _bad(number, f"there is no table {table!r}")
    if not isinstance(row, dict) or set(row) != set(BY_NAME[table].columns):
        given = set(row) if isinstance(row, dict) else set()
        wrong = sorted(given.symmetric_difference(BY_NAME[table].columns))
        _bad(number, f"a row of {table} has other columns than it should: look at {', '.join(wrong)}")
    _checked(number, renumbered, table, row, lambda _, id: id)
    for column in BY_NAME[table].texts:
        if not isinstance(row[column], str):
            _bad(number, f"{column} is not a text: {row[column]!r}")
    if table == "core_memories":
        _checked(number, validation.label, row["label"])
    _check_times(row, f"line {number}: ")
    if table == HISTORY and isinstance(row["old"], dict):
        _check_times(row["old"], f"line {number}: old.")  # undo makes it a row again
    return table, row


def _check_times(row: Json, where: str) -> None:
    for column, moment in row.items():
        if column in times.COLUMNS:
            validation.moment(moment, f"{where}{column}")


def _embedded(scope: AgentScope, batch: Sequence[Line]) -> Sequence[Line]:
    """Embed the texts of lines that have no vector, with the configured model."""
    table = BY_NAME[batch[0].table]
    if not table.texts:
        return batch
    missing = [n for n, line in enumerate(batch) if line.embedding is None and line.row[table.texts[0]].strip()]
    ready = list(batch)
    vectors = scope.embed([table.embedded(batch[n].row) for n in missing])
    for n, vector in zip(missing, vectors, strict=True):
        ready[n] = replace(batch[n], embedding=vector)
    return ready


def _folded(connection: Connection, scope: AgentScope, batch: Sequence[Line], how: Json) -> Sequence[Line]:
    """Merge lines into the agent's rows that say the same, and return the rest.

    Such a memory comes as superseded by the other from its beginning, so that what refers to it finds it.
    """
    if batch[0].table != ARCHIVAL:
        return batch
    living = [_memory(line) for line in batch if line.row["superseded_at"] is None]
    changes = {"change_id": how["change_id"], "embedding_model": how["embedding_model"]}
    others = ArchivalStore(connection, scope.author).fold(living, **changes)
    return [
        line if (other := others.get(line.row["id"])) is None else replace(line, row=_set_aside(line.row, other))
        for line in batch
    ]


def _set_aside(row: Json, other: int | None) -> Json:
    return {**row, "superseded_at": row["created_at"], "superseded_by": other}


def _memory(line: Line) -> NewMemory:
    row, where = line.row, f"line {line.number}: "
    return NewMemory(
        id=row["id"],
        text=validation.text(row["text"], f"{where}text"),
        embedding=line.embedding,
        tags=validation.names(row["tags"], f"{where}tags"),
        importance=validation.share(row["importance"], f"{where}importance"),
        source=validation.source(row["source"], f"{where}source"),
        metadata=validation.json_object(row["metadata"], f"{where}metadata"),
        expires_at=validation.moment(row["expires_at"], f"{where}expires_at"),
    )


def _inserted(connection: Connection, store: TransferStore, batch: Sequence[Line], how: Json) -> Sequence[Outcome]:
    try:
        with connection.transaction():
            return store.insert(batch, **how)
    except (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.InsufficientPrivilege):
        for line in batch:  # once more, one by one: which line is it?
            try:
                with connection.transaction():
                    store.insert([line], **how)
            except psycopg.errors.UniqueViolation as error:
                raise ConflictError(f"line {line.number}: {_reason(error)}") from error
            except psycopg.errors.InsufficientPrivilege as error:
                raise InputError(
                    f"line {line.number}: {line.table} {line.row['id']} is shared with an agent that this API key "
                    "has no access to"
                ) from error
            except (psycopg.DataError, psycopg.IntegrityError) as error:
                raise InputError(f"line {line.number}: {_reason(error)}") from error
        raise


def _reason(error: psycopg.Error) -> str:
    return "; ".join(filter(None, (error.diag.message_primary, error.diag.message_detail)))


def _batches(lines: Iterator[Line]) -> Iterator[Sequence[Line]]:
    for _, group in groupby(lines, key=lambda line: line.table):
        batch: list[Line] = []
        for line in group:
            batch.append(line)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch


def _checked(number: int, check: Callable[..., object], *values: object, **more: object) -> None:
    try:
        check(*values, **more)
    except InputError as error:
        raise InputError(f"line {number}: {error}") from None


def _parsed(number: int, text: str) -> Json:
    try:
        value = json.loads(text, parse_constant=lambda word: _bad(number, f"{word} is not JSON"))
    except json.JSONDecodeError as error:
        _bad(number, f"not JSON: {error.msg} at column {error.colno}")
    except RecursionError:
        _bad(number, "nested too deeply")
    if not isinstance(value, dict):
        _bad(number, "not a JSON object")
    return value


def _encoded(vector: Vector) -> str:
    return base64.b64encode(vector.to_numpy().astype("<f4").tobytes()).decode()


def _decoded(number: int, encoded: Any) -> Vector:
    try:
        return Vector(np.frombuffer(base64.b64decode(encoded, validate=True), dtype="<f4"))
    except (binascii.Error, TypeError, ValueError):
        _bad(number, "the embedding is not base64 of float32 numbers")


def _bad(number: int, what: str) -> NoReturn:
    raise InputError(f"line {number}: {what}")
