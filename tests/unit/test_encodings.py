"""Texts, tables and pages in the encodings that people's files have, and names of files that are not UTF-8."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt.documents.files import path_of, source_name
from memgpt.documents.formats import encodings
from memgpt.documents.formats.extract import extract
from memgpt.errors import InputError, MissingExtraError

TEXTS = {
    "cp1250": "Herbata, zażółć gęślą jaźń",
    "cp1251": "Чай собран в Краснодарском крае",
    "cp1252": "Grüße aus dem Café an der Straße",
    "cp1253": "Τσάι από το όρος Όλυμπος",
    "cp1254": "Yeşil çay ışığı",
    "cp1255": "תה מגליל עליון",
    "cp1256": "شاي من جبال الأطلس",
    "cp866": "Чай собран в Краснодарском крае",
    "koi8_r": "Чай собран в Краснодарском крае",
    "mac_roman": "Thé vert, café für Straße",
    "cp850": "Thé vert, café für Straße",
    "shift_jis": "緑茶は京都府宇治市の茶葉",
    "euc_jp": "緑茶、京都府宇治市",
    "iso2022_jp": "緑茶は京都府宇治市の茶葉",
    "gb18030": "绿茶产自杭州西湖",
    "big5": "綠茶產自台灣",
    "cp949": "보성에서 재배한 찻잎",
    "tis_620": "ชาจากเชียงราย",
    "utf-16-le": "Café ohne Marke",
    "utf-16-be": "Café ohne Marke",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_a_text_in_another_encoding_is_read_and_the_guess_is_noted(encoding: str) -> None:
    text = f"{TEXTS[encoding]}\n{TEXTS[encoding]}\n"
    decoded = encodings.decode(text.encode(encoding))
    assert decoded.text == text
    assert "a guess (confidence 0." in (decoded.note or "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_is_marked_or_utf8_is_no_guess(encoding: str) -> None:
    decoded = encodings.decode("grün 緑茶\r\nb\rc\n".encode(encoding))
    assert (decoded.text, decoded.note) == ("grün 緑茶\nb\nc\n", None)


@pytest.mark.parametrize("encoding", [name for name in TEXTS if name not in ("cp866", "mac_roman", "cp850")])
def test_a_page_is_read_as_it_declares(encoding: str) -> None:
    page = f"<html><head><meta charset='{encoding}'><title>{TEXTS[encoding]}</title></head><p>{TEXTS[encoding]}</html>"
    extracted = extract(page.encode(encoding), "page.html")
    assert TEXTS[encoding] in extracted.text
    assert extracted.title == TEXTS[encoding]


def test_a_table_in_another_encoding() -> None:
    assert (
        "| 緑茶 | 京都府宇治市の茶葉 |" in extract("名,所\n緑茶,京都府宇治市の茶葉\n".encode("shift_jis"), "a.csv").text
    )


def test_a_page_that_declares_falsely_is_read_as_the_utf8_it_is() -> None:
    extracted = extract("<meta charset=iso-8859-1><p>Grüße".encode(), "page.html")
    assert "Grüße" in extracted.text


def test_a_few_strange_bytes_do_not_turn_utf8_into_something_else() -> None:
    decoded = encodings.decode(("Grüße aus Köln. " * 40).encode() + b"\xff")
    assert decoded.text.startswith("Grüße aus Köln.")
    assert "1 characters could not be read" in (decoded.note or "")


def test_the_caller_may_name_the_encoding() -> None:
    assert encodings.decode("Čaj".encode("cp1250"), encoding="cp1250").text == "Čaj"
    for name, words in (("klingon", "no encoding"), ("base64", "no encoding"), ("ascii", "position 0")):
        with pytest.raises(InputError, match=words):
            encodings.decode(b"\xc8aj", encoding=name)


@pytest.mark.parametrize("data", [b"a\0b", bytes(range(1, 32)) * 9, b"\xff\xfe\xff", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_binary_is_no_text(data: bytes) -> None:
    with pytest.raises(InputError, match="binary"):
        encodings.decode(data)


def test_without_the_extra_nothing_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chardet", None)
    assert encodings.decode(b"plain").text == "plain"
    with pytest.raises(MissingExtraError, match="not UTF-8"):
        encodings.decode("grün".encode("cp1252"))


@given(st.binary(max_size=30))
def test_every_name_of_a_file_is_kept_reversibly(raw: bytes) -> None:
    raw = raw.replace(b"\0", b"")
    path = Path(os.fsdecode(raw))
    name = source_name(path)
    assert name.encode().decode() == name
    assert os.fsencode(path_of(name)) == os.fsencode(path)
