"""Pixels of one patch-month of the Canadian Cropland Dataset: from its zip, or as far as 8 bits tell from its pictures."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from data.archives import Archive, BadArchive
from data.bands import L2A_BANDS, REFLECTANCE_SCALE
from data.importers import canadian_tif
from data.importers.canadian_names import band_of
from data.importers.canadian_tif import BadFile, Sides, Tif
from data.report import Report

SIDE = 64
ZIP_BYTES = 64 * 2**20  # a patch-month has under 1 MB
PNG_BYTES = 2**20
BRIGHTEST = 10.0  # no reflectance lies above it, and no patch of digital numbers wholly below
# Opaque cloud is bit 10 of QA60, cirrus bit 11. The published QA60 is a median over scenes: half of 1024 is cloud in half of them.
CLOUDY_BITS = 1 << 9 | 1 << 10 | 1 << 11
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB_BANDS = ("B02", "B03", "B04")
ENHANCED = 1.5  # contrast, then brightness of the published RGB pictures (data_cleaning/image_to_png.py)


@dataclass(frozen=True)
class Layout:
    """What the files of a collection hold.

    bands: that every zip must have, in the order of the pixels.
    sides: heights and widths that files may have. What lies beyond `height` and `width` is cut off to the right and below.
    """

    bands: tuple[str, ...] = L2A_BANDS
    sides: Sides = ((SIDE, SIDE + 1), (SIDE, SIDE + 1))  # a square of 640 m meets 65 pixels of 10 m where it is not on their grid
    height: int = SIDE
    width: int = SIDE


@dataclass(frozen=True)
class PatchMonth:
    """A month of a sample.

    pixels: (B, h, w) uint16 reflectance x 10 000, 0 = no data.
    clear: (h, w) bool, where QA60 tells; None where it is not there.
    crs: None for pictures. transform: (column, row) of the upper left corner -> crs, as a b c d e f. centre: of the whole patch, in crs.
    source: the file.
    """

    pixels: np.ndarray
    clear: np.ndarray | None
    crs: str | None
    transform: tuple[float, ...]
    centre: tuple[float, float]
    source: str

    def on_grid_of(self, other: "PatchMonth") -> bool:
        """Whether both lie on the same ground to half a pixel."""
        apart = max(abs(self.transform[2] - other.transform[2]), abs(self.transform[5] - other.transform[5]))
        return self.crs == other.crs and apart <= abs(self.transform[0]) / 2


def bands_of(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The bands that pictures of these image types make."""
    return (*(RGB_BANDS if "RGB" in kinds else ()), *(kind for kind in kinds if kind != "RGB"))


def from_zip(path: str, layout: Layout, told: Report) -> PatchMonth | None:
    """The bands of a zip; None, and the reason in `told`, where they cannot be read.

    A published patch of 65 px loses its last row and column, so that its middle pixel stays the middle and nothing is resampled.
    """
    name = Path(path).name
    try:
        with Archive(Path(path), ZIP_BYTES) as archive:
            files = {band: file for file in archive.names if (band := band_of(file))}
            missing = [band for band in layout.bands if band not in files]
            if missing:
                raise BadFile("band missing", f"{name} has no {', '.join(missing)}")
            tifs = [canadian_tif.read(archive.read(files[band]), files[band], layout.sides) for band in layout.bands]
            clear = _clear(archive, files.get("QA60"), layout, name, told)
        return _patch_month(tifs, clear, layout, name)
    except (BadArchive, BadFile) as error:
        told.leave_out(error.kind, name, str(error))
        return None


def _patch_month(tifs: list[Tif], clear: np.ndarray | None, layout: Layout, name: str) -> PatchMonth:
    shapes = {tif.values.shape for tif in tifs}
    if len(shapes) > 1:
        raise BadFile("bands of different sizes", f"{name} has bands of {' and '.join(f'{h} x {w}' for h, w in sorted(shapes))} px")
    placed = next((tif for tif in tifs if tif.crs), None)
    if placed is None:
        raise BadFile("TIF without CRS", f"{name} does not say where it lies")
    height, width = shapes.pop()
    a, b, c, d, e, f = placed.transform
    centre = (a * width / 2 + b * height / 2 + c, d * width / 2 + e * height / 2 + f)
    if clear is not None and clear.shape != (height, width):
        raise BadFile("bands of different sizes", f"{name} has a QA60 of {clear.shape[0]} x {clear.shape[1]} px")
    cut = np.s_[..., : layout.height, : layout.width]
    return PatchMonth(_stored(tifs)[cut], None if clear is None else clear[cut], placed.crs, placed.transform, centre, name)


def _stored(tifs: list[Tif]) -> np.ndarray:
    """(B, h, w) uint16 reflectance x 10 000 from integers, which are that already, or from floats of either scale.

    No number, no-data, zero and below become 0, which is no data; what is above stays at least 1.
    """
    values = np.stack([tif.values for tif in tifs]).astype(np.float32)
    with np.errstate(invalid="ignore"):
        seen = np.isfinite(values) & (values > 0)
    for band, tif in enumerate(tifs):
        if tif.no_data is not None:
            seen[band] &= values[band] != np.float32(tif.no_data)
    floating = all(np.issubdtype(tif.values.dtype, np.floating) for tif in tifs)
    values[~seen] = 0
    if floating and values.max() <= BRIGHTEST:
        values *= REFLECTANCE_SCALE
    return np.where(seen, np.clip(np.rint(values), 1, 65535), 0).astype(np.uint16)


def _clear(archive: Archive, file: str | None, layout: Layout, name: str, told: Report) -> np.ndarray | None:
    """(h, w) bool by QA60; None where it is not there or cannot be read."""
    if file is None:
        told.remark("no QA60", name, "clouds are screened by reflectance")
        return None
    try:
        values = canadian_tif.read(archive.read(file), file, layout.sides).values.astype(np.float32)
    except (BadArchive, BadFile) as error:
        told.remark("no QA60", name, f"{error}; clouds are screened by reflectance")
        return None
    values = np.where(np.isfinite(values) & (values > 0), values, 0)
    if values.max() < 1:
        values = values * REFLECTANCE_SCALE  # divided like the bands
    return (np.rint(values).astype(np.int64) & CLOUDY_BITS) == 0


# ---------------------------------------------------------------------------------------------------------------- pictures


def looks_like_png(path: str) -> bool:
    """Whether a file begins like a PNG."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE
    except OSError:
        return False


def from_pictures(
    files: Mapping[str, str], kinds: tuple[str, ...], ranges: Mapping[str, tuple[float, float]], told: Report
) -> PatchMonth | None:
    """The bands of the pictures of a patch-month, 0 where one is missing; None where none can be read.

    Args:
        files: image type -> path.
        ranges: index -> what 0 and 255 stand for.
    """
    planes = {}
    for kind in kinds:
        try:
            if kind in files:
                picture = _picture(files[kind])
                planes[kind] = reflectance_of(picture) if kind == "RGB" else _index(picture, *ranges[kind])[None]
        except BadFile as error:
            told.leave_out(error.kind, Path(files[kind]).name, str(error))
    if not planes:
        return None
    empty = {kind: np.zeros((3 if kind == "RGB" else 1, SIDE, SIDE), np.uint16) for kind in kinds}
    pixels = np.concatenate([(empty | planes)[kind] for kind in kinds])
    return PatchMonth(pixels, pixels.any(axis=0), None, (), (), Path(next(iter(files.values()))).name)


def _picture(path: str) -> np.ndarray:
    """(64, 64, 3) uint8.

    Raises:
        BadFile: not a PNG, cut short, of another size or depth.
    """
    name = Path(path).name
    try:
        with Path(path).open("rb") as file:
            data = file.read(PNG_BYTES)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            canadian_tif.check_size(image.size, name, Layout.sides)
            if image.mode not in ("L", "P", "RGB", "RGBA"):
                raise BadFile("PNG that is not 8-bit", f"{name} is of mode {image.mode}")
            return np.asarray(image.convert("RGB"))[:SIDE, :SIDE]
    except BadFile:
        raise
    except Exception as error:  # Pillow ends on odd and broken files with almost any exception
        raise BadFile("PNG that is not one", f"{name} is cut short or no PNG: {error}") from error


def reflectance_of(picture: np.ndarray) -> np.ndarray:
    """The reflectance that a published RGB picture was made of, estimated.

    The picture is 255 x reflectance, its contrast raised 1.5-fold about its mean grey and then its brightness 1.5-fold
    (Pillow's ImageEnhance). Both are undone; the mean grey of the picture, divided by the brightness, stands for the lost one.

    Args:
        picture: (h, w, 3) uint8 red, green, blue.

    Returns:
        (3, h, w) uint16 reflectance x 10 000 of B02, B03, B04; 0 = no data where the picture is black, which is missing or too dark.
    """
    dimmed = (picture.astype(np.float32) + 0.5) / ENHANCED  # the half is what cutting to whole numbers took on average
    grey = (dimmed @ np.array([299, 587, 114], np.float32) / 1000).mean()  # ITU-R 601-2 luma, as Pillow has it
    values = (dimmed - grey) / ENHANCED + grey + 0.5
    stored = np.clip(np.rint(values / 255 * REFLECTANCE_SCALE), 1, 65535).astype(np.uint16)
    stored[~picture.any(axis=-1)] = 0
    return stored.transpose(2, 0, 1)[::-1]


def _index(picture: np.ndarray, low: float, high: float) -> np.ndarray:
    """(h, w) uint16 index x 10 000; negative values become 1."""
    values = low + picture[..., 0].astype(np.float32) / 255 * (high - low)
    return np.clip(np.rint(values * REFLECTANCE_SCALE), 1, 65535).astype(np.uint16)
