"""The console as `memgpt serve` serves it, a client that is signed in, and a real browser that lets nothing pass."""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    Response,
    Route,
    sync_playwright,
)
from pydantic import SecretStr
from starlette.testclient import TestClient

from memgpt.cli.operator.serving import Face, compose
from memgpt.config import settings
from memgpt.memory import Memory
from memgpt.server.api.protocol import PatientProtocol
from memgpt.server.console import Console, assets
from memgpt.server.service import Service

AXE = Path(__file__).parents[2] / "build/vendor/axe.min.js"
SHOTS = Path(__file__).parents[2] / "build/screenshots"
AGENT = "ann"
TOKEN = re.compile(r'name="token" value="([0-9a-f]{64})"')
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


def service_on(dsn: str, **changes: Any) -> Service:
    keys_required = changes.pop("keys_required", True)
    options = settings().model_copy(update={"database_url": SecretStr(dsn), **changes})
    return Service(options, keys_required=keys_required)


@pytest.fixture
def service(dsn: str) -> Service:
    """Closed with the application."""
    return service_on(dsn)


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    """The memory that the pages show, written to beside them."""
    with Memory(AGENT, dsn=dsn, actor="agent:ann") as memory:
        yield memory


@pytest.fixture
def application(service: Service) -> tuple[FastAPI, Console]:
    return compose(service, Face(("testserver",), with_worker=False), 80)


@dataclass
class Visitor:
    """A browser without scripts, signed in: what it posts carries the token of the page it came from."""

    client: TestClient
    token: str = ""

    def get(self, address: str, **kwargs: Any) -> Any:
        answer = self.client.get(address, **kwargs)
        found = TOKEN.search(answer.text)
        self.token = found[1] if found else self.token
        return answer

    def post(self, address: str, **fields: Any) -> Any:
        return self.client.post(address, data={"token": self.token, **fields}, headers=SAME_ORIGIN)


@pytest.fixture
def anonymous(application: tuple[FastAPI, Console]) -> Iterator[TestClient]:
    """A client that is not signed in."""
    with TestClient(application[0], base_url="http://localhost:80", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def visitor_with(service: Service, anonymous: TestClient) -> Callable[..., Visitor]:
    """Makes people: ``visitor_with(permissions=["read"])``."""

    def make(**fields: Any) -> Visitor:
        key = service.keys.create(**fields).token
        client = TestClient(anonymous.app, base_url="http://localhost:80", raise_server_exceptions=False)
        signed_in = client.post("/sign-in", data={"key": key}, headers=SAME_ORIGIN, follow_redirects=False)
        assert signed_in.status_code == 303, signed_in.text
        visitor = Visitor(client)
        visitor.get("/")
        return visitor

    return make


@pytest.fixture
def visitor(visitor_with: Callable[..., Visitor]) -> Visitor:
    """Somebody who may do everything."""
    return visitor_with(permissions=["read", "write", "admin"])


@contextmanager
def served(service: Service, **face: Any) -> Iterator[tuple[str, Console]]:
    """The console behind a real socket: its address, and itself."""
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:  # as `bound` has it
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        app, console = compose(service, Face(with_worker=False, **face), port)
        config = uvicorn.Config(
            app, http=PatientProtocol, log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}", console
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium. In CI its absence is a failure."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None or not AXE.is_file() or not assets.vendored():
        reason = "chromium is not on PATH" if program is None else "run `make vendor`"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with sync_playwright() as playwright:
        arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@dataclass
class Watch:
    """What no page may do. ``expected`` are parts of messages that a test means to see."""

    address: str
    seen: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def on(self, context: BrowserContext, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.note(f"page error: {error}"))
        page.on("response", self._response)
        page.on("requestfailed", self._failed)
        context.route("**/*", self._route)
        context.add_init_script(
            "document.addEventListener('securitypolicyviolation', e => "
            "console.error('violation: ' + e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sample))"
        )

    def note(self, message: str) -> None:
        if not any(part in message for part in self.expected):
            self.seen.append(message)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.note(f"console: {message.text}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.note(f"{response.status} {response.request.method} {response.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":
            self.note(f"failed: {request.url} {request.failure}")

    def _route(self, route: Route) -> None:
        if route.request.url.startswith((self.address, "data:")):
            route.continue_()
        else:
            self.note(f"another host: {route.request.url}")
            route.abort()


@dataclass
class Tab:
    """A page of a browser with its address, the watch on it, and what it may be asked."""

    page: Page
    address: str
    watch: Watch
    console: Console

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def sign_in(self, key: str) -> None:
        self.open("/sign-in")
        self.page.get_by_label("Key").fill(key)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(re.compile(r"/$"))

    def ready(self) -> None:
        """Wait for the scripts of the page."""
        self.page.locator("html.with-script").wait_for()

    def is_accessible(self) -> None:
        """Fail where axe finds something serious."""
        found = self.page.evaluate(f"{AXE.read_text('utf-8')}; axe.run(document)")
        serious = [
            f"{one['id']}: {node['html']} {node['failureSummary']}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
        assert serious == []

    def shot(self, name: str) -> None:
        """Keep a picture, as an artefact."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


@pytest.fixture
def site(service: Service) -> Iterator[tuple[str, Console]]:
    with served(service) as (address, console):
        yield address, console


@pytest.fixture
def tab_with(chromium: Browser, site: tuple[str, Console]) -> Iterator[Callable[..., Tab]]:
    """Opens tabs, each in a browser of its own: ``tab_with(color_scheme="dark")``."""
    opened: list[tuple[BrowserContext, Watch]] = []

    def make(**options: Any) -> Tab:
        options = {
            "viewport": {"width": 1280, "height": 800},
            "timezone_id": "Europe/Vienna",
            "locale": "en-GB",
            **options,
        }
        context = chromium.new_context(**options)
        context.set_default_timeout(15_000)
        page = context.new_page()
        watch = Watch(site[0])
        watch.on(context, page)
        opened.append((context, watch))
        return Tab(page, site[0], watch, site[1])

    yield make
    for context, _ in opened:
        context.close()
    assert [message for _, watch in opened for message in watch.seen] == []


@pytest.fixture
def tab(tab_with: Callable[..., Tab], service: Service) -> Tab:
    """A tab of somebody who may do everything, signed in."""
    tab = tab_with()
    tab.sign_in(service.keys.create("ops", permissions=("read", "write", "admin")).token)
    return tab


__all__ = ["AGENT", "SAME_ORIGIN", "Error", "Tab", "Visitor", "served", "service_on"]
