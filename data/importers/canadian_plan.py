"""What an import of the Canadian Cropland Dataset will do, by the names of its files alone."""

import csv
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from data import aci
from data.errors import BadInput
from data.importers import canadian_names as names
from data.importers import canadian_pixels as pixels
from data.importers.canadian_names import PatchName
from data.importers.canadian_pixels import Layout
from data.importing import CollectionSpec, LearnedClass, LegendClass
from data.report import Report

ABOUT = "cropcheck.json"  # what our own export says of itself, beside the folders
LEVEL = "L1C"
SPLIT = "published"
LICENCE = "Montreal Data License (research use)"
ATTRIBUTION = (
    "The Canadian Cropland Dataset, Boatswain Jacques, Diallo and Lord 2023 (arXiv 2306.00114); labels: Agriculture and Agri-Food "
    "Canada, Annual Crop Inventory; contains modified Copernicus Sentinel data"
)
EIGHT_BIT = (
    "8-bit pictures: reflectance is estimated from RGB by undoing the published brightening (values above about 0.45 and below a third "
    "of the mean are cut off); index pictures are 0..255 for {ranges}, and negative values are lost"
)
# About the middle of the farmland of each province: longitude and latitude of points whose position nobody told.
MIDDLES = {
    "AB": (-113.0, 52.5), "BC": (-121.0, 50.5), "MB": (-98.5, 50.0), "NB": (-66.5, 46.5), "NL": (-57.0, 48.8), "NS": (-63.7, 45.2),
    "ON": (-80.5, 43.8), "PE": (-63.2, 46.3), "QC": (-72.5, 46.3), "SK": (-106.5, 51.5),
}  # fmt: skip
CANADA = (-96.0, 56.0)
SKIPPED_FOLDERS = ("__MACOSX",)


@dataclass
class Planned:
    """A sample to be. months: 01 ... 12 -> its files by kind: {"zip": path}, or {"RGB": path, "NDVI": path ...}.
    pictures: those that only say the part of the split."""

    name: str
    site: str
    point: str
    region: str
    year: int
    months: dict[str, dict[str, str]] = field(default_factory=dict)
    code: int = 0
    part: str | None = None
    history: dict[int, int] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What an import will do: the collection, and its samples by name in their order.

    layout: of the zips.
    kinds: the image types that become bands; empty where the zips' bands are read.
    ranges: index -> what 0 and 255 of its pictures stand for. places: a point's id -> longitude and latitude.
    """

    spec: CollectionSpec
    samples: dict[str, Planned]
    layout: Layout
    kinds: tuple[str, ...]
    ranges: dict[str, tuple[float, float]]
    places: dict[str, tuple[float, float]]


def plan(folder: Path, report: Report, *, collection: str | None = None, places: dict[str, tuple[float, float]] | None = None) -> Plan:
    """What is under `folder`, by the names of its files.

    Args:
        report: is told of names that do not follow the pattern, of duplicates, and of crops that clash or are not known.
        places: a point's id -> longitude and latitude, of pictures.

    Raises:
        BadInput: there is neither a zip nor a picture of the data set.
    """
    about = _about(folder)
    zips, pictures = _zips(folder, report), _pictures(folder, report)
    if not zips and not pictures:
        raise BadInput(
            f"{folder} holds no file of the Canadian Cropland Dataset. Give the folder with its zips (POINT_<id>_<yyyymm>_<province>_"
            "<CROP>.zip), or with its folders of pictures (<image type>/<split>/<CROP>/POINT_..._<image type>.png)."
        )
    samples = _samples({(name.sample, name.month): (name, {"zip": path}) for name, path in zips} if zips else _by_month(pictures))
    _give_crops(samples, zips or pictures, about, report)
    _give_parts(samples, pictures, bool(zips), report)
    kinds = () if zips else tuple(kind for kind in names.IMAGE_TYPES if any(name.kind == kind for name, _ in pictures))
    split = (about.get("split") or SPLIT) if any(sample.part for sample in samples.values()) else ""
    ranges = {kind: tuple(about.get("index_pictures", {}).get(kind, (0.0, 1.0))) for kind in names.INDEX_IMAGES}
    layout = _layout(about)
    spec = _spec(collection, samples, layout, kinds, ranges, split, about)
    if kinds:
        _note_places(samples, places or {}, report)
    return Plan(spec, samples, layout, kinds, ranges, places or {})


def read_points(path: Path) -> dict[str, tuple[float, float]]:
    """Point_ID -> (Longitude, Latitude) of a CSV such as the data set's own `points_ALL_categories_2019.csv`.

    Raises:
        BadInput: a column is missing, or no position can be read.
    """
    wanted = ("Point_ID", "Longitude", "Latitude")
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        rows = csv.DictReader(file)
        columns = {name.replace(" ", "_").lower(): name for name in rows.fieldnames or ()}
        missing = [name for name in wanted if name.lower() not in columns]
        if missing:
            raise BadInput(f"{path} has no column {', '.join(missing)}. Give a CSV with Point_ID, Longitude and Latitude.")
        keys = [columns[name.lower()] for name in wanted]
        try:
            places = {row[keys[0]].strip(): (float(row[keys[1]]), float(row[keys[2]])) for row in rows}
        except (ValueError, AttributeError, TypeError) as error:
            raise BadInput(f"{path} has a position that is no number ({error}). Mend that line.") from error
    wrong = [point for point, (lon, lat) in places.items() if not (-180 <= lon <= 180 and -90 <= lat <= 90)]
    if wrong:
        raise BadInput(f"{path} puts point {wrong[0]} at {places[wrong[0]]}, which is no longitude and latitude. Are the columns swapped?")
    return places


def place_of(sample: Planned, places: dict[str, tuple[float, float]]) -> tuple[float, float]:
    """Longitude and latitude of a sample whose files do not say it."""
    return places.get(sample.point) or MIDDLES.get(sample.region.upper(), CANADA)


def _about(folder: Path) -> dict:
    """What our own export says of itself; empty for the data set as published."""
    path = folder / ABOUT
    if not path.exists():
        return {}
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        return about if isinstance(about, dict) else {}
    except ValueError as error:
        raise BadInput(f"{path} is damaged: {error}. Export again, or delete it to import the files as the published data set.") from error


def _files(folder: Path, ending: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The files with this ending under `folder` in a fixed order: path, name without ending, and the folders that it is in.

    Paths are text: there may be half a million."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith("."))
        within = Path(root).relative_to(folder).parts
        for name in sorted(files):
            if name.lower().endswith(ending) and not name.startswith("."):
                yield os.path.join(root, name), name[: -len(ending)], within


def _zips(folder: Path, report: Report) -> list[tuple[PatchName, str]]:
    """The zips, one a patch-month."""
    found: dict[tuple[str, str], tuple[PatchName, str]] = {}
    for path, stem, _ in _files(folder, ".zip"):
        name = names.of_zip(stem)
        if name is None:
            fact = "not POINT_<id>_<yyyymm>_<province>_<CROP>.zip; a zip of pictures is to be unpacked first"
            report.leave_out("file name that does not follow the pattern", os.path.relpath(path, folder), fact)
        elif (name.sample, name.month) in found:
            kept = os.path.relpath(found[name.sample, name.month][1], folder)
            report.leave_out("duplicate patch-month", os.path.relpath(path, folder), f"{kept} is taken")
        else:
            found[name.sample, name.month] = (name, path)
    return list(found.values())


@dataclass(frozen=True)
class _Picture:
    path: str
    part: str | None


def _pictures(folder: Path, report: Report) -> list[tuple[PatchName, _Picture]]:
    """The pictures, one a patch-month and image type."""
    found: dict[tuple[str, str, str], tuple[PatchName, _Picture]] = {}
    for path, stem, within in _files(folder, ".png"):
        name = names.of_png(stem)
        if name is None:
            fact = f"not POINT_<id>_<yyyymm>_<province>_<CROP>_<{', '.join(names.IMAGE_TYPES)}>.png"
            report.leave_out("file name that does not follow the pattern", os.path.relpath(path, folder), fact)
            continue
        key = (name.sample, name.month, name.kind)
        if key in found:
            report.leave_out(
                "duplicate patch-month", os.path.relpath(path, folder), f"{os.path.relpath(found[key][1].path, folder)} is taken"
            )
        else:
            found[key] = (name, _Picture(path, names.part_of(within)))
    return list(found.values())


def _by_month(pictures: Iterable[tuple[PatchName, _Picture]]) -> dict[tuple[str, str], tuple[PatchName, dict[str, str]]]:
    months: dict = {}
    for name, picture in pictures:
        months.setdefault((name.sample, name.month), (name, {}))[1][name.kind] = picture.path
    return months


def _samples(months: dict[tuple[str, str], tuple[PatchName, dict[str, str]]]) -> dict[str, Planned]:
    """The samples by name, in the order of their points and years, each with the files of its months."""
    found: dict[str, Planned] = {}
    for name, files in months.values():
        sample = found.setdefault(name.sample, Planned(name.sample, name.site, name.point, name.province, name.year))
        sample.months[name.month] = files
    return {sample.name: sample for sample in sorted(found.values(), key=_order)}


def _order(sample: Planned) -> tuple:
    number = int(sample.point) if sample.point.isdecimal() else 0
    return not sample.point.isdecimal(), number, sample.point, sample.region, sample.year


def _give_crops(samples: dict[str, Planned], files: Iterable[tuple[PatchName, object]], about: dict, report: Report) -> None:
    """Every sample's code: that of most of its months; and every site's codes of all years."""
    crops: dict[str, dict[str, str]] = defaultdict(dict)
    for name, _ in files:
        crops[name.sample].setdefault(name.month, name.crop)
    rotation: dict[str, dict[int, int]] = defaultdict(dict)
    own = about.get("crops", {})
    for sample in samples.values():
        of_months = [crop for _, crop in sorted(crops[sample.name].items())]
        codes = Counter(names.code_of(crop, own) for crop in of_months)
        code = codes.most_common(1)[0][0]
        if len(codes) > 1:
            said = ", ".join(f"{month} {crop}" for month, crop in sorted(crops[sample.name].items()))
            report.remark("several crops in one year", sample.name, f"{said}; the most frequent stands")
        if code is None:
            report.remark("crop that the inventory does not know", sample.name, f"{of_months[0]}; kept without a label")
        sample.code = code or 0
        rotation[sample.site][sample.year] = sample.code
    for sample in samples.values():
        sample.history = {year: code for year, code in sorted(rotation[sample.site].items()) if code}


def _give_parts(samples: dict[str, Planned], pictures: list[tuple[PatchName, _Picture]], zips: bool, report: Report) -> None:
    """Every sample's part of the published split: that of most of its pictures."""
    parts: dict[str, Counter] = defaultdict(Counter)
    for name, picture in pictures:
        parts[name.sample][picture.part] += 1
        if zips and name.sample in samples:
            samples[name.sample].pictures.append(picture.path)
    for name, counted in parts.items():
        if name not in samples:
            report.leave_out("pictures without a zip", name, f"{counted.total()} files; the collection takes its pixels from zips")
            continue
        given = Counter({part: count for part, count in sorted(counted.items(), key=str) if part})
        if len(given) > 1:
            said = ", ".join(f"{count} in {part}" for part, count in given.items())
            report.remark("pictures in several parts of the split", name, f"{said}; the most frequent stands")
        samples[name].part = given.most_common(1)[0][0] if given else None


def _note_places(samples: dict[str, Planned], places: dict[str, tuple[float, float]], report: Report) -> None:
    lost = Counter(sample.region for sample in samples.values() if sample.point not in places)
    for region, count in sorted(lost.items()):
        report.remark(
            "pictures without a position", region, f"{count} samples stand in the middle of the province; give their points with --points"
        )


def _layout(about: dict) -> Layout:
    if "bands" not in about:
        return Layout()
    height, width = about["height"], about["width"]
    return Layout(tuple(about["bands"]), (range(1, height + 1), range(1, width + 1)), height, width)


def _spec(
    collection: str | None, samples: dict[str, Planned], layout: Layout, kinds: tuple[str, ...], ranges: dict, split: str, about: dict
) -> CollectionSpec:
    years = sorted({sample.year for sample in samples.values()})
    months = sorted({*names.MONTHS, *(month for sample in samples.values() for month in sample.months)})
    span = str(years[0]) if len(years) == 1 else f"{years[0]}-{years[-1]}"
    title = about.get("title", f"The Canadian Cropland Dataset {span}")
    origin = {"format": "Canadian Cropland Dataset", "pixels": "8-bit pictures" if kinds else "zips"}
    if kinds:
        used = {kind: list(ranges[kind]) for kind in kinds if kind in ranges}
        origin["scale"] = EIGHT_BIT.format(ranges=", ".join(f"{kind} {low} to {high}" for kind, (low, high) in used.items()) or "none")
    if "version" in about:
        origin["version"] = about["version"]
    legend, learned = _classes(samples, about)
    return CollectionSpec(
        name=collection or f"canada-{span}{'-8bit' if kinds else ''}",
        title=f"{title} (8-bit pictures)" if kinds else title,
        bands=pixels.bands_of(kinds) if kinds else layout.bands,
        level=about.get("level", LEVEL),
        slots=tuple(f"{years[0]}-{month}" for month in months) if len(years) == 1 else tuple(months),
        height=pixels.SIDE if kinds else layout.height,
        width=pixels.SIDE if kinds else layout.width,
        composites=True,
        simulated=bool(about.get("simulated", False)),
        licence=about.get("licence", LICENCE),
        attribution=about.get("attribution", ATTRIBUTION) + ("; reflectance estimated from 8-bit pictures" if kinds else ""),
        legend=legend,
        learned=learned,
        origin=origin,
        split=split,
    )


def _classes(samples: dict[str, Planned], about: dict) -> tuple[tuple[LegendClass, ...], tuple[LearnedClass, ...]]:
    """The inventory's legend and the classes that models learn: the ten of the data set, then the others that are there, by name."""
    if "legend" in about:
        return tuple(LegendClass(**entry) for entry in about["legend"]), tuple(LearnedClass(**entry) for entry in about["learned"])
    ten = tuple(names.CLASSES.values())
    present = {sample.code for sample in samples.values()}
    others = [entry.code for entry in sorted(aci.legend(), key=lambda entry: entry.name) if entry.code in present - {*ten}]
    crops = (*ten, *others)
    return aci.legend(crops), aci.learned(crops)
