"""Texts that were written before each was stemmed in its own language are read by one command, which goes on where it
was interrupted."""

from __future__ import annotations

import json

import pytest

from memgpt import Agents, Memory, Settings
from memgpt.cli import app
from memgpt.database.connection import connect
from memgpt.errors import InputError
from memgpt.reembed import backfill, doctor
from memgpt.reembed.backfill import LanguagesReport, read_languages
from tests.integration.test_languages import TEXTS

OLD = Settings(embedding_model="none", language="english")
NOW = Settings(embedding_model="none")


def written_before(dsn: str, *agents: str) -> None:
    """Write as it was before migration 023: everything in English, and nothing noted."""
    for agent in agents:
        with Memory(agent, dsn=dsn, options=OLD) as memory:
            memory.remember_many([{"text": text} for text, _ in TEXTS.values()])
            memory.messages.append_many([{"role": "user", "content": TEXTS["german"][0]}, {"content": "Ja"}])
            memory.graph.add_fact("Иван", "живет", "Москва", fact=TEXTS["russian"][0])
    with connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE agents SET languages_read = false, languages = '{}'")


def findings(dsn: str) -> list[tuple[str, str]]:
    return [(f.message, f.action) for f in doctor.examine(dsn, options=NOW) if f.check == "languages"]


def test_texts_of_before_are_found_in_their_languages_once_they_are_read(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written_before(dsn, "ann", "bob")
    with Memory("new", dsn=dsn, options=NOW) as memory:
        memory.remember(TEXTS["german"][0])
        message = f"{2 * len(TEXTS)} texts of archival_memories were never looked at for their language: "
        assert (f"{message}searches take them for English", "memgpt db languages") in findings(dsn)
    app(["db", "languages", "--dsn", dsn, "--json"], standalone_mode=False)
    report = json.loads(capsys.readouterr().out)
    assert report["agents"] == 2
    assert report["changed"] >= 2 * (len(TEXTS) - 1 + 2 + 1)
    assert findings(dsn) == [("each text was looked at for its language", "")]
    with Memory("bob", dsn=dsn, options=NOW) as memory:
        for language, (text, query) in TEXTS.items():
            hit = memory.search(query, kinds=["archival"])[0]
            assert (hit.text, memory.archival.get(hit.id).language) == (text, language)
        assert memory.search("Haus besichtigen", kinds=["message"])
    assert read_languages(dsn, options=NOW) == LanguagesReport()


def test_a_run_that_was_interrupted_is_gone_on_with(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "AT_ONCE", 4)
    written_before(dsn, "ann", "bob")
    seen: list[tuple[str, int]] = []

    def told(agent: str, report: LanguagesReport) -> None:
        seen.append((agent, report.changed))
        if agent == "bob":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_languages(dsn, options=NOW, progress=told)
    assert [changed for _, changed in seen] == sorted(changed for _, changed in seen)
    assert findings(dsn)[0][0].startswith(f"{len(TEXTS) - 3} texts of archival_memories"), "ann is done, bob begun"
    rest = read_languages(dsn, options=NOW)
    assert rest.agents == 1
    assert read_languages(dsn, options=NOW, agent="ann").changed == 0
    with Memory("bob", dsn=dsn, options=NOW) as memory:
        assert memory.search(TEXTS["russian"][1], kinds=["fact"])
    with pytest.raises(InputError, match="agent_id"):
        read_languages(dsn, options=NOW, agent="")


def test_a_copy_of_what_was_not_read_is_not_read_and_a_setting_is_heeded(dsn: str) -> None:
    written_before(dsn, "ann")
    with Agents(dsn, options=NOW) as agents:
        agents.fork("ann", "copy")
    german = Settings(embedding_model="none", language="german")
    assert read_languages(dsn, options=german).agents == 2
    with Memory("copy", dsn=dsn, options=german) as memory:
        assert {m.language for m in memory.archival.list()} == {"german"}
