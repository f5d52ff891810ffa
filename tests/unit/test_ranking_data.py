"""Every data file of ranking says where it is from and which script of ``benchmarks/`` makes or measures it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RANKING = ROOT / "memgpt" / "search" / "ranking"
DATA = sorted(
    path
    for path in [*RANKING.rglob("*"), ROOT / "memgpt" / "database" / "languages.tsv"]
    if path.is_file() and path.suffix not in (".py", ".pyc")
)
_SCRIPT = re.compile(r"benchmarks/\w+\.py")
_COMMENTS = re.compile(r"(?:#.*\n)+")


def said_of(path: Path) -> str:
    text = path.read_text("utf-8")
    if path.suffix == ".json":
        return str(json.loads(text)["source"])
    comments = _COMMENTS.match(text)
    return comments[0] if comments else ""


def test_the_data_files_are_found() -> None:
    assert {"weights.json", "confidence.json", "en.toml", "zh.toml", "languages.tsv"} <= {path.name for path in DATA}


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.name)
def test_a_data_file_names_where_it_is_from_and_a_script_that_is_there(path: Path) -> None:
    said = said_of(path)
    scripts = _SCRIPT.findall(said)
    assert scripts, f"{path.name} names no script of benchmarks/"
    assert [script for script in scripts if not (ROOT / script).is_file()] == []
    assert re.search(r"\b(?:From|from|on|after)\b", said), f"{path.name} does not say where it is from"


def test_comments_of_code_name_scripts_that_are_there() -> None:
    named = {
        (path.name, script)
        for path in RANKING.parent.rglob("*.py")
        for script in _SCRIPT.findall(path.read_text("utf-8"))
    }
    assert {(name, script) for name, script in named if not (ROOT / script).is_file()} == set()
