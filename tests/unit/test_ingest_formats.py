"""Telling formats apart, decoding texts, and reading each format."""

from __future__ import annotations

import sys

import pytest

from memgpt.documents.formats import media_types
from memgpt.documents.formats.extract import extract
from memgpt.documents.formats.pdf import pdf_text
from memgpt.errors import MissingExtraError
from tests import document_files as make


@pytest.mark.parametrize(
    ("data", "name", "media_type"),
    [
        (b"# Title", "a.md", "text/markdown"),
        (b"text", "a", "text/plain"),
        (b"a,b\n1,2\n", "a.csv", "text/csv"),
        (b"<html></html>", "a.html", "text/html"),
        (make.pdf([[(1, "A", "b")]]), "a.bin", media_types.PDF),
        (make.docx([(1, "A", "b")]), "a.zip", media_types.DOCX),
        (make.xlsx({"A": [["1"]]}), "a.xlsx", media_types.XLSX),
        (make.pptx([("A", "b")]), "", media_types.PPTX),
        (make.epub("A", [(1, "B", "c")]), "a.epub", media_types.EPUB),
        (b"{\\rtf1 text}", "a.doc", "application/rtf"),
    ],
)
def test_the_content_decides(data: bytes, name: str, media_type: str) -> None:
    assert media_types.detect(data, f".{name.rpartition('.')[2]}") == media_type


@pytest.mark.parametrize(
    ("data", "table"),
    [
        (b"name;age\nAnn;7\nBob;8\n", "| name | age |\n| --- | --- |\n| Ann | 7 |\n| Bob | 8 |\n"),
        (b'a,b\n"x, y","l1\nl2"\n', "| a | b |\n| --- | --- |\n| x, y | l1 l2 |\n"),
        (b"a,b\n1\n", "| a | b |\n| --- | --- |\n| 1 |  |\n"),
        (b"only\none column\n", "only\none column\n"),
    ],
)
def test_separated_values_become_a_table(data: bytes, table: str) -> None:
    assert extract(data, "a.csv").text == table


def test_without_the_extra_plain_formats_work_and_others_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kreuzberg", None)
    for name in ("a.txt", "a.md", "a.csv"):
        assert extract(b"some,text\n1,2\n", name).text
    with pytest.raises(MissingExtraError, match=r"pip install 'memgpt-postgres\[documents\]'"):
        extract(make.docx([(1, "A", "b")]), "a.docx")


def test_tables_headings_and_escapes_of_a_word_file() -> None:
    data = make.docx([(1, "One", "snake_case *stars* [x] 1. #no"), (2, "Two", "more")], table=[["a", "b"], ["1", "2"]])
    text = extract(data, "a.docx").text
    assert "# One" in text
    assert "# Two" in text
    assert "snake_case *stars* [x] 1. #no" in text
    assert "| 1   | 2   |" in text


def test_slides_and_attachments() -> None:
    slides = extract(make.pptx([("One", "first"), ("Two", "second")]), "a.pptx")
    assert [(slides.text[at:].split("\n", 1)[0], page) for at, page in slides.pages] == [("## One", 1), ("## Two", 2)]
    mail = extract(make.email("Hi", "Dear Bob\n", note="see below"), "a.eml")
    assert mail.title == "Hi"
    assert "# Attachment: note.txt\n\nsee below" in mail.text
    assert "From: " in mail.text


def test_a_web_page_without_its_scripts_and_front_matter() -> None:
    page = extract(make.html("The title", [(1, "Top", "words")]), "a.html")
    assert (page.title, page.text.strip()) == ("The title", "# Top\n\nwords")


def test_a_pdf_keeps_lines_of_tables_and_joins_those_of_paragraphs() -> None:
    wide = "This line is about as wide as the page is and goes on in the"
    page = f"Report 2026\n{wide}\nnext one, and ends here.\nName Year\nMary 1901\n1. # not a heading"
    text, pages = pdf_text([page, "", f"Second\n{wide} hyphen-\nated words."], "# Report 2026\n\nx\n\n## Second")
    assert text.startswith(f"# Report 2026\n\n{wide} next one, and ends here.\n")
    assert "\nName Year\nMary 1901\n" in text
    assert "## Second\n" in text
    assert [number for _, number in pages] == [1, 3]
    assert text[pages[1][0] :].startswith("## Second")
    assert "hyphenated words." in text


def test_characters_that_cannot_be_stored_are_replaced_and_counted() -> None:
    extracted = extract(b"a NUL \0 in it. " + b"words and more words " * 20, "a.txt")
    assert extracted.text.startswith("a NUL \ufffd in it.")
    assert "1 characters cannot be stored and are U+FFFD" in str(extracted.note)
    notebook = b'{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "markdown", "source": "half \\ud83d one"}]}'
    assert "half \ufffd one" in extract(notebook, "a.ipynb").text
