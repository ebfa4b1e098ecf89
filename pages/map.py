"""Map: the samples in place, and under them what a run's map says of the whole ground beside imagery and inventory."""

import streamlit as st
from streamlit_folium import st_folium

from data.catalogue import Collection
from data.errors import CropcheckError
from data.mapped import folder
from data.mapped.folder import Map
from labeling import maps
from labeling.maps import Seen
from pages.widgets import (
    badges,
    chooser,
    entry,
    map_areas,
    map_changes,
    map_files,
    map_layers,
    map_legend,
    map_make,
    map_panel,
    map_samples,
    map_search,
    resources,
    static,
    takeaway,
)
from pages.widgets.map_layers import Layers
from pages.widgets.map_samples import Choice, Drawn

HEIGHT = 500  # px; with the controls above it, it fits a screen of 768
CLICKED, LEGEND = 320, 164  # px of the panel's two parts, which scroll
NOTHING_CLICKED = 120  # px of the first part until there is something: the legend has the rest
COLUMNS = (1.0, 0.52, 1.1, 1.15, 0.75, 1.2, 1.2, 0.9, 0.52)
NOTHING = {"pictures": [], "opacity": 1, "split": False, "titles": {}}


@st.fragment
def chart(collection: Collection, made: Map | None, others: list[Map], place: tuple[float, float, str] | None) -> None:
    """Controls, map and panel. A fragment: panning or a click draws this again, neither the page nor app.py, which shows errors."""
    try:
        _chart(collection, made, others, place)
    except CropcheckError as error:
        st.error(str(error), icon=":material/error:")


def _chart(collection: Collection, made: Map | None, others: list[Map], place: tuple[float, float, str] | None) -> None:
    columns = st.columns(COLUMNS, gap="small", vertical_alignment="bottom")
    with columns[0]:
        colouring = map_samples.colouring()
    with columns[1], st.popover("", icon=":material/tune:", help="Run, year and pictures of the samples; online maps"):
        chosen, online = map_samples.choice(collection, colouring, pictures=made is None), _online()
    layers = map_layers.controls(made, others, columns[2:8]) if made else None
    shown = map_samples.drawn(collection, chosen)
    if not shown.samples.points:
        st.info("This collection has no samples yet. Import it again with `python -m data init`.", icon=":material/inventory_2:")
        return
    key = f"map.leaflet.{collection.name}"
    seen = maps.seen(st.session_state.get(key))
    with columns[8]:
        _take_away(collection, layers, seen, chosen, shown)
    left, right = st.columns([3, 1])
    with left:
        problems = _map(collection, shown, chosen, layers, seen, place, key=key, online=online)
    with right:
        _panel(collection, shown, chosen, layers, seen, problems)


def _online() -> str | None:
    return st.selectbox(
        "Online map", list(maps.ONLINE_MAPS), index=None, placeholder="Off", key="map.online",
        help="Off, nothing leaves this machine. On, the browser asks the map's server for tiles.",
    )  # fmt: skip


def _map(
    collection: Collection, shown: Drawn, chosen: Choice, layers: Layers | None, seen: Seen | None,
    place: tuple[float, float, str] | None, *, key: str, online: str | None,
) -> list[str]:  # fmt: skip
    """The map itself; returns what is wrong with parts of it that cannot be drawn."""
    visible = chosen.colouring != "none"
    near = maps.in_view(shown.samples, seen) if visible else []
    details, problem = map_samples.details(collection, shown, near, chosen)
    rasters, problems = map_layers.record(layers, seen, map_legend.off(map_legend.CLASSES)) if layers else (NOTHING, [])
    record = {
        "points": map_samples.record(shown, map_legend.off(chosen.colouring)) if visible else None,
        "rasters": rasters,
        "details": maps.details_record(details, map_files.address, filled=layers is None),
        "place": place and [place[1], place[0], place[2]],
        "heard": seen.told if seen else 0,
        "ground": layers and {"key": layers.made.name, "bounds": map_layers.bounds(layers.made)},
    }
    bounds = _bounds(collection.name, shown)
    st_folium(
        maps.base_map(bounds, static.url(), key=collection.name, online=online), key=key, height=HEIGHT, use_container_width=True,
        returned_objects=[], feature_group_to_add=maps.scene_layer(record),
    )  # fmt: skip
    return [*problems, *([problem] if problem else [])]


def _bounds(collection: str, shown: Drawn) -> list[list[float]]:
    """Around all samples, as they were when the page was opened: with other bounds the map would be made anew."""
    return st.session_state.setdefault(f"map.bounds.{collection}", maps.bounds_of(shown.samples.places))


def _panel(collection: Collection, shown: Drawn, chosen: Choice, layers: Layers | None, seen: Seen | None, problems: list[str]) -> None:
    upper = CLICKED if problems or (seen and (seen.click or seen.area)) else NOTHING_CLICKED
    with st.container(height=upper, border=False, key="map-clicked", gap="xsmall"):
        for problem in problems:
            st.warning(problem, icon=":material/broken_image:")
        if chosen.lacks_run:
            st.info(map_samples.WITHOUT_RUN[chosen.colouring], icon=":material/model_training:")
            st.page_link("pages/train.py", label="Train a model")
        view = chosen.view if chosen.view != "none" else "true"
        made, date = (layers.made, layers.date) if layers else (None, None)
        map_panel.clicked(collection, shown.samples, seen, made, view=view, date=date)
    with st.container(height=CLICKED + LEGEND - upper, border=True, key="map-legend"):
        map_legend.show(_sections(shown, chosen, layers))
        if chosen.colouring == "prediction" and not chosen.lacks_run:
            _disagreeing(shown)


def _sections(shown: Drawn, chosen: Choice, layers: Layers | None) -> list[map_legend.Section]:
    sections = map_legend.of_layers(map_layers.legends(layers)) if layers else []
    if chosen.colouring == "none":
        return sections
    title = f"{len(shown.samples.points):,} samples"
    return [*sections, map_legend.of_samples(chosen.colouring, title, shown.groups)]


def _disagreeing(shown: Drawn) -> None:
    predicted = [point for point in shown.samples.points if point.predicted is not None]
    differ = sum(point.disagrees for point in predicted)
    st.markdown(f":red[◯] **{differ:,}** of {len(predicted):,} predicted otherwise than labelled")


def _take_away(collection: Collection, layers: Layers | None, seen: Seen | None, chosen: Choice, shown: Drawn) -> None:
    if seen is None:
        return
    visible = (list(shown.samples.points), shown.groups, shown.positions) if chosen.colouring != "none" else ([], [], [])
    hidden, colours = map_legend.off(map_legend.CLASSES), {"off": map_legend.off(chosen.colouring), "colouring": chosen.colouring}
    if layers is None:
        takeaway.map_downloads(collection, None, seen.view, None, None, None, hidden, 1.0, *visible, **colours)
        return
    left, right = (layers.left, layers.right) if layers.split else (layers.right, None)
    takeaway.map_downloads(
        collection, layers.made, seen.view, left, right, layers.date, hidden, layers.opacity, *visible, imagery=layers.imagery,
        other=layers.other, **colours,
    )  # fmt: skip


def choose(collection: Collection) -> tuple[Map | None, list[Map]]:
    """The map that is shown, and the others of the collection to compare it with."""
    found = {one.name: one for one in folder.listing(resources.workspace(), collection.name)}
    for problem in folder.damaged(resources.workspace()):
        st.warning(problem, icon=":material/broken_image:")
    if not found:
        st.caption(f":material/map: No map of {collection.name} yet: make one below.")
        return None, []
    titles = {one.name: f"{one.title} · {one.made[:16].replace('T', ' ')}" for one in found.values()}
    name = st.selectbox(
        "Map", list(found), index=0, format_func=titles.get, key=f"{map_make.SHOWN}.{collection.name}", label_visibility="collapsed",
        placeholder="No map, samples alone", persist_state="session",
    )  # fmt: skip
    return found.get(name), map_layers.older(found[name], list(found.values())) if name else []


def below(collection: Collection, made: Map | None, others: list[Map]) -> None:
    """What belongs to a map and needs more room than beside it."""
    # Only what is open is worked out: the map above waits for the end of the page, and the form looks into runs and stacks.
    if made is None:
        making = st.expander("Make a map: a run's prediction wall to wall", icon=":material/map:", key="map.make.open", on_change="rerun")
        if making.open:
            with making:
                map_make.form(collection)
        return
    changed, areas, make = st.tabs(["What changed", "Areas", "Make another map"], key="map.below", on_change="rerun")
    if changed.open:
        with changed:
            map_changes.panel(made, others)
    if areas.open:
        with areas:
            map_areas.panel(collection, made)
    if make.open:
        with make:
            map_make.form(collection)


entry.through_app()
collection = chooser.collection()
name, choice, finding = st.columns([2, 1.6, 1.4], vertical_alignment="center")
with name:
    badges.collection_badge(collection)
with choice:
    made, others = choose(collection)
with finding:
    place = map_search.search(collection, made)
with name:
    if made and made.stack.simulated and not collection.simulated:
        st.markdown(":orange-badge[:material/science: simulated stack]")
with st.spinner("Starting the map"):
    chart(collection, made, others, place)
below(collection, made, others)
