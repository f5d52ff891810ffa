"""New ids for the rows of a file, carried along to everything that refers to them.

Ids come from sequences that all agents share, so a file does not choose them: an id that was handed out in this
database already stays, unless the agent has another row under it; any other is the next of its table. A row that says
what one of the agent's says becomes that one, so that a file can be read again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from memgpt.database.tables import BY_NAME, HISTORY, by_kind, in_files
from memgpt.errors import InputError
from memgpt.history.proposals_store import NewProposal
from memgpt.models import Json

MAX_ID: Final = 2**53

IdOf = Callable[[str, int], int]
"""The new id of a table's row."""


class Renumbering:
    """New ids of rows by their ids in a file."""

    def __init__(self, last: Mapping[str, int]) -> None:
        """``last``: per table, the last id that was handed out."""
        self._last = last
        self._new: dict[str, dict[int, int]] = {table: {} for table in in_files()}
        self._taken: dict[str, set[int]] = {table: set() for table in in_files()}
        self._rows: dict[str, set[int]] = {table: set() for table in in_files()}
        self._named: list[tuple[str, int, int]] = []

    def __call__(self, table: str, id: int) -> int:
        return self._new[table].get(id, id)

    def knows(self, table: str, id: int) -> bool:
        return id in self._new[table] or (id <= self._last[table] and id not in self._taken[table])

    def put(self, table: str, id: int, new: int) -> None:
        """Give an id of the file another one here."""
        self._new[table][id] = new

    def match(self, table: str, row: Json, there: Json) -> None:
        """Make a row of the file one of the agent's, which says the same."""
        (_, *named), (_, *named_there) = references(table, row), references(table, there)
        self.put(table, row["id"], there["id"])
        if len(named) == len(named_there):
            self._named += [(of, id, new) for (of, id), (_, new) in zip(named, named_there, strict=True)]

    def add(self, table: str, id: int, *, taken: bool) -> None:
        """Note a row of the file that the agent does not have; ``taken``: but another one of that id."""
        self._rows[table].add(id)
        if taken:
            self._taken[table].add(id)

    def settle(self) -> None:
        """Give what rows of the file refer to and the file does not hold the ids it has in the agent's rows."""
        for table, id, new in self._named:
            if id not in self._rows[table]:
                self._new[table].setdefault(id, new)


def missing(table: str, rows: list[Json], known: Renumbering) -> Mapping[str, list[int]]:
    """Return the ids in some rows, their own and those they refer to, that have no new one yet."""
    found: dict[str, dict[int, None]] = defaultdict(dict)
    for row in rows:
        for of, id in references(table, row):
            if not known.knows(of, id):
                found[of][id] = None
    return {of: [*ids] for of, ids in found.items()}


def references(table: str, row: Json) -> list[tuple[str, int]]:
    """Return the id of a row, then all it refers to, each with its table."""
    found: list[tuple[str, int]] = []

    def note(of: str, id: int) -> int:
        found.append((of, id))
        return id

    renumbered(table, row, note)
    return found


def renumbered(table: str, row: Json, id_of: IdOf) -> Json:
    """Return a row with other ids, its own and all it refers to.

    Raises:
        InputError: what should be an id is none.
    """
    result = {**row, "id": _id(id_of, table, row.get("id"), "id")}
    for column, target in BY_NAME[table].references.items():
        value = row.get(column)
        if isinstance(value, list):
            result[column] = [_id(id_of, target, id, column) for id in value]
        elif value is not None:
            result[column] = _id(id_of, target, value, column)
    if table in _SPECIAL:
        result |= _SPECIAL[table](row, id_of)
    return result


def _id(id_of: IdOf, table: str, value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < MAX_ID:
        raise InputError(f"the {what} is not a whole number above 0 and below 2^53: {value!r}")
    return id_of(table, value)


def _archival(row: Json, id_of: IdOf) -> Json:
    metadata = row.get("metadata")
    if row.get("source") != "consolidation" or not isinstance(metadata, dict):
        return {}
    sources = metadata.get("consolidated_from")
    if not isinstance(sources, list):
        return {}
    ids = [_id(id_of, "archival_memories", id, "consolidated_from") for id in sources]
    return {"metadata": {**metadata, "consolidated_from": ids}}


def _fact(row: Json, id_of: IdOf) -> Json:
    if row.get("provenance_kind") is None or row.get("provenance_id") is None:
        return {}
    return {"provenance_id": _id(id_of, _table(row["provenance_kind"]), row["provenance_id"], "provenance_id")}


def _history(row: Json, id_of: IdOf) -> Json:
    table = _table(row.get("kind"))
    result: Json = {"row_id": _id(id_of, table, row.get("row_id"), "row_id")}
    old = row.get("old")
    if old is not None:
        if not isinstance(old, dict) or old.get("id") != row["row_id"]:
            raise InputError(f"old is not {row['kind']} {row['row_id']} as it was")
        result["old"] = renumbered(table, old, id_of)
    return result


def _proposal(row: Json, id_of: IdOf) -> Json:
    try:
        about = [_about(text, id_of) for text in row["about"]]
        change = _change(row["kind"], row["change"], id_of)
        fingerprint = row["fingerprint"]
        if str(_fingerprint(row["kind"], row["about"], row["change"])) == str(fingerprint):
            fingerprint = str(_fingerprint(row["kind"], about, change))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(f"a proposal of kind {row.get('kind')!r} does not look like this: {error!r}") from error
    return {"about": about, "change": change, "fingerprint": fingerprint}


def _about(text: str, id_of: IdOf) -> str:
    kind, _, id = text.partition(":")
    return f"{kind}:{_id(id_of, _table(kind), int(id), 'about')}"


def _change(kind: str, change: Json, id_of: IdOf) -> Json:
    """Renumber what a proposal would do."""
    if kind in ("tidying", "standing"):
        return change
    if kind == "facts":
        return {**change, "facts": [_with_provenance(fact, id_of) for fact in change["facts"]]}
    table = "kg_entities" if kind == "merge" else "archival_memories"

    def anew(value: Any) -> Any:
        if isinstance(value, list):
            return [anew(one) for one in value]
        if isinstance(value, dict):
            return {**value, "id": _id(id_of, table, value["id"], "id")}
        return _id(id_of, table, value, "id") if isinstance(value, int) else value

    return {name: anew(value) for name, value in change.items()}


def _with_provenance(fact: Json, id_of: IdOf) -> Json:
    if fact.get("provenance") is None:
        return fact
    kind, id = fact["provenance"]
    return {**fact, "provenance": [kind, _id(id_of, _table(kind), id, "provenance")]}


def _fingerprint(kind: Any, about: list[str], change: Json) -> UUID:
    """Return the fingerprint that a proposal of that content has where it is made."""
    same_as: Sequence[object]
    if kind in ("duplicates", "consolidation"):
        memories = change["sources"] if kind == "consolidation" else [change["keep"], *change["supersede"]]
        same_as = sorted((memory["id"], memory["sha256"]) for memory in memories)
    elif kind == "merge":
        same_as = sorted(change[role]["id"] for role in ("survivor", "merged"))
    elif kind == "expiry":
        same_as = [*change["memories"]]
    elif kind == "decay":
        same_as = [datetime.fromisoformat(change["since"]), change["memories"][0]["id"]]
    elif kind == "tidying":
        same_as = [int(about[0].partition(":")[2]), change["sha256"]]
    elif kind == "standing":
        same_as = [about[0], change["said"]]
    else:
        same_as = [change["facts"]]
    return NewProposal(kind=kind, reason="", change=change, about=about, same_as=same_as).fingerprint


def _table(kind: object) -> str:
    for known, table in by_kind().items():
        if known == kind:
            return table.name
    raise InputError(f"there is no kind of row {kind!r}; the kinds are {', '.join(by_kind())}")


_SPECIAL: Final[Mapping[str, Callable[[Json, IdOf], Json]]] = {
    "archival_memories": _archival,
    "kg_relationships": _fact,
    "proposals": _proposal,
    HISTORY: _history,
}
"""Tables whose references are not a column each."""
