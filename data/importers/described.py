"""What a folder's collection is: from options, from `collection.json` beside the files (exports write one), from the files themselves.

Here are also the rules that folders of GeoTIFFs and cubes share: band names, values to pixels, crop names to codes, slots of a season.
"""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from data import aci
from data.bands import L1C_BANDS, NO_DATA, REFLECTANCE_SCALE
from data.crop_names import CropNames
from data.errors import BadInput
from data.importing import NO_LABEL, CollectionSpec, LearnedClass, LegendClass, NewSample
from data.report import Report
from data.screening import MASKED_SCL

FILE = "collection.json"
LARGEST_PX = 1024  # a side: what a card can show, and what a shard can hold a season of
OWN_CODES = 1001  # crops that the legend lacks are numbered from here
PALETTE = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")
KINDS = {
    **dict.fromkeys(("name", "title", "level", "licence", "attribution", "split", "version", "region"), str),
    **dict.fromkeys(("bands", "slots", "legend", "learned"), list), **dict.fromkeys(("height", "width"), int),
    **dict.fromkeys(("aligned", "composites", "simulated"), bool),
}  # fmt: skip
ASSETS = {
    "coastal": "B01", "blue": "B02", "green": "B03", "red": "B04", "rededge1": "B05", "rededge2": "B06", "rededge3": "B07",
    "nir": "B08", "nir08": "B8A", "nir09": "B09", "cirrus": "B10", "swir16": "B11", "swir22": "B12",
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What the user says of a folder; None = as collection.json says, else as the files say.

    name: of the new collection.
    bands: in the order of the files, where these do not name their bands.
    legend: a CSV with code and name, and where wanted name_fr, color, learned, digit.
    region: of samples whose row has none. site: name of a single cube's. crs: of files that have none.
    scale: stored value x scale = reflectance 0..1. nodata: the stored value that says no data.
    labels: `exported` takes the crop or label of a sample as its new inventory label, `inventory` the column inventory_code.
    masked: SCL classes that hide the ground.
    """

    name: str
    title: str | None = None
    bands: tuple[str, ...] | None = None
    level: str | None = None
    licence: str | None = None
    attribution: str | None = None
    legend: Path | None = None
    region: str | None = None
    site: str | None = None
    crs: str | None = None
    scale: float | None = None
    nodata: float | None = None
    labels: str = "exported"
    masked: tuple[int, ...] = MASKED_SCL


@dataclass(frozen=True)
class Plan:
    """An import that is known before any pixel is read; see `data.importing.import_planned`.

    report: what was left out already.
    """

    spec: CollectionSpec
    names: list[str]
    make: Callable[[list[str]], tuple[list[NewSample], Report]]
    report: Report


class Unusable(Exception):
    """A file or sample that cannot come in: the kind of problem and the fact, for the report."""

    def __init__(self, kind: str, fact: str = "") -> None:
        super().__init__(f"{kind}: {fact}")
        self.kind, self.fact = kind, fact


def name_of(path: Path) -> str:
    """The name of a folder's collection: as collection.json says, else the folder's or file's own."""
    told = _told(path)
    return told["name"] if isinstance(told.get("name"), str) and told["name"] else path.resolve().stem


def describe(folder: Path, options: Options) -> dict:
    """The keys of collection.json in `folder`, overruled by the options that are given.

    Raises:
        BadInput: collection.json is not a JSON object.
    """
    told = _told(folder)
    given = {field.name: getattr(options, field.name) for field in fields(options)}
    return told | {key: value for key, value in given.items() if value is not None and key != "legend"}


def _told(folder: Path) -> dict:
    if not (folder / FILE).is_file():
        return {}
    try:
        told = dict(json.loads((folder / FILE).read_text(encoding="utf-8")))
        told = dict(told["cropcheck"]) if "stac_version" in told else told
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(
            f"{folder / FILE} is not a JSON object that says what the collection is: {error!r}. Mend it or take it away."
        ) from error
    wrong = [key for key, kind in KINDS.items() if not isinstance(told.get(key), (kind, type(None)))]
    if wrong:
        raise BadInput(f"{folder / FILE} has no usable {' and '.join(wrong)}: {told[wrong[0]]!r}. Mend it or take it away.")
    return {key: value for key, value in told.items() if value is not None}


def spec(
    told: dict,
    *,
    slots: tuple[str, ...],
    aligned: bool,
    composites: bool,
    bands: tuple[str, ...],
    height: int,
    width: int,
    legend: "Legend",
    split: str,
    origin: dict,
) -> CollectionSpec:
    """The collection; what nobody said of it is left open in words."""
    return CollectionSpec(
        name=told["name"],
        title=told.get("title") or told["name"],
        bands=bands,
        level=told.get("level") or ("L1C" if "B10" in bands else "L2A"),
        slots=slots,
        height=height,
        width=width,
        composites=bool(told.get("composites", composites)),
        simulated=bool(told.get("simulated", False)),
        licence=told.get("licence") or "not stated",
        attribution=told.get("attribution") or "not stated",
        legend=legend.classes,
        learned=legend.learned,
        aligned=aligned,
        origin=origin | {key: told[key] for key in ("version",) if key in told},
        split=split,
    )


def origin(kind: str, entries: list, options: Options, folder: Path) -> dict:
    """What a collection was made of, so that another manifest or other options are not taken for the same import.

    entries: `data.importers.manifest.Entry`; files under `folder`.
    """
    rows = [
        [entry.name, entry.site, entry.year, entry.crop, entry.region, entry.part]
        + [[image.file.relative_to(folder).as_posix(), image.date] for image in entry.images]
        for entry in entries
    ]
    return {
        "made_by": "import-geotiff", "kind": kind, "labels": options.labels, "scale": options.scale, "nodata": options.nodata,
        "crs": options.crs, "masked": list(options.masked), "manifest": hashlib.sha256(json.dumps(rows).encode()).hexdigest(),
    }  # fmt: skip


# Bands and values


def band_name(text: str | None) -> str | None:
    """B01 ... B12 for what files and services call a band (B1, S2-L2A-B04, B04_10m, red, SR_B8A); None where it is none of them."""
    for word in reversed((text or "").replace("-", "_").replace(".", "_").replace(" ", "_").split("_")):
        if word.lower() in ASSETS:
            return ASSETS[word.lower()]
        if word[:1] in "Bb" and word[1:].upper().zfill(2) in {band[1:] for band in L1C_BANDS}:
            return "B" + word[1:].upper().zfill(2)
    return None


def band_names(names: Iterable[str]) -> tuple[str, ...]:
    """Band names as a user gives them.

    Raises:
        BadInput: one is no band of Sentinel-2, or comes twice.
    """
    known = tuple(band_name(name) for name in names)
    if None in known or len(set(known)) < len(known):
        raise BadInput(f"The bands {', '.join(names)} are not all bands of Sentinel-2, each once. Choose from {', '.join(L1C_BANDS)}.")
    return known


def to_pixels(values: np.ndarray, valid: np.ndarray, scale: float, offset: float = 0.0) -> np.ndarray:
    """Stored values as pixels.

    Args:
        values: any shape and type; value x scale + offset = reflectance.
        valid: bool of that shape; False = no data.

    Returns:
        uint16 reflectance x 10 000. No data is 0, so a reflectance of 0 or less that is data becomes 1; 6.5535 is the most.

    Raises:
        Unusable: half of the values or more are above a reflectance of 2.
    """
    valid = valid & np.isfinite(values) if values.dtype.kind == "f" else valid
    factor = round(scale * REFLECTANCE_SCALE, 9)
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2 and factor == 1 and offset == 0:
        stored = values.astype(np.uint16, copy=True)
    else:
        stored = np.where(valid, values, 0).astype(np.float64) * factor + offset * REFLECTANCE_SCALE
        stored = stored.round().clip(0, 65_535).astype(np.uint16)
    if valid.any() and np.median(stored[valid]) > 2 * REFLECTANCE_SCALE:
        raise Unusable("values are not reflectance", f"half of them are above {np.median(stored[valid]) / 10_000:g}; give --scale")
    stored[valid & (stored == NO_DATA)] = 1
    stored[~valid] = NO_DATA
    return stored


# Crops


@dataclass(frozen=True)
class Legend:
    """The codes of the collection, what is learned of them, and the code of each crop text."""

    classes: tuple[LegendClass, ...]
    learned: tuple[LearnedClass, ...]
    codes: dict[str, int]


def legend(crops: Counter[str], told: dict, file: Path | None, report: Report) -> Legend:
    """The legend for samples with these crops: of the CSV `file`, else of collection.json, else Canada's Annual Crop Inventory.

    A crop is a code or a name (English or French, case and plural do not matter); empty is no label. Names that the legend lacks
    get codes from 1001 on, in alphabetical order, and a class of their own, and are remarked on. Where the legend does not say what
    is learned, every code that occurs is a class, the ten most frequent on the digits.

    Raises:
        BadInput: the legend cannot be read.
    """
    classes = _classes(told, file)
    names = CropNames(classes)
    codes, strange = {}, []
    for crop in sorted(crops):
        code = _code(crop, names)
        if code is None:
            strange.append(crop)
        else:
            codes[crop] = code
    first = max(OWN_CODES, *(entry.code + 1 for entry in classes), *(code + 1 for code in codes.values())) if classes else OWN_CODES
    for number, crop in enumerate(strange):
        codes[crop] = first + number
        classes.append(LegendClass(first + number, crop, crop, PALETTE[number % len(PALETTE)], learned=crop))
        report.remark("crop names outside the legend", crop, f"{crops[crop]} samples, kept as code {first + number}")
    learned = _told_learned(told) if file is None else []
    if not any(entry.learned for entry in classes if entry.name not in strange):
        classes = _learn_what_occurs(classes, Counter({codes[crop]: count for crop, count in crops.items()}))
    return Legend(tuple(classes), (*learned, *_learned_of(classes, {entry.name for entry in learned})), codes)


def _told_learned(told: dict) -> list[LearnedClass]:
    try:
        return [LearnedClass(**entry) for entry in told.get("learned", ())]
    except TypeError as error:
        raise BadInput(f"The learned classes in {FILE} cannot be read ({error}). Each has a name, a name_fr and a color.") from error


def _classes(told: dict, file: Path | None) -> list[LegendClass]:
    try:
        if file is not None:
            with file.open(encoding="utf-8-sig", newline="") as text:
                return [_legend_row({str(key).strip().lower(): value for key, value in row.items()}) for row in csv.DictReader(text)]
        if "legend" in told:
            return [LegendClass(**entry) for entry in told["legend"]]
    except (OSError, KeyError, TypeError, ValueError) as error:
        where = file or FILE
        raise BadInput(f"The legend in {where} cannot be read ({error!r}). It needs a code and a name a class.") from error
    return [replace(entry, learned=None, digit=None) for entry in aci.legend()]


def _legend_row(row: dict[str, str]) -> LegendClass:
    name = row["name"].strip()
    digit = (row.get("digit") or "").strip()
    return LegendClass(
        int(row["code"]), name, row.get("name_fr") or name, row.get("color") or PALETTE[int(row["code"]) % len(PALETTE)],
        row.get("learned") or None, int(digit) if digit else None,
    )  # fmt: skip


def _code(crop: str, names: CropNames) -> int | None:
    if not crop:
        return NO_LABEL.code
    return int(crop) if crop.isdecimal() else names.code(crop)


def _learn_what_occurs(classes: list[LegendClass], counts: Counter[int]) -> list[LegendClass]:
    known = {entry.code for entry in classes} - {NO_LABEL.code}
    order = [code for code, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if code in known]
    digits = {code: (place + 1) % 10 for place, code in enumerate(order[:10])}
    return [
        replace(entry, learned=entry.name, digit=digits.get(entry.code)) if entry.code in order else entry
        for entry in classes
    ]  # fmt: skip


def _learned_of(classes: list[LegendClass], have: set[str]) -> list[LearnedClass]:
    """The learned classes that the legend names and `have` lacks, in the legend's order."""
    found: dict[str, LearnedClass] = {}
    for entry in classes:
        if entry.learned and entry.learned not in have:
            french = entry.name_fr if entry.learned == entry.name else entry.learned
            found.setdefault(entry.learned, LearnedClass(entry.learned, french, entry.color))
    return list(found.values())


# Dates


def season(samples: dict[str, list[str]], told: dict) -> tuple[tuple[str, ...], bool]:
    """The slots of a season, and whether they are the same dates for every sample.

    Args:
        samples: name -> its dates, each YYYY-MM-DD or YYYY-MM, ascending.

    Returns:
        As collection.json says; else the union of the dates where that is at most twice the longest season; else, of monthly
        composites where each sample keeps to one year, the months as MM; else "1" ... "T", not aligned.
    """
    if "slots" in told:
        return tuple(told["slots"]), bool(told.get("aligned", True))
    longest = max(map(len, samples.values()))
    union = sorted({date for dates in samples.values() for date in dates})
    kinds = {len(date) for date in union}
    if len(kinds) == 1 and len(union) <= 2 * longest:
        return tuple(union), True
    months = sorted({date[5:] for date in union})
    one_year = all(len({date[:4] for date in dates}) == 1 for dates in samples.values())
    if kinds == {7} and one_year and len(months) <= 2 * longest:
        return tuple(months), True
    return tuple(str(place) for place in range(1, longest + 1)), False


def places(dates: list[str], slots: tuple[str, ...], aligned: bool) -> dict[str, int]:
    """Date -> slot, for one sample's dates in time order; dates that have no slot are not in it."""
    if not aligned:
        return dict(zip(dates, range(len(slots)), strict=False))
    at = {slot: place for place, slot in enumerate(slots)}
    found = {date: at.get(date, at.get(date[5:])) for date in dates}
    return {date: place for date, place in found.items() if place is not None}
