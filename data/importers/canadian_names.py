"""Names in the Canadian Cropland Dataset: files, crops, parts of its split. Pure; no I/O.

A zip is called `POINT_<id>_<yyyymm>_<province>_<CROP>.zip`, a picture `<the same>_<image type>.png`, a band in a zip
`<the same>.B8A.tif` (https://github.com/bioinfoUQAM/Canadian-cropland-dataset-github; Boatswain Jacques et al. 2023, arXiv 2306.00114).
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from data.crop_names import crop_code
from data.importing import NO_LABEL, LegendClass

INDEX_IMAGES = ("GNDVI", "NDVI", "NDVI45", "NDWI", "OSAVI", "PSRI")
IMAGE_TYPES = ("RGB", *INDEX_IMAGES)
MONTHS = ("06", "07", "08", "09", "10")

# The ten classes of the data set, in the alphabetical order of its names.
CLASSES = {
    "BARLEY": 133, "CANOLA": 153, "CORN": 147, "MIXEDWOOD": 230, "OAT": 136, "ORCHARD": 188, "PASTURE": 122, "POTATO": 177,
    "SOYBEAN": 158, "SPRING_WHEAT": 146,
}  # fmt: skip
_NO_LABEL = ("UNKNOWN", "NO_LABEL", "NO LABEL")

_NAME = re.compile(r"POINT_([A-Za-z0-9-]+)_(20\d\d)(0[1-9]|1[0-2])_([A-Za-z0-9-]+)_(.+)", re.ASCII)
_BAND = re.compile(r"(?:.*[./])?(B0?\d|B1[0-2]|B8A|QA60)\.tiff?", re.IGNORECASE | re.ASCII)
_NUMBERED = re.compile(r"CODE_(\d+)", re.IGNORECASE | re.ASCII)  # a code that no legend names
TRAINING = "training"  # as the data set calls its part `train`
_FOLD = re.compile(r"fold-\d+")
_PARTS = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PatchName:
    """What the name of a patch-month says. month: 01 ... 12. crop: as written. kind: the image type of a picture, else empty."""

    point: str
    year: int
    month: str
    province: str
    crop: str
    kind: str = ""

    @property
    def site(self) -> str:
        return f"POINT_{self.point}_{self.province}"

    @property
    def sample(self) -> str:
        return f"{self.site}-{self.year}"


def of_zip(stem: str) -> PatchName | None:
    """What the name of a zip, without .zip, says; None where it does not follow the pattern."""
    found = _NAME.fullmatch(stem)
    return PatchName(found[1], int(found[2]), found[3], found[4], found[5]) if found else None


def of_png(stem: str) -> PatchName | None:
    """What the name of a picture, without .png, says; None where it does not follow the pattern."""
    rest, _, kind = stem.rpartition("_")
    named = of_zip(rest)
    if named is None or kind.upper() not in IMAGE_TYPES:
        return None
    return PatchName(named.point, named.year, named.month, named.province, named.crop, kind.upper())


def band_of(name: str) -> str | None:
    """The band (B01 ... B12, B8A) or QA60 that a file of a zip holds; None for indices and everything else."""
    found = _BAND.fullmatch(name)
    if not found:
        return None
    band = found[1].upper()
    return band if band in ("B8A", "QA60") else f"B{int(band[1:]):02d}"


def part_of(folders: Iterable[str]) -> str | None:
    """train, validation, test or fold-<k>, by the innermost folder that is called so (`training`, `_validation` and `val` are, too)."""
    for folder in reversed(list(folders)):
        word = folder.strip("_ ").lower()
        if word in _PARTS or _FOLD.fullmatch(word):
            return _PARTS.get(word, word)
    return None


def code_of(crop: str, crops: Mapping[str, int] | None = None) -> int | None:
    """The inventory's code for a crop's name, whatever its case, plural and separators; 0 for UNKNOWN, None where it is not known.

    Args:
        crops: names -> codes that come before those of Canada's inventory.
    """
    own = {name.upper(): code for name, code in (crops or {}).items()}
    numbered = _NUMBERED.fullmatch(crop)
    if numbered:
        return int(numbered[1])
    return own.get(crop.upper(), NO_LABEL.code if crop.upper() in _NO_LABEL else crop_code(crop))


def crop_name(entry: LegendClass) -> str:
    """The name of a legend code in files: ASCII capitals with _ between words, UNKNOWN where there is no label."""
    if entry.code == NO_LABEL.code:
        return "UNKNOWN"
    return re.sub(r"[^A-Za-z0-9]+", "_", ascii_of(entry.name)).strip("_").upper() or f"CODE_{entry.code}"


def ascii_of(text: str) -> str:
    """Without accents, and without what has no ASCII letter."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
