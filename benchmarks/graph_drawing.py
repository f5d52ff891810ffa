"""How fluid is the console's drawing of 5,000 things and 10,000 facts, against an empty canvas in the same browser?

Headless Chromium without a GPU. Frames are those of the browser's own clock while a pointer drags the picture, or a
wheel zooms it; the floor is a canvas of the same size on which nothing but its clearing happens. Needs chromium on
PATH, and `make vendor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from playwright.sync_api import Page

from benchmarks import browser, fixtures
from memgpt import Memory
from memgpt.config import settings
from memgpt.database import queries
from memgpt.database.connection import connect

SQL = queries.beside("benchmarks.graph_drawing")
AGENT = "graph"

DRAG = """
async ([selector, milliseconds]) => {
  const canvas = document.querySelector(selector);
  const send = (type, clientX) =>
    canvas.dispatchEvent(new PointerEvent(type, {pointerId: 1, bubbles: true, clientX, clientY: 300}));
  const box = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {};
  const frames = [];
  send("pointerdown", box.left + 200);
  const began = performance.now();
  await new Promise((done) => {
    const next = (at) => {
      frames.push(at);
      send("pointermove", box.left + 200 + 150 * Math.sin((at - began) / 300));
      if (at - began < milliseconds) requestAnimationFrame(next); else done();
    };
    requestAnimationFrame(next);
  });
  send("pointercancel", box.left + 200);
  return frames;
}
"""
ZOOM = """
async ([selector, milliseconds]) => {
  const canvas = document.querySelector(selector);
  const box = canvas.getBoundingClientRect();
  const [clientX, clientY] = [box.left + box.width / 2, box.top + box.height / 2];
  const frames = [];
  const began = performance.now();
  await new Promise((done) => {
    const next = (at) => {
      frames.push(at);
      const deltaY = 25 * Math.sign(Math.sin((at - began) / 400));
      const at_centre = {bubbles: true, cancelable: true, ctrlKey: true, deltaY, clientX, clientY};
      canvas.dispatchEvent(new WheelEvent("wheel", at_centre));
      if (at - began < milliseconds) requestAnimationFrame(next); else done();
    };
    requestAnimationFrame(next);
  });
  return frames;
}
"""
FLOOR = """
async ([selector, milliseconds]) => {
  const {width, height} = document.querySelector(selector);
  const canvas = Object.assign(document.createElement("canvas"), {width, height});
  document.body.append(canvas);
  const context = canvas.getContext("2d");
  const frames = [];
  const began = performance.now();
  await new Promise((done) => {
    const next = (at) => {
      frames.push(at);
      context.clearRect(0, 0, width, height);
      if (at - began < milliseconds) requestAnimationFrame(next); else done();
    };
    requestAnimationFrame(next);
  });
  canvas.remove();
  return frames;
}
"""
MARKS = (
    "performance.getEntriesByName('graph-drawn')[0].startTime - performance.getEntriesByName('graph-data')[0].startTime"
)


@dataclass(frozen=True)
class Size:
    nodes: int
    rounds: int
    milliseconds: int


TINY = Size(100, 1, 200)
QUICK = Size(5_000, 3, 2_000)
FULL = Size(5_000, 10, 4_000)


def per_second(frames: list[float]) -> tuple[float, float]:
    """Frames a second, and milliseconds of the longest wait for one."""
    waits = [after - before for before, after in pairwise(frames)]
    return 1000 * len(waits) / (frames[-1] - frames[0]), max(waits)


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    size = TINY if options.tiny else FULL if options.full else QUICK
    browser.need()
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "drawing")
        with Memory(AGENT, dsn=dsn, options=settings().model_copy(update={"embedding_model": "none"})) as memory:
            memory.graph.add_entity("beginning")
        with connect(dsn) as connection:
            connection.execute(SQL.entities, {"agent_id": AGENT, "nodes": size.nodes})
            connection.execute(SQL.facts, {"agent_id": AGENT, "nodes": size.nodes})
        with browser.browsing() as chromium, browser.served(dsn) as address:
            page = chromium.new_page(viewport={"width": 1280, "height": 800})
            result = measured(page, f"{address}/agents/{AGENT}/graph?from=100001&hops=10", size)
    result.publish(keep=not options.tiny)


def measured(page: Page, address: str, size: Size) -> fixtures.Result:
    """Open the page several times; drag the picture and clear an empty canvas in turns."""
    pictures: list[float] = []
    settled: list[float] = []
    ours: list[tuple[float, float]] = []
    zoomed: list[tuple[float, float]] = []
    settling: list[tuple[float, float]] = []
    floor: list[tuple[float, float]] = []
    drawn = ""
    for _ in range(size.rounds):
        page.goto(address)
        view = page.locator("#graph-view[data-state=settled]")
        page.locator("#graph-view[data-state=drawn]").wait_for(timeout=120_000)
        asked: list[Any] = ["#graph-canvas canvas", size.milliseconds]
        settling.append(per_second(page.evaluate(DRAG, asked)))
        view.wait_for(timeout=120_000)
        settled.append(page.evaluate("performance.now()"))
        drawn = view.get_attribute("data-drawn") or ""
        pictures.append(page.evaluate(MARKS))
        ours.append(per_second(page.evaluate(DRAG, asked)))
        page.wait_for_timeout(500)  # at rest it is drawn sharp
        zoomed.append(per_second(page.evaluate(ZOOM, asked)))
        floor.append(per_second(page.evaluate(FLOOR, asked)))
    nodes, facts = (f"{int(n):,}" for n in drawn.split())
    question = f"How fluid is the drawing of {nodes} things and {facts} facts in the console?"
    result = fixtures.Result("graph_drawing", question)
    table = result.table("Headless Chromium, no GPU", "", "frames a second", "longest wait in ms")
    kinds = {"dragged": ours, "zoomed": zoomed, "dragged while it is laid out": settling}
    for name, runs in (
        {f"the drawing, {how}": runs for how, runs in kinds.items()} | {"an empty canvas": floor}
    ).items():
        table.rows.append([name, f"{median(r for r, _ in runs):.0f}", f"{median(w for _, w in runs):.0f}"])
    share = median(r for r, _ in ours) / median(r for r, _ in floor)
    result.numbers |= {"frames": median(r for r, _ in ours), "floor": median(r for r, _ in floor), "share": share}
    first, rest = median(pictures), median(settled) / 1000
    result.remarks.append(f"Settled {rest:.1f} s after the page was asked for, the server's answers included.")
    result.ratios.append(
        f"{share:.2f} of the frames of an empty canvas; the first picture {first:.0f} ms after the data came"
    )
    return result


if __name__ == "__main__":
    main()
