"""Every sentence of the console, from one file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("texts.toml")


@cache
def texts() -> Mapping[str, str]:
    """Return the sentences by their dotted names."""
    return dict(_flat(tomllib.loads(FILE.read_text("utf-8"))))


def say(name: str, /, **places: object) -> str:
    """Return a sentence with its places filled.

    Raises:
        KeyError: there is no such sentence, or a place of it has no value.
    """
    return texts()[name].format_map(places)


def word(table: str, name: str) -> str:
    """Return what people call one of the library's names: the name itself, where the file has no word for it yet."""
    return texts().get(f"{table}.{name}", name)


def _flat(table: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    flat: list[tuple[str, str]] = []
    for name, value in table.items():
        flat += _flat(value, f"{before}{name}.") if isinstance(value, dict) else [(f"{before}{name}", value)]
    return flat
