"""``memgpt mcp --connect``: lines of JSON-RPC on standard input and output, carried to a running service and back.

A client starts a process for each of its sessions, so this one imports neither the memory nor MCP's SDK.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import typer

from memgpt.cli import output
from memgpt.cli.operator.remote import Message, Remote, endpoint, parsed, version_of
from memgpt.errors import MemgptError, UnavailableError

_FAILED: Final = -32000
_NOT_JSON: Final = -32700
_NO_MESSAGE: Final = -32600
"""Codes of JSON-RPC."""
_READ_AHEAD: Final = 100
"""Lines read and not sent yet."""
_PARTING: Final = 5.0
"""Seconds for answers that are under way when the client closes its end."""
_LONGEST_RETRY: Final = 15.0
"""Most seconds between two attempts to listen."""


def run(url: str, agent: str | None, key: str | None, patience: float) -> None:
    """Carry messages until standard input ends.

    Args:
        agent: whose memory it is, where neither the address nor the key says.
        patience: seconds for which a service that is away is waited for.

    Raises:
        InputError: the address is none.
        typer.Exit: no message got through.
    """
    address = endpoint(url, agent)
    if not asyncio.run(_carried(address, key, patience)):
        raise typer.Exit(1)


async def _carried(address: str, key: str | None, patience: float) -> bool:
    return await _Bridge(Remote(address, key, patience)).run()


class _Bridge:
    """One client on standard input and output, and the service its messages go to."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._requests: dict[str | int, tuple[Message, asyncio.Task[None]]] = {}
        self._listener: asyncio.Task[None] | None = None
        self._failure: MemgptError | None = None

    async def run(self) -> bool:
        """Carry messages until the client closes its end; return False if the service could not be reached."""
        try:
            async for line in _lines():
                if line.strip():
                    await self._take(line)
            await self._finish()
        finally:
            tasks = [task for _, task in self._requests.values()] + ([self._listener] if self._listener else [])
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._remote.close()
        return self._failure is None or self._remote.reached

    async def _finish(self) -> None:
        """Wait for answers that are under way, but not for those that have no end."""
        ending = [task for message, task in self._requests.values() if message["method"] != "subscriptions/listen"]
        if ending:
            await asyncio.wait(ending, timeout=_PARTING)

    async def _take(self, line: bytes) -> None:
        """Take a message of the client: a request is carried beside others, anything else in its turn."""
        message = parsed(line)
        if not isinstance(message, dict):
            code, words = (_NOT_JSON, "not JSON") if message is None else (_NO_MESSAGE, "not one message of JSON-RPC")
            self._write({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": f"the line is {words}"}})
        elif isinstance(message.get("method"), str) and isinstance(id := message.get("id"), str | int):
            task = asyncio.create_task(self._carry(message))
            self._requests[id] = message, task
            task.add_done_callback(lambda _: self._forget(id, task))
        elif not self._cancel(message):
            await self._carry(message)
            if message.get("method") == "notifications/initialized" and self._remote.session and not self._listener:
                self._listener = asyncio.create_task(self._listen())

    def _forget(self, id: str | int, task: asyncio.Task[None]) -> None:
        if self._requests.get(id, (None, None))[1] is task:
            del self._requests[id]

    def _cancel(self, message: Message) -> bool:
        """Cancel a request by closing its stream, where its version of the protocol has it so."""
        if message.get("method") != "notifications/cancelled":
            return False
        parameters = message.get("params")
        id = parameters.get("requestId") if isinstance(parameters, dict) else None
        request, task = self._requests.get(id, (None, None)) if isinstance(id, str | int) else (None, None)
        if task is None or version_of(request) is None:
            return False
        task.cancel()
        return True

    async def _carry(self, message: Message) -> None:
        """Carry a message to the service, and what comes back to the client."""
        id = message.get("id") if "method" in message else None
        answered = id is None
        try:
            async for reply in self._remote.exchange(message):
                if "method" not in reply:
                    reply["id"] = id if reply.get("id") is None else reply["id"]
                    answered = answered or reply["id"] == id
                self._write(reply)
            if not answered:
                raise UnavailableError("the service ended the stream before its answer: ask again")
        except MemgptError as error:
            self._report(error)
            if not answered:
                words = {"code": _FAILED, "message": str(error)}
                self._write({"jsonrpc": "2.0", "id": id, "error": words})

    async def _listen(self) -> None:
        """Pass on what the service says by itself; come back to a service that was away, and say what may have changed
        meanwhile."""
        wait, missed = 1.0, False
        while True:
            try:
                async with self._remote.listening() as messages:
                    if messages is not None:
                        wait = 1.0
                        for uri in self._remote.subscribed if missed else ():
                            self._write(_updated(uri))
                        async for message in messages:
                            self._write(message)
            except UnavailableError:
                pass  # it may come back
            except MemgptError as error:
                self._report(error)
                return
            if not self._remote.session:
                return
            missed = True
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_RETRY)

    def _report(self, error: MemgptError) -> None:
        """Print an error once, for the client's log."""
        if str(error) != str(self._failure):
            output.fail(str(error))
        self._failure = error

    def _write(self, message: Message) -> None:
        sys.stdout.buffer.write(json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
        sys.stdout.buffer.flush()


def _updated(uri: str) -> Message:
    return {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}}


async def _lines() -> AsyncIterator[bytes]:
    """Yield the lines of standard input; it may be a pipe, a file or a terminal, so a thread reads it."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes] = asyncio.Queue(_READ_AHEAD)

    def read() -> None:
        with open(0, "rb", closefd=False) as source, suppress(RuntimeError):  # the loop may be gone
            for line in source:
                asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()
            asyncio.run_coroutine_threadsafe(lines.put(b""), loop).result()

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while line := await lines.get():
        yield line
