"""Key press to next card painted, against a bare page, in a real browser. Run by hand:

    python -m tests.benchmarks.card_latency [--samples 20000] [--decisions 100] [--keep FOLDER] [--json]

A workspace with `--samples` simulated samples is made (about 0.5 MB each; kept in FOLDER for the next time), served, and decided on
with keys. "Painted" is the first task after the frame that follows the key, "shown" the start of the frame after that, when the
painted one has been handed to the screen. The floor is a page with one canvas that changes its picture at a key.
"""

import tempfile
from pathlib import Path
from urllib.parse import quote

import click
import numpy as np
from playwright.sync_api import Page, sync_playwright

from data import simulate
from data.command import report
from data.importing import import_collection
from data.workspace import Workspace
from labeling import decisions
from tests.browser.conftest import QUIET, Server, system_chromium

WARM_UP = 5
PAUSE_MS = 300  # between keys, as a quick curator
GAUGE = """
window.painted = []; window.shown = [];
addEventListener("keydown", (event) => requestAnimationFrame(() => {
    const after = new MessageChannel();
    after.port1.onmessage = () => painted.push(performance.now() - event.timeStamp);
    after.port2.postMessage(0);
    requestAnimationFrame(() => shown.push(performance.now() - event.timeStamp));
}), true);
"""
BARE = """<canvas width="400" height="400"></canvas><script>
const context = document.querySelector("canvas").getContext("2d");
const pictures = ["#284", "#842"].map((colour) => {
    const picture = new OffscreenCanvas(64, 64), pen = picture.getContext("2d");
    for (let i = 0; i < 4096; i++) { pen.fillStyle = i % 3 ? colour : "#ccc"; pen.fillRect(i % 64, i >> 6, 1, 1); }
    return picture.transferToImageBitmap();
});
let turn = 0;
context.imageSmoothingEnabled = false;
addEventListener("keydown", () => context.drawImage(pictures[++turn % 2], 0, 0, 400, 400));
</script>"""


def measured(page: Page, presses: int) -> dict[str, dict[str, float]]:
    """Press A so often; median and p95 in milliseconds of both gauges."""
    for _ in range(WARM_UP):
        page.keyboard.press("a")
        page.wait_for_timeout(PAUSE_MS)
    page.evaluate("painted.length = shown.length = 0")
    for _ in range(presses):
        page.keyboard.press("a")
        page.wait_for_timeout(PAUSE_MS)
    page.wait_for_timeout(1_000)
    return {gauge: _summary(page.evaluate(gauge)) for gauge in ("painted", "shown")}


def _summary(times: list[float]) -> dict[str, float]:
    return {"n": len(times), "median": round(float(np.median(times)), 1), "p95": round(float(np.percentile(times, 95)), 1)}


def simulated(home: Path, samples: int) -> Workspace:
    workspace = Workspace(home).create()
    import_collection(workspace, simulate.spec(simulate.NAME), simulate.samples(samples, seed=0))
    return workspace


@click.command()
@click.option("--samples", multiple=True, default=(240, 20_000), show_default=True, type=click.IntRange(120))
@click.option("--decisions", "presses", default=100, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Make or find the workspaces here; by default in a temporary folder.")
@click.option("--json", "as_json", is_flag=True)
def main(samples: tuple[int, ...], presses: int, keep: Path | None, as_json: bool) -> None:
    """Print floor, card and their ratios for each number of samples."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=system_chromium(), args=list(QUIET))
        for number in samples:
            figures[number] = _one(browser, simulated((keep or Path(folder)) / str(number), number), presses)
        browser.close()
    lines = [f"{number} samples: {found}" for number, found in figures.items()]
    if len(samples) > 1:
        slower = figures[samples[-1]]["card"]["shown"]["p95"] / figures[samples[0]]["card"]["shown"]["p95"]
        lines.append(f"p95 with {samples[-1]} samples is {slower:.2f} times that with {samples[0]}")
    report(figures, "\n".join(lines), as_json=as_json)


def _one(browser, workspace: Workspace, presses: int) -> dict:
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.add_init_script(GAUGE)
    page.goto("data:text/html," + quote(BARE))
    floor = measured(page, presses)
    server = Server(workspace.home)
    page.goto(f"{server.url}/verify?collection={simulate.NAME}&queue=all")
    page.locator(".card[data-shown]").wait_for()
    page.wait_for_timeout(3_000)
    card = measured(page, presses)
    page.locator('.card[data-unsaved="0"]').wait_for()
    stored = decisions.tally(workspace.store, simulate.NAME)["decided"]
    page.close()
    server.kill()
    ratio = {gauge: round(card[gauge]["p95"] / floor[gauge]["p95"], 2) for gauge in card}
    return {"floor": floor, "card": card, "p95_ratio": ratio, "stored": stored}


if __name__ == "__main__":
    main()
