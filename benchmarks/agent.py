"""What a turn costs beside the model, as the history grows: ``python benchmarks/agent.py``.

The model answers at once and in process, through the client library's own test double, so what is measured is memgpt
and that library: no network. Each turn has one tool call (two requests). Run it on an idle machine.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from memgpt import Agent, Memory
from memgpt.agent.chat import ChatModel
from memgpt.config import Settings

SIZES = (1_000, 10_000, 100_000)
TURNS = 60


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

        class Nobody(Provider[None]):
            name, base_url, client = "nobody", "", None  # type: ignore[assignment]

            async def __aenter__(self) -> Nobody:
                return self

            async def __aexit__(self, *_: object) -> None:
                pass

        self.name = "instant"
        self._model = FunctionModel(stream_function=stream)
        self._provider = Nobody()
        self._closing = None


def main() -> None:
    executed = 0
    execute = psycopg.Cursor.execute

    def counted(self: Any, *args: Any, **named: Any) -> Any:
        nonlocal executed
        executed += 1
        return execute(self, *args, **named)

    psycopg.Cursor.execute = counted  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        options = Settings(data_dir=Path(folder) / "data")
        with Memory("benchmark", options=options) as memory:
            have = 0
            memory.core.create("notes", limit=1_000_000)
            print(f"{'messages':>9}  {'p50 ms':>7}  {'p95 ms':>7}  statements a turn")
            for size in SIZES:
                fill(memory, size - have)
                have = size
                agent = Agent(memory, Instant(), session=f"s{size}", window=8192)
                for _ in range(10):
                    agent.send("Tell me more about the harbour.")
                times, before = [], executed
                for _ in range(TURNS):
                    began = time.perf_counter()
                    agent.send("Tell me more about the harbour.")
                    times.append((time.perf_counter() - began) * 1e3)
                memory.core["notes"].rethink("")
                p95 = statistics.quantiles(times, n=20)[-1]
                print(f"{size:>9,}  {statistics.median(times):>7.1f}  {p95:>7.1f}  {(executed - before) / TURNS:.1f}")


def fill(memory: Memory, count: int) -> None:
    began = datetime.now(UTC) - timedelta(days=400)
    vectors = np.random.default_rng(count).standard_normal((100, 256)).astype(np.float32)
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
