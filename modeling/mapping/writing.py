"""From finished tiles to the map: its rasters as Cloud-Optimised GeoTIFFs with the legend inside, and its figures."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import numpy as np

from data import catalogue
from data.mapped import cogs, folder, ground
from data.mapped.colours import AGREEMENT
from data.mapped.folder import MapClass
from data.stacks.stack import Stack
from data.workspace import Workspace
from modeling.mapping import tiles
from modeling.mapping.tiles import Tile, Work

if TYPE_CHECKING:
    from modeling.mapping.fields import Tally

SIDES = {folder.AGREES: ("agrees", AGREEMENT[folder.AGREES]), folder.DISAGREES: ("disagrees", AGREEMENT[folder.DISAGREES])}
ARRAYS = {  # raster -> what the tiles call it
    folder.CROP: "first", folder.SECOND: "second", folder.PROBABILITY: "probability", folder.MARGIN: "margin", folder.SHARES: "shares",
    folder.INVENTORY: "inventory", folder.AGREEMENT: "agreement",
}  # fmt: skip
SMALL = 256  # codes below it fit into a byte


@dataclass(frozen=True)
class Raster:
    """One raster of a map and how its values are written. codes: what positions become; None where values stay.

    colours, names: by code.
    """

    name: str
    dtype: str
    nodata: float
    codes: tuple[int, ...] | None = None
    bands: tuple[str, ...] = ()
    colours: Mapping[int, str] | None = None
    names: Mapping[int, str] | None = None


def rasters(classes: tuple[MapClass, ...], legend: Mapping[int, tuple[str, str]] | None) -> list[Raster]:
    """The rasters of a map, those first whose writing takes longest.

    Args:
        legend: code -> (name, colour) of the codes that the inventory has on the map; None without one.
    """
    codes = tuple(entry.code for entry in classes)
    of_class = {
        "dtype": "uint8" if max(codes) < SMALL else "uint16", "nodata": 0, "codes": (0, *codes),
        "colours": {entry.code: entry.color for entry in classes}, "names": {entry.code: entry.name for entry in classes},
    }  # fmt: skip
    nan = float("nan")
    made = [
        Raster(folder.SHARES, "uint16", folder.NO_SHARE, bands=tuple(entry.name for entry in classes)),
        Raster(folder.PROBABILITY, "float32", nan), Raster(folder.MARGIN, "float32", nan),
        Raster(folder.CROP, **of_class), Raster(folder.SECOND, **of_class),
    ]  # fmt: skip
    if legend is not None:
        names, colours = ({code: entry[at] for code, entry in legend.items()} for at in (0, 1))
        dtype = "uint8" if max(legend, default=0) < SMALL else "uint16"
        made.append(Raster(folder.INVENTORY, dtype, 0, colours=colours, names=names))
        names, colours = ({code: entry[at] for code, entry in SIDES.items()} for at in (0, 1))
        made.append(Raster(folder.AGREEMENT, "uint8", 0, colours=colours, names=names))
    return made


def write(path: Path, raster: Raster, stack: Stack, work: Path, of: list[Tile], stop: threading.Event | None = None) -> None:
    """Write a raster of the map into the folder `path`, unless it is there. stop: as of every call of a pool; it is done in seconds."""
    target = path / f"{raster.name}.tif"
    if not target.exists():
        scratch = Path(mkdtemp(prefix=raster.name, dir=work))  # nobody else's: a cluster may still be at work for a command that was killed
        cogs.write(
            target, _blocks(raster, stack, work, of), crs=stack.crs, transform=stack.transform, height=stack.height, width=stack.width,
            dtype=raster.dtype, nodata=raster.nodata, bands=raster.bands, colours=raster.colours, names=raster.names,
            scratch=scratch,
        )  # fmt: skip


def _blocks(raster: Raster, stack: Stack, work: Path, of: list[Tile]) -> Iterator[cogs.Block]:
    table = None if raster.codes is None else np.array(raster.codes, dtype=raster.dtype)
    for block in tiles.grid(stack.height, stack.width, cogs.BLOCK, cogs.BLOCK):
        values = tiles.window(work, ARRAYS[raster.name], of, block.top, block.left, block.height, block.width, len(raster.bands))
        yield block.top, block.left, values.astype(raster.dtype, copy=False) if table is None else table[values]


def known_codes(workspace: Workspace, collection: str) -> set[int]:
    """The codes of the collection's legend."""
    return {entry.code for entry in catalogue.legend(workspace.store, collection)}


def inventory_legend(workspace: Workspace, collection: str, work: Work, counted: set[int]) -> dict[int, tuple[str, str]]:
    """Code -> (name, colour) of the inventory's codes on the map: by the collection's legend, else as the raster itself says."""
    known = {entry.code: (entry.name, entry.color) for entry in catalogue.legend(workspace.store, collection)}
    itself = work.inventory
    return {
        code: known.get(code, (itself.names.get(code, f"code {code}"), itself.colours.get(code, "#808080")))
        for code in sorted(counted) if code
    }  # fmt: skip


def pairs(work: Path, of: list[Tile]) -> Counter[tuple[int, int]]:
    """(inventory code, position of the class predicted there, 0 = none) -> pixels."""
    found: Counter[tuple[int, int]] = Counter()
    for tile in of:
        for code, position, pixels in np.load(work / tile.name / f"{tiles.PAIRS}.npy").tolist():
            found[code, position] += pixels
    return found


def add_fields(tally: "Tally", work: Work, of: list[Tile], classes: tuple[MapClass, ...]) -> None:
    """Count every tile of the map in its fields."""
    codes = np.array([0, *(entry.code for entry in classes)], dtype=np.uint16)
    for tile in of:
        window = tile.top, tile.left, tile.height, tile.width
        shares, first, labels = (
            tiles.window(work.folder, name, [tile], *window, len(classes)) for name in ("shares", "first", "inventory")
        )
        tally.add(tile.top, tile.left, shares, codes[first], labels if work.inventory is not None else None)


def figures(work: Work, of: list[Tile], classes: tuple[MapClass, ...], met: Mapping[tuple[int, int], int] | None) -> dict:
    """What map.json says of the map.

    Args:
        met: as `pairs`; None without an inventory.

    Returns:
        pixels, predicted; classes: {name: {"pixels", "hectares"}}, geodesic; with an inventory also agreeing, disagreeing, of each class
        that the inventory names "labelled" and "agreeing" pixels, and codes {code: pixels}.
    """
    stack = work.stack
    counts = tiles.counts(work.folder, of, stack.height, stack.width, len(classes))
    hectares = _hectares(stack)
    found: dict = {"pixels": stack.height * stack.width, "predicted": int(counts.sum(dtype=np.int64))}
    found["classes"] = {
        entry.name: {
            "pixels": int(counts[..., at].sum(dtype=np.int64)), "hectares": round(float((counts[..., at] * hectares).sum()), 2),
        } for at, entry in enumerate(classes)
    }  # fmt: skip
    return found if met is None else found | _agreement(work, classes, met)


def _hectares(stack: Stack) -> np.ndarray:
    """(A, B) hectares of a pixel in the middle of each atom: areas change so slowly that it stands for all of them."""
    rows, columns = (np.arange(-(-size // tiles.ATOM)) * tiles.ATOM + tiles.ATOM // 2 for size in (stack.height, stack.width))
    return ground.hectares(stack.crs, stack.transform, rows[:, None], columns[None, :])


def _agreement(work: Work, classes: tuple[MapClass, ...], met: Mapping[tuple[int, int], int]) -> dict:
    labelled, agreeing = Counter(), Counter()
    codes: Counter[int] = Counter()
    for (code, position), pixels in met.items():
        codes[code] += pixels
        named = work.positions.get(code)
        if named and position:
            labelled[named] += pixels
            agreeing[named] += pixels * (named == position)
    return {
        "agreeing": agreeing.total(), "disagreeing": labelled.total() - agreeing.total(),
        "agreement": {
            entry.name: {"labelled": labelled[at], "agreeing": agreeing[at]} for at, entry in enumerate(classes, start=1)
        },
        "codes": {str(code): codes[code] for code in sorted(codes) if code},
    }  # fmt: skip
