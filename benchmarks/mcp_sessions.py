"""What does a client's session of MCP cost: a process with the memory in it, or a bridge to a running service?

Each process is asked once through the tool a model uses first, so that what it loads late is loaded. Counted are the
seconds from its start to the answer to ``initialize``, what the system holds for it, and how much of that is its own.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

import psutil

from benchmarks import fixtures
from benchmarks.server import serving
from memgpt.config import OFFLINE_MODEL

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "benchmark", "version": "1"}}
SEARCH = {"name": "search_memory", "arguments": {"query": "night trains"}}


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    rounds = 1 if options.tiny else 10 if options.full else 5
    result = fixtures.Result("mcp_sessions", "A client's session of MCP: in a process of its own, or by a bridge")
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "served", model=OFFLINE_MODEL, dimensions=256)
        with serving(dsn) as (_, port):
            ways = {"memgpt mcp": ["--dsn", dsn], "--connect": ["--connect", f"http://127.0.0.1:{port}"]}
            measured = {way: [session(arguments) for _ in range(rounds)] for way, arguments in ways.items()}
    table = result.table(f"{rounds} sessions each, medians", "", "ready (s)", "resident (MB)", "its own (MB)")
    for way, values in measured.items():
        table.rows.append([way, *(f"{statistics.median(column):.1f}" for column in zip(*values, strict=True))])
    inside, bridge = (list(zip(*values, strict=True)) for values in measured.values())
    ready, resident, own = map(result.compare, ("ready", "resident", "own"), inside, bridge)
    result.ratios.append(
        f"a session with the memory in it takes {resident} times the memory of a bridge ({own} times of its own), "
        f"and {ready} times as long to be ready"
    )
    result.publish(keep=not options.tiny)


def session(arguments: list[str]) -> tuple[float, float, float]:
    """One session: seconds until it is ready, and megabytes after a search."""
    began = time.perf_counter()
    command = [sys.executable, "-c", "from memgpt.cli import main; main()", "mcp", "--agent", "ann", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        ask(process, "initialize", HELLO)
        ready = time.perf_counter() - began
        tell(process, {"method": "notifications/initialized"})
        ask(process, "tools/call", SEARCH)
        held = psutil.Process(process.pid).memory_full_info()
        process.stdin.close()  # type: ignore[union-attr]
    return ready, held.rss / 1e6, held.uss / 1e6


def ask(process: subprocess.Popen[bytes], method: str, params: dict[str, object]) -> None:
    tell(process, {"id": 1, "method": method, "params": params})
    answer = json.loads(process.stdout.readline())  # type: ignore[union-attr]
    if "result" not in answer:
        raise SystemExit(f"{method}: {answer}")


def tell(process: subprocess.Popen[bytes], message: dict[str, object]) -> None:
    process.stdin.write(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")  # type: ignore[union-attr]
    process.stdin.flush()  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
