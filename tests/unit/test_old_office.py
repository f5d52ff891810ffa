"""Old Office files and odd presentations: what is not read is named, and a refusal says why."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from memgpt.documents.formats import legacy, media_types
from memgpt.documents.formats.extract import extract
from memgpt.errors import InputError
from tests import document_files as make

_R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'


def word(*, flags: int = 0, magic: int = 0xA5EC, **characters: int) -> bytes:
    places = {"footnotes": 0x50, "comments": 0x5C, "endnotes": 0x60, "boxes": 0x64}
    head = bytearray(4096)
    struct.pack_into("<H8xH", head, 0, magic, flags)
    for name, count in characters.items():
        struct.pack_into("<i", head, places[name], count)
    return make.compound({"WordDocument": bytes(head)})


def sheet(*records: int) -> bytes:
    return make.compound({"Workbook": b"".join(struct.pack("<HH2x", kind, 2) for kind in (0x809, *records, 0x0A))})


def slides(body: bytes = b"", user: bytes = b"\x5f\xc0\x91\xe3") -> bytes:
    return make.compound({"PowerPoint Document": body, "Current User": bytes(12) + user})


@pytest.mark.parametrize(
    ("data", "media_type", "note"),
    [
        (word(), legacy.DOC, None),
        (word(comments=5, footnotes=9), legacy.DOC, "footnotes and comments are not read; save it as .docx first"),
        (sheet(0x1C), legacy.XLS, "comments are not read; save it as .xlsx first"),
        (sheet(), legacy.XLS, None),
        (slides(struct.pack("<HH", 0x0F, 0x2EE0)), legacy.PPT, "comments are not read; save it as .pptx first"),
        (slides(), legacy.PPT, None),
        (rb"{\rtf1 a{\*\annotation said}}", legacy.RTF, "comments are not read; save it as .docx first"),
        (rb"{\rtf1 \annotationx}", legacy.RTF, None),
        (
            make.zipped({"xl/workbook.bin": "", "xl/comments1.bin": ""}),
            media_types.XLSB,
            "comments are not read; save it as .xlsx first",
        ),
        (b"\xd0\xcf\x11\xe0 no compound file", legacy.DOC, None),
    ],
)
def test_what_an_old_file_has_beside_its_text_is_named(data: bytes, media_type: str, note: str | None) -> None:
    assert legacy.unread(data, media_type) == note


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (word(flags=0x0100), "a.doc", "encrypted"),
        (word(magic=0xA5DC), "a.doc", "a Word file of before 1997: save it as .docx first"),
        (slides(user=b"\xdf\xc4\xd1\xf3"), "a.ppt", "encrypted"),
        (make.compound({"EncryptedSummary": b"x", "PowerPoint Document": b"x"}), "a.ppt", "encrypted"),
    ],
)
def test_a_protected_or_ancient_file_is_not_called_corrupt_or_empty(data: bytes, name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        extract(data, name)


@pytest.mark.parametrize(
    "picture",
    [
        "<p:pic><p:blipFill><a:blip/></p:blipFill></p:pic>",
        "<p:pic><p:blipFill/></p:pic>",
        "<p:pic/>",
        f'<p:pic><p:blipFill><a:blip {_R} r:link="rId9"/></p:blipFill></p:pic>',
        f'<p:pic><p:blipFill><a:blip {_R} r:embed="rId9"/></p:blipFill></p:pic><p:pic/>',
    ],
)
def test_one_odd_picture_does_not_refuse_a_presentation(picture: str) -> None:
    out = io.BytesIO()
    whole = make.pptx([("Tides", "High at noon"), ("Berths", "East wall")])
    with zipfile.ZipFile(io.BytesIO(whole)) as archive, zipfile.ZipFile(out, "w") as changed:
        for name in archive.namelist():
            content = archive.read(name).decode()
            odd = content.replace("</p:spTree>", f"{picture}</p:spTree>") if name.endswith("slide1.xml") else content
            changed.writestr(name, odd)
    extracted = extract(out.getvalue(), "a.pptx")
    assert all(words in extracted.text for words in ("Tides", "High at noon", "Berths", "East wall"))
    assert [number for _, number in extracted.pages] == [1, 2]


def test_comments_of_an_opendocument_sheet_are_kept() -> None:
    spaces = (
        'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    )
    comment = "<office:annotation><text:p>ask <text:span>Ann</text:span></text:p></office:annotation>"
    cell = f'<table:table-cell office:value-type="string">{comment}<text:p>Dolphin</text:p></table:table-cell>'
    rows = f'<table:table table:name="Boats"><table:table-row>{cell}</table:table-row></table:table>'
    content = (
        f'<office:document-content {spaces} office:version="1.2"><office:body><office:spreadsheet>{rows}'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>'
    )
    data = make.zipped({"mimetype": kind, "META-INF/manifest.xml": manifest, "content.xml": content})
    text = extract(data, "a.ods").text
    assert text.count("Dolphin") == 1
    assert "ask Ann" in text


def test_a_tab_between_two_words_of_a_word_file_keeps_them_apart() -> None:
    whole = make.docx([(1, "Form", "Name:TABAnn Lee")])
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive, zipfile.ZipFile(out, "w") as changed:
        for name in archive.namelist():
            content = archive.read(name).decode()
            changed.writestr(name, content.replace("TAB", '</w:t><w:tab/><w:t xml:space="preserve">'))
    assert "Name: Ann Lee" in extract(out.getvalue(), "a.docx").text
