"""Types of values in bodies that are what JSON calls them: no truth value is a number, no number a time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, StrictBool


def _number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


def _text(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        raise ValueError("must be a text")
    return value


NUMBER: Final = BeforeValidator(_number)
"""Stands after the bounds of an integer or a float; 5.0 is an integer, as in JSON Schema."""
Flag = StrictBool
Moment = Annotated[datetime, BeforeValidator(_text)]
_SPAN: Final = r"^([1-9][0-9]{0,7}(\.[0-9]{1,6})?|0\.[0-9]{0,2}[1-9][0-9]{0,3})[smhdw]$"
Span = Annotated[str, Field(max_length=30, examples=["30d"], json_schema_extra={"pattern": _SPAN})]
