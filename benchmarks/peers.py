"""How do other memories do, side by side: writing, finding, eight writers, kill -9 while writing?

Each peer runs in an environment of its own (``.venv-peers``), with its telemetry off, on this machine alone; all get
their vectors from the same local endpoint, and those that use PostgreSQL get a database on the same server. They take
turns. A peer that cannot be installed or does not work is reported as that; nothing is estimated.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import fixtures, texts
from benchmarks.endpoint import INSTANT, REAL, Endpoint, serving
from benchmarks.running import BY_VECTOR, ENVIRONMENTS, OURS, PEERS, Failed, Peer, Running, environment
from benchmarks.vectors import nearest
from memgpt.database.embedded import EmbeddedServer

AGENTS = [f"agent-{n}" for n in range(5)]


@dataclass(frozen=True)
class Plan:
    rounds: int
    singles: int
    """Texts added one by one in a round; also the searches of a round."""
    batch: int
    stored: int
    """Texts of each of five agents where recall is measured."""
    questions: int


TINY = Plan(2, 4, 20, 20, 5)
QUICK = Plan(6, 25, 200, 300, 40)
FULL = Plan(20, 50, 1000, 2000, 100)


@dataclass
class Outcome:
    """What was measured of one peer; ``failed`` says where it ended, if it did."""

    peer: Peer
    one: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)
    search: list[float] = field(default_factory=list)
    eight: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    failed: str = ""


@dataclass
class Bench:
    server: EmbeddedServer
    endpoint: Endpoint
    folder: Path
    environments: Path
    plan: Plan
    pythons: dict[str, str] = field(default_factory=dict)

    def open(self, kept: ExitStack, peer: Peer, model: str, name: str) -> Running:
        own, dimensions = f"{peer.name}_{name}", self.endpoint.dimensions
        if peer.name in (OURS, BY_VECTOR):
            dsn = fixtures.database(self.server, own, model=model, dimensions=dimensions)
        else:
            dsn = fixtures.empty_database(self.server, own)
        folder = self.folder / own
        folder.mkdir()
        given = {"dsn": dsn, "folder": str(folder), "url": self.endpoint.url, "model": model, "dimensions": dimensions}
        running = Running(peer, self.pythons[peer.name], given, self.folder / f"{own}.log")
        kept.callback(running.stop)
        running.start()
        return running


def main() -> None:
    parser = fixtures.arguments(__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[peer.name for peer in PEERS], help="these only")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, help="where the peers are installed")
    options = parser.parse_args()
    plan = TINY if options.tiny else FULL if options.full else QUICK
    outcomes = [Outcome(peer) for peer in PEERS if not options.only or peer.name in options.only]
    with fixtures.own_server() as server, serving() as endpoint, tempfile.TemporaryDirectory() as folder:
        bench = Bench(server, endpoint, Path(folder), options.environments, plan)
        for outcome in outcomes:
            _guarded(outcome, "installing it", partial(_install, bench, outcome))
        _speed(bench, outcomes)
        for outcome in outcomes:
            _guarded(outcome, "finding", partial(_finding, bench, outcome))
            _guarded(outcome, "kill -9", partial(_killed, bench, outcome))
    result = fixtures.Result("peers", "How do other memories do, side by side?")
    report(outcomes, plan, result)
    result.publish(keep=not options.tiny)


def _guarded(outcome: Outcome, what: str, step: Callable[[], None]) -> None:
    """A peer that fails is left out of what follows, and reported."""
    if not outcome.failed:
        try:
            step()
        except (Failed, OSError) as error:
            outcome.failed = f"{what}: {error}"


def _install(bench: Bench, outcome: Outcome) -> None:
    bench.pythons[outcome.peer.name] = environment(outcome.peer, bench.environments)


def _speed(bench: Bench, outcomes: Sequence[Outcome]) -> None:
    """With instant vectors, in turns, in an order that changes from round to round."""
    order, plan = random.Random(1), bench.plan
    with ExitStack() as kept:
        opened: dict[str, Running] = {}

        def start(one: Outcome) -> None:
            running = bench.open(kept, one.peer, INSTANT, "speed")
            one.facts["opened"] = running.opened
            opened[one.peer.name] = running

        for outcome in outcomes:
            _guarded(outcome, "starting", partial(start, outcome))
        for number in range(-1, plan.rounds):
            for outcome in order.sample(list(outcomes), len(outcomes)):
                step = partial(_round, bench, outcome, opened.get(outcome.peer.name), number)
                _guarded(outcome, "a round", step)
        for outcome in outcomes:
            _guarded(outcome, "eight writers", partial(_eight, bench, outcome, opened.get(outcome.peer.name)))


def _round(bench: Bench, outcome: Outcome, running: Running, number: int) -> None:
    """The first, -1, is to warm up: it is not counted."""
    plan, agent = bench.plan, AGENTS[number % len(AGENTS)]
    asked_for = bench.endpoint.texts
    singles = texts.take(plan.singles, seed=2 * number + 2)
    one = running.ask("one by one", agent, texts=singles)["seconds"] / plan.singles
    outcome.facts["embedded"] = (bench.endpoint.texts - asked_for) / plan.singles
    took = running.ask("many", agent, texts=texts.take(plan.batch, seed=2 * number + 3))["seconds"]
    found = running.ask("search", agent, texts=texts.take(plan.singles, seed=10_000 + number), limit=10)
    if number >= 0:
        outcome.one.append(one)
        outcome.many += [] if took is None else [took / plan.batch]
        outcome.search += found["seconds"]


def _eight(bench: Bench, outcome: Outcome, running: Running) -> None:
    count = 8 * bench.plan.singles
    done = running.ask("eight", "eight", texts=texts.take(count, seed=20_000))
    there = running.ask("count", "eight")["count"]
    outcome.facts |= {"eight": count / done["seconds"], "failed": done["failed"], "why": done["why"]}
    outcome.facts["lost"] = count - done["failed"] - there


def _finding(bench: Bench, outcome: Outcome) -> None:
    """With real vectors: the true neighbours of a question, and the one text from which some words are given."""
    plan = bench.plan
    with ExitStack() as kept:
        running = bench.open(kept, outcome.peer, REAL, "finding")
        stored = {agent: texts.take(plan.stored, seed=n) for n, agent in enumerate(AGENTS)}
        for agent, own in stored.items():
            if running.ask("many", agent, texts=own)["seconds"] is None:
                running.ask("one by one", agent, texts=own)
        counts = {agent: running.ask("count", agent)["count"] for agent in AGENTS}
        if any(count != plan.stored for count in counts.values()):
            raise Failed(f"of {plan.stored} texts of each agent, it says that it has {sorted(counts.values())}")
        neighbours, items, strangers = [], [], 0
        for agent, own in stored.items():
            questions = texts.take(plan.questions, seed=30_000)
            found = running.ask("search", agent, texts=questions, limit=10)["found"]
            neighbours += _shares(bench.endpoint, own, questions, found)
            strangers += sum(text not in own for hits in found for text in hits)
            wanted = own[:: max(1, len(own) // plan.questions)]
            hits = running.ask("search", agent, texts=[texts.part_of(text) for text in wanted], limit=10)["found"]
            items += [text in there for text, there in zip(wanted, hits, strict=True)]
    outcome.facts |= {"recall": float(np.mean(neighbours)), "items": float(np.mean(items)), "strangers": strangers}


def _shares(endpoint: Endpoint, own: Sequence[str], questions: Sequence[str], found: Sequence[Sequence[str]]) -> Any:
    rows, asked = endpoint.embed(REAL, own), endpoint.embed(REAL, questions)
    for query, hits in zip(asked, found, strict=True):
        true = {own[n] for n in nearest(rows, query)}
        yield len(true & set(hits)) / len(true)


def _killed(bench: Bench, outcome: Outcome) -> None:
    """Killed while it writes one by one, and in the middle of many; started again, and asked what it has."""
    plan = bench.plan
    with ExitStack() as kept:
        running = bench.open(kept, outcome.peer, INSTANT, "killed")
        running.tell("one by one", "killed", texts=texts.take(20 * plan.singles, seed=40_000), acknowledge=True)
        for _ in range(plan.singles):
            said = running.answer()["added"]
        said = running.kill() or said
        outcome.facts["again"] = running.start()
        there = running.ask("count", "killed")["count"]
        outcome.facts |= {"acknowledged": said, "after_kill": there, "missing": max(0, said - there)}
        if not outcome.many:
            return
        many = texts.take(10 * plan.batch, seed=50_000)
        running.tell("many", "in-the-middle", texts=many)
        running.kill_after(0.25 * len(many) * float(np.median(outcome.many)))
        running.start()
        outcome.facts["of_many"] = running.ask("count", "in-the-middle")["count"] / len(many)


def report(outcomes: Sequence[Outcome], plan: Plan, result: fixtures.Result) -> None:
    speed = result.table(
        "Instant vectors of 256 dimensions; texts a second (median of the rounds), and searches",
        *("memory", "one by one", "many at once", "eight writers", "search p50 ms", "p95 ms", "until ready (s)"),
        "vectors asked for a text",
    )
    safety = result.table(
        "Real vectors: what is found; kill -9: what is left",
        *("memory", "recall of the 10 nearest", "a text by some of its words, in 10", "rows of others found"),
        *("eight writers: failed / lost", "acknowledged, then missing", "of an interrupted batch"),
    )
    for outcome in outcomes:
        if outcome.failed:
            result.remarks.append(f"**{outcome.peer.label} has not got through:** {outcome.failed}")
        if outcome.search:
            speed.rows.append(_speed_cells(outcome))
        if "recall" in outcome.facts:
            safety.rows.append(_safety_cells(outcome))
    by_name = {outcome.peer.name: outcome for outcome in outcomes if outcome.search}
    ours = by_name.get(OURS)
    if ours:
        _compare(ours, [one for one in by_name.values() if one is not ours], result)
    result.remarks.append(
        f"{plan.rounds} rounds of {plan.singles} texts one by one, {plan.batch} at once and {plan.singles} searches, "
        "five agents. memgpt, mem0 and MemPalace also rank by words, so the nearest by vector alone are not what they "
        "aim at; the text by some of its words is asked of all. memgpt looks for near-duplicates before every single "
        "write and keeps the history of every change. Psycopg is the floor: no words, no history, no limit on anything."
    )
    names = [outcome.peer.label for outcome in by_name.values()]
    rates = {"one by one": [1 / float(np.median(one.one)) for one in by_name.values()]}
    rates["many at once"] = [1 / float(np.median(one.many)) if one.many else None for one in by_name.values()]
    result.charts.append(fixtures.Chart("Texts stored per second", names, rates, "", "texts/s", "y"))


def _speed_cells(outcome: Outcome) -> list[object]:
    facts = outcome.facts
    rates = [f"{1 / float(np.median(taken)):,.0f}" if taken else "no way" for taken in (outcome.one, outcome.many)]
    eight = f"{facts['eight']:,.0f}" if "eight" in facts else ""
    found = fixtures.milliseconds(outcome.search)
    return [outcome.peer.label, *rates, eight, *found, f"{facts['opened']:.1f}", f"{facts['embedded']:.1f}"]


def _safety_cells(outcome: Outcome) -> list[object]:
    facts = outcome.facts
    eight = f"{facts['failed']} / {facts['lost']}" if "failed" in facts else ""
    killed = f"{facts['acknowledged']}, {facts['missing']}" if "missing" in facts else ""
    batch = f"{facts['of_many']:.0%}" if "of_many" in facts else ""
    found = [f"{facts['recall']:.3f}", f"{facts['items']:.3f}", facts["strangers"]]
    return [outcome.peer.label, *found, eight, killed, batch]


def _compare(ours: Outcome, others: Sequence[Outcome], result: fixtures.Result) -> None:
    """memgpt against each, and where a peer is the better one."""
    behind: list[str] = []
    for other in others:
        said = []
        for what, mine, theirs in (
            ("one by one", ours.one, other.one),
            ("many at once", ours.many, other.many),
            ("search", ours.search, other.search),
        ):
            if not theirs:
                continue
            rounds = min(len(mine), len(theirs))
            faster = result.compare(f"{other.peer.name}: {what}", theirs[:rounds], mine[:rounds])
            said.append(f"{what} {faster}")
            if faster.high < 1:
                behind.append(f"{other.peer.label} is {1 / faster.value:.1f} times as fast at {what}")
        if "eight" in ours.facts and "eight" in other.facts:
            said.append(f"eight writers {ours.facts['eight'] / other.facts['eight']:.2f}")
        for what, name in (("recall of the nearest", "recall"), ("finding a text by its words", "items")):
            if other.facts.get(name, 0) > ours.facts.get(name, 0) + 0.01:
                behind.append(f"{other.peer.label} is better at {what}: {other.facts[name]:.3f}")
        result.ratios.append(f"memgpt is so many times as fast as {other.peer.label}: {', '.join(said)}")
    result.remarks.append("Where others are better: " + ("; ".join(behind) if behind else "nowhere in this run") + ".")


if __name__ == "__main__":
    main()
