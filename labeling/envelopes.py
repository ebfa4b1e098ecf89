"""How verified samples of a class look through the season: the range that a card's curve is held against.

Seasons are compared in the collection's bins (`data.seasons`); of a sample's several images in one bin the median counts.
Values are read with one query and kept for REFRESH_SECONDS a collection, so that a queue of cards does not read them again and
again; a card leaves its own sample out.
"""

import threading
import time
from dataclasses import dataclass, field

import numpy as np

from data import catalogue, indices, profiles, seasons
from data.store import Store

FEWEST = 20  # verified samples below which no envelope is drawn
MOST = 400  # newest verified samples of a class that are taken; more would not move the percentiles
MOST_DATES = 5_600  # of these samples together, so that long seasons are read as quickly; but FEWEST_TAKEN samples in any case
FEWEST_TAKEN = 80
REFRESH_SECONDS = 10.0
INDEX_NAMES = tuple(indices.INDICES)

VALUES = """
with verified as (
    select s.id as sample, coalesce(g.learned, g.name) as class,
        row_number() over (partition by coalesce(g.learned, g.name) order by e.id desc) as newest
    from sample s join event e on e.id = s.decision
    join legend_class g on g.collection = s.collection and g.code = cast(e.new as integer)
    where s.collection = ? and s.decision is not null and e.action in ('agree', 'relabel')
)
select v.class, v.sample, s.year, i.slot, i.day, t.name, t.median
from verified v
join sample s on s.id = v.sample
join image_quality i on i.sample = v.sample and i.quality = 'ok'
join index_stat t on t.image = i.image and t.median is not null
where v.newest <= ?
"""


@dataclass
class Envelope:
    """The verified samples of one class.

    samples: (n,) numbers.
    values: (n, I, K) float32, indices in the order of INDEX_NAMES, K bins; NaN where there is no clear image.
    """

    samples: list[int]
    values: np.ndarray
    whole: dict | None = field(default=None)

    def record(self, without: int) -> dict:
        """JSON-ready: n and, from FEWEST on, per index a list of [p10, median, p90] or None per bin, leaving one sample out."""
        if without in self.samples:
            kept = [place for place, sample in enumerate(self.samples) if sample != without]
            return _spread(self.values[kept])
        if self.whole is None:
            self.whole = _spread(self.values)
        return self.whole


def _spread(values: np.ndarray) -> dict:
    """(n, I, K) -> {"n", "bands": {index: [[p10, median, p90] | None, ...]}}."""
    if len(values) < FEWEST:
        return {"n": len(values), "bands": {}}
    seen = np.isfinite(values).sum(axis=0) >= FEWEST / 2  # (I, K); a bin that few saw says nothing
    spread = np.nanpercentile(np.where(seen, values, 0), (10, 50, 90), axis=0).round(3)  # (3, I, K)
    return {
        "n": len(values),
        "bands": {
            name: [spread[:, row, at].tolist() if seen[row, at] else None for at in range(values.shape[2])]
            for row, name in enumerate(INDEX_NAMES)
            if seen[row].any()
        },
    }


_kept: dict[tuple[str, str], tuple[float, dict[str, Envelope]]] = {}
_lock = threading.Lock()


def of_collection(store: Store, collection: str, *, max_age: float = REFRESH_SECONDS) -> dict[str, Envelope]:
    """Class name -> its verified samples, at most `max_age` seconds old."""
    key = (str(store.path), collection)
    with _lock:
        read_at, envelopes = _kept.get(key, (-np.inf, {}))
        if time.monotonic() - read_at >= max_age:
            envelopes = _read(store, collection)
            _kept[key] = (time.monotonic(), envelopes)
        return envelopes


def _read(store: Store, collection: str) -> dict[str, Envelope]:
    entry = catalogue.collection(store, collection)
    most = min(MOST, max(FEWEST_TAKEN, MOST_DATES // entry.slots))
    with store.reading() as db:
        db.conn.row_factory = None  # plain tuples: there may be half a million
        rows = db.execute(VALUES, [collection, most]).fetchall()
    numbers: dict[str, dict[int, int]] = {}
    for row in rows:
        numbers.setdefault(row[0], {}).setdefault(row[1], len(numbers[row[0]]))
    rows_of = {name: row for row, name in enumerate(INDEX_NAMES)}
    of_class: dict[str, list[tuple]] = {name: [] for name in numbers}
    for name, sample, year, slot, day, index, median in rows:
        if index in rows_of:
            of_class[name].append((numbers[name][sample] * len(INDEX_NAMES) + rows_of[index], year, slot, day, median))
    return {name: Envelope(list(samples), _binned(entry, len(samples), of_class[name])) for name, samples in numbers.items()}


def _binned(entry: catalogue.Collection, samples: int, images: list[tuple]) -> np.ndarray:
    """(row of sample and index, year, slot, day, median) of clear images -> (n, I, K)."""
    row, year, slot, day, median = np.array(images, dtype=np.float64).reshape(-1, 5).T
    rows, slots, days = row.astype(np.int64), slot.astype(np.int64), day.astype(np.int64)
    at, clear = seasons.bins_of(entry, slots, days, year.astype(np.int64)), np.ones(len(rows), dtype=bool)
    shape = (samples * len(INDEX_NAMES), len(seasons.bins(entry)))
    values = profiles.in_bins(rows, at, days, clear, ~clear, median, shape)[0]
    return values.astype(np.float32).reshape(samples, len(INDEX_NAMES), shape[1])
