"""Named SQL: the ``.sql`` file beside a module, cut into its ``-- name --`` blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources

_BLOCK = re.compile(r"^-- (?P<name>[a-z][a-z0-9_]*) --$", re.MULTILINE)


class Queries:
    """The queries of one ``.sql`` file, as attributes: ``SQL.insert_message``.

    Values are bytes, which psycopg sends (and remembers as prepared statements) without composing them again.
    """

    def __init__(self, source: str, origin: str) -> None:
        parts = _BLOCK.split(source)
        self._origin = origin
        self._names = parts[1::2]
        if len(set(self._names)) != len(self._names):
            raise ValueError(f"{origin} has two queries of one name")
        vars(self).update(zip(self._names, map(_statement, parts[2::2]), strict=True))

    def __getattr__(self, name: str) -> bytes:
        raise AttributeError(f"{self._origin} has no query named {name!r}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)


def _statement(body: str) -> bytes:
    lines = [line for line in body.splitlines() if not line.lstrip().startswith("--")]
    return "\n".join(lines).strip().rstrip(";").encode()


def beside(module: str) -> Queries:
    """Return the queries of the ``.sql`` file that has a module's name: call it with ``__name__``."""
    package, _, noun = module.rpartition(".")
    file = resources.files(package) / f"{noun}.sql"
    return Queries(file.read_text(encoding="utf-8"), f"{noun}.sql")
