"""Access of calls to memories, and errors in words that a model can use."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS
from starlette.requests import Request

from memgpt.errors import DatabaseError, ForbiddenError, MemgptError
from memgpt.memory import Memory
from memgpt.models import Permission
from memgpt.server.service import Caller, Service, token_of

log = logging.getLogger("memgpt.server.mcp")

AGENT_HEADER: Final = "memgpt-agent"
AGENT_PARAMETER: Final = "agent"


_current: ContextVar[ServerRequestContext[Any, Any]] = ContextVar("current")
"""The request being answered: the SDK hands it to tools, but not to resources of a fixed address."""


async def note_request(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware of the server: makes the request known to the door."""
    token = _current.set(ctx)
    try:
        return await call_next(ctx)
    finally:
        _current.reset(token)


class Door:
    """Over HTTP a call shows its key, and names its agent by the header ``Memgpt-Agent`` or ``?agent=`` in the address.
    Over stdio the process has one agent."""

    def __init__(self, service: Service, agent: str | None) -> None:
        self._service = service
        self._agent = agent

    @contextmanager
    def memory(self, permission: Permission) -> Iterator[Memory]:
        """Open the memory that a call is for.

        Raises:
            ToolError, ResourceError, MCPError: with what the model, or the person, can do about it.
        """
        current = _current.get()
        request = current.request
        action = f"mcp {current.method} {(current.params or {}).get('name', '')}"
        key_id: str | None = None
        agent = self._agent or self._service.options.agent
        status = 200
        try:
            caller = Caller(None)
            if isinstance(request, Request):
                caller = request.state.caller
                key_id = caller.key.key_id if caller.key else None
                agent = self._named(request) or caller.only_agent or agent
            yield self._service.memory(caller, agent, permission)
        except MemgptError as error:
            status = 403 if isinstance(error, ForbiddenError) else 422
            raise _error(current.method, _words(error)) from error
        finally:
            if status == 403 or (permission != "read" and status == 200):
                client = request.client.host if isinstance(request, Request) and request.client else "stdio"
                self._service.audit.add(
                    request_id=uuid.uuid4().hex,
                    key_id=key_id,
                    agent_id=agent,
                    action=action,
                    status=status,
                    client=client,
                )

    def reader(self) -> tuple[str, Callable[[], bool]]:
        """Return whose memory a call is to read, and what tells later whether its sender still may.

        Raises:
            MCPError: the sender may not.
        """
        request = _current.get().request
        with self.memory("read") as memory:
            agent_id = memory.agent
        if not isinstance(request, Request) or request.state.caller.key is None:
            return agent_id, lambda: True
        token = token_of(request.headers.get("authorization"), request.headers.get("x-api-key"))

        def allowed() -> bool:
            try:
                return self._service.caller(token).may("read", agent_id)
            except MemgptError:
                return False

        return agent_id, allowed

    def _named(self, request: Request) -> str | None:
        return request.headers.get(AGENT_HEADER) or request.query_params.get(AGENT_PARAMETER) or self._agent


def _error(method: str, words: str) -> Exception:
    """Return the kind of error that the SDK expects where it asked."""
    if method == "tools/call":
        return ToolError(words)
    return ResourceError(words) if method == "resources/read" else MCPError(INVALID_PARAMS, words)


def _words(error: Exception) -> str:
    if isinstance(error, DatabaseError):
        log.warning("database: %s", error)
        return "the memory's database did not take this; try again in a moment"
    return str(error)
