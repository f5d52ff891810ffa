"""A peer in an environment and a process of its own, asked by lines of JSON (``benchmarks/adapters/loop.py``)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ADAPTERS = Path(__file__).parent / "adapters"
ENVIRONMENTS = Path(__file__).parents[1] / ".venv-peers"
PATIENCE = 600.0
OURS, BY_VECTOR, FLOOR = "memgpt", "memgpt_by_vector", "psycopg"


@dataclass(frozen=True)
class Peer:
    """What is installed, the first being the peer itself; nothing for what this environment has."""

    name: str
    requirements: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        named = {FLOOR: "bare psycopg", OURS: OURS, BY_VECTOR: "memgpt, by the vector alone"}
        return named.get(self.name) or self.requirements[0].replace("==", " ")


PEERS = (
    Peer(OURS),
    Peer(BY_VECTOR),
    Peer(FLOOR),
    Peer(
        "langgraph",
        ("langgraph-checkpoint-postgres==3.2.0", "psycopg[binary,pool]==3.3.9", "langchain-openai==1.7.3"),
    ),
    Peer("mem0", ("mem0ai==2.2.1", "psycopg[binary,pool]==3.3.9")),
    Peer("chroma", ("chromadb==1.5.9", "openai==3.54.0")),
    Peer("mempalace", ("mempalace==3.11.0",)),
)


class Failed(Exception):
    """A peer did not do what it was asked; the last of what it said."""


def environment(peer: Peer, folder: Path) -> str:
    """The interpreter of a peer, installed if it is not yet."""
    if not peer.requirements:
        return sys.executable
    home, wanted = folder / peer.name, "\n".join(peer.requirements)
    python, stamp = home / "bin" / "python", home / ".installed"
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(home, ignore_errors=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", *peer.requirements]
        for command in ([sys.executable, "-m", "venv", str(home)], pip):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise Failed(f"it could not be installed: {_last(done.stderr)}")
        stamp.write_text(wanted)
    return str(python)


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


@dataclass
class Running:
    """A peer at work, with a database and a folder of its own."""

    peer: Peer
    python: str
    given: dict[str, Any]
    errors: Path
    process: subprocess.Popen[str] = field(init=False)
    opened: float = 0.0

    def start(self) -> float:
        """Start it, also again; seconds until it can be asked: interpreter, imports, connection, tables."""
        started = time.perf_counter()
        command = [self.python, str(ADAPTERS / f"with_{self.peer.name}.py"), json.dumps(self.given)]
        path = {} if self.peer.requirements else {"PYTHONPATH": str(Path(__file__).parents[1])}
        quiet = {"ANONYMIZED_TELEMETRY": "False", "MEM0_TELEMETRY": "False", "LANGSMITH_TRACING": "false"}
        nothing = {"OPENAI_API_KEY": "local", "HOME": self.given["folder"]}
        with self.errors.open("a") as said:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env=os.environ | path | quiet | nothing,
            )
        self.answer()
        self.opened = time.perf_counter() - started
        return self.opened

    def tell(self, do: str, agent: str, **more: Any) -> None:
        assert self.process.stdin is not None
        print(json.dumps({"do": do, "agent": agent} | more), file=self.process.stdin, flush=True)

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(PATIENCE)
            raise Failed(_last(self.errors.read_text(errors="replace")))
        return dict(json.loads(line))

    def ask(self, do: str, agent: str, **more: Any) -> dict[str, Any]:
        self.tell(do, agent, **more)
        return self.answer()

    def kill(self) -> int:
        """kill -9; how many texts it had said were added."""
        self.process.send_signal(signal.SIGKILL)
        assert self.process.stdout is not None
        said = [json.loads(line) for line in self.process.stdout if line.endswith("}\n")]
        self._reap()
        return max((answer.get("added", 0) for answer in said), default=0)

    def kill_after(self, seconds: float) -> None:
        time.sleep(seconds)
        self.kill()

    def stop(self) -> None:
        """It ends when it is told nothing more."""
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._reap()

    def _reap(self) -> None:
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()
