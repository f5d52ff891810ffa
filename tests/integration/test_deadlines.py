"""Work on a whole memory takes as long as the memory is large; other statements keep their deadline."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

import psycopg
import pytest
from psycopg import sql

from memgpt import Memory
from memgpt.agents.agents import Agents
from memgpt.config import Settings
from memgpt.errors import MemgptError

SECONDS = 0.5
PATIENT = Settings(embedding_model="none")
HURRIED = Settings(embedding_model="none", statement_timeout=SECONDS)

Work = Callable[[Memory, Agents, Path], object]

WHOLE: dict[str, Work] = {
    "fork": lambda _, agents, __: agents.fork("ann", "copy"),
    "rename": lambda _, agents, __: agents.rename("ann", "anna"),
    "delete": lambda _, agents, __: agents.delete("ann"),
    "export": lambda _, agents, __: agents.export("ann", io.StringIO()),
    "import": lambda _, agents, file: agents.import_(file, "copy"),
    "list": lambda _, agents, __: agents.list(),
    "forget": lambda memory, *_: memory.forget(1, "message"),
    "forget session": lambda memory, *_: memory.forget(session="s"),
    "forget agent": lambda memory, *_: memory.forget_agent(),
    "delete session": lambda memory, *_: memory.messages.delete_session("s"),
    "undo": lambda memory, *_: memory.undo(),
    "as of": lambda memory, *_: memory.as_of("2999-01-01").rows("message"),
    "stats": lambda memory, *_: memory.stats(),
}

WAITING = """SELECT 1 FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND now() - query_start > make_interval(secs => %s)"""


def slowly(dsn: str, work: Callable[[], object]) -> object:
    """Do a work while somebody holds a table it needs, for longer than any statement may take."""
    watcher = psycopg.connect(dsn, autocommit=True)
    with psycopg.connect(dsn) as holder, ThreadPoolExecutor(1) as thread, watcher:
        holder.execute("LOCK TABLE conversations IN ACCESS EXCLUSIVE MODE")
        running: Future[object] = thread.submit(work)
        never = Event()
        while not running.done() and not watcher.execute(WAITING, [2 * SECONDS]).fetchone():
            never.wait(0.02)
        holder.rollback()
        return running.result()


@pytest.mark.parametrize("name", WHOLE)
def test_work_on_a_whole_memory_is_not_cut(dsn: str, tmp_path: Path, name: str) -> None:
    with Memory("ann", dsn=dsn, options=PATIENT) as memory, Agents(dsn, options=PATIENT) as agents:
        memory.messages.append("user", "Hello", session="s")
        agents.export("ann", tmp_path / "ann.jsonl")
    with psycopg.connect(dsn, autocommit=True) as connection:  # the server's own limit is that of its role or database
        database, limit = sql.Identifier(connection.info.dbname), sql.Literal(int(1000 * SECONDS))
        connection.execute(sql.SQL("ALTER DATABASE {} SET statement_timeout = {}").format(database, limit))
    with Memory("ann", dsn=dsn, options=HURRIED) as memory, Agents(dsn, options=HURRIED) as agents:
        slowly(dsn, lambda: WHOLE[name](memory, agents, tmp_path / "ann.jsonl"))
        with pytest.raises((MemgptError, psycopg.Error)):
            slowly(dsn, memory.messages.count)
