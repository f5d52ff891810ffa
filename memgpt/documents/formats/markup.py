"""Texts with a markup of their own (Org, reStructuredText, LaTeX) as Markdown: headings and code are known, words stay.

The extraction library loses directives of reStructuredText and whole LaTeX files; nothing here may lose a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from memgpt.documents.formats.reading import FormatText, code, heading, one_line

_FRONT_MATTER = re.compile(
    r"\A(?:---|\+\+\+)[ \t]{0,10}\n(.{0,20000}?)\n(?:---|\.\.\.|\+\+\+)[ \t]{0,10}(?:\n|\Z)", re.DOTALL
)
_BLANK_LINES = re.compile(r"\n{3,}")
_TITLE = re.compile(r"^title[ \t]{0,10}[:=][ \t]{0,10}(\S[^\n]{0,500})", re.MULTILINE | re.IGNORECASE)


def markdown(text: str) -> FormatText:
    """Read Markdown; the title of its front matter is the document's, and its rules are no underlines of headings."""
    matter = _FRONT_MATTER.match(text)
    if matter is None:
        return FormatText(text)
    title = _TITLE.search(matter[1])
    return FormatText(
        f"{code(matter[1], 'yaml')}\n{text[matter.end() :]}", title[1].strip().strip("\"'") if title else ""
    )


_ORG_HEADING = re.compile(r"(\*{1,20}) +(.*)")
_ORG_KEYWORD = re.compile(r"\s{0,20}#\+(\w{1,40})(?:\[[^\]]{0,100}\])?:(.*)")
_ORG_BLOCK = re.compile(r"\s{0,20}#\+(begin|end)_(src|example)\b *(\S{0,40})", re.IGNORECASE)
_ORG_LINK = re.compile(r"\[\[([^\]\[]{1,2000})\]\[([^\]\[]{1,2000})\]\]")


def org(text: str) -> FormatText:
    """Read an Org file."""
    lines: list[str] = []
    title = ""
    for line in text.splitlines():
        if match := _ORG_HEADING.match(line):
            lines.append(heading(len(match[1]), match[2]))
        elif match := _ORG_BLOCK.match(line):
            lines.append("```" + (match[3] if match[1].lower() == "begin" else ""))
        elif (match := _ORG_KEYWORD.match(line)) and match[1].lower() == "title":
            title = one_line(match[2])
            lines.append(title)
        else:
            lines.append(_ORG_LINK.sub(r"\2 (\1)", line))
    return FormatText("\n".join(lines) + "\n", title)


_RST_RULE = re.compile(r"^([!-/:-@\[-`{-~])\1{2,}+\s*+$")
_RST_ROLE = re.compile(r":[\w.:+-]{1,60}:`([^`]{1,1000})`")


def rst(text: str) -> FormatText:
    """Read reStructuredText: the order in which underlines occur makes the levels of headings."""
    levels: dict[str, int] = {}
    lines = text.splitlines()
    blocks: list[str] = []
    skip = False
    for line, below in pairwise([*lines, ""]):
        if skip:
            skip = False
        elif _is_title(line, below):
            level = levels.setdefault(below[0], len(levels) + 1)
            if blocks and _RST_RULE.match(blocks[-1]):
                blocks.pop()  # a line above a title belongs to it
            blocks.append(heading(level, line))
            skip = True
        else:
            blocks.append(_RST_ROLE.sub(r"\1", line))
    first = next((line.lstrip("# ") for line in blocks if line.startswith("# ")), "")
    return FormatText("\n".join(blocks) + "\n", first)


def _is_title(line: str, below: str) -> bool:
    titled = bool(line.strip()) and not line.startswith(" ") and not _RST_RULE.match(line)
    return titled and bool(_RST_RULE.match(below)) and len(below.rstrip()) >= len(line.rstrip()) - 2


_TEX_SECTIONS: Final = {"part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5}
_TEX_TOKEN = re.compile(r"(?<!\\)%[^\n]*|\\([a-zA-Z]{1,60})\*?|\\(.)|[{}~]", re.DOTALL)
_TEX_OPTION = re.compile(r"\s{0,20}\[[^\[\]\n]{0,500}\]")
_TEX_ARGUMENT = re.compile(r"\s{0,20}\{([^{}]{0,500})\}")
_TEX_UNSEEN: Final = {
    *("documentclass", "usepackage", "label", "ref", "eqref", "pageref", "autoref", "cref", "includegraphics"),
    *(
        "bibliographystyle",
        "bibliography",
        "vspace",
        "hspace",
        "setlength",
        "setcounter",
        "input",
        "include",
        "pagestyle",
    ),
    *("begin", "end", "newcommand", "renewcommand", "color", "thispagestyle", "graphicspath", "addtolength"),
}
"""Commands whose first argument is no text."""


def tex(text: str) -> FormatText:
    """Read LaTeX: commands go, what they hold stays, and formulas stay as they are written."""
    pieces: list[str] = []
    title = ""
    at = 0
    for start, end, piece, section in _tex_pieces(text):
        if start < at:
            continue
        pieces += [text[at:start], piece]
        at = end
        if section == "title":
            title = title or one_line(piece)
    body = _BLANK_LINES.sub("\n\n", "".join([*pieces, text[at:]]))
    return FormatText("\n".join(line.strip() for line in body.splitlines()).strip() + "\n", title)


def _tex_pieces(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Places that are no plain text: where they begin and end, what stands for them, and the command."""
    for token in _TEX_TOKEN.finditer(text):
        command = token[1] or ""
        if command in _TEX_SECTIONS or command == "title":
            option = _TEX_OPTION.match(text, token.end())
            argument = _TEX_ARGUMENT.match(text, option.end() if option else token.end())
            if argument:
                section = argument[1] if command == "title" else heading(_TEX_SECTIONS[command], argument[1])
                yield token.start(), argument.end(), f"\n\n{section}\n\n", command
        elif command in _TEX_UNSEEN:
            option = _TEX_OPTION.match(text, token.end())
            argument = _TEX_ARGUMENT.match(text, option.end() if option else token.end())
            yield token.start(), (argument or option or token).end(), " ", command
        elif command:
            option = _TEX_OPTION.match(text, token.end())
            yield token.start(), (option or token).end(), "- " if command == "item" else " ", command
        else:
            piece = {"\\": "\n", "~": " "}.get(token[2] or token[0], token[2] or "")
            yield token.start(), token.end(), piece, ""
