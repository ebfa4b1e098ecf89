"""Seasons of vegetation indices: single samples' and the envelopes of crops. Two SQL queries and NumPy; cloudy dates stay out.

Seasons are compared in the collection's bins (`data.seasons`): its slots, or ten-day periods where every sample has dates of its own.
"""

import csv
import io
from dataclasses import dataclass

import numpy as np

from data import catalogue, indices, packed, seasons, workspace
from data.catalogue import Collection
from data.store import Store
from data.workspace import Workspace

SAMPLES = """
select s.id, s.name, s.year, s.inventory_code, g.region, coalesce(l.code, -1) as code, l.state, l.verified
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
    """An index's seasons of all N samples of a collection over its K bins, by sample number.

    bins: K names of the bins, see `data.seasons.bins`.
    samples: (N,) int64 numbers; names, regions, states: (N,) str, state as in the view `label`.
    years, inventory, codes: (N,) int64; inventory code, and the code in force; 0 = no label known, -1 = rejected.
    verified: (N,) bool.
    values: (N, K) float64 medians over the field; NaN = no image. Of cloudy images too: mask with `clear`. Of several images in
        one bin the median of the clear ones, or of all where none is clear.
    days: (N, K) int64 day of year, the mean of these images'; 0 = no image.
    clear, interpolated: (N, K) bool; clear = the quality in force is ok; interpolated = all of these images are.
    """

    index: str
    bins: tuple[str, ...]
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
    """A crop's season over the J bins that have a clear image, ascending.

    rows: (M,) rows of the Profiles that belong to the crop; samples: how many of them have a clear date.
    bins, days, n, filled: (J,) int64; index of the bin, day of year, values counted, and how many of these are interpolated.
    p10, median, p90: (J,) float64.
    """

    crop: Crop
    rows: np.ndarray
    samples: int
    bins: np.ndarray
    days: np.ndarray
    n: np.ndarray
    filled: np.ndarray
    p10: np.ndarray
    median: np.ndarray
    p90: np.ndarray


@dataclass(frozen=True)
class Curve:
    """One sample's season over the J bins with an image of it, cloudy ones too. bins, days: (J,); values: (J,) float64; the rest bool."""

    sample: int
    name: str
    bins: np.ndarray
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
    entry = catalogue.collection(store, collection)
    with store.reading() as db:
        db.conn.row_factory = None  # plain tuples: a third of the time at 80,000 values
        samples = list(zip(*db.execute(SAMPLES, [collection]), strict=True)) or [()] * 8
    numbers, names, years, inventory, regions, codes, states, verified = samples
    whole = [np.array(column, dtype=np.int64) for column in (numbers, years, inventory, codes)]
    texts = [np.array(column, dtype=str) for column in (names, regions, states)]
    binned = values(store, entry, index, *whole[:2])
    return Profiles(index, seasons.bins(entry), whole[0], *texts, *whole[1:], np.array(verified, dtype=bool), *binned)


def values(store: Store, entry: Collection, index: str, numbers: np.ndarray, years: np.ndarray) -> tuple[np.ndarray, ...]:
    """The seasons of an index of samples whose numbers and years are known already, to read several indices of the same ones.

    Args:
        numbers, years: (N,) int64, by rising number.

    Returns:
        values, days, clear and interpolated, (N, K) each, as `Profiles` holds them.
    """
    shape = len(numbers), len(seasons.bins(entry))
    if entry.packed:
        return _packed(workspace.of(store), entry, index, numbers, years, shape)
    with store.reading() as db:
        db.conn.row_factory = None
        stats = np.array(db.execute(VALUES, [index, entry.name]).fetchall(), dtype=np.float64).reshape(-1, 6)
    stats = stats[np.isin(stats[:, 0], numbers)]  # an import may have added others in between
    row, slots, days = np.searchsorted(numbers, stats[:, 0]), stats[:, 1].astype(np.int64), stats[:, 2].astype(np.int64)
    at = seasons.bins_of(entry, slots, days, years[row])
    return in_bins(row, at, days, stats[:, 3] > 0, stats[:, 4] > 0, stats[:, 5], shape)


def _packed(
    home: Workspace, entry: Collection, index: str, numbers: np.ndarray, years: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, ...]:
    """`in_bins` of a packed collection's images, a shard at a time."""
    found = _nothing(shape)
    for block in packed.blocks(home, entry, numbers):
        values, rows = block.index(index), np.searchsorted(numbers, block.samples)
        row, slot = np.nonzero(np.isfinite(values))
        days = block.days[row, slot]
        at = seasons.bins_of(entry, slot, days, years[rows][row])
        clear, filled = block.quality[row, slot] == packed.OK, np.zeros(len(row), dtype=bool)
        binned = in_bins(row, at, days, clear, filled, values[row, slot], (len(rows), shape[1]))
        for target, part in zip(found, binned, strict=True):
            target[rows] = part
    return found


def in_bins(
    rows: np.ndarray, bins: np.ndarray, days: np.ndarray, clear: np.ndarray, filled: np.ndarray, values: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, ...]:
    """Images as `Profiles` holds them.

    Args:
        rows, bins, days, clear, filled, values: (n,) of n images: row of the sample and bin; day of year; whether the image is clear
            (bool) and interpolated (bool); median.
        shape: (N, K).

    Returns:
        values, days, clear and interpolated, (N, K) each.
    """
    places = rows * shape[1] + bins
    has_clear = np.zeros(shape[0] * shape[1], dtype=bool)
    has_clear[places[clear]] = True
    kept = np.flatnonzero(clear | ~has_clear[places])
    kept = kept[np.lexsort((values[kept], places[kept]))]
    at, starts, counts = np.unique(places[kept], return_index=True, return_counts=True)
    middles = (values[kept[starts + (counts - 1) // 2]] + values[kept[starts + counts // 2]]) / 2
    found = _nothing(shape)
    if len(at):
        mean_days = np.add.reduceat(days[kept], starts) // counts
        columns = (middles, mean_days, clear[kept[starts]], np.logical_and.reduceat(filled[kept], starts))
        for target, column in zip(found, columns, strict=True):
            target.flat[at] = column
    return found


def _nothing(shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """values, days, clear and interpolated of no image at all."""
    return np.full(shape, np.nan), np.zeros(shape, np.int64), np.zeros(shape, bool), np.zeros(shape, bool)


def version(store: Store) -> tuple[int, int, str]:
    """A stamp that changes whenever a decision, an import or an inventory can have changed a profile: the newest event and sample, and
    the collections' sides."""
    with store.reading() as db:
        row = db.execute(
            """select coalesce((select max(id) from event), 0), coalesce((select max(id) from sample), 0),
            (select group_concat(name || ' ' || side) from collection)"""
        ).fetchone()
    return row[0], row[1], row[2] or ""


def crops(store: Store, collection: str, by: str) -> list[Crop]:
    """What can be compared: by "class" the learned classes in their order, by "code" every code of the legend."""
    legend = catalogue.legend(store, collection)
    if by == "code":
        return [Crop(entry.title, entry.color, frozenset([entry.code])) for entry in legend]
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
    counts = _counted(profiles, where)[rows]  # (M, K)
    bins = np.flatnonzero(counts.any(axis=0))
    values, days, filled = profiles.values[rows], profiles.days[rows], profiles.interpolated[rows]
    spread = np.array([np.percentile(values[counts[:, at], at], (10, 50, 90)) for at in bins]).reshape(-1, 3)
    # A bin is one date, but over several years its day of year moves by one after a leap day.
    day = np.array([np.median(days[counts[:, at], at]) for at in bins]).astype(np.int64)
    return Envelope(
        crop, rows, int(counts.any(axis=1).sum()), bins, day, counts.sum(axis=0)[bins],
        (counts & filled).sum(axis=0)[bins], *spread.T,
    )  # fmt: skip


def _counted(profiles: Profiles, where: Filter) -> np.ndarray:
    """(N, K) bool: the values that make envelopes."""
    counted = profiles.clear & np.isfinite(profiles.values)
    return counted if where.interpolated else counted & ~profiles.interpolated


def curve(profiles: Profiles, sample: int) -> Curve | None:
    """The season of one sample by its number, cloudy dates with it; None where the collection has no such sample."""
    row = int(np.searchsorted(profiles.samples, sample))
    if row == len(profiles.samples) or profiles.samples[row] != sample:
        return None
    bins = np.flatnonzero(np.isfinite(profiles.values[row]))
    columns = (profiles.days, profiles.values, profiles.clear, profiles.interpolated)
    return Curve(sample, str(profiles.names[row]), bins, *(column[row, bins] for column in columns))


def listing(profiles: Profiles, shown: list[Envelope], where: Filter, find: str = "") -> dict[str, np.ndarray]:
    """The samples behind the envelopes as columns of one length, the one farthest from its crop's median first.

    Args:
        find: only samples whose name, region or state holds this text; "" = all.

    Returns:
        "number" int64; "name", "crop", "state", "region" str; "year", "dates" (bins with a clear one) int64; "off", the mean distance
        of the clear dates from the crop's median, in units of the index, NaN without a clear date.
    """
    counted = _counted(profiles, where)
    rows, crop_names, off = [np.empty(0, np.int64)], [np.empty(0, str)], [np.empty(0)]
    for envelope in shown:
        counts = counted[np.ix_(envelope.rows, envelope.bins)]
        distance = np.where(counts, np.abs(profiles.values[np.ix_(envelope.rows, envelope.bins)] - envelope.median), 0.0)
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
        for at, day, n, filled, *spread in zip(
            envelope.bins, envelope.days, envelope.n, envelope.filled, envelope.p10, envelope.median, envelope.p90, strict=True
        ):
            figures = [f"{value:.4f}" for value in spread]
            writer.writerow(["crop", envelope.crop.name, profiles.index, profiles.bins[at], day, n, filled, n, *figures])
    for one in curves:
        for at, day, value, clear, filled in zip(one.bins, one.days, one.values, one.clear, one.interpolated, strict=True):
            date = profiles.bins[at]
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
            "dates": [_date(profiles, envelope, at) for at in range(len(envelope.bins))],
        }
        for envelope in envelopes(profiles, singles, Filter())
    ]  # fmt: skip
    return {"collection": collection, "index": profiles.index, "crops": records}


def _date(profiles: Profiles, envelope: Envelope, at: int) -> dict:
    return {
        "date": profiles.bins[envelope.bins[at]], "day": int(envelope.days[at]), "n": int(envelope.n[at]),
        "p10": round(float(envelope.p10[at]), 4), "median": round(float(envelope.median[at]), 4), "p90": round(float(envelope.p90[at]), 4),
    }  # fmt: skip
