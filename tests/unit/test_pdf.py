"""What stands on the pages of a PDF beside their text: comments, form fields, attached files, scanned pages."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from memgpt.documents.formats import recognition
from memgpt.documents.formats.extract import extract
from memgpt.errors import InputError, MissingExtraError
from tests import document_files as make

WORDS = "Boats under ten metres pay nine pounds a night at the east wall."


def drawn(text: str, folder: Path) -> bytes:
    """A picture of a page with this text."""
    import kreuzberg

    path = folder / "drawn.pdf"
    path.write_bytes(make.pdf([[(1, "Harbour dues", text)]]))
    return kreuzberg.render_pdf_page(str(path), 0, dpi=150)


def test_comments_and_form_fields_are_kept_on_their_page() -> None:
    data = make.annotated_pdf(
        "The berth is free.",
        b"/Subtype /Text /Contents (ask the harbour master)",
        b"/Subtype /FreeText /Contents (since Monday)",
        b"/Subtype /Link /Contents (a link)",
        b"/Subtype /Widget /FT /Tx /T (boat) /TU (Name of the boat) /V (Dolphin)",
        b"/Subtype /Widget /T (paid) /V /Yes /AS /Yes",
        b"/Subtype /Widget /T (insured) /V /Off /AS /Off",
        b"/Subtype /Widget /Parent 13 0 R",
        b"/T (owner) /V (Ann Lee)",
    )
    extracted = extract(data, "form.pdf")
    lines = [line for line in extracted.text.splitlines() if line][2:]
    assert lines == [
        "[comment: ask the harbour master]",
        "[comment: since Monday]",
        "Name of the boat: Dolphin",
        "paid: Yes",
        "owner: Ann Lee",
    ]
    assert (extracted.pages, extracted.note) == ([(0, 1)], None)


def test_a_form_with_nothing_but_its_fields_is_a_text() -> None:
    data = make.scanned_pdf(make.png())
    annotated = data.replace(b"/Contents 5 0 R", b"/Contents 5 0 R /Annots [<< /Subtype /Text /Contents (said) >>]")
    assert "[comment: said]" in extract(annotated, "a.pdf").text


def test_attached_files_are_named() -> None:
    file = b"<< /Type /Filespec /F (dues.xlsx) /EF << /F 4 0 R >> >>"
    names = b"/Names << /EmbeddedFiles << /Names [(dues.xlsx) %s] >> >>" % file
    note = extract(make.annotated_pdf("See the table.", catalog=names), "a.pdf").note
    assert note == "attached files are not read: dues.xlsx"


def test_comments_that_cannot_be_read_are_named() -> None:
    data = make.pdf([[(1, "Harbour", "The boats lie at the wall.")]])
    extracted = extract(data.replace(b"/MediaBox", b"/Annots 7 /MediaBox"), "a.pdf")
    assert "boats lie" in extracted.text
    assert extracted.note == "comments and form fields are not read: its structure is damaged or protected"


def test_scanned_pages_between_others_are_named() -> None:
    data = make.scanned_pdf(make.png(), make.png(), last=[(1, "Text", "The tide is high.")])
    note = extract(data, "a.pdf").note
    assert note is not None
    assert note.startswith("not read, for it is a picture: pages 1, 2; recognise their characters with --ocr")


@pytest.mark.skipif(find_spec("rapidocr") is None, reason="the extra ocr is not installed")
def test_the_characters_of_scanned_pages_are_recognised_on_request(tmp_path: Path) -> None:
    data = make.scanned_pdf(drawn(WORDS, tmp_path), last=[(1, "Text", "The tide is high.")])
    extracted = extract(data, "a.pdf", ocr=True)
    assert WORDS in extracted.text
    assert "The tide is high." in extracted.text
    assert [number for _, number in extracted.pages] == [1, 2]
    assert extracted.note == "characters recognised: page 1"
    assert WORDS in extract(make.scanned_pdf(drawn(WORDS, tmp_path)), "a.pdf", ocr=True).text
    with pytest.raises(InputError, match="no text"):
        extract(make.scanned_pdf(make.png(600, 800)), "a.pdf", ocr=True)


def test_without_the_extra_recognition_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    recognition.engine.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "rapidocr", None)
    with pytest.raises(MissingExtraError, match=r"memgpt-postgres\[ocr\]"):
        extract(make.scanned_pdf(make.png()), "a.pdf", ocr=True)
