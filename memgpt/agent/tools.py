"""Tools: Python functions a model may call. The schema is the signature; what the model sends is checked against it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic.errors import PydanticUserError

from memgpt import validation
from memgpt.errors import InputError
from memgpt.models import Json

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}")

MOST_RESULT: Final = 40_000
"""Characters of a tool's answer that are kept."""


@dataclass(frozen=True)
class Tool:
    """A function with what a model is told about it."""

    name: str
    description: str
    schema: Json
    """The JSON schema of its arguments."""
    function: Callable[..., Any]
    validator: SchemaValidator

    def call(self, arguments: Json | str) -> str:
        """Check what the model sent, run the function, write its answer as a text.

        Raises:
            InputError: the arguments are not what the schema says; the message is for the model.
        """
        if isinstance(arguments, str):
            raise InputError(f"the arguments of {self.name} are not a JSON object: {arguments[:200]!r}")
        try:
            values = self.validator.validate_python(arguments)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise InputError(f"bad arguments for {self.name}: {problems}") from None
        return _written(self.function(**values))


def tool(function: Callable[..., Any]) -> Tool:
    """Make a function a tool: its name, its docstring, its annotated parameters (and their lines under ``Args:``).

    The schema is the client library's, as its own agents have it.

    Raises:
        InputError: the function cannot be called by name with JSON values.
    """
    from pydantic_ai import tools
    from pydantic_ai.exceptions import UserError

    name = getattr(function, "__name__", "")
    if not _NAME.fullmatch(name):
        raise InputError(f"a tool needs a plain name of at most 64 letters, digits and underscores, not {name!r}")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise InputError(f"tool {name}: parameter {parameter} cannot be given by name")
    try:
        described = tools.Tool[None](function, takes_ctx=False, docstring_format="google")
    except (UserError, PydanticUserError, TypeError, ValueError, NameError) as error:
        raise InputError(f"tool {name}: its parameters have no JSON schema: {error}") from error
    schema = described.function_schema
    return Tool(name, described.description or name, schema.json_schema, function, schema.validator)


def by_name(tools: Iterable[Tool]) -> Mapping[str, Tool]:
    """Tools by their names, each once."""
    named: dict[str, Tool] = {}
    for each in tools:
        if each.name in named:
            raise InputError(f"there are two tools called {each.name!r}")
        named[each.name] = each
    return named


def parsed(arguments: object) -> Json | str:
    """Arguments as a model sent them: an object, or the text that is none."""
    if arguments is None or arguments == "":
        return {}
    if isinstance(arguments, Mapping):
        return dict(arguments)
    try:
        value = json.loads(str(arguments), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return str(arguments)
    return value if isinstance(value, dict) else str(arguments)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _written(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = validation.replaced(text)
    if len(text) > MOST_RESULT:
        text = f"{text[:MOST_RESULT]}\n… cut: {len(text) - MOST_RESULT:,} more characters"
    return text or "done"
