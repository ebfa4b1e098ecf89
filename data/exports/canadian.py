"""A collection in the layout of the Canadian Cropland Dataset: zips of single-band TIFs, and a tree of PNG pictures.

    zips/<year>/<CROP>/POINT_<id>_<yyyymm>_<province>_<CROP>.zip
    <image type>/<part of the split>/<CROP>/POINT_<id>_<yyyymm>_<province>_<CROP>_<image type>.png
    README.txt, cropcheck.json

One image a month: where there are several, the best. The crop is the label in force; a sample without one is UNKNOWN, and only zipped.
Pictures are of images whose quality is ok, as the published ones are. `python -m data import-canadian` reads it back.
"""

import io
import json
import re
import zipfile
from collections import defaultdict
from functools import lru_cache
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image as Pictures
from PIL import ImageEnhance
from rasterio.io import MemoryFile

from data import indices
from data.bands import L1C_BANDS, NO_DATA, REFLECTANCE_SCALE, TRUE_COLOUR
from data.catalogue import Patch
from data.command import Tell
from data.errors import BadInput, PixelsUnreadable
from data.exports.source import Image, Sample, Source
from data.importers import canadian_names as names
from data.importers.canadian_pixels import ENHANCED
from data.importers.canadian_plan import ABOUT
from data.importing import NO_LABEL
from data.report import Report

FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # of every file in a zip, so that the same export makes the same bytes
NO_PART = "no_part"
QUALITIES = ("ok", "cloud", "bad")  # the first is the best
MIDDLE = 15  # day of a month
# SCL classes -> bits of QA60: cloud of medium and high probability is opaque, thin cirrus is cirrus.
OPAQUE, CIRRUS = 1 << 10, 1 << 11
README = """{title}
{version}

In the layout of the Canadian Cropland Dataset (Boatswain Jacques, Diallo and Lord 2023, arXiv 2306.00114).

zips/<year>/<CROP>/POINT_<id>_<yyyymm>_<province>_<CROP>.zip
    <name>.<band>.tif       reflectance as float32, 0 = no data
    <name>.<index>.tif      float32, negative values kept, NaN = no data: {indices}
    <name>.QA60.tif         uint16, bit 10 opaque cloud, bit 11 cirrus; only where the collection has a scene classification

<image type>/<part of the split>/<CROP>/POINT_<id>_<yyyymm>_<province>_<CROP>_<image type>.png
    RGB                     B04, B03, B02 as 255 x reflectance, cut off at 255; then, as the published pictures, contrast x 1.5 and
                            brightness x 1.5 (Pillow's ImageEnhance)
    indices                 8-bit grey; 0 ... 255 stand for, from low to high, and what lies outside is cut off (never wrapped):
{ranges}
                            no data is 0

One image a month: of several in one month, the one of the best quality, then of the largest clear share, then nearest to the 15th.
<CROP> is the label in force at this version. Samples without a label are called UNKNOWN and have no pictures. Only images of quality
"ok" have pictures. {split}

Licence of the source: {licence}
{attribution}
"""


def write(source: Source, to: Path, report: Report, tell: Tell) -> None:
    """Write `source` into the empty folder `to`.

    Raises:
        BadInput: the collection has no pictures, or none of Sentinel-2's bands.
    """
    bands = tuple(band for band in source.collection.bands if band in L1C_BANDS)
    if source.collection.is_series:
        raise BadInput(f"{source.collection.name} has one value a date and no pictures. Export it as csv, npz or hdf5.")
    if not bands:
        raise BadInput(f"{source.collection.name} has none of the bands {', '.join(L1C_BANDS)}. Export it as geotiff.")
    crops, points = _crop_names(source), _Points()
    for done, sample in enumerate(source.samples(), 1):
        try:
            _write_sample(source, sample, bands, crops, points, to, report)
        except PixelsUnreadable as error:
            report.leave_out("pixels unreadable", sample.name, str(error))
        tell(done, source.count, sample.name)
    _write_about(source, bands, crops, to)


def _write_sample(
    source: Source, sample: Sample, bands: tuple[str, ...], crops: dict[int, str], points: "_Points", to: Path, report: Report
) -> None:
    months = _best_of_months(sample, report)
    if not months:
        report.leave_out("sample without an image", sample.name, f"no image of {sample.year}")
        return
    patch, scl = source.patch(sample), source.scl(sample)
    crop, (point, province) = crops[sample.code or NO_LABEL.code], points.of(sample)
    for month, image in months.items():
        name = f"POINT_{point}_{sample.year}{month}_{province}_{crop}"
        bands_of = {band: patch.pixels[image.slot, patch.bands.index(band)] for band in bands}
        reflectance = {band: np.where(values == NO_DATA, np.nan, values / REFLECTANCE_SCALE) for band, values in bands_of.items()}
        derived = {kind: indices.compute(kind, reflectance) for kind in _indices(bands)}
        qa60 = None if scl is None else _qa60(scl[image.slot])
        _write_zip(to / "zips" / str(sample.year) / crop / f"{name}.zip", name, _tifs(patch, bands_of, derived, qa60))
        if sample.code and image.quality == QUALITIES[0]:
            _write_pictures(to, name, crop, sample.part, reflectance, derived)
    if not sample.code:
        report.remark("sample without a label", sample.name, f"{sample.state}; zipped as {crop}, without pictures")
    report.done += 1


def _best_of_months(sample: Sample, report: Report) -> dict[str, Image]:
    """01 ... 12 -> the image of that month, of the sample's year."""
    by_month: dict[str, list[Image]] = defaultdict(list)
    for image in sample.images:
        by_month[image.acquired[:7]].append(image)
    best = {month: min(images, key=_rank) for month, images in sorted(by_month.items())}
    crowded = sum(len(images) > 1 for images in by_month.values())
    if crowded:
        report.remark("several images in a month", sample.name, f"in {crowded} months; the best of each is exported")
    foreign = [month for month in best if month[:4] != str(sample.year)]
    if foreign:
        report.leave_out("image of another year", sample.name, f"{', '.join(foreign)}; a label holds for {sample.year}")
    return {month[5:]: image for month, image in best.items() if month not in foreign}


def _rank(image: Image) -> tuple:
    day = int(image.acquired[8:] or MIDDLE)
    return QUALITIES.index(image.quality), image.interpolated, -image.clear, abs(day - MIDDLE), image.slot


class _Points:
    """The ids and provinces of sites in file names: those of the data set as they are, others from site and region, each pair once."""

    def __init__(self) -> None:
        self._of_site: dict[str, tuple[str, str]] = {}
        self._taken: set[tuple[str, str]] = set()

    def of(self, sample: Sample) -> tuple[str, str]:
        if sample.site not in self._of_site:
            own = re.fullmatch(r"POINT_([A-Za-z0-9-]+)_([A-Za-z0-9-]+)", sample.site)
            point, province = own.groups() if own else (_plain(sample.site, "site"), _plain(sample.region, "region"))
            number, free = 1, point
            while (free, province) in self._taken:
                number += 1
                free = f"{point}-{number}"
            self._taken.add((free, province))
            self._of_site[sample.site] = (free, province)
        return self._of_site[sample.site]


def _plain(text: str, instead: str) -> str:
    """ASCII letters and digits with - between words."""
    return re.sub(r"[^A-Za-z0-9]+", "-", names.ascii_of(text)).strip("-") or instead


def _crop_names(source: Source) -> dict[int, str]:
    """Code -> name in files, each name once."""
    crops: dict[int, str] = {NO_LABEL.code: names.crop_name(NO_LABEL)}
    for code, entry in sorted(source.legend.items()):
        if code != NO_LABEL.code:
            name = names.crop_name(entry)
            crops[code] = f"{name}_{code}" if name in crops.values() else name
    return crops


def _indices(bands: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(kind for kind in names.INDEX_IMAGES if set(indices.named(kind).bands) <= set(bands))


def _qa60(scl: np.ndarray) -> np.ndarray:
    return np.where(np.isin(scl, (8, 9)), OPAQUE, 0).astype(np.uint16) | np.where(scl == 10, CIRRUS, 0).astype(np.uint16)


def _tifs(patch: Patch, bands: dict[str, np.ndarray], derived: dict[str, np.ndarray], qa60: np.ndarray | None) -> dict[str, bytes]:
    """What stands between the dots of a file's name -> the file."""
    files = {_file_name(band): _tif((values / REFLECTANCE_SCALE).astype(np.float32), patch) for band, values in bands.items()}
    files |= {kind: _tif(values, patch, nodata=np.nan) for kind, values in derived.items()}
    return files if qa60 is None else files | {"QA60": _tif(qa60, patch)}


def _file_name(band: str) -> str:
    """B1 for B01."""
    return band if band == "B8A" else f"B{int(band[1:])}"


def _tif(values: np.ndarray, patch: Patch, nodata: float | None = None) -> bytes:
    head, tail = _around(values.shape, values.dtype.name, patch.crs, patch.transform, nodata)
    return head + values.tobytes() + tail


@lru_cache(maxsize=64)
def _around(shape: tuple[int, int], dtype: str, crs: str, transform: tuple[float, ...], nodata: float | None) -> tuple[bytes, bytes]:
    """What stands before and after the pixels of an uncompressed GeoTIFF: the same in all files of a sample, and slow to make."""
    height, width = shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=height, width=width, count=1, dtype=dtype, crs=crs, transform=rasterio.Affine(*transform),
            nodata=nodata, blockysize=height,
        ) as raster:  # fmt: skip
            raster.write(np.zeros(shape, dtype), 1)
        with memory.open() as raster:
            start = int(raster.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
        data = memory.read()
    return data[:start], data[start + height * width * np.dtype(dtype).itemsize :]


def _write_zip(path: Path, name: str, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for key, data in files.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.{key}.tif", FIRST_DATE), data, zipfile.ZIP_DEFLATED)


def _write_pictures(
    to: Path, name: str, crop: str, part: str | None, reflectance: dict[str, np.ndarray], derived: dict[str, np.ndarray]
) -> None:
    pictures = {kind: index_picture(kind, values) for kind, values in derived.items()}
    if set(TRUE_COLOUR) <= set(reflectance):
        pictures["RGB"] = rgb_picture(np.stack([reflectance[band] for band in TRUE_COLOUR]))
    folder = names.TRAINING if part == "train" else part or NO_PART
    for kind, picture in pictures.items():
        path = to / kind / folder / crop / f"{name}_{kind}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        file = io.BytesIO()
        picture.save(file, format="PNG")
        path.write_bytes(file.getvalue())


def rgb_picture(reflectance: np.ndarray) -> Pictures.Image:
    """The published RGB picture of (3, h, w) reflectance of red, green and blue, NaN = no data; what is too bright is cut off."""
    values = np.clip(np.nan_to_num(reflectance) * 255, 0, 255).astype(np.uint8)
    picture = Pictures.fromarray(values.transpose(1, 2, 0))
    return ImageEnhance.Brightness(ImageEnhance.Contrast(picture).enhance(ENHANCED)).enhance(ENHANCED)


def index_picture(kind: str, values: np.ndarray) -> Pictures.Image:
    """(h, w) of an index as grey in three channels: its range in `data.indices` becomes 0 ... 255; outside is cut off, NaN is 0."""
    index = indices.named(kind)
    scaled = (np.nan_to_num(values, nan=index.low) - index.low) / (index.high - index.low)
    grey = np.clip(np.rint(scaled * 255), 0, 255).astype(np.uint8)
    return Pictures.fromarray(np.dstack([grey] * 3))


def _write_about(source: Source, bands: tuple[str, ...], crops: dict[int, str], to: Path) -> None:
    collection, kinds = source.collection, _indices(bands)
    ranges = {kind: [indices.named(kind).low, indices.named(kind).high] for kind in kinds}
    legend = [entry for code, entry in sorted(source.legend.items()) if code != NO_LABEL.code]
    about = {
        "title": collection.title, "version": str(source.version), "split": source.split, "level": collection.level,
        "simulated": collection.simulated, "licence": collection.licence, "attribution": collection.attribution, "bands": bands,
        "height": collection.height, "width": collection.width, "index_pictures": ranges,
        "crops": {name: code for code, name in crops.items()}, "legend": [vars(entry) for entry in legend],
        "learned": [vars(entry) for entry in source.classes],
    }  # fmt: skip
    (to / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text = README.format(
        title=collection.title, version=source.version, indices=", ".join(kinds) or "none of its bands",
        ranges="\n".join(f"{'':28}{kind:8}{low} to {high}" for kind, (low, high) in ranges.items()),
        split=f"The parts are those of the split {source.split}." if source.split else "No split is named: the parts are no_part.",
        licence=collection.licence, attribution=collection.attribution,
    )  # fmt: skip
    (to / "README.txt").write_text(text, encoding="utf-8")
