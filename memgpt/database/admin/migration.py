"""The migration files: finding, reading and checking them. Nothing here talks to a server."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from memgpt.database.admin.sql_split import SqlStatement, split
from memgpt.errors import MigrationError

_FILE = re.compile(r"^(?P<name>(?P<number>\d{3})_[a-z0-9_]++)(?P<down>\.down)?\.sql")
_TABLE = re.compile(r"CREATE\s+TABLE\s+(?!IF\b)(?P<name>[a-z_]+)", re.IGNORECASE)
_TRANSACTION: Final = {"BEGIN", "COMMIT"}


@dataclass(frozen=True)
class Migration:
    """One numbered file and the file that undoes it."""

    number: int
    name: str
    source: str = field(repr=False)
    undo_source: str = field(repr=False)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the file's text, the same under either line ending."""
        return hashlib.sha256(self.source.encode()).hexdigest()

    @cached_property
    def statements(self) -> list[SqlStatement]:
        """Statements to run, without the file's own BEGIN and COMMIT."""
        return _work(self.source)

    @cached_property
    def undo_statements(self) -> list[SqlStatement]:
        return _work(self.undo_source)

    @cached_property
    def tables(self) -> list[str]:
        """The tables the file creates and expects not to be there yet."""
        return [match["name"] for s in self.statements if (match := _TABLE.match(s.text))]

    @property
    def destroys(self) -> bool:
        """True when undoing it drops rows (the file says so in capitals)."""
        return "WARNING" in self.undo_source


def _work(source: str) -> list[SqlStatement]:
    return [s for s in split(source) if s.text.upper() not in _TRANSACTION]


def discover(directory: Path | None = None) -> list[Migration]:
    """Every migration in order: of the installed package, else of the checkout, else of ``directory`` when given.

    Raises:
        MigrationError: no files, a gap in the numbers, two files of one number, a file without the one that undoes it,
            or one that does not record itself.
    """
    home: Traversable = directory or _home()
    files = [(m, f) for f in home.iterdir() if (m := _FILE.fullmatch(f.name))] if home.is_dir() else []
    ups = sorted((m["name"], f) for m, f in files if not m["down"])
    downs = {m["name"]: f for m, f in files if m["down"]}
    if not ups:
        raise MigrationError(f"no migration files in {home}: the installation is not complete")
    for expected, (name, _) in enumerate(ups, start=1):
        _check_number(expected, int(name[:3]), name, ups)
        if name not in downs:
            raise MigrationError(f"{name}.down.sql is missing: every migration needs the file that undoes it")
    for name in downs.keys() - dict(ups).keys():
        raise MigrationError(f"{name}.sql is missing, but {name}.down.sql is there")
    return [_read(name, up, downs[name]) for name, up in ups]


def _home() -> Traversable:
    package = resources.files("memgpt.database") / "migrations"
    return package if package.is_dir() else Path(__file__).parents[3] / "database" / "migrations"


def _check_number(expected: int, number: int, name: str, ups: list[tuple[str, Traversable]]) -> None:
    if number == expected - 1 and expected > 1:
        raise MigrationError(f"{ups[expected - 2][0]}.sql and {name}.sql have one number: renumber the later one")
    if number != expected:
        raise MigrationError(f"migration {expected:03} is missing: the file before {name}.sql was lost or misnumbered")


def _read(name: str, up: Traversable, down: Traversable) -> Migration:
    source, undo = (f.read_text(encoding="utf-8").replace("\r\n", "\n") for f in (up, down))
    if f"'{name}'" not in source or f"'{name}'" not in undo:
        raise MigrationError(f"{name}.sql and {name}.down.sql must add and delete '{name}' in schema_migrations")
    return Migration(int(name[:3]), name, source, undo)


def find(migrations: list[Migration], target: str) -> Migration:
    """Find the migration meant by ``2``, ``002`` or ``002_optimize_indexes``."""
    for migration in migrations:
        if target == migration.name or (target.isdecimal() and int(target) == migration.number):
            return migration
    names = ", ".join(m.name for m in migrations)
    raise MigrationError(f"there is no migration {target!r}: known are {names}")
