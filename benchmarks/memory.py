"""Does the memory of `memgpt serve` stay as it is, however long it serves? Many agents, mixed requests with keys.

The service, PostgreSQL and the clients are processes of their own. What counts is the memory the system holds for the
service alone (private pages), after each thousand requests, and the last of them over that at half-time.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import count

import psutil
from pydantic import SecretStr

from benchmarks import fixtures, texts
from benchmarks.server import serving
from memgpt.config import OFFLINE_MODEL, settings
from memgpt.database.connection import Database
from memgpt.server.keys import Keys


@dataclass(frozen=True)
class Plan:
    """How many agents, keys, clients and requests; memory is read after so many of them."""

    agents: int
    requests: int
    every: int
    clients: int = 4
    keys: int = 8


TINY = Plan(8, 200, 50)
QUICK = Plan(200, 4_000, 500)
FULL = Plan(200, 20_000, 1_000)

Draw = Callable[[random.Random, str], tuple[str, str, dict[str, object] | None]]
"""Method, address and body of a request to one agent."""


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    plan = TINY if options.tiny else FULL if options.full else QUICK
    result = fixtures.Result("memory", "The service's memory over many requests of many agents")
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "served", model=OFFLINE_MODEL, dimensions=256)
        tokens = _keys(dsn, plan.keys)
        with serving(dsn, keys=True) as (process, port):
            measure(process, port, tokens, plan, result)
    result.publish(keep=not options.tiny)


def _keys(dsn: str, number: int) -> list[str]:
    with_dsn = settings().model_copy(update={"database_url": SecretStr(dsn)})
    database = Database(options=with_dsn)
    try:
        return [Keys(database).create(f"client {n}").token for n in range(number)]
    finally:
        database.close()


def measure(process: psutil.Process, port: int, tokens: list[str], plan: Plan, result: fixtures.Result) -> None:
    """Send the requests in steps, and read the memory after each."""
    table = result.table(f"{plan.agents} agents, {plan.clients} clients", "requests", "memory (MB)", "refused")
    clients = [Client(port, tokens[n % len(tokens)], plan.agents, n) for n in range(plan.clients)]
    held: list[float] = []
    for done in range(plan.every, plan.requests + 1, plan.every):
        refused = together(clients, plan.every)
        held.append(private(process))
        table.rows.append([f"{done:,}", f"{held[-1]:.1f}", refused])
    half = held[len(held) // 2 - 1]
    ratio = held[-1] / half
    result.numbers |= {"memory_mb": held, "ratio": ratio}
    result.ratios.append(
        f"after {plan.requests:,} requests the service holds {ratio:.3f} times what it held at half-time "
        f"({held[-1]:.0f} MB, {half:.0f} MB)"
    )


def private(process: psutil.Process) -> float:
    """Megabytes that are the process's own, which its end would give back."""
    return float(process.memory_full_info().uss) / 1e6


def together(clients: list[Client], requests: int) -> int:
    """So many requests by all clients; how many were refused."""
    numbers = count()
    refused: list[int] = []

    def work(client: Client) -> None:
        while next(numbers) < requests:
            status = client()
            if status >= 300:
                refused.append(status)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(refused)


class Client:
    """One client with one connection and one key, asking for any agent."""

    def __init__(self, port: int, token: str, agents: int, seed: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        self._agents = agents
        self._chance = random.Random(seed)

    def __call__(self) -> int:
        chance = self._chance
        agent = f"agent-{chance.randrange(self._agents)}"
        draw = chance.choices(list(MIX), list(MIX.values()))[0]
        method, address, body = draw(chance, agent)
        headers = self._headers | ({"Memgpt-Agent": agent, "Accept": "application/json"} if address == "/mcp" else {})
        self._connection.request(method, address, None if body is None else json.dumps(body), headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status


@cache
def _written() -> list[str]:
    return texts.take(5_000, seed=9)


def _text(chance: random.Random) -> str:
    return f"{chance.choice(_written())} ({chance.randrange(10**9)})"


def remember(chance: random.Random, agent: str) -> tuple[str, str, dict[str, object] | None]:
    return "POST", f"/v1/agents/{agent}/archival-memory", {"text": _text(chance)}


def say(chance: random.Random, agent: str) -> tuple[str, str, dict[str, object] | None]:
    body = {"session": f"s{chance.randrange(3)}", "role": "user", "content": _text(chance)}
    return "POST", f"/v1/agents/{agent}/messages", dict(body)


def search(chance: random.Random, agent: str) -> tuple[str, str, dict[str, object] | None]:
    return "POST", f"/v1/agents/{agent}/search", {"query": texts.part_of(chance.choice(_written())), "limit": 10}


def context(chance: random.Random, agent: str) -> tuple[str, str, dict[str, object] | None]:
    query = texts.part_of(chance.choice(_written()))
    return "POST", f"/v1/agents/{agent}/context", {"query": query, "budget_tokens": 1000}


def block(chance: random.Random, agent: str) -> tuple[str, str, dict[str, object] | None]:
    return "PATCH", f"/v1/agents/{agent}/core-memory/blocks/human", {"value": _text(chance)}


def listed(chance: random.Random, agent: str) -> tuple[str, str, dict[str, object] | None]:
    return "GET", f"/v1/agents/{agent}/archival-memory?limit={chance.randrange(5, 50)}", None


def tool(chance: random.Random, _: str) -> tuple[str, str, dict[str, object] | None]:
    arguments = {"query": texts.part_of(chance.choice(_written()))}
    call = {"name": "search_memory", "arguments": arguments}
    return "POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}


MIX: dict[Draw, float] = {remember: 3, say: 2, search: 3, context: 1, block: 0.5, listed: 1, tool: 0.5}


if __name__ == "__main__":
    main()
