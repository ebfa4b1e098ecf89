"""The pixels as Cloud-Optimised GeoTIFFs, one a date, in a folder a sample, with what `python -m data import-geotiff` reads back:

collection.json                    what all share: bands, level, slots, legend with colours and digits, licence, dataset version
manifest.csv                       a row an image: sample, site, place, date, files, labels, quality
sites.geojson                      the outlines of the sites that have one
<sample>/<sample>_<date>.tif       uint16 reflectance x 10 000, 0 = no data, bands described, scale in the tags
<sample>/<sample>_<date>_scl.tif   scene classification, 0 = no data, where the collection has it
<sample>/<sample>_inventory.tif    the inventory's codes, 0 = none, where the collection has them
"""

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine

from data.bands import NO_DATA, REFLECTANCE_SCALE
from data.command import Tell
from data.errors import BadInput, PixelsUnreadable
from data.exports.source import Image, Sample, Source
from data.importers.described import FILE
from data.importers.placing import SITES
from data.report import Report

WORKERS = 4  # threads that compress; GDAL lets go of Python's lock
BLOCKS = (64, 128, 256, 512)  # pixels a side of a GeoTIFF's tiles
COLUMNS = (
    "sample", "site", "year", "region", "lon", "lat", "part", "date", "file", "scl", "inventory", "crop", "code", "inventory_code",
    "status", "quality", "clear", "interpolated", "sources",
)  # fmt: skip


@dataclass(frozen=True)
class Files:
    """What was written of a sample; paths relative to the export's folder. scl: by image, empty where there is none."""

    images: tuple[Path, ...]
    scl: tuple[Path, ...]
    inventory: Path | None


def write(source: Source, to: Path, report: Report, tell: Tell) -> None:
    """Write `source` into the empty folder `to`.

    Raises:
        BadInput: the collection has no images, but one value a date.
    """
    for _ in write_samples(source, to, report, tell):
        pass
    write_json(to / FILE, description(source))


def write_samples(source: Source, to: Path, report: Report, tell: Tell) -> Iterator[tuple[Sample, Files]]:
    """Write rasters, manifest and sites; gives every sample when its rasters are there. One that cannot be read is left out.

    Raises:
        BadInput: the collection has no images, but one value a date.
    """
    if source.collection.is_series:
        raise BadInput(
            f"{source.collection.name} holds field means, one value a date and band, which make no raster. Export it as geoparquet, "
            "csv, npz or hdf5."
        )
    with ThreadPoolExecutor(WORKERS) as pool, _manifest(to / "manifest.csv") as add, _sites(to / SITES) as add_site:
        for number, sample in enumerate(source.samples(), start=1):
            tell(number, source.count, sample.name)
            if not sample.images:
                report.leave_out("samples without any image", sample.name)
                continue
            try:
                files = _write_rasters(source, sample, to, pool)
            except PixelsUnreadable as error:
                report.leave_out("pixels that cannot be read", sample.name, str(error))
                continue
            for row in _rows(source, sample, files):
                add(row)
            add_site(sample)
            report.done += 1
            yield sample, files


def description(source: Source) -> dict:
    """What `data.importers.described.describe` reads back."""
    collection = source.collection
    return {
        "name": collection.name, "title": collection.title, "version": str(source.version), "bands": collection.bands,
        "level": collection.level, "slots": collection.slot_names, "aligned": collection.aligned, "height": collection.height,
        "width": collection.width, "composites": collection.composites, "simulated": collection.simulated,
        "licence": collection.licence, "attribution": collection.attribution, "split": source.split, "only": source.only,
        "legend": [asdict(entry) for entry in source.legend.values()], "learned": [asdict(entry) for entry in source.classes],
        "origin": collection.origin,
    }  # fmt: skip


def write_json(path: Path, content: dict, *, indent: int | None = 2) -> None:
    path.write_text(json.dumps(content, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")


def file_name(name: str) -> str:
    """A sample's name as the name of a file or folder: unchanged where it can be, else told apart by a hash."""
    plain = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII).lstrip(".")[:100]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def image_name(sample: Sample, image: Image) -> str:
    """<sample>_<date>, of any file of an image; a date that the sample has more than once gets the slot too."""
    twice = sum(other.acquired == image.acquired for other in sample.images) > 1
    return f"{file_name(sample.name)}_{image.acquired}" + (f"-{image.slot}" if twice else "")


# Rasters


def _write_rasters(source: Source, sample: Sample, to: Path, pool: ThreadPoolExecutor) -> Files:
    patch, scl, name = source.patch(sample), source.scl(sample), file_name(sample.name)
    (to / name).mkdir()
    images = [Path(name, f"{image_name(sample, image)}.tif") for image in sample.images]
    layers = [path.with_name(f"{path.stem}_scl.tif") for path in images] if scl is not None else []
    inventory = Path(name, f"{name}_inventory.tif") if patch.inventory is not None else None
    tasks = [
        (path, patch.pixels[image.slot], {"descriptions": patch.bands, "scale": 1 / REFLECTANCE_SCALE}, image)
        for path, image in zip(images, sample.images, strict=True)
    ]
    tasks += [
        (path, scl[image.slot][None], {"descriptions": ("SCL",)}, image) for path, image in zip(layers, sample.images, strict=bool(layers))
    ]
    tasks += [(inventory, *_inventory(source, patch.inventory), None)] if inventory else []
    tags = {"sample": sample.name, "collection": source.collection.name, "version": str(source.version), "level": source.collection.level}
    for task in [
        pool.submit(_write_cog, to / path, pixels, sample, tags | _tags(image), **told) for path, pixels, told, image in tasks
    ]:  # fmt: skip
        task.result()
    return Files(tuple(images), tuple(layers), inventory)


def _tags(image: Image | None) -> dict[str, str]:
    return {"acquired": image.acquired, "quality": image.quality} if image else {}


def _inventory(source: Source, codes: np.ndarray) -> tuple[np.ndarray, dict]:
    """(1, h, w) codes and their colours; uint8 where the legend's codes allow, which is what colour tables of a sane size need."""
    if max(codes.max(), *source.legend) > 255:
        return codes[None], {"descriptions": ("inventory",)}
    colours = {code: (*bytes.fromhex(entry.color.lstrip("#")), 255) for code, entry in source.legend.items()}
    return codes[None].astype(np.uint8), {"descriptions": ("inventory",), "colours": colours | {NO_DATA: (0, 0, 0, 0)}}


def _write_cog(
    path: Path,
    pixels: np.ndarray,
    sample: Sample,
    tags: dict[str, str],
    *,
    descriptions: tuple[str, ...],
    scale: float | None = None,
    colours: dict[int, tuple] | None = None,
) -> None:
    """(bands, h, w) as a Cloud-Optimised GeoTIFF without overviews: a patch is read whole."""
    count, height, width = pixels.shape
    block = next((side for side in BLOCKS if side >= max(height, width)), BLOCKS[-1])
    profile = {"compress": "DEFLATE", "predictor": "YES", "blocksize": block, "overviews": "NONE"}
    with rasterio.open(
        path, "w", driver="COG", dtype=pixels.dtype, count=count, height=height, width=width, crs=sample.crs,
        transform=Affine(*sample.transform), nodata=NO_DATA, **profile,
    ) as raster:  # fmt: skip
        raster.write(pixels)
        raster.descriptions = descriptions
        raster.update_tags(**tags)
        if scale:
            raster.scales, raster.offsets = (scale,) * count, (0.0,) * count
        if colours:
            raster.write_colormap(1, colours)


# Tables


@contextmanager
def _manifest(path: Path) -> Iterator[Callable[[dict], None]]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        yield writer.writerow


def _rows(source: Source, sample: Sample, files: Files) -> Iterator[dict]:
    label = source.legend.get(sample.code)
    of_the_sample = {
        "sample": sample.name, "site": sample.site, "year": sample.year, "region": sample.region, "lon": sample.lon, "lat": sample.lat,
        "part": sample.part, "inventory": files.inventory and files.inventory.as_posix(), "crop": label and label.name,
        "code": sample.code, "inventory_code": sample.inventory_code, "status": sample.state,
    }  # fmt: skip
    for number, image in enumerate(sample.images):
        yield of_the_sample | {
            "date": image.acquired, "file": files.images[number].as_posix(),
            "scl": files.scl[number].as_posix() if files.scl else None, "quality": image.quality, "clear": image.clear,
            "interpolated": int(image.interpolated), "sources": " ".join("_".join(name.split()) for name in image.sources),
        }  # fmt: skip


@contextmanager
def _sites(path: Path) -> Iterator[Callable[[Sample], None]]:
    """Writes each site's outline once; no file where no site has one."""
    seen: set[str] = set()

    def add(sample: Sample) -> None:
        if sample.polygon is None or sample.site in seen:
            return
        with path.open("a", encoding="utf-8") as file:
            file.write(",\n" if seen else '{"type": "FeatureCollection", "features": [\n')
            properties = {"site": sample.site, "region": sample.region}
            file.write(json.dumps({"type": "Feature", "properties": properties, "geometry": sample.polygon}, ensure_ascii=False))
        seen.add(sample.site)

    yield add
    if seen:
        with path.open("a", encoding="utf-8") as file:
            file.write("\n]}\n")
