"""Chroma: the records in a persisted directory; MemPalace's drawers are such records."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from memgpt.database.queries import Queries
from memgpt.errors import InputError
from memgpt.integrations.importers.import_items import ImportItem, memory
from memgpt.models import Json

FILE: Final = "chroma.sqlite3"

_DOCUMENT: Final = "chroma:document"
_DRAWERS: Final = "mempalace_drawers"
_CLOSETS: Final = "mempalace_closets"
"""MemPalace's index of its drawers."""

_SQL: Final = Queries((resources.files(__package__) / "chroma.sqlite").read_text(encoding="utf-8"), "chroma.sqlite")


def find(path: Path) -> Path | None:
    """Return the database file of a directory, or the file itself."""
    file = path / FILE if path.is_dir() else path
    return file if file.name == FILE and file.is_file() else None


def read(path: Path) -> Iterator[ImportItem]:
    """Yield the records of all collections: their documents, with their metadata."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(_SQL.items.decode())
            for _, record in groupby(rows, key=lambda row: row[1]):
                yield _record([*record])
    except sqlite3.Error as error:
        raise InputError(f"{path} is not a readable Chroma database: {error}") from None


def _record(rows: list[Any]) -> ImportItem:
    collection, _, id, added = rows[0][:4]
    about: Json = {key: _value(*values) for *_, key, text, whole, real, flag in rows if key is not None
                   for values in [(text, whole, real, flag)]}  # fmt: skip
    text = about.pop(_DOCUMENT, None)
    if collection == _CLOSETS:
        return ImportItem("memory", f"{collection}:{id}", problem="a closet only points at drawers, which are imported")
    drawer = collection == _DRAWERS
    return memory(
        f"{collection}:{id}",
        text,
        {"collection": collection, **about},
        tags=[str(about[key]) for key in ("wing", "room") if about.get(key)] if drawer else [],
        source=about.get("source_file") if drawer else None,
        created_at=about.get("filed_at") if drawer else added,
    )


def _value(text: Any, whole: Any, real: Any, flag: Any) -> Any:
    if flag is not None:
        return bool(flag)
    return next((value for value in (text, whole, real) if value is not None), None)
