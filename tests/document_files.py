"""Small real documents of every format, made with the standard library alone."""

from __future__ import annotations

import io
import struct
import textwrap
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from xml.sax.saxutils import escape

Section = tuple[int, str, str]
"""Level of the heading, heading, text below it."""

_OFFICE = "http://schemas.openxmlformats.org"
_TYPES = "application/vnd.openxmlformats-officedocument"


def pdf(pages: Sequence[Sequence[Section]]) -> bytes:
    """Headings are larger by level; texts are wrapped, their own line breaks kept."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for page in pages:
        content = _page(page)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        resources = b"/Resources << /Font << /F1 3 0 R >> >>"
        box = b"/MediaBox [0 0 595 842]"
        objects.append(b"<< /Type /Page /Parent 2 0 R %s %s /Contents %d 0 R >>" % (box, resources, len(objects)))
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    return _numbered(objects)


def _page(sections: Sequence[Section]) -> bytes:
    lines = ["BT", "1 0 0 1 56 790 Tm"]
    for level, heading, text in sections:
        size = 26 - 4 * level
        lines += [f"/F1 {size} Tf", f"0 -{size + 10} Td", f"({_string(heading)}) Tj"]
        lines += ["/F1 10 Tf", "0 -18 Td"]
        for paragraph in text.splitlines():
            for line in textwrap.wrap(paragraph, 95) or [""]:
                lines += [f"({_string(line)}) Tj", "0 -13 Td"]
    return "\n".join([*lines, "ET"]).encode("latin-1")


def _string(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _numbered(objects: Sequence[bytes]) -> bytes:
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.writelines(b"%010d 00000 n \n" % place for place in places)
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return out.getvalue()


def scanned_pdf(*pictures: bytes, last: Sequence[Section] = ()) -> bytes:
    """A page for each PNG picture of three colours, then a page of text if there is one."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for picture in pictures:
        width, height = struct.unpack(">II", picture[16:24])
        about = b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB" % (width, height)
        how = b"/Filter /FlateDecode /DecodeParms << /Predictor 15 /Colors 3 /Columns %d >>" % width
        pixels = _pixels(picture)
        drawn = b"595 0 0 842 0 0 cm /P Do"
        objects += [
            b"<< %s /BitsPerComponent 8 %s /Length %d >>\nstream\n%s\nendstream" % (about, how, len(pixels), pixels),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn),
        ]
        resources = b"/Resources << /XObject << /P %d 0 R >> >>" % (len(objects) - 1)
        objects.append(_leaf(resources, len(objects)))
        kids.append(b"%d 0 R" % len(objects))
    if last:
        content = _page(last)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(_leaf(b"/Resources << /Font << /F1 3 0 R >> >>", len(objects)))
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    return _numbered(objects)


def _leaf(more: bytes, contents: int) -> bytes:
    return b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] %s /Contents %d 0 R >>" % (more, contents)


def png(width: int = 8, height: int = 8) -> bytes:
    """A white picture."""
    rows = zlib.compress((b"\0" + b"\xff" * 3 * width) * height)
    parts = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _pixels(picture: bytes) -> bytes:
    """The compressed rows of a PNG, which PDF can hold as they are."""
    at, rows = 8, b""
    while at < len(picture):
        size, kind = struct.unpack(">I4s", picture[at : at + 8])
        rows += picture[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    return rows


def annotated_pdf(text: str, *annotations: bytes, catalog: bytes = b"") -> bytes:
    """A page of text with annotations, each the inside of its dictionary; ``catalog`` is more of the first object."""
    content = _page([(1, "Page", text)])
    first = 6
    numbers = b" ".join(b"%d 0 R" % (first + n) for n in range(len(annotations)))
    more = b"/Resources << /Font << /F1 3 0 R >> >> /Annots [%s]" % numbers
    return _numbered(
        [
            b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog,
            b"<< /Type /Pages /Count 1 /Kids [5 0 R] >>",
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
            _leaf(more, 4),
            *(b"<< /Type /Annot /Rect [0 0 9 9] %s >>" % annotation for annotation in annotations),
        ]
    )


def compound(streams: Mapping[str, bytes]) -> bytes:
    """An OLE compound file, as Office wrote before 2007; a few streams that fit into 60 KB together."""
    free, end = 0xFFFFFFFF, 0xFFFFFFFE
    table, body = [0xFFFFFFFD, end], b""
    names = ["Root Entry", *streams]
    entries = b""
    for number, name in enumerate(names):
        content = streams.get(name, b"")
        content += bytes(-len(content) % 512 if len(content) >= 4096 else 4096 - len(content)) if number else b""
        count, first = len(content) // 512, len(table)
        table += [*range(first + 1, first + count), end] if count else []
        after = number + 1 if 0 < number < len(names) - 1 else free
        utf16 = name.encode("utf-16-le") + b"\0\0"
        links = struct.pack("<BBIII", 2 if number else 5, 1, free, after, free if number else 1)
        place = struct.pack("<16x4x16xIQ", first if number else end, len(content))
        entries += utf16.ljust(64, b"\0") + struct.pack("<H", len(utf16)) + links + place
        body += content
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + struct.pack("<16xHHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, end, 0, end, 0) + struct.pack("<109I", 0, *[free] * 108)
    assert len(entries) <= 512
    assert len(table) <= 128
    return head + struct.pack("<128I", *table, *[free] * (128 - len(table))) + entries.ljust(512, b"\0") + body


def encrypted_pdf() -> bytes:
    """One whose password nobody knows."""
    body = pdf([[(1, "Secret", "nothing to see")]])
    blank = b"<" + b"5a" * 32 + b">"
    lock = b"/Encrypt << /Filter /Standard /V 1 /R 2 /O %s /U %s /P -4 >> /ID [<00> <00>]" % (blank, blank)
    return body.replace(b"/Root 1 0 R", b"/Root 1 0 R " + lock)


def docx(sections: Sequence[Section], *, title: str = "", table: Sequence[Sequence[str]] = ()) -> bytes:
    """Headings in Word's styles, then a table."""
    word = f'xmlns:w="{_OFFICE}/wordprocessingml/2006/main"'
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{n}"><w:name w:val="heading {n}"/></w:style>'
        for n in range(1, 7)
    )
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="Heading{level}"/></w:pPr>{_run(heading)}</w:p>'
        + "".join(f"<w:p>{_run(paragraph)}</w:p>" for paragraph in text.split("\n\n"))
        for level, heading, text in sections
    )
    rows = "".join(f"<w:tr>{''.join(f'<w:tc><w:p>{_run(cell)}</w:p></w:tc>' for cell in row)}</w:tr>" for row in table)
    body += f"<w:tbl>{rows}</w:tbl>" if rows else ""
    return _office(
        "word/document.xml",
        f"{_TYPES}.wordprocessingml.document.main+xml",
        f"<w:document {word}><w:body>{body}</w:body></w:document>",
        {
            "word/styles.xml": (
                f"{_TYPES}.wordprocessingml.styles+xml",
                f"<w:styles {word}>{styles}</w:styles>",
                "styles",
            )
        },
        title,
    )


def _run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


def pptx(slides: Sequence[tuple[str, str]]) -> bytes:
    """Slides with a title and a text."""
    spaces = f'xmlns:a="{_OFFICE}/drawingml/2006/main" xmlns:p="{_OFFICE}/presentationml/2006/main"'
    linked = f'xmlns:r="{_OFFICE}/officeDocument/2006/relationships"'
    ids = "".join(f'<p:sldId id="{256 + n}" r:id="rId{n + 2}"/>' for n in range(len(slides)))
    parts = {
        f"ppt/slides/slide{n}.xml": (f"{_TYPES}.presentationml.slide+xml", _slide(spaces, *slide), "slide")
        for n, slide in enumerate(slides, 1)
    }
    main = f"<p:presentation {spaces} {linked}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>"
    return _office("ppt/presentation.xml", f"{_TYPES}.presentationml.presentation.main+xml", main, parts, "", first=2)


def _slide(spaces: str, title: str, text: str) -> str:
    shapes = "".join(
        f'<p:sp><p:nvSpPr><p:cNvPr id="{n}" name="{kind}"/><p:cNvSpPr/><p:nvPr><p:ph type="{kind}"/></p:nvPr>'
        "</p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/>"
        f"{''.join(f'<a:p><a:r><a:t>{escape(t)}</a:t></a:r></a:p>' for t in lines)}"
        "</p:txBody></p:sp>"
        for n, kind, lines in ((2, "title", [title]), (3, "body", text.splitlines()))
    )
    return f"<p:sld {spaces}><p:cSld><p:spTree><p:nvGrpSpPr/><p:grpSpPr/>{shapes}</p:spTree></p:cSld></p:sld>"


def xlsx(sheets: Mapping[str, Sequence[Sequence[str]]]) -> bytes:
    """Sheets of texts."""
    space = f'xmlns="{_OFFICE}/spreadsheetml/2006/main"'
    linked = f'xmlns:r="{_OFFICE}/officeDocument/2006/relationships"'
    names = "".join(f'<sheet name="{escape(n)}" sheetId="{i}" r:id="rId{i}"/>' for i, n in enumerate(sheets, 1))
    parts = {
        f"xl/worksheets/sheet{i}.xml": (
            f"{_TYPES}.spreadsheetml.worksheet+xml",
            f"<worksheet {space}><sheetData>{''.join(map(_cells, rows))}</sheetData></worksheet>",
            "worksheet",
        )
        for i, rows in enumerate(sheets.values(), 1)
    }
    main = f"<workbook {space} {linked}><sheets>{names}</sheets></workbook>"
    return _office("xl/workbook.xml", f"{_TYPES}.spreadsheetml.sheet.main+xml", main, parts)


def _cells(row: Sequence[str]) -> str:
    cells = (f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>' for cell in row)
    return f"<row>{''.join(cells)}</row>"


def _office(
    main: str, kind: str, xml: str, parts: Mapping[str, tuple[str, str, str]], title: str = "", *, first: int = 1
) -> bytes:
    """A package: its main part, the parts that hang on it (type, XML, relationship), its properties."""
    relation = f"{_OFFICE}/officeDocument/2006/relationships"
    folder, _, name = main.partition("/")
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{relation}/{link}" Target="{path.removeprefix(folder + "/")}"/>'
        for n, (path, (_, _, link)) in enumerate(parts.items(), first)
    )
    types = "".join(
        f'<Override PartName="/{path}" ContentType="{what}"/>'
        for path, what in ((main, kind), *((path, part[0]) for path, part in parts.items()))
    )
    relationships = f'xmlns="{_OFFICE}/package/2006/relationships"'
    core = (
        f'<cp:coreProperties xmlns:cp="{_OFFICE}/package/2006/metadata/core-properties" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{escape(title)}</dc:title></cp:coreProperties>'
    )
    members = {
        "[Content_Types].xml": f'<Types xmlns="{_OFFICE}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{types}</Types>',
        "_rels/.rels": f'<Relationships {relationships}><Relationship Id="rId1" Type="{relation}/officeDocument" '
        f'Target="{main}"/><Relationship Id="rId2" Target="docProps/core.xml" '
        f'Type="{_OFFICE}/package/2006/relationships/metadata/core-properties"/></Relationships>',
        "docProps/core.xml": core,
        main: xml,
        f"{folder}/_rels/{name}.rels": f"<Relationships {relationships}>{links}</Relationships>",
        **{path: part[1] for path, part in parts.items()},
    }
    return zipped({path: f'<?xml version="1.0" encoding="UTF-8"?>{text}' for path, text in members.items()})


def epub(title: str, chapters: Sequence[Section]) -> bytes:
    """A book of XHTML chapters."""
    pages = {
        f"OEBPS/c{n}.xhtml": '<html xmlns="http://www.w3.org/1999/xhtml"><body>'
        f"<h{level}>{escape(heading)}</h{level}><p>{escape(text)}</p></body></html>"
        for n, (level, heading, text) in enumerate(chapters)
    }
    items = "".join(
        f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>' for n in range(len(pages))
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(pages)))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:identifier id="i">x</dc:identifier><dc:title>{escape(title)}</dc:title><dc:language>en</dc:language>'
        f"</metadata><manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    return zipped(
        {"mimetype": "application/epub+zip", "META-INF/container.xml": container, "OEBPS/content.opf": package} | pages
    )


def email(subject: str, text: str, **attachments: str) -> bytes:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Ann <ann@example.com>", "bob@example.com"
    message["Date"] = "Mon, 02 Nov 2026 10:00:00 +0000"
    message.set_content(text)
    for name, attached in attachments.items():
        message.add_attachment(attached.encode(), maintype="text", subtype="plain", filename=f"{name}.txt")
    return message.as_bytes()


def html(title: str, sections: Sequence[Section]) -> bytes:
    body = "".join(f"<h{level}>{escape(heading)}</h{level}><p>{escape(text)}</p>" for level, heading, text in sections)
    head = f"<title>{escape(title)}</title><script>never()</script>"
    return f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>".encode()


def zipped(members: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in members.items():
            archive.writestr(zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0)), text)
    return out.getvalue()
