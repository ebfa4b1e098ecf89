"""What changed between two dataset versions of a collection: labels, states, flags and image qualities, sample by sample."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from sqlite3 import Row

from sqlite_utils import Database

from data import catalogue, versions
from data.sheets import as_csv
from data.store import Store
from data.versions import Version

KINDS = ("label", "state", "flag", "quality")
REJECTED = "rejected"
TABLE = ("name", "kinds", "label_before", "label_after", "state_before", "state_after", "flagged_before", "flagged_after", "images")
IMAGE = "select i.quality from image i join sample s on s.id = i.sample where s.id = ? and i.slot = ?"


@dataclass(frozen=True)
class Change:
    """A sample that two versions say different things of.

    kinds: those of KINDS that differ. code: the label's, None = rejected. images: how many differ in their quality.
    """

    sample: int
    name: str
    kinds: tuple[str, ...]
    code_before: int | None
    code_after: int | None
    state_before: str
    state_after: str
    flagged_before: bool
    flagged_after: bool
    images: int


@dataclass(frozen=True)
class Difference:
    """Between two versions of a collection. samples: how many it has. changes: the samples that differ, by name."""

    before: Version
    after: Version
    samples: int
    changes: tuple[Change, ...]

    @property
    def by_kind(self) -> dict[str, int]:
        """Kind -> samples that differ in it; a sample may count under several."""
        counts = Counter(kind for change in self.changes for kind in change.kinds)
        return {kind: counts[kind] for kind in KINDS}

    @property
    def by_pair(self) -> list[tuple[int | None, int | None, int]]:
        """(code before, code after, samples) of the labels that differ, the most frequent first; None = rejected."""
        counts = Counter((change.code_before, change.code_after) for change in self.changes if "label" in change.kinds)
        return [(*pair, count) for pair, count in sorted(counts.items(), key=lambda entry: (-entry[1], str(entry[0])))]


def between(store: Store, collection: str, before: str | None, after: str | None) -> Difference:
    """The difference of two versions, each named as `versions.resolve` takes it; None = the current one.

    Raises:
        UnknownCollection: there is no such collection.
        BadInput: one is no version of it, or cannot be made again.
    """
    first, second = versions.resolve(store, collection, before), versions.resolve(store, collection, after)
    with store.reading() as db:
        marked = tuple(versions.marks(db, collection, version.event) for version in (first, second))
        samples, changes = 0, []
        for one, other in _labels(db, collection, first.event, second.event):
            samples += 1
            change = _change(db, one, other, *(marks.get(one["name"], {}) for marks in marked))
            if change.kinds:
                changes.append(change)
    return Difference(first, second, samples, tuple(changes))


def crops(store: Store, collection: str) -> dict[int | None, str]:
    """Code -> code and crop; None is a rejected sample."""
    return {None: REJECTED} | {entry.code: f"{entry.code} {entry.name}" for entry in catalogue.legend(store, collection)}


def table(found: Difference, names: dict[int | None, str]) -> str:
    """The samples that differ, a row each, as CSV; `names` as `crops` gives them."""
    rows = [
        vars(change) | {"kinds": " ".join(change.kinds), "label_before": names[change.code_before], "label_after": names[change.code_after]}
        for change in found.changes
    ]
    return as_csv(TABLE, rows)


def _labels(db: Database, collection: str, before: int, after: int) -> Iterator[tuple[Row, Row]]:
    """Each sample's label at two events, read a page at a time."""
    last = ""
    while True:
        pages = [
            db.execute(versions.LABELS_AT, versions.page(collection, event, after=last, count=versions.PAGE)).fetchall()
            for event in (before, after)
        ]
        if not pages[0]:
            return
        yield from zip(*pages, strict=True)
        last = pages[0][-1]["name"]


def _change(db: Database, one: Row, other: Row, marks_before: dict[int, str], marks_after: dict[int, str]) -> Change:
    images = 0
    for slot in {*marks_before, *marks_after} if marks_before != marks_after else ():
        imported = db.execute(IMAGE, [one["sample"], slot]).fetchone()["quality"]
        images += marks_before.get(slot, imported) != marks_after.get(slot, imported)
    differs = (one["code"] != other["code"], one["state"] != other["state"], one["flagged"] != other["flagged"], images > 0)
    return Change(
        one["sample"], one["name"], tuple(kind for kind, changed in zip(KINDS, differs, strict=True) if changed), one["code"],
        other["code"], one["state"], other["state"], bool(one["flagged"]), bool(other["flagged"]), images,
    )  # fmt: skip
