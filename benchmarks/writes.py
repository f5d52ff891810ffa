"""What does it cost to write through the library: many at once, one by one, and by eight writers?

The floor is a bare binary COPY (or INSERT) of the same rows into the same table with the same indexes; it folds no
duplicates, answers no ids, looks for no near-duplicates and writes no history.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from pgvector import Vector
from psycopg.types.json import Jsonb

from benchmarks import fixtures, vectors
from memgpt import Memory
from memgpt.config import NO_MODEL, Settings
from memgpt.database import queries
from memgpt.database.connection import Connection, connect

SQL = queries.beside("benchmarks.writes")
WRITERS = 8
OPTIONS = Settings(embedding_model=NO_MODEL)


@dataclass
class Writers:
    """The contenders; each call writes its rows for an agent of its own, so that nothing is a duplicate."""

    dsn: str
    connection: Connection
    rows: vectors.Matrix
    calls: int = 0
    lost: int = 0
    sources: list[str] = field(default_factory=list)

    def agent(self) -> str:
        self.calls += 1
        return f"agent {self.calls}"

    def text(self, n: int) -> str:
        return (
            f"On day {n} the visitor {n % 89} asked about the tide table, the ferry and room {n % 31} of the station."
        )

    def many(self, _: int) -> None:
        with Memory(self.agent(), dsn=self.dsn, options=OPTIONS) as memory:
            memory.remember_many([{"text": self.text(n), "embedding": row} for n, row in enumerate(self.rows)])

    def copy(self, _: int) -> None:
        agent, nothing = self.agent(), Jsonb({})
        with self.connection.transaction(), self.connection.cursor().copy(SQL.copy_in) as copy:
            copy.set_types(["text", "text", "float4", "jsonb", "text", "vector"])
            for n, row in enumerate(self.rows):
                copy.write_row((agent, self.text(n), 0.5, nothing, "none", Vector(row)))

    def one_by_one(self, count: int) -> Callable[[int], None]:
        def write(_: int) -> None:
            with Memory(self.agent(), dsn=self.dsn, options=OPTIONS) as memory:
                for n in range(count):
                    memory.remember(self.text(n), embedding=self.rows[n])

        return write

    def insert(self, count: int) -> Callable[[int], None]:
        def write(_: int) -> None:
            agent = self.agent()
            for n in range(count):
                given = {"agent_id": agent, "text": self.text(n), "embedding": Vector(self.rows[n])}
                self.connection.execute(SQL.insert, given)

        return write

    def eight(self, count: int) -> Callable[[int], None]:
        """Eight threads, one agent, one memory object; what is missing afterwards counts as lost."""

        def write(_: int) -> None:
            agent = self.agent()
            with Memory(agent, dsn=self.dsn, options=OPTIONS) as memory:

                def part(writer: int) -> None:
                    for n in range(writer, count, WRITERS):
                        memory.remember(self.text(n), embedding=self.rows[n])

                threads = [threading.Thread(target=part, args=(writer,)) for writer in range(WRITERS)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            row = self.connection.execute(SQL.rows, {"agent_id": agent}).fetchone()
            self.lost += count - (row[0] if row else 0)

        return write


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    bulk, single, rounds = (500, 16, 2) if options.tiny else (20_000, 400, 5) if options.full else (20_000, 200, 3)
    result = fixtures.Result("writes", "What does it cost to write through the library?")
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "writes")
        with connect(dsn, autocommit=True) as connection:
            connection.prepare_threshold = 2
            writers = Writers(dsn, connection, vectors.Source(5).take(bulk))
            taken = fixtures.in_turns({"many": writers.many, "copy": writers.copy}, rounds, warm_up=0)
            slow = fixtures.in_turns(
                {
                    "one": writers.one_by_one(single),
                    "insert": writers.insert(single),
                    "eight": writers.eight(single),
                },
                rounds,
                warm_up=1,
            )
    table = result.table("Writing archival memories of 1,536 dimensions", "how", "rows", "rows/s (median)")
    for name, times, rows in (
        ("remember_many", taken["many"], bulk),
        ("bare binary COPY", taken["copy"], bulk),
        ("remember, one by one", slow["one"], single),
        ("remember, eight threads", slow["eight"], single),
        ("bare INSERT, one by one", slow["insert"], single),
    ):
        table.rows.append([name, f"{rows:,}", f"{rows / float(np.median(times)):,.0f}"])
    share = fixtures.ratio(taken["copy"], taken["many"])
    one, eight = fixtures.ratio(slow["insert"], slow["one"]), fixtures.ratio(slow["one"], slow["eight"])
    rates = [rows / float(np.median(t)) for t, rows in ((taken["copy"], bulk), (taken["many"], bulk))]
    rates += [single / float(np.median(slow[name])) for name in ("insert", "one", "eight")]
    names = ["bare COPY", "remember_many", "bare INSERT", "remember", "remember, 8 threads"]
    result.charts.append(fixtures.Chart("Rows written per second", names, {"rows/s": rates}, "", "rows/s", "y"))
    result.numbers |= {"bulk": share.value, "one_by_one": one.value, "lost": writers.lost}
    result.remarks.append(
        "One by one, every text is committed and durable before the next, and near-duplicates are looked for first. "
        f"Of what eight threads wrote at the same time, {writers.lost} rows were missing."
    )
    result.ratios += [
        f"bulk insert reaches {share} of the rate of a bare COPY",
        f"one by one {one} of a bare INSERT",
        f"eight threads write {eight} times as much as one and lose {writers.lost}",
    ]
    result.publish(keep=not options.tiny)


if __name__ == "__main__":
    main()
