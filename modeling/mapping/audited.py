"""The reference sample of a map: samples of the random audit that lie on it, with what the map says there and what curators found.

What counts is what `labeling.trust` counts, too: the samples with an inventory label, from the beginning of the collection's fixed random
order as far as the audit was worked through; `data.audited` says how far. Of these the ones of the map's years that lie where it predicts
are, given their number, a simple random sample of all such samples of the collection.

The truth is the class of the label in force; "other" where that is no class of the map or the sample was rejected as no cropland. What was
rejected otherwise, or could not be told, has none. The map says of a sample what most pixels of its field are, or the pixel at its site.
"""

from dataclasses import dataclass

import numpy as np

from data import audited
from data.importing import NO_LABEL
from data.mapped import sampling
from data.mapped.folder import Map
from data.store import Store
from modeling import splits

OTHER = -1  # truth that is no class of the map
UNTOLD = -2  # nobody can say, or nobody has said yet

# In the fixed random order, with the place in it.
SAMPLES = """
select s.year, t.lon, t.lat, t.polygon, t.region, l.code, l.state, l.reason, p.part, p.truth is not null as had_label,
    row_number() over (order by s.shuffle, s.id) as place
from sample s join site t on t.id = s.site join label l on l.sample = s.id left join prediction p on p.sample = s.id and p.run = ?
where s.collection = ? and s.inventory_code <> ? order by place
"""
# Of the samples that the audits reach, those with a label.
REACHED = """
select count(*) from (select inventory_code from sample where collection = ? order by shuffle, id limit ?) where inventory_code <> ?
"""


@dataclass(frozen=True)
class Reference:
    """Samples on a map, N of the collection with an inventory label and of the map's years, in the fixed random order.

    lon, lat: (N,) EPSG:4326. regions: (N,) str, the sites' own.
    mapped: (N,) int64 position among the map's classes.
    truth: (N,) int64 likewise, or OTHER or UNTOLD.
    counts: (N,) bool, whether the sample lies in the part of the audit that counts.
    learned: (N,) bool, whether the map's run learned from the sample or chose its best epoch by it.
    asked: how far the collection's audits reach. elsewhere: samples of the part that counts that are of other years or not on the map.
    """

    lon: np.ndarray
    lat: np.ndarray
    regions: np.ndarray
    mapped: np.ndarray
    truth: np.ndarray
    counts: np.ndarray
    learned: np.ndarray
    asked: int
    elsewhere: int


def reference(store: Store, made: Map) -> Reference:
    """The samples on a map.

    Raises:
        BadInput: a raster of the map is missing or cut short.
    """
    with store.reading() as db:
        asked = audited.asked(db, made.collection)
        reached = db.execute(REACHED, [made.collection, asked, NO_LABEL.code]).fetchone()[0]
        rows = db.execute(SAMPLES, [made.run, made.collection, NO_LABEL.code]).fetchall()
    worked = audited.worked_through([row["state"] != "unverified" for row in rows[:reached]])
    years = {day.year for day in made.stack.dates}
    here = [row for row in rows if row["year"] in years]
    mapped = _said(made, here)
    on_map = np.flatnonzero(mapped >= 0)
    here = [here[at] for at in on_map]
    counts = np.array([row["place"] <= worked for row in here], dtype=bool)
    return Reference(
        *(np.array([row[name] for row in here], dtype=kind) for name, kind in (("lon", float), ("lat", float), ("region", str))),
        mapped[on_map], np.array([_truth(made, row) for row in here], dtype=np.int64), counts,
        np.array([_taught(row) for row in here], dtype=bool), asked, worked - int(counts.sum()),
    )  # fmt: skip


def _said(made: Map, rows: list) -> np.ndarray:
    """(N,) the positions of the classes that the map has at samples, -1 where it has none."""
    if not rows:
        return np.zeros(0, dtype=np.int64)
    places = (np.array([row[name] for row in rows]) for name in ("lon", "lat"))
    codes = sampling.at_samples(made, *places, [row["polygon"] for row in rows]).codes
    position = {entry.code: at for at, entry in enumerate(made.classes)}
    return np.array([position.get(int(code), -1) for code in codes], dtype=np.int64)


def _truth(made: Map, row) -> int:
    if row["state"] in ("agreed", "relabelled"):
        return next((at for at, entry in enumerate(made.classes) if row["code"] in entry.codes), OTHER)
    return OTHER if row["state"] == "rejected" and row["reason"] == "not_cropland" else UNTOLD


def _taught(row) -> bool:
    """Whether a sample taught the run, or chose its best epoch. With folds, a map is made by the networks of all folds."""
    part = row["part"] or splits.OUTSIDE
    return bool(row["had_label"]) and (part in (splits.TRAIN, splits.VALIDATION) or part.startswith(splits.FOLD))
