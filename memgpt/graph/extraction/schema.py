"""The schema of an extraction, as Pydantic classes: their fields tell entities and facts apart.

A schema is a class whose fields are lists. A class with a ``name`` is an entity, one with ``source`` and ``target`` a
fact about two entities. Their type is what their field ``type`` says, else the name of the class in snake_case.
What these classes have beside the fields of :class:`ExtractedEntity` and :class:`ExtractedFact` becomes properties.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from memgpt import validation
from memgpt.errors import InputError
from memgpt.models import Json

_ENTITY: Final = ("name", "type", "aliases", "description")
_FACT: Final = ("source", "type", "target", "fact", "valid_from", "valid_to", "weight")
_PARTIAL_DATE = re.compile(r"(\d{4})(?:-(\d{2}))?$")
_NEW_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class ExtractedEntity:
    """An entity an answer names."""

    name: str
    type: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    properties: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExtractedFact:
    """A fact an answer states of two entities, by their names."""

    source: str
    type: str
    target: str
    fact: str | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    weight: float = 1.0
    properties: Json = field(default_factory=dict)
    functional: bool | None = None
    """From ``functional: ClassVar[bool]`` of the class; None leaves it to the types the agent declared."""


class Schema:
    """A user's class, checked.

    Raises:
        InputError: the class is not what a schema is.
    """

    def __init__(self, shape: type[BaseModel]) -> None:
        if not (isinstance(shape, type) and issubclass(shape, BaseModel)):
            raise InputError(f"a schema is a Pydantic class, not {shape!r}")
        self.shape = shape
        for name, info in shape.model_fields.items():
            kinds = list(_classes(info.annotation))
            if not kinds:
                raise InputError(f"{shape.__name__}.{name} is not a list of Pydantic classes, as a schema's fields are")
            for kind in kinds:
                if not (_is_entity(kind) or _is_fact(kind)):
                    raise InputError(f"{kind.__name__} has neither a name (an entity) nor source and target (a fact)")

    @property
    def json_schema(self) -> Json:
        return self.shape.model_json_schema()

    @cached_property
    def digest(self) -> str:
        """Changes with everything that changes what is asked for or how an answer is understood."""
        functional = {kind.__name__: getattr(kind, "functional", None) for kind in self._kinds()}
        text = json.dumps([self.json_schema, functional], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def parse(self, answer: Json) -> tuple[list[ExtractedEntity], list[ExtractedFact]]:
        """Return the entities and facts of an answer that was checked when it came.

        Raises:
            InputError: the answer does not fit the schema.
        """
        try:
            checked = self.shape.model_validate(answer)
        except ValidationError as error:
            raise InputError(f"the answer does not fit the schema: {error.errors()[0]['msg']}") from None
        items = [item for name in self.shape.model_fields for item in getattr(checked, name) or ()]
        things = [_entity(item) for item in items if _is_entity(type(item))]
        return things, [_fact(item) for item in items if not _is_entity(type(item))]

    def _kinds(self) -> Iterator[type[BaseModel]]:
        for info in self.shape.model_fields.values():
            yield from _classes(info.annotation)


def _classes(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the classes of ``list[A]``, ``list[A | B]`` and ``list[A] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _classes(inner)


def _is_fact(kind: type[BaseModel]) -> bool:
    return kind.model_fields.keys() >= {"source", "target"}


def _is_entity(kind: type[BaseModel]) -> bool:
    return "name" in kind.model_fields and not _is_fact(kind)


def _type(item: BaseModel, parameters: Mapping[str, Any]) -> str:
    if parameters.get("type"):
        return str(parameters["type"])
    return _NEW_WORD.sub("_", type(item).__name__).lower()


def _entity(item: BaseModel) -> ExtractedEntity:
    fields = item.model_dump(mode="json")
    name = str(fields["name"]).strip()
    aliases = (str(alias).strip() for alias in fields.get("aliases") or ())
    return ExtractedEntity(
        name,
        _type(item, fields),
        tuple(alias for alias in dict.fromkeys(aliases) if alias and alias != name),
        str(fields.get("description") or "").strip(),
        _rest(fields, _ENTITY),
    )


def _fact(item: BaseModel) -> ExtractedFact:
    fields = item.model_dump(mode="json")
    properties = _rest(fields, _FACT)
    valid = {key: _moment(fields.get(key)) for key in ("valid_from", "valid_to")}
    if valid["valid_from"] and valid["valid_to"] and valid["valid_from"] >= valid["valid_to"]:
        # "in 2024" is said as from 2024 to 2024: kept as it was said, not as a span
        properties |= {"said_valid_from": fields["valid_from"], "said_valid_to": fields["valid_to"]}
        valid["valid_to"] = None
    return ExtractedFact(
        str(fields["source"]).strip(),
        _type(item, fields),
        str(fields["target"]).strip(),
        str(fields.get("fact") or "").strip() or None,
        weight=float(1.0 if fields.get("weight") is None else fields["weight"]),
        properties=properties,
        functional=getattr(type(item), "functional", None),
        **valid,
    )


def _rest(parameters: Mapping[str, Any], names: tuple[str, ...]) -> Json:
    return {key: value for key, value in parameters.items() if key not in names and value not in (None, "", [], {})}


def _moment(said: Any) -> str | None:
    """Parse what may be a year, a month or a time, and return it as an ISO 8601 time in UTC.

    Raises:
        InputError: it is no date.
    """
    if said in (None, ""):
        return None
    text = str(said).strip()
    if partial := _PARTIAL_DATE.match(text):
        text = f"{partial[1]}-{partial[2] or '01'}-01"
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"the model gave {said!r} where a date is meant") from None
    moment = validation.moment(parsed, "the date of the model")
    return None if moment is None else moment.isoformat()
