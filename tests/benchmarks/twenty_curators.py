"""Key press to next card while a team works and a model learns, against a bare page, in a real browser. Run by hand:

    python -m tests.benchmarks.twenty_curators [--samples 2000] [--curators 20] [--decisions 100] [--keep FOLDER] [--json]

A workspace with simulated samples and their pixels is made (about 0.5 MB a sample; kept in FOLDER for the next time) and copied, served,
and decided on with keys at the queue `unverified`, as `card_latency` does it and with its gauges: first quietly, then while so many
other curators work and a run trains on one thread. Each of the others is a process of its own on the same store that asks
`labeling.serving` as a browser does: a decision a second, a message every 1.5 s with what was decided, and the next cards fetched,
pixels and all, twelve ahead. The floor is a page with one canvas, measured before the others come and again beside them; the
lower one counts.

Target: p95 at most three times that of the floor.
"""

import multiprocessing
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from data import simulate
from data.command import as_json, report
from data.workspace import Workspace
from labeling import decisions, serving
from labeling.queues import Queue
from modeling import runs
from modeling.config import TrainConfig
from tests.benchmarks.card_latency import BARE, GAUGE, measured, simulated
from tests.browser.conftest import QUIET, Server, system_chromium

QUEUE = Queue("unverified")
TARGET = 3.0
SEND_SECONDS, DECIDE_SECONDS = 1.5, 1.0
AHEAD, FEW = 12, 6  # cards that the card in the browser holds while keys come
READY_SECONDS = 300  # for all the others to be at work


@click.command()
@click.option("--samples", default=2_000, show_default=True, type=click.IntRange(1_200))
@click.option("--curators", default=20, show_default=True, type=click.IntRange(1))
@click.option("--decisions", "presses", default=100, show_default=True, help="Measured ones, with and without the others.")
@click.option("--keep", type=click.Path(path_type=Path), help="Make or find the workspace here; by default in a temporary folder.")
@as_json
def main(samples: int, curators: int, presses: int, keep: Path | None, as_json: bool) -> None:
    """Print floor, card, their ratios with and without load, and what the others did meanwhile."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        made = simulated((keep or Path(folder)) / str(samples), samples)
        workspace = Workspace(Path(folder) / "copy")
        workspace.home.mkdir()
        shutil.copy(made.store.path, workspace.store.path)
        (workspace.home / "patches").symlink_to((made.home / "patches").resolve())
        browser = playwright.chromium.launch(executable_path=system_chromium(), args=list(QUIET))
        figures = _measured(browser, workspace.create(), curators, presses)
        browser.close()
    figures["target"] = TARGET
    report(figures, "\n".join(f"{name}: {value}" for name, value in figures.items()), as_json=as_json)


def _measured(browser: Browser, workspace: Workspace, curators: int, presses: int) -> dict[str, Any]:
    bare, server = _page(browser), Server(workspace.home)
    bare.goto("data:text/html," + quote(BARE))
    try:
        card = _page(browser)
        card.goto(f"{server.url}/verify?collection={simulate.NAME}&queue={QUEUE}")
        card.locator(".card[data-shown]").wait_for()
        card.wait_for_timeout(3_000)
        figures = {"floor": _of(bare, presses), "card": _of(card, presses)}
        with _team(workspace, curators) as told, _training(workspace) as run:
            figures |= {"floor_under_load": _of(bare, presses // 2), "card_under_load": _of(card, presses)}
            figures["training"] = runs.status(workspace, run).state
        card.locator('.card[data-unsaved="0"]').wait_for()
    finally:
        server.kill()
    floors = (figures["floor"], figures["floor_under_load"])
    figures |= {
        "p95_ratio": _ratio(figures["card"], floors), "p95_ratio_under_load": _ratio(figures["card_under_load"], floors),
        "others": _summary(told), "stored": decisions.tally(workspace.store, simulate.NAME)["decided"],
    }  # fmt: skip
    return figures


def _page(browser: Browser) -> Page:
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.add_init_script(GAUGE)
    return page


def _of(page: Page, presses: int) -> dict[str, dict[str, float]]:
    page.bring_to_front()
    return measured(page, presses)


def _ratio(found: dict, floors: tuple[dict, ...]) -> dict[str, float]:
    """Of p95 to that of the lower floor: a moment when the machine was busy with something else must not flatter the card."""
    return {gauge: round(found[gauge]["p95"] / min(floor[gauge]["p95"] for floor in floors), 2) for gauge in found}


@contextmanager
def _training(workspace: Workspace) -> Iterator[str]:
    """A run that learns on one thread until it is told to stop; its name."""
    config = TrainConfig.for_model("pixelset", simulate.NAME, threads=1, epochs=10_000, patience=0)
    name = runs.launch(workspace, config)
    deadline = time.monotonic() + READY_SECONDS
    while not runs.status(workspace, name).epochs_done:
        if time.monotonic() > deadline:
            raise click.ClickException(f"The run {name} did not begin to learn within {READY_SECONDS} s.")
        time.sleep(0.5)
    try:
        yield name
    finally:
        runs.cancel(workspace, name)


@contextmanager
def _team(workspace: Workspace, curators: int) -> Iterator[list[dict[str, Any]]]:
    """The others at work; what they did is in the list when they are done."""
    spawning = multiprocessing.get_context("spawn")
    ready, stop, reports = spawning.Semaphore(0), spawning.Event(), spawning.Queue()
    others = [spawning.Process(target=_curate, args=(workspace, number, ready, stop, reports)) for number in range(curators)]
    for other in others:
        other.start()
    told: list[dict[str, Any]] = []
    try:
        for _ in others:
            if not ready.acquire(timeout=READY_SECONDS):
                raise click.ClickException(f"The other curators were not at work within {READY_SECONDS} s.")
        yield told
    finally:
        stop.set()
        told += [reports.get() for _ in others]
        for other in others:
            other.join()


def _curate(workspace: Workspace, number: int, ready: Any, stop: Any, reports: Any) -> None:
    """One of the others: a process with a holder of its own, that decides until it is told to stop."""
    tab = Tab(workspace, f"other-{number:02d}")
    tab.ask()
    ready.release()
    began = time.monotonic()
    due, send = began + random.uniform(0, DECIDE_SECONDS), began + random.uniform(0, SEND_SECONDS)
    while not stop.wait(max(0.0, min(due, send) - time.monotonic())):
        if time.monotonic() >= due:
            tab.decide()
            due += DECIDE_SECONDS
        if time.monotonic() >= send:
            tab.ask()
            send = max(send + SEND_SECONDS, time.monotonic())
    reports.put({"seconds": time.monotonic() - began, "decided": tab.decided, "answers": tab.answers, "faults": tab.faults})


class Tab:
    """What the card in a browser knows and asks for, without the browser."""

    def __init__(self, workspace: Workspace, curator: str):
        self.workspace, self.curator, self.holder = workspace, curator, f"tab of {curator}"
        self.order: list[dict] = []
        self.at = self.decided = self.number = 0
        self.held: set[int] = set()
        self.unsaved: dict[str, dict] = {}
        self.answers: list[float] = []
        self.faults: list[str] = []

    def decide(self) -> None:
        """Agree with the card at hand, if it is here."""
        if self.at >= len(self.order) or self.order[self.at]["sample"] not in self.held:
            self.faults.append("no card was there")
            return
        entry = self.order[self.at]
        uid = f"{self.curator}-{self.decided}"
        self.unsaved[uid] = {
            "uid": uid, "sample": entry["sample"], "action": "agree", "seen": None, "queue": f"{QUEUE}: {entry['reason']}",
            "rank": entry["rank"], "kind": entry["kind"], "ms": 1_000,
        }  # fmt: skip
        self.at += 1
        self.decided += 1

    def ask(self) -> None:
        """Send what is not saved, and take what comes."""
        asked = time.monotonic()
        answer = serving.answer(
            self.workspace, simulate.NAME, self.curator, QUEUE, None, self._message() if self.number else None, holder=self.holder
        )
        self.answers.append(time.monotonic() - asked)
        self.number += 1
        self.faults += [error["text"] for error in answer["errors"]] + [answer["failure"]] * bool(answer["failure"])
        for uid in answer["saved"]:
            self.unsaved.pop(uid, None)
        if answer["initial"] or answer["ahead"]["after"] is not None:
            self.order += answer["ahead"]["entries"]
        self.held |= {card["id"] for card in answer["cards"]}

    def _message(self) -> dict[str, Any]:
        ahead = [entry["sample"] for entry in self.order[self.at : self.at + AHEAD]]
        self.held &= {entry["sample"] for entry in self.order[max(0, self.at - AHEAD) :]}
        few = sum(sample in self.held for sample in ahead) < FEW
        return {
            "n": self.number, "window": f"{simulate.NAME}|{QUEUE}", "events": list(self.unsaved.values()), "have": sorted(self.held),
            "want": [sample for sample in ahead if sample not in self.held][:8], "most": 8 if few else 4, "forward": len(ahead) < AHEAD,
            "tail": self.order[-1]["sample"] if self.order else None, "tail_rank": self.order[-1]["rank"] if self.order else None,
        }  # fmt: skip


def _summary(told: list[dict[str, Any]]) -> dict[str, Any]:
    answers = [1_000 * took for report in told for took in report["answers"][1:]]
    return {
        "curators": len(told), "decided": sum(report["decided"] for report in told),
        "a_second_each": round(float(np.mean([report["decided"] / report["seconds"] for report in told])), 2),
        "answer_ms": {"median": round(float(np.median(answers)), 1), "p95": round(float(np.percentile(answers, 95)), 1)},
        "faults": len([fault for report in told for fault in report["faults"]]),
        "examples": sorted({fault for report in told for fault in report["faults"]})[:5],
    }  # fmt: skip


if __name__ == "__main__":
    main()
