"""Conditions on the values of items, which PostgreSQL evaluates as predicates of its JSON path language.

Each is true or false of any value: numbers compare with numbers and texts with texts; what is of another type, or not
there, fulfils none but a negation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from memgpt import validation
from memgpt.errors import InputError

Field: TypeAlias = "str | Sequence[str | int]"
"""A field of a value, or the way to one that lies deeper: ``("metadata", "year")``."""
Comparison = Literal[">", ">=", "<", "<="]
Bind: TypeAlias = Callable[[Any], str]

_TYPES: Final = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}


@dataclass(frozen=True, slots=True)
class ItemCondition:
    """A condition on the value of an item; made by the functions of this module."""

    render: Callable[[Bind], str]

    def predicate(self) -> tuple[str, dict[str, Any]]:
        """Return the predicate, and the values of the variables in it."""
        values: dict[str, Any] = {}

        def bind(value: Any) -> str:
            name = f"v{len(values)}"
            values[name] = value
            return f"${name}"

        return self.render(bind), validation.json_object(values, "the values of a condition")


def all_of(conditions: Iterable[ItemCondition]) -> ItemCondition:
    """Require every condition; of none, nothing is required."""
    return _joined([*conditions], " && ", "1 == 1")


def any_of(conditions: Iterable[ItemCondition]) -> ItemCondition:
    """Require one of the conditions; of none, nothing fulfils it."""
    return _joined([*conditions], " || ", "1 == 0")


def none_of(conditions: Iterable[ItemCondition]) -> ItemCondition:
    """Require that no condition holds."""
    any_ = any_of(conditions)
    return ItemCondition(lambda bind: f"!({any_.render(bind)})")


def equals(field: Field, value: Any) -> ItemCondition:
    """Require a value; the elements of a list, in order, and the fields of a mapping, among others."""
    place = _place(field)
    if isinstance(value, Mapping):
        return all_of([_of_type(place, "object"), *(equals([*_parts(field), key], value[key]) for key in value)])
    if isinstance(value, list | tuple):
        size = ItemCondition(lambda bind: f"{place}.size() == {bind(len(value))}")
        elements = (equals([*_parts(field), number], element) for number, element in enumerate(value))
        return all_of([_of_type(place, "array"), size, *elements])
    return all_of([_of_type(place, _type(value)), ItemCondition(lambda bind: f"{place} == {bind(value)}")])


def compares(field: Field, comparison: Comparison, value: float | str) -> ItemCondition:
    """Require a number, or a text, above or below one."""
    place = _place(field)
    return all_of([_of_type(place, _type(value)), ItemCondition(lambda bind: f"{place} {comparison} {bind(value)}")])


def one_of(field: Field, values: Sequence[Any]) -> ItemCondition:
    """Require one of several values."""
    place = _place(field)

    def among(type_: str, alike: Sequence[Any]) -> ItemCondition:
        return all_of([_of_type(place, type_), ItemCondition(lambda bind: f"{place} == {bind(alike)}[*]")])

    return any_of(among(*alike) for alike in _by_type(values).items())


def contains(field: Field, value: Any) -> ItemCondition:
    """Require a list with an element of that value."""
    place = _place(field)
    element = ItemCondition(lambda bind: f"exists({place}[*] ? (@ == {bind(value)}))")
    return all_of([_of_type(place, "array"), element])


def has_text(field: Field, text: str, *, ignore_case: bool = False) -> ItemCondition:
    """Require a text that has another one in it."""
    place, flag, literal = _place(field), "iq" if ignore_case else "q", json.dumps(validation.text(text, "text"))
    return all_of([_of_type(place, "string"), ItemCondition(lambda _: f'{place} like_regex {literal} flag "{flag}"')])


def begins_with(field: Field, text: str) -> ItemCondition:
    """Require a text that begins with another one."""
    place = _place(field)
    return all_of([_of_type(place, "string"), ItemCondition(lambda bind: f"{place} starts with {bind(text)}")])


def exists(field: Field) -> ItemCondition:
    """Require that a field is there, null or not."""
    return ItemCondition(lambda _: f"exists({_place(field)})")


def is_empty(field: Field) -> ItemCondition:
    """Require that a field is not there, null, an empty text or an empty list."""
    place = _place(field)
    return any_of([none_of([exists(field)]), _of_type(place, "null"), equals(field, ""), equals(field, [])])


def _joined(conditions: Sequence[ItemCondition], operator: str, without: str) -> ItemCondition:
    def render(bind: Bind) -> str:
        return operator.join(f"({each.render(bind)})" for each in conditions) if conditions else without

    return ItemCondition(render)


def _of_type(place: str, type_: str) -> ItemCondition:
    return ItemCondition(lambda _: f'{place}.type() == "{type_}"')


def _type(value: Any) -> str:
    if type(value) not in _TYPES:
        raise InputError(f"a condition compares texts, numbers, truth values and null, not {type(value).__name__}")
    return _TYPES[type(value)]


def _by_type(values: Sequence[Any]) -> Mapping[str, list[Any]]:
    alike: dict[str, list[Any]] = {}
    for value in values:
        alike.setdefault(_type(value), []).append(value)
    return alike


def _parts(field: Field) -> Sequence[str | int]:
    return [field] if isinstance(field, str) else field


def _place(field: Field) -> str:
    """Return the way to a field, as a path."""
    return "$" + "".join(
        f"[{part}]" if isinstance(part, int) else f".{json.dumps(validation.text(part, 'field'))}"
        for part in _parts(field)
    )
