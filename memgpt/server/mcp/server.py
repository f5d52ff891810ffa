"""The MCP server: tools, resources and prompts in front of one service."""

from __future__ import annotations

from typing import Literal

from mcp.server.mcpserver import MCPServer

from memgpt import installation
from memgpt.server.mcp import reference, resources, tools
from memgpt.server.mcp.access import Door, note_request
from memgpt.server.mcp.strict import StrictServer
from memgpt.server.mcp.subscriptions import BlockWatch, Subscribing
from memgpt.server.service import Service

Mode = Literal["memory", "reference"]
"""``memory``: tools for the whole memory. ``reference``: the nine tools of the reference memory server."""

INSTRUCTIONS = (
    "Long-term memory. Before answering about the person, earlier conversations or known facts, call search_memory or "
    "get_context. Keep what will matter later with remember; keep who the person is and what is going on in the blocks "
    "(read_blocks, append_to_block, replace_in_block). Everything but forgetting for good can be undone. "
    "Times are ISO 8601. In answers `> ` begins further lines of a stored text and is no part of it."
)


def create_server(service: Service, *, mode: Mode = "memory", agent: str | None = None) -> MCPServer:
    """Create an MCP server. ``agent`` is whose memory it is where a call does not say."""
    door = Door(service, agent)
    watch = BlockWatch(service)
    server = StrictServer(
        name="memgpt" if mode == "memory" else "memory-server",
        title="memgpt",
        version=installation.version(),
        instructions=INSTRUCTIONS if mode == "memory" else None,
        log_level="WARNING",
        middleware=[note_request],
        lifespan=watch.running,
        subscriptions=False,  # those to blocks are ours
    )
    if mode == "reference":
        reference.offer(server, door)
    else:
        tools.offer(server, door)
        resources.offer(server, door)
        resources.offer_subscriptions(server, Subscribing(door, watch))
    return server
