"""Pictures of every screen, from the data of the demo: what ``make screenshots`` runs.

They go to ``build/screenshots``; what the README and the docs show, which is text, to ``docs/console``.
"""

from __future__ import annotations

import runpy
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import BrowserContext, Page, ViewportSize, sync_playwright
from pydantic import SecretStr

from memgpt.database.admin import migrate
from memgpt.memory import Memory
from memgpt.server.service import Service
from tests.chat_server import ChatServer, Say
from tests.conftest import MODEL, start_server
from tests.console.conftest import SHOTS, served, service_on

AGENT: Final = "tern-ridge"
A: Final = f"/agents/{AGENT}"
QUESTION: Final = "how+thick+must+the+sea+ice+be"
WIDE: Final[ViewportSize] = {"width": 1280, "height": 800}
DRAWN: Final = Path(__file__).parents[2] / "docs/console"
AS_SVG: Final = Path(__file__).with_name("as_svg.js").read_text("utf-8")
NARROW: Final[ViewportSize] = {"width": 360, "height": 740}


def main() -> int:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("screenshots need Chromium on PATH")
    SHOTS.mkdir(parents=True, exist_ok=True)
    with filled() as service, served(service) as (address, _), sync_playwright() as playwright:
        arguments = ["--disable-dev-shm-usage", "--no-sandbox"]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        context = browser.new_context(
            base_url=address, timezone_id="Europe/Vienna", locale="en-GB", reduced_motion="reduce"
        )
        page = sign_in(context, service)
        drawings(page)
        pictures(context, page)
        browser.close()
    print(f"{len(list(SHOTS.glob('*.png')))} pictures in {SHOTS}, {len(list(DRAWN.glob('*.svg')))} drawings in {DRAWN}")
    return 0


@contextmanager
def filled() -> Iterator[Service]:
    """A service with the demo's data and a scripted model, on a server of its own."""
    directory = Path(tempfile.mkdtemp(prefix="memgpt-screenshots-"))
    directory.chmod(0o755)
    server = start_server(directory / "server")
    try:
        dsn = server.dsn(server.create())
        migrate.apply(dsn, model=MODEL)
        with Memory(AGENT, dsn=dsn, actor="demo") as memory, ChatServer().running() as model:
            runpy.run_path(str(Path(__file__).parents[2] / "examples/demo.py"))["ingest"](memory)
            noted = "Amara is on leave from 3 May."
            model.script(
                Say("I will remember that.", calls=[("archival_memory_insert", {"content": noted})]),
                Say("Noted: Amara is on leave from 3 May."),
            )
            yield service_on(
                dsn, chat_model="openai:scripted", chat_base_url=model.url, chat_api_key=SecretStr("only-for-pictures")
            )
    finally:
        server.embedded.close()
        shutil.rmtree(directory, ignore_errors=True)


def sign_in(context: BrowserContext, service: Service) -> Page:
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("Key").fill(service.keys.create("ops", permissions=("read", "write", "admin")).token)
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{A}/chat?session=today")
    page.get_by_label("Message").fill("Amara is on leave from 3 May.")
    page.keyboard.press("Control+Enter")
    page.get_by_role("complementary", name="What it changed").wait_for()
    return page


def drawings(page: Page) -> None:
    """Write what the README and the docs show, as text: no binary file is kept in the repository."""
    DRAWN.mkdir(exist_ok=True)
    page.set_viewport_size({"width": 1120, "height": 760})
    page.goto(f"{A}/search?q={QUESTION}")
    page.locator("details.why summary").first.click()
    (DRAWN / "search.svg").write_text(page.evaluate(AS_SVG), "utf-8")
    page.goto(f"{A}/history")
    (DRAWN / "history.svg").write_text(page.evaluate(AS_SVG), "utf-8")
    page.goto(f"{A}/search/context?q={QUESTION}&budget=600")
    (DRAWN / "context.svg").write_text(page.evaluate(AS_SVG), "utf-8")


def pictures(context: BrowserContext, page: Page) -> None:
    """Take every screen light, dark and narrow."""
    sections = [link.get_attribute("href") or "" for link in page.locator(".sections a").all()]
    page.goto("/operations")
    operations = [link.get_attribute("href") or "" for link in page.locator(".sections a").all()]
    others = ["/", f"{A}/search?q={QUESTION}", f"{A}/search/context?q={QUESTION}", f"{A}/chat?session=today"]
    paths = {named(path): path for path in [*sections, *operations, *others]}
    for name, path in paths.items():
        page.goto(path)
        page.wait_for_load_state("networkidle")
        for scheme, size in (("light", WIDE), ("dark", WIDE), ("light", NARROW)):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_viewport_size(size)
            page.screenshot(path=SHOTS / f"{name}-{scheme}-{size['width']}.png", full_page=True)
    context.close()


def named(path: str) -> str:
    return path.partition("?")[0].removeprefix("/agents/").strip("/").replace("/", "-") or "agents"


if __name__ == "__main__":
    sys.exit(main())
