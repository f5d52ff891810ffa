"""What the document says of values beyond their types: texts by regular expressions that all readers read alike, and
fields that go together.

They say what :mod:`memgpt.validation` checks, whose errors name the fault; a test holds the two together.
"""

from __future__ import annotations

from typing import Final

from memgpt.files.paths import HOME, MAX_PATH, UNPRINTABLE
from memgpt.jobs.kinds import KINDS
from memgpt.models import Json

_BLANK: Final = r"\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What ``str.strip`` takes off, and, below, what ends a line or is a control character; as every regex reads it."""
_CONTROL: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_EDGE: Final = r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Both."""
STORABLE: Final = r"^[^\x00]*$"
VISIBLE: Final = rf"^[^\x00]*[^\x00{_BLANK}][^\x00]*$"
_AGENT: Final = rf"[^{_EDGE}*]([^{_CONTROL}*]*[^{_EDGE}*])?"
AGENT: Final = rf"^(?!\.\.?$){_AGENT}$"
AGENT_OR_EVERY: Final = rf"^(?!\.\.?$)(\*|{_AGENT})$"
AGENT_PATTERN: Final = rf"^(?!\.\.?$)(\*|{_AGENT}|[^{_EDGE}*][^{_CONTROL}*]*\*)$"
LABEL: Final = rf"^(?!\.\.?$)[^{_CONTROL}/]*[^{_EDGE}/][^{_CONTROL}/]*$"
_PART: Final = rf"(?!\.\.?(/|$))[^{UNPRINTABLE}/]+"
_PATH: Final = rf"{_PART}(/{_PART})*"
PATH: Final[Json] = {
    "anyOf": [
        {"pattern": rf"^/{_PATH}$"},
        {"pattern": rf"^(?![{_BLANK}]+$){_PATH}$", "maxLength": MAX_PATH - len(HOME) - 1},
    ]
}
DIRECTORY: Final[Json] = {"pattern": rf"^(?![{_BLANK}]+/*$)(/+|/?{_PATH}/*)$"}


def there(*names: str) -> Json:
    """Return a schema of which all of those are there, and no nulls."""
    return {"required": [*names], "properties": {name: {"not": {"type": "null"}} for name in names}}


def absent(*names: str) -> Json:
    """Return a schema of which none of those is there, unless as null."""
    return {"properties": {name: {"type": "null"} for name in names}}


def one_of(one: str, other: str) -> Json:
    """Return a schema of which one of two is there, and not the other."""
    pairs = ((one, other), (other, one))
    return {"oneOf": [{"allOf": [there(this), absent(that)]} for this, that in pairs]}


CHANGES_A_BLOCK: Final[Json] = {"anyOf": [there(name) for name in ("value", "description", "limit", "read_only")]}
WITH_TEXT: Final[Json] = {"anyOf": [absent("embedding"), there("text")]}
WITH_CONTENT: Final[Json] = {"anyOf": [absent("embedding"), there("content")]}


SAYS_SOMETHING: Final[Json] = {
    "anyOf": [
        {"properties": {"role": {"enum": ["assistant", "tool"]}}, "required": ["role"]},
        {"properties": {"tool_calls": {"type": "array", "minItems": 1}}, "required": ["tool_calls"]},
        {
            "properties": {"content": {"anyOf": [{"type": "string", "pattern": VISIBLE}, {"type": "array"}]}},
            "required": ["content"],
        },
    ]
}
"""A message of these roles, or with these fields, may have no content."""


def jobs(*, files: bool = False) -> list[Json]:
    """Return the kinds of work on files, or without, with the arguments of each."""
    kinds = [kind for kind in KINDS.values() if bool(kind.files) == files]
    schemas = [(kind, kind.arguments.model_json_schema()) for kind in kinds]
    return [
        {
            "title": kind.name,
            "properties": {
                "kind": {"const": kind.name},
                "arguments": schema,
                **({"files": {"maxItems": kind.files}} if files else {}),
            },
            "required": ["kind", *(["arguments"] if "required" in schema else [])],
        }
        for kind, schema in schemas
    ]
