"""Who may import whom: the layers of the README, held by walking the imports."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "data": {"streamlit", "labeling", "modeling", "pages", "torch", "folium", "leafmap"},
    "labeling": {"streamlit", "modeling", "pages", "torch"},
    "modeling": {"streamlit", "labeling", "pages", "folium", "leafmap"},
}
ONLY_IN = {
    "plotly": lambda path: path.name == "figures.py",
    "folium": lambda path: path.name == "maps.py",
    "leafmap": lambda path: path.name == "maps.py",
    "matplotlib": lambda path: path.parts[:2] == ("data", "prints"),
    "subprocess": lambda path: path == Path("data/jobs.py"),
}
OURS = [path.relative_to(ROOT) for folder in ("data", "labeling", "modeling", "pages") for path in (ROOT / folder).rglob("*.py")]


def imported(path: Path) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", OURS, ids=str)
def test_imports_keep_to_the_layers(path):
    assert not imported(path) & FORBIDDEN.get(path.parts[0], set())


@pytest.mark.parametrize("path", OURS, ids=str)
def test_heavy_packages_stay_in_their_files(path):
    assert not [package for package, allowed in ONLY_IN.items() if package in imported(path) and not allowed(path)]


def test_opening_verify_loads_no_torch_and_no_leafmap(demo):
    script = (
        "import sys; from streamlit.testing.v1 import AppTest; "
        "app = AppTest.from_file('app.py', default_timeout=60).run().switch_page('pages/verify.py').run(); "
        "assert not app.exception and not app.error; "
        "print(sorted({'torch', 'monai', 'sklearn', 'leafmap', 'folium', 'geopandas'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_every_requirement_is_imported_somewhere():
    wanted = {re.match(r"[\w.-]+", line).group() for line in (ROOT / "requirements.txt").read_text().splitlines() if line[:1].isalpha()}
    modules = {
        "scikit-learn": "sklearn", "pillow": "PIL", "sqlite-utils": "sqlite_utils", "streamlit-folium": "streamlit_folium",
        "pystac-client": "pystac_client", "odc-stac": "odc", "h5netcdf": "xarray", "zarr": "xarray",  # the last two are xarray's readers
    }  # fmt: skip
    used = set().union(*(imported(path) for path in [*OURS, Path("app.py")]))
    assert {name for name in wanted if modules.get(name, name) not in used} == set()
