"""XQuAD (Artetxe et al., ACL 2020): the same paragraphs and questions, translated by people into several languages.

The data is CC BY-SA 4.0 and not part of this project.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

CONFIGURATIONS = {"de": "german", "es": "spanish", "ru": "russian", "zh": "simple"}
"""The text search configuration of each language that is looked at; others are left for whoever judges."""

ABSENT = """XQuAD is not at {path}. It is not part of this project (CC BY-SA 4.0). Get it once:
  git clone https://github.com/google-deepmind/xquad
and give the directory: XQUAD=xquad make bench-quality"""


@dataclass(frozen=True)
class Paragraphs:
    """Paragraphs of one language, and questions with the place of the paragraph that answers them."""

    texts: list[str]
    questions: list[tuple[str, int]]


def load(directory: Path) -> dict[str, Paragraphs]:
    """Read the languages that are there."""
    paths = {language: directory / f"xquad.{language}.json" for language in CONFIGURATIONS}
    return {language: _paragraphs(path) for language, path in paths.items() if path.is_file()}


def _paragraphs(path: Path) -> Paragraphs:
    articles = json.loads(path.read_text("utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    questions = [(qa["question"], n) for n, paragraph in enumerate(paragraphs) for qa in paragraph["qas"]]
    return Paragraphs([paragraph["context"] for paragraph in paragraphs], questions)
