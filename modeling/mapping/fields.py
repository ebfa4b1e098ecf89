"""What a map says of fields: polygons with the shares of their pixels, the crop that follows, and how sure it is. Needs geopandas.

Probabilities are added up as the whole numbers that probabilities.tif holds, so a field's figures are the same to the last bit whatever
the tiles and their order. A field's crop is the class whose mean probability over the field's predicted pixels is highest. A field that
holds the middle of no pixel has the pixel at a point inside it.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from data.errors import BadInput
from data.mapped.folder import SHARE_SCALE, MapClass
from data.report import Report
from modeling.mapping import polygons
from modeling.mapping.polygons import Drawing, Polygons

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

LAYER = "fields"
CODES = 65_536  # inventory codes are below
OUTSIDE, ACROSS = "fields outside the raster", "fields across the raster's border"
SMALL, EMPTY = "fields that hold the middle of no pixel", "fields without a predicted pixel"
OWN_OF_GPKG = ("fid", "geom")  # columns that a GeoPackage has itself


class Tally:
    """Adds up, field by field, what tiles of a map predict.

    Args:
        source: a GeoPackage, GeoJSON, Shapefile or GeoParquet file of polygons in any CRS.
        crs, transform, height, width: the map's grid, as in `data.stacks.stack.Stack`.
        classes: of the map, two or more, in the order of its probabilities.

    Raises:
        BadInput: as `polygons.read`; or no polygon lies on the grid.
    """

    def __init__(
        self, source: Path | str, crs: str, transform: tuple[float, ...], height: int, width: int, classes: Sequence[MapClass]
    ) -> None:  # fmt: skip
        self.classes = tuple(classes)
        self.report = Report()
        given = polygons.read(source, self.report)
        shapes, raster = given.on_grid(crs, transform), shapely.box(0, 0, width, height)
        on_raster = shapely.relate_pattern(shapes, raster, "T********")  # more than an edge in common
        if not on_raster.any():
            raise BadInput(
                f"None of the {len(shapes)} polygons of {source} lies on the raster; {_where(given)}. Give fields of this place."
            )
        for at in np.flatnonzero(~on_raster):
            self.report.leave_out(OUTSIDE, given.names[at])
        self.given, shapes = given.only(np.flatnonzero(on_raster)), shapes[on_raster]
        parts = shapely.intersection(shapes, raster)
        self.share_on_raster = np.minimum(1, shapely.area(parts) / shapely.area(shapes))
        self.drawing = Drawing(shapes, height, width)
        spots = shapely.point_on_surface(parts)
        self.rows, self.columns = (
            np.floor([shapely.get_y(spots), shapely.get_x(spots)]).clip(0, [[height - 1], [width - 1]]).astype(np.int64)
        )
        # Of N fields the first N rows hold what their pixels say, the next N what the pixels at their points do.
        self.inside = np.zeros(2 * len(shapes), np.int64)
        self.sums, self.firsts = (np.zeros((2 * len(shapes), len(self.classes)), np.int64) for _ in range(2))
        self.labels: list[tuple[np.ndarray, np.ndarray]] | None = None  # row x CODES + code, and their pixels
        self.position = np.zeros(CODES, np.int64)
        self.position[[entry.code for entry in self.classes]] = np.arange(len(self.classes))

    def add(self, top: int, left: int, shares: np.ndarray, crop: np.ndarray, inventory: np.ndarray | None = None) -> None:
        """Count a tile, once each; the tiles together cover the raster.

        Args:
            top, left: its upper left pixel.
            shares: (K, h, w) uint16 probabilities x 10 000, as in probabilities.tif; anything where nothing is predicted.
            crop: (h, w) codes of the first choice, 0 = nothing predicted.
            inventory: (h, w) codes, 0 = no label; None where the map has no inventory.
        """
        if inventory is not None and self.labels is None:
            self.labels = []
        height, width = crop.shape
        for numbers, rows, columns in chain(self.drawing.pixels(top, left, height, width), self._spots(top, left, height, width)):
            self._count(numbers, shares[:, rows, columns], crop[rows, columns])
            if inventory is not None:
                codes = inventory[rows, columns].astype(np.int64)
                self.labels.append(np.unique((numbers * CODES + codes)[codes > 0], return_counts=True))

    def write(self, out: Path, report: Report) -> None:
        """Write the fields as layer "fields" of a GeoPackage in the CRS of the polygons, whole or not at all; tell what is amiss of them.

        Beside its own columns, a field has those that `docs/areas.md` lists; they are null where nothing is predicted.

        Raises:
            BadInput: it cannot be written, as where the disk is full.
        """
        from pyogrio.errors import DataLayerError, DataSourceError

        partial = out.with_suffix(".partial.gpkg")
        try:
            self.table().to_file(partial, layer=LAYER, driver="GPKG")
            partial.replace(out)
        except (OSError, DataSourceError, DataLayerError) as error:
            raise BadInput(f"{out} cannot be written: {error}. Free some space there, and repeat.") from error
        finally:
            with suppress(FileNotFoundError):
                partial.unlink()
        self._tell(report)

    def table(self) -> "GeoDataFrame":
        """The fields as `write` writes them."""
        frame = self.given.frame.copy()
        taken = _Taken(OWN_OF_GPKG)
        frame.columns = [name if name == frame.geometry.name else taken.free(str(name)) for name in frame.columns]
        frame = frame.set_geometry(self.given.frame.geometry.name)
        for name in frame.columns.drop(frame.geometry.name):
            if frame[name].map(lambda value: isinstance(value, list | dict | np.ndarray)).any():
                frame[name] = frame[name].map(_text)
        for name, values in self._columns():
            frame[taken.free(name)] = values
        return frame

    def _spots(self, top: int, left: int, height: int, width: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """As `Drawing.pixels`, the pixels at the fields' points."""
        rows, columns = self.rows - top, self.columns - left
        here = np.flatnonzero((rows >= 0) & (rows < height) & (columns >= 0) & (columns < width))
        yield here + len(self.rows), rows[here], columns[here]

    def _count(self, numbers: np.ndarray, shares: np.ndarray, crop: np.ndarray) -> None:
        """Add n pixels: numbers (n,) of rows, shares (K, n), crop (n,)."""
        present, at = np.unique(numbers, return_inverse=True)
        self.inside[present] += np.bincount(at, minlength=len(present))
        there = crop > 0
        at, known = at[there], len(self.classes)
        chosen = np.bincount(at * known + self.position[crop[there]], minlength=len(present) * known)
        self.firsts[present] += chosen.reshape(-1, known)
        for number, share in enumerate(shares):  # sums below 2**53 are exact
            self.sums[present, number] += np.bincount(at, weights=share[there], minlength=len(present)).astype(np.int64)

    def _used(self) -> np.ndarray:
        """(N,) the rows that count: of the fields' pixels, or where there is none of those at their points."""
        fields = np.arange(len(self.rows))
        return np.where(self.inside[fields] > 0, fields, fields + len(fields))

    def _columns(self) -> Iterator[tuple[str, Any]]:
        import pandas as pd

        used = self._used()
        pixels, sums = self.firsts[used].sum(axis=1), self.sums[used]
        means = sums / np.where(pixels, pixels, 1)[:, None] / SHARE_SCALE
        means[pixels == 0] = np.nan
        order = np.argsort(-sums, axis=1, kind="stable")
        first, second = (np.where(pixels > 0, order[:, at], -1) for at in (0, 1))
        best, next_best = (np.take_along_axis(means, np.maximum(at, 0)[:, None], axis=1)[:, 0] for at in (first, second))
        yield "predicted", self._named(first, "name")
        yield "predicted_fr", self._named(first, "name_fr")
        yield "predicted_code", pd.array(self._named(first, "code"), dtype="Int64")
        yield "confidence", best
        yield "second", self._named(second, "name")
        yield "margin", best - next_best
        yield "pixels", pixels
        yield "covered", self.share_on_raster * pixels / np.where(self.inside[used], self.inside[used], 1)
        if self.labels is not None:
            yield from self._inventory(used, first)
        slugs = _slugs(self.classes)
        for number, slug in enumerate(slugs):
            yield f"share_{slug}", np.where(pixels > 0, self.firsts[used, number] / np.where(pixels, pixels, 1), np.nan)
        for number, slug in enumerate(slugs):
            yield f"p_{slug}", means[:, number]

    def _named(self, positions: np.ndarray, attribute: str) -> list:
        return [None if at < 0 else getattr(self.classes[at], attribute) for at in positions.tolist()]

    def _inventory(self, used: np.ndarray, first: np.ndarray) -> Iterator[tuple[str, Any]]:
        """The inventory's majority in each field, of those as frequent the lowest code, and whether the field's crop is of it."""
        import pandas as pd

        codes, shares = self._majority(used)
        of_code = {code: entry for entry in self.classes for code in entry.codes}
        crops = [of_code.get(code) for code in codes.tolist()]
        predicted = [None if at < 0 else self.classes[at] for at in first.tolist()]
        agrees = [None if None in pair else pair[0] == pair[1] for pair in zip(crops, predicted, strict=True)]
        yield "inventory_code", pd.array(np.where(codes, codes, None).tolist(), dtype="Int64")
        yield "inventory", [crop and crop.name for crop in crops]
        yield "inventory_share", shares
        yield "agrees", pd.array(agrees, dtype="boolean")

    def _majority(self, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) codes, 0 = no label, and their shares of the labelled pixels, NaN where there is none."""
        keys, pixels = (
            (np.concatenate([np.zeros(0, np.int64), *parts]) for parts in zip(*self.labels, strict=True)) if self.labels else ((), ())
        )
        keys, at = np.unique(keys, return_inverse=True)
        pixels = np.bincount(at, weights=pixels, minlength=len(keys))
        rows, codes = keys // CODES, keys % CODES
        labelled = np.bincount(rows, weights=pixels, minlength=len(self.inside))
        last = np.lexsort((-codes, pixels, rows))  # of a row, the one that counts comes last and overwrites the others
        found, most = np.zeros(len(self.inside), np.int64), np.full(len(self.inside), np.nan)
        found[rows[last]], most[rows[last]] = codes[last], pixels[last]
        return found[used], most[used] / np.where(labelled, labelled, 1)[used]

    def _tell(self, report: Report) -> None:
        report.left_out += self.report.left_out
        report.remarks += self.report.remarks
        count = len(self.rows)
        for at in np.flatnonzero(self.share_on_raster < 1 - 1e-9):
            report.remark(ACROSS, self.given.names[at], f"{self.share_on_raster[at]:.0%} of it on the raster")
        for at in np.flatnonzero(self.inside[:count] == 0):
            report.remark(SMALL, self.given.names[at], "the pixel at a point inside stands for it")
        for at in np.flatnonzero(self.firsts[self._used()].sum(axis=1) == 0):
            report.remark(EMPTY, self.given.names[at])
        report.done += count


class _Taken:
    """Names of columns, that a GeoPackage tells apart by more than their case."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = set(names)

    def free(self, name: str) -> str:
        """The name, or the first of name_2, name_3 ... that is not taken; it is now."""
        tries = chain([name], (f"{name}_{number}" for number in range(2, len(self.names) + 3)))
        found = next(one for one in tries if one.lower() not in self.names)
        self.names.add(found.lower())
        return found


def _where(given: Polygons) -> str:
    west, south, east, north = given.frame.geometry.to_crs(4326).total_bounds
    return f"they lie between longitude {west:.3f} and {east:.3f}, latitude {south:.3f} and {north:.3f}"


def _slugs(classes: Sequence[MapClass]) -> list[str]:
    """The classes' names as parts of columns' names: spring wheat -> spring_wheat."""
    return [re.sub(r"\W+", "_", entry.name.lower()).strip("_") for entry in classes]


def _text(value: Any) -> Any:
    """Lists and the like as JSON, which a GeoPackage can hold."""
    return json.dumps(value, default=lambda other: other.tolist()) if isinstance(value, list | dict | np.ndarray) else value
