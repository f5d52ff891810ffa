"""Store items as ``memory.items``: values an application keeps at a namespace and a key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any, Final, TypedDict, Unpack, cast

import numpy as np
from pgvector import Vector

from memgpt import validation
from memgpt.database.connection import Connection
from memgpt.errors import InputError, NotFoundError
from memgpt.items.predicates import ItemCondition
from memgpt.items.store import (
    DISTANCES,
    Condition,
    Distance,
    ItemFilter,
    ItemStore,
    Namespace,
    OwnVector,
    Page,
    Place,
    PreparedItem,
)
from memgpt.models import FoundItem, StoreItem
from memgpt.scope.scope import AgentScope
from memgpt.telemetry import span

MOST_BYTES: Final = 1500
"""Of a namespace and a key together, in UTF-8: an index holds 2,704 bytes, an agent's id among them."""

MOST_MINUTES: Final = 60 * 24 * 366 * 1000
"""Of the time an item lives: beyond, no calendar has a day."""

OPERATORS: Final = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte")

WILDCARD: Final = "*"


@dataclass(frozen=True, slots=True)
class NewItem:
    """A value to keep at a namespace and a key."""

    namespace: Sequence[str]
    key: str
    value: Mapping[str, Any]
    text: str | None = None
    """What search finds it by; absent, all texts of the value; empty, nothing."""
    ttl_minutes: float | None = None
    """How long it lives after it was last read or written; absent, until it is deleted."""
    vectors: Sequence[tuple[str, Any]] = ()
    """Vectors of the application's own model, each with the name of what part of the value it is of."""


class ItemSearchOptions(TypedDict, total=False):
    """Keywords of a search within a namespace."""

    query: str | None
    """What to look for, by the memory's own embedding model; absent, what was written last comes first."""
    vector: Any
    """A ready vector in the place of a query, of the model of ``collection``."""
    collection: str
    """Whose vectors are compared with ``vector``."""
    distance: Distance
    """How: cosine, inner_product or l2."""
    filter: Mapping[str, Any] | None
    """What fields of the value must be: a value, or operators such as ``{"$gte": 4}``."""
    where: ItemCondition | None
    """What the value must be beside, put together by the functions of :mod:`memgpt.items.predicates`."""
    keys: Sequence[str] | None
    """Only items with one of these keys."""
    limit: int
    offset: int
    refresh: bool
    """Whether what is found lives on as long again as when it was written."""
    expired: bool
    """Whether what has expired, and was not swept yet, is found."""


@dataclass(frozen=True, slots=True)
class _CheckedItem:
    """A new item and its vectors, checked."""

    item: PreparedItem
    vectors: Sequence[tuple[str, Vector]] = field(default_factory=list)


class Items:
    """The store items of one agent."""

    def __init__(self, scope: AgentScope) -> None:
        self._scope = scope

    def put(
        self,
        namespace: Sequence[str],
        key: str,
        value: Mapping[str, Any],
        *,
        text: str | None = None,
        ttl_minutes: float | None = None,
    ) -> int:
        """Keep a value at a namespace and a key, in the place of the one that was there; answers its id.

        Args:
            namespace: labels, the outermost first: ``("users", "ann")``.
            text: what search finds it by; absent, all texts of the value; empty, nothing.
            ttl_minutes: how long it lives after it was last read or written.

        Raises:
            InputError: a value cannot be used; nothing was written.
        """
        [id] = self.put_many([NewItem(namespace, key, value, text, ttl_minutes)])
        return id

    def put_many(self, items: Iterable[NewItem], *, collection: str = "") -> Sequence[int]:
        """Keep many values in one transaction; answers their ids, in order. Of two at one place the later one counts.

        ``collection`` names the model of the items' own vectors.
        """
        checked = [self._checked(item, f"item {n}: ") for n, item in enumerate(items)]
        last = {each.item.place: each for each in checked}
        if not last:
            return []
        validation.name(collection, "collection", empty=True)
        with span("items.put"):
            ids = self._scope.repeat_on_switch(partial(self._write, [*last.values()], collection))
        by_place = dict(zip(last, ids, strict=True))
        return [by_place[each.item.place] for each in checked]

    def _write(self, checked: Sequence[_CheckedItem], collection: str) -> Sequence[int]:
        items = self._embedded([each.item for each in checked])
        with self._scope.change() as (connection, change_id):
            store = self._store(connection)
            self._scope.new_rows.add("store_items", len(items))
            ids = store.put(
                items, change_id=change_id, language=self._scope.language, embedding_model=self._scope.model.name
            )
            vectors = [
                OwnVector(id, name, vector)
                for id, each in zip(ids, checked, strict=True)
                for name, vector in each.vectors
            ]
            for dimensions in dict.fromkeys(own.embedding.dimensions() for own in vectors):
                alike = [own for own in vectors if own.embedding.dimensions() == dimensions]
                store.add_vectors(_of_size(collection, dimensions), alike)
        return ids

    def get(self, namespace: Sequence[str], key: str, *, refresh: bool = True) -> StoreItem:
        """One item; it lives on as long again as when it was written, unless ``refresh`` is False.

        Raises:
            NotFoundError: the agent has no item there, or it has expired.
        """
        [item] = self.get_many([(namespace, key)], refresh=refresh)
        if item is None:
            raise self._not_found(namespace, key)
        return item

    def get_many(
        self, places: Iterable[tuple[Sequence[str], str]], *, refresh: bool = True, expired: bool = False
    ) -> Sequence[StoreItem | None]:
        """Return the items at namespaces and keys, in order; None where there is none. ``expired``: also what has
        expired and was not swept yet."""
        checked = [_place(namespace, key) for namespace, key in places]
        if not checked:
            return []
        there = self._scope.read(lambda connection: self._store(connection).get(checked, expired=expired))
        if refresh:
            self._refresh(there.values())
        return [there.get(n) for n in range(len(checked))]

    def list(
        self, namespace: Sequence[str], *, begins: str = "", after: str = "", limit: int = 100
    ) -> Sequence[StoreItem]:
        """Return items of one namespace, and of none below it, in the order of their keys: those that begin with a
        text, from the one after a key on."""
        labels = _namespace(namespace, "namespace")
        first, start = (validation.name(key, what, empty=True) for key, what in ((after, "after"), (begins, "begins")))
        limit = validation.limit(limit)
        return self._scope.read(
            lambda connection: self._store(connection).list(labels, begins=start, after=first, limit=limit)
        )

    def delete(self, namespace: Sequence[str], key: str) -> None:
        """Remove an item; the history keeps it and ``undo`` brings it back. ``forget`` is for good.

        Raises:
            NotFoundError: the agent has no item there.
        """
        if not self.delete_many([(namespace, key)]):
            raise self._not_found(namespace, key)

    def delete_many(self, places: Iterable[tuple[Sequence[str], str]]) -> int:
        """Remove the items that are at these namespaces and keys; answers how many there were."""
        checked = list(dict.fromkeys(_place(namespace, key) for namespace, key in places))
        if not checked:
            return 0
        with self._scope.change() as (connection, change_id):
            return self._store(connection).delete(checked, change_id=change_id)

    def search(self, prefix: Sequence[str] = (), **options: Unpack[ItemSearchOptions]) -> Sequence[FoundItem]:
        """Return items of a namespace and those below it: the nearest to a query or a vector first, without one what
        was written last. ``memory.search(kinds=["item"])`` ranks by words and meaning over all namespaces.

        Raises:
            InputError: a value cannot be used.
        """
        where, keys = options.get("where"), options.get("keys")
        page = Page(
            _namespace(prefix, "prefix", empty=True),
            [*_conditions(options.get("filter"))],
            ItemFilter(where.predicate() if where else None, None if keys is None else validation.names(keys, "keys")),
            validation.limit(options.get("limit", 10)),
            validation.offset(options.get("offset", 0)),
            expired=options.get("expired", False),
        )
        query, vector = options.get("query"), options.get("vector")
        if query is not None and vector is not None:
            raise InputError("give a query or a vector, not both")
        with span("items.search"):
            if vector is not None:
                found = self._by_own(page, vector, options.get("collection", ""), options.get("distance", "cosine"))
            elif query and query.strip() and self._scope.embeds:
                found = self._scope.repeat_on_switch(partial(self._by_query, page, query))
            else:
                found = self._scope.read(lambda connection: self._store(connection).newest(page))
        if options.get("refresh", True):
            self._refresh(each.item for each in found)
        return found

    def namespaces(
        self,
        prefix: Sequence[str] = (),
        *,
        suffix: Sequence[str] = (),
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
        expired: bool = False,
    ) -> Sequence[Namespace]:
        """Return the namespaces that have items, in order.

        Args:
            prefix: how they begin; a label ``*`` stands for any one label.
            suffix: how they end.
            max_depth: cut deeper ones to so many labels.
            expired: also those in which everything has expired and was not swept yet.
        """
        begins, ends = _namespace(prefix, "prefix", empty=True), _namespace(suffix, "suffix", empty=True)
        depth = None if max_depth is None else validation.limit(max_depth, "max_depth")
        limit, offset = validation.limit(limit), validation.offset(offset)
        return self._scope.read(
            lambda connection: self._store(connection).namespaces(
                begins, ends, max_depth=depth, expired=expired, limit=limit, offset=offset
            )
        )

    def sweep(self) -> int:
        """Forget the items that have expired, with their history; answers how many."""
        with self._scope.transaction() as connection:
            return self._store(connection).sweep()

    def _by_query(self, page: Page, query: str) -> Sequence[FoundItem]:
        [vector] = self._scope.embed([validation.text(query, "query")], purpose="query")
        assert vector is not None  # noqa: S101 - there is a model
        return self._scope.read(lambda connection: self._store(connection).similar(page, vector))

    def _by_own(self, page: Page, vector: Any, collection: str, distance: str) -> Sequence[FoundItem]:
        own = _own_vector(vector, "vector")
        whose = _of_size(validation.name(collection, "collection", empty=True), own.dimensions())
        how = cast("Distance", validation.choice(distance, DISTANCES, "distance"))
        return self._scope.read(
            lambda connection: self._store(connection).similar_own(page, own, collection=whose, distance=how)
        )

    def _refresh(self, items: Iterable[StoreItem]) -> None:
        """Let what was read live on: a write of its own, of which there is none where nothing expires."""
        ids = [item.id for item in items if item.ttl_minutes is not None]
        if ids:
            with self._scope.transaction() as connection:
                self._store(connection).refresh(ids)

    def _embedded(self, items: Sequence[PreparedItem]) -> Sequence[PreparedItem]:
        readable = [item for item in items if item.text.strip()]
        vectors = dict(
            zip((item.place for item in readable), self._scope.embed([item.text for item in readable]), strict=True)
        )
        return [
            PreparedItem(item.place, item.value, item.text, item.ttl_minutes, vectors.get(item.place)) for item in items
        ]

    def _checked(self, item: NewItem, where: str) -> _CheckedItem:
        value = validation.json_object(item.value, f"{where}value")
        text = "\n".join(_texts(value)) if item.text is None else validation.text(item.text, f"{where}text", empty=True)
        prepared = PreparedItem(
            _place(item.namespace, item.key, where), value, text[: validation.MAX_TEXT], _minutes(item, where)
        )
        return _CheckedItem(
            prepared,
            [
                (validation.name(name, f"{where}field", empty=True), _own_vector(vector, f"{where}vector"))
                for name, vector in item.vectors
            ],
        )

    def _store(self, connection: Connection) -> ItemStore:
        return ItemStore(connection, self._scope.author)

    def _not_found(self, namespace: Sequence[str], key: str) -> NotFoundError:
        return NotFoundError(f"agent {self._scope.agent_id!r} has no item {key!r} in {'/'.join(namespace)!r}")


def _place(namespace: Sequence[str], key: str, where: str = "") -> Place:
    labels, name = _namespace(namespace, f"{where}namespace"), validation.name(key, f"{where}key")
    if (size := sum(len(part.encode()) for part in (*labels, name))) > MOST_BYTES:
        raise InputError(f"{where}namespace and key have {size:,} bytes in UTF-8; the limit is {MOST_BYTES:,}")
    return labels, name


def _namespace(labels: Sequence[str], what: str, *, empty: bool = False) -> Namespace:
    if isinstance(labels, str) or not isinstance(labels, Sequence):
        raise InputError(f"{what} must be labels, such as ('users', 'ann'), not {labels!r}")
    if not labels and not empty:
        raise InputError(f"{what} is empty: give at least one label")
    return tuple(validation.name(label, f"{what}[{n}]") for n, label in enumerate(labels))


def _minutes(item: NewItem, where: str) -> float | None:
    if item.ttl_minutes is None:
        return None
    if not 0 < validation.number(item.ttl_minutes, f"{where}ttl_minutes") <= MOST_MINUTES:
        raise InputError(f"{where}ttl_minutes must be above 0 and at most {MOST_MINUTES:,}, not {item.ttl_minutes!r}")
    return float(item.ttl_minutes)


def _conditions(wanted: Mapping[str, Any] | None) -> Iterator[Condition]:
    """Yield what a filter asks for. A mapping of operators compares; any other value must be equal."""
    for name, value in validation.json_object(wanted, "filter").items():
        if isinstance(value, dict) and any(operator.startswith("$") for operator in value):
            for operator, operand in value.items():
                yield Condition(name, validation.choice(operator, OPERATORS, "the operator of a filter"), operand)
        else:
            yield Condition(name, "$eq", value)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts and the numbers in a JSON value, in order."""
    if isinstance(value, Mapping):
        yield from chain.from_iterable(map(_texts, value.values()))
    elif isinstance(value, list):
        yield from chain.from_iterable(map(_texts, value))
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _own_vector(value: Any, what: str) -> Vector:
    """Check a vector of an application's own model, of whatever length."""
    try:
        array = np.asarray(value.to_numpy() if isinstance(value, Vector) else value, dtype=np.float32)
    except (TypeError, ValueError):
        raise InputError(f"{what} is not an array of numbers") from None
    if array.ndim != 1 or not 0 < array.size <= 16_000 or not np.isfinite(array).all():
        raise InputError(f"{what} must be 1 to 16,000 finite numbers in a row; its shape is {array.shape}")
    return Vector(array)


def _of_size(collection: str, dimensions: int) -> str:
    """Return the name under which vectors are kept: those of one name all have one length."""
    return f"{collection}:{dimensions}"
