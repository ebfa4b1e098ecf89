"""What lies inside the area that was drawn on the map: its samples and the map's pixels, and the way into somebody's queue."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from data import catalogue, profiles
from data.catalogue import Collection
from data.errors import CropcheckError
from data.importing import UNKNOWN_COLOUR
from data.mapped import figures, folder, values
from data.mapped.figures import ClassShares
from data.mapped.folder import Map
from data.mapped.values import Inside, Profile
from labeling import placed, worklists
from labeling.placed import Placed
from labeling.queues import Queue
from pages.widgets import resources
from pages.widgets.plain import escaped

LABELS, MAP, INVENTORY = "labels", "map", "inventory"
QUIET = {"displayModeBar": False}
DONE = "map.area.queued"  # the area, the number of the queue that was made of it or None, and why there is none
NO_LABEL = "Rejected, no label"


def panel(collection: Collection, made: Map | None, geometry: dict[str, Any] | None) -> None:
    """The area's figures and its two buttons. geometry: GeoJSON in EPSG:4326; None before anything is drawn."""
    if geometry is None:
        st.caption("Draw a rectangle or a polygon on the map to see what lies in it, and to queue its samples.")
        return
    drawn = json.dumps(geometry, sort_keys=True)
    workspace = resources.workspace()
    try:
        found = _samples(str(workspace.home), collection.name, drawn, profiles.version(workspace.store))
    except CropcheckError as error:
        st.warning(str(error), icon=":material/polyline:")
        return
    _counts(found)
    _buttons(collection, made, drawn, found)
    _figures(collection, made, drawn, found)


@st.cache_data(max_entries=32, show_spinner=False)
def _samples(home: str, collection: str, drawn: str, version: tuple) -> list[Placed]:
    """The samples in an area, read again when a decision or an import may have changed them."""
    return placed.samples(resources.workspace().store, collection, placed.area(drawn))


@st.cache_data(max_entries=32, show_spinner="Counting the pixels")
def _inside(path: str, made: str, drawn: str) -> Inside:
    """Of the map in a folder that was made at that time; a finished map never changes."""
    return values.inside(folder.load(Path(path)), json.loads(drawn))


def _counts(found: list[Placed]) -> None:
    undecided = sum(not one.decided for one in found)
    if not found:
        st.markdown("**No sample** lies in this area.")
        return
    years = sorted({one.year for one in found})
    of = f" of {years[0]}" if len(years) == 1 else f" of {years[0]}–{years[-1]}"
    st.markdown(f"**{len(found):,} sample{'s' * (len(found) != 1)}**{of} in this area, **{undecided:,}** without a decision")


def _buttons(collection: Collection, made: Map | None, drawn: str, found: list[Placed]) -> None:
    undecided = any(not one.decided for one in found)
    st.button(
        "Queue these for verification", icon=":material/playlist_add:", key="map.area.queue", width="stretch", disabled=not undecided,
        type="primary", on_click=_queue, args=(collection, drawn, "area", made and made.name),
        help="Makes a queue of the samples without a decision, the most doubtful first. Nothing is decided by it.",
    )  # fmt: skip
    if made:
        st.button(
            "Queue only those that disagree with the map", icon=":material/difference:", key="map.area.disagree", width="stretch",
            disabled=not undecided, on_click=_queue, args=(collection, drawn, "map", made.name),
        )  # fmt: skip
    if found and not undecided:
        st.caption("Every sample here has a decision.")
    _queued(collection, drawn)


def _queue(collection: Collection, drawn: str, kind: str, name: str | None) -> None:
    """Make the queue; runs before the panel is drawn again."""
    curator = st.session_state.get("curator", "").strip() or None
    try:
        made = worklists.make(resources.workspace(), collection.name, kind, {"area": json.loads(drawn), "map": name}, curator=curator)
        st.session_state[DONE] = (drawn, made.id, "")
    except CropcheckError as error:
        st.session_state[DONE] = (drawn, None, str(error))


def _queued(collection: Collection, drawn: str) -> None:
    """What came of the last click on this area, and the way on."""
    of, number, refused = st.session_state.get(DONE, (None, None, ""))
    if of != drawn:
        return
    if number is None:
        st.info(refused, icon=":material/playlist_remove:")
        return
    try:
        queue = worklists.get(resources.workspace().store, number)
    except CropcheckError:  # dropped meanwhile
        del st.session_state[DONE]
        return
    open_of = f"{queue.open:,} open of {queue.entries:,} samples"
    st.markdown(f":material/playlist_add_check: Queue {queue.id}, {escaped(queue.title)}: {open_of}.")
    if st.button("Open in Verify", key="map.area.open", icon=":material/task_alt:", width="stretch"):
        address = {"collection": collection.name, "queue": str(Queue("list", (str(queue.id),))), "from": "map"}
        st.switch_page("pages/verify.py", query_params=address)


def _figures(collection: Collection, made: Map | None, drawn: str, found: list[Placed]) -> None:
    inside, problem = None, ""
    if made:
        try:
            inside = _inside(str(made.path), made.made, drawn)
        except CropcheckError as error:
            problem = str(error)
    if inside:
        _agreement(made, inside)
    classes, sources = _shares(collection, made, found, inside)
    if classes:
        st.plotly_chart(figures.shares_figure(classes, sources), key="map.area.shares", config=QUIET)
        st.caption(f"Shares: {_key(sources)}.")
    if problem:
        st.warning(problem, icon=":material/map:")
    _profile(collection, drawn, found, inside)


def _profile(collection: Collection, drawn: str, found: list[Placed], inside: Inside | None) -> None:
    """The season of the pixels there; where no map has any, that of the samples."""
    if inside and inside.profile:
        shown, of = inside.profile, "pixels"
    else:
        workspace = resources.workspace()
        shown, of = _season(str(workspace.home), collection.name, drawn, profiles.version(workspace.store), found), "samples"
    if shown:
        st.plotly_chart(figures.profile_figure(shown, of=of), key="map.area.profile", config=QUIET)
        st.caption(f"{shown.index} of the {of}: mean, median (dotted), and the band between the quartiles.")


@st.cache_data(max_entries=32, show_spinner="Reading the seasons")
def _season(home: str, collection: str, drawn: str, version: tuple, _found: list[Placed]) -> Profile | None:
    """Of the samples in an area, read again when a decision or an import may have changed it."""
    return placed.season(resources.workspace().store, collection, _found)


def _key(sources: tuple[str, ...]) -> str:
    looks = ("plain", "hatched", "dotted")
    return ", ".join(f"{source} {look}" for source, look in zip(sources, looks, strict=False)) if len(sources) > 1 else sources[0]


def _agreement(made: Map, inside: Inside) -> None:
    about = "about " if inside.sampled else ""
    lines = [f"{about}{inside.hectares:,.1f} ha, {inside.pixels:,} px; {inside.predicted:,} predicted"]
    judged = inside.agreeing + inside.disagreeing
    if judged:
        lines.append(f"the map agrees with the inventory on **{inside.agreeing / judged:.0%}** of {judged:,} px")
    elif folder.INVENTORY not in made.rasters:
        lines.append("the map was made without an inventory")
    if inside.covered < 1:
        lines.append(f":orange[{1 - inside.covered:.0%} of the area lies outside of the map] and is not counted")
    st.markdown("  \n".join(line[0].upper() + line[1:] for line in lines))


def _shares(
    collection: Collection, made: Map | None, found: list[Placed], inside: Inside | None
) -> tuple[list[ClassShares], tuple[str, ...]]:  # fmt: skip
    """The classes there, the most of the map or of the labels first, and the sources that say anything."""
    legend = {entry.code: entry for entry in catalogue.legend(resources.workspace().store, collection.name)}
    of_map = made.by_code() if made else {}

    def name(code: int | None) -> str:
        if code is None:
            return NO_LABEL
        entry = legend.get(code)
        return of_map[code].name if code in of_map else (entry.learned or entry.name) if entry else f"code {code}"

    colors = {name(code): entry.color for code, entry in legend.items()}
    colors |= {entry.name: entry.color for entry in catalogue.learned(resources.workspace().store, collection.name)}
    colors |= {entry.name: entry.color for entry in of_map.values()}
    shares, hovers = _sources(found, inside, name)
    sources = tuple(source for source in (MAP, INVENTORY, LABELS) if shares.get(source))
    names = sorted({one for source in sources for one in shares[source]}, key=lambda one: [-shares[s].get(one, 0) for s in sources])
    classes = [
        ClassShares(
            one, colors.get(one, UNKNOWN_COLOUR), {source: shares[source].get(one, 0) for source in sources},
            {source: hovers[source].get(one, "none") for source in sources},
        )
        for one in names
    ]  # fmt: skip
    return classes, sources


def _sources(
    found: list[Placed], inside: Inside | None, name: Callable[[int | None], str]
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, str]]]:  # fmt: skip
    """Source -> class -> share 0..1, and what is said of it."""
    labels = Counter(name(one.code) for one in found)
    shares = {LABELS: {one: count / len(found) for one, count in labels.items()}}
    hovers = {LABELS: {one: f"{count:,} of {len(found):,} samples" for one, count in labels.items()}}
    if inside:
        parts = {MAP: list(inside.classes.items()), INVENTORY: [(name(code), part) for code, part in inside.inventory.items()]}
        for source, there in parts.items():
            shares[source], grounds = Counter(), Counter()
            for one, part in there:
                shares[source][one] += part.share
                grounds[one] += part.hectares
            hovers[source] = {one: f"{ground:,.2f} ha, {shares[source][one]:.1%}" for one, ground in grounds.items()}
    return shares, hovers
