"""Click to painted wall of 336 thumbnails, cold and warm, and paging forward, beside a bare page, in a real browser. Run by hand:

    python -m tests.benchmarks.wall_paint [--samples 2400] [--times 15] [--keep FOLDER] [--json]

A workspace with `--samples` simulated samples is made (3.7 images of 0.1 MB each; kept in FOLDER for the next time), prepared for the
wall and served. "Painted" is the first task after the frame in which all tiles stand with their decoded sprite. Cold is the first
click on "Wall" of a browser that was never here, on a server that has just started (its files may lie in the system's cache); warm
are later clicks, on coming back from the Overview; forward is the key N with the next page fetched ahead. The floor is a bare page
that decodes the same sprite and lays it out as 336 tiles at a click; it is clicked in turn with the wall. Also printed: how long a
page's 336 events take to store and to take back, in one transaction each.

Targets: cold 2.0 s, warm 1.0 s, forward 0.3 s.
"""

import tempfile
import time
import uuid
from pathlib import Path

import click
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from data import catalogue, simulate
from data.command import report
from data.workspace import Workspace
from labeling import decisions, suspicion, thumbnails, wall
from labeling.wall import Wall
from tests.benchmarks.card_latency import simulated
from tests.browser.conftest import QUIET, Server, system_chromium

REST_MS = 2_500  # on every page, as somebody who looks at it
TARGETS = {"cold": 2_000, "warm": 1_000, "forward": 300}
GAUGE = """
for (const kind of ["click", "keydown"]) addEventListener(kind, (event) => { window.askedAt = event.timeStamp; }, true);
window.wall = (root = document) => root.querySelector(".wall")
    ?? [...root.querySelectorAll("*")].filter((one) => one.shadowRoot).map((one) => wall(one.shadowRoot)).find(Boolean);
window.paintedAfter = (before) => {
    const shown = wall()?.dataset;
    return shown?.shown && shown.shown !== before && Number(shown.at) > askedAt ? Number(shown.at) - askedAt : null;
};
"""
BARE = """<button>paint</button><div id="grid" style="display:grid;grid-template-columns:repeat(13,64px);gap:3px"></div><script>
const address = "ADDRESS", grid = document.querySelector("#grid");
document.querySelector("button").onclick = async (event) => {
    grid.innerHTML = "";
    const bytes = Uint8Array.from(atob(address.split(",")[1]), (sign) => sign.charCodeAt(0));
    const image = new Image();
    image.src = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
    await image.decode();
    grid.innerHTML = [...Array(336).keys()].map((i) =>
        `<div style="width:64px;height:64px;background:url(${image.src}) -${(i % 24) * 64}px -${(i / 24 | 0) * 64}px"></div>`).join("");
    requestAnimationFrame(() => {
        const after = new MessageChannel();
        after.port1.onmessage = () => { window.took = performance.now() - event.timeStamp; };
        after.port2.postMessage(0);
    });
};
</script>"""


@click.command()
@click.option("--samples", default=2_400, show_default=True, type=click.IntRange(240))
@click.option("--times", default=15, show_default=True, type=click.IntRange(3))
@click.option("--keep", type=click.Path(path_type=Path), help="Make or find the workspace here; by default in a temporary folder.")
@click.option("--json", "as_json", is_flag=True)
def main(samples: int, times: int, keep: Path | None, as_json: bool) -> None:
    """Print milliseconds of the wall and of the bare page, their ratio, and what is missing to the targets."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        workspace = simulated((keep or Path(folder)) / str(samples), samples)
        started = time.perf_counter()
        images = suspicion.prepare(workspace, simulate.NAME).images
        preparing = time.perf_counter() - started
        figures = {"images": images, "preparing_s": round(preparing, 1)} | _stored(workspace)
        browser = playwright.chromium.launch(executable_path=system_chromium(), args=list(QUIET))
        figures |= _painted(browser, workspace, times)
        browser.close()
    lines = [f"{name}: {value}" for name, value in figures.items()]
    lines += [f"{name}: median {figures[name]['median']} ms, target {target} ms" for name, target in TARGETS.items()]
    report(figures, "\n".join(lines), as_json=as_json)


def _painted(browser: Browser, workspace: Workspace, times: int) -> dict:
    """Cold of three servers and browsers; on the last of them warm and forward, in turn with the floor."""
    bare = browser.new_page(viewport={"width": 1366, "height": 768})
    bare.set_content(BARE.replace("ADDRESS", _sprite(workspace)))
    found: dict[str, list[float]] = {"cold": [], "warm": [], "forward": [], "floor": []}
    for turn in range(3):
        server = Server(workspace.home)
        page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
        page.add_init_script(GAUGE)
        page.goto(f"{server.url}/?collection={simulate.NAME}")
        page.get_by_role("button", name="Verify labels").wait_for()
        page.wait_for_timeout(1_000)
        found["cold"].append(_to_wall(page))
        if turn == 2:
            for _ in range(times):
                _round(page, bare, found)
        server.kill()
    summaries = {name: _summary(values) for name, values in found.items()}
    floor = summaries["floor"]["median"]
    return summaries | {"to_floor": {name: round(summaries[name]["median"] / floor, 1) for name in TARGETS}}


def _round(page: Page, bare: Page, found: dict[str, list[float]]) -> None:
    bare.bring_to_front()
    bare.evaluate("window.took = null")
    bare.get_by_role("button").click()
    found["floor"].append(bare.wait_for_function("window.took").json_value())
    page.bring_to_front()
    page.wait_for_timeout(REST_MS)
    before = page.evaluate("wall().dataset.shown")
    page.keyboard.press("n")
    found["forward"].append(_after(page, before))
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("button", name="Verify labels").wait_for()
    page.wait_for_timeout(1_000)
    found["warm"].append(_to_wall(page))


def _to_wall(page: Page) -> float:
    page.get_by_role("link", name="Wall").click()
    return _after(page, None)


def _after(page: Page, before: str | None) -> float:
    return page.wait_for_function("paintedAfter", arg=before, polling=50).json_value()


def _sprite(workspace: Workspace) -> str:
    tiles = wall.page(workspace.store, Wall(simulate.NAME)).tiles
    collection = catalogue.collection(workspace.store, simulate.NAME)
    return thumbnails.sprite(workspace, collection, [tile["image"] for tile in tiles], "true", 64).address


def _stored(workspace: Workspace, times: int = 5) -> dict:
    """Milliseconds to store 336 quality events, and to undo them; the store is as it was afterwards, but for the events."""
    took: dict[str, list[float]] = {"accept_336": [], "undo_336": []}
    for _ in range(times):
        tiles = wall.page(workspace.store, Wall(simulate.NAME)).tiles
        said = [
            {"uid": uuid.uuid4().hex, "sample": tile["sample"], "action": "quality", "image": tile["image"], "quality": tile["quality"]}
            for tile in tiles
        ]
        back = [{"uid": uuid.uuid4().hex, "sample": one["sample"], "action": "undo", "undo_of": one["uid"]} for one in said]
        for name, events in (("accept_336", said), ("undo_336", back)):
            started = time.perf_counter()
            outcomes = decisions.record(workspace.store, simulate.NAME, "benchmark", events)
            took[name].append(1_000 * (time.perf_counter() - started))
            assert all(outcome.stored for outcome in outcomes)
    return {name: _summary(values) for name, values in took.items()}


def _summary(times: list[float]) -> dict[str, float]:
    return {"n": len(times), "median": round(float(np.median(times)), 1), "p95": round(float(np.percentile(times, 95)), 1)}


if __name__ == "__main__":
    main()
