"""Texts in several languages in one memory: each is found in its own, without a setting."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from memgpt import Agents, Memory, Settings
from memgpt.database.connection import connect
from tests.conftest import Server

TEXTS = {
    "english": ("The engineers were repairing the old bridges near the river.", "repair a bridge"),
    "german": ("Gestern haben wir mit den Kindern die alten Häuser am Hafen besichtigt.", "Haus besichtigen"),
    "french": ("Nous avons acheté des journaux et des gâteaux pour les enfants.", "acheter un journal"),
    "spanish": ("Los pescadores vendían sus barcos en el puerto por la mañana.", "pescador vende barco"),
    "russian": ("Вчера мы гуляли с собаками по старым паркам города.", "гулять с собакой"),
    "turkish": ("Çocuklar bahçedeki ağaçların altında kitaplarını okuyorlardı.", "bahçede ağaç"),
    "greek": ("Τα παιδιά έπαιζαν στους δρόμους της παλιάς πόλης.", "παλιός δρόμος"),
    "arabic": ("ذهب الأطفال إلى المدرسة القديمة في الصباح الباكر", "مدرسة"),
    "hindi": ("बच्चे पुराने बगीचों में किताबें पढ़ रहे थे।", "किताब"),
    "simple": ("昨天我们和孩子们参观了港口的老房子。", "港口的房子"),
}
PLAIN = Settings(embedding_model="none")


@pytest.fixture(scope="module")
def world(server: Server, template: str) -> Iterator[Memory]:
    name = server.create(template)
    with Memory("world", dsn=server.dsn(name), options=PLAIN) as memory:
        for text, _ in TEXTS.values():
            memory.remember(text)
        yield memory
    server.drop(name)


@pytest.mark.parametrize("language", TEXTS)
def test_a_text_is_stemmed_and_found_in_its_own_language(world: Memory, language: str) -> None:
    text, query = TEXTS[language]
    hits = world.search(query, kinds=["archival"])
    assert hits[0].text == text
    assert world.archival.get(hits[0].id).language == language


def test_phrases_and_exclusions_are_read_in_every_language_of_the_agent(world: Memory) -> None:
    def found(query: str) -> list[str]:
        return [hit.text for hit in world.search(query, kinds=["archival"])]

    assert found('"alten Häusern"') == [TEXTS["german"][0]]
    assert found('"港口的老房子"') == [TEXTS["simple"][0]]
    assert TEXTS["german"][0] not in found("Hafen Kinder -Haus")
    assert TEXTS["spanish"][0] not in found("puerto -barco")


def test_the_other_kinds_have_the_language_of_their_texts(dsn: str) -> None:
    german, query = TEXTS["german"]
    with Memory("ann", dsn=dsn, options=PLAIN) as memory:
        memory.messages.append_many([{"role": "user", "content": text} for text in (german, "Ja!", "Na gut")])
        memory.documents.create([{"text": german}], title="Notiz")
        memory.graph.add_fact("Ann", "besichtigt", "Hafen", fact=german)
        assert {hit.kind for hit in memory.search(query) if hit.text == german} == {"message", "chunk", "fact"}
    with connect(dsn, autocommit=True) as connection:
        rows = connection.execute("SELECT content, language FROM conversations ORDER BY id").fetchall()
    assert rows == [(german, "german"), ("Ja!", "german"), ("Na gut", "german")], "what does not tell is as the others"


def test_a_changed_text_changes_its_language_and_copies_keep_theirs(dsn: str) -> None:
    german, query = TEXTS["german"]
    with Memory("ann", dsn=dsn, options=PLAIN) as memory:
        kept = memory.remember(TEXTS["french"][0]).id
        assert memory.archival.update(kept, text=german).language == "german"
    file = io.StringIO()
    with Agents(dsn=dsn, options=PLAIN) as agents:
        agents.fork("ann", "copy")
        agents.export("ann", file)
        file.seek(0)
        agents.import_(file, "imported")
    for name in ("copy", "imported"):
        with Memory(name, dsn=dsn, options=PLAIN) as memory:
            assert [hit.text for hit in memory.search(query)] == [german]


def test_a_language_that_is_set_is_that_of_every_text(dsn: str) -> None:
    with Memory("ann", dsn=dsn, options=Settings(embedding_model="none", language="german")) as memory:
        kept = memory.remember(TEXTS["french"][0])
        assert memory.archival.get(kept.id).language == "german"


def test_an_english_memory_notes_no_languages_and_another_one_each_once(dsn: str) -> None:
    with Memory("ann", dsn=dsn, options=PLAIN) as memory:
        memory.remember(TEXTS["english"][0])
        memory.remember("Anna")
        assert _languages(dsn) == []
        for name in ("german", "russian", "german"):
            memory.remember(f"{TEXTS[name][0]} {name}")
    assert _languages(dsn) == ["german", "russian"]


def _languages(dsn: str) -> list[str]:
    with connect(dsn, autocommit=True) as connection:
        row = connection.execute("SELECT languages FROM agents WHERE agent_id = 'ann'").fetchone()
    assert row is not None
    found: list[str] = row[0]
    return found


def test_the_offline_vectors_of_words_without_blanks_have_no_say(dsn: str) -> None:
    with Memory("ann", dsn=dsn) as memory:
        memory.remember_many([{"text": TEXTS["simple"][0]}, {"text": TEXTS["german"][0]}])
        [chinese, *_] = memory.search(TEXTS["simple"][1], explain=True)
        assert chinese.text == TEXTS["simple"][0]
        assert chinese.explain is not None
        assert not chinese.explain["vector"]
        [german, *_] = memory.search(TEXTS["german"][1], explain=True)
        assert german.explain is not None
        assert german.explain["vector"]
