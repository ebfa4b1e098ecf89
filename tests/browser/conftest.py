"""A real server and a real Chromium for the browser tests; no request may leave the machine."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from data.workspace import Workspace
from tests.conftest import ROOT, copy_workspace

QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
START_SECONDS = 60
expect.set_options(timeout=20_000)  # a busy machine takes longer than the five seconds of the default
LOCAL = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "about:")


class Server:
    """The app on a workspace of its own, started as the README says, on a port that stays the same over restarts.

    options: further ones of `streamlit run`.
    """

    def __init__(self, home: Path, *options: str):
        self.workspace = Workspace(home)
        self.options = options
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home.parent / "server.log"
        self.start()

    def start(self) -> None:
        command = [
            sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port), "--server.headless", "true",
            "--server.fileWatcherType", "none", *self.options,
        ]  # fmt: skip
        with self.log.open("ab") as out:
            environment = os.environ | {"CROPCHECK_HOME": str(self.workspace.home)}
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"The server did not start within {START_SECONDS} s:\n{self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def system_chromium() -> str | None:
    """The system's Chromium, or None for Playwright's own."""
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=system_chromium(), args=list(QUIET))
        yield launched
        launched.close()


@pytest.fixture
def server(demo_home, tmp_path) -> Iterator[Server]:
    """The app on a copy of the demo workspace."""
    started = Server(copy_workspace(demo_home, tmp_path / "workspace").home)
    yield started
    if started.process.poll() is None:
        started.kill()


@pytest.fixture
def page(browser) -> Iterator[Page]:
    """A browser window of 1366 x 768; fails the test if anything was asked of another machine."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    left: list[str] = []
    context.on("request", lambda request: None if request.url.startswith(LOCAL) else left.append(request.url))
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    yield opened
    context.close()
    assert left == []
