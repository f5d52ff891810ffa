"""The document's regular expressions allow what the memory takes, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memgpt import validation
from memgpt.errors import InputError
from memgpt.files import paths
from memgpt.server.api import patterns
from memgpt.server.keys import _patterns

ODD = (
    "\0\t\n\x0b\r\x1c\x1f \x7f\x85\xa0\xad\u061c\u1680\u180e\u2000\u200b\u200d\u200f\u2028"
    "\u202e\u2060\u3000\ufeff\U000e0001./*ab\u00e9\u4e2d"
)
TEXTS = st.text(st.sampled_from(ODD) | st.characters(exclude_categories=["Cs"]), max_size=6)

CHECKS: dict[str, tuple[str, Callable[[str], object]]] = {
    "storable": (patterns.STORABLE, lambda text: validation.text(text, "text", empty=True)),
    "visible": (patterns.VISIBLE, lambda text: validation.text(text, "text")),
    "agent": (patterns.AGENT, validation.agent_id),
    "agent or every": (patterns.AGENT_OR_EVERY, lambda text: validation.agent_id(text, or_every=True)),
    "agents of a key": (patterns.AGENT_PATTERN, lambda text: _patterns([text])),
    "label": (patterns.LABEL, validation.label),
    "path": (f"{patterns.PATH['anyOf'][0]['pattern']}|{patterns.PATH['anyOf'][1]['pattern']}", paths.path),
    "directory": (patterns.DIRECTORY["pattern"], paths.directory),
}


@pytest.mark.parametrize("name", CHECKS)
@settings(max_examples=300)
@given(text=TEXTS)
def test_a_pattern_allows_what_is_taken(name: str, text: str) -> None:
    pattern, check = CHECKS[name]
    try:
        check(text)
        taken = True
    except InputError:
        taken = False
    assert bool(re.search(pattern.replace("$", r"\Z"), text)) == taken
