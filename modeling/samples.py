"""What a run learns from: the collection's samples, the class that the chosen labels give each, and the dataset version.

NumPy and the store only. Which label is in force is the database's view `label`; nothing of it is decided here. Code 0 is no label,
whatever a legend says of it.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from data import catalogue
from data.errors import CannotTrain
from data.store import Store

QUERY = """
select s.id, s.name, s.site, s.year, s.inventory_code, i.region, i.lon, i.lat, s.shard, s.shard_row, l.verified,
    own.learned as inventory_class, force.learned as class_in_force
from sample s
join site i on i.id = s.site
join label l on l.sample = s.id
left join legend_class own on own.collection = s.collection and own.code = s.inventory_code and own.code != 0
left join legend_class force on force.collection = s.collection and force.code = l.code and force.code != 0
where s.collection = ? order by s.id
"""
COLUMNS = (
    "id", "name", "site", "year", "region", "lon", "lat", "shard", "shard_row", "inventory_code", "inventory_class", "verified",
)  # fmt: skip
UNLABELLED = -1


@dataclass(frozen=True)
class Samples:
    """All samples of a collection, in the order of their numbers. Arrays are (N,).

    classes: names of the learned classes that have samples, in their fixed order.
    truth: int64 position in `classes`; UNLABELLED (-1) where the chosen labels give none.
    inventory: int64 position in all learned classes by the inventory; -1 where its code is in none. Splits go by it.
    verified: bool, whether a curator agreed with the label or gave it.
    codes: int64 inventory code of the sample, 0 = none.
    regions, years: of the sample. lon, lat: EPSG:4326.
    last_event: the newest decision known to this reading.
    """

    collection: str
    classes: tuple[str, ...]
    ids: np.ndarray
    names: tuple[str, ...]
    sites: np.ndarray
    regions: np.ndarray
    years: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    shards: tuple[str, ...]
    rows: np.ndarray
    truth: np.ndarray
    inventory: np.ndarray
    verified: np.ndarray
    codes: np.ndarray
    last_event: int

    def __len__(self) -> int:
        return len(self.ids)

    def content_hash(self, parts: np.ndarray) -> str:
        """A hash of (sample, class, part) of every labelled sample: two runs with the same one learned from the same."""
        digest = hashlib.sha256()
        for name, truth, part in zip(self.names, self.truth, parts, strict=True):
            if truth != UNLABELLED:
                digest.update(f"{name}\t{self.classes[truth]}\t{part}\n".encode())
        return digest.hexdigest()


def load(store: Store, collection: str, labels: str) -> Samples:
    """The samples of `collection` with their class by `labels`: inventory, verified or mixed.

    inventory takes the map's label, mixed the label in force (none for a rejected sample), verified the label in force of
    samples that a curator agreed with or relabelled.

    Raises:
        UnknownCollection: no collection of that name.
        CannotTrain: the labels leave fewer than two classes, or a class with one sample.
    """
    names = [entry.name for entry in catalogue.learned(store, catalogue.collection(store, collection).name)]
    rows, last_event = _rows(store, collection)
    chosen = [_class(row, labels) for row in rows]
    classes = tuple(name for name in names if name in set(chosen))
    _check(collection, labels, classes, chosen)
    return _samples(collection, names, classes, rows, chosen, last_event)


def everything(store: Store, collection: str, classes: tuple[str, ...]) -> Samples:
    """All samples of `collection`, none of them labelled: what a trained model with these `classes` predicts.

    Raises:
        UnknownCollection: no collection of that name.
    """
    names = [entry.name for entry in catalogue.learned(store, catalogue.collection(store, collection).name)]
    rows, last_event = _rows(store, collection)
    return _samples(collection, names, classes, rows, [None] * len(rows), last_event)


def _rows(store: Store, collection: str) -> tuple[list, int]:
    """The collection's samples, and the newest decision, of one consistent state."""
    with store.reading() as db:
        return db.execute(QUERY, [collection]).fetchall(), db.execute("select coalesce(max(id), 0) from event").fetchone()[0]


def _samples(collection: str, names: list[str], classes: tuple[str, ...], rows: list, chosen: list, last_event: int) -> Samples:
    columns = {key: [row[key] for row in rows] for key in COLUMNS}
    return Samples(
        collection, classes, np.array(columns["id"]), tuple(columns["name"]), np.array(columns["site"]),
        np.array(columns["region"]), np.array(columns["year"]), np.array(columns["lon"]), np.array(columns["lat"]),
        tuple(columns["shard"]), np.array(columns["shard_row"]),
        _positions(chosen, classes), _positions(columns["inventory_class"], names),
        np.array(columns["verified"], dtype=bool), np.array(columns["inventory_code"]), last_event,
    )  # fmt: skip


def _class(row, labels: str) -> str | None:
    if labels == "inventory":
        return row["inventory_class"]
    if labels == "verified" and not row["verified"]:
        return None
    return row["class_in_force"]


def _positions(values: list[str | None], classes: list[str] | tuple[str, ...]) -> np.ndarray:
    position = {name: index for index, name in enumerate(classes)}
    return np.array([position.get(value, UNLABELLED) for value in values], dtype=np.int64)


def _check(collection: str, labels: str, classes: tuple[str, ...], chosen: list[str | None]) -> None:
    if labels == "verified" and not classes:
        raise CannotTrain(
            f"No sample of {collection} has a verified label in a learned class yet. Verify some first, "
            "or train on the labels 'inventory' or 'mixed'."
        )
    if len(classes) < 2:
        what = f"only the class {classes[0]!r}" if classes else "no learned class"
        raise CannotTrain(
            f"The {labels} labels of {collection} hold {what}; a model needs at least two. Verify samples of other crops, "
            "or train on other labels."
        )
    single = [name for name in classes if chosen.count(name) == 1]
    if single:
        raise CannotTrain(
            f"{_listed(single)} with these {labels} labels of {collection}; a class needs at least 2, one to learn from and one to "
            "judge by. Verify more samples of it, relabel it, or train on other labels."
        )


def _listed(names: list[str]) -> str:
    quoted = ", ".join(repr(name) for name in names)
    return f"The class {quoted} has one sample" if len(names) == 1 else f"The classes {quoted} have one sample each"
