"""The map's samples: what they are coloured by, and what the browser is told of them. Read once; after a decision, only what changed."""

from dataclasses import dataclass

import streamlit as st

from data import catalogue, display, seasons
from data.catalogue import Collection
from data.errors import PixelsUnreadable
from data.store import Store
from labeling import maps, overlays, places, points
from labeling.maps import Detail, Picture
from labeling.points import Group, Point, Samples
from pages.widgets import map_files, resources

COLOURINGS = {"label": "Label", "state": "Verification", "prediction": "Prediction", "suspicion": "Suspicion", "none": "Not shown"}
GREENEST = "Greenest clear date"
WITHOUT_RUN = {
    "prediction": "No run has predicted this collection yet. Train a model, and its predictions appear here.",
    "suspicion": "No run has judged this collection's labels yet. Train a model in folds and look for label errors on the Results page.",
}


@dataclass(frozen=True)
class Choice:
    """What the controls say. run: None where the colouring needs none or there is none. view, when: of the patches' pictures."""

    colouring: str
    run: str | None
    year: int | None
    view: str
    when: str

    @property
    def lacks_run(self) -> bool:
        return self.colouring in WITHOUT_RUN and self.run is None


@dataclass(frozen=True)
class Drawn:
    """Samples as they are coloured. files: kind -> what the browser reads, see `labeling.points`."""

    samples: Samples
    groups: list[Group]
    positions: list[int]
    files: dict[str, bytes]


def colouring() -> str:
    """What the samples are coloured by."""
    return st.selectbox("Samples by", list(COLOURINGS), format_func=COLOURINGS.get, key="map.colouring", persist_state="session")


def choice(collection: Collection, shown: str, *, pictures: bool) -> Choice:
    """The rest of the controls, for a popover. pictures: whether patches show theirs unless one says otherwise: they cover a map."""
    store = resources.workspace().store
    run, runs = None, _runs(store, collection.name, shown)
    if runs:
        run = st.selectbox("Run", runs, key=f"map.run.{shown}")
    year, (_, years) = None, places.regions_and_years(store, collection.name)
    if len(years) > 1:  # a site's samples of several years lie on each other
        year = st.selectbox("Year", years, index=None, placeholder="All", key=f"map.year.{collection.name}")
    view, when = "none", GREENEST
    if not collection.is_series:
        views = {"none": "No pictures"} | display.views(collection.bands)
        view = st.selectbox(
            "Pictures when near", list(views), index=int(pictures), format_func=views.get, key=f"map.view.{collection.name}.{pictures}"
        )
        dates = [GREENEST, *seasons.bins(collection)]
        titles = {GREENEST: GREENEST} | {name: seasons.title(name) for name in dates[1:]}
        when = st.selectbox("Their date", dates, format_func=titles.get, key=f"map.slot.{collection.name}")
    return Choice(shown, run, year, view, when)


def _runs(store: Store, collection: str, shown: str) -> list[str]:
    if shown == "prediction":
        return points.predicting_runs(store, collection)
    return points.suspecting_runs(store, collection) if shown == "suspicion" else []


@st.cache_resource(max_entries=4, show_spinner=False)
def _kept(home: str, collection: str, run: str | None, colouring: str) -> list[Samples]:
    """Where the samples of a collection stay between reruns, for all sessions; at most one in the list."""
    return []


def drawn(collection: Collection, chosen: Choice) -> Drawn:
    """The samples as they are coloured now."""
    workspace = resources.workspace()
    kept = _kept(str(workspace.home), collection.name, chosen.run, chosen.colouring)
    now = points.samples(workspace.store, collection.name, chosen.run, kept[0] if kept else None)
    kept[:] = [now]
    stamp = (str(workspace.home), collection.name, chosen.run, now.last_event, len(now.points), now.ranked)
    return _drawn(stamp, "label" if chosen.lacks_run else chosen.colouring, chosen.year, now, collection)


@st.cache_resource(max_entries=8, show_spinner=False)
def _drawn(stamp: tuple, colouring: str, year: int | None, _samples: Samples, _collection: Collection) -> Drawn:
    samples = _samples.of_year(year)
    groups, positions = _grouped(_collection, colouring, list(samples.points))
    files = {
        "places": points.place_file(samples.points), "names": points.name_file(samples.points),
        "faces": points.face_file(samples.points, positions, predicted=colouring == "prediction"),
    }  # fmt: skip
    return Drawn(samples, groups, positions, files)


def _grouped(collection: Collection, colouring: str, found: list[Point]) -> tuple[list[Group], list[int]]:
    store = resources.workspace().store
    if colouring == "state":
        return points.by_state(found)
    if colouring == "prediction":
        return points.by_prediction(found, catalogue.learned(store, collection.name))
    if colouring == "suspicion":
        return points.by_suspicion(found)
    return points.by_label(found, catalogue.legend(store, collection.name))


def record(shown: Drawn, off: list[str]) -> dict:
    """What the browser is told of the samples; groups called `off` are not drawn."""
    hidden = [at for at, group in enumerate(shown.groups) if group.title in off]
    files = {kind: map_files.address(content, "application/octet-stream") for kind, content in shown.files.items()}
    return maps.points_record(shown.samples, shown.groups, hidden, files)


def details(collection: Collection, shown: Drawn, near: list[Point], chosen: Choice) -> tuple[list[Detail], str | None]:
    """What is drawn of the samples in view: field or patch outline, and the picture; and why a picture is missing, if one is."""
    workspace = resources.workspace()
    numbers = [point.id for point in near]
    colors = _colors(shown, set(numbers))
    fields = points.polygons(workspace.store, numbers)
    pictured = numbers[: maps.MAX_PICTURES] if chosen.view != "none" and not collection.is_series else []
    if chosen.when == GREENEST:
        dated = overlays.greenest(workspace.store, pictured)
    else:
        dated = overlays.in_bin(workspace.store, collection, pictured, chosen.when)
    drawn, problem = [], None
    for rank, point in enumerate(near):
        image, picture, outline = dated.get(point.id), None, None
        if rank < len(pictured):
            try:
                picture, outline = _picture(str(workspace.home), point.id, image and image.slot, chosen.view)
            except PixelsUnreadable as error:
                problem = str(error)
        text = f"{point.name} · {image.acquired}" if picture else point.name
        drawn.append(Detail(point.id, text, colors[point.id], fields.get(point.id, outline), picture))
    return drawn, problem


def _colors(shown: Drawn, wanted: set[int]) -> dict[int, str]:
    pairs = zip(shown.samples.points, shown.positions, strict=True)
    return {point.id: shown.groups[position].color for point, position in pairs if point.id in wanted} if wanted else {}


@st.cache_data(max_entries=2_000, show_spinner=False)
def _picture(home: str, sample: int, slot: int | None, view: str) -> tuple[Picture | None, dict]:
    """Pixels never change, so what is drawn of them is kept."""
    return overlays.patch_picture(resources.workspace(), sample, slot, view)
