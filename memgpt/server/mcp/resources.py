"""Resources and prompts: what a person can attach to a conversation. Clients complete the names in their addresses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from anyio import to_thread
from mcp.server.mcpserver import MCPServer, ResourceSecurity
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    Resource,
    ResourceTemplateReference,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    UnsubscribeRequestParams,
)

from memgpt.errors import NotFoundError
from memgpt.llm import fences
from memgpt.models import Message
from memgpt.server.mcp.access import Door
from memgpt.server.mcp.reference_graph import Nodes
from memgpt.server.mcp.strict import StrictServer
from memgpt.server.mcp.subscriptions import BLOCKS, Subscribing

_NAMES: Final = ResourceSecurity(exempt_params={"label", "session"})
"""These are names of rows, not paths of files: a conversation may be called ``/plans`` or ``a/../b``."""

_MOST_COMPLETED: Final = 100
"""The protocol's limit."""


def offer(server: StrictServer, door: Door) -> None:
    """Register the resources and the prompts."""
    server.also_lists(lambda: _listed(door))
    _offer_resources(server, door)
    _offer_prompts(server, door)
    _offer_completion(server, door)


def offer_subscriptions(server: StrictServer, subscribing: Subscribing) -> None:
    """Register the requests of clients who want to know of changes; the SDK takes their handlers on its lower level."""
    low = server._lowlevel_server
    low.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribing.subscribe)
    low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, subscribing.unsubscribe)
    low.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, subscribing.listen)


def _offer_resources(server: MCPServer, door: Door) -> None:

    @server.resource("memory://blocks", title="Core memory", description="Every block.", mime_type="text/markdown")
    def blocks() -> str:
        with door.memory("read") as memory:
            return "\n\n".join(
                f"## {fences.inline(block.label)}\n{fences.quoted(block.value)}" for block in memory.core.list()
            )

    @server.resource(
        "memory://blocks/{label}",
        title="Block",
        description="One block of core memory.",
        mime_type="text/plain",
        security=_NAMES,
    )
    def block(label: str) -> str:
        with door.memory("read") as memory:
            try:
                return memory.core[label].value
            except NotFoundError as error:
                raise ResourceNotFoundError(str(error)) from error

    @server.resource(
        "memory://conversations/{session}",
        title="Conversation",
        description="The latest messages of one conversation.",
        mime_type="text/plain",
        security=_NAMES,
    )
    def conversation(session: str) -> str:
        with door.memory("read") as memory:
            messages = memory.messages.list(session=session, limit=200)
        return "\n".join(map(_line, messages))

    @server.resource(
        "memory://graph", title="Knowledge graph", description="Entities and facts.", mime_type="application/json"
    )
    def graph() -> str:
        with door.memory("read") as memory:
            nodes = Nodes(memory).read()
        shown = {
            "entities": [{"name": n.name, "type": n.type, "observations": n.observations} for n in nodes.nodes],
            "relations": [{"source": r.source, "type": r.type, "target": r.target} for r in nodes.relations],
        }
        return json.dumps(shown, ensure_ascii=False, indent=2)


def _offer_prompts(server: MCPServer, door: Door) -> None:
    @server.prompt(title="Answer with memory", description="Answer a question from what is remembered.")
    def answer_with_memory(question: str) -> str:
        with door.memory("read") as memory:
            context = memory.context(question, budget_tokens=4000)
        return (
            f"{context.text}\n\n# Question\n{fences.quoted(question)}\n\n"
            "Answer from the memory above. Cite the entries you use, as [archival 3]; say so if they do not tell."
        )

    @server.prompt(title="Keep what matters", description="Go through this conversation and keep what matters later.")
    def keep_what_matters() -> str:
        return (
            "Go through our conversation. Keep each thing that will matter later with `remember`, one text a thing, "
            "understandable by itself. Update the block `human` where you learned about me, and `context` where the "
            "situation changed. Search first: correct what is outdated rather than add to it."
        )


def _offer_completion(server: MCPServer, door: Door) -> None:
    def names(argument: CompletionArgument) -> Sequence[str]:
        with door.memory("read") as memory:
            if argument.name == "label":
                return [block.label for block in memory.core.list()]
            return [session.session for session in memory.messages.sessions()]

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator]
    async def completed(
        ref: ResourceTemplateReference | PromptReference, argument: CompletionArgument, _: CompletionContext | None
    ) -> Completion | None:
        if (ref.type, argument.name) not in (("ref/resource", "label"), ("ref/resource", "session")):
            return None  # a question is the person's own
        begun = argument.value.casefold()
        fitting = [name for name in await to_thread.run_sync(names, argument) if name.casefold().startswith(begun)]
        return Completion(values=fitting[:_MOST_COMPLETED], total=len(fitting), has_more=len(fitting) > _MOST_COMPLETED)


def _listed(door: Door) -> Sequence[Resource]:
    """Return each block as a resource of its own."""
    with door.memory("read") as memory:
        return [
            Resource(
                uri=f"{BLOCKS}/{quote(block.label, safe='')}",
                name=block.label,
                title=f"Block {block.label}",
                description=block.description or None,
                mime_type="text/plain",
            )
            for block in memory.core.list()
        ]


def _line(message: Message) -> str:
    return f"{fences.inline(message.name or message.role)}: {fences.continued(message.content)}"
