"""Entities that turn out to be one: proposed, merged, and taken apart again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memgpt import Agents, Memory
from memgpt.config import Settings
from memgpt.errors import ConflictError, NotFoundError
from memgpt.graph.name_similarity import agreement
from memgpt.graph.store import GraphStore, NewFact
from memgpt.memory import scope_of
from memgpt.models import Entity, Proposal

WITHOUT_MODEL = Settings(embedding_model="none")


@pytest.fixture(params=["owner", "request"])
def memory(dsn: str, request: pytest.FixtureRequest) -> Iterator[Memory]:
    """As the owner of the tables, and as the role of requests, which row-level security holds to its agent."""
    with Memory("ann", dsn=dsn, isolated=request.param == "request") as memory:
        yield memory


def merge_of(memory: Memory) -> Proposal:
    [proposal] = memory.graph.propose_merges()
    return proposal


def dump(dsn: str, agent: str = "ann") -> dict[str, list[Any]]:
    """Every row of the agent's graph and memories, as far as writing it back may not change it."""
    with psycopg.connect(dsn) as owner:
        return {
            table: [row[0] for row in owner.execute(
                f"SELECT to_jsonb(t) - 'updated_at' FROM {table} t WHERE agent_id = %s ORDER BY id", [agent])]
            for table in ("kg_entities", "kg_relationships", "archival_memories", "core_memories")
        }  # fmt: skip


def now(dsn: str) -> datetime:
    with psycopg.connect(dsn) as owner:
        [moment] = owner.execute("SELECT clock_timestamp()").fetchone() or [None]
        assert isinstance(moment, datetime)
        return moment


def test_names_that_differ_in_signs_are_never_sure(memory: Memory) -> None:
    for kind, names in (("language", ("C", "C++", "C#")), ("blood group", ("A+", "A-")), ("firm", ("C++ Co", "C Co"))):
        for name in names:
            memory.graph.add_entity(name, kind, aliases=["Cee"] if name == "C" else [])
    memory.graph.add_entity("C", "unit", aliases=["Cel."])
    memory.graph.add_entity("degree", "unit", aliases=["cel"])
    found = {proposal.reason.partition(":")[0]: proposal.score for proposal in memory.graph.propose_merges()}
    assert found.pop("'degree' is 'C'") == pytest.approx(0.9)
    assert len(found) == 5
    assert set(found.values()) == {0.5}


def test_the_same_name_written_otherwise_is_proposed_once(memory: Memory) -> None:
    memory.graph.add_entity("Ann O’Neil", "person")
    memory.graph.add_entity("ann o'neil.", "person")
    memory.graph.add_entity("Ann O'Neil", "ship")
    proposal = merge_of(memory)
    assert (proposal.kind, proposal.status, proposal.score) == ("merge", "proposed", 1.0)
    assert "the same name" in proposal.reason
    assert memory.graph.propose_merges() == [], "proposed already"
    assert memory.proposals.list("proposed", kind="merge") == [proposal]
    assert memory.proposals.get(proposal.id) == proposal


def test_an_alias_is_a_name_too(memory: Memory) -> None:
    memory.graph.add_entity("Robert Hall", "person", aliases=["Bob"])
    memory.graph.add_entity("Bob.", "person", aliases=["Bobby H."])
    assert merge_of(memory).score == 0.9


def test_a_rejected_merge_is_never_proposed_again(memory: Memory) -> None:
    memory.graph.add_entity("Acme")
    memory.graph.add_entity("ACME!", "firm")
    proposal = memory.proposals.reject(merge_of(memory).id)
    assert proposal.status == "rejected"
    assert memory.graph.propose_merges() == []
    with pytest.raises(ConflictError, match="is rejected"):
        memory.proposals.apply(proposal.id)


def test_a_merge_moves_what_is_believed_and_keeps_what_was(memory: Memory, dsn: str) -> None:
    graph = memory.graph
    survivor = graph.add_entity("Robert Hall", "person", aliases=["Bob Hall"])
    merged = graph.add_entity("Bob Hall.", "person", aliases=["Bobby"])
    graph.add_fact(survivor, "knows", "Ann", valid_from="2020-01-01")
    graph.add_fact(survivor, "lives_in", "Graz")
    for hobby in ("chess", "golf", "tea"):
        graph.add_fact(survivor, "likes", hobby)
    one = graph.add_fact(merged, "works_at", "Acme", fact="Bobby is with Acme", weight=0.5, valid_from="2021-01-01")
    graph.add_fact("Carl", "knows", merged)
    graph.add_fact(merged, "is", survivor)
    same = graph.add_fact(merged, "lives_in", "Graz", fact="Robert Hall lives in Graz")
    before = now(dsn)
    reads = [graph.facts(e, known_at=before) for e in (survivor, merged, "Bobby", "Robert Hall", "Acme")]
    walks = [graph.within(e, known_at=before) for e in (survivor.id, merged.id, "Bobby")]

    applied = memory.proposals.apply(merge_of(memory).id)
    assert applied.status == "applied"
    assert graph.find("bobby") == graph.find("Robert Hall")
    assert graph.get(survivor.id).aliases == ["Bob Hall", "Bob Hall.", "Bobby"]
    assert (graph.get(merged.id).merged_into, graph.get(merged.id).aliases) == (survivor.id, ["Bobby"])
    assert merged.id not in [e.id for e in graph.list()]
    told = {(r.type, r.fact) for r in graph.facts("Bobby")}
    assert told == {
        ("knows", "Robert Hall knows Ann"), ("lives_in", "Robert Hall lives in Graz"),
        ("works_at", "Bobby is with Acme"), ("knows", "Carl knows Bob Hall."), ("likes", "Robert Hall likes chess"),
        ("likes", "Robert Hall likes golf"), ("likes", "Robert Hall likes tea"),
    }  # fmt: skip
    [moved] = graph.facts(merged.id, type="works_at")
    assert (moved.source_id, moved.weight, moved.valid_from) == (survivor.id, 0.5, datetime(2021, 1, 1, tzinfo=UTC))
    assert graph.fact(one.id).superseded_at == moved.recorded_at
    assert graph.fact(same.id).superseded_at is not None, "the survivor has the very same"
    assert {e.name for e in graph.within(merged.id, hops=1).entities} == {
        "Ann",
        "Graz",
        "Acme",
        "Carl",
        "chess",
        "golf",
        "tea",
    }
    assert graph.add_fact(merged, "likes", "cake").source_id == survivor.id
    assert [hit.source["source"] for hit in memory.search("Acme", kinds=["fact"])][:1] != []

    after = [graph.facts(e, known_at=before) for e in (survivor, merged, "Bobby", "Robert Hall", "Acme")]
    believed = [[(r.id, r.source_id, r.target_id) for r in rows] for rows in after]
    assert believed == [[(r.id, r.source_id, r.target_id) for r in rows] for rows in reads]
    assert [graph.within(e, known_at=before) for e in (survivor.id, merged.id, "Bobby")] == walks
    with pytest.raises(ConflictError, match=f"was merged into entity {survivor.id}"):
        graph.update(merged.id, description="gone")


def test_reverting_a_merge_restores_everything(memory: Memory, dsn: str) -> None:
    graph = memory.graph
    graph.add_fact("Ann", "knows", "Bob")
    graph.add_fact("BOB.", "works_at", "Acme")
    before = dump(dsn)
    proposal = merge_of(memory)
    memory.proposals.apply(proposal.id)
    assert dump(dsn) != before
    reverted = memory.proposals.revert(proposal.id)
    assert reverted.status == "reverted"
    assert dump(dsn) == before
    with pytest.raises(ConflictError, match="is reverted"):
        memory.proposals.revert(proposal.id)
    assert graph.propose_merges() == []


def test_a_change_that_was_undone_is_reverted_already(memory: Memory) -> None:
    memory.graph.add_entity("Beta", "firm")
    memory.graph.add_entity("Beta.", "firm")
    applied = memory.proposals.apply(merge_of(memory).id)
    memory.undo(applied.change_id)
    assert memory.proposals.revert(applied.id).status == "reverted"
    assert len(memory.graph.list(type="firm")) == 2


def test_what_changed_since_stands_in_the_way_of_reverting(memory: Memory) -> None:
    for friend in ("Ann", "Carl"):
        memory.graph.add_fact(memory.graph.add_entity("Bob", "person"), "knows", friend)
    memory.graph.add_fact(memory.graph.add_entity("bob!", "person"), "works_at", "Acme")
    applied = memory.proposals.apply(merge_of(memory).id)
    [fact] = memory.graph.facts("Bob", type="works_at")
    memory.graph.retract_fact(fact.id)
    with pytest.raises(ConflictError, match=f"fact {fact.id} was changed later"):
        memory.proposals.revert(applied.id)
    assert memory.proposals.get(applied.id).status == "applied"


def test_what_changed_since_stands_in_the_way_of_applying(memory: Memory, dsn: str) -> None:
    memory.graph.add_entity("Bob", "person")
    other = memory.graph.add_entity("bob!", "person")
    proposal = merge_of(memory)
    memory.graph.update(other, name="Bobsleigh")
    before = dump(dsn)
    with pytest.raises(ConflictError, match="is 'Bobsleigh' \\(person\\) now"):
        memory.proposals.apply(proposal.id)
    memory.graph.delete(other)
    with pytest.raises(NotFoundError):
        memory.proposals.apply(proposal.id)
    assert memory.proposals.get(proposal.id).status == "proposed"
    assert len(dump(dsn)["kg_entities"]) == len(before["kg_entities"]) - 1


def test_merges_follow_each_other(memory: Memory, dsn: str) -> None:
    graph = memory.graph
    graph.add_fact(graph.add_entity("Bob", "person"), "knows", "Ann")
    graph.add_fact(graph.add_entity("BOB!", "person"), "knows", "Carl")
    graph.add_fact(graph.add_entity("bob.", "person"), "knows", "Dora")
    before = dump(dsn)
    one, two, three = graph.propose_merges()
    memory.proposals.apply(one.id)
    memory.proposals.apply(two.id)
    with pytest.raises(ConflictError, match="are one already"):
        memory.proposals.apply(three.id)
    assert len(graph.find("bob")) == 1
    assert {r.fact for r in graph.facts("BOB!")} == {"Bob knows Ann", "BOB! knows Carl", "bob. knows Dora"}
    memory.proposals.revert(two.id)
    memory.proposals.revert(one.id)
    assert dump(dsn) == before


def test_who_looked_before_a_merge_writes_to_the_survivor(memory: Memory) -> None:
    graph = memory.graph
    survivor = graph.add_fact(graph.add_entity("Bob", "person"), "knows", "Ann").source_id
    merged = graph.add_entity("bob!", "person")
    memory.proposals.apply(merge_of(memory).id)
    assert graph.add_fact(merged, "likes", "tea").source_id == survivor
    with scope_of(memory).change() as (connection, change_id):
        late = NewFact(merged.id, survivor, "is", "late", 1.0, {}, None, None, None, None)
        told = GraphStore(connection, scope_of(memory).author).insert_fact(
            late, change_id=change_id, language="english", embedding_model=None
        )
    assert (told.source_id, told.target_id) == (survivor, survivor)


def test_deleting_a_survivor_takes_along_what_was_merged_into_it(memory: Memory, dsn: str) -> None:
    memory.graph.add_fact(memory.graph.add_entity("Bob", "person"), "knows", "Ann")
    memory.graph.add_entity("bob!", "person")
    memory.proposals.apply(merge_of(memory).id)
    before = dump(dsn)
    memory.graph.delete("Bob")
    assert [row["name"] for row in dump(dsn)["kg_entities"]] == ["Ann"]
    memory.undo()
    assert dump(dsn) == before


def test_the_later_belief_wins_where_two_become_one(memory: Memory) -> None:
    graph = memory.graph
    graph.declare_functional("works_at")
    graph.add_fact(graph.add_entity("Bob", "person"), "works_at", "Acme", valid_from="2020-01-01")
    graph.add_fact(graph.add_entity("bob!", "person"), "works_at", "Beta", valid_from="2023-01-01")
    proposal = merge_of(memory)
    assert proposal.score == pytest.approx(0.6), "contradictions speak against it"
    assert proposal.evidence["contradictions"] == ["Bob works at Acme / bob! works at Beta"]
    memory.proposals.apply(proposal.id)
    told = {(r.fact, r.valid_from and r.valid_from.year, r.valid_to and r.valid_to.year)
            for r in graph.facts("Bob")}  # fmt: skip
    assert told == {("Bob works at Acme", 2020, 2023), ("bob! works at Beta", 2023, None)}


def test_merged_entities_travel_and_are_forgotten(dsn: str) -> None:
    with Memory("ann", dsn=dsn) as memory, Agents(dsn) as agents:
        memory.graph.add_fact(memory.graph.add_entity("Bob", "person"), "knows", "Ann")
        memory.graph.add_entity("bob!", "person")
        applied = memory.proposals.apply(merge_of(memory).id)
        agents.fork("ann", "copy")
        with Memory("copy", dsn=dsn) as copy:
            assert copy.graph.find("bob!") == copy.graph.find("Bob")
            copy.proposals.revert(applied.id)
            assert len(copy.graph.list()) == 3
        survivor = memory.graph.get("Bob")
        counts = memory.forget(survivor.id, "entity")
        assert (counts["kg_entities"], counts["proposals"]) == (2, 1)
        assert [e.name for e in memory.graph.list()] == ["Ann"]


def test_a_judge_decides_what_is_unsure(memory: Memory) -> None:
    def judge(pair: Any) -> tuple[bool, str] | None:
        names = {pair.one_name, pair.other_name}
        return None if "J. Moe" in names else ("Ann Lee" in names, "because")

    for name in ("Ann Lee", "A. Lee", "Robert Poe", "R. Poe", "John Moe", "J. Moe"):
        memory.graph.add_entity(name, "person")
    made = memory.graph.propose_merges(judge=judge)
    assert [(p.change["survivor"]["name"], p.score) for p in made] == [
        ("Ann Lee", 0.8),
        ("John Moe", pytest.approx(0.7)),
    ]
    [refused] = memory.proposals.list("rejected")
    assert refused.evidence["judge"] == "not the same: because"


WORDS = ("Ann", "ann.", "ANN", "Bob", "bob!", "Acme")


@st.composite
def worlds(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Entities that are alike, and statements between them with times and functional types."""
    names = draw(st.lists(st.sampled_from(WORDS), min_size=2, max_size=6, unique=True))
    ends = st.integers(0, len(names) - 1)
    years = st.one_of(st.none(), st.integers(2000, 2004))
    told = st.tuples(ends, st.sampled_from(["knows", "works_at"]), ends, years, st.booleans())
    return [*((name,) for name in names), *draw(st.lists(told, max_size=10))]


@given(worlds(), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None, suppress_health_check=[*HealthCheck])
def test_merges_reverted_in_any_world_leave_no_trace(dsn: str, world: list[tuple[Any, ...]], random: Any) -> None:
    with Memory("ann", dsn=dsn, options=WITHOUT_MODEL) as memory:
        memory.forget_agent()
        graph = memory.graph
        graph.declare_functional("works_at")
        things: list[Entity] = [graph.add_entity(row[0], "thing") for row in world if len(row) == 1]
        for row in world:
            if len(row) == 5:
                source, type, target, year, ended = row
                start = None if year is None else datetime(year, 1, 1, tzinfo=UTC)
                end = datetime(2010, 1, 1, tzinfo=UTC) if ended else None
                graph.add_fact(things[source], type, things[target], valid_from=start, valid_to=end)
        before, moment = dump(dsn), now(dsn)
        reads = seen(memory, things, moment)
        applied = []
        for proposal in graph.propose_merges():
            with suppress(ConflictError):  # the two are one already
                applied.append(memory.proposals.apply(proposal.id).id)
        assert seen(memory, things, moment) == reads, "what was believed then"
        for thing in graph.list():
            for year in range(2000, 2011):
                at = datetime(year, 6, 1, tzinfo=UTC)
                jobs = graph.facts(thing, direction="out", type="works_at", valid_at=at)
                assert len({r.target_id for r in jobs}) <= 1, "one target at a time"
        for id in reversed(applied):
            memory.proposals.revert(id)
        assert dump(dsn) == before


def seen(memory: Memory, things: list[Entity], moment: datetime) -> list[Any]:
    def read(of: Callable[[], Any]) -> Any:
        try:
            return of()
        except Exception as error:  # noqa: BLE001 - an ambiguous name is as ambiguous as it was
            return str(error)

    def told(ref: Entity | str) -> list[Any]:
        return [(r.id, r.source_id, r.target_id) for r in memory.graph.facts(ref, known_at=moment)]

    refs: list[Entity | str] = [*things, *(thing.name for thing in things)]
    return [
        [read(lambda ref=ref: told(ref)), read(lambda ref=ref: memory.graph.within(ref, known_at=moment))]  # type: ignore[misc]
        for ref in refs
    ]


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("José García", "Jose Garcia", 0.9, 0.9),
        ("Acme Inc.", "ACME", 0.9, 0.9),
        ("Smith, John", "John Smith", 0.85, 0.85),
        ("J. R. Smith", "John Smith", 0.7, 0.7),
        ("J. Smith", "John Smith", 0.7, 0.7),
        ("IBM", "International Business Machines", 0.7, 0.7),
        ("Katherine Johnson", "Katharine Johnson", 0.75, 0.75),
        ("Apollo 11", "Apollo 13", 0.0, 0.0),
        ("World War I", "World War II", 0.0, 0.0),
        ("Paris", "London", 0.0, 0.0),
        ("…", "Ann", 0.0, 0.0),
    ],
)
def test_how_names_agree(one: str, other: str, least: float, most: float) -> None:
    assert least <= agreement(one, other)[0] <= most
    assert agreement(one, other)[0] == agreement(other, one)[0]
