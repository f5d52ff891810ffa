"""A schema by its name: ``module:Class``, or a file with a JSON Schema."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, Field, create_model

from memgpt.errors import InputError
from memgpt.graph.extraction.schema import Schema

_PLAIN: Final[Mapping[str, Any]] = {"string": str, "integer": int, "number": float, "boolean": bool}
_SIGN = re.compile(r"\W")


class _Functional(BaseModel):
    functional: ClassVar[bool] = True


class _NotFunctional(BaseModel):
    functional: ClassVar[bool] = False


_BASES: Final[Mapping[bool | None, type[BaseModel]]] = {None: BaseModel, True: _Functional, False: _NotFunctional}


def load(name: str) -> type[BaseModel]:
    """The class that ``shop.facts:Shop`` names, or the one a ``.json`` file describes.

    A file is a JSON Schema: an object whose properties are arrays of objects, one for each type of thing (they have a
    ``name``) or fact (they have a ``source`` and a ``target``; ``"functional": true`` says that one target is
    true at a time). Their properties are texts, numbers, booleans, lists of these, or one of an ``enum``.

    Raises:
        InputError: there is none, or it is no schema.
    """
    found = _from_file(Path(name)) if name.endswith(".json") else _from_module(name)
    return Schema(found).shape


def _from_module(name: str) -> type[BaseModel]:
    module, colon, attribute = name.partition(":")
    if not colon:
        raise InputError(f"{name!r} is neither module:Class nor a .json file")
    sys.path.insert(0, "")  # as python -m has it: modules of the directory the command is run in
    try:
        found: type[BaseModel] = getattr(import_module(module), attribute)
    except ImportError as error:
        raise InputError(f"the module {module!r} cannot be imported: {error}") from None
    except AttributeError:
        raise InputError(f"the module {module!r} has no {attribute!r}") from None
    finally:
        sys.path.remove("")
    return found


def _from_file(file: Path) -> type[BaseModel]:
    try:
        whole = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{file.name} is not JSON: {error}") from None
    if not isinstance(whole, dict) or not isinstance(whole.get("properties"), dict):
        raise InputError(f"{file.name} is not a JSON Schema of an object with properties")
    fields: dict[str, Any] = {}
    for name, given in whole["properties"].items():
        items = _resolved(given.get("items") if isinstance(given, dict) else None, whole)
        if items.get("type") != "object" or not isinstance(items.get("properties"), dict):
            raise InputError(f"{file.name}: {name} is not an array of objects")
        title = _SIGN.sub("", str(items.get("title") or name.title().replace("_", "")))
        fields[name] = (list[_object(title, items, whole)], Field(default=[], description=_about(given)))  # type: ignore[misc]
    return create_model(_SIGN.sub("", str(whole.get("title") or "Knowledge")), **fields)


def _object(title: str, given: Mapping[str, Any], whole: Mapping[str, Any]) -> type[BaseModel]:
    required = set(given.get("required") or ())
    fields: dict[str, Any] = {}
    for name, raw in given["properties"].items():
        one = _resolved(raw, whole)
        kind = _kind(f"{title}.{name}", one, whole)
        told = Field(description=_about(one)) if name in required else Field(default=None, description=_about(one))
        fields[name] = (kind if name in required else kind | None, told)
    return create_model(title, __doc__=_about(given), __base__=_BASES[given.get("functional")], **fields)


def _kind(where: str, given: Mapping[str, Any], whole: Mapping[str, Any]) -> Any:
    if values := given.get("enum"):
        return Literal[tuple(values)]
    match given.get("type"):
        case str() as plain if plain in _PLAIN:
            return _PLAIN[plain]
        case "array":
            return list[_kind(where, _resolved(given.get("items"), whole), whole)]  # type: ignore[misc]
    raise InputError(f"{where}: {json.dumps(dict(given))[:100]} is not understood: give a type or an enum")


def _resolved(given: Any, whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference into ``$defs`` refers to."""
    if isinstance(given, dict) and "$ref" in given:
        given = whole.get("$defs", {}).get(str(given["$ref"]).rpartition("/")[2])
    return given if isinstance(given, dict) else {}


def _about(given: Mapping[str, Any]) -> str | None:
    said = given.get("description")
    return str(said) if said else None
