"""What people, models and files give a memory: odd times, texts, names and numbers are kept exactly or refused."""

from __future__ import annotations

import base64
import json
import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from io import StringIO
from time import process_time
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from memgpt import Agent, Agents, Memory, validation
from memgpt.agent.chat_model import ChatModel
from memgpt.database.connection import Database
from memgpt.errors import InputError, MemgptError
from memgpt.graph.extraction import schema
from memgpt.memory import scope_of
from memgpt.models import Json
from memgpt.reembed import reembed
from memgpt.search.fusion import new_matcher
from memgpt.search.ranking import SoftMatcher
from memgpt.server.keys import Keys
from tests.chat_server import ChatServer, Say

NFC = "Das Café Übermut öffnet um neun."
NFD = unicodedata.normalize("NFD", NFC)
ESCAPE = r"strip [\u0000-\u001f] first"


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


EDGES = [
    "9999-12-31T23:59:59-05:00",
    "9999-12-31T00:00:00Z",
    "0001-01-01T00:00:00+05:00",
    "0001-01-01",
    datetime.max,
    datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
]


@pytest.mark.parametrize("edge", EDGES)
def test_a_time_at_the_edge_of_the_calendar_is_refused_everywhere(memory: Memory, edge: Any) -> None:
    calls: dict[str, Callable[[], object]] = {
        "created_at": lambda: memory.remember("x", created_at=edge),
        "expires_at": lambda: memory.remember("x", expires_at=edge),
        "item 1: created_at": lambda: memory.messages.append_many(
            [{"content": "x"}, {"content": "y", "created_at": edge}]
        ),
        "valid_from": lambda: memory.graph.add_fact("Ann", "likes", "tea", valid_from=edge),
        "known_at": lambda: memory.graph.facts(known_at=edge),
        "since": lambda: memory.search("x", since=edge),
        "until": lambda: memory.messages.list(until=edge),
        "time": lambda: memory.as_of(edge),
    }
    for what, call in calls.items():
        with pytest.raises(InputError, match=f"^{what} must be from 0001-01-02 to 9999-12-30 in UTC"):
            call()
    assert (memory.archival.list(), memory.messages.list()) == ([], [])


def test_times_that_no_datetime_holds_are_read_as_the_nearest(memory: Memory, dsn: str) -> None:
    memory.remember("an innocent fact")
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "INSERT INTO archival_memories (agent_id, text, created_at, expires_at) VALUES "
            "('ann', 'bc', '4000-01-01 BC', 'infinity'), ('ann', 'far', '294000-01-01', NULL), "
            "('ann', 'ever', '-infinity', NULL)"
        )
    found = {m.text: m for m in memory.archival.list()}
    assert found["bc"].created_at == found["ever"].created_at == validation.EARLIEST
    assert found["bc"].expires_at == found["far"].created_at == validation.LATEST
    assert "innocent" in memory.context("innocent").text


@pytest.mark.parametrize(
    "settings", ["-c DateStyle=SQL,DMY -c TimeZone=Asia/Kolkata", "-c DateStyle=German -c TimeZone=UTC"]
)
def test_times_are_utc_whatever_the_server_says(dsn: str, settings: str) -> None:
    when = datetime(2026, 11, 25, 20, tzinfo=UTC)
    with Memory("ann", dsn=make_conninfo(dsn, options=settings)) as memory:
        kept = memory.messages.append("user", "good evening", created_at=when)
        memory.messages.update(kept.id, metadata={"a": 1})
        memory.graph.add_fact("Ann", "likes", "tea", valid_from="2026-11-25T20:00:00Z")
        assert str(memory.messages.get(kept.id).created_at) == "2026-11-25 20:00:00+00:00"
        old = memory.history("message")[0].old
        assert old is not None
        assert datetime.fromisoformat(old["created_at"]) == when
        assert old["created_at"].endswith("+00:00")
        [fact] = memory.search("Ann likes tea", kinds=["fact"])
        assert fact.source["valid_from"] == "2026-11-25T20:00:00+00:00"
        assert "2026-11-25 20:00 UTC" in memory.context("evening").text


def test_a_time_in_another_zone_is_the_same_moment_in_utc() -> None:
    moment = validation.moment("2026-11-26T01:30:00+05:30", "it")
    assert moment is not None
    assert moment.isoformat() == "2026-11-25T20:00:00+00:00"


SHOT = base64.b64encode(random.Random(1).randbytes(1_500_000)).decode()
CYRILLIC = " ".join(f"слово{n}жизнь" for n in range(60_000))


@pytest.mark.parametrize("text", [SHOT, CYRILLIC, "a" * 1_500_000], ids=["base64", "cyrillic", "one word"])
def test_a_text_of_any_length_is_kept_and_found_by_its_beginning(memory: Memory, text: str) -> None:
    kept = memory.remember(f"Zanzibar {text}")
    said, result = memory.messages.append_many(
        [{"content": f"look Quagadugu {text[:1000]}"}, {"role": "tool", "content": text, "tool_call_id": "1"}]
    )
    assert memory.archival.get(kept.id).text == f"Zanzibar {text}"
    assert memory.messages.get(result.id).content == text
    assert memory.search('"zanzibar"', kinds=["archival"])[0].id == kept.id
    assert memory.search('"quagadugu"', kinds=["message"])[0].id == said.id
    scope = scope_of(memory)
    with scope.database.caches.using(scope.agent_id, SoftMatcher, new_matcher) as matcher:
        assert len(matcher.lexicon.words) < 10_000, "what ranks reads the beginning"


LONG = "".join(random.Random(5).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=4000))


@pytest.mark.parametrize("name", [LONG, "字" * 900], ids=["characters", "bytes"])
def test_names_that_no_index_holds_are_refused_with_their_field(memory: Memory, dsn: str, name: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "session": lambda: memory.messages.append("user", "x", session=name),
        "intent": lambda: memory.messages.append("user", "x", intent=name),
        "label": lambda: memory.core[name].append("x"),
        "tags": lambda: memory.remember("x", tags=[name]),
        "source": lambda: memory.documents.add("x", title="t", source=name),
        "name": lambda: memory.graph.add_entity(name),
        "type": lambda: memory.graph.add_fact("a", name, "b"),
        "agents": lambda: memory.core["human"].share_with(name),
        "agent": lambda: Memory(name, dsn=dsn),
    }
    for field, call in calls.items():
        with pytest.raises(InputError, match=rf"{field}.*; the limit is"):
            call()


@pytest.mark.parametrize("id", [" ann", "ann\n", "an\nn", "\u2028ann", "*", "team-*", ".", ".."])
def test_what_no_address_or_key_can_name_is_no_agent(memory: Memory, dsn: str, id: str) -> None:
    memory.remember("tea")
    with Agents(dsn) as agents, closing(Database(dsn)) as database:
        file = StringIO()
        agents.export("ann", file)
        calls: list[Callable[[], object]] = [
            lambda: Memory(id, dsn=dsn),
            lambda: agents.create(id),
            lambda: agents.rename("ann", id),
            lambda: agents.fork("ann", id),
            lambda: agents.import_(file, id),
            lambda: memory.core["human"].share_with(id),
        ]
        for call in calls:
            with pytest.raises(InputError, match=r"agent.* (must not|begins or ends|has the control|has a)"):
                call()
        if not id.endswith("*"):
            with pytest.raises(InputError, match=r"agents (must not|begins or ends|has the control|has a)"):
                Keys(database).create(agents=[id])
        assert [agent.agent_id for agent in agents.list()] == ["ann"]


@pytest.mark.parametrize("id", [2**70, -(2**70), "5", "abc", 1.5, True, 10**4000])
def test_an_id_that_is_none_is_refused_by_every_verb(memory: Memory, id: Any) -> None:
    for call in (
        memory.archival.get,
        memory.archival.delete,
        lambda id: memory.archival.update(id, importance=1.0),
        lambda id: memory.archival.supersede(id, "x"),
        lambda id: memory.archival.touch([id]),
        memory.messages.get,
        memory.messages.delete,
        lambda id: memory.messages.update(id, content="x"),
        lambda id: memory.messages.list(before=id),
        memory.documents.get,
        memory.documents.text,
        memory.documents.delete,
        memory.documents.chunk,
        memory.graph.fact,
        memory.graph.retract_fact,
        memory.proposals.get,
        memory.proposals.apply,
        memory.forget,
        lambda id: memory.history("archival", id),
        lambda id: memory.history(before=id),
        lambda id: memory.as_of("2026-01-01").archival(id),
        lambda id: memory.archival.list(after=id),
        lambda id: memory.search("x", offset=id),
    ):
        with pytest.raises(MemgptError):
            call(id)


def nested(depth: int) -> Json:
    value: Json = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        (nested(3000), "metadata is nested more than 100 deep"),
        ({"a": [1, {"b": float("nan")}]}, r"metadata\['a'\]\[1\]\['b'\] cannot be written as JSON: it is nan"),
        ({"a": "x\0y"}, r"metadata\['a'\] has a NUL character at position 1"),
        ({"a\ud83d": 1}, "metadata has a key with half of a surrogate pair"),
        ({"a": {1: 2}}, r"metadata\['a'\] has a key that is not a text: 1"),
        ({"a": 10**2000}, r"metadata\['a'\] is a number of more than 1,000 digits"),
        ({"a": ["x" * 5_000_001] * 2}, "characters as JSON; the limit is 10?,000,000"),
    ],
)
def test_metadata_that_cannot_be_kept_is_refused_with_its_path(memory: Memory, metadata: Json, problem: str) -> None:
    for call in (
        lambda: memory.remember("x", metadata=metadata),
        lambda: memory.messages.append("user", "x", metadata=metadata),
        lambda: memory.search("x", metadata=metadata),
    ):
        with pytest.raises(InputError, match=problem):
            call()


def test_metadata_of_a_message_holds_a_whole_turn(memory: Memory) -> None:
    metadata: Json = {"a": "x" * 1_000_001}
    assert memory.messages.append("user", "x", metadata=metadata).metadata == metadata
    for call in (lambda: memory.remember("x", metadata=metadata), lambda: memory.search("x", metadata=metadata)):
        with pytest.raises(InputError, match="the limit is 1,000,000"):
            call()


def test_six_characters_are_no_nul(memory: Memory) -> None:
    kept = memory.remember("a", metadata={"regex": ESCAPE})
    assert memory.archival.get(kept.id).metadata == {"regex": ESCAPE}
    assert [hit.id for hit in memory.search("a", metadata={"regex": ESCAPE})] == [kept.id]
    call = {"id": "1", "function": {"name": "f", "arguments": '{"s": "a\\u0000b"}'}}
    assert memory.messages.append("assistant", None, tool_calls=[call]).tool_calls == [call]
    assert memory.graph.add_entity("E", "thing", properties={"regex": ESCAPE}).properties == {"regex": ESCAPE}


@pytest.mark.parametrize(
    "arguments", [{"content": ESCAPE}, '{"content": "x", "score": NaN}', "[" * 5000, '{"content": "a\\u0000b\\ud83d"}']
)
def test_a_turn_survives_what_a_model_sends_as_arguments(memory: Memory, arguments: Any) -> None:
    with ChatServer().running() as chat:
        chat.script(Say("", [("archival_memory_insert", arguments)]), Say("done"), Say("still here"))
        agent = Agent(memory, ChatModel("openai:scripted", base_url=chat.url))
        assert agent.send("hello").text == "done"
        assert agent.send("and now?").text == "still here"
    if isinstance(arguments, dict):
        assert memory.archival.list()[0].text == ESCAPE


def test_both_unicode_forms_are_one_text(memory: Memory) -> None:
    first = memory.remember(NFD)
    again = memory.remember(NFC)
    assert (again.id, again.duplicate) == (first.id, True)
    assert [r.id for r in memory.remember_many([{"text": NFC}, {"text": NFD}])] == [first.id, first.id]
    assert memory.archival.get(first.id).text == NFD
    other = memory.remember(unicodedata.normalize("NFD", "Der Tisch wird größer"))
    assert memory.search('"größer"')[0].id == other.id
    assert memory.search(unicodedata.normalize("NFD", '"größer"'))[0].id == other.id
    scores = [memory.search(query, kinds=["archival"], limit=1)[0].score for query in (NFC, NFD)]
    assert scores[0] == scores[1]


def test_both_unicode_forms_are_one_name(memory: Memory) -> None:
    nfc, nfd = "Müller", unicodedata.normalize("NFD", "Müller")
    memory.core[nfd].rethink(NFD)
    assert memory.core[nfc].replace("Café", "Teehaus").value == NFD.replace(
        unicodedata.normalize("NFD", "Café"), "Teehaus"
    )
    memory.messages.append("user", "hello", session=nfd)
    assert [m.content for m in memory.messages.list(session=nfc)] == ["hello"]
    kept = memory.remember("tagged", tags=[nfd])
    assert [m.id for m in memory.archival.list(tags=[nfc])] == [kept.id]
    assert memory.graph.add_entity(nfd).id == memory.graph.add_entity(nfc).id


def test_large_numbers_in_metadata_keep_their_value(memory: Memory) -> None:
    metadata = {"n": [1e23, 2.0**200, 10**300, -1e22, 1.5e-300, 5e-324, 0.1]}
    kept = memory.remember("numbers", metadata=metadata)
    assert memory.archival.get(kept.id).metadata == metadata


def test_an_agent_lives_in_its_own_time_zone(memory: Memory, dsn: str) -> None:
    memory.messages.append("user", "good evening", created_at="2026-11-25T20:30:00Z")
    assert memory.time_zone == "UTC"
    memory.set_time_zone("Pacific/Auckland")
    assert "2026-11-26 09:30 Pacific/Auckland" in memory.context("evening").text
    with pytest.raises(InputError, match="time_zone must be a time zone such as Europe/Vienna, not 'Mars/Base'"):
        memory.set_time_zone("Mars/Base")
    with Agents(dsn) as agents:
        assert agents.describe("ann").time_zone == "Pacific/Auckland"
        agents.fork("ann", "twin")
        file = StringIO()
        agents.export("ann", file)
        agents.import_(file, "again")
        assert {agents.describe(name).time_zone for name in ("twin", "again")} == {"Pacific/Auckland"}
        assert agents.create("vienna", time_zone="Europe/Vienna").time_zone == "Europe/Vienna"


def test_summaries_show_times_of_the_agents_zone(memory: Memory) -> None:
    memory.set_time_zone("Pacific/Auckland")
    with ChatServer().running() as server:
        server.script(otherwise=lambda _: Say("Hm. " * 400))
        agent = Agent(memory, ChatModel("openai:scripted", base_url=server.url), window=4096)
        for n in range(6):
            agent.send(f"Number {n} " + "and so on " * 60)
        asked = [json.dumps(request["messages"]) for request in server.requests if "Summary so far" in str(request)]
    assert asked
    assert all(re.search(r"\d\d:\d\d Pacific/Auckland user: ", text) for text in asked)


def test_yesterday_is_that_of_the_agents_people(memory: Memory) -> None:
    zone = ZoneInfo("Pacific/Kiritimati")
    now = datetime.now(zone)
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    for days in range(4):
        when = noon - timedelta(days=days)
        memory.messages.append("user", f"we ate soup number {days}", created_at=when)
    memory.set_time_zone(zone.key)
    hits = memory.search("which soup did we eat yesterday?", kinds=["message"], explain=True)
    dated = {hit.text: hit.explain["features"].get("date", 0.0) for hit in hits if hit.explain is not None}
    assert max(dated, key=lambda text: dated[text]) == "we ate soup number 1"


def test_an_imported_row_has_a_time_inside_the_calendar(memory: Memory, dsn: str) -> None:
    memory.remember("x", expires_at="2030-01-01")
    with Agents(dsn) as agents:
        file = StringIO()
        agents.export("ann", file)
        for edge in ("9999-12-31T23:59:59-14:00", "infinity", "4000-01-01 BC"):
            bad = StringIO(file.getvalue().replace("2030-01-01T00:00:00+00:00", edge))
            with pytest.raises(InputError, match=r"line \d+: expires_at"):
                agents.import_(bad, "other")


def test_a_date_a_model_gives_is_inside_the_calendar() -> None:
    assert schema._moment("2024") == "2024-01-01T00:00:00+00:00"
    assert schema._moment("2026-11-26T01:30:00+05:30") == "2026-11-25T20:00:00+00:00"
    with pytest.raises(InputError):
        schema._moment("9999-12-31T23:59:59-14:00")


def test_a_time_in_the_history_of_a_file_is_inside_the_calendar(memory: Memory, dsn: str) -> None:
    memory.archival.update(memory.remember("p", expires_at="2030-01-01").id, expires_at="2031-01-01")
    with Agents(dsn) as agents:
        file = StringIO()
        agents.export("ann", file, history=True)
        bad = StringIO(file.getvalue().replace("2030-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"))
        with pytest.raises(InputError, match=r"line \d+: old.expires_at must be from"):
            agents.import_(bad, "other")


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("Vie\u0323\u0302t", "Vi\u1ec7t"),
        ("Vi\u00ea\u0323t", "Vi\u1ec7t"),
        ("Vi\u1eb9\u0302t", "Vi\u00ea\u0323t"),
        ("\u09c7\u09be", "\u09cb"),
        ("\u1100\u1161\u11a8", "\uac01"),
        ("\uac00\u11a8", "\u1100\u1161\u11a8"),
        ("\u212b", "A\u030a"),
        ("\u0f40\u0f71\u0f72", "\u0f40\u0f73"),
    ],
)
def test_a_text_of_a_block_is_found_in_any_of_its_forms(memory: Memory, written: str, asked: str) -> None:
    block = memory.core["human"]
    block.rethink(f"in {written} now")
    assert block.replace(asked, "Graz").value == "in Graz now"
    block.rethink(f"{written} and {asked}")
    with pytest.raises(InputError, match="occurs 2 times"):
        block.replace(asked, "Graz")


def test_part_of_a_letter_is_not_replaced(memory: Memory) -> None:
    block = memory.core["human"]
    block.rethink("cafe\u0301")
    with pytest.raises(InputError, match="does not occur"):
        block.replace("cafe", "tea")


@pytest.mark.parametrize("character", ["a b ", "a", "\u0301"])
def test_a_long_text_is_kept_in_time_with_its_length(memory: Memory, character: str) -> None:
    def seconds(length: int) -> float:
        text = (f"{length} " + character * length)[:length]
        began = process_time()
        memory.remember(text)
        memory.messages.append("user", text)
        return process_time() - began

    seconds(1000)
    assert seconds(2_000_000) < 60 * max(seconds(200_000), 0.05)


def test_embedding_anew_reads_the_form_that_is_embedded_first(memory: Memory, dsn: str) -> None:
    ids = [memory.remember(text).id for text in (NFD, "x")]
    before = vectors(dsn, ids)
    with psycopg.connect(dsn) as owner:
        owner.execute("UPDATE archival_memories SET embedding_model = 'other' WHERE id = ANY (%s)", [ids])
    reembed(scope_of(memory).model.name, dsn=dsn)
    assert vectors(dsn, ids) == before


def vectors(dsn: str, ids: list[int]) -> list[tuple[str]]:
    with psycopg.connect(dsn) as owner:
        found = owner.execute("SELECT embedding::text FROM archival_memories WHERE id = ANY (%s) ORDER BY id", [ids])
        return found.fetchall()
