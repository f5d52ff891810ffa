"""A schema by its name, ``module:Class``."""

from __future__ import annotations

import sys
from importlib import import_module

from pydantic import BaseModel

from memgpt.errors import InputError
from memgpt.graph.extraction.schema import Schema


def load(name: str) -> type[BaseModel]:
    """Return the class that ``shop.facts:Shop`` names.

    Raises:
        InputError: there is none, or it is no schema.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        raise InputError(f"{name!r} is not module:Class")
    sys.path.insert(0, "")  # as python -m has it: modules of the directory the command is run in
    try:
        shape: type[BaseModel] = getattr(import_module(module), attribute)
    except ImportError as error:
        raise InputError(f"the module {module!r} cannot be imported: {error}") from None
    except AttributeError:
        raise InputError(f"the module {module!r} has no {attribute!r}") from None
    finally:
        sys.path.remove("")
    return Schema(shape).shape
