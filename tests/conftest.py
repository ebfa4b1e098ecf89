"""A real, small world for every test: the demo workspace, made once, copied for whoever writes to it."""

import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
import streamlit as st
from click.testing import CliRunner

from data.__main__ import main as data_main
from data.workspace import Workspace
from tests import kinds_world

PROGRAM = sys.modules["__main__"]
ROOT = Path(__file__).resolve().parent.parent


def copy_workspace(source: Path, target: Path) -> Workspace:
    """A workspace of its own: a copy of the database and the runs, beside the same immutable shards."""
    target.mkdir(parents=True)
    with sqlite3.connect(source / "cropcheck.db") as original, sqlite3.connect(target / "cropcheck.db") as copy:
        original.backup(copy)
    (target / "patches").symlink_to(source / "patches")
    if (source / "runs").exists():
        shutil.copytree(source / "runs", target / "runs")
    return Workspace(target)


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory) -> Path:
    """The folder of a workspace with the three demo collections, as `python -m data init` makes it. Not to be written to."""
    home = tmp_path_factory.mktemp("demo") / "workspace"
    result = CliRunner(env={"CROPCHECK_HOME": str(home)}).invoke(data_main, ["init", "--json"])
    assert result.exit_code == 0, result.output
    return home


@pytest.fixture
def demo(demo_home, tmp_path, monkeypatch) -> Workspace:
    """The demo workspace, to be written to, named by CROPCHECK_HOME."""
    workspace = copy_workspace(demo_home, tmp_path / "workspace")
    monkeypatch.setenv("CROPCHECK_HOME", str(workspace.home))
    return workspace


@pytest.fixture(scope="session")
def kinds_home(tmp_path_factory) -> Path:
    """The folder of a workspace with every kind of collection, see `tests.kinds_world`. Not to be written to."""
    return kinds_world.make(tmp_path_factory.mktemp("kinds") / "workspace").home


@pytest.fixture
def kinds(kinds_home, tmp_path, monkeypatch) -> Workspace:
    """The workspace with every kind of collection, to be written to, named by CROPCHECK_HOME."""
    workspace = copy_workspace(kinds_home, tmp_path / "kinds")
    monkeypatch.setenv("CROPCHECK_HOME", str(workspace.home))
    return workspace


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Workspace:
    """A workspace without any collection, named by CROPCHECK_HOME."""
    monkeypatch.setenv("CROPCHECK_HOME", str(tmp_path / "empty"))
    return Workspace(tmp_path / "empty").create()


@pytest.fixture(autouse=True)
def clean_state(monkeypatch):
    """No workspace of the developer's own, nothing cached from another test, and no page that a test of pages left as the program:
    worker processes begin by running that again."""
    monkeypatch.delenv("CROPCHECK_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "__main__", PROGRAM)
    st.cache_data.clear()
    st.cache_resource.clear()
