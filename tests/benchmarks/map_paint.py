"""The Map page's first paint and its answer to a click with very many samples, beside folium's plain markers, in a browser. Run by hand:

    python -m tests.benchmarks.map_paint [--samples 78536] [--side 10980] [--times 5] [--keep FOLDER] [--json]

A store of `--samples` samples (`tests.benchmarks.big_store`) and a finished map of `--side` x `--side` pixels are made (kept in FOLDER for
the next time) and served. Beside it stands a bare Streamlit page that shows the same points as folium.CircleMarkers of a plain
folium.Map in st_folium, drawn on a canvas (prefer_canvas), with Leaflet from the same files. Both are opened and clicked in turn.

First paint: from opening the address to the first frame with all points drawn. Click: from a click at a sample until the page's answer
stands in the page, its name beside the map (the plain marker is told of its click by Leaflet's `fire`). Marked: until the map itself
marks what was clicked (ours only). Recoloured: from a decision stored by somebody else to the new colours on the screen, asked for by a
click. Raster: from a jump to another place at full zoom until the new picture is there.

Target: first paint and click of ours at most a third of plain markers'.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import rasterio
from playwright.sync_api import Browser, Frame, Page, sync_playwright

from data import catalogue
from data.command import report
from data.mapped import cogs, folder
from data.mapped.folder import Map, MapClass
from data.stacks.stack import Layer, Stack
from data.workspace import Workspace
from labeling import decisions
from tests.benchmarks import big_store
from tests.browser.conftest import QUIET, Server, system_chromium
from tests.conftest import ROOT

TRANSFORM = (10.0, 0.0, 700_000.0, 0.0, -10.0, 5_000_000.0)
CRS = "EPSG:32611"
PLAIN = """
import sys, folium, streamlit as st
sys.path.insert(0, "ROOT")
from streamlit_folium import st_folium
from data.workspace import Workspace
from pathlib import Path
from labeling import points
st.set_page_config(layout="wide")
@st.cache_data
def found():
    return [(p.lat, p.lon, p.name) for p in points.points(Workspace(Path("HOME")).store, "big")]
leaflet = "http://127.0.0.1:PORT/app/static/vendor/leaflet/leaflet"
folium.Map.default_js, folium.Map.default_css = [("leaflet", leaflet + ".js")], [("leaflet", leaflet + ".css")]
chart = folium.Map(location=[49, -90], zoom_start=4, tiles=None, prefer_canvas=True)
chart.options["maxZoom"] = 19
for lat, lon, name in found():
    folium.CircleMarker([lat, lon], radius=3, weight=1, fill=True, tooltip=name).add_to(chart)
said = st_folium(chart, key="plain", height=500, use_container_width=True, returned_objects=["last_object_clicked_tooltip"])
st.write("clicked", said.get("last_object_clicked_tooltip"))
"""


@click.command()
@click.option("--samples", default=78_536, show_default=True, type=click.IntRange(1_000))
@click.option("--side", default=10_980, show_default=True, type=click.IntRange(512))
@click.option("--times", default=5, show_default=True, type=click.IntRange(1))
@click.option("--keep", type=click.Path(path_type=Path), help="Make or find the workspace here; by default in a temporary folder.")
@click.option("--plain/--no-plain", "beside", default=True, show_default=True, help="Measure folium's plain markers too: minutes a time.")
@click.option("--json", "as_json", is_flag=True)
def main(samples: int, side: int, times: int, keep: Path | None, beside: bool, as_json: bool) -> None:
    """Print milliseconds of both pages, median of the times, and ours over plain markers'."""
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        workspace = _workspace((keep or Path(scratch)) / f"{samples}-{side}", samples, side)
        browser = playwright.chromium.launch(executable_path=system_chromium(), args=list(QUIET))
        server = Server(workspace.home)
        plain, address = _plain(Path(scratch), workspace, server)
        found: dict[str, list[float]] = {}
        try:
            for turn in range(times + 1):  # the first one warms both servers
                took = _plain_round(browser, address, samples) if beside else {}
                for kind, value in (took | _our_round(browser, server, workspace, samples, turn)).items():
                    found.setdefault(kind, []).extend([value] if turn else [])
        finally:
            for process in (plain, server.process):
                process.kill()
    figures = {kind: {"n": len(took), "median_ms": round(float(np.median(took)))} for kind, took in found.items()}
    for what in ("first_paint", "click") if beside else ():
        figures[f"{what}_to_plain"] = round(figures[what]["median_ms"] / figures[f"plain_{what}"]["median_ms"], 3)
    report(figures, "\n".join(f"{name}: {value}" for name, value in figures.items()), as_json=as_json)


def _workspace(home: Path, samples: int, side: int) -> Workspace:
    workspace = Workspace(home)
    if not workspace.exists():
        workspace = big_store.make(home, samples)
    if not (workspace.maps / "wide" / folder.NOTE).exists():
        _map(workspace, side)
    return workspace


def _map(workspace: Workspace, side: int) -> None:
    """A map of large fields and its stack of one date, written block by block."""
    known = catalogue.learned(workspace.store, big_store.NAME)
    legend = catalogue.legend(workspace.store, big_store.NAME)
    codes = [next(entry.code for entry in legend if entry.learned == one.name) for one in known]
    classes = tuple(MapClass(one.name, one.name_fr, code, one.color, (code,)) for one, code in zip(known, codes, strict=True))
    grown = np.random.default_rng(0).integers(0, len(codes), (side // 50 + 1, side // 50 + 1))
    path, where = workspace.maps / "wide", workspace.home / "stacks"
    path.mkdir(parents=True, exist_ok=True)
    where.mkdir(exist_ok=True)
    grid = {"crs": CRS, "transform": TRANSFORM, "height": side, "width": side}

    def blocks(values):
        for top in range(0, side, cogs.BLOCK):
            for left in range(0, side, cogs.BLOCK):
                rows, columns = (np.arange(start, min(side, start + cogs.BLOCK)) // 50 for start in (top, left))
                yield top, left, values(grown[np.ix_(rows, columns)])

    names = {one.code: one.name for one in classes}
    cogs.write(
        path / "crop.tif", blocks(lambda crops: np.array(codes, dtype=np.uint8)[crops]), dtype="uint8", nodata=0, names=names,
        colours={one.code: one.color for one in classes}, **grid,
    )  # fmt: skip
    bands = ("B02", "B03", "B04", "B08")
    stored = blocks(lambda crops: np.stack([(300 + 90 * (band + 1) * crops).astype(np.uint16) for band in range(len(bands))]))
    cogs.write(where / "2019-07.tif", stored, dtype="uint16", nodata=0, bands=bands, **grid)
    layer = Layer("2019-07", str(where / "2019-07.tif"), (1, 2, 3, 4))
    stack = Stack(str(where), (layer,), bands, CRS, TRANSFORM, side, side, "L2A", simulated=True)
    folder.save(Map(path, "wide", "wide", "run", big_store.NAME, "ltae", "2026-01-01T00:00:00+00:00", classes, stack, ("crop",)))


def _plain(scratch: Path, workspace: Workspace, server: Server) -> tuple[subprocess.Popen, str]:
    script = scratch / "plain.py"
    script.write_text(PLAIN.replace("ROOT", str(ROOT)).replace("HOME", str(workspace.home)).replace("PORT", str(server.port)))
    port = server.port + 1
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port), "--server.headless", "true"]
    process = subprocess.Popen(command, cwd=scratch, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(5)
    return process, f"http://127.0.0.1:{port}"


def _frame(page: Page, ready: str) -> Frame:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for frame in page.frames:
            if "streamlit_folium" in frame.url:
                frame.wait_for_function(ready, timeout=300_000, polling="raf")
                return frame
        page.wait_for_timeout(10)
    raise AssertionError("no map")


def _page(browser: Browser) -> Page:
    page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
    page.set_default_timeout(300_000)
    return page


def _plain_round(browser: Browser, url: str, samples: int) -> dict[str, float]:
    page, started = _page(browser), time.perf_counter()
    page.goto(url)
    ready = f"window.map && Object.values(map._layers).filter((one) => one instanceof L.CircleMarker).length >= {samples}"
    frame = _frame(page, ready)
    frame.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    took = {"plain_first_paint": 1_000 * (time.perf_counter() - started)}
    name = frame.evaluate(
        """() => { const seen = map.getBounds(), circles = Object.values(map._layers).filter((l) => l instanceof L.CircleMarker);
        const one = circles.find((l) => seen.contains(l.getLatLng()));
        map.setView(one.getLatLng(), 12, { animate: false });
        window.mine = one;
        return Object.assign(document.createElement("div"), { innerHTML: one.getTooltip().getContent() }).innerText; }"""
    )
    page.wait_for_timeout(2_000)
    started = time.perf_counter()
    frame.evaluate("void mine.fire('click', { latlng: mine.getLatLng() })")
    page.get_by_text(name.strip()).first.wait_for()
    took["plain_click"] = 1_000 * (time.perf_counter() - started)
    page.context.close()
    return took


def _our_round(browser: Browser, server: Server, workspace: Workspace, samples: int, turn: int) -> dict[str, float]:
    page, started = _page(browser), time.perf_counter()
    page.goto(f"{server.url}/map?collection={big_store.NAME}")
    frame = _frame(page, f"window.cropcheckPainted?.points === {samples}")
    took = {"first_paint": 1_000 * (time.perf_counter() - started)}
    page.wait_for_timeout(3_000)
    sample = turn + 1
    with workspace.store.reading() as db:
        row = db.execute("select lon, lat, s.name from site join sample s on s.site = site.id where s.id = ?", [sample]).fetchone()
    frame.evaluate("([lat, lon]) => void map.setView([lat, lon], 12, { animate: false })", [row["lat"], row["lon"]])
    page.wait_for_timeout(2_000)
    took["click"] = _click(page, row["name"])
    took["marked"] = frame.evaluate(
        """() => new Promise((done) => { const asked = performance.now();
        map.fire("click", { latlng: map.getCenter(), containerPoint: map.getSize().divideBy(2) });
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - asked))); })"""
    )
    page.wait_for_timeout(1_000)
    took |= _recoloured(page, frame, workspace, sample) | _raster(page, frame)
    page.context.close()
    return took


def _click(page: Page, text: str) -> float:
    """Milliseconds from a click at the middle of the map until a text stands in the page."""
    box = page.locator("iframe").first.bounding_box()
    started = time.perf_counter()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.get_by_text(text).first.wait_for()
    return 1_000 * (time.perf_counter() - started)


def _recoloured(page: Page, frame: Frame, workspace: Workspace, sample: int) -> dict[str, float]:
    event = {"uid": f"{time.time_ns()}", "sample": sample, "action": "reject", "reason": "mixed", "seen": None}
    assert decisions.record(workspace.store, big_store.NAME, "benchmark", [event])[0].stored
    before, started = frame.evaluate("cropcheckPainted.key"), time.perf_counter()
    box = page.locator("iframe").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    frame.wait_for_function("(before) => cropcheckPainted.key !== before", arg=before, polling="raf")
    return {"recoloured": 1_000 * (time.perf_counter() - started)}


def _raster(page: Page, frame: Frame) -> dict[str, float]:
    """A jump to the middle of the map, and from there to another place at full zoom."""
    transform = rasterio.Affine(*TRANSFORM)
    from pyproj import Transformer

    lon, lat = Transformer.from_crs(CRS, 4326, always_xy=True).transform(*(transform * (4_000, 4_000)))
    took = {}
    for name, zoom, aside in (("raster_whole", 9, 0.0), ("raster_near", 15, 0.01)):
        before = frame.evaluate("JSON.stringify(window.cropcheckRasters)")
        started = time.perf_counter()
        frame.evaluate("([lat, lon, zoom]) => void map.setView([lat, lon], zoom, { animate: false })", [lat, lon + aside, zoom])
        frame.wait_for_function(
            "(before) => window.cropcheckRasters?.right && JSON.stringify(window.cropcheckRasters) !== before", arg=before, polling="raf"
        )
        took[name] = 1_000 * (time.perf_counter() - started)
        page.wait_for_timeout(1_000)
    return took


if __name__ == "__main__":
    main()
