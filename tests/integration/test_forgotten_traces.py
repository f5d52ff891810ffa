"""What was forgotten is nowhere: not in PostgreSQL's samples, not in what a process remembers."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from memgpt.config import Settings
from memgpt.database.admin import migrate
from memgpt.database.caches import AgentCaches
from memgpt.database.connection import Database
from memgpt.memory import Memory, scope_of
from memgpt.search.fusion import new_matcher
from memgpt.search.ranking import SoftMatcher
from tests.traces import in_database

SAMPLED = re.compile(
    r"agent_id|(\w+_)?id|kind|type_of|(\w+_)?type|status|role|action|actor|model|\w*embedding_model|media_type|languages?|runner"
    r"|requested_by|phase|undoes|shared_with|about|message_ids|recipe|provenance_kind|tokens_by_part|finish_reason|time_zone"
)
"""Names of columns of texts, ids and lists in which nobody says anything: agents, roles, states, models, references."""

OF_THE_SERVICE = ("api_keys", "audit_log", "embedding_models", "embedding_switches")
MIGRATIONS = ("schema_migrations", "schema_migration_checksums")

COLUMNS = """
    SELECT c.relname, a.attname, coalesce(a.attstattarget, -1) = 0
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
        AND (t.typcategory IN ('S', 'A', 'V') OR t.typname IN ('jsonb', 'bytea', 'tsvector', 'vector', 'uuid'))
        AND c.relname <> ALL (%s)
"""


def test_no_column_that_holds_what_people_said_is_sampled(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        columns = connection.execute(COLUMNS, [[*OF_THE_SERVICE, *MIGRATIONS]]).fetchall()
    sampled = [f"{table}.{name}" for table, name, off in columns if not off and not SAMPLED.fullmatch(name)]
    assert len(columns) > 80
    assert sampled == [], "a new column that holds what people said: SET STATISTICS 0, or name it in SAMPLED"


def marked(dsn: str, role: str | None = None) -> None:
    """A database of the migration before, with samples of a text that is deleted."""
    migrate.apply(dsn, target="14")
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("INSERT INTO conversations (agent_id, role, content, session, metadata) "
                      "SELECT 'a', 'user', 'zebrawort ' || n % 3, 'zebrawort', '{\"a\": \"zebrawort\"}' "
                      "FROM generate_series(1, 300) n")  # fmt: skip
        owner.execute("ANALYZE; DELETE FROM conversations")


def test_samples_that_were_taken_before_are_removed(empty_dsn: str) -> None:
    marked(empty_dsn)
    assert [found.partition(":")[0] for found in in_database(empty_dsn, "zebrawort")] == ["pg_catalog.pg_statistic"]
    migrate.apply(empty_dsn)
    assert in_database(empty_dsn, "zebrawort") == []


def test_a_plain_owner_removes_what_can_be_removed_and_is_told_the_rest(server: Any, empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as admin:
        admin.execute(
            "CREATE EXTENSION vector; CREATE ROLE plain LOGIN PASSWORD 'p'; GRANT ALL ON SCHEMA public TO plain"
        )
    try:
        marked(make_conninfo(empty_dsn, user="plain", password="p"))
        notices: list[str] = []
        [forgetting] = [m for m in migrate.discover() if m.number == 15]
        with psycopg.connect(make_conninfo(empty_dsn, user="plain", password="p")) as owner:
            owner.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
            owner.execute(forgetting.source)
        with psycopg.connect(empty_dsn) as admin:
            left = [row[0] for row in admin.execute(
                "SELECT tablename || '.' || attname FROM pg_stats WHERE tablename = 'conversations' AND concat("
                "most_common_vals::text, histogram_bounds::text, most_common_elems::text) LIKE '%zebrawort%'"
            )]  # fmt: skip
            version = admin.info.server_version
        assert (left == []) == (version >= 180000)
        assert all(column in " ".join(notices) for column in left)
    finally:
        with psycopg.connect(empty_dsn, autocommit=True) as admin:
            admin.execute("DROP OWNED BY plain; DROP ROLE plain")


def test_a_column_that_is_made_for_another_model_is_not_sampled_either(database: Callable[..., str]) -> None:
    dsn = database()
    migrate.apply(dsn, model=migrate.ModelSpec("m", 64))
    with psycopg.connect(dsn) as connection:
        columns = connection.execute(COLUMNS, [[*OF_THE_SERVICE]]).fetchall()
    assert not [table for table, name, off in columns if name.startswith("embedding_code") and not off]


PROCESS = """
import sys
from memgpt import Memory
from memgpt.memory import scope_of
from memgpt import Agents
from tests.traces import in_process
dsn, start, end = sys.argv[1:]
print("ready", flush=True)
def marker(): return start + end

def write(memory):
    rows = [("archival", memory.remember(f"Ann grows {marker()} in May", tags=[marker()]).id)]
    rows.append(("message", memory.messages.append("user", f"I like {marker()}", session=marker()).id))
    rows.append(("document", memory.documents.create([{"text": f"{marker()} is a plant."}], title=marker()).id))
    rows.append(("entity", memory.graph.add_entity(marker(), description=marker()).id))
    memory.core.create("plant", marker())
    memory.core["plant"].append(marker())
    rows.append(("block", memory.core["plant"].block.id))
    memory.intents.learn("garden", f"I like {marker()}", f"plant {marker()}")
    memory.intents.classify("what grows?")
    memory.search(f"where does {marker()} grow?")
    memory.search("plants in May")
    memory.context(f"{marker()}?")
    memory.history()
    return rows

with Memory("ann", dsn=dsn) as memory, Memory("ann", dsn=dsn, database=scope_of(memory).database) as other:
    rows = write(memory)
    other.search("plants in May"); other.intents.examples()
    assert in_process(start, end), "the scan finds what is remembered"
    for kind, id in rows:
        memory.forget(id, kind)
    memory.intents.unlearn("garden")
    del rows
    print("after forget", in_process(start, end), flush=True)
    write(memory)
    memory.forget_agent()
    print("after forget_agent", in_process(start, end), flush=True)
    write(memory)
with Agents(dsn) as agents:
    print("after close", in_process(start, end), flush=True)
    agents.delete("ann")
"""


def test_a_process_remembers_nothing_of_what_was_forgotten(dsn: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROCESS, dsn, "zebra", "wort"],
        capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["ready", "after forget []", "after forget_agent []", "after close []"]
    assert in_database(dsn, "zebrawort") == []


def test_caches_have_a_size(dsn: str) -> None:
    caches = AgentCaches(most_bytes=3_000_000)
    for n in range(8):
        with caches.using(f"agent-{n}", SoftMatcher, new_matcher) as matcher:
            matcher.lexicon.of([" ".join(f"word{n}x{i}" for i in range(5_000))])
    assert 0 < caches.nbytes <= 3_000_000
    with caches.using("agent-7", SoftMatcher, new_matcher) as matcher:
        assert matcher.nbytes > 0, "the one used last is still there"
    caches.forget("agent-7")
    with caches.using("agent-7", SoftMatcher, new_matcher) as matcher:
        assert matcher.nbytes == new_matcher().nbytes, "it begins anew"


def test_memories_of_one_database_share_what_they_remember(dsn: str) -> None:
    database = Database(dsn)
    with Memory("ann", database=database) as one, Memory("ann", database=database, isolated=True) as other:
        one.remember("Ann likes tea")
        one.search("tea")
        assert database.caches.nbytes > 0
        other.forget(one.archival.list()[0].id)
        assert database.caches.nbytes == 0
    database.close()


def test_a_job_under_way_says_nothing_of_what_is_forgotten_meanwhile(dsn: str) -> None:
    from uuid import uuid4

    from memgpt.jobs import Jobs, queue
    from memgpt.jobs.store import JobFile, JobStore

    with Memory("ann", dsn=dsn, options=Settings(embedding_model="none")) as memory:
        queue.install(scope_of(memory).database)
        job = Jobs(memory).add("ingest", {"metadata": {"m": "zebrawort"}}, [JobFile("zebrawort.md", b"x")])
        runner = uuid4()
        with memory.transaction():
            pass
        with scope_of(memory).transaction() as connection:
            assert JobStore(connection, "ann").start(job.id, runner, most=3)
        kept = memory.remember("zebrawort")
        memory.forget(kept.id)
        with scope_of(memory).transaction() as connection:
            store = JobStore(connection, "ann")
            store.progress(job.id, runner, done=1, total=1, message="zebrawort.md")
            store.finish(job.id, runner, "succeeded", result={"documents": ["zebrawort.md"]})
            store.remove_files(job.id)
        assert Jobs(memory).get(job.id).status == "succeeded"
    assert in_database(dsn, "zebrawort") == []
