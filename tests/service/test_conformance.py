"""The official MCP conformance suite against our endpoint as it is served: `make mcp-suite` installs it.

By the requirements of each version of the protocol; what is expected to fail is listed beside this file, with reasons.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.routing import Route

from memgpt.server.api import create_app
from memgpt.server.mcp import create_server
from memgpt.server.mcp.endpoint import Endpoint
from tests.service import conformance, conformance_input
from tests.service.conftest import served, service_on

INSTALLED = Path(__file__).parents[2] / "build" / "conformance" / "node_modules"
SUITE = INSTALLED / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
SCENARIOS = {"2025-11-25": 33, "2026-07-28": 50}
"""How many each version has, those that are not scored included."""


def run_suite(address: str, *options: str | Path) -> subprocess.CompletedProcess[str]:
    if not SUITE.exists():
        reason = "the conformance suite is not installed (make mcp-suite)"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    command: list[str | Path] = [INSTALLED / ".bin" / "node", SUITE, "server", "--url", f"{address}/mcp", *options]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=250)


def app_for_the_suite(dsn: str, *, resumes: bool = False) -> FastAPI:
    service = service_on(dsn, keys_required=False)
    server = create_server(service, agent="ann")
    conformance.offer(server)
    conformance_input.offer(server)
    endpoint = Endpoint(server)
    if resumes:
        conformance.resume_streams(endpoint, server)
    app = create_app(service, lifespan=endpoint.run)
    app.router.routes.append(Route("/mcp", endpoint))
    return app


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
@pytest.mark.parametrize("version", SCENARIOS)
def test_what_a_version_requires(dsn: str, version: str) -> None:
    expected = Path(__file__).with_name(f"conformance-{version}.yaml")
    with served(app_for_the_suite(dsn)) as address:
        done = run_suite(address, "--requirements", version, "--expected-failures", expected)
    _, _, summary = done.stdout.partition("=== SUMMARY ===")
    assert done.returncode == 0, summary + done.stderr
    assert len(re.findall(r"^[✓✗] ", summary, re.MULTILINE)) == SCENARIOS[version], summary


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
def test_streams_that_are_resumed(dsn: str) -> None:
    """Of a server whose tools work for long; as served, there is nothing to resume."""
    with served(app_for_the_suite(dsn, resumes=True)) as address:
        done = run_suite(address, "--scenario", "server-sse-polling", "--spec-version", "2025-11-25")
    assert done.returncode == 0, done.stdout + done.stderr
