"""What the Map page shows, made ready to take away: as a print (`data.prints.maps`) or as a page of HTML (`labeling.standalone`).

Pictures are made anew at the size that they are needed in, from the map's rasters. Nothing names a curator.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data import seasons
from data.catalogue import Collection
from data.mapped import legends, pictures
from data.mapped.folder import Map
from data.mapped.legends import Legend
from data.mapped.pictures import CHANGED, Picture, View
from data.prints import frame, maps, mercator, paper
from data.prints.frame import Dots, Panel
from data.prints.legend import Block, Entry
from data.prints.maps import Words
from labeling import standalone
from labeling.points import Group, Point
from labeling.standalone import Layer, Samples, Shown

PIXELS = 2_048  # of a picture's longer side in a page of HTML
WIDEST, NARROWEST = 2.2, 0.6  # width over height of a whole map's view; a map of another shape has ground beside it
ALONE = "Imagery alone"  # the title of a panel without a layer
MARGIN = 0.03  # of its longer side, beside a whole map


@dataclass(frozen=True)
class Sheet:
    """What is to be taken away.

    made: None where only samples are shown. other: the older map of the layer "changed".
    view: what the figure shows.
    imagery: the layer below the others, or None. layer: over it, the left one where the view is split; right: the other one, or None.
    date: of the stack's layers. hidden: names of classes that are switched off. opacity: 0..1 of `layer` and `right`.
    points, groups, positions: samples and a grouping from `labeling.points`; groups whose titles are `off` are left out.
    grouping: what the samples are grouped by, in words. predicted: whether by prediction.
    """

    collection: Collection
    made: Map | None
    view: View
    imagery: str | None = None
    layer: str | None = None
    right: str | None = None
    date: str | None = None
    hidden: tuple[str, ...] = ()
    opacity: float = 1.0
    points: Sequence[Point] = ()
    groups: Sequence[Group] = ()
    positions: Sequence[int] = ()
    off: tuple[str, ...] = ()
    grouping: str = "Samples"
    predicted: bool = False
    other: Map | None = None

    @property
    def layers(self) -> list[str]:
        """The layers in view, the lowest first."""
        return list(dict.fromkeys(layer for layer in (self.imagery, self.layer, self.right) if layer))

    @property
    def simulated(self) -> bool:
        """Whether no satellite took what is shown."""
        return self.collection.simulated or bool(self.made and self.made.stack.simulated)


def figure(sheet: Sheet, title: str, *, through: bool = False, dpi: int = paper.DPI) -> bytes:
    """The view as PNG for paper, one panel or two.

    Args:
        through: whether the imagery shows through the layers as on the screen; else each colour is exactly that of the legend.

    Raises:
        BadInput: a raster cannot be read.
    """
    split = sheet.right is not None
    view = maps.pixels(sheet.view, 2 if split else 1, dpi=dpi)
    below = _picture(sheet, sheet.imagery, view) if sheet.imagery else None
    dots = _dots(sheet)
    panels, keys = [], []
    for layer in (sheet.layer, sheet.right) if split else (sheet.layer,):
        over = _picture(sheet, layer, view) if layer else None
        stack = [(below, 1.0)] if below else []
        stack += [(over, sheet.opacity if below and through else 1.0)] if over else []  # over nothing, opacity would only pale it
        panels.append(Panel((_title(sheet, layer) if layer else ALONE) if split else "", stack, dots))
        keys.append((layer, over))
    return maps.map_print(sheet.view, panels, _blocks(sheet, keys), words(sheet, title), dpi=dpi)


def page(sheet: Sheet, title: str, layers: Sequence[str], *, whole: bool) -> str:
    """The layers and the samples as a page of HTML that opens offline.

    Args:
        layers: those that it holds; the sheet's own are switched on at first.
        whole: whether the pictures reach over the whole map instead of the view.

    Raises:
        BadInput: a raster cannot be read, or the page would be too large.
    """
    view = whole_map(sheet.made) if whole and sheet.made else sheet.view
    sized = _sized(view)
    held = [
        Layer(layer, _title(sheet, layer), _picture(sheet, layer, sized), legends.legend(sheet.made, layer), is_imagery(sheet.made, layer))
        for layer in layers
    ]
    kept = {layer: layer if layer in layers else None for layer in (sheet.imagery, sheet.layer, sheet.right) if layer}
    first, second = kept.get(sheet.layer), kept.get(sheet.right)
    left, right = (first, second) if sheet.right else (None, first)
    samples = _visible(sheet)
    carried = Samples(*samples, title=f"{sheet.grouping}: {len(samples[0]):,}", predicted=sheet.predicted)
    shown = Shown(kept.get(sheet.imagery), left, right, sheet.opacity)
    return standalone.page(words(sheet, title), view, held, shown, carried)


def words(sheet: Sheet, title: str) -> Words:
    """Title, facts and sources of a sheet."""
    made, facts = sheet.made, []
    if made:
        titles = [_title(sheet, layer) for layer in sheet.layers]
        facts = [f"Run {made.run} ({made.model})", *titles, f"map of {made.made[:10]}"]
    if sheet.points:
        facts.append(f"{sheet.grouping}, {sheet.collection.name}")
    return Words(title, " · ".join(facts), _sources(sheet), sheet.simulated)


def whole_map(made: Map) -> View:
    """A view of all of a map and a little around it, no narrower and no wider than paper and screens like."""
    from rasterio.warp import transform_bounds

    stack = made.stack
    (left, top), (right, bottom) = stack.affine @ (0, 0), stack.affine @ (stack.width, stack.height)
    west, south, east, north = transform_bounds(stack.crs, "EPSG:3857", left, bottom, right, top, densify_pts=21)
    beside = MARGIN * max(east - west, north - south)
    wide, tall = east - west + 2 * beside, north - south + 2 * beside
    wide, tall = max(wide, NARROWEST * tall), max(tall, wide / WIDEST)
    x, y = (west + east) / 2, (south + north) / 2
    degrees = [math.degrees((x + side * wide / 2) / mercator.A) for side in (-1, 1)]
    lats = [mercator.lat_of(y + side * tall / 2) for side in (-1, 1)]
    return View(lats[0], degrees[0], lats[1], degrees[1], round(1_000 * wide / max(wide, tall)), round(1_000 * tall / max(wide, tall)))


def is_imagery(made: Map, layer: str) -> bool:
    """Whether a layer shows the map's stack rather than what was made of it."""
    return layer not in made.rasters and layer != CHANGED


def _sized(view: View) -> View:
    aspect = frame.aspect(view)
    wide, tall = (PIXELS, PIXELS / aspect) if aspect > 1 else (PIXELS * aspect, PIXELS)
    return replace(view, width=max(1, round(wide)), height=max(1, round(tall)))


def _picture(sheet: Sheet, layer: str, view: View) -> Picture | None:
    date = sheet.date if is_imagery(sheet.made, layer) else None
    hidden = () if date else sheet.hidden
    return pictures.picture(sheet.made, layer, view, date=date, hidden=hidden, other=sheet.other if layer == CHANGED else None)


def _title(sheet: Sheet, layer: str) -> str:
    title = pictures.layers(sheet.made, sheet.other)[layer]
    return f"{title}, {_day(sheet.date)}" if sheet.date and is_imagery(sheet.made, layer) else title


def _day(name: str) -> str:
    """A date of the stack in words: 3 June 2019, or June 2019 of a month."""
    day = seasons.when(name)
    month = f"{seasons.MONTHS[day.month - 1]} {day.year}"
    return month if len(name) == len("2019-06") else f"{day.day} {month}"


def _blocks(sheet: Sheet, keys: Sequence[tuple[str | None, Picture | None]]) -> list[Block]:
    """Classes that are in view once, whichever layers they are on; then ramps, then the samples' groups."""
    classes: dict[tuple[str, str], Entry] = {}
    titles, ramps = [], []
    for layer, picture in keys:
        if layer is None or picture is None:
            continue
        legend = legends.legend(sheet.made, layer)
        found = _seen(legend, picture, sheet.hidden)
        classes |= {(entry.title, entry.color): entry for entry in found}
        titles += [pictures.layers(sheet.made, sheet.other)[layer]] if found else []
        ramps += [Block(_title(sheet, layer), ramp=legend.ramp)] if legend.ramp else []
    blocks = [Block(" · ".join(dict.fromkeys(titles)), tuple(classes.values()))] if classes else []
    points, groups, positions = _visible(sheet)
    inside = {positions[at] for at in _inside(points, sheet.view)}
    dots = tuple(Entry(group.title, group.title_fr, group.color, "dot") for at, group in enumerate(groups) if at in inside)
    return [*blocks, *dict.fromkeys(ramps), *([Block(sheet.grouping, dots)] if dots else [])]


def _seen(legend: Legend, picture: Picture, hidden: Sequence[str]) -> list[Entry]:
    """The entries whose colours are in the picture."""
    from PIL import Image

    with Image.open(io.BytesIO(picture.png)) as opened:
        rgba = np.asarray(opened.convert("RGBA"))
    packed = rgba[..., :3].astype(np.uint32) @ np.array([65_536, 256, 1], dtype=np.uint32)
    colors = {f"#{value:06x}" for value in np.unique(packed[rgba[..., 3] > 0]).tolist()}
    return [
        Entry(entry.name, entry.name_fr, entry.colour)
        for entry in legend.entries
        if entry.colour.lower() in colors and entry.name not in hidden
    ]


def _visible(sheet: Sheet) -> tuple[list[Point], list[Group], list[int]]:
    """The samples of groups that are not switched off, and these groups."""
    kept = [at for at, group in enumerate(sheet.groups) if group.title not in sheet.off]
    place = {at: number for number, at in enumerate(kept)}
    pairs = [(point, place[at]) for point, at in zip(sheet.points, sheet.positions, strict=True) if at in place]
    return [point for point, _ in pairs], [sheet.groups[at] for at in kept], [at for _, at in pairs]


def _inside(points: Sequence[Point], view: View) -> list[int]:
    return [
        at for at, point in enumerate(points)
        if view.south <= point.lat <= view.north and (point.lon - view.west) % 360 <= view.east - view.west
    ]  # fmt: skip


def _dots(sheet: Sheet) -> Dots | None:
    points, groups, positions = _visible(sheet)
    if not points:
        return None
    lon, lat = (np.array([getattr(point, side) for point in points]) for side in ("lon", "lat"))
    return Dots(lon, lat, [groups[at].color for at in positions])


def _sources(sheet: Sheet) -> str:
    said = []
    if sheet.made:
        years = " and ".join(sorted({str(day.year) for day in sheet.made.stack.dates}))
        pixels = (
            "simulated, not taken by a satellite" if sheet.made.stack.simulated else f"contains modified Copernicus Sentinel data {years}"
        )
        said.append(f"Imagery of the map: {pixels}.")
    attribution = sheet.collection.attribution.strip()
    if attribution:
        said.append(attribution if attribution.endswith(".") else f"{attribution}.")
    if sheet.collection.licence:
        said.append(f"Licence of the collection: {sheet.collection.licence}.")
    return " ".join([*said, "Background: Natural Earth. Map: Web Mercator (EPSG:3857); coordinates: WGS 84. Made with Cropcheck."])
