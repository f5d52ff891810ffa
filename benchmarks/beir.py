"""A collection in the form of BEIR (Thakur et al., 2021): ``corpus.jsonl``, ``queries.jsonl``, ``qrels/test.tsv``.

SciFact (Wadden et al., EMNLP 2020), claims and the abstracts that speak for or against them, is looked at: CC BY-NC 2.0
and not part of this project.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ABSENT = """SciFact is not at {path}. It is not part of this project (CC BY-NC 2.0). Get BEIR's copy of it, a
directory with corpus.jsonl, queries.jsonl and qrels/test.tsv, and give its path: SCIFACT=scifact make bench-quality"""


@dataclass(frozen=True)
class Collection:
    texts: dict[str, str]
    """By id; the title is the first line."""
    questions: list[tuple[str, Mapping[str, int]]]
    """Each with how relevant the texts are that are."""


def load(directory: Path) -> Collection:
    texts = {
        row["_id"]: f"{row['title']}\n{row['text']}".strip() for row in _lines(directory / "corpus.jsonl")
    }  # fmt: skip
    relevant: dict[str, dict[str, int]] = {}
    with (directory / "qrels" / "test.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if int(row["score"]) > 0:
                relevant.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    asked = {row["_id"]: row["text"] for row in _lines(directory / "queries.jsonl")}
    return Collection(texts, [(asked[id], texts_of) for id, texts_of in relevant.items()])


def ndcg(order: Sequence[str], relevant: Mapping[str, int], depth: int = 10) -> float:
    """Return the discounted gain of the first hits, as a share of the best there could be."""
    best = sorted(relevant.values(), reverse=True)[:depth]
    gained = [relevant.get(id, 0) for id in order[:depth]]
    return _gain(gained) / _gain(best)


def _gain(grades: Sequence[int]) -> float:
    return sum(grade / math.log2(place + 1) for place, grade in enumerate(grades, start=1))


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
