"""The console behind a real socket, and the system's Chromium to look at it."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from playwright.sync_api import Browser, sync_playwright
from pydantic import SecretStr
from starlette.types import ASGIApp

from memgpt.cli.operator.serving import Face, compose
from memgpt.config import settings
from memgpt.server.api.protocol import PatientProtocol
from memgpt.server.console import assets
from memgpt.server.service import Service


def need() -> str:
    """Return Chromium's program; end where there is none, or nothing for it to run."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None or not assets.vendored():
        sys.exit("this needs chromium on PATH, and the libraries of `make vendor`")
    return program


@contextmanager
def browsing() -> Iterator[Browser]:
    """Chromium without a window."""
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=need(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served(dsn: str, within: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> Iterator[str]:
    """The service of ``memgpt serve`` without keys and without a worker; answers with its address."""
    options = settings().model_copy(update={"database_url": SecretStr(dsn), "embedding_model": "none"})
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        app, _ = compose(Service(options, keys_required=False), Face(with_worker=False), port)
        config = uvicorn.Config(
            within(app), http=PatientProtocol, log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()
