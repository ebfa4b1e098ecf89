"""What the colours of a map's layers mean: the classes with their names, colours and hectares, or the ramp of a figure."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from data import aci, display
from data.errors import BadInput
from data.importing import UNKNOWN_COLOUR
from data.mapped import colours, folder, warped
from data.mapped.colours import Ramp
from data.mapped.folder import Map

CHANGED = "changed"


@dataclass(frozen=True)
class Entry:
    """A class of a layer. name switches it off (`hidden` of a picture); pixels and hectares are None where nobody counted."""

    name: str
    name_fr: str
    colour: str
    pixels: int | None = None
    hectares: float | None = None


@dataclass(frozen=True)
class Legend:
    """Of a layer: classes, or a ramp, or neither (true colour)."""

    entries: tuple[Entry, ...] = ()
    ramp: Ramp | None = None


def legend(made: Map, layer: str) -> Legend:
    """What a layer's colours mean.

    Raises:
        BadInput: the raster of the layer is gone or cut short.
        UnknownIndex: there is no such layer.
    """
    if layer in (folder.PROBABILITY, folder.MARGIN):
        return Legend(ramp=colours.share())
    if layer in (folder.CROP, folder.SECOND, folder.INVENTORY, folder.AGREEMENT, CHANGED):
        return Legend(entries=tuple(by_code(made, folder.CROP if layer == CHANGED else layer).values()))
    if layer in display.VIEWS and layer != "ndvi":
        return Legend()
    return Legend(ramp=colours.index(layer))


def by_code(made: Map, layer: str) -> dict[int, Entry]:
    """Code -> what it means on a coded layer."""
    if layer == folder.AGREEMENT:
        return _agreement(made)
    return _inventory(made) if layer == folder.INVENTORY else _classes(made, counted=layer == folder.CROP)


def same(old: Map, new: Map) -> dict[int, int]:
    """Codes of the older map's classes -> codes of the same classes on the newer one: those of one name, else those of one code."""
    names = {entry.name.casefold(): entry.code for entry in new.classes}
    taken = {names[entry.name.casefold()] for entry in old.classes if entry.name.casefold() in names}
    free = {entry.code for entry in new.classes} - taken
    found = {}
    for entry in old.classes:
        code = names.get(entry.name.casefold(), entry.code if entry.code in free else None)
        if code is not None:
            found[entry.code] = code
    return found


def _classes(made: Map, *, counted: bool) -> dict[int, Entry]:
    figures = made.figures.get("classes", {}) if counted else {}
    return {
        entry.code: Entry(
            entry.name, entry.name_fr, entry.color, figures.get(entry.name, {}).get("pixels"), figures.get(entry.name, {}).get("hectares")
        )
        for entry in made.classes
    }


def _agreement(made: Map) -> dict[int, Entry]:
    told = {folder.AGREES: ("agrees", "concorde", "agreeing"), folder.DISAGREES: ("disagrees", "ne concorde pas", "disagreeing")}
    return {
        side: Entry(name, name_fr, colours.AGREEMENT[side], made.figures.get(figure), _hectares(made, made.figures.get(figure)))
        for side, (name, name_fr, figure) in told.items()
    }


def _hectares(made: Map, pixels: int | None) -> float | None:
    """Of pixels that nobody measured one by one: by the mean of those that have a class."""
    classes = made.figures.get("classes", {}).values()
    counted = sum(entry["pixels"] for entry in classes)
    return pixels * sum(entry["hectares"] for entry in classes) / counted if counted and pixels is not None else None


def _inventory(made: Map) -> dict[int, Entry]:
    """The codes that the inventory's raster holds, with the names and colours that it carries, else those of the run's classes."""
    path, classes = made.raster(folder.INVENTORY), made.by_code()
    with warped.opened(path, warped.again(made)) as raster:
        table = raster.colormap(1) if raster.colorinterp[0] == ColorInterp.palette else {}
        counted = {int(code): pixels for code, pixels in made.figures.get("codes", {}).items()}
        held = counted or dict.fromkeys(_seen(raster))
    names = _names(path)
    french = {(entry.code, entry.name): entry.name_fr for entry in aci.legend()}
    found = {}
    for code, pixels in held.items():
        known, name = classes.get(code), names.get(code)
        own = "#{:02x}{:02x}{:02x}".format(*table[code][:3]) if name and code in table else ""
        color = own or (known.color if known else UNKNOWN_COLOUR)
        name = name or (known.name if known else f"code {code}")
        name_fr = known.name_fr if known and known.name == name else french.get((code, name), name)
        found[code] = Entry(name, name_fr, color, pixels, _hectares(made, pixels))
    return found


def _seen(raster: DatasetReader) -> list[int]:
    """The codes of a raster, looked for on an overview where it is large; 0 is none."""
    shrink = max(1.0, max(raster.shape) / warped.SIDE)
    codes = np.unique(raster.read(1, out_shape=tuple(max(1, round(side / shrink)) for side in raster.shape)))
    return codes[codes > 0].tolist()


def inventory_names(made: Map) -> dict[int, str]:
    """Code -> name, as the inventory's raster has them, else the run's classes; none where the map has no inventory."""
    if folder.INVENTORY not in made.rasters:
        return {}
    return {code: entry.name for code, entry in made.by_code().items()} | _names(made.raster(folder.INVENTORY))


def _names(path: Path) -> dict[int, str]:
    """Code -> name of a raster, from where GDAL keeps the names of a GeoTIFF's codes; rasterio does not read them."""
    try:
        tree = ElementTree.parse(f"{path}.aux.xml")
    except FileNotFoundError:
        return {}
    except ElementTree.ParseError as error:
        raise BadInput(
            f"{path}.aux.xml is damaged ({error}). Restore it, or delete it: the classes then have the names of the run."
        ) from error
    return {code: entry.text for code, entry in enumerate(tree.iter("Category")) if entry.text}
