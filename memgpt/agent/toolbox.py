"""The tools by which an agent manages its memory, under the names and with the meaning models know from Letta."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from memgpt.agent.tools import Tool, tool
from memgpt.llm import fences
from memgpt.llm.context import minute
from memgpt.memory import Memory, scope_of
from memgpt.models import Hit, Message
from memgpt.search import weak

CHANGING = frozenset(
    {
        *("core_memory_append", "core_memory_replace", "memory_insert", "memory_replace", "memory_rethink"),
        "archival_memory_insert",
    }
)
"""Tools that change the memory."""

_PAGE = 10

WEAK = "(even the best of these is a weak match: what was asked for may not be remembered)"


def memory_tools(memory: Memory, moment: Callable[[], datetime]) -> Sequence[Tool]:
    """Return the tools on one memory. ``moment`` tells when the turn began: only what was said before is searched."""
    return [tool(function) for function in memory_functions(memory, moment)]


def memory_functions(memory: Memory, moment: Callable[[], datetime | None]) -> Sequence[Callable[..., str]]:
    """Return what the tools call, with the annotations and docstrings that other kits make their tools of."""
    return [*_core(memory), *_archival(memory), *_recall(memory, moment)]


def _core(memory: Memory) -> Sequence[Callable[..., str]]:
    def core_memory_append(label: str, content: str) -> str:
        """Append to a block of core memory, on a new line.

        Args:
            label: The block, such as human or persona.
            content: What to append.
        """
        return _block(memory, label, memory.core[label].append(content).value)

    def core_memory_replace(label: str, old_content: str, new_content: str) -> str:
        """Replace a text in a block of core memory.

        Args:
            label: The block.
            old_content: The text to replace, exactly as it stands there, once.
            new_content: What to put in its place; empty to remove it.
        """
        return _block(memory, label, memory.core[label].replace(old_content, new_content).value)

    def memory_insert(label: str, new_str: str, insert_line: int = -1) -> str:
        """Insert a text into a block of core memory after a line.

        Args:
            label: The block.
            new_str: The text.
            insert_line: After which line; 0 for the beginning, -1 for the end.
        """
        line = None if insert_line == -1 else insert_line + 1
        return _block(memory, label, memory.core[label].insert(new_str, line).value)

    def memory_replace(label: str, old_str: str, new_str: str) -> str:
        """Replace a text in a block of core memory.

        Args:
            label: The block.
            old_str: The text to replace, exactly as it stands there, once.
            new_str: What to put in its place; empty to remove it.
        """
        return _block(memory, label, memory.core[label].replace(old_str, new_str).value)

    def memory_rethink(label: str, new_memory: str) -> str:
        """Rewrite a whole block of core memory.

        Args:
            label: The block.
            new_memory: All of its new text.
        """
        return _block(memory, label, memory.core[label].rethink(new_memory).value)

    return [core_memory_append, core_memory_replace, memory_insert, memory_replace, memory_rethink]


def _archival(memory: Memory) -> Sequence[Callable[..., str]]:
    def archival_memory_insert(content: str, tags: list[str] | None = None) -> str:
        """Keep a text in archival memory for good.

        Args:
            content: A self-contained statement.
            tags: Labels to find it by.
        """
        remembered = memory.remember(content, tags=tags or [])
        return f"archival memory {remembered.id} {'says this already' if remembered.duplicate else 'kept'}"

    def archival_memory_search(
        query: str,
        tags: list[str] | None = None,
        tag_match_mode: Literal["any", "all"] = "any",
        top_k: int = _PAGE,
        start_datetime: str | None = None,
        end_datetime: str | None = None,
    ) -> str:
        """Search archival memory by words and meaning.

        Args:
            query: What to look for.
            tags: Only memories with these tags.
            tag_match_mode: Whether any or all of the tags are needed.
            top_k: How many results at most.
            start_datetime: Not older than this ISO 8601 time.
            end_datetime: Older than this ISO 8601 time.
        """
        options: dict[str, Any] = {"kinds": ["archival"], "limit": top_k, "operators": False}
        options |= {"since": start_datetime, "until": end_datetime}
        if not tags or tag_match_mode == "all":
            return _found(memory.search(query, tags=tags or None, **options), scope_of(memory).zone)
        each = [hit for tag in tags for hit in memory.search(query, tags=[tag], **options)]
        best = {hit.id: hit for hit in sorted(each, key=lambda hit: hit.score)}
        return _found(sorted(best.values(), key=lambda hit: -hit.score)[:top_k], scope_of(memory).zone)

    def graph_search(query: str, limit: int = _PAGE) -> str:
        """Search the facts of the knowledge graph.

        Args:
            query: Names or words of what to look for.
            limit: How many results at most.
        """
        return _found(memory.search(query, kinds=["fact"], limit=limit, operators=False), scope_of(memory).zone)

    def document_search(query: str, limit: int = _PAGE) -> str:
        """Search the documents that were ingested.

        Args:
            query: What to look for.
            limit: How many passages at most.
        """
        return _found(memory.search(query, kinds=["chunk"], limit=limit, operators=False), scope_of(memory).zone)

    return [archival_memory_insert, archival_memory_search, graph_search, document_search]


def _recall(memory: Memory, moment: Callable[[], datetime | None]) -> Sequence[Callable[..., str]]:
    def conversation_search(
        query: str,
        roles: list[Literal["user", "assistant", "tool"]] | None = None,
        limit: int = _PAGE,
        start_date: str | None = None,
        end_date: str | None = None,
    ) -> str:
        """Search everything that was ever said, by words and meaning.

        Args:
            query: What to look for.
            roles: Whose messages; user and assistant when absent.
            limit: How many results at most.
            start_date: Not older than this ISO 8601 time.
            end_date: Older than this ISO 8601 time.
        """
        hits = memory.search(
            query,
            kinds=["message"],
            roles=roles or ["user", "assistant"],
            limit=limit,
            since=start_date,
            until=end_date or moment(),
            operators=False,
        )
        return _found(hits, scope_of(memory).zone)

    def conversation_search_date(start_date: str, end_date: str, limit: int = _PAGE) -> str:
        """List what was said in a span of time, the latest messages of it.

        Args:
            start_date: Not older than this ISO 8601 time.
            end_date: Older than this ISO 8601 time.
            limit: How many messages at most.
        """
        messages = memory.messages.list(since=start_date, until=end_date, limit=limit, roles=["user", "assistant"])
        return "\n".join(_said(message, scope_of(memory).zone) for message in messages) or "nothing was said then"

    return [conversation_search, conversation_search_date]


def _block(memory: Memory, label: str, value: str) -> str:
    return f"block {label!r} of {memory.agent!r} is now:\n{value}"


def _found(hits: Sequence[Hit], zone: ZoneInfo) -> str:
    lines = [
        f"[{hit.kind} {hit.id}, {minute(hit.created_at, zone)}{_by(hit)}] {fences.continued(hit.text)}" for hit in hits
    ]
    return "\n".join([*lines, *([WEAK] if weak(hits) else [])]) or "nothing found"


def _by(hit: Hit) -> str:
    who = hit.source.get("name") or hit.source.get("role") or hit.source.get("title")
    return f", {fences.inline(who)}" if who else ""


def _said(message: Message, zone: ZoneInfo) -> str:
    who, said = fences.inline(message.name or message.role), fences.continued(message.content)
    return f"[message {message.id}, {minute(message.created_at, zone)}, {who}] {said}"
