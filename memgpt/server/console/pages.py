"""Pages from templates: everything is escaped, and what a template asks for must be there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from memgpt.models import Permission
from memgpt.server.console import addresses, assets, escape
from memgpt.server.console.addresses import Values
from memgpt.server.console.cookies import THEME, THEMES
from memgpt.server.console.sessions import SignIn
from memgpt.server.console.texts import say, texts, word

__all__ = ["Frame", "environment", "failure", "page", "say"]

TEMPLATES: Final = Path(__file__).with_name("templates")
SECTIONS: Final[tuple[tuple[str, tuple[str, ...], str], ...]] = (
    ("overview", (), "o"),
    ("blocks", ("blocks",), "b"),
    ("memories", ("memories",), "m"),
    ("documents", ("documents",), "d"),
    ("files", ("files",), "f"),
    ("items", ("items",), "i"),
    ("conversations", ("conversations",), "c"),
    ("search", ("search",), "s"),
    ("chat", ("chat",), "t"),
    ("history", ("history",), "h"),
    ("proposals", ("proposals",), "p"),
    ("graph", ("graph",), "g"),
)
"""Of an agent: name, address and the key behind ``g``."""

OPERATIONS: Final = (
    ("doctor", "d"),
    ("migrations", "m"),
    ("indexes", "i"),
    ("models", "e"),
    ("jobs", "j"),
    ("slow", "s"),
    ("keys", "k"),
    ("audit", "a"),
)
"""Of the operator: name and address, and the key behind ``g``."""


@dataclass(frozen=True, slots=True)
class Section:
    """A way to one of the pages beside this one."""

    name: str
    address: str
    key: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Content that every page shows around its own part."""

    nonce: str
    session: SignIn | None
    theme: str
    path: str
    agent_id: str | None = None
    section: str = ""
    done: DoneChange | None = None
    operating: bool = False
    """Whether this is a page of the operator's."""
    waiting: int = 0
    """Proposals of the agent to be decided."""
    at: datetime | None = None
    """The time in the past at which the agent is looked at."""

    @property
    def sections(self) -> Sequence[Section]:
        """The pages of the agent, or of the operator."""
        if self.session is None:
            return ()
        if self.operating:
            return [Section(name, addresses.address("operations", name), key) for name, key in OPERATIONS]
        if self.agent_id is None:
            return ()
        return [Section(name, self.url(*path), key) for name, path, key in SECTIONS]

    @property
    def operates(self) -> bool:
        """Whether the key administers every agent."""
        return self.session is not None and "*" in self.session.caller.agents and self.session.caller.may("admin", "*")

    def may(self, permission: Permission) -> bool:
        """Whether the key has a permission for the agent of the page, or for some where it has none."""
        if self.session is None or (self.at is not None and permission != "read"):
            return False
        caller = self.session.caller
        return caller.may(permission, self.agent_id or caller.agents[0].rstrip("*") or "*")

    def url(self, *parts: str | int, **query: Values) -> str:
        """Return the address of a page of the agent."""
        assert self.agent_id is not None  # noqa: S101 - asked for by pages of an agent only
        return addresses.address("agents", self.agent_id, *parts, **{"at": self.at, **query})

    def here(self, **query: addresses.Value) -> str:
        """Return the address of this page with another query."""
        written = addresses.address(**{"at": self.at, **query})
        return f"{addresses.own_page(self.path)}{written[1:]}"


@dataclass(frozen=True, slots=True)
class DoneChange:
    """A change just made, and how to take it back."""

    text: str
    change_id: str | None


def page(
    request: Request, template: str, values: Mapping[str, Any], *, status: int = 200, part: str | None = None
) -> HTMLResponse:
    """Render a template, or for a request by a script the block of it that is named ``part``.

    Of the values ``agent_id``, ``section``, ``done``, ``operating``, ``waiting`` and ``looks_at`` are the frame's.
    """
    frame = Frame(
        nonce=request.state.nonce,
        session=getattr(request.state, "session", None),
        theme=_theme(request),
        path=request.scope["path"],
        agent_id=values.get("agent_id"),
        section=values.get("section", ""),
        done=values.get("done"),
        operating=values.get("operating", False),
        waiting=values.get("waiting", 0),
        at=values.get("looks_at"),
    )
    loaded = environment().get_template(template)
    context = {**values, "frame": frame}
    if part is not None and "hx-request" in request.headers:
        html = "".join(loaded.blocks[part](loaded.new_context(context)))
    else:
        html = loaded.render(context)
    return HTMLResponse(html, status, {"Vary": "HX-Request"} if part else None)


def failure(request: Request, status: int, detail: str, *, wait: int | None = None) -> HTMLResponse:
    """Say what went wrong, and what can be done; ``wait`` is in how many seconds it can be asked again."""
    query = request.scope["query_string"].decode("latin-1")
    asked = request.scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    values = {
        "wait": wait,
        "again": addresses.own_page(asked) if request.method == "GET" else None,
        "status": status,
        "title": HTTPStatus(status).phrase,
        "detail": detail,
        "request_id": getattr(request.state, "request_id", None),
    }
    answer = page(request, "failure.html", values, status=status, part="failure")
    if wait is not None:
        answer.headers["Retry-After"] = str(wait)
    return answer


@cache
def environment() -> Environment:
    """Return the one that renders every page."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals |= {
        "t": say,
        "word": word,
        "has_text": lambda name: name in texts(),
        "address": addresses.address,
        "asset": assets.address,
        "integrity": assets.integrity,
        "vendored": assets.vendored,
        "now": lambda: datetime.now(UTC),
        "pieces": escape.pieces,
        "matched_pieces": escape.matched_pieces,
        "FIRST": escape.FIRST,
    }
    filters: dict[str, Callable[..., Any]] = {
        "visible": escape.visible,
        "beginning": escape.beginning,
        "tojson_text": lambda value: json.dumps(value, ensure_ascii=False),
        "utc": _utc,
        "local_utc": _local_utc,
        "segment": addresses.segment,
        "encoded": lambda text: quote(text, safe=""),
        "shell": shlex.quote,
        "number": _number,
        "size": _size,
    }
    templates.filters |= filters
    templates.globals["ui"] = templates.get_template("macros.html").module
    return templates


def _theme(request: Request) -> str:
    chosen = request.cookies.get(THEME, "")
    return chosen if chosen in THEMES else "system"


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _local_utc(moment: datetime | None) -> str:
    """Write a time for an input that has no zone: what it says is UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") if moment else ""


def _number(value: int | float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _size(size: int) -> str:
    """Write a number of bytes as people read it."""
    if size >= 10**9:
        return f"{size / 1e9:,.1f} GB"
    return f"{size / 1e6:,.1f} MB" if size >= 10**6 else f"{size / 1e3:,.0f} kB"
