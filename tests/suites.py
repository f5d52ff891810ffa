"""Other projects' own suites against our integrations, and our tests against kits that are not beside the others:
``make conformance``.

Each runs in an environment of its own under ``build/suites``, on a PostgreSQL that is started for it. The table in
docs/integrations.md is written from what they say. A suite more is an entry in ``SUITES``.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from memgpt.database.admin import migrate
from tests.conftest import MODEL, PASSWORD, start_server

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "integrations.md"
BUILD = ROOT / "build" / "suites"
BEGIN, END = "<!-- suites: written by `make conformance` -->\n", "<!-- end of suites -->"
EVERY_PIN = [pin.partition("==")[0] for pin in (ROOT / "constraints.txt").read_text("utf-8").splitlines()]
UNPINNED: Mapping[str, Sequence[str]] = {
    "autogen": ["googleapis-common-protos", "protobuf"],
    "crewai": EVERY_PIN,
    "google-adk": ["opentelemetry-api", "opentelemetry-sdk", "opentelemetry-semantic-conventions", "websockets"],
}
"""Packages that the kit of an extra needs in other versions than constraints.txt has."""
EXAMPLES = "tests/docs/test_examples.py::test_examples_do_what_they_say"
ALONE = ("--noconftest", "-c", os.devnull)
"""Options for tests that run without what else is in their checkout."""
HEAD = "| suite | version | passed | not passed |\n|---|---|---|---|\n"


@dataclass(frozen=True)
class Suite:
    """One suite: where its tests are, what they need, and which of them cannot pass."""

    name: str
    version_of: str
    """The package whose version the table shows."""
    extras: str
    tests: Sequence[str]
    packages: Sequence[str] = ()
    checkout: str | None = None
    """The option that names a checkout; the tests are in it."""
    folder: str = ""
    """Of the checkout, in which pytest runs."""
    options: Sequence[str] = ()
    """Of pytest."""
    expected: Mapping[str, str] = field(default_factory=dict)
    """Tests that fail, each with why."""

    @property
    def environment(self) -> Path:
        return BUILD / re.sub(r"\W+", "-", self.name.lower())


SUITES: Sequence[Suite] = (
    Suite(
        "LangGraph's tests of its PostgreSQL stores",
        "langgraph-checkpoint",
        "langgraph",
        ["tests/test_store.py", "tests/test_async_store.py"],
        packages=["pytest-asyncio", "orjson"],
        checkout="langgraph",
        folder="libs/checkpoint-postgres",
        expected={"test_abatch_uses_single_pool_checkout": "counts calls of a function inside LangGraph's own store"},
    ),
    Suite(
        "Anthropic's tests of its memory tool",
        "anthropic",
        "anthropic",
        ["tests/lib/tools/memory_tools/test_filesystem.py"],
        checkout="anthropic",
        options=ALONE,
    ),
    Suite(
        "The Agents SDK's tests of its SQLite session",
        "openai-agents",
        "openai-agents",
        ["tests/memory/test_session.py", "tests/memory/test_session_limit.py"],
        packages=["pytest-asyncio"],
        checkout="openai-agents",
    ),
    Suite(
        "AutoGen's tests of its memory over Chroma",
        "autogen-ext",
        "autogen",
        ["tests/memory/test_chroma_memory.py"],
        packages=["autogen-ext[chromadb]>=0.7.5,<0.8", "pytest-asyncio"],
        checkout="autogen",
        folder="python/packages/autogen-ext",
    ),
    Suite(
        "LlamaIndex's tests of its vector store in memory",
        "llama-index-core",
        "llama-index",
        ["tests/vector_stores/test_simple.py"],
        checkout="llama-index",
        folder="llama-index-core",
        options=ALONE,
    ),
    Suite(
        "CrewAI's tests of its LanceDB storage",
        "crewai",
        "crewai",
        ["tests/memory"],
        packages=["pytest-timeout"],
        checkout="crewai",
        options=["--timeout=600"],
        expected={
            "test_percent_underscore_and_backslash_in_scope_names_match_literally": "compares scopes by how they begin",
            "test_update_serialization_failure_preserves_existing_record[datetime]": "is kept, as CrewAI's JSON has it",
            "test_update_serialization_failure_preserves_existing_record[set]": "is kept, as CrewAI's JSON has it",
        },
    ),
    Suite(
        "LangGraph's conformance suite for checkpointers",
        "langgraph-checkpoint-conformance",
        "langgraph",
        ["tests/integrations/test_checkpoint_conformance.py"],
        packages=["pytest-timeout", "langgraph-checkpoint-conformance"],
    ),
    Suite(
        "LangChain's standard tests",
        "langchain-tests",
        "langchain",
        ["tests/integrations/test_langchain_standard.py"],
        packages=["pytest-timeout", "langchain-tests"],
        options=["-p", "no:asyncio", "-p", "no:benchmark", "-p", "no:codspeed"],
    ),
    Suite(
        "Our tests against AutoGen",
        "autogen-core",
        "autogen",
        ["tests/integrations/test_autogen.py", f"{EXAMPLES}[docs/autogen.md]"],
        packages=["autogen-agentchat>=0.7.5,<0.8", "autogen-ext>=0.7.5,<0.8", "pytest-timeout"],
    ),
    Suite(
        "Our tests against CrewAI",
        "crewai",
        "crewai",
        ["tests/integrations/test_crewai.py", f"{EXAMPLES}[docs/crewai.md]"],
        packages=["pytest-timeout"],
    ),
    Suite(
        "Our tests against Google ADK",
        "google-adk",
        "google-adk",
        ["tests/integrations/test_google_adk.py", f"{EXAMPLES}[docs/google-adk.md]"],
        packages=["pytest-timeout"],
    ),
)


@dataclass(frozen=True)
class SuiteResult:
    """What became of a suite."""

    version: str
    passed: int
    failed: Sequence[str]


def install(suite: Suite) -> Path:
    """Make the environment of a suite; answers its Python."""
    python = suite.environment / "bin" / "python"
    if not python.exists():
        venv.create(suite.environment, with_pip=True)
    packages = ["--editable", f"{ROOT}[{suite.extras}]", "pytest", *suite.packages]
    pins = (ROOT / "constraints.txt").read_text("utf-8").splitlines(keepends=True)
    unpinned = UNPINNED.get(suite.extras, ())
    constraints = suite.environment / "constraints.txt"
    constraints.write_text("".join(pin for pin in pins if pin.partition("==")[0] not in unpinned), "utf-8")
    command = ["-m", "pip", "install", "--quiet", "--constraint", str(constraints), *packages]
    subprocess.run([str(python), *command], check=True)
    return python


@contextmanager
def postgres() -> Iterator[str]:
    """A server in which a new database is migrated already; its address."""
    with tempfile.TemporaryDirectory(prefix="memgpt-suites-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        server = start_server(directory / "server")
        try:
            migrate.apply(server.dsn("template1"), model=MODEL)
            yield f"postgresql://postgres:{PASSWORD}@127.0.0.1:{server.port}/postgres"
        finally:
            server.embedded.close()


def run(suite: Suite, checkout: Path | None) -> SuiteResult:
    """Run a suite and read what became of its tests."""
    python = install(suite)
    report = suite.environment / "report.xml"
    report.unlink(missing_ok=True)
    folder = ROOT if checkout is None else checkout / suite.folder
    plug_in = ["-p", f"memgpt.integrations.{suite.extras.replace('-', '_')}.testing"] if checkout else []
    command = [str(python), "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider", f"--junit-xml={report}"]
    with postgres() as address:
        environment = {**os.environ, "DATABASE_URL": address}
        subprocess.run([*command, *plug_in, *suite.options, *suite.tests], cwd=folder, env=environment, check=False)
    shown = [str(python), "-c", f"import importlib.metadata as m; print(m.version({suite.version_of!r}))"]
    version = subprocess.run(shown, check=True, capture_output=True, text=True).stdout.strip()
    cases = [*ElementTree.parse(report).iter("testcase")]  # noqa: S314 - written by our own run
    failed = [case.attrib["name"] for case in cases if {"failure", "error"} & {part.tag for part in case}]
    skipped = sum("skipped" in {part.tag for part in case} for case in cases)
    return SuiteResult(version, len(cases) - len(failed) - skipped, failed)


def line(suite: Suite, result: SuiteResult) -> str:
    left = [f"`{name}`: {suite.expected.get(name, 'not expected')}" for name in result.failed] or ["none"]
    return f"| {suite.name} | {suite.version_of} {result.version} | {result.passed} | {'; '.join(left)} |\n"


def write(lines: Mapping[str, str]) -> None:
    """Write the lines of suites that ran into the table; the others stay."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    table, _, after = rest.partition(END)
    there = {row.split("|")[1].strip(): f"{row}\n" for row in table.splitlines()[2:]}
    rows = [lines.get(suite.name) or there.get(suite.name, "") for suite in SUITES]
    PAGE.write_text(f"{before}{BEGIN}{HEAD}{''.join(rows)}{END}{after}", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="run the suites whose name contains this")
    for option in sorted({suite.checkout for suite in SUITES if suite.checkout}):
        parser.add_argument(f"--{option}", type=Path, help=f"a checkout of {option}")
    given = vars(parser.parse_args())
    lines, unexpected = {}, []
    for suite in SUITES:
        checkout = given[suite.checkout.replace("-", "_")] if suite.checkout else None
        if (given["only"] or "").lower() not in suite.name.lower():
            continue
        if suite.checkout and checkout is None:
            print(f"{suite.name}: left out, --{suite.checkout} names no checkout")
            continue
        result = run(suite, checkout and checkout.absolute())
        lines[suite.name] = line(suite, result)
        unexpected += [name for name in result.failed if name not in suite.expected]
    write(lines)
    if unexpected:
        sys.exit(f"unexpected failures: {', '.join(unexpected)}")


if __name__ == "__main__":
    main()
