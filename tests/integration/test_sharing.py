"""Who a block may be shared with: decided by the database, whichever way a name gets into ``shared_with``."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator

import psycopg
import pytest

from memgpt import Agents, Memory
from memgpt.agents import transfer
from memgpt.config import settings
from memgpt.database.connection import Connection, Database
from memgpt.database.isolation import Tenancy
from memgpt.errors import ConflictError, DeniedError, ForbiddenError, InputError, MemgptError
from memgpt.memory import scope_of

VICTIM = "victim"
BLOCK = "INSERT INTO core_memories (agent_id, label, value, shared_with) VALUES (%s, %s, %s, %s)"


@pytest.fixture
def memories(dsn: str) -> Iterator[Database]:
    opened = Database(dsn, options=settings())
    yield opened
    opened.close()


def memory_of(memories: Database, agent: str, *agents: str) -> Memory:
    """A memory as a key for these agents sees it."""
    return Memory(agent, database=memories.isolated(Tenancy(agents or (agent,), agent)))


WRITES = [
    "INSERT INTO core_memories (agent_id, label, shared_with) VALUES ('evil', 'new', '{victim}')",
    "INSERT INTO core_memories (agent_id, label, shared_with) VALUES ('evil', 'new', '{evil-2,victim}')",
    "INSERT INTO core_memories (agent_id, label, shared_with) VALUES ('evil', 'new', ARRAY[NULL::text])",
    "INSERT INTO core_memories (agent_id, label, shared_with) VALUES ('evil', 'mine', '{}')"
    " ON CONFLICT (agent_id, label) DO UPDATE SET shared_with = '{victim}'",
    "INSERT INTO core_memories (agent_id, id, label, shared_with)"
    " SELECT agent_id, id, label, '{victim}' FROM core_memories WHERE label = 'mine'"
    " ON CONFLICT (agent_id, id) DO UPDATE SET shared_with = excluded.shared_with",
    "UPDATE core_memories SET shared_with = '{victim}' WHERE label = 'mine'",
    "UPDATE core_memories SET shared_with = shared_with || '{victim}' WHERE label = 'lent'",
    "UPDATE core_memories SET shared_with = '{someone,victim,evil}' WHERE label = 'borrowed'",
    "UPDATE core_memories SET shared_with = array_replace(shared_with, 'evil', 'victim')",
    "WITH left_alone AS (UPDATE core_memories SET shared_with = '{}' WHERE label = 'lent' RETURNING id)"
    " UPDATE core_memories SET shared_with = '{victim}' WHERE label = 'mine'",
]


@pytest.fixture
def blocks(memories: Database) -> Database:
    with memories.connection() as owner:
        for agent, label, shared in (
            ("evil", "mine", []),
            ("evil", "lent", ["someone"]),
            ("someone", "borrowed", ["evil", "someone-else"]),
        ):
            owner.execute(BLOCK, [agent, label, "v", shared])
    return memories


@pytest.mark.parametrize("statement", WRITES)
def test_no_statement_shares_with_an_agent_outside_the_scope(blocks: Database, statement: str) -> None:
    isolated = blocks.isolated(Tenancy(("evil", "evil-*"), "evil"))
    with pytest.raises(DeniedError), isolated.transaction() as connection:
        connection.execute(statement)
    with blocks.connection() as owner:
        assert owner.execute("SELECT 1 FROM core_memories WHERE shared_with @> '{victim}'").fetchall() == []


KEPT = [
    "UPDATE core_memories SET value = 'w', shared_with = shared_with",
    "UPDATE core_memories SET shared_with = shared_with || '{evil-2}' WHERE label = 'lent'",
    "UPDATE core_memories SET shared_with = '{}'",
    "INSERT INTO core_memories (agent_id, label, shared_with) VALUES ('evil', 'new', '{evil-2}')",
    "INSERT INTO core_memories (agent_id, id, label, value, shared_with)"
    " SELECT agent_id, id, label, 'w', shared_with FROM core_memories WHERE label = 'lent'"
    " ON CONFLICT (agent_id, id) DO UPDATE SET value = excluded.value, shared_with = excluded.shared_with",
]


@pytest.mark.parametrize("statement", KEPT)
def test_names_that_were_there_and_names_in_the_scope_stay(blocks: Database, statement: str) -> None:
    with blocks.isolated(Tenancy(("evil", "evil-*"), "evil")).transaction() as connection:
        assert connection.execute(statement).rowcount > 0


def test_a_name_that_was_taken_out_is_not_put_back_in_one_transaction(blocks: Database) -> None:
    isolated = blocks.isolated(Tenancy(("evil",), "evil"))
    with isolated.transaction() as connection:
        connection.execute("UPDATE core_memories SET shared_with = '{}' WHERE label = 'lent'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("UPDATE core_memories SET shared_with = '{someone}' WHERE label = 'lent'")


def test_the_library_says_why(blocks: Database) -> None:
    evil = memory_of(blocks, "evil")
    with pytest.raises(ForbiddenError, match="block 'mine' cannot be shared with victim"):
        evil.core["mine"].share_with(VICTIM)
    assert evil.core["lent"].append("w").shared_with == ["someone"]
    assert memory_of(blocks, "evil", "evil", VICTIM).core["mine"].share_with(VICTIM).shared_with == [VICTIM]


def undo_of_an_unshare(owner: Memory, evil: Memory) -> None:
    owner.core["plan"].share_with(VICTIM)
    evil.core["plan"].unshare()


def undo_of_a_delete(owner: Memory, evil: Memory) -> None:
    owner.core["plan"].share_with(VICTIM)
    evil.core.delete("plan")


@pytest.mark.parametrize("before", [undo_of_an_unshare, undo_of_a_delete])
def test_the_history_does_not_share_again(memories: Database, before: Callable[[Memory, Memory], None]) -> None:
    with Memory("evil", database=memories) as owner:
        owner.core["plan"].append("v")
        evil = memory_of(memories, "evil")
        before(owner, evil)
        with pytest.raises(ForbiddenError, match="has no access to"):
            evil.undo()
        assert "plan" not in memory_of(memories, VICTIM).core
        owner.undo()
        assert "plan" in memory_of(memories, VICTIM).core
        evil.core["plan"].append("w")
        evil.undo()
        assert evil.core["plan"].block.shared_with == [VICTIM]


def test_a_planted_history_does_not_share(memories: Database, dsn: str) -> None:
    evil = memory_of(memories, "evil")
    evil.core["plan"].append("v")
    evil.core["plan"].append("w")
    with psycopg.connect(dsn) as direct:
        direct.execute(
            """UPDATE memory_history SET old = jsonb_set(old, '{shared_with}', '["victim"]') WHERE old IS NOT NULL"""
        )
    with pytest.raises(ForbiddenError):
        evil.undo()
    assert "plan" not in memory_of(memories, VICTIM).core


def exported(agents: Agents, agent: str) -> io.StringIO:
    file = io.StringIO()
    agents.export(agent, file)
    return file


def imported(memories: Database, agent: str, agents: tuple[str, ...], file: io.StringIO) -> None:
    scope = scope_of(Memory(agent, database=memories.isolated(Tenancy(agents, agent))))
    with scope.transaction() as connection:
        assert isinstance(connection, Connection)
        transfer.check(scope, file, reembed=False)
        transfer.load(connection, scope, file, reembed=False)


def test_an_import_carries_the_scope(memories: Database, dsn: str) -> None:
    with Agents(dsn) as agents, Memory("evil", database=memories) as owner:
        owner.core["plan"].append("v")
        owner.core["plan"].share_with(VICTIM)
        file = exported(agents, "evil")
        with pytest.raises(InputError, match=r"line 2: .*shared with"):
            imported(memories, "copy", ("copy",), file)
        assert agents.list()[0].agent_id == "evil"
        assert len(agents.list()) == 1
        imported(memories, "evil", ("evil",), file)  # what is there stays as it is
        imported(memories, "copy", ("copy", VICTIM), file)
        assert memory_of(memories, "copy").core["plan"].block.shared_with == [VICTIM]


USUAL = pytest.mark.parametrize("label", ["human", "persona", "context"])


@USUAL
def test_a_planted_block_never_takes_what_an_agent_writes(memories: Database, label: str) -> None:
    with memories.connection() as owner:
        owner.execute(BLOCK, ["evil", label, "", ["newcomer"]])
    for write in (
        lambda block: block.append("my password is hunter2"),
        lambda block: block.insert("my password is hunter2", 1),
        lambda block: block.rethink("my password is hunter2"),
    ):
        newcomer = memory_of(memories, "newcomer")
        assert write(newcomer.core[label]).agent_id == "newcomer"  # type: ignore[no-untyped-call]
        assert newcomer.core[label].value == "my password is hunter2"
        assert [block.agent_id for block in newcomer.core.list()] == ["newcomer"]
        assert memory_of(memories, "evil").core[label].value == ""
        newcomer.core.delete(label)
    with pytest.raises(MemgptError):
        memory_of(memories, "newcomer").core[label].replace("", "x")


def test_a_block_of_ones_own_is_made_beside_a_shared_one(memories: Database) -> None:
    with memories.connection() as owner:
        owner.execute(BLOCK, ["evil", "notes", "theirs", ["newcomer"]])
    newcomer = memory_of(memories, "newcomer")
    newcomer.core.create("notes", "mine")
    assert [(block.agent_id, block.value) for block in newcomer.core.list()] == [("newcomer", "mine")]
    with Memory("evil", database=memories) as owner, pytest.raises(ConflictError, match="has a block 'notes' already"):
        owner.core["notes"].share_with("newcomer", "other")


BAD_LABELS = [
    "a/b",
    "a\nb",
    "a\rb",
    "a\x0bb",
    "a\x0cb",
    "a\x1cb",
    "a\x85b",
    "a\u2028b",
    "a\u2029b",
    "a\tb",
    "\x7f",
    "/",
]


@pytest.mark.parametrize("label", [".", ".."])
def test_labels_that_clients_take_out_of_addresses_are_refused(memories: Database, label: str) -> None:
    memory = memory_of(memories, "ann")
    for use in (lambda: memory.core.create(label), lambda: memory.core[label].append("x")):
        with pytest.raises(InputError, match=r"label .* in addresses"):
            use()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("label", BAD_LABELS)
def test_labels_are_one_line_of_a_path(memories: Database, dsn: str, label: str) -> None:
    memory = memory_of(memories, "ann")
    for use in (lambda: memory.core.create(label), lambda: memory.core[label].append("x")):
        with pytest.raises(InputError, match=r"label .* has"):
            use()  # type: ignore[no-untyped-call]
    memory.core["fine"].append("x")
    with Agents(dsn) as agents:
        lines = [json.loads(line) for line in exported(agents, "ann").getvalue().splitlines()]
        lines[1]["row"]["label"] = label
        file = io.StringIO("".join(json.dumps(line) + "\n" for line in lines))
        with pytest.raises(InputError, match=r"line 2: label .* has"):
            agents.import_(file, "copy")
    if label.isascii():
        with psycopg.connect(dsn) as direct, pytest.raises(psycopg.errors.CheckViolation):
            direct.execute(BLOCK, ["ann", label, "", []])


def test_no_policy_has_a_sub_select(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "SELECT polrelid::regclass, polname FROM pg_policy"
            " WHERE concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) ~* 'select'"
        ).fetchall()
    assert found == []
