"""How verified samples of a class look through the season: the range that a card's curve is held against.

Values are read with one query and kept for REFRESH_SECONDS a collection, so that a queue of cards does not read them again and
again; a card leaves its own sample out.
"""

import threading
import time
from dataclasses import dataclass, field

import numpy as np

from data import indices
from data.store import Store

FEWEST = 20  # verified samples below which no envelope is drawn
MOST = 400  # newest verified samples of a class that are taken; more would not move the percentiles
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
select v.class, v.sample, i.slot, t.name, t.median
from verified v
join image_quality i on i.sample = v.sample and i.quality = 'ok'
join index_stat t on t.image = i.image and t.median is not null
where v.newest <= ?
"""


@dataclass
class Envelope:
    """The verified samples of one class.

    samples: (n,) numbers.
    values: (n, I, T) float32, indices in the order of INDEX_NAMES; NaN where there is no clear image.
    """

    samples: list[int]
    values: np.ndarray
    whole: dict | None = field(default=None)

    def record(self, without: int) -> dict:
        """JSON-ready: n and, from FEWEST on, per index a list of [p10, median, p90] or None per date, leaving one sample out."""
        if without in self.samples:
            kept = [place for place, sample in enumerate(self.samples) if sample != without]
            return _spread(self.values[kept])
        if self.whole is None:
            self.whole = _spread(self.values)
        return self.whole


def _spread(values: np.ndarray) -> dict:
    """(n, I, T) -> {"n", "bands": {index: [[p10, median, p90] | None, ...]}}."""
    if len(values) < FEWEST:
        return {"n": len(values), "bands": {}}
    seen = np.isfinite(values).sum(axis=0) >= FEWEST / 2  # (I, T); a date that few saw says nothing
    spread = np.nanpercentile(np.where(seen, values, 0), (10, 50, 90), axis=0).round(3)  # (3, I, T)
    return {
        "n": len(values),
        "bands": {
            name: [spread[:, row, slot].tolist() if seen[row, slot] else None for slot in range(values.shape[2])]
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
    with store.reading() as db:
        slots = db.execute("select slots from collection where name = ?", [collection]).fetchone()["slots"]
        rows = db.execute(VALUES, [collection, MOST]).fetchall()
    numbers: dict[str, dict[int, int]] = {}
    for row in rows:
        numbers.setdefault(row["class"], {}).setdefault(row["sample"], len(numbers[row["class"]]))
    envelopes = {
        name: Envelope(list(samples), np.full((len(samples), len(INDEX_NAMES), slots), np.nan, dtype=np.float32))
        for name, samples in numbers.items()
    }
    rows_of = {name: row for row, name in enumerate(INDEX_NAMES)}
    for row in rows:
        if row["name"] in rows_of:
            place = numbers[row["class"]][row["sample"]], rows_of[row["name"]], row["slot"]
            envelopes[row["class"]].values[place] = row["median"]
    return envelopes
