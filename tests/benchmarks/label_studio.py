"""From "submit" to "next item shown" in Cropcheck and in Label Studio, in turn, in one browser. Run by hand:

    python3 -m venv PEER && PEER/bin/pip install label-studio
    python -m tests.benchmarks.label_studio --label-studio PEER [--tasks 25] [--blocks 4] [--keep FOLDER] [--json]

Label Studio needs an environment of its own, since its requirements are pinned. It runs as its package starts it, on this machine with
SQLite, with its template "Image Classification", the collection's crops as choices, and the clearest true-colour thumbnail of each
sample as an uploaded PNG. Cropcheck shows the same samples on its card. Both are driven by the same script in alternating blocks, 0.5 s
between tasks, and watched by the same gauge, from the key that submits on (A in Cropcheck; Ctrl+Enter in Label Studio, the choice being
made 0.1 s before). "Painted" is the first task after the frame that has the next item's picture in it, "shown" the start of the
frame after that, when the painted one has been handed to the screen.

"Stored" is told too: from a block's last submission until the server has said that all decisions are in the database. After the run
both databases are asked how many decisions they hold. Target: until the next item is shown, Label Studio takes at least 12 times as
long at the median.
"""

import io
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import click
import numpy as np
from PIL import Image
from playwright.sync_api import APIRequestContext, Browser, Error, Page, Playwright, sync_playwright

from data import catalogue, display, simulate
from data.command import as_json, report
from data.workspace import Workspace
from labeling import decisions
from tests.benchmarks.card_latency import simulated
from tests.browser.conftest import QUIET, Server, system_chromium

PAUSE_MS = 500  # between tasks
CHOICE_MS = 100  # of it, between the choice and its submission
WARM_UP = 3  # tasks before each block that do not count
TARGET = 12.0
GAUGES = ("painted", "shown", "stored")
USER, PASSWORD, TOKEN = "curator@example.org", "not-a-secret", "0123456789abcdef0123456789abcdef01234567"
START_SECONDS = 180
FILES_AT_ONCE = 50  # Label Studio takes at most 100
NO_INTERNET = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
# submits(event), shownItem() and isStored() differ from peer to peer: whether a key submits, the name of the item whose picture is on the
# page, and whether everything submitted is in the database.
GAUGE = """
window.painted = []; window.shown = []; window.storedAfter = null;
addEventListener("keydown", (event) => {
    if (event.repeat || !submits(event)) return;
    const before = shownItem();
    const look = () => {
        const now = shownItem();
        if (now === null || now === before) return requestAnimationFrame(look);
        const after = new MessageChannel();
        after.port1.onmessage = () => painted.push(performance.now() - event.timeStamp);
        after.port2.postMessage(0);
        requestAnimationFrame(() => shown.push(performance.now() - event.timeStamp));
    };
    requestAnimationFrame(look);
    window.storedAfter = null; window.submitted = event.timeStamp;
    const ask = () => {
        if (submitted !== event.timeStamp) return;
        if (isStored()) window.storedAfter = performance.now() - submitted; else setTimeout(ask, 5);
    };
    setTimeout(ask, 1);
}, true);
"""
CROPCHECK = """
let root = null;
const card = () => {
    if (!root?.isConnected) root = [...document.querySelectorAll("*")].map((e) => e.shadowRoot?.querySelector(".card")).find(Boolean);
    return root;
};
window.submits = (event) => event.key === "a";
window.shownItem = () => card()?.dataset.sample || null;
window.isStored = () => card()?.dataset.unsaved === "0";
"""
LABEL_STUDIO = """
window.submits = (event) => event.key === "Enter" && event.ctrlKey;
window.shownItem = () => [...document.images].find((i) => i.src.startsWith("blob:") && i.complete && i.naturalWidth)?.src ?? null;
window.isStored = () => performance.getEntriesByType("resource").some((entry) =>
    /tasks\\/\\d+\\/annotations/.test(entry.name) && entry.startTime >= submitted && entry.responseEnd > 0);
"""


@dataclass(frozen=True)
class Peer:
    """A page that is worked on. keys: what decides, one after the other, the last of which submits."""

    page: Page
    keys: tuple[str, ...]

    def work(self, tasks: int) -> dict[str, list[float]]:
        """Decide so many tasks, after WARM_UP others, and wait until all is stored; what the gauges say, in milliseconds."""
        self.page.bring_to_front()
        for number in range(WARM_UP + tasks):
            if number == WARM_UP:
                self.page.evaluate("painted.length = shown.length = 0")
            self.page.evaluate("performance.clearResourceTimings()")
            self._decide()
        self.page.wait_for_function("storedAfter !== null")
        return {
            "painted": self.page.evaluate("painted"),
            "shown": self.page.evaluate("shown"),
            "stored": [self.page.evaluate("storedAfter")],
        }

    def _decide(self) -> None:
        done = self.page.evaluate("shown.length")
        self.page.wait_for_timeout(PAUSE_MS - CHOICE_MS * (len(self.keys) - 1))
        for key in self.keys[:-1]:
            self.page.keyboard.press(key)
            self.page.wait_for_timeout(CHOICE_MS)
        self.page.keyboard.press(self.keys[-1])
        self.page.wait_for_function("(done) => shown.length > done", arg=done)


@click.command()
@click.option("--label-studio", "peer", required=True, type=click.Path(exists=True, path_type=Path), help="Its virtual environment.")
@click.option("--tasks", default=25, show_default=True, help="A block.")
@click.option("--blocks", default=4, show_default=True, help="Of each, in turn.")
@click.option("--keep", type=click.Path(path_type=Path), help="Make or find Cropcheck's workspace here; by default in a temporary folder.")
@as_json
def main(peer: Path, tasks: int, blocks: int, keep: Path | None, as_json: bool) -> None:
    """Print medians, p95 and the ratio."""
    needed = blocks * (tasks + WARM_UP) + 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        workspace = simulated((keep or Path(folder)) / str(_blocks_of(needed)), _blocks_of(needed))
        browser = playwright.chromium.launch(executable_path=system_chromium(), args=[*QUIET, NO_INTERNET])
        with _cropcheck(browser, workspace) as ours, _label_studio(playwright, browser, workspace, peer, Path(folder) / "peer") as theirs:
            figures = _in_turn(ours, theirs, tasks, blocks)
            figures["kept"] = _kept(playwright, workspace, theirs.page)
        browser.close()
    figures["decided"] = blocks * (tasks + WARM_UP)
    report(figures, "\n".join(f"{name}: {value}" for name, value in figures.items()), as_json=as_json)


def _blocks_of(samples: int) -> int:
    """As many samples as the simulation makes whole, at least 120."""
    return max(120, -(-samples // simulate.BLOCK) * simulate.BLOCK)


def _in_turn(ours: Peer, theirs: Peer, tasks: int, blocks: int) -> dict:
    times: dict[str, dict[str, list[float]]] = {name: {gauge: [] for gauge in GAUGES} for name in ("cropcheck", "label_studio")}
    for _ in range(blocks):
        for name, peer in (("cropcheck", ours), ("label_studio", theirs)):
            for gauge, found in peer.work(tasks).items():
                times[name][gauge] += found
    figures = {name: {gauge: _summary(found) for gauge, found in gauges.items()} for name, gauges in times.items()}
    ratio = {gauge: round(figures["label_studio"][gauge]["median"] / figures["cropcheck"][gauge]["median"], 1) for gauge in GAUGES[:2]}
    return figures | {"ratio": ratio, "target": TARGET}


def _summary(times: list[float]) -> dict[str, float]:
    return {"n": len(times), "median": round(float(np.median(times)), 1), "p95": round(float(np.percentile(times, 95)), 1)}


def _kept(playwright: Playwright, workspace: Workspace, page: Page) -> dict[str, int]:
    """Decisions in either database."""
    with _api(playwright, page.url.split("/projects")[0]) as api:
        theirs = api.get("/api/projects/1/").json()["total_annotations_number"]
    return {"cropcheck": decisions.tally(workspace.store, simulate.NAME)["decided"], "label_studio": theirs}


@contextmanager
def _cropcheck(browser: Browser, workspace: Workspace) -> Iterator[Peer]:
    server = Server(workspace.home)
    page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
    page.add_init_script(GAUGE + CROPCHECK)
    try:
        page.goto(f"{server.url}/verify?collection={simulate.NAME}&queue=all")
        page.locator(".card[data-shown]").wait_for()
        page.wait_for_timeout(3_000)
        yield Peer(page, ("a",))
    finally:
        server.kill()


@contextmanager
def _label_studio(playwright: Playwright, browser: Browser, workspace: Workspace, venv: Path, folder: Path) -> Iterator[Peer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    folder.mkdir()
    process = _started(venv.resolve(), folder, port)
    try:
        with _api(playwright, address) as api:
            _wait(api)
            _fill(api, workspace)
        page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
        page.add_init_script(GAUGE + LABEL_STUDIO)
        _log_in(page, address)
        page.goto(f"{address}/projects/1/data?labeling=1")
        page.wait_for_function("shownItem() !== null", timeout=60_000)
        yield Peer(page, ("1", "Control+Enter"))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _started(venv: Path, folder: Path, port: int) -> subprocess.Popen:
    command = [
        venv / "bin" / "label-studio", "start", "--init", "benchmark", "--no-browser", "--port", str(port), "--internal-host", "127.0.0.1",
        "--data-dir", folder, "--username", USER, "--password", PASSWORD, "--user-token", TOKEN, "--enable-legacy-api-token",
    ]  # fmt: skip
    quiet = {"COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false", "LABEL_STUDIO_BASE_DATA_DIR": str(folder)}
    with (folder / "server.log").open("wb") as out:
        return subprocess.Popen(command, cwd=folder, env=os.environ | quiet, stdout=out, stderr=out, start_new_session=True)


@contextmanager
def _api(playwright: Playwright, address: str) -> Iterator[APIRequestContext]:
    context = playwright.request.new_context(base_url=address, extra_http_headers={"Authorization": f"Token {TOKEN}"})
    yield context
    context.dispose()


def _wait(api: APIRequestContext) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if api.get("/health").ok:
                return
        except Error:
            time.sleep(0.5)
    raise click.ClickException(f"Label Studio did not start within {START_SECONDS} s.")


def _fill(api: APIRequestContext, workspace: Workspace) -> None:
    """The project's template and its tasks: a thumbnail each of the collection's samples, in order."""
    crops = [entry.name for entry in catalogue.legend(workspace.store, simulate.NAME) if entry.learned]
    choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in crops)
    template = f'<View><Image name="image" value="$image"/><Choices name="choice" toName="image">{choices}</Choices></View>'
    _answered(api.patch("/api/projects/1/", data={"label_config": template}))
    samples = _samples(workspace)
    for start in range(0, len(samples), FILES_AT_ONCE):
        files = {
            f"file-{sample}": {"name": f"{sample:05d}.png", "mimeType": "image/png", "buffer": _thumbnail(workspace, sample)}
            for sample in samples[start : start + FILES_AT_ONCE]
        }
        _answered(api.post("/api/projects/1/import", multipart=files))


def _answered(response) -> None:
    if not response.ok:
        raise click.ClickException(f"Label Studio answered {response.status}: {response.text()[:500]}")


def _samples(workspace: Workspace) -> list[int]:
    with workspace.store.reading() as db:
        return [row["id"] for row in db.execute("select id from sample where collection = ? order by id", [simulate.NAME])]


def _thumbnail(workspace: Workspace, sample: int) -> bytes:
    """The sample's clearest date in true colour, as PNG."""
    with workspace.store.reading() as db:
        slot = db.execute("select slot from image where sample = ? order by clear desc, slot limit 1", [sample]).fetchone()["slot"]
    patch = catalogue.patch(workspace, sample)
    file = io.BytesIO()
    Image.fromarray(display.rgba(patch.pixels[slot], patch.bands, "true", patch.level)).save(file, "PNG")
    return file.getvalue()


def _log_in(page: Page, address: str) -> None:
    page.goto(f"{address}/user/login/")
    page.locator("input[name=email]").fill(USER)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("button[type=submit]").click()
    page.wait_for_url(lambda url: "login" not in url)


if __name__ == "__main__":
    main()
