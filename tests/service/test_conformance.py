"""The official MCP conformance suite against our endpoint: `make mcp-suite` installs it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from starlette.routing import Route

from memgpt.server.api import create_app
from memgpt.server.mcp import create_server
from memgpt.server.mcp.endpoint import Endpoint
from tests.service import conformance
from tests.service.conftest import served, service_on

INSTALLED = Path(__file__).parents[2] / "build" / "conformance" / "node_modules"
SUITE = INSTALLED / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
SCENARIOS = 32

TALK_BACK = {
    "tools-call-with-logging",
    "tools-call-with-progress",
    "tools-call-sampling",
    "tools-call-elicitation",
    "elicitation-sep1034-defaults",
    "elicitation-sep1330-enums",
}
"""Tools that speak to the client while they work. `memgpt serve` keeps no sessions, so that any process answers any
request; none of its tools does that."""


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
@pytest.mark.parametrize("sessions", [False, True], ids=["as-served", "with-sessions"])
def test_the_official_suite(dsn: str, tmp_path: Path, sessions: bool) -> None:
    if not SUITE.exists():
        reason = "the conformance suite is not installed (make mcp-suite)"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    service = service_on(dsn, keys_required=False)
    server = create_server(service, agent="ann")
    conformance.offer(server)
    endpoint = Endpoint(server)
    if sessions:
        conformance.keep_sessions(endpoint, server)
    app = create_app(service, lifespan=endpoint.manager.run)
    app.router.routes.append(Route("/mcp", endpoint))
    with served(app) as address:
        command: list[str | Path] = [
            INSTALLED / ".bin" / "node",
            SUITE,
            "server",
            "--url",
            f"{address}/mcp",
            "--suite",
            "all",
        ]
        subprocess.run([*command, "--output-dir", tmp_path], check=False, capture_output=True, timeout=200)
    found = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.rglob("checks.json")}
    assert len(found) == SCENARIOS
    failed = {
        name: [check.get("errorMessage") for check in checks if check["status"] == "FAILURE"]
        for name, checks in found.items()
        if any(check["status"] == "FAILURE" for check in checks)
    }
    expected = set() if sessions else TALK_BACK
    assert {scenario for name in failed for scenario in expected if f"server-{scenario}-2" in name} == expected
    assert len(failed) == len(expected), failed
