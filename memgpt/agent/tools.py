"""Tools: Python functions a model may call. The schema is the signature; what the model sends is checked against it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from memgpt import validation
from memgpt.errors import InputError
from memgpt.models import Json

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}")
_ARGUMENT = re.compile(r"^\s++(\w++)(?: \([^)]*+\))?:\s*+(.*+)$")
_SECTION = re.compile(r"^[ \t]*+(Args|Returns|Raises|Examples?):[ \t]*+$", re.MULTILINE)

MOST_RESULT: Final = 40_000
"""Characters of a tool's answer that are kept."""


@dataclass(frozen=True)
class Tool:
    """A function with what a model is told about it."""

    name: str
    description: str
    function: Callable[..., Any]
    arguments: type[BaseModel]

    @property
    def schema(self) -> Json:
        """The JSON schema of its arguments."""
        schema = self.arguments.model_json_schema()
        schema.pop("title", None)
        for value in schema.get("properties", {}).values():
            value.pop("title", None)
        return schema

    def call(self, arguments: Json | str) -> str:
        """Check what the model sent, run the function, write its answer as a text.

        Raises:
            InputError: the arguments are not what the schema says; the message is for the model.
        """
        if isinstance(arguments, str):
            raise InputError(f"the arguments of {self.name} are not a JSON object: {arguments[:200]!r}")
        try:
            checked = self.arguments.model_validate(arguments)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise InputError(f"bad arguments for {self.name}: {problems}") from None
        values = {name: getattr(checked, name) for name in self.arguments.model_fields}
        return _written(self.function(**values))


def tool(function: Callable[..., Any]) -> Tool:
    """Make a function a tool: its name, its docstring, its annotated parameters (and their lines under ``Args:``).

    Raises:
        InputError: the function cannot be called by name with JSON values.
    """
    name = getattr(function, "__name__", "")
    if not _NAME.fullmatch(name):
        raise InputError(f"a tool needs a plain name of at most 64 letters, digits and underscores, not {name!r}")
    text = inspect.getdoc(function) or ""
    described = _described(text)
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise InputError(f"tool {name}: parameter {parameter} cannot be given by name")
        default = ... if parameter.default is parameter.empty else parameter.default
        about = described.get(parameter.name)
        fields[parameter.name] = (hints.get(parameter.name, Any), Field(default, description=about))
    try:
        arguments = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
        arguments.model_json_schema()
    except (TypeError, ValueError, NameError) as error:
        raise InputError(f"tool {name}: its parameters have no JSON schema: {error}") from error
    return Tool(name, _SECTION.split(text)[0].strip() or name, function, arguments)


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


def _described(text: str) -> Mapping[str, str]:
    """Parameter descriptions of a Google-style docstring."""
    sections: Sequence[str] = _SECTION.split(text)
    if "Args" not in sections:
        return {}
    lines = sections[sections.index("Args") + 1].splitlines()
    return {match[1]: match[2] for line in lines if (match := _ARGUMENT.match(line))}


def _written(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = validation.replaced(text)
    if len(text) > MOST_RESULT:
        text = f"{text[:MOST_RESULT]}\n… cut: {len(text) - MOST_RESULT:,} more characters"
    return text or "done"
