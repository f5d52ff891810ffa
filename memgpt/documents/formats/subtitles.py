"""Subtitles (WebVTT, SubRip): what is said, without numbers, times and styles."""

from __future__ import annotations

import re

from memgpt.documents.formats.chunking import PLAIN
from memgpt.documents.formats.reading import FormatText

_TIMES = re.compile(r"\s{0,20}(?:\d{1,4}:)?\d{1,3}:\d{2}[.,]\d{1,3}\s{1,20}-->\s")
_VOICE = re.compile(r"<v(?:\.[\w.]{1,40})?\s{1,5}([^>]{1,200})>")
_TAG = re.compile(r"</?[^>]{0,200}>|\{\\[^}]{0,100}\}")


def read(text: str) -> FormatText:
    """Read the lines of the cues; a line that a cue repeats from the one before is kept once."""
    spoken: list[str] = []
    for block in text.replace("\ufeff", "").split("\n\n"):
        lines = block.strip().splitlines()
        at = next((n for n, line in enumerate(lines) if _TIMES.match(line)), None)
        if at is None:
            continue  # a heading, a note or a style
        for line in lines[at + 1 :]:
            said = _TAG.sub("", _VOICE.sub(r"\1: ", line)).strip()
            if said and (not spoken or spoken[-1] != said):
                spoken.append(said)
    return FormatText("\n".join(spoken) + "\n", structure=PLAIN)
