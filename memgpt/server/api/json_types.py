"""Types of values in requests, with their limits. They are what JSON calls them: no truth value is a number, no number
a time."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, StrictBool, WithJsonSchema

from memgpt import validation
from memgpt.files.paths import MAX_BYTES, MAX_PATH
from memgpt.graph import entities
from memgpt.server.api import patterns

_NUMERAL: Final = re.compile(r"[+-]?[0-9_]*+(?:\.[0-9_]*+)?+(?:[eE][+-]?[0-9]++)?+")


def described(**schema: Any) -> Any:
    """Return what the document says of a field and the memory checks, with a better error than a pattern has."""
    return Field(json_schema_extra=schema)


def _number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


def _time(value: Any) -> Any:
    """Refuse a number, also where it comes as a text in an address: to Pydantic it would be seconds since 1970."""
    if isinstance(value, bool | int | float) or (isinstance(value, str) and _NUMERAL.fullmatch(value.strip())):
        raise ValueError("must be a time in ISO 8601")
    return value


MOST: Final = 3.4e38
"""Numbers are stored in single precision."""
NUMBER: Final = BeforeValidator(_number)
"""Stands after the bounds of an integer or a float; 5.0 is an integer, as in JSON Schema."""
Flag = StrictBool
Moment = Annotated[datetime, BeforeValidator(_time)]

FormObject = Annotated[str, WithJsonSchema({"type": "object", "additionalProperties": True})]
"""A field of a form that is written in JSON."""
_SPAN: Final = r"^([1-9][0-9]{0,7}(\.[0-9]{1,6})?|0\.[0-9]{0,2}[1-9][0-9]{0,3})[smhdw]$"
Span = Annotated[str, Field(max_length=30, examples=["30d"]), described(pattern=_SPAN)]
Text = Annotated[str, Field(min_length=1, max_length=validation.MAX_TEXT), described(pattern=patterns.VISIBLE)]
Name = Annotated[str, Field(min_length=1, max_length=validation.MAX_NAME), described(pattern=patterns.VISIBLE)]
EntityName = Annotated[str, Field(min_length=1, max_length=entities.MAX_NAME), described(pattern=patterns.VISIBLE)]
Source = Annotated[str, Field(min_length=1, max_length=validation.MAX_SOURCE), described(pattern=patterns.VISIBLE)]
AnyText = Annotated[str, Field(max_length=validation.MAX_TEXT), described(pattern=patterns.STORABLE)]
BlockText = Annotated[str, Field(max_length=1_000_000), described(pattern=patterns.STORABLE)]
OtherAgent = Annotated[str, Field(min_length=1, max_length=validation.MAX_AGENT_ID), described(pattern=patterns.AGENT)]
Description = Annotated[str, Field(max_length=validation.MAX_DESCRIPTION), described(pattern=patterns.STORABLE)]
Tags = Annotated[list[Name], Field(max_length=1000)]
Aliases = Annotated[list[EntityName], Field(max_length=1000)]
Share = Annotated[float, Field(ge=0, le=1), NUMBER]
Query = Annotated[str, Field(max_length=20_000)]
Vector = Annotated[list[Annotated[float, NUMBER]], Field(min_length=1, max_length=16000)]
Id = Annotated[int, Field(ge=1, le=2**53 - 1), NUMBER]  # the document has floats for bounds
Label = Annotated[str, Field(min_length=1, max_length=validation.MAX_NAME), described(pattern=patterns.LABEL)]
FilePath = Annotated[str, Field(min_length=1, max_length=MAX_PATH), described(**patterns.PATH)]
FileContent = Annotated[str, Field(max_length=MAX_BYTES), described(pattern=patterns.STORABLE)]
Version = Annotated[int, Field(ge=0, le=2**31 - 1), NUMBER]
Score = Annotated[float, Field(ge=-MOST, le=MOST), NUMBER]
