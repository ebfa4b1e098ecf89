"""Writing Cloud-Optimised GeoTIFFs a block at a time: legend colours and names inside, overviews by the nearest pixel for codes."""

import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError  # of GDAL's errors that rasterio passes on as they are
from rasterio.errors import RasterioError
from rasterio.transform import Affine
from rasterio.windows import Window

from data.errors import BadInput

BLOCK = 512
QUICK = {"compress": "zstd", "zstd_level": 1}  # of the plain file that the COG is made of
GDAL = {"GDAL_NUM_THREADS": "2", "GDAL_CACHEMAX": 256 * 2**20}  # rasterio takes bytes

Block = tuple[int, int, np.ndarray]  # top, left, (h, w) or (bands, h, w)


def write(
    path: Path, blocks: Iterable[Block], *, crs: str, transform: tuple[float, ...], height: int, width: int, dtype: str,
    nodata: float | None, bands: tuple[str, ...] = (), colours: Mapping[int, str] | None = None, names: Mapping[int, str] | None = None,
    tags: Mapping[str, str] | None = None, scratch: Path | None = None,
) -> None:  # fmt: skip
    """Write a COG, whole or not at all.

    Args:
        blocks: that cover the raster, in any order; they should be whole multiples of BLOCK.
        bands: their descriptions; one band without any where empty.
        colours: code -> #rrggbb, written as the colour table (0 is transparent). names: code -> name, written as categories.
            With either, overviews take the nearest pixel, else the average.
        tags: of the raster.
        scratch: folder for what is not finished, on the disk of `path`; by default the same folder.

    Raises:
        BadInput: it cannot be written, as where the disk is full.
    """
    plain, partial = ((scratch or path.parent) / f"{path.stem}.{kind}.tif" for kind in ("plain", "partial"))
    profile = {
        "driver": "GTiff", "dtype": dtype, "count": max(1, len(bands)), "height": height, "width": width, "crs": crs,
        "transform": Affine(*transform), "nodata": nodata, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "bigtiff": "if_safer",
        "interleave": "pixel",
    }  # fmt: skip
    try:
        with rasterio.Env(**GDAL):
            with rasterio.open(plain, "w", **profile, **QUICK) as raster:
                raster.update_tags(**tags or {})
                for number, name in enumerate(bands, start=1):
                    raster.set_band_description(number, name)
                if colours:
                    raster.write_colormap(1, _table(colours))
                for top, left, values in blocks:
                    stacked = values if values.ndim == 3 else values[None]
                    raster.write(stacked, window=Window(left, top, *stacked.shape[:0:-1]))
            coded = bool(colours or names)
            predictor = "no" if coded else "yes"
            rasterio.shutil.copy(
                _named(plain, names) if names else plain, partial, driver="COG", blocksize=BLOCK, predictor=predictor,
                overview_resampling="nearest" if coded else "average", bigtiff="if_safer", compress="deflate", level=6 if coded else 1,
                overview_compress="deflate",
            )  # fmt: skip
        if names:
            Path(f"{partial}.aux.xml").replace(f"{path}.aux.xml")  # where GDAL keeps the names of a GeoTIFF's codes
        partial.replace(path)
    except (OSError, RasterioError, CPLE_BaseError) as error:
        free = shutil.disk_usage(path.parent).free
        raise BadInput(f"{path} cannot be written: {error}. {free / 1e9:.2f} GB are free there. Free some space, and repeat.") from error
    finally:
        for left_over in (plain, partial, plain.with_suffix(".vrt"), Path(f"{partial}.aux.xml")):
            with suppress(FileNotFoundError):
                left_over.unlink()


def _table(colours: Mapping[int, str]) -> dict[int, tuple[int, int, int, int]]:
    shown = {code: (*bytes.fromhex(color.lstrip("#")), 255) for code, color in colours.items()}
    return {0: (0, 0, 0, 0)} | shown


def _named(plain: Path, names: Mapping[int, str]) -> Path:
    """A VRT of the file with category names, which GDAL's COG driver takes along (rasterio cannot set them)."""
    from xml.etree import ElementTree

    path = plain.with_suffix(".vrt")
    rasterio.shutil.copy(plain, path, driver="VRT")
    tree = ElementTree.parse(path)
    band = tree.getroot().find("VRTRasterBand")
    categories = ElementTree.Element("CategoryNames")
    for code in range(max(names) + 1):
        ElementTree.SubElement(categories, "Category").text = names.get(code, "")
    band.insert(0, categories)
    tree.write(path)
    return path
