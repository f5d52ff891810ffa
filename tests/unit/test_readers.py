"""Each format gives all its words: what the extraction library leaves out is read by us, or named in the note."""

from __future__ import annotations

import base64
import io
import json
import random
import zipfile

import pytest

from memgpt.documents.formats import embedded
from memgpt.documents.formats.extract import extract
from memgpt.errors import InputError
from tests import document_files as make

_ODF = 'xmlns:office="o" xmlns:text="t" xmlns:table="ta" xmlns:draw="d" xmlns:presentation="p" xmlns:dc="c"'


def opendocument(kind: str, body: str, **members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        archive.writestr("content.xml", f"<office:c {_ODF}><office:body>{body}</office:body></office:c>")
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def picture(size: int = 30_000) -> str:
    return base64.b64encode(random.Random(1).randbytes(size)).decode()


def with_member(data: bytes, name: str, content: str) -> bytes:
    out = io.BytesIO(data)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(name, content)
    return out.getvalue()


def cell(body: str) -> str:
    return f"<table:table-cell>{body}</table:table-cell>"


def row(*cells: str) -> str:
    return f"<table:table-row>{''.join(map(cell, cells))}</table:table-row>"


def test_an_odt_keeps_spans_lists_notes_comments_and_what_cells_hold() -> None:
    listed = "<text:list><text:list-item><text:p>first</text:p></text:list-item></text:list>"
    inner = f"<table:table>{row('<text:p>inner</text:p>')}</table:table>"
    note = "<text:note-citation>1</text:note-citation><text:note-body><text:p>a note</text:p></text:note-body>"
    body = (
        "<office:text><text:tracked-changes><text:deletion><text:p>gone</text:p></text:deletion></text:tracked-changes>"
        '<text:h text:outline-level="2">Form</text:h>'
        f'<text:p>Name<text:span>: <text:span>Ann</text:span></text:span><text:s text:c="2"/>Lee'
        f"<text:note>{note}</text:note></text:p>"
        "<text:p>See<office:annotation><dc:creator>Bo</dc:creator><text:p>check</text:p></office:annotation></text:p>"
        f"<table:table>{row(listed, '<text:p>b</text:p>')}{row(inner, '')}</table:table></office:text>"
    )
    extracted = extract(opendocument("text", body), "form.odt")
    assert extracted.text.startswith(
        "## Form\n\nName: Ann  Lee [1: a note]\n\nSee [comment: check]\n\n| - first | b |\n"
    )
    assert "inner" in extracted.text
    assert "gone" not in extracted.text
    assert extracted.note == "1 passages that tracked changes delete are left out"


def test_an_odp_has_slides_with_notes() -> None:
    slide = "<draw:page><draw:frame><draw:text-box><text:p>{0}</text:p></draw:text-box></draw:frame>{1}</draw:page>"
    box = "<draw:frame><draw:text-box><text:p>say it slowly</text:p></draw:text-box></draw:frame>"
    notes = f"<presentation:notes>{box}</presentation:notes>"
    body = f"<office:presentation>{slide.format('One', notes)}{slide.format('Two', '')}</office:presentation>"
    extracted = extract(opendocument("presentation", body), "talk.odp")
    assert [(extracted.text[at:].split("\n")[0], page) for at, page in extracted.pages] == [("One", 1), ("Two", 2)]
    assert "Notes: say it slowly" in extracted.text


def paragraph(*runs: str) -> str:
    return f"<w:p>{''.join(f'<w:r><w:t>{run}</w:t></w:r>' for run in runs)}</w:p>"


@pytest.mark.parametrize(
    ("name", "member", "section"),
    [
        ("comments.xml", f"<c xmlns:w='w'>{paragraph('Strictly ', 'private')}</c>", "Comments"),
        ("header1.xml", f"<c xmlns:w='w'>{paragraph('Strictly ', 'private')}</c>", "Headers and footers"),
        ("footnotes.xml", f"<c xmlns:w='w'>{paragraph('Strictly private')}</c>", "Footnotes"),
        ("charts/chart1.xml", "<c xmlns:c='c'><c:v>Strictly private</c:v></c>", "Diagrams and charts"),
        ("diagrams/data1.xml", "<c xmlns:a='a'><a:p><a:t>Strictly private</a:t></a:p></c>", "Diagrams and charts"),
    ],
)
def test_a_word_file_keeps_what_stands_beside_its_text(name: str, member: str, section: str) -> None:
    data = with_member(make.docx([(1, "Boats", "in the harbour")]), f"word/{name}", member)
    assert extract(data, "a.docx").text.count("Strictly private") == 1
    assert f"# {section}\n\nStrictly private" in extract(data, "a.docx").text


def test_a_notebook_is_its_cells_and_what_they_say() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Depth\n", "412 m"], "attachments": {"p.png": {"image/png": picture()}}},
        {
            "cell_type": "code",
            "source": "print(depth)",
            "outputs": [
                {"output_type": "stream", "text": ["412\n"]},
                {"output_type": "display_data", "data": {"image/png": picture(), "text/plain": ["<Figure>"]}},
                {"output_type": "error", "ename": "ValueError", "evalue": "too deep", "traceback": ["x"]},
            ],
        },
    ]
    notebook = {"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4}
    extracted = extract(json.dumps(notebook).encode(), "bay.ipynb")
    assert (
        extracted.text
        == "# Depth\n412 m\n\n```python\nprint(depth)\n```\n\n```\n412\n```\n\n```\nValueError: too deep\n```\n"
    )
    assert (extracted.title, extracted.note) == ("Depth", "2 pictures and other outputs without text are left out")
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": "1 + 1", "outputs": []}]}]}
    assert "1 + 1" in extract(json.dumps(old).encode(), "old.ipynb").text


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "a.vtt",
            "WEBVTT\n\nNOTE by hand\n\n1\n00:01.000 --> 00:02.000\n<v Ann>Hello\n\n00:02.000 --> 00:03.000\nHello\n",
            "Ann: Hello\nHello\n",
        ),
        (
            "a.srt",
            "1\n00:00:01,000 --> 00:00:02,000\n<i>Good</i> day\n\n2\n00:00:02,000 --> 00:00:03,000\nGood day\n",
            "Good day\n",
        ),
        (
            "a.org",
            "#+TITLE: Plan\n* Next\nsee [[https://a.example][the map]]\n#+begin_src sh\nls\n#+end_src\n",
            "Plan\n# Next\nsee the map (https://a.example)\n```sh\nls\n```\n",
        ),
        (
            "a.rst",
            "=====\nTitle\n=====\n\nSee :func:`len`.\n\nPart\n----\n\ntext\n",
            "# Title\n\nSee len.\n\n## Part\n\ntext\n",
        ),
        (
            "a.opml",
            "<opml><head><title>Links</title></head>"
            "<body><outline text='Sea'><outline text='Tide' _note='high'/></outline></body></opml>",
            "Links\n\n- Sea\n  - Tide high\n",
        ),
        ("a.xml", "<?xml version='1.0'?><a><b x='1'>first</b><b>second</b></a>", "first\nsecond\n"),
        (
            "a.fb2",
            "<FictionBook><description><book-title>Sea</book-title></description>"
            "<body><section><title><p>One</p></title><p>Waves.</p></section></body><binary>AAAA</binary></FictionBook>",
            "Sea\n\n## One\n\nWaves.\n",
        ),
        (
            "a.rss",
            "<rss><channel><title>News</title><item><title>Storm</title>"
            "<description>&lt;p&gt;Wind &lt;b&gt;force&lt;/b&gt; 9&lt;/p&gt;</description></item></channel></rss>",
            "News\n\n## Storm\n\nWind **force** 9\n",
        ),
    ],
)
def test_words_not_markup(name: str, content: str, expected: str) -> None:
    assert extract(content.encode(), name).text == expected


def test_latex_keeps_the_words_and_the_formulas() -> None:
    content = r"""
        \documentclass{article}\usepackage{amsmath}
        \title{Tides}
        \begin{document}
        \section{High water}\label{sec:high}
        It \textbf{rises} % never
        by 5\% to $h_0$, see~\cite{darwin}.
        \end{document}"""
    extracted = extract(content.encode(), "a.tex")
    assert extracted.title == "Tides"
    assert "## High water" in extracted.text
    assert " ".join(extracted.text.split()).endswith("It rises by 5% to $h_0$, see darwin.")
    assert not {"never", "documentclass", "amsmath", "sec:high"} & set(extracted.text.split())


def test_a_mailbox_is_its_messages_with_their_attachments() -> None:
    message = make.email("Tide tables", "Dear Bob,\n\n>From the sea.\n", list="high water at noon")
    first = b"From ann@a.example Mon Jan  1 10:00:00 2026\n" + message
    second = b"\nFrom bo@a.example Mon Jan  1 11:00:00 2026\nSubject: Re\n\nok\n"
    extracted = extract(first + second, "box.mbox")
    assert "# Tide tables\n\nSubject: Tide tables" in extracted.text
    assert "# Attachment: list.txt\n\nhigh water at noon" in extracted.text
    assert "# Re\n" in extracted.text


def test_an_attachment_that_cannot_be_read_is_named() -> None:
    extracted = extract(make.email("Hi", "see the picture", photo="\x00\x01binary"), "a.eml")
    assert "see the picture" in extracted.text
    assert "photo.txt" in (extracted.note or "")


@pytest.mark.parametrize("name", ["a.md", "a.html", "a.txt"])
def test_base64_never_becomes_text(name: str) -> None:
    data = picture()
    page = f'<p>before</p><img alt="chart" src="data:image/png;base64,{data}"><p>after</p>'
    markdown = f"before\n\n![chart](data:image/png;base64,{data})\n\n{data}\n\nafter"
    source = page if name == "a.html" else markdown
    extracted = extract(source.encode(), name)
    assert "before" in extracted.text
    assert "after" in extracted.text
    assert len(extracted.text) < 200
    assert "base64 are left out" in (extracted.note or "")


def test_sequences_and_hashes_are_texts() -> None:
    text = "ACGT" * 200 + "\n" + "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n"
    assert embedded.without(text, ()) == (text, (), None)


def test_pages_move_with_what_is_left_out() -> None:
    text = f"one {picture(300)} end\nsecond page"
    shorter, pages, _ = embedded.without(text, [(0, 1), (text.index("second"), 2)])
    assert shorter[pages[1][0] :] == "second page"


def test_the_title_of_the_front_matter_is_the_title() -> None:
    extracted = extract(b'---\ntitle: "The Harbour"\ntags: [sea]\n---\n\n# Boats\n\ntext\n', "a.md")
    assert extracted.title == "The Harbour"
    assert "tags: [sea]" in extracted.text


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"  \n", "a.txt", "empty"),
        (b"<html><script>1</script></html>", "a.html", "no text: the page has no words outside its scripts"),
        (make.pdf([[]]), "a.pdf", "no text: its pages have no words; if letters are drawn there, .*--ocr"),
        (make.scanned_pdf(make.png()), "a.pdf", r"no text: its pages are pictures, .*--ocr.*memgpt-postgres\[ocr\]"),
        (make.encrypted_pdf(), "a.pdf", "encrypted"),
        (b"<a>", "a.xml", "not well-formed XML"),
        (b"{", "a.ipynb", "a notebook is JSON"),
    ],
)
def test_the_reason_is_the_true_one(data: bytes, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        extract(data, name)
