"""Files in the layout of the Canadian Cropland Dataset, made of real pixels: `data/canadian` holds three Sentinel-2 L1C dates.

The places, crops and months that the names say are made up.
"""

import io
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.io import MemoryFile
from rasterio.transform import Affine, from_origin

from data.bands import L2A_BANDS
from data.importers.canadian_names import INDEX_IMAGES

CLEAR, LATER, CLOUDY = "2015-07-11", "2015-08-30", "2015-08-20"
HERE = Path(__file__).parent / "data" / "canadian"
ALBERTA = (-1_200_000.0, 500_000.0)  # EPSG:3978, a field near Edmonton
GRID = from_origin(*ALBERTA, 10, 10)


@cache
def scene(date: str, side: int = 64) -> np.ndarray:
    """(12, side, side) uint16 of L2A_BANDS, top of the atmosphere, at most 65 px."""
    with rasterio.open(HERE / f"si_33N_{date}.tif") as raster:
        return raster.read([raster.descriptions.index(band) + 1 for band in L2A_BANDS])[:, :side, :side]


def file_name(band: str) -> str:
    """B1 for B01, as the data set writes it."""
    return band if band == "B8A" else f"B{int(band[1:])}"


def tif(values: np.ndarray, *, crs: str | None = "EPSG:3978", transform: Affine | None = GRID, **options) -> bytes:
    """A single-band GeoTIFF of (h, w) values."""
    profile = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype.name}
    with MemoryFile() as memory:
        with memory.open(**profile, crs=crs, transform=transform, **({"compress": "lzw"} | options)) as raster:
            raster.write(values, 1)
        return memory.read()


def bands_of(pixels: np.ndarray, *, dtype: str = "float32", qa60: np.ndarray | None = None, **options) -> dict[str, bytes]:
    """The files of a zip by what stands between the dots: bands as reflectance, or as they are for integer types."""
    scale = 1 / 10_000 if np.dtype(dtype).kind == "f" else 1
    files = {file_name(band): tif((plane * scale).astype(dtype), **options) for band, plane in zip(L2A_BANDS, pixels, strict=True)}
    nothing = np.zeros(pixels.shape[1:], dtype)
    files |= dict.fromkeys(("QA10", "QA20"), tif(nothing, **options))
    return files | {"QA60": tif(nothing if qa60 is None else (qa60 * scale).astype(dtype), **options)}


def write_zip(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """`folder`/`name`.zip with `name`.<key>.tif for every file."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for key, data in files.items():
            archive.writestr(f"{name}.{key}.tif", data)
    return folder / f"{name}.zip"


def indices_of(pixels: np.ndarray, **options) -> dict[str, bytes]:
    """Index TIFs as a published zip has them beside its bands: their values play no part in an import."""
    near, red = (pixels[L2A_BANDS.index(band)].astype(np.float32) for band in ("B08", "B04"))
    return dict.fromkeys(INDEX_IMAGES, tif((near - red) / (near + red), **options))


def write_png(folder: Path, name: str, kind: str, picture: np.ndarray, part: str | None = "training") -> Path:
    """`folder`/<kind>/<part>/<CROP>/<name>_<kind>.png of an (h, w, 3) or (h, w) uint8 picture."""
    target = folder / kind / (part or "") / name.split("_", 4)[4]
    target.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    (target / f"{name}_{kind}.png").write_bytes(file.getvalue())
    return target / f"{name}_{kind}.png"
