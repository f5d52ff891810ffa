"""Nothing that reads other people's text takes time with the square of it."""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import pkgutil
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from re import _constants as codes
from re import _parser as parser
from typing import Any

import numpy as np
import pytest

import memgpt
from memgpt.blocks import edits
from memgpt.blocks.lines.line_matching import LineMatcher
from memgpt.documents.formats import chunking
from memgpt.errors import InputError, MissingExtraError
from memgpt.graph import name_similarity
from memgpt.llm import fences
from memgpt.messages.speaker import prefix
from memgpt.search import graph_arm, query_syntax
from memgpt.search.ranking import Candidate, analyse
from memgpt.search.ranking.languages import language as languages
from memgpt.search.ranking.model import pick
from memgpt.sleep import asking, memories

SMALL, LARGE = 4_000, 40_000
MOST = 20.0
"""Times longer for ten times the text; linear is 10."""
FLOOR = 0.002
"""Seconds below which a time says nothing."""
NEGLIGIBLE = MOST * FLOOR / (LARGE / SMALL) ** 2
"""Seconds for the small text that stay below what is allowed for ten times as much, even with the square of it."""
HOPELESS = 1.0
"""Seconds for the small text after which ten times as much is not tried."""

PACKAGE = Path(memgpt.__file__).parent
PIECES = [
    *" a1.\"'\\[](){}<>#*_`~-=|/\n\t!?:,$éÄ漢\u200b",
    *('\\"', '["', "](", "[[", "![", "<!--", "</a", "**", "- ", "> ", "| ", "|\n", "a b ", "a.", "A b ", "'s", "a-"),
    *(
        "1,",
        "1.",
        "\n\n",
        "# ",
        " #",
        "```\n",
        "~~~",
        "=\n",
        "a\n",
        "\\\n",
        "a: ",
        "Ann Lee: ",
        "you ",
        "what a ",
        "in ",
    ),
    *(
        "1 ",
        "19",
        "2024-",
        "-- ",
        "/*",
        "*/",
        "$$",
        "E'",
        '"a" ',
        "-a ",
        "OR ",
        "a'",
        "a’",
        ".'’-",
        "&",
        "&amp;",
        "a_b",
    ),
]


def modules() -> Iterator[str]:
    """Names of all modules but those of kits that are not installed: these are measured where their kits are."""
    for module in pkgutil.walk_packages([str(PACKAGE)], "memgpt.", onerror=_is_of_a_kit):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(MissingExtraError):
                importlib.import_module(module.name)
                yield module.name


def _is_of_a_kit(name: str) -> None:
    if not isinstance(sys.exception(), MissingExtraError):
        raise


def patterns() -> dict[str, re.Pattern[Any]]:
    """Every compiled expression that a module or a class of the package holds."""
    found: dict[str, re.Pattern[Any]] = {}

    def look(where: str, value: object, depth: int = 0) -> None:
        if isinstance(value, re.Pattern):
            found[where] = value
        elif isinstance(value, dict):
            for key, inner in value.items():
                look(f"{where}[{key!r}]", inner, depth + 1)
        elif isinstance(value, list | tuple | set | frozenset):
            for n, inner in enumerate(value):
                look(f"{where}[{n}]", inner, depth + 1)
        elif isinstance(value, type) and depth == 0 and value.__module__.startswith("memgpt."):
            for key, inner in vars(value).items():
                look(f"{where}.{key}", inner, depth + 1)

    for name in modules():
        for key, value in vars(importlib.import_module(name)).items():
            look(f"{name}.{key}", value)
    for code in languages.codes():
        one = languages.language(code)
        for part in (one, one.dates):
            for field in fields(part):
                look(f"{code}.{field.name}", getattr(part, field.name))
    return found


PATTERNS = patterns()


def test_every_expression_of_the_package_is_known_to_these_tests() -> None:
    """An expression is compiled at the top of its module, where it is found and measured."""
    elsewhere = []
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        inside = {node for function in functions for node in ast.walk(function)}
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=use)):
                    of_data = path == Path(languages.__file__)  # measured by the languages there are
                    if use != "escape" and (use != "compile" or (node in inside and not of_data)):
                        elsewhere.append(f"{path.relative_to(PACKAGE)}:{node.lineno}: re.{use}")
    assert elsewhere == []
    assert len(PATTERNS) > 40


@pytest.mark.parametrize("where", sorted(PATTERNS))
def test_an_expression_takes_time_with_the_text_and_not_with_its_square(where: str) -> None:
    pattern = PATTERNS[where]
    kind = bytes if isinstance(pattern.pattern, bytes) else str
    for hostile in [*(Hostile("", piece, "") for piece in PIECES), *derived(pattern)]:
        in_time(pattern.fullmatch, hostile, kind)
        in_time(lambda text: sum(1 for _ in pattern.finditer(text)), hostile, kind)  # search, findall, sub, split


READERS: dict[str, Callable[[str], object]] = {
    "names_in": graph_arm.names_in,
    "names_asked": graph_arm.names_asked,
    "understood": query_syntax.parse_query,
    "plain": query_syntax.plain,
    "analyse": analyse,
    "headings": chunking.headings,
    "telling": memories.telling,
    "lost": lambda text: asking.lost(text, text[::-1]),
    "agreement": lambda text: name_similarity.agreement(text, f"{text}b"),
    "replaced": lambda text: edits.replaced("human", text, text[: len(text) // 2], ""),
    "replaced nothing": lambda text: edits.replaced("human", text, f"{text[::-1]}q", ""),
    "inline": fences.inline,
    "quoted": fences.quoted,
    "escaped": fences.escaped,
    "prefix": lambda text: prefix("user", text),
}


@pytest.mark.parametrize("name", READERS)
def test_what_reads_texts_takes_time_with_them_and_not_with_their_square(name: str) -> None:
    def use(text: str) -> None:
        with contextlib.suppress(InputError):
            READERS[name](text)

    for piece in PIECES:
        in_time(use, Hostile("", piece, ""))


@pytest.mark.parametrize("media_type", [chunking.MARKDOWN, chunking.PLAIN])
def test_texts_are_cut_in_time_with_their_length(media_type: str) -> None:
    chunking.spans("the splitter is made", media_type=media_type)
    pumps = ("#", "[", "`", "*", ">", "\n", " ", "- ", "|", "> - ", "a. ", "| - |\n")
    shapes = [Hostile("", pump, "") for pump in pumps]
    for hostile in (*shapes, Hostile("# a", " ", "x\n"), Hostile("a", "\n", "b"), Hostile("```\n", "`", "\n")):
        in_time(lambda text: chunking.spans(text, media_type=media_type), hostile, size=10_000)  # more than a chunk


def test_hits_of_one_conversation_are_picked_in_time_with_their_number() -> None:
    rows = [Candidate(id=n, content="a", frequencies=(), length=1, session="s") for n in range(LARGE)]
    scores = np.linspace(0.0, 1.0, LARGE)
    in_time(lambda text: pick(rows[: len(text)], scores[: len(text)], len(text), 0.1), Hostile("", "a", ""))


def test_lines_are_matched_in_time_with_their_number() -> None:
    def reversed_(text: str) -> object:
        return LineMatcher([*text], [*text[::-1]]).get_opcodes()

    def every_other(text: str) -> object:
        lines = [f"{n}{c}" for n, c in enumerate(text)]
        return LineMatcher(lines, [line if n % 2 else "new" for n, line in enumerate(lines)]).get_opcodes()

    for use in (reversed_, every_other):
        for pump in ("a", "ab", "aab", "abcdefgh"):
            in_time(use, Hostile("", pump, ""))


class Hostile:
    """A text that grows by a part: ``before + pump * n + after``."""

    def __init__(self, before: str, pump: str, after: str) -> None:
        self.before, self.pump, self.after = before, pump, after

    def of(self, size: int) -> str:
        return self.before + self.pump * (size // len(self.pump)) + self.after

    def __repr__(self) -> str:
        return f"{self.before!r} + {self.pump!r} * n + {self.after!r}"


def in_time(use: Callable[[Any], object], hostile: Hostile, kind: type = str, size: int = SMALL) -> None:
    """Fail where ten times the text takes over twenty times as long."""
    small = seconds(use, hostile.of(size), kind)
    if small >= HOPELESS:  # once may have been the machine's
        small = seconds(use, hostile.of(size), kind)
    assert small < HOPELESS, f"{hostile}: {small:.1f} s for {size:,} characters"
    if small <= NEGLIGIBLE:
        return
    large = seconds(use, hostile.of(10 * size), kind)
    for _ in range(3):  # the machine may have been busy with something else
        if large <= MOST * max(small, FLOOR):
            return
        small, large = seconds(use, hostile.of(size), kind), min(large, seconds(use, hostile.of(10 * size), kind))
    raise AssertionError(f"{hostile}: {small:.4f} s for {size:,} characters, {large:.4f} s for ten times as many")


def seconds(use: Callable[[Any], object], text: str, kind: type) -> float:
    given = text.encode() if kind is bytes else text
    gc.disable()  # a collection takes time with what thousands of tests left behind
    try:
        began = time.thread_time()
        use(given)
        return time.thread_time() - began
    finally:
        gc.enable()


def derived(pattern: re.Pattern[Any]) -> list[Hostile]:
    """Texts made of what an expression itself looks for: each of its repetitions pumped, and what stands before it."""
    text = pattern.pattern.decode() if isinstance(pattern.pattern, bytes) else pattern.pattern
    made: dict[str, Hostile] = {}
    for before, pump in pumps(parser.parse(text, pattern.flags & ~re.LOCALE), ""):
        for start, part in ((before, pump), ("", pump), ("", before + pump), ("", before)):
            for after in ("", "\x01"):
                if part:
                    hostile = Hostile(start, part, after)
                    made[repr(hostile)] = hostile
    return [*made.values()]


def pumps(nodes: Any, before: str) -> Iterator[tuple[str, str]]:
    for op, argument in nodes:
        if op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            if argument[1] > 50:
                yield before, sample(argument[2]) or "a"
            yield from pumps(argument[2], before)
        elif op is codes.SUBPATTERN:
            yield from pumps(argument[3], before)
        elif op is codes.ATOMIC_GROUP:
            yield from pumps(argument, before)
        elif op is codes.BRANCH:
            for branch in argument[1]:
                yield from pumps(branch, before)
        before += sample([(op, argument)])


def sample(nodes: Any) -> str:
    """A text that the nodes of an expression match, by and large."""
    made = ""
    for op, argument in nodes:
        if op is codes.LITERAL:
            made += chr(argument)
        elif op is codes.NOT_LITERAL:
            made += "b" if argument == ord("a") else "a"
        elif op is codes.ANY:
            made += "a"
        elif op is codes.IN:
            made += next((c for c in "a A1.'\"-_\n#*/é" if _in(argument, c)), "a")
        elif op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            made += sample(argument[2]) * max(argument[0], 1 if argument[1] else 0)
        elif op is codes.SUBPATTERN:
            made += sample(argument[3])
        elif op is codes.ATOMIC_GROUP:
            made += sample(argument)
        elif op is codes.BRANCH:
            made += sample(argument[1][0])
    return made


_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "WORD": lambda character: character.isalnum() or character == "_",
    "DIGIT": str.isdigit,
    "SPACE": str.isspace,
}


def _in(items: Any, character: str) -> bool:
    negated = bool(items) and items[0][0] is codes.NEGATE
    hit = False
    for op, argument in items:
        if op is codes.LITERAL:
            hit |= argument == ord(character)
        elif op is codes.RANGE:
            hit |= argument[0] <= ord(character) <= argument[1]
        elif op is codes.CATEGORY:
            hit |= _CATEGORIES[str(argument).rsplit("_", 1)[-1]](character) != ("NOT" in str(argument))
    return hit != negated
