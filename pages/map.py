"""Map: the samples in place, coloured by label, verification or prediction; pictures of the patches where one zooms in."""

import streamlit as st
from streamlit_folium import st_folium

from data import catalogue, display, seasons
from data.catalogue import Collection
from data.errors import CropcheckError, PixelsUnreadable
from labeling import maps, overlays, places, points
from labeling.maps import Detail, Picture
from labeling.points import Group, Point
from pages.widgets import badges, chooser, entry, map_panel, resources, static

HEIGHT = 545  # px; with the controls above it, it fits a screen of 768
COLOURINGS = {"label": "Label", "state": "Verification", "prediction": "Prediction"}
GREENEST = "Greenest clear date"


@st.cache_data(max_entries=2_000, show_spinner=False)
def picture(home: str, sample: int, slot: int | None, view: str) -> tuple[Picture | None, dict]:
    """Pixels never change, so what is drawn of them is kept."""
    return overlays.patch_picture(resources.workspace(), sample, slot, view)


def grouped(collection: Collection, colouring: str, found: list[Point]) -> tuple[list[Group], list[int]]:
    store = resources.workspace().store
    if colouring == "label":
        return points.by_label(found, catalogue.legend(store, collection.name))
    if colouring == "state":
        return points.by_state(found)
    return points.by_prediction(found, catalogue.learned(store, collection.name))


def details(collection: Collection, near: list[Point], colors: dict[int, str], when: str, view: str) -> tuple[list[Detail], str | None]:
    """What is drawn of the samples in view: field or patch outline, and the picture; and why a picture is missing, if one is."""
    workspace = resources.workspace()
    numbers = [point.id for point in near]
    fields = points.polygons(workspace.store, numbers)
    pictured = numbers[: maps.MAX_PICTURES] if view != "none" and not collection.is_series else []
    if when == GREENEST:
        dated = overlays.greenest(workspace.store, pictured)
    else:
        dated = overlays.in_bin(workspace.store, collection, pictured, when)
    drawn, problem = [], None
    for rank, point in enumerate(near):
        image, shown, outline = dated.get(point.id), None, None
        if rank < len(pictured):
            try:
                shown, outline = picture(str(workspace.home), point.id, image and image.slot, view)
            except PixelsUnreadable as error:
                problem = str(error)
        text = f"{point.name} · {image.acquired}" if shown else point.name
        drawn.append(Detail(point.name, text, colors[point.id], fields.get(point.id, outline), shown))
    return drawn, problem


def controls(collection: Collection) -> tuple[str, str | None, int | None, str, str, str | None]:
    """Colouring, run, year, view, date and online map, as chosen."""
    store = resources.workspace().store
    runs, (_, years) = points.predicting_runs(store, collection.name), places.regions_and_years(store, collection.name)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        colouring = st.segmented_control(
            "Colour by", list(COLOURINGS), format_func=COLOURINGS.get, default="label", required=True, key="map.colouring"
        )
        run = None
        if colouring == "prediction" and runs:
            run = st.selectbox("Run", runs, key="map.run", width=190)
        year = None
        if len(years) > 1:  # a site's samples of several years lie on each other
            year = st.selectbox("Year", years, index=None, placeholder="All", key=f"map.year.{collection.name}", width=95)
        view, when = "none", GREENEST
        if not collection.is_series:
            views = {"none": "No pictures"} | display.views(collection.bands)
            view = st.selectbox(
                "Pictures when near", list(views), index=1, format_func=views.get, key=f"map.view.{collection.name}", width=150
            )
            dates = [GREENEST, *seasons.bins(collection)]
            titles = {GREENEST: GREENEST} | {name: seasons.title(name) for name in dates[1:]}
            when = st.selectbox("Date", dates, format_func=titles.get, key=f"map.slot.{collection.name}", width=165)
        online = st.selectbox(
            "Online map", list(maps.ONLINE_MAPS), index=None, placeholder="Off", key="map.online", width=120,
            help="Off, nothing leaves this machine. On, the browser asks the map's server for tiles.",
        )  # fmt: skip
    return colouring, run, year, view, when, online


@st.fragment
def chart(collection: Collection) -> None:
    """Controls, map and panel. A fragment: panning or a click draws this again, neither the page nor app.py, which shows errors."""
    try:
        _chart(collection)
    except CropcheckError as error:
        st.error(str(error), icon=":material/error:")


def _chart(collection: Collection) -> None:
    colouring, run, year, view, when, online = controls(collection)
    if colouring == "prediction" and run is None:
        st.info(
            "No run has predicted this collection yet. Train a model, and its predictions appear here.", icon=":material/model_training:"
        )
        st.page_link("pages/train.py", label="Train a model")
        return
    found = points.points(resources.workspace().store, collection.name, run)
    if not found:
        st.info("This collection has no samples yet. Import it again with `python -m data init`.", icon=":material/inventory_2:")
        return
    found = [point for point in found if year in (None, point.year)]
    groups, positions = grouped(collection, colouring, found)
    key = f"map.leaflet.{collection.name}"
    state = st.session_state.get(key) or {}
    chosen = map_panel.chosen(found, state)
    near = maps.in_view(found, state.get("bounds"), state.get("zoom"))
    colors = {point.id: groups[position].color for point, position in zip(found, positions, strict=True)}
    shapes, problem = details(collection, near, colors, when, view)
    left, right = st.columns([3, 1])
    with left:
        st_folium(
            maps.base_map(found, static.url(), online=online),
            key=key, height=HEIGHT, use_container_width=True, returned_objects=["last_active_drawing", "zoom", "bounds"],
            feature_group_to_add=[
                maps.details_layer(shapes),
                maps.points_layer(
                    found, groups, positions, notes=[map_panel.note(point) for point in found],
                    ringed=[colouring == "prediction" and point.disagrees for point in found],
                ),
                maps.selection_layer(chosen),
            ],
        )  # fmt: skip
    with right:
        if problem:
            st.warning(problem, icon=":material/broken_image:")
        map_panel.sample(collection, chosen, view if view != "none" else "true")
        map_panel.legend(groups, found if colouring == "prediction" else None, 470 if chosen is None else 170)


entry.through_app()
collection = chooser.collection()
badges.collection_badge(collection)
with st.spinner("Starting the map"):
    chart(collection)
