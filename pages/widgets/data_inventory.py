"""Inventory labels: give the samples of a collection their codes from an inventory raster or a layer of fields."""

import streamlit as st

from data import catalogue
from data.workspace import Workspace
from pages.widgets import data_fields, data_job
from pages.widgets.data_fields import Field

GUIDE = (
    "Every sample gets its code at the centre, the code that most of its patch has, its purity, and the raster for the overlay. "
    "Rasters of several years give the rotation history."
)
LEGENDS = {"": "As the files say", "aci": "Canada's inventory", "file": "The file's own names"}
FIELDS = (
    Field(
        "", "Rasters or layers of fields, one a line", "paths", "GeoTIFF or polygons, also in a zip or behind an address.",
        "/data/aci_2019_mb.zip\nhttps://…/aci_2018.tif", uploads=("tif", "tiff", "zip", "gpkg", "geojson", "parquet"), needed=True,
    ),
    Field("--year", "Year", "number", "Of all sources.", "as the file names say"),
    Field("--class-column", "Class column", "text", "Of a layer of polygons.", advanced=True),
    Field("--legend", "Names of codes", "choice", "Of those that the collection's legend lacks.", choices=LEGENDS, advanced=True),
    Field("--no-label", "Codes that are no label", "list", "Beside those of the file.", "81", advanced=True),
)  # fmt: skip


def show(workspace: Workspace) -> None:
    known = [one.name for one in catalogue.collections(workspace.store)]
    form, watch = data_job.columns()
    with form:
        st.markdown("##### Inventory labels")
        if not known:
            st.info("There is no collection to label yet: get imagery or import files first.", icon=":material/inventory_2:")
            return
        name = st.selectbox("Collection", known, key="inventory.collection", persist_state="session")
        values = data_fields.draw(workspace, "inventory", FIELDS)
        wrong = data_fields.lacking(FIELDS, values)
        st.button(
            "Read the labels", type="primary", icon=":material/play_arrow:", key="inventory.start", disabled=bool(wrong),
            on_click=_start, args=(workspace, name, values),
        )  # fmt: skip
        if wrong:
            st.caption(" ".join(wrong))
        data_job.refusal("inventory")
    with watch:
        data_job.watched(workspace, "inventory", lambda job: job.argv[0] == "inventory", GUIDE)


def _start(workspace: Workspace, collection: str, values: dict) -> None:
    argv = data_fields.argv("inventory", FIELDS, values)
    data_job.begin(
        workspace, "inventory", [argv[0], f"--collection={collection}", *argv[1:]], f"Inventory labels of {collection}", collection
    )
