"""Get imagery: sites, a provider, a period and a patch; the plan of what will be fetched, then the ingest itself."""

from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st

from data import figures, jobs
from data.bands import L2A_BANDS
from data.errors import CropcheckError
from data.ingest.providers import PRESETS
from data.ingest.settings import RESAMPLING
from data.jobs import Job
from data.screening import MASKED_SCL, SCL_CLASSES
from data.workspace import Workspace
from pages.widgets import data_fields, data_job, data_report, resources
from pages.widgets.data_fields import Field

OTHER = "other"
SITE_FILES = ("csv", "gpkg", "geojson", "zip", "parquet", "geoparquet", "json", "tsv", "txt", "gz", "fgb", "kml", "gml")
PERIODS = ("Months of years", "From … to")
GUIDE = (
    "Give the sites on the left: points or fields as CSV, GeoPackage, GeoJSON, zipped Shapefile or GeoParquet. "
    "Then plan: you see what will be fetched before anything is."
)
COLUMNS = (
    Field("--name-column", "Name", placeholder="as recognised"), Field("--region-column", "Region", placeholder="as recognised"),
    Field("--lon", "Longitude", placeholder="as recognised"), Field("--lat", "Latitude", placeholder="as recognised"),
    Field("--crop-column", "Crop", placeholder="as recognised"), Field("--year-column", "Year", placeholder="as recognised"),
    Field("--sites-crs", "CRS of the file", placeholder="as the file says"),
    Field("--layer", "Layer", placeholder="of a file with several"),
)  # fmt: skip


def show(workspace: Workspace) -> None:
    form, watch = data_job.columns()
    with form:
        values = _collection() | _sites(workspace) | _imagery() | _further()
    with watch:
        _right(workspace, values)


def _right(workspace: Workspace, values: dict) -> None:
    """The ingest at work, and what comes of the form: where the sites are, the plan, the start."""
    argv = arguments(values)
    job = _started(workspace, argv)
    data_job.refusal("ingest")
    if job:
        data_job.watch(workspace, job)
    if values["sites"] and not (job and job.argv == tuple(argv)):
        planned = jobs.newest(workspace, arguments(values, plan=True))
        if _places(values, planned):
            _plan(workspace, values, planned)
    elif job is None:
        st.info(GUIDE, icon=":material/lightbulb:")


def arguments(values: dict, *, plan: bool = False) -> list[str]:
    """The command line of an ingest; everything that the collection depends on is named, also where it is the command's default."""
    options = {
        "collection": values["collection"], "title": values["title"], "provider": values["address"] or values["provider"],
        "stac-collection": values["stac_collection"], "band-map": values["band_map"],
        "years": ",".join(map(str, sorted(values["years"]))), "months": "{}-{}".format(*values["months"]) if values["years"] else "",
        "from": values["from"], "to": values["to"], "size": values["size"], "grid": values["grid"], "bands": ",".join(values["bands"]),
        "max-cloud": values["max_cloud"], "mask": ",".join(map(str, sorted(values["mask"]))), "min-clear": values["min_clear"] / 100,
        "min-stack": values["min_stack"] / 100, "resampling": values["resampling"], "scheduler": values["scheduler"],
    }  # fmt: skip
    given = [f"--{name}={value:g}" if isinstance(value, float) else f"--{name}={value}" for name, value in options.items() if value != ""]
    given += [f"--inventory={raster}" for raster in values["inventory"]]
    given += [f"{field.option}={values['columns'][field.label]}" for field in COLUMNS if values["columns"][field.label]]
    given += ["--composites" if values["composites"] else "--acquisitions", *(["--drop-broken"] if values["drop_broken"] else [])]
    given += ["--plan"] if plan else []
    return ["ingest", *given, "--", values["sites"]]


def lacking(values: dict) -> list[str]:
    """What still has to be entered or mended before a plan can be made, a sentence each."""
    checks = {
        "Give the collection a name.": not values["collection"],
        "Choose years.": values["period"] == PERIODS[0] and not values["years"],
        "Give the first and the last day.": values["period"] == PERIODS[1] and not (values["from"] and values["to"]),
        "Choose bands.": not values["bands"],
        "Give the address of the STAC API.": values["provider"] == OTHER and not values["address"],
    }
    paths = [values["band_map"], *values["inventory"]]
    missing = [
        f"There is no {path} on this machine." for path in paths if path and not data_fields.is_address(path) and not Path(path).exists()
    ]
    return [text for text, wrong in checks.items() if wrong] + missing


def _collection() -> dict:
    st.markdown("##### New collection")
    first, second = st.columns(2)
    name = first.text_input("Name", key="ingest.collection", placeholder="manitoba-2019", persist_state="session")
    title = second.text_input("Title", key="ingest.title", placeholder="for people", persist_state="session")
    return {"collection": name.strip(), "title": title.strip()}


def _sites(workspace: Workspace) -> dict:
    st.markdown("##### Sites")
    path = data_fields.path_field(
        workspace, "Sites file", "ingest.sites", SITE_FILES, placeholder="or a path on the server: /data/sites.csv",
        help="Points or fields, in any CRS. Names, regions, crops and years are taken from its columns.",
    )  # fmt: skip
    with st.expander("Columns of the file"):
        columns = data_fields.draw(workspace, "ingest.columns", COLUMNS)
    return {"sites": path and str(Path(path).expanduser().absolute()), "columns": columns}


def _imagery() -> dict:
    st.markdown("##### Imagery")
    keep = {"persist_state": "session"}
    titles = {name: preset.title for name, preset in PRESETS.items()} | {OTHER: "Another STAC API"}
    provider = st.selectbox("Provider", list(titles), format_func=titles.get, key="ingest.provider", **keep)
    address = stac_collection = band_map = ""
    if provider == OTHER:
        address = st.text_input("Address", placeholder="https://…/stac", key="ingest.address", **keep).strip()
        first, second = st.columns(2)
        stac_collection = first.text_input("STAC collection", placeholder="sentinel-2-l2a", key="ingest.stac", **keep).strip()
        band_map = second.text_input(
            "Band mapping", placeholder="bands.json", key="ingest.band_map", help='JSON of band to asset key: {"B02": "blue", …}', **keep
        ).strip()
    period = st.segmented_control(
        "Period", PERIODS, default=PERIODS[0], required=True, key="ingest.period", label_visibility="collapsed", **keep
    )  # fmt: skip
    years, months, start, end = [], (6, 10), "", ""
    first, second = st.columns(2)
    if period == PERIODS[0]:
        now = date.today().year
        years = first.multiselect("Years", list(range(now, 2014, -1)), [now - 1], key="ingest.years", wrap=True, **keep)
        months = second.slider("Months", 1, 12, (6, 10), key="ingest.months", **keep)
    else:
        start, end = (
            column.date_input(label, None, min_value=date(2015, 6, 23), key=f"ingest.{key}", format="YYYY-MM-DD", **keep)
            for column, label, key in ((first, "First day", "from"), (second, "Last day", "to"))
        )
    images = first.selectbox("Images", ("Monthly composites", "Every acquisition"), key="ingest.images", **keep)
    size = second.number_input("Patch side (px of 10 m)", 1, 1024, 64, key="ingest.size", **keep)
    return {
        "provider": provider, "address": address, "stac_collection": stac_collection, "band_map": _absolute(band_map), "period": period,
        "years": years, "months": months, "from": str(start or ""), "to": str(end or ""), "composites": images == "Monthly composites",
        "size": size,
    }  # fmt: skip


def _further() -> dict:
    keep = {"persist_state": "session"}
    with st.expander("Bands, clouds, grid, labels"):
        bands = st.multiselect("Bands", L2A_BANDS, L2A_BANDS, key="ingest.bands", **keep)
        mask = st.multiselect(
            "Scene classes that hide the ground", list(SCL_CLASSES), MASKED_SCL, key="ingest.mask",
            format_func=lambda code: f"{code} {SCL_CLASSES[code]}", **keep,
        )  # fmt: skip
        first, second = st.columns(2)
        max_cloud = first.number_input("Scene cloud limit (%)", 0, 100, 80, key="ingest.max_cloud", **keep)
        min_clear = second.number_input(
            "Clear share, patch (%)", 0, 100, 5, key="ingest.min_clear", help="Images with less are left out.", **keep
        )
        min_stack = first.number_input("Clear share, dates (%)", 0, 100, 0, key="ingest.min_stack", help="Of a composite's pixel.", **keep)
        resampling = second.selectbox("Resampling", RESAMPLING, key="ingest.resampling", help="Of 20 m and 60 m bands.", **keep)
        grid = first.text_input("Grid (CRS)", "utm", key="ingest.grid", help="utm: each site's own zone; or EPSG:3978.", **keep)
        scheduler = second.text_input("Dask scheduler", placeholder="this machine", key="ingest.scheduler", **keep)
        drop = st.checkbox(
            "Make samples without scenes that cannot be read", key="ingest.drop", help="Else they wait for the next try.", **keep
        )
        rasters = st.text_area(
            "Inventories for the labels, one a line", key="ingest.inventory", height=68, placeholder="/data/aci_2019.tif", **keep,
            help="Labels for the samples; they can be added later, too.",
        )  # fmt: skip
    inventory = [_absolute(line.strip()) for line in rasters.splitlines() if line.strip()]
    return {
        "bands": bands, "mask": mask, "max_cloud": max_cloud, "min_clear": min_clear, "min_stack": min_stack,
        "resampling": resampling, "grid": grid.strip() or "utm", "drop_broken": drop, "scheduler": scheduler.strip(),
        "inventory": inventory,
    }  # fmt: skip


def _absolute(path: str) -> str:
    return path if not path or data_fields.is_address(path) else str(Path(path).expanduser().absolute())


def _started(workspace: Workspace, argv: list[str]) -> Job | None:
    """The ingest that is at work, or the one that this form has started."""
    known = [job for job in jobs.listing(workspace) if job.argv[0] == "ingest" and "--plan" not in job.argv]
    return next((job for job in known if job.active or job.argv == tuple(argv)), None)


def _places(values: dict, planned: Job | None) -> bool:
    """Show where the sites are and what is wrong with them (a plan says that, too); whether there are any."""
    columns = {field.option.lstrip("-"): values["columns"][field.label] for field in COLUMNS}
    try:
        read = resources.sites(values["sites"], columns)
    except CropcheckError as error:
        st.error(str(error), icon=":material/wrong_location:")
        return False
    st.markdown(f"##### {read.count:,} sites")
    if read.count:
        st.plotly_chart(figures.places_figure(read.lons, read.lats, read.names), key="ingest.places", config={"displayModeBar": False})
    if planned is None or planned.state not in jobs.DONE:
        data_report.problems(read.report, "sites", key="ingest.sites.report")
    return read.count > 0


def _plan(workspace: Workspace, values: dict, planned: Job | None) -> None:
    wrong = lacking(values)
    source = urlsplit(values["address"]).netloc if values["provider"] == OTHER else PRESETS[values["provider"]].title
    title = f"{values['collection']} from {source}"
    plan = (workspace, "ingest", arguments(values, plan=True), f"Plan of {title}")
    if planned is None or planned.state not in jobs.DONE:
        if planned is None:
            st.button(
                "Plan", type="primary", icon=":material/route:", key="ingest.plan", disabled=bool(wrong), on_click=data_job.begin, args=plan
            )
            st.caption(" ".join(wrong) or "Shows what will be fetched: images, bytes and time. Nothing is fetched yet.")
        else:
            data_job.watch(workspace, planned)
        return
    said = jobs.result(workspace, planned.name)
    st.markdown("##### Plan")
    with st.container(horizontal=True):
        for label, value in summary(said).items():
            st.metric(label, value, width="content")
    with st.container(horizontal=True):
        st.button(
            "Start", type="primary", icon=":material/play_arrow:", key="ingest.start", disabled=not said["samples"],
            on_click=data_job.begin, args=(workspace, "ingest", arguments(values), title, values["collection"]),
        )  # fmt: skip
        st.button("Plan again", icon=":material/refresh:", key="ingest.replan", on_click=data_job.begin, args=plan)
    if said["months"]:
        st.plotly_chart(figures.availability_figure(said["months"]), key="ingest.months.figure", config={"displayModeBar": False})
    data_report.problems(said.get("report", {}), f"{values['collection']}-plan", key="ingest.plan.report")


def summary(said: dict) -> dict[str, str]:
    """The figures of a plan for people."""
    return {
        "Samples": f"{said['samples']:,}", "Scenes": f"{said['scenes']:,}", "Images": f"{said['images']:,}",
        "To fetch": "unknown" if said["bytes"] is None else data_report.size(said["bytes"]),
        "Time": "unknown" if said["seconds"] is None else data_job.duration(said["seconds"]),
    }  # fmt: skip
