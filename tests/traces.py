"""Where a text still is: in a database (all columns of all rows, the system's own tables too), in a process."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

TABLES = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname NOT IN ('pg_toast', 'information_schema')
"""
"""System catalogs too: ``pg_statistic`` is one."""


def in_database(dsn: str, marker: str) -> list[str]:
    """The tables with a row that mentions it, also as bytes, after PostgreSQL took its samples anew."""
    found = []
    with psycopg.connect(dsn, autocommit=True) as superuser:
        superuser.execute("VACUUM (ANALYZE)")
        for schema, table in superuser.execute(TABLES).fetchall():
            rows = sql.SQL("SELECT left(t::text, 300) FROM {} t WHERE t::text ILIKE %s OR t::text LIKE %s LIMIT 1")
            patterns = [f"%{marker}%", f"%{marker.encode().hex()}%"]
            row = superuser.execute(rows.format(sql.Identifier(schema, table)), patterns).fetchone()
            if row is not None:
                found.append(f"{schema}.{table}: {row[0]}")
    return found


def in_process(start: str, end: str) -> list[str]:
    """Objects of this process that hold a text with ``start`` before ``end``: apart, they are not found themselves."""
    gc.collect()
    found, seen = [], set[int]()
    for holder in gc.get_objects():
        for text in _texts(holder, seen):
            lower = text.lower()
            at = lower.find(start)
            if at >= 0 and lower.startswith(end, at + len(start)):
                found.append(f"{type(holder).__name__}: {text[:120]}")
    return found


def _texts(holder: Any, seen: set[int]) -> Iterator[str]:
    for part in gc.get_referents(holder):
        if isinstance(part, str):
            yield part
        elif isinstance(part, (bytes, bytearray)):
            yield bytes(part).decode("latin-1")
        elif isinstance(part, (dict, tuple, list)) and not gc.is_tracked(part) and id(part) not in seen:
            seen.add(id(part))
            yield from _texts(part, seen)
