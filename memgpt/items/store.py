"""Store items: the rows of ``store_items`` and of ``store_vectors``."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from pgvector import Vector
from psycopg import Connection
from psycopg.rows import class_row, dict_row, scalar_row
from psycopg.types.json import Jsonb

from memgpt.database import queries
from memgpt.errors import ContentionError
from memgpt.models import Author, FoundItem, Json, StoreItem

SQL = queries.beside(__name__)

Namespace: TypeAlias = tuple[str, ...]
Place: TypeAlias = tuple[Namespace, str]
"""A namespace and a key."""

Distance = Literal["cosine", "inner_product", "l2"]
DISTANCES: Final[Sequence[Distance]] = ("cosine", "inner_product", "l2")

ATTEMPTS: Final = 10
"""How often items are written anew that others insert and delete at the same time."""


@dataclass(frozen=True, slots=True)
class PreparedItem:
    """An item on its way in, checked and embedded."""

    place: Place
    value: Json
    text: str
    ttl_minutes: float | None
    embedding: Vector | None = None


@dataclass(frozen=True, slots=True)
class OwnVector:
    """A vector of an application's own model: of which item, and of what part of its value."""

    item_id: int
    field: str
    embedding: Vector


@dataclass(frozen=True, slots=True)
class Condition:
    """What a field of a value must be."""

    field: str
    operator: str
    operand: Any


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items are wanted, for the piece of a statement of that name; what is None is any."""

    predicate: tuple[str, Json] | None = None
    """A predicate of the JSON path language, and the values of its variables."""
    keys: Sequence[str] | None = None

    def parameters(self) -> dict[str, Any]:
        predicate, values = self.predicate or (None, {})
        keys = None if self.keys is None else [*self.keys]
        return {"keys": keys, "predicate": predicate, "predicate_values": Jsonb(values)}


@dataclass(frozen=True, slots=True)
class Page:
    """Which of the items below a namespace are wanted."""

    prefix: Namespace
    conditions: Sequence[Condition]
    wanted: ItemFilter
    limit: int
    offset: int
    expired: bool


class ItemStore:
    """The items of one agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def put(
        self, items: Sequence[PreparedItem], *, change_id: UUID, language: str, embedding_model: str
    ) -> Sequence[int]:
        """Write items, each at a place of its own; answers their ids.

        Raises:
            ContentionError: others insert and delete the same ones again and again.
        """
        ids: dict[int, int] = {}
        more = {"change_id": change_id, "language": language, "embedding_model": embedding_model}
        for statement in (SQL.change, SQL.insert) * ATTEMPTS:
            left = [place for place in range(len(items)) if place not in ids]
            if not left:
                return [ids[place] for place in range(len(items))]
            parameters = self._parameters(**more, **_columns([items[place] for place in left]))
            rows = self._connection.execute(queries.compose_partly(statement, incoming=SQL.incoming), parameters)
            ids |= {left[place]: id for place, id in rows}
        raise ContentionError(f"agent {self._author.agent_id!r}: the same items are written and deleted by others")

    def add_vectors(self, collection: str, vectors: Sequence[OwnVector]) -> None:
        """Keep vectors of an application's own model for the items as they are."""
        parameters = self._parameters(
            collection=collection,
            id=[vector.item_id for vector in vectors],
            field=[vector.field for vector in vectors],
            embedding=[vector.embedding for vector in vectors],
        )
        self._connection.execute(SQL.add_vectors, parameters)

    def get(self, places: Sequence[Place], *, expired: bool) -> Mapping[int, StoreItem]:
        """Return the items that are there, by their position among the places."""
        parameters = self._parameters(expired=expired, **_places(places))
        with self._connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_completed(SQL.get), parameters).fetchall()
        return {row.pop("place"): StoreItem(**row) for row in rows}

    def list(self, namespace: Namespace, *, begins: str, after: str, limit: int) -> builtins.list[StoreItem]:
        """Return items of one namespace that have not expired, in the order of their keys."""
        parameters = self._parameters(namespace=[*namespace], begins=begins, after=after, limit=limit, expired=False)
        with self._connection.cursor(row_factory=class_row(StoreItem)) as cursor:
            return cursor.execute(_completed(SQL.list), parameters).fetchall()

    def delete(self, places: Sequence[Place], *, change_id: UUID) -> int:
        """Remove items; answers how many there were."""
        return self._connection.execute(SQL.delete, self._parameters(change_id=change_id, **_places(places))).rowcount

    def sweep(self) -> int:
        """Remove what has expired, and its history; answers how many items."""
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            return int(cursor.execute(SQL.sweep, self._parameters()).fetchone() or 0)

    def refresh(self, ids: Sequence[int]) -> None:
        """Let items live as long again as when they were written."""
        self._connection.execute(SQL.refresh, self._parameters(ids=[*ids]))

    def newest(self, page: Page) -> Sequence[FoundItem]:
        """Return items, the one last written first."""
        return self._found(_search(SQL.newest, page), page)

    def similar(self, page: Page, embedding: Vector) -> Sequence[FoundItem]:
        """Return the items nearest to a vector of the memory's model, nearest first."""
        return self._found(_search(SQL.similar, page), page, embedding=embedding)

    def similar_own(self, page: Page, embedding: Vector, *, collection: str, distance: Distance) -> Sequence[FoundItem]:
        """Return the items nearest to a vector by those of a collection, nearest first."""
        statement = _search(SQL.similar_own, page, distance)
        return self._found(statement, page, embedding=embedding, collection=collection)

    def namespaces(
        self, prefix: Namespace, suffix: Namespace, *, max_depth: int | None, expired: bool, limit: int, offset: int
    ) -> Sequence[Namespace]:
        """Return namespaces that have items, in order."""
        parameters = self._parameters(prefix=[*prefix], suffix=[*suffix], max_depth=max_depth, expired=expired)
        rows = self._connection.execute(_completed(SQL.namespaces), parameters | {"limit": limit, "offset": offset})
        return [tuple(namespace) for (namespace,) in rows]

    def _found(self, statement: bytes, page: Page, **more: Any) -> Sequence[FoundItem]:
        parameters = self._parameters(
            prefix=[*page.prefix],
            beyond=_beyond(page.prefix),
            expired=page.expired,
            limit=page.limit,
            offset=page.offset,
            fields=[condition.field for condition in page.conditions],
            operators=[condition.operator for condition in page.conditions],
            operands=[Jsonb(condition.operand) for condition in page.conditions],
            **page.wanted.parameters(),
            **more,
        )
        with self._connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(statement, parameters).fetchall()
        return [FoundItem(score=row.pop("score"), item=StoreItem(**row)) for row in rows]

    def _parameters(self, **values: Any) -> dict[str, Any]:
        return {"agent_id": self._author.agent_id, "actor": self._author.actor, **values}


def _columns(items: Sequence[PreparedItem]) -> dict[str, Any]:
    return {
        **_places([item.place for item in items]),
        "value": [Jsonb(item.value) for item in items],
        "text": [item.text for item in items],
        "ttl_minutes": [item.ttl_minutes for item in items],
        "embedding": [item.embedding for item in items],
    }


def _places(places: Sequence[Place]) -> dict[str, Any]:
    return {"namespace": [Jsonb([*namespace]) for namespace, _ in places], "key": [key for _, key in places]}


def _beyond(prefix: Namespace) -> list[str]:
    """Return what comes right after the last namespace that begins with a prefix: by bytes nothing is between a text
    and that text with the least character behind it."""
    return [*prefix[:-1], f"{prefix[-1]}\x01"] if prefix else []


@cache
def _completed(template: bytes) -> bytes:
    return queries.compose(template, columns=SQL.columns, live=SQL.live)


def _search(template: bytes, page: Page, distance: Distance = "cosine") -> bytes:
    matching = bool(page.conditions) or page.wanted != ItemFilter()
    return _searching(template, bool(page.prefix), matching, distance)


@cache
def _searching(template: bytes, within: bool, matching: bool, distance: Distance) -> bytes:
    score: bytes = getattr(SQL, f"score_{distance}")
    return queries.compose(
        queries.compose_partly(template, score=score),
        columns=SQL.columns,
        live=SQL.live,
        within=SQL.within if within else SQL.everywhere,
        matching=queries.compose(SQL.matching, wanted=SQL.wanted) if matching else SQL.any_value,
    )
