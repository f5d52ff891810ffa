"""What does a turn of the agent cost beside the model, as the history grows?

The model answers at once and in process, through the client library's own test double, so what is measured is memgpt
and that library: no network. Each turn has one tool call (two requests to the model).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg

from benchmarks import fixtures
from memgpt import Agent, Memory
from memgpt.agent.chat_model import ChatModel
from memgpt.config import OFFLINE_MODEL

DIMENSIONS = 256
SAID = "Tell me more about the harbour."


class Instant(ChatModel):
    """Calls a tool, then answers."""

    def __init__(self) -> None:
        from pydantic_ai.messages import ModelRequest, ToolReturnPart
        from pydantic_ai.models.function import DeltaToolCall, FunctionModel
        from pydantic_ai.providers import Provider

        async def stream(messages: Any, _: Any) -> Any:
            last = messages[-1]
            if isinstance(last, ModelRequest) and isinstance(last.parts[-1], ToolReturnPart):
                yield "That is noted, and we go on."
            else:
                yield {0: DeltaToolCall("core_memory_append", '{"label": "notes", "content": "x"}')}

        class Whole(FunctionModel):
            @asynccontextmanager
            async def request_stream(self, *args: Any, **named: Any) -> AsyncIterator[Any]:
                async with super().request_stream(*args, **named) as answer:
                    answer.provider_details = {"finish_reason": "stop"}  # as models do: else the response was cut off
                    yield answer

        class Nobody(Provider[None]):
            name, base_url, client = "nobody", "", None  # type: ignore[assignment]

            async def __aenter__(self) -> Nobody:
                return self

            async def __aexit__(self, *_: object) -> None:
                pass

        self.name = "instant"
        self._model = Whole(stream_function=stream)
        self._provider = Nobody()
        self._closing = None
        self._inherited = False


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    sizes = (50, 100) if options.tiny else (1_000, 10_000, 100_000) if options.full else (1_000, 10_000)
    turns = 3 if options.tiny else 60
    result = fixtures.Result("agent", "What does a turn of the agent cost beside the model?")
    table = result.table("A turn with one tool call (ms)", "messages before", "p50", "p95", "statements")
    taken: dict[int, list[float]] = {}
    with fixtures.own_server() as server, counting() as executed:
        dsn = fixtures.database(server, "agent", model=OFFLINE_MODEL, dimensions=DIMENSIONS)
        have = 0
        for size in sizes:
            with Memory("benchmark", dsn=dsn) as memory:
                if not have:
                    memory.core.create("notes", limit=1_000_000)
                fill(memory, size - have)
                have = size
                agent = Agent(memory, Instant(), session=f"s{size}", window=8192)
                before = len(executed)
                found = fixtures.in_turns({"turn": lambda _, agent=agent: agent.send(SAID)}, turns, warm_up=10)
                statements = (len(executed) - before) / (turns + 10)
                memory.core["notes"].rethink("")
            taken[size] = found["turn"]
            table.rows.append([f"{size:,}", *fixtures.milliseconds(taken[size]), f"{statements:.1f}"])
    least, most = sizes[0], sizes[-1]
    grown = result.compare("a turn, largest against smallest history", taken[most], taken[least])
    result.charts.append(
        fixtures.Chart(
            "A turn beside the model (ms, p50)",
            list(sizes),
            {"turn": [1e3 * float(np.median(times)) for times in taken.values()]},
            "messages before",
            "ms",
            "x",
        )
    )
    result.ratios.append(f"a turn after {most:,} messages takes {grown} times one after {least:,}")
    result.publish(keep=not options.tiny)


@contextmanager
def counting() -> Iterator[list[None]]:
    """Grows by one with every statement."""
    executed: list[None] = []
    execute = psycopg.Cursor.execute

    def counted(self: Any, *args: Any, **named: Any) -> Any:
        executed.append(None)
        return execute(self, *args, **named)

    psycopg.Cursor.execute = counted  # type: ignore[method-assign]
    try:
        yield executed
    finally:
        psycopg.Cursor.execute = execute  # type: ignore[method-assign]


def fill(memory: Memory, count: int) -> None:
    began = datetime.now(UTC) - timedelta(days=400)
    vectors = np.random.default_rng(count).standard_normal((100, DIMENSIONS)).astype(np.float32)
    for start in range(0, count, 5000):
        memory.messages.append_many(
            {
                "content": f"Message {n} on the harbour, the weather and the ships.",
                "role": ("user", "assistant")[n % 2],
                "intent": "statement",
                "tokens": 14,
                "session": f"old{n % 50}",
                "created_at": began + timedelta(seconds=count + n),
                "embedding": vectors[n % 100],
            }
            for n in range(start, min(start + 5000, count))
        )


if __name__ == "__main__":
    main()
