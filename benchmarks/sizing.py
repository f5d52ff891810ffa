"""What do a row and its index entries take, in bytes and in time?

The bytes are the same on every machine; the times are those of this one. ``--full`` writes the constants that ``memgpt
doctor --sizing`` ships with, and ``docs/sizing.md``.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from psycopg import sql

from benchmarks import fixtures, texts, vectors
from memgpt.database import queries
from memgpt.database.connection import Connection, connect
from memgpt.reembed import sizing

SQL = queries.beside("benchmarks.sizing")
DIMENSIONS = (256, 768, 1536)
ROOT = Path(__file__).parents[1]
AGENTS = 20
EXTRA = {"conversations": ("user",)}
"""Values of the columns that no row can be without: the role of a message."""


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    rows = 200 if options.tiny else 50_000 if options.full else 4_000
    result = fixtures.Result("sizing", "What do a row and its index entries take?")
    table = result.table(
        f"Bytes a row, at {rows:,} rows of short texts",
        *("table", "dimensions", "row", "IVFFlat", "agent + embedding", "other indexes", "microseconds to write"),
        "to build all indexes",
    )
    measured: dict[str, dict[str, object]] = {}
    with fixtures.own_server() as server:
        for dimensions in DIMENSIONS:
            dsn = fixtures.database(server, f"sizing_{dimensions}", model="made up", dimensions=dimensions)
            with connect(dsn, autocommit=True) as connection:
                found = {name: _measure(connection, name, dimensions, rows) for name in sizing.TABLES}
            measured[str(dimensions)] = found
            table.rows += [_cells(name, dimensions, one) for name, one in found.items()]
    constants = {"rows": rows, "machine": fixtures.machine(), "dimensions": measured}
    if options.full:  # small sizes would only make noise of what is shipped
        (ROOT / "memgpt" / "reembed" / "sizing.json").write_text(json.dumps(_rounded(constants), indent=1) + "\n")
        sizing.constants.cache_clear()
        (ROOT / "docs" / "sizing.md").write_text(page(rows), "utf-8")
    one = measured[str(DIMENSIONS[-1])]["archival_memories"]
    whole, ivfflat = one.bytes, one.indexes.get("archival_memories_embedding_idx", 0.0)
    result.ratios.append(
        f"a memory of {DIMENSIONS[-1]:,} dimensions takes {whole / 1e3:.1f} kB, {ivfflat / whole:.0%} of it the "
        f"IVFFlat index and {one.searched / whole:.1%} the index that searches read"
    )
    result.publish(keep=not options.tiny)


def _measure(connection: Connection, table: str, dimensions: int, rows: int) -> sizing.PerRow:
    connection.execute("SET maintenance_work_mem = '256MB'")
    source = vectors.Source(7, dimensions)
    said = texts.take(rows, seed=7)
    started, spent = time.perf_counter(), 0.0
    for n in range(AGENTS):
        own = said[n::AGENTS]
        made = time.perf_counter()
        embedded = source.take(len(own))
        spent += time.perf_counter() - made
        vectors.copy(connection, getattr(SQL, f"copy_{table}"), f"agent {n}", own, embedded, *EXTRA.get(table, ()))
    insert = (time.perf_counter() - started - spent) / rows
    connection.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))
    kept = {row[0] for row in connection.execute(SQL.constraint_indexes, {"table": table})}
    indexes, build = {}, {}
    for name, definition, _ in connection.execute(SQL.indexes, {"table": table}).fetchall():
        if name not in kept:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
            began = time.perf_counter()
            connection.execute(definition.encode())
            build[name] = 1e6 * (time.perf_counter() - began) / rows
    for name, _, size in connection.execute(SQL.indexes, {"table": table}).fetchall():
        indexes[name] = size / rows
    size = connection.execute(SQL.table_size, {"table": table}).fetchone()
    return sizing.PerRow((size[0] if size else 0) / rows, indexes, build, 1e6 * insert)


def _cells(table: str, dimensions: int, one: sizing.PerRow) -> list[object]:
    ivfflat = one.indexes.get(f"{table}_embedding_idx", 0.0)
    others = sum(one.indexes.values()) - ivfflat - one.searched
    sizes = (one.table, ivfflat, one.searched, others, one.insert, sum(one.build.values()))
    return [table, dimensions, *(f"{size:,.0f}" for size in sizes)]


def _rounded(constants: dict[str, object]) -> dict[str, object]:
    def plain(value: object) -> object:
        if isinstance(value, sizing.PerRow):
            return {name: plain(getattr(value, name)) for name in ("table", "indexes", "build", "insert")}
        if isinstance(value, dict):
            return {name: plain(part) for name, part in value.items()}
        return round(value, 1) if isinstance(value, float) else value

    return {name: plain(value) for name, value in constants.items()}


def page(rows: int) -> str:
    """docs/sizing.md, from the constants."""
    parts = [(Path(__file__).parent / "sizing.md").read_text("utf-8").strip()]
    for dimensions in (256, 1536, 3072):
        table = fixtures.Table("", ("rows", "kind", "table and indexes", "read by vector", "load", "all indexes again"))
        for count in (100_000, 1_000_000, 10_000_000, 100_000_000):
            for name, what in sizing.TABLES.items():
                one = sizing.TableSize(name, what, 0, 0, False, sizing.per_row(name, dimensions), count)
                sizes = (sizing.gigabytes(one.then_bytes), sizing.gigabytes(one.then_searched))
                times = (sizing.duration(one.then_load), sizing.duration(one.then_build))
                table.rows.append([f"{count:,}", what, *sizes, *times])
        parts += [f"## {dimensions:,} dimensions", fixtures.markdown(table)]
    where = fixtures.machine()
    parts.append(
        f"<sub>From {rows:,} rows of each kind, {where['measured']}, commit {where['commit']}: {where['cpu']}, "
        f"{where['cores']} cores, {where['memory_gib']} GiB. 3,072 dimensions are stored in two bytes each.</sub>"
    )
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
