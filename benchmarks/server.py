"""What does HTTP cost, and does `memgpt serve` hold: under load, under ten times too much, when PostgreSQL restarts?

The service, its clients and PostgreSQL are processes of their own on one machine. The library does the same work in
the clients' process, isolated as the service is, with as many threads: what HTTP adds is their difference in one run.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import psutil
import psycopg
from pydantic import SecretStr

from benchmarks import fixtures, hostile_load, texts
from memgpt import Memory
from memgpt.config import OFFLINE_MODEL, settings
from memgpt.database.embedded import EmbeddedServer
from memgpt.memory import scope_of
from memgpt.server.keys import Keys
from memgpt.server.service import Caller, Service

AGENTS = 10
SEARCHES = 0.8
POOL = 16


@dataclass(frozen=True)
class Plan:
    """How much is stored, for how many seconds each phase lasts, and how many clients there are."""

    memories: int
    seconds: float
    rounds: int
    clients: int = 16
    many: int = 160


TINY = Plan(200, 1.0, 5, 4, 24)
QUICK = Plan(5_000, 5.0, 100)
FULL = Plan(100_000, 60.0, 400)

Ask = Callable[[random.Random], tuple[bool, int]]
"""One operation of the mix: was it a search, and its status (the library's are 200)."""


@dataclass
class Load:
    """What one phase saw."""

    seconds: float
    searches: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def row(self, name: str, clients: int) -> list[object]:
        done = len(self.searches) + len(self.writes)
        return [
            name,
            clients,
            f"{done / self.seconds:,.0f}",
            *fixtures.milliseconds(self.searches),
            *fixtures.milliseconds(self.writes),
            sum(count for status, count in self.statuses.items() if status >= 300),
        ]


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    plan = TINY if options.tiny else FULL if options.full else QUICK
    result = fixtures.Result("server", "The service: what HTTP costs, load, overload, a restart of the database")
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "served", model=OFFLINE_MODEL, dimensions=256)
        fill(dsn, plan.memories)
        with serving(dsn) as (process, port):
            one_client(dsn, port, plan, result)
            mixed(dsn, process, port, plan, result)
            overload(process, port, plan, result)
            restart(server, dsn, port, plan, result)
        hostile(fixtures.database(server, "attacked", model=OFFLINE_MODEL, dimensions=256), plan, result)
    result.publish(keep=not options.tiny)


def fill(dsn: str, memories: int) -> None:
    """The same number of memories for each agent."""
    found = texts.take(memories, seed=7)
    for agent in range(AGENTS):
        with Memory(f"agent-{agent}", dsn=dsn) as memory:
            own = found[agent::AGENTS]
            for start in range(0, len(own), 2000):
                memory.remember_many([{"text": text} for text in own[start : start + 2000]])
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE archival_memories")


@cache
def _said() -> list[str]:
    return texts.take(2000, seed=8)


def question(chance: random.Random) -> str:
    return texts.part_of(chance.choice(_said()))


def note(chance: random.Random) -> str:
    """A text that was not kept before."""
    return f"{chance.choice(_said())} ({chance.randrange(10**12)})"


@contextmanager
def serving(dsn: str, *, keys: bool = False, **variables: str) -> Iterator[tuple[psutil.Process, int]]:
    """The service in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-c", "from memgpt.cli import main; main()", "serve", "--no-worker"]
    if not keys:
        command.append("--no-auth")
    process = subprocess.Popen(
        [*command, "--port", str(port), "--dsn", dsn],
        env=os.environ | {"MEMGPT_POOL_SIZE": str(POOL)} | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while call(port, "GET", "/health/ready") != 200:
            if process.poll() is not None:
                raise SystemExit(f"the service ended with status {process.returncode}")
            time.sleep(0.1)
        yield psutil.Process(process.pid), port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def call(port: int, method: str, path: str) -> int:
    """The status of one request; 0 while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


class Client:
    """One client with one connection, which is opened again when it is lost."""

    def __init__(self, port: int, kept: list[str] | None = None, token: str | None = None) -> None:
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._kept = kept

    def __call__(self, chance: random.Random) -> tuple[bool, int]:
        searching, agent, text = drawn(chance)
        if searching:
            return True, self.post(f"/v1/agents/{agent}/search", {"query": text, "limit": 10})
        status = self.post(f"/v1/agents/{agent}/archival-memory", {"text": text})
        if self._kept is not None and status == 201:
            self._kept.append(text)
        return False, status

    def post(self, path: str, body: dict[str, object]) -> int:
        try:
            self._connection.request("POST", path, json.dumps(body), self._headers)
            answer = self._connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 599


class Library:
    """The same work without HTTP, isolated by the database as a request is."""

    def __init__(self, dsn: str) -> None:
        self._service = Service(
            settings().model_copy(update={"pool_size": POOL, "database_url": SecretStr(dsn)}), keys_required=False
        )
        self._memories = {
            name: self._service.memory(Caller(None), name, "write") for name in map(_agent, range(AGENTS))
        }

    def __call__(self, chance: random.Random) -> tuple[bool, int]:
        searching, agent, text = drawn(chance)
        if searching:
            self._memories[agent].search(text, limit=10)
        else:
            self._memories[agent].remember(text)
        return searching, 200

    def of(self, agent: str) -> Memory:
        return self._memories[agent]

    def close(self) -> None:
        self._service.close()


def _agent(number: int) -> str:
    return f"agent-{number}"


def drawn(chance: random.Random) -> tuple[bool, str, str]:
    searching = chance.random() < SEARCHES
    return searching, _agent(chance.randrange(AGENTS)), question(chance) if searching else note(chance)


def run(makes: Callable[[], Ask], clients: int, seconds: float, stop: threading.Event | None = None) -> Load:
    """So many clients, each one request after another, for so long or until it is stopping."""
    load, lock, stop = Load(seconds), threading.Lock(), stop or threading.Event()
    began = time.perf_counter()

    def work(number: int) -> None:
        ask, chance = makes(), random.Random(number)
        while time.perf_counter() < began + seconds and not stop.is_set():
            started = time.perf_counter()
            searching, status = ask(chance)
            took = time.perf_counter() - started
            with lock:
                load.statuses[status] += 1
                (load.refused if status >= 300 else load.searches if searching else load.writes).append(took)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.seconds = time.perf_counter() - began
    return load


def one_client(dsn: str, port: int, plan: Plan, result: fixtures.Result) -> None:
    """The same searches and writes, in turns, by the library and over HTTP."""
    library, client, chance = Library(dsn), Client(port), random.Random(3)
    memory = library.of("agent-0")
    kinds: dict[str, tuple[dict[str, Callable[[str], object]], Callable[[random.Random], str]]] = {
        "search": ({"library": memory.search, "http": lambda text: client.post(SEARCH, {"query": text})}, question),
        "write": ({"library": memory.remember, "http": lambda text: client.post(KEEP, {"text": text})}, note),
    }
    table = result.table("One client (ms)", "", "library p50", "p95", "HTTP p50", "p95", "HTTP adds (p50)")
    for name, (contenders, drawn) in kinds.items():
        asked = {who: (lambda _, do=do, drawn=drawn: do(drawn(chance))) for who, do in contenders.items()}
        taken = fixtures.in_turns(asked, plan.rounds, warm_up=20)
        added = 1e3 * (float(np.median(taken["http"])) - float(np.median(taken["library"])))
        table.rows.append(
            [name, *fixtures.milliseconds(taken["library"]), *fixtures.milliseconds(taken["http"]), f"{added:.2f}"]
        )
        result.numbers[f"http_adds_ms_{name}"] = added
        ratio = result.compare(f"one client's {name}, HTTP against library", taken["http"], taken["library"])
        result.ratios.append(f"HTTP adds {added:.1f} ms to a {name} of one client ({ratio} times the library's)")
    library.close()


SEARCH = "/v1/agents/agent-0/search"
KEEP = "/v1/agents/agent-0/archival-memory"


def mixed(dsn: str, process: psutil.Process, port: int, plan: Plan, result: fixtures.Result) -> None:
    """80% searches and 20% writes, by the library, then over HTTP, while the service's memory is watched."""
    table = result.table(
        f"{plan.clients} clients, {SEARCHES:.0%} searches, {plan.memories:,} memories, {plan.seconds:g} s each (ms)",
        *("", "clients", "requests/s", "search p50", "p95", "write p50", "p95", "errors"),
    )
    library = Library(dsn)
    run(lambda: library, plan.clients, plan.seconds / 5)
    run(lambda: Client(port), plan.clients, plan.seconds / 5)
    direct = run(lambda: library, plan.clients, plan.seconds)
    library.close()
    before = process.memory_info().rss
    over = run(lambda: Client(port), plan.clients, plan.seconds)
    grown = (process.memory_info().rss - before) / 2**20
    table.rows += [direct.row("library", plan.clients), over.row("HTTP", plan.clients)]
    errors = sum(count for status, count in over.statuses.items() if status >= 300)
    added = 1e3 * (float(np.median(over.searches)) - float(np.median(direct.searches)))
    result.remarks.append(
        f"Under this load HTTP adds {added:.1f} ms to the median search: the service, {plan.clients} clients and "
        f"PostgreSQL share the machine's processors, and the library needs one process less. The service's memory: "
        f"{before / 2**20:.0f} MiB before, {grown:+.1f} MiB after."
    )
    result.numbers |= {"errors": errors, "grown_mib": grown, "http_adds_ms_under_load": added}
    result.ratios.append(f"{plan.clients} clients for {plan.seconds:g} s: {errors} errors, memory {grown:+.1f} MiB")


def overload(process: psutil.Process, port: int, plan: Plan, result: fixtures.Result) -> None:
    """Ten times as many clients, who do not wait after they were refused; then the usual number again."""
    seconds = min(plan.seconds, 10.0)
    load = run(lambda: Client(port), plan.many, seconds)
    after = run(lambda: Client(port), plan.clients, seconds / 2)
    table = result.table(
        f"Ten times as many clients, {seconds:g} s (ms)",
        *("", "clients", "served/s", "search p50", "p95", "write p50", "p95", "refused"),
    )
    table.rows += [load.row("overloaded", plan.many), after.row("afterwards", plan.clients)]
    unexpected = {status for status in load.statuses if status >= 300} - {429, 503}
    refused = fixtures.milliseconds(load.refused) if load.refused else ("0", "0")
    result.remarks.append(
        f"Refused were {len(load.refused):,} requests, with 429 or 503 (others: {sorted(unexpected) or 'none'}), "
        f"within {refused[0]} ms (p50) and {refused[1]} ms (p95); afterwards "
        f"{sum(count for status, count in after.statuses.items() if status >= 300)} were. "
        f"Memory: {process.memory_info().rss / 2**20:.0f} MiB."
    )
    result.numbers |= {"refused_p95_ms": float(refused[1]), "unexpected_statuses": sorted(unexpected)}


def restart(server: EmbeddedServer, dsn: str, port: int, plan: Plan, result: fixtures.Result) -> None:
    """PostgreSQL is killed in the middle; nobody restarts the service; every acknowledged write is there."""
    kept: list[str] = []
    stop = threading.Event()
    killer = threading.Timer(min(plan.seconds, 10.0) / 2, lambda: os.kill(server.pid, signal.SIGKILL))
    killer.start()
    ended = threading.Timer(min(plan.seconds, 10.0) + 5, stop.set)
    ended.start()
    load = run(lambda: Client(port, kept), plan.clients, 120, stop)
    ready = call(port, "GET", "/health/ready")
    with psycopg.connect(dsn) as owner:
        stored = {row[0] for row in owner.execute("SELECT text FROM archival_memories")}
    lost = [text for text in kept if text not in stored]
    failed = {status: count for status, count in load.statuses.items() if status >= 300}
    result.remarks.append(
        f"PostgreSQL killed in the middle: {len(kept):,} acknowledged writes, {len(lost)} lost; refused meanwhile: "
        f"{failed or 'none'} (status: requests); /health/ready afterwards {ready}, without a restart of the service."
    )
    result.numbers |= {"acknowledged": len(kept), "lost": len(lost), "ready": ready}
    result.ratios.append(f"a killed PostgreSQL lost {len(lost)} of {len(kept):,} acknowledged writes")


def hostile(dsn: str, plan: Plan, result: fixtures.Result) -> None:
    """An honest key alone, then beside callers who want to stop the service; three minutes at the full size."""
    fill(dsn, min(plan.memories, 5_000))
    seconds = 3 * plan.seconds
    with Memory("agent-0", dsn=dsn) as memory:
        keys = Keys(scope_of(memory).database)
        honest, mallory = (keys.create(agents=[agents]).token for agents in ("agent-*", "mallory"))
    with hostile_load.model() as address:
        variables = {"MEMGPT_CHAT_MODEL": "openai:silent", "MEMGPT_CHAT_BASE_URL": address, "MEMGPT_CHAT_API_KEY": "k"}
        with serving(dsn, keys=True, **variables) as (process, port):
            client = lambda: Client(port, token=honest)  # noqa: E731
            run(client, 1, seconds / 10)
            idle = run(client, 1, seconds / 3)
            with hostile_load.attack(port, mallory) as statuses:
                beside = run(client, 1, seconds)
            grown = process.memory_info().rss / 2**20
    table = result.table(
        f"One honest client, {seconds:g} s under attack (ms)",
        *("", "clients", "requests/s", "search p50", "p95", "write p50", "p95", "errors"),
    )
    table.rows += [idle.row("alone", 1), beside.row("under attack", 1)]
    ratio = float(np.percentile(beside.searches, 95) / np.percentile(idle.searches, 95))
    bad = sum(count for status, count in (statuses + beside.statuses).items() if status in (500, 599))
    result.remarks.append(
        f"The attack: {hostile_load.BODIES} bodies that do not come, half of them without a key, {hostile_load.CHATS} "
        f"turns with a model that never answers, {hostile_load.STREAMS} streams nobody reads, {hostile_load.FLOODS} "
        f"clients that flood health checks. Its answers: {dict(sorted(statuses.items()))}. Memory: {grown:.0f} MiB."
    )
    result.numbers |= {"hostile_p95_ratio": ratio, "hostile_500": bad}
    result.ratios.append(f"under attack an honest key's p95 is {ratio:.1f} times its own alone; {bad} answers of 500")


if __name__ == "__main__":
    main()
