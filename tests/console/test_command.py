"""`memgpt console`: one command, and the address it prints is signed in."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import httpx

from tests.console.conftest import SAME_ORIGIN


def test_the_address_of_the_command_signs_in_once(dsn: str) -> None:
    command = [sys.executable, "-m", "memgpt", "console", "--no-browser", "--dsn", dsn]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        printed = next(
            found for line in process.stderr if (found := re.search(r"(http://\S+)/sign-in#once=(\S+)", line))
        )
        address, token = printed.groups()
        with httpx.Client(base_url=address, headers=SAME_ORIGIN, timeout=60) as client:
            assert client.get("/").status_code == 303
            assert client.post("/sign-in", data={"once": token}).status_code == 303
            assert "No agents yet" in client.get("/").text
            assert client.get("/v1/agents").status_code == 401
            assert client.post("/sign-in", data={"once": token}).status_code == 401
        process.send_signal(signal.SIGINT)
        process.stderr.read()
    assert process.returncode in (0, 130), "ended by Ctrl-C"
