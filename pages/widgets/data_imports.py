"""Import files: published data sets and folders of rasters, each with the options of its command."""

from dataclasses import dataclass

import streamlit as st

from data.workspace import Workspace
from pages.widgets import data_fields, data_job
from pages.widgets.data_fields import Field

GUIDE = (
    "Give the folder on the left. An import shows its progress here, can be cancelled, and goes on where it stopped when it is resumed. "
    "What cannot be read is left out and named; the rest comes in."
)
LEVELS = {"": "As the files say", "L1C": "L1C, top of atmosphere", "L2A": "L2A, surface reflectance"}
LABELS = {"": "The exported label", "inventory": "The inventory's"}
YEARS = {"": "All years there", "2017": "2017", "2018": "2018"}
BOTH_LEVELS = {"": "Both levels", "L1C": "L1C, top of atmosphere", "L2A": "L2A, surface reflectance"}
NAME = Field("--collection", "Name of the new collection", placeholder="letters, digits, - and _", needed=True)


@dataclass(frozen=True)
class Source:
    """What files may come from. about: for people, which folder is meant."""

    title: str
    about: str
    fields: tuple[Field, ...]


SOURCES = {
    "import-canadian": Source(
        "Canadian Cropland Dataset",
        "The folder as published: zips of single-band TIFs, trees of PNG pictures with their train, validation and test parts, or both.",
        (
            Field("", "Folder", "path", placeholder="/data/canadian-cropland", needed=True),
            NAME,
            Field("--points", "Points of the PNG pictures", "path", "CSV with Point_ID, Longitude, Latitude.", "/data/points_2019.csv"),
        ),
    ),
    "import-breizhcrops": Source(
        "BreizhCrops",
        "The folder with classmapping.csv, codes.csv and 2017/L1C/frh01.h5 and so on. Every year and level becomes a collection.",
        (
            Field("", "Folder", "path", placeholder="/data/breizhcrops", needed=True),
            Field("--year", "Year", "choice", choices=YEARS),
            Field("--level", "Level", "choice", choices=BOTH_LEVELS),
            Field("--region", "Regions", "list", "All by default.", "frh01, frh04"),
        ),
    ),
    "import-geotiff": Source(
        "GeoTIFF folder, NetCDF or Zarr cube",
        "A folder of multi-band GeoTIFFs with manifest.csv (sample, date, file, crop, region), an export of Cropcheck, or cubes.",
        (
            Field("", "Folder or file", "path", placeholder="/data/fields", needed=True),
            NAME,
            Field("--manifest", "Manifest", "path", "By default manifest.csv or index.csv in the folder.", advanced=True),
            Field("--pattern", "Pattern of file names", "text", "Instead of a manifest.", "{sample}_{date}_{crop}", advanced=True),
            Field("--bands", "Bands", "text", "In the files' order, where they do not name them.", "B02,B03,B04,B08", advanced=True),
            Field("--level", "Level", "choice", choices=LEVELS, advanced=True),
            Field("--scale", "Scale", "number", "Stored value × scale = reflectance 0..1.", "as the files say", advanced=True),
            Field("--nodata", "No-data value", "number", "", "as the files say", advanced=True),
            Field("--crs", "CRS of files without one", placeholder="EPSG:32631", advanced=True),
            Field("--region", "Region of samples without one", advanced=True),
            Field("--legend", "Legend", "path", "CSV with code and name; else Canada's.", advanced=True),
            Field("--labels", "Labels of an export", "choice", "Which label becomes the inventory label.", choices=LABELS, advanced=True),
            Field("--title", "Title", advanced=True),
            Field("--licence", "Licence", advanced=True),
            Field("--attribution", "Attribution", advanced=True),
        ),
    ),
}  # fmt: skip


def show(workspace: Workspace) -> None:
    form, watch = data_job.columns()
    with form:
        st.markdown("##### Import files")
        command = st.selectbox(
            "From", list(SOURCES), format_func=lambda name: SOURCES[name].title, key="imports.command", persist_state="session"
        )
        source = SOURCES[command]
        st.caption(source.about)
        values = data_fields.draw(workspace, command, source.fields)
        wrong = data_fields.lacking(source.fields, values)
        st.button(
            "Start the import", type="primary", icon=":material/play_arrow:", key="imports.start", disabled=bool(wrong),
            help=" ".join(wrong) or None, on_click=_start, args=(workspace, command, values),
        )  # fmt: skip
        if wrong:
            st.caption(" ".join(wrong))
        data_job.refusal("imports")
    with watch:
        data_job.watched(workspace, "imports", lambda job: job.argv[0] in SOURCES, GUIDE)


def _start(workspace: Workspace, command: str, values: dict) -> None:
    source = SOURCES[command]
    makes = values.get(NAME.label, source.title).strip()  # BreizhCrops names its collections itself
    title = f"{makes} from {source.title}" if NAME in source.fields else source.title
    data_job.begin(workspace, "imports", data_fields.argv(command, source.fields, values), title, makes)
