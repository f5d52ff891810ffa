"""`memgpt hook` as Claude Code runs it: a process that reads an event, with a transcript that grows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memgpt import Memory
from memgpt.cli.hook import CAPTURING
from memgpt.server.service import Caller
from tests.conftest import free_port
from tests.service.conftest import app_of, served, service_on
from tests.service.test_chat import wait_until
from tests.service.test_mcp_bridge import environment

PROGRAM = ["-c", "from memgpt.cli import main; main()", "hook"]
SESSION = "5f3ad1c2-7a0e-4c55-9a3e-0c6b1c7f2a11"


class Transcript:
    """A file as Claude Code writes it: a line for each part of a message, and lines of its own between them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clock = 0
        self.line(type="file-history-snapshot", messageId=str(uuid.uuid4()), snapshot={"trackedFileBackups": {}})

    def line(self, **fields: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(fields, ensure_ascii=False) + "\n")

    def said(self, role: str, *content: Any, **fields: Any) -> None:
        self._clock += 1
        whole = content[0] if isinstance(content[0], str) and len(content) == 1 else list(content)
        self.line(
            parentUuid=None,
            isSidechain=False,
            userType="external",
            cwd="/home/ann/web-shop",
            sessionId=SESSION,
            version="2.1.50",
            type=role,
            message={"role": role, "content": whole},
            uuid=str(uuid.uuid4()),
            timestamp=f"2026-11-20T10:00:{self._clock:02}.000Z",
            **fields,
        )

    def first_turn(self) -> None:
        reminder = {"type": "text", "text": "<system-reminder>\nTodos are empty.\n</system-reminder>"}
        self.said("user", "Caveat: what follows is the program's", isMeta=True)
        self.said("user", reminder, {"type": "text", "text": "Deploys go through staging first. Fix the login."})
        self.said("assistant", {"type": "thinking", "thinking": "Look at it.", "signature": "x"})
        self.said("assistant", {"type": "text", "text": "I will read the form first."})
        call = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"file_path": "login.ts"}}
        self.said("assistant", call)
        self.said("user", {"type": "tool_result", "tool_use_id": "toolu_1", "content": "export const login = 1"})
        self.said("assistant", {"type": "text", "text": "The login works now."})

    SAID = ("user", "assistant", "assistant", "tool", "assistant")


def event(name: str, transcript: Path | None = None, **fields: Any) -> dict[str, Any]:
    about = {"session_id": SESSION, "cwd": "/home/ann/web-shop", "hook_event_name": name}
    return about | {"transcript_path": str(transcript or "/nowhere.jsonl")} | fields


def run(what: Any, *arguments: str, key: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    says = what if isinstance(what, str) else json.dumps(what)
    return subprocess.run(
        [sys.executable, *PROGRAM, *arguments],
        input=says,
        env=environment(key, **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def transcript(tmp_path: Path) -> Transcript:
    return Transcript(tmp_path / f"{SESSION}.jsonl")


@pytest.fixture
def ann(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


def test_a_growing_transcript_is_kept_once_and_comes_back_as_context(
    dsn: str, ann: Memory, transcript: Transcript, tmp_path: Path
) -> None:
    here = ("--agent", "ann", "--dsn", dsn)

    def serve(name: str, **fields: Any) -> str:
        done = run(event(name, transcript.path, **fields), *here, MEMGPT_DATA_DIR=str(tmp_path / "data"))
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert serve("SessionStart", source="startup") == "", "an empty memory has nothing to say"
    transcript.first_turn()
    assert serve("Stop", stop_hook_active=False) == ""
    kept = list(ann.messages.list(session=SESSION))
    assert tuple(message.role for message in kept) == Transcript.SAID
    assert kept[0].content == "Deploys go through staging first. Fix the login."
    assert kept[2].tool_calls
    assert "export const login" in kept[3].content
    ann.forget(kept[4].id, "message")
    transcript.said("user", "And the logout?")
    with transcript.path.open("a") as file:
        file.write('{"type": "assistant", "sess')  # a line that is being written
    serve("PreCompact", trigger="auto")
    serve("Stop", stop_hook_active=True)
    again = [message.content for message in ann.messages.list(session=SESSION)]
    assert again == [*(message.content for message in kept[:4]), "And the logout?"], "what was forgotten stays so"
    ann.core["human"].append("Ann writes TypeScript.")
    begun = serve("SessionStart", source="startup")
    assert "Ann writes TypeScript." in begun
    assert "And the logout?" in begun
    ann.remember("Deploys of the web shop need the approval of Zoë.")
    recalled = serve("UserPromptSubmit", prompt="Who has to approve deploys of the web shop?")
    assert "need the approval of Zoë" in recalled
    assert "staging first" not in recalled, "what this conversation has said is in it"
    assert serve("UserPromptSubmit", prompt="xyzzy plugh") == ""


def test_through_a_running_service(dsn: str, ann: Memory, transcript: Transcript, tmp_path: Path) -> None:
    service = service_on(dsn)
    key = service.keys.create(agents=["ann"]).token
    transcript.first_turn()
    with served(app_of(service, worker=True)) as address:

        def serve(name: str, **fields: Any) -> str:
            arguments = ("--agent", "ann", "--connect", address)
            data = str(tmp_path / "data")
            done = run(event(name, transcript.path, **fields), *arguments, key=key, MEMGPT_DATA_DIR=data)
            assert (done.returncode, done.stderr) == (0, "")
            return done.stdout

        for _ in range(2):
            serve("Stop")
        transcript.said("user", "And the logout?")
        serve("SessionEnd", reason="logout")
        jobs = service.jobs(Caller(None), "ann", "read")
        wait_until(lambda: all(job.finished for job in jobs.list()))
        assert len(jobs.list()) == 2, "what was sent is not sent again"
        roles = [message.role for message in ann.messages.list(session=SESSION)]
        assert roles == [*Transcript.SAID, "user"]
        assert "And the logout?" in serve("SessionStart", source="startup")
        ann.remember("Deploys of the web shop need the approval of Zoë.")
        assert "approval of Zoë" in serve("UserPromptSubmit", prompt="Who has to approve deploys of the web shop?")


def test_whatever_fails_the_agent_goes_on(transcript: Transcript, tmp_path: Path) -> None:
    transcript.first_turn()
    stop = event("Stop", transcript.path)
    away = f"http://127.0.0.1:{free_port()}"
    gone = f"postgresql://127.0.0.1:{free_port()}/nobody-listens"
    quick = {"MEMGPT_CONNECT_TIMEOUT": "0.5", "MEMGPT_DATA_DIR": str(tmp_path / "data")}
    for what, arguments, says in (
        (stop, ["--connect", away], "start it with `memgpt serve`"),
        (stop, ["--dsn", gone], "connection"),
        (event("SessionStart"), ["--connect", away], "start it with `memgpt serve`"),
        ("no json", [], "is no event of a coding agent"),
        (event("Notification"), [], "there is nothing to do at the event 'Notification'"),
    ):
        done = run(what, *arguments, **quick)
        assert (done.returncode, done.stdout) == (0, "")
        assert says in " ".join(done.stderr.split())
    assert run(stop, "--conect", away, **quick).returncode == 1, "2 would stop the coding agent"
    assert run(event("Stop"), "--connect", away, **quick).stderr == "", "nothing was said yet"


def test_the_settings_to_paste_name_events_that_are_served() -> None:
    page = (Path(__file__).parents[2] / "docs" / "coding-agents.md").read_text("utf-8")
    [block] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    hooks = json.loads(block)["hooks"]
    assert set(hooks) <= CAPTURING | {"SessionStart", "UserPromptSubmit"}
    commands = [hook["command"] for groups in hooks.values() for group in groups for hook in group["hooks"]]
    assert all(command.startswith("memgpt hook --connect http") for command in commands)
