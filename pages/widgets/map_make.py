"""Making a map from the page: which run, of which stack, against which inventory and fields, and the job that makes it."""

from pathlib import Path
from typing import Any

import streamlit as st

from data import jobs
from data.catalogue import Collection
from data.errors import CropcheckError
from data.jobs import Job
from data.mapped import folder
from data.report import Report
from data.seasons import MONTHS
from data.stacks.opening import FILE, open_stack
from data.stacks.stack import Stack
from data.workspace import Workspace
from modeling import registry, runs
from modeling.mapping import smoothing
from modeling.mapping.smoothing import Smoothing
from modeling.runs import RunStatus
from pages.widgets import data_fields, data_job, resources
from pages.widgets.plain import escaped

FORM, COMMAND = "map.make", "map"
SHOWN = "map.map"  # with a collection's name, the key of the choice which of its maps is shown
MAPPING = (registry.SERIES, registry.PIXELS)  # kinds of models that can be shown a single pixel
SMOOTHINGS = {"none": "None", "majority": "Majority", "bayes": "Bayesian, as in sits"}
JOINED = "joined"  # in <home>/stacks: parts of stacks, no stack
MOST_WORKERS = 256
GUIDE = "A map is made by a job of its own, which works on when this page is closed. Its progress is shown here, and it can be resumed."


def form(collection: Collection) -> None:
    """The form on the left, and on the right the map that is being made."""
    workspace = resources.workspace()
    fill, watch = data_job.columns()
    with fill:
        _form(workspace, collection)
    with watch:
        data_job.refusal(FORM)
        job = data_job.watched(workspace, FORM, lambda job: _belongs(workspace, job, collection), GUIDE)
        if job and job.state == "finished":
            _show(workspace, collection, jobs.result(workspace, job.name).get("map", ""))


def _show(workspace: Workspace, collection: Collection, name: str) -> None:
    """The button that shows a map that is made, unless it is the one on the screen."""
    key = f"{SHOWN}.{collection.name}"
    if (workspace.maps / name / folder.NOTE).exists() and st.session_state.get(key) not in (None, name):
        st.button(
            "Show this map", type="primary", icon=":material/map:", key=f"{FORM}.show", on_click=st.session_state.update,
            args=({key: name},),
        )  # fmt: skip


def _belongs(workspace: Workspace, job: Job, collection: Collection) -> bool:
    """Whether a job makes a map of a run on the collection."""
    if job.module != "modeling" or job.argv[0] != COMMAND:
        return False
    run = next((option.removeprefix("--run=") for option in job.argv if option.startswith("--run=")), "")
    return run in {one.name for one in _finished(workspace, collection)}


def _finished(workspace: Workspace, collection: Collection) -> list[RunStatus]:
    return [run for run in runs.listing(workspace) if run.config.collection == collection.name and run.state == "finished"]


def _form(workspace: Workspace, collection: Collection) -> None:
    able, unable = [], []
    for run in _finished(workspace, collection):
        (able if registry.named(run.config.model).kind in MAPPING else unable).append(run)
    if not able:
        _no_run(collection, unable)
        return
    titles = {run.name: f"{run.name.removeprefix(f'{collection.name}-')} · {run.config.model}" for run in able}
    run = st.selectbox("Run", list(titles), format_func=titles.get, key=f"{FORM}.run.{collection.name}")
    if unable:
        _greyed(unable)
    source = _stack(workspace)
    asked = _further(workspace) | {"run": run, "stack": source}
    ready = bool(source) and _ready(workspace, asked)
    st.button(
        "Make the map", type="primary", icon=":material/map:", key=f"{FORM}.start", disabled=not ready,
        on_click=data_job.begin, args=(workspace, FORM, _argv(asked), _title(asked)), kwargs={"module": "modeling"},
    )  # fmt: skip


def _no_run(collection: Collection, unable: list[RunStatus]) -> None:
    st.info(
        f"No finished run on {collection.name} can make a map yet. Train a model that sees single pixels, such as "
        f"{registry.MODELS[registry.DEFAULT].title}; then any landscape of the same season can be mapped with it.",
        icon=":material/model_training:",
    )
    if unable:
        _greyed(unable)
    st.page_link("pages/train.py", label="Train a model")


def _greyed(unable: list[RunStatus]) -> None:
    models = ", ".join(sorted({run.config.model for run in unable}))
    names = ", ".join(escaped(run.name) for run in unable)
    one = len(unable) == 1
    st.caption(f":gray[{names}: cannot make a map, as {models} see{'s' * one} whole patches, not single pixels.]")


def _stack(workspace: Workspace) -> str:
    """The folder of the stack that is chosen, with what is in it; empty where there is none or it cannot be used."""
    known = stacks(workspace)
    chosen = st.selectbox(
        "Season stack", known, index=0 if known else None, key=f"{FORM}.stack", accept_new_options=True,
        format_func=lambda path: Path(path).name if path in known else path, placeholder="Path of a folder on the server",
        help=f"A folder with a GeoTIFF a date, or its {FILE}. Those in {workspace.home / 'stacks'} are listed; type the path of another. "
        "python -m data stack makes one.",
    )  # fmt: skip
    if not chosen:
        st.caption("Choose a folder with a GeoTIFF a date. `python -m data stack` makes one of imagery for an area.")
        return ""
    source = str(Path(chosen).expanduser().absolute())
    try:
        found, report = _opened(source, _changed(source))
    except CropcheckError as error:
        st.error(str(error), icon=":material/layers_clear:")
        return ""
    _describe(found, report)
    return source


def stacks(workspace: Workspace) -> list[str]:
    """The folders in <home>/stacks that hold a stack, by name."""
    home = workspace.home / "stacks"
    found = [path for path in home.iterdir() if path.is_dir() and path.name != JOINED] if home.is_dir() else []
    return sorted(str(path) for path in found if (path / FILE).exists() or any(path.glob("*.[tT][iI][fF]*")))


def _changed(source: str) -> tuple[tuple[str, int], ...]:
    """A stamp of the files in a folder, or of a file; empty where they cannot be read, which opening them says."""
    path = Path(source)
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
        return tuple((file.name, file.stat().st_mtime_ns if file.exists() else 0) for file in files)
    except OSError:
        return ()


@st.cache_data(max_entries=16, show_spinner="Looking through the stack")
def _opened(source: str, changed: tuple) -> tuple[Stack, str]:
    """The stack, and what was left out of it."""
    report = Report()
    note = Path(source) / FILE
    found = open_stack(note if note.exists() else source, report=report)
    return found, report.text()


def _describe(found: Stack, report: str) -> None:
    step = found.transform[0]
    unit = "°" if found.crs == "EPSG:4326" else " m"
    crs = found.crs if len(found.crs) < 20 else "a CRS of its own"
    names = [layer.name for layer in found.layers]
    lines = [
        f"**{len(names)} dates**, {names[0]} to {names[-1]} · {found.width:,} × {found.height:,} px of {step:g}{unit}, {crs}"
        + (f" · {found.level}" if found.level else ""),
        f"Bands {', '.join(found.bands)}",
    ]  # fmt: skip
    if gaps := missing_months(found):
        lines.append(f":orange[No date in {', '.join(gaps)}]")
    st.caption("  \n".join(lines))
    if report:
        with st.expander("Files that were left out"):
            st.text(report)


def missing_months(found: Stack) -> list[str]:
    """Months between the first date and the last that have none, as July, or July 2020 where the dates are of several years."""
    there = {(day.year, day.month) for day in found.dates}
    (year, month), last = min(there), max(there)
    several, gaps = year != last[0], []
    while (year, month) < last:
        if (year, month) not in there:
            gaps.append(f"{MONTHS[month - 1]} {year}" if several else MONTHS[month - 1])
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return gaps


def _further(workspace: Workspace) -> dict[str, Any]:
    """The rest of the form."""
    beside = next((str(path) for path in sorted(workspace.stacks.glob("*.tif"))), "")
    inventory = data_fields.path_field(
        workspace, "Inventory raster", f"{FORM}.inventory", (), placeholder="Path on the server, or empty",
        help="A crop inventory of the same year. The map then says where it agrees and where not."
        + (f" For instance {beside}" if beside else ""),
    )  # fmt: skip
    fields = data_fields.path_field(
        workspace, "Fields", f"{FORM}.fields", (), placeholder="Path of a file of polygons, or empty",
        help="GeoPackage, GeoJSON or Shapefile. Each field gets its shares and how sure the map is of it.",
    )  # fmt: skip
    left, right = st.columns(2)
    smooth = left.selectbox("Smoothing", list(SMOOTHINGS), format_func=SMOOTHINGS.get, key=f"{FORM}.smooth",
                            help="Single pixels that differ from those around them follow these.")  # fmt: skip
    workers = right.number_input("Workers", 0, MOST_WORKERS, 0, key=f"{FORM}.workers", help="Processes; 0: one a processor.")
    asked = {"inventory": inventory, "fields": fields, "smooth": smooth, "workers": workers}
    with st.expander("More options"):
        if smooth != "none":
            default = smoothing.WINDOWS[smooth]
            asked["window"] = st.number_input("Window (pixels)", 3, smoothing.WIDEST, default, step=2, key=f"{FORM}.window.{smooth}")
        if smooth == "bayes":
            asked["smoothness"] = st.number_input(
                "Smoothness", 0.1, 1_000.0, smoothing.SMOOTHNESS, key=f"{FORM}.smoothness", help="The higher, the more neighbours count."
            )
        asked["name"] = st.text_input("Name of the map", key=f"{FORM}.name", placeholder="Of the run and the stack").strip()
    return asked


def _ready(workspace: Workspace, asked: dict[str, Any]) -> bool:
    """Whether this map can be made; what stands against it, and what should be known of it, is said before anything is started."""
    faults = data_fields.missing([path for path in (asked["inventory"], asked["fields"]) if path])
    remarks = name = ""
    if not faults:
        stamp = tuple(_changed(asked[name]) for name in ("stack", "inventory", "fields") if asked[name])
        fault, remarks, name = _planned(str(workspace.home), tuple(sorted(asked.items())), stamp)
        faults = [fault] if fault else []
    for fault in faults:
        st.error(fault, icon=":material/block:")
    if faults:
        return False
    if (workspace.maps / name / folder.NOTE).exists():
        st.info(f"There is a map {name} already. To make another, give it another name, under More options.", icon=":material/task_alt:")
        return False
    if remarks:
        st.warning(remarks, icon=":material/rule:")
    return True


@st.cache_data(max_entries=16, ttl=300, show_spinner="Checking the run against the stack")
def _planned(home: str, asked: tuple, stamp: tuple) -> tuple[str, str, str]:
    """Why the map cannot be made, what should be known of it beforehand, and its name."""
    from modeling.mapping import planning  # late: torch takes seconds that only this needs
    from modeling.mapping.request import Request

    values, report = dict(asked), Report()
    stack, _ = _opened(values["stack"], _changed(values["stack"]))
    try:
        settled = Smoothing.of(values["smooth"], values.get("window"), values.get("smoothness"))
        request = Request(
            values["run"], stack, name=values["name"], inventory=values["inventory"], fields=values["fields"], smoothing=settled
        )
        plan = planning.planned(resources.workspace(), request, report)
    except CropcheckError as error:
        return str(error), "", ""
    return "", report.text(), plan.name


def _argv(asked: dict[str, Any]) -> list[str]:
    """The command line after `python -m modeling`."""
    note = Path(asked["stack"]) / FILE
    given = asked | {"stack": str(note) if asked["stack"] and note.exists() else asked["stack"]}
    return [COMMAND, *(f"--{option}={value}" for option, value in given.items() if value)]


def _title(asked: dict[str, Any]) -> str:
    return f"Map of {Path(asked['stack']).name} by {asked['run']}"
