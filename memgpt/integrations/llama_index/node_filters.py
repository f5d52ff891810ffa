"""LlamaIndex's metadata filters, as conditions on the values of items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from memgpt.errors import InputError
from memgpt.items import predicates
from memgpt.items.predicates import ItemCondition

_JOINED: Final = {
    FilterCondition.AND: predicates.all_of,
    FilterCondition.OR: predicates.any_of,
    FilterCondition.NOT: predicates.none_of,
}


def condition_of(filters: MetadataFilters) -> ItemCondition:
    """Return what filters ask for, nested ones included; of none, nothing is required."""
    conditions = [condition_of(f) if isinstance(f, MetadataFilters) else _condition(f) for f in filters.filters]
    return _JOINED[filters.condition or FilterCondition.AND](conditions) if conditions else predicates.all_of([])


def _condition(filter: MetadataFilter) -> ItemCondition:
    key, value = filter.key, filter.value
    if filter.operator == FilterOperator.IS_EMPTY:
        return predicates.is_empty(key)
    if filter.operator not in _OPERATORS:
        raise InputError(f"the operator of a filter must be one of {', '.join(o.value for o in _OPERATORS)}")
    if value is None and filter.operator in (FilterOperator.EQ, FilterOperator.NE):
        missing = predicates.any_of([predicates.equals(key, None), predicates.none_of([predicates.exists(key)])])
        return missing if filter.operator == FilterOperator.EQ else predicates.none_of([missing])
    if value is None:
        raise InputError(f"the filter {filter.operator.value!r} on {key!r} has no value")
    return _OPERATORS[filter.operator](key, value)


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_OPERATORS: Final[dict[FilterOperator, Callable[[str, Any], ItemCondition]]] = {
    FilterOperator.EQ: predicates.equals,
    FilterOperator.NE: lambda key, value: predicates.none_of([predicates.equals(key, value)]),
    FilterOperator.GT: lambda key, value: predicates.compares(key, ">", value),
    FilterOperator.GTE: lambda key, value: predicates.compares(key, ">=", value),
    FilterOperator.LT: lambda key, value: predicates.compares(key, "<", value),
    FilterOperator.LTE: lambda key, value: predicates.compares(key, "<=", value),
    FilterOperator.IN: lambda key, value: predicates.one_of(key, _several(value)),
    FilterOperator.NIN: lambda key, value: predicates.none_of([predicates.one_of(key, _several(value))]),
    FilterOperator.CONTAINS: predicates.contains,
    FilterOperator.ANY: lambda key, value: predicates.any_of(predicates.contains(key, v) for v in _several(value)),
    FilterOperator.ALL: lambda key, value: predicates.all_of(predicates.contains(key, v) for v in _several(value)),
    FilterOperator.TEXT_MATCH: predicates.has_text,
    FilterOperator.TEXT_MATCH_INSENSITIVE: lambda key, value: predicates.has_text(key, value, ignore_case=True),
}
