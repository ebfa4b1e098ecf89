"""Seasons of vegetation indices: single samples' and the envelopes of crops. Two SQL queries and NumPy; cloudy dates stay out."""

import csv
import io
from dataclasses import dataclass

import numpy as np

from data import catalogue, indices
from data.store import Store

SAMPLES = """
select s.id, s.name, s.year, s.inventory_code, g.region, coalesce(l.code, 0) as code, l.state, l.verified
from sample s join site g on g.id = s.site join label l on l.sample = s.id
where s.collection = ? order by s.id
"""
VALUES = """
select i.sample, i.slot, i.day, i.quality = 'ok', i.interpolated, t.median
from sample s join image_quality i on i.sample = s.id join index_stat t on t.image = i.image and t.name = ?
where s.collection = ? and t.median is not null
"""


@dataclass(frozen=True)
class Profiles:
    """An index's seasons of all N samples of a collection over its T slots, by sample number.

    slot_names: T ISO dates, or months as YYYY-MM.
    samples: (N,) int64 numbers; names, regions, states: (N,) str, state as in the view `label`.
    years, inventory, codes: (N,) int64; inventory code, and the code in force, 0 = rejected.
    verified: (N,) bool.
    values: (N, T) float64 medians over the field; NaN = no image. Of cloudy images too: mask with `clear`.
    days: (N, T) int64 day of year, 0 = no image.
    clear, interpolated: (N, T) bool; clear = the quality in force is ok.
    """

    index: str
    slot_names: tuple[str, ...]
    samples: np.ndarray
    names: np.ndarray
    regions: np.ndarray
    states: np.ndarray
    years: np.ndarray
    inventory: np.ndarray
    codes: np.ndarray
    verified: np.ndarray
    values: np.ndarray
    days: np.ndarray
    clear: np.ndarray
    interpolated: np.ndarray


@dataclass(frozen=True)
class Crop:
    """What one envelope is drawn of: a learned class with its codes, or one code of the legend."""

    name: str
    color: str
    codes: frozenset[int]


@dataclass(frozen=True)
class Filter:
    """Which samples and dates count. None = all.

    labels: "force" groups by the label in force, "inventory" by the inventory label.
    interpolated: whether dates that the source filled in by interpolation count.
    """

    labels: str = "force"
    region: str | None = None
    year: int | None = None
    verified: bool = False
    interpolated: bool = True


@dataclass(frozen=True)
class Envelope:
    """A crop's season over the K slots that have a clear image, ascending.

    rows: (M,) rows of the Profiles that belong to the crop; samples: how many of them have a clear date.
    slots, days, n, filled: (K,) int64; day of year, values counted, and how many of these are interpolated.
    p10, median, p90: (K,) float64.
    """

    crop: Crop
    rows: np.ndarray
    samples: int
    slots: np.ndarray
    days: np.ndarray
    n: np.ndarray
    filled: np.ndarray
    p10: np.ndarray
    median: np.ndarray
    p90: np.ndarray


@dataclass(frozen=True)
class Curve:
    """One sample's season over its K images, cloudy ones among them. slots, days: (K,); values: (K,) float64; the rest (K,) bool."""

    sample: int
    name: str
    slots: np.ndarray
    days: np.ndarray
    values: np.ndarray
    clear: np.ndarray
    interpolated: np.ndarray


def load(store: Store, collection: str, index: str) -> Profiles:
    """The seasons of an index of all samples of a collection, clear and cloudy.

    Raises:
        UnknownCollection: no collection of that name.
        UnknownIndex: no index of that name.
    """
    index = indices.named(index).name
    slot_names = catalogue.collection(store, collection).slot_names
    with store.reading() as db:
        db.conn.row_factory = None  # plain tuples: a third of the time at 80,000 values
        samples = list(zip(*db.execute(SAMPLES, [collection]), strict=True)) or [()] * 8
        stats = np.array(db.execute(VALUES, [index, collection]).fetchall(), dtype=np.float64).reshape(-1, 6)
    numbers, names, years, inventory, regions, codes, states, verified = samples
    numbers = np.array(numbers, dtype=np.int64)
    row, slot = np.searchsorted(numbers, stats[:, 0]), stats[:, 1].astype(np.int64)
    shape = (len(numbers), len(slot_names))
    days, clear, interpolated = np.zeros(shape, np.int64), np.zeros(shape, bool), np.zeros(shape, bool)
    values = np.full(shape, np.nan)
    for target, column in ((days, 2), (clear, 3), (interpolated, 4), (values, 5)):
        target[row, slot] = stats[:, column]
    whole = [np.array(column, dtype=np.int64) for column in (years, inventory, codes)]
    texts = [np.array(column, dtype=str) for column in (names, regions, states)]
    return Profiles(
        index, slot_names, numbers, *texts, *whole, np.array(verified, dtype=bool), values, days, clear, interpolated
    )  # fmt: skip


def version(store: Store) -> tuple[int, int]:
    """A stamp that changes whenever a decision or an import can have changed a profile: the newest event and image."""
    with store.reading() as db:
        row = db.execute("select coalesce((select max(id) from event), 0), coalesce((select max(id) from image), 0)").fetchone()
    return row[0], row[1]


def crops(store: Store, collection: str, by: str) -> list[Crop]:
    """What can be compared: by "class" the learned classes in their order, by "code" every code of the legend."""
    legend = catalogue.legend(store, collection)
    if by == "code":
        return [Crop(f"{entry.name} ({entry.code})", entry.color, frozenset([entry.code])) for entry in legend]
    return [
        Crop(learned.name, learned.color, frozenset(entry.code for entry in legend if entry.learned == learned.name))
        for learned in catalogue.learned(store, collection)
    ]


def members(profiles: Profiles, crop: Crop, where: Filter) -> np.ndarray:
    """(M,) rows of the samples of `crop` that the filter leaves."""
    codes = profiles.codes if where.labels == "force" else profiles.inventory
    kept = np.isin(codes, list(crop.codes))
    if where.region is not None:
        kept &= profiles.regions == where.region
    if where.year is not None:
        kept &= profiles.years == where.year
    if where.verified:
        kept &= profiles.verified
    return np.flatnonzero(kept)


def envelopes(profiles: Profiles, of: list[Crop], where: Filter) -> list[Envelope]:
    """The envelopes of those crops that have a clear date under the filter, by falling number of samples."""
    found = [_envelope(profiles, crop, members(profiles, crop, where), where) for crop in of]
    return sorted((envelope for envelope in found if envelope.samples), key=lambda envelope: -envelope.samples)


def _envelope(profiles: Profiles, crop: Crop, rows: np.ndarray, where: Filter) -> Envelope:
    counts = _counted(profiles, where)[rows]  # (M, T)
    slots = np.flatnonzero(counts.any(axis=0))
    values, days, filled = profiles.values[rows], profiles.days[rows], profiles.interpolated[rows]
    spread = np.array([np.percentile(values[counts[:, slot], slot], (10, 50, 90)) for slot in slots]).reshape(-1, 3)
    # A slot is one date, but over several years its day of year moves by one after a leap day.
    day = np.array([np.median(days[counts[:, slot], slot]) for slot in slots]).astype(np.int64)
    return Envelope(
        crop, rows, int(counts.any(axis=1).sum()), slots, day, counts.sum(axis=0)[slots],
        (counts & filled).sum(axis=0)[slots], *spread.T,
    )  # fmt: skip


def _counted(profiles: Profiles, where: Filter) -> np.ndarray:
    """(N, T) bool: the values that make envelopes."""
    counted = profiles.clear & np.isfinite(profiles.values)
    return counted if where.interpolated else counted & ~profiles.interpolated


def curve(profiles: Profiles, sample: int) -> Curve | None:
    """The season of one sample by its number, cloudy dates with it; None where the collection has no such sample."""
    row = int(np.searchsorted(profiles.samples, sample))
    if row == len(profiles.samples) or profiles.samples[row] != sample:
        return None
    slots = np.flatnonzero(np.isfinite(profiles.values[row]))
    columns = (profiles.days, profiles.values, profiles.clear, profiles.interpolated)
    return Curve(sample, str(profiles.names[row]), slots, *(column[row, slots] for column in columns))


def listing(profiles: Profiles, shown: list[Envelope], where: Filter, find: str = "") -> dict[str, np.ndarray]:
    """The samples behind the envelopes as columns of one length, the one farthest from its crop's median first.

    Args:
        find: only samples whose name, region or state holds this text; "" = all.

    Returns:
        "number" int64; "name", "crop", "state", "region" str; "year", "dates" (clear ones) int64; "off", the mean distance
        of the clear dates from the crop's median, in units of the index, NaN without a clear date.
    """
    counted = _counted(profiles, where)
    rows, crop_names, off = [np.empty(0, np.int64)], [np.empty(0, str)], [np.empty(0)]
    for envelope in shown:
        counts = counted[np.ix_(envelope.rows, envelope.slots)]
        distance = np.where(counts, np.abs(profiles.values[np.ix_(envelope.rows, envelope.slots)] - envelope.median), 0.0)
        with np.errstate(invalid="ignore"):
            off.append(distance.sum(axis=1) / counts.sum(axis=1))
        rows.append(envelope.rows)
        crop_names.append(np.full(len(envelope.rows), envelope.crop.name))
    at, crop, distances = np.concatenate(rows), np.concatenate(crop_names), np.concatenate(off)
    columns = {
        "number": profiles.samples[at], "name": profiles.names[at], "crop": crop, "state": profiles.states[at],
        "region": profiles.regions[at], "year": profiles.years[at], "dates": counted[at].sum(axis=1), "off": distances,
    }  # fmt: skip
    words = find.strip().lower()
    found = np.array([words in f"{name} {region} {state}".lower() for name, region, state in
                      zip(columns["name"], columns["region"], columns["state"], strict=True)], dtype=bool)  # fmt: skip
    order = np.argsort(-np.nan_to_num(distances, nan=-1.0), kind="stable")
    return {name: column[order][found[order]] for name, column in columns.items()}


def as_csv(profiles: Profiles, shown: list[Envelope], curves: list[Curve]) -> str:
    """The figure's numbers: one line a crop and date, then one a drawn sample and image."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["kind", "name", "index", "date", "day", "n", "interpolated", "clear", "p10", "median", "p90"])
    for envelope in shown:
        for slot, day, n, filled, *spread in zip(
            envelope.slots, envelope.days, envelope.n, envelope.filled, envelope.p10, envelope.median, envelope.p90, strict=True
        ):
            figures = [f"{value:.4f}" for value in spread]
            writer.writerow(["crop", envelope.crop.name, profiles.index, profiles.slot_names[slot], day, n, filled, n, *figures])
    for one in curves:
        for slot, day, value, clear, filled in zip(one.slots, one.days, one.values, one.clear, one.interpolated, strict=True):
            date = profiles.slot_names[slot]
            writer.writerow(["sample", one.name, profiles.index, date, day, 1, int(filled), int(clear), "", f"{value:.4f}", ""])
    return text.getvalue()


def by_crop(store: Store, collection: str, index: str) -> dict:
    """The season of every crop (label in force) as a JSON-ready record.

    Returns:
        {"collection", "index", "crops": [{"code", "name", "color", "samples", "dates": [{"date", "day", "n", "p10",
        "median", "p90"}]}]}, crops by falling number of samples, dates ascending; only dates with a clear image.

    Raises:
        UnknownCollection: no collection of that name.
        UnknownIndex: no index of that name.
    """
    profiles = load(store, collection, index)
    legend = {entry.code: entry for entry in catalogue.legend(store, collection)}
    singles = [Crop(entry.name, entry.color, frozenset([code])) for code, entry in legend.items()]
    records = [
        {
            "code": min(envelope.crop.codes), "name": envelope.crop.name, "color": envelope.crop.color, "samples": envelope.samples,
            "dates": [_date(profiles, envelope, at) for at in range(len(envelope.slots))],
        }
        for envelope in envelopes(profiles, singles, Filter())
    ]  # fmt: skip
    return {"collection": collection, "index": profiles.index, "crops": records}


def _date(profiles: Profiles, envelope: Envelope, at: int) -> dict:
    return {
        "date": profiles.slot_names[envelope.slots[at]], "day": int(envelope.days[at]), "n": int(envelope.n[at]),
        "p10": round(float(envelope.p10[at]), 4), "median": round(float(envelope.median[at]), 4), "p90": round(float(envelope.p90[at]), 4),
    }  # fmt: skip
