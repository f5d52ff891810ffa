"""Asking a chat model for one JSON object. What it answers is checked; what cannot be read counts as no answer."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import Final

from memgpt import validation
from memgpt.agent.chat_model import ChatModel
from memgpt.models import Json

SECONDS: Final = 120.0
_MOST_TOKENS: Final = 4000
_WORD = re.compile(r"\d(?:[.,:/-]*+\d)++|\w++")
_SENTENCE_START = re.compile(r"(^|[.!?…:\n][\s\"'“*-]{0,4})$")
"""At the end of the few characters before a word."""


@cache
def prompt(name: str) -> str:
    return (resources.files(__package__) / "prompts" / f"{name}.md").read_text(encoding="utf-8").strip()


def asked(model: ChatModel, task: str, material: Json) -> Json | None:
    """Ask a model for a JSON object; return None if its answer is none.

    Raises:
        ChatError: the model failed.
    """
    from pydantic_ai.messages import InstructionPart, ModelRequest, ModelResponse, UserPromptPart
    from pydantic_ai.models import ModelRequestParameters

    parameters = ModelRequestParameters(instruction_parts=[InstructionPart(content=prompt(task))])
    messages = [ModelRequest(parts=[UserPromptPart(json.dumps(material, ensure_ascii=False))])]
    said = ""
    for piece in model.stream(messages, parameters, max_tokens=_MOST_TOKENS, seconds=SECONDS):
        if isinstance(piece, ModelResponse):
            said = piece.text or ""
    return _object(said)


def _object(text: str) -> Json | None:
    start, end = text.find("{"), text.rfind("}")
    try:
        value = json.loads(text[start : end + 1]) if 0 <= start < end else None
        return validation.json_object(value, "the answer") if isinstance(value, dict) else None
    except (ValueError, RecursionError):  # no JSON, or what PostgreSQL cannot keep
        return None


def lost(sources: str, text: str) -> list[str]:
    """Numbers and names of some texts that another one does not have: what a shorter text may not leave out.

    A name is a word with a capital that does not only begin a sentence.
    """
    has = {word.lower() for _, word in _words(text)}
    telling = {w.lower() for begins, w in _words(sources) if w[0].isdigit() or (w[0].isupper() and not begins)}
    return sorted(telling - has - {"i"})


def invented(sources: str, text: str) -> list[str]:
    """Numbers and names that are in a text and not in what it was made from."""
    return lost(text, sources)


def _words(text: str) -> list[tuple[bool, str]]:
    """Return the words and numbers of a text, and whether each begins a sentence or a line."""
    return [
        (_SENTENCE_START.search(text[max(0, m.start() - 4) : m.start()]) is not None, m[0])
        for m in _WORD.finditer(text)
    ]
