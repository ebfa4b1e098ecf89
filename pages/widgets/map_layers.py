"""The layers of a finished map: which are shown, of which date, one or two beside each other, and their pictures for the view."""

from dataclasses import dataclass

import streamlit as st

from data import seasons
from data.errors import CropcheckError
from data.mapped import folder, pictures
from data.mapped.folder import Map
from data.mapped.legends import CHANGED, Legend
from data.mapped.pictures import Picture, View
from labeling import maps
from labeling.maps import Seen
from labeling.mapsheets import is_imagery
from pages.widgets import map_files, resources

NONE = "none"
SHORT = {
    folder.AGREEMENT: "Disagreement", folder.PROBABILITY: "Confidence", folder.MARGIN: "Margin", CHANGED: "What changed",
}  # fmt: skip
KEEP = {"persist_state": "session"}  # what one looked at is there again on coming back from Verify


@dataclass(frozen=True)
class Layers:
    """What the controls say. imagery, left, right: layers of `data.mapped.pictures`, or None; left: only where the view is split.

    date: name of the stack's layer that imagery is of. opacity: 0..1 of left and right. other: the older map of "changed".
    """

    made: Map
    imagery: str | None
    date: str | None
    left: str | None
    right: str | None
    split: bool
    opacity: float
    other: Map | None

    @property
    def shown(self) -> list[str]:
        """The layers in view."""
        return [layer for layer in (self.imagery, self.left if self.split else None, self.right) if layer]


def older(made: Map, listed: list[Map]) -> list[Map]:
    """The maps that were made before one, which it can be compared with, in the order of the list."""
    return [one for one in listed if one.name != made.name and one.made <= made.made]


def controls(made: Map, others: list[Map], columns: list) -> Layers:
    """Imagery, date, split, left, right and opacity, a column each."""
    other = others[0] if others else None
    titles = {NONE: "None"} | pictures.layers(made, other) | SHORT
    known = pictures.layers(made, other)
    imagery = [layer for layer in known if is_imagery(made, layer)]
    sides = [layer for layer in known if layer not in imagery]
    with columns[0]:
        below = st.selectbox("Imagery", [NONE, *imagery], index=1, format_func=titles.get, key=f"map.imagery.{made.name}", **KEEP)
    with columns[2]:
        split = st.toggle("Split", key="map.split", **KEEP)
    with columns[3]:
        options = [NONE, *sides, *imagery]
        first = options.index(folder.INVENTORY) if folder.INVENTORY in options else 0
        left = st.selectbox("Left", options, index=first, format_func=titles.get, key=f"map.left.{made.name}", disabled=not split, **KEEP)
    with columns[4]:
        right = st.selectbox(
            "Right" if split else "Layer", options, index=options.index(folder.CROP), format_func=titles.get,
            key=f"map.right.{made.name}", **KEEP,
        )  # fmt: skip
    with columns[5]:
        opacity = st.slider("Opacity", 0, 100, 100, 5, format="%d%%", key="map.opacity", **KEEP)
    chosen = [None if layer == NONE else layer for layer in (below, left, right)]
    with columns[1]:
        date = _date(made, [chosen[0], chosen[1] if split else None, chosen[2]])
    return Layers(made, chosen[0], date, chosen[1], chosen[2], split, opacity / 100, other)


def _date(made: Map, layers: list[str | None]) -> str | None:
    """The date slider, where a layer of the stack is in view."""
    names = [layer.name for layer in made.stack.layers]
    if not any(layer and is_imagery(made, layer) for layer in layers):
        return None
    if len(names) == 1:
        st.caption(seasons.title(names[0]))
        return names[0]
    titles = {name: _short(name) for name in names}
    return st.select_slider("Date", names, value=names[len(names) // 2], format_func=titles.get, key=f"map.date.{made.name}", **KEEP)


def _short(name: str) -> str:
    day = seasons.when(name)
    return f"{day:%-d %b %Y}" if len(name) > len("2019-06") else f"{day:%b %Y}"


def record(layers: Layers, seen: Seen | None, off: list[str]) -> tuple[dict, list[str]]:
    """What the browser is told of the layers, and what is wrong with those that cannot be drawn."""
    found, problems = [], []
    wanted = {"base": layers.imagery, "left": layers.left if layers.split else None, "right": layers.right}
    view = seen and maps.wider(seen.view)
    for pane, layer in wanted.items():
        if layer is None or view is None:
            continue
        try:
            picture = _drawn(layers, layer, view, tuple(sorted(off)))
        except CropcheckError as error:
            problems.append(str(error))
            continue
        if picture:
            url = map_files.address(picture.png, "image/png")
            bounds = [[picture.south, picture.west], [picture.north, picture.east]]
            found.append({"pane": pane, "key": f"{layer} {layers.date} {url} {bounds}", "url": url, "bounds": bounds})
    titles = {side: _title(layers, layer) for side, layer in wanted.items() if side != "base"}
    return {"pictures": found, "opacity": layers.opacity, "split": layers.split, "titles": titles}, list(dict.fromkeys(problems))


def _title(layers: Layers, layer: str | None) -> str:
    if layer is None:
        return "Imagery alone" if layers.imagery else ""
    title = SHORT.get(layer) or pictures.layers(layers.made, layers.other)[layer]
    return f"{title}, {_short(layers.date)}" if layers.date and is_imagery(layers.made, layer) else title


def _drawn(layers: Layers, layer: str, view: View, off: tuple[str, ...]) -> Picture | None:
    date = layers.date if is_imagery(layers.made, layer) else None
    other = layers.other if layer == CHANGED else None
    stamp = (str(resources.workspace().home), layers.made.name, layers.made.made, other and (other.name, other.made))
    return _picture(stamp, layer, view, date, () if date else off, layers.made, other)


@st.cache_data(max_entries=120, show_spinner=False)
def _picture(
    stamp: tuple, layer: str, view: View, date: str | None, off: tuple[str, ...], _made: Map, _other: Map | None
) -> Picture | None:
    return pictures.picture(_made, layer, view, date=date, hidden=off, other=_other)


def legends(layers: Layers) -> list[tuple[str, Legend]]:
    """Title and legend of each layer in view; those of layers that cannot be read are left out, `record` says why."""
    found = []
    for layer in dict.fromkeys(layers.shown):
        try:
            found.append((_title(layers, layer).split(",")[0], _legend(layers.made.name, layers.made.made, layer, layers.made)))
        except CropcheckError:
            continue
    return found


@st.cache_data(max_entries=60, show_spinner=False)
def _legend(name: str, stamp: str, layer: str, _made: Map) -> Legend:
    return pictures.legend(_made, layer)


def bounds(made: Map) -> list[list[float]]:
    """[[south, west], [north, east]] of a map, EPSG:4326."""
    from rasterio.warp import transform_bounds

    stack = made.stack
    (left, top), (right, bottom) = stack.affine @ (0, 0), stack.affine @ (stack.width, stack.height)
    west, south, east, north = transform_bounds(stack.crs, "EPSG:4326", left, bottom, right, top)
    return [[south, west], [north, east]]
