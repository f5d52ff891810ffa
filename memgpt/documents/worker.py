"""A process that prepares the files it is told of, one a line, and answers one JSON line each.

Files come from anybody. What parses them has no database, little memory and a time limit, and may die.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from memgpt.documents.files import source_name
from memgpt.documents.prepare import prepare
from memgpt.errors import InputError, MissingExtraError

MOST_MEMORY = 3 * 2**30
"""Bytes of address space: several times what is used, for libraries reserve more than they touch."""


def main() -> None:
    """Answer until the other side closes."""
    _limit_memory()
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        answers.write(json.dumps(_answer(**json.loads(line))) + "\n")
        answers.flush()


def _answer(path: str, encoding: str | None, ocr: bool = False) -> dict[str, Any]:
    try:
        data = Path(path).read_bytes()
        return {"prepared": asdict(prepare(data, source_name(path), encoding=encoding, ocr=ocr))}
    except MissingExtraError as error:
        return {"missing": [error.package, error.extra, error.purpose]}
    except InputError as error:
        return {"reason": str(error)}
    except OSError as error:
        return {"reason": f"unreadable: {error.strerror}"}
    except MemoryError:
        return {"reason": "too large: reading it takes too much memory"}


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
