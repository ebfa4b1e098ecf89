"""Key press to next card painted where seasons are long, against short ones and a bare page. Run by hand:

    python -m tests.benchmarks.long_seasons [--dates 150] [--samples 120] [--decisions 60] [--json]

Two collections of simulated noise in 64 x 64 px patches of four bands are made in one workspace: one of 5 dates, one of `--dates` with
dates of their own for each sample. Both are decided on with keys, in turns, and what a card weighs is told.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import quote

import click
import numpy as np
from playwright.sync_api import Page, sync_playwright

from data import aci
from data.command import report
from data.importing import CollectionSpec, NewSample, import_collection
from data.workspace import Workspace
from labeling import cards
from tests.benchmarks.card_latency import BARE, GAUGE, measured
from tests.browser.conftest import QUIET, Server, system_chromium

BANDS = ("B02", "B03", "B04", "B08")
SIDE = 64
ROUNDS = 2  # of turns


def spec(name: str, dates: int) -> CollectionSpec:
    return CollectionSpec(
        name, name, BANDS, "L2A", tuple(str(slot + 1) for slot in range(dates)), SIDE, SIDE, composites=False, simulated=True,
        licence="none", attribution="", legend=aci.legend(), learned=aci.learned(), aligned=False,
    )  # fmt: skip


def samples(count: int, dates: int) -> Iterator[NewSample]:
    """Noise around a season that greens up and ripens; three dates of ten are cloudy."""
    for number in range(count):
        random = np.random.default_rng(number)
        days = np.sort(random.choice(np.arange(60, 300), dates, replace=False))
        green = np.exp(-(((days - 180) / 45) ** 2))
        levels = np.stack([500 + 0 * green, 800 - 200 * green, 1500 - 1100 * green, 2200 + 2500 * green], axis=1)
        levels[random.random(dates) < 0.3] = 5_000
        pixels = levels[:, :, None, None] * random.normal(1, 0.08, (dates, len(BANDS), SIDE, SIDE))
        yield NewSample(
            f"S{number}", f"S{number}", 11.0 + number / 100, 48.0, "Noise", 2019, 146, pixels.clip(1, 10_000).astype(np.uint16),
            tuple((date(2018, 12, 31) + timedelta(days=int(day))).isoformat() for day in days), (False,) * dates,
            "EPSG:32632", (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0),
        )  # fmt: skip


def weight(workspace: Workspace, collection: str) -> dict[str, float]:
    """Medians over ten cards: kilobytes of JSON, and milliseconds to make one."""
    with workspace.store.reading() as db:
        numbers = [row["id"] for row in db.execute("select id from sample where collection = ? limit 10", [collection])]
    sizes, times = [], []
    for number in numbers:
        start = time.perf_counter()
        card = cards.card(workspace, number)
        times.append(1000 * (time.perf_counter() - start))
        sizes.append(len(json.dumps(card)) / 1000)
    return {"kB": round(float(np.median(sizes))), "ms": round(float(np.median(times)), 1)}


def pressed(page: Page, server: Server, collection: str, presses: int) -> dict:
    page.goto(f"{server.url}/verify?collection={collection}&queue=unverified")
    page.locator(".card[data-sample]").wait_for()
    page.wait_for_timeout(8_000)
    found = measured(page, presses)
    page.locator('.card[data-unsaved="0"]').wait_for()
    return found


@click.command()
@click.option("--dates", default=150, show_default=True, type=click.IntRange(6, 240))
@click.option("--samples", "count", default=120, show_default=True)
@click.option("--decisions", "presses", default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(dates: int, count: int, presses: int, as_json: bool) -> None:
    """Print floor, short and long seasons, and the ratios of their p95."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        workspace = Workspace(Path(folder) / "workspace").create()
        for name, number in (("short", 5), ("long", dates)):
            import_collection(workspace, spec(name, number), samples(count, number))
        figures = {"short": weight(workspace, "short"), "long": weight(workspace, "long")}
        browser = playwright.chromium.launch(executable_path=system_chromium(), args=list(QUIET))
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.add_init_script(GAUGE)
        server = Server(workspace.home)
        for turn in range(ROUNDS):
            page.goto("data:text/html," + quote(BARE))
            figures[f"turn {turn + 1}"] = {
                "floor": measured(page, presses), "short": pressed(page, server, "short", presses),
                "long": pressed(page, server, "long", presses),
            }  # fmt: skip
        server.kill()
        browser.close()
    for turn in (figures[f"turn {number + 1}"] for number in range(ROUNDS)):
        turn["p95_to_floor"] = {name: round(turn[name]["shown"]["p95"] / turn["floor"]["shown"]["p95"], 2) for name in ("short", "long")}
    report(figures, "\n".join(f"{name}: {found}" for name, found in figures.items()), as_json=as_json)


if __name__ == "__main__":
    main()
