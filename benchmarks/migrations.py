"""What does migrating a filled database cost: time, the client's memory, each index, the memory to build it?"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

import psutil
import psycopg
from psycopg import sql

from benchmarks import fixtures, vectors
from memgpt.database import queries
from memgpt.database.connection import Connection, connect

SQL = queries.beside("benchmarks.migrations")
CLAIMED_MB = {100: 15, 200: 30, 500: 157}


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    rows = 500 if options.tiny else 200_000 if options.full else 20_000
    result = fixtures.Result("migrations", f"What does migrating a database with {rows:,} chunks cost?")
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "migrations", upto="1")
        with connect(dsn, autocommit=True) as connection:
            for agent, size in enumerate(vectors.zipf(rows, 200)):
                vectors.load(connection, COPY, f"agent {agent}", vectors.Source(agent), size)
        seconds, peak = _migrate(dsn)
        with connect(dsn, autocommit=True) as connection:
            _indexes(connection, result)
            needed = _memory(connection, result, min(rows, 12_000))
    result.remarks.append(
        f"`memgpt db migrate` from 001 to the end took {seconds:.1f} s and the client at most {peak:.0f} MB. "
        "The memory for an IVFFlat index does not grow from 10,000 rows on: "
        "pgvector samples max(50 * lists, 10,000) rows."
    )
    result.numbers |= {"seconds": seconds, "client_mb": peak, "needed_mb": needed}
    result.ratios += [
        f"lists={lists} needs {mb / CLAIMED_MB[lists]:.1f} times the memory the specification says"
        for lists, mb in needed.items()
    ]
    result.ratios.append(f"the client's memory is {peak:.0f} MB at {rows:,} chunks")
    result.publish(keep=not options.tiny)


COPY = b"COPY document_chunks (agent_id, chunk_text, embedding) FROM STDIN WITH BINARY"


def _migrate(dsn: str) -> tuple[float, float]:
    """Seconds, and the runner's peak memory in MB: a process of its own, as a person runs it."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "memgpt", "db", "migrate", "--dsn", dsn],
        stdout=subprocess.DEVNULL,
        env=os.environ | {"MEMGPT_EMBEDDING_MODEL": "none"},
    )
    # Looked at while it runs: the kernel's own peak of a child includes what its parent held when it was started.
    watched, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            peak = max(peak, watched.memory_info().rss)
        time.sleep(0.02)
    assert process.returncode == 0, "the migration failed"
    return time.perf_counter() - started, peak / 2**20


def _indexes(connection: Connection, result: fixtures.Result) -> None:
    connection.execute("SET maintenance_work_mem = '256MB'")
    table_bytes, rows = connection.execute(SQL.table_size).fetchone() or (0, 1)
    table = result.table("Each index of document_chunks", "index", "build (s)", "size (MB)", "bytes a row")
    table.rows.append(["(the table itself)", "", f"{table_bytes / 1e6:.0f}", f"{table_bytes / rows:.0f}"])
    built: dict[str, float] = {}
    for name, definition, size in connection.execute(SQL.indexes).fetchall():
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        started = time.perf_counter()
        connection.execute(definition.encode())
        built[name.removeprefix("document_chunks_")] = time.perf_counter() - started
        table.rows.append([name, f"{list(built.values())[-1]:.2f}", f"{size / 1e6:.1f}", f"{size / rows:.0f}"])
    result.charts.append(fixtures.Chart("Index build time (s)", list(built), {"s": list(built.values())}, "", "s"))
    result.numbers["bytes_per_row"] = {row[0]: row[3] for row in table.rows}


def _memory(connection: Connection, result: fixtures.Result, rows: int) -> dict[int, int]:
    """The smallest whole number of MB with which each index can be built."""
    connection.execute(SQL.sample)
    connection.execute(SQL.fill_sample, {"rows": rows})
    connection.execute("SET max_parallel_maintenance_workers = 0")
    table = result.table(f"maintenance_work_mem for IVFFlat ({rows:,} rows, MB)", "lists", "specification", "needed")
    needed: dict[int, int] = {}
    for lists, claimed in CLAIMED_MB.items():
        low, high = 1, 256
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if _fits(connection, lists, middle) else (middle + 1, high)
        needed[lists] = high
        table.rows.append([lists, claimed, high])
    series = {"specification": list(CLAIMED_MB.values()), "needed": list(needed.values())}
    names = [f"lists = {lists}" for lists in CLAIMED_MB]
    result.charts.append(fixtures.Chart("Memory to build IVFFlat (MB)", names, series, "", "MB"))
    return needed


def _fits(connection: Connection, lists: int, megabytes: int) -> bool:
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL maintenance_work_mem = '{megabytes}MB'")
            create = f"CREATE INDEX tried ON sample USING ivfflat (embedding vector_cosine_ops) WITH (lists = {lists})"
            connection.execute(create.encode())
            connection.execute("DROP INDEX tried")
    except psycopg.errors.ProgramLimitExceeded:
        return False
    return True


if __name__ == "__main__":
    main()
