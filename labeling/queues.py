"""Queues: ordered lists of samples to look at, each with the reason why it is there.

A queue is a filter and an order, not a stored list: the next cards are index seeks from a cursor, so their cost does not grow
with the collection, and nothing that a colleague does moves the cards under the cursor.
"""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from data.errors import BadInput
from data.store import Store

KINDS = {
    "unverified": "Unverified",
    "all": "All samples",
    "crop": "One crop",
    "region": "One region",
    "cell": "Confusion cell",
    "random": "Random order",
}
VALUES = {"crop": 1, "region": 1, "cell": 3}
# A cell's samples as the confusion matrix counts them: those that the run was judged by.
CELL = """s.id in (select p.sample from prediction p where p.run = ? and p.truth = ? and p.predicted = ?
    and (p.part = 'test' or p.part like 'fold-%'))"""


@dataclass(frozen=True)
class Queue:
    """A filter and an order over the samples of a collection.

    kind: a key of `KINDS`.
    values: the crop's code; the region; or run, true class and predicted class of a confusion cell.
    """

    collection: str
    kind: str = "unverified"
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS or len(self.values) != VALUES.get(self.kind, 0) or not all(self.values):
            raise BadInput(
                f"There is no queue {self.text!r}; choose unverified, all, random, crop:CODE, region:NAME or cell:RUN:TRUTH:PREDICTED."
            )

    @property
    def text(self) -> str:
        """The queue as one word for addresses and events, e.g. "crop:146"."""
        return ":".join((self.kind, *(quote(value, safe=" ") for value in self.values)))

    @classmethod
    def parse(cls, collection: str, text: str) -> "Queue":
        """The queue that `text` names.

        Raises:
            BadInput: it names none.
        """
        kind, *values = text.split(":")
        return cls(collection, kind, tuple(unquote(value) for value in values))

    @property
    def reason(self) -> str:
        """Why a sample is in this queue, for the card."""
        match self.kind:
            case "unverified":
                return "not verified yet"
            case "crop":
                return "its inventory label"
            case "region":
                return f"it lies in {self.values[0]}"
            case "cell":
                return f"run {self.values[0]}: labelled {self.values[1]}, predicted {self.values[2]}"
            case "random":
                return "random order"
        return "all samples of the collection"

    @property
    def _key(self) -> str:
        return "s.shuffle" if self.kind == "random" else "s.id"

    def _members(self) -> tuple[str, list]:
        """The condition on `sample s` that says who belongs to the queue, whatever has been decided."""
        match self.kind:
            case "crop":
                return "s.collection = ? and s.inventory_code = ?", [
                    self.collection,
                    int(self.values[0]) if self.values[0].isdigit() else -1,
                ]
            case "region":
                return "s.collection = ? and s.site in (select id from site where collection = ? and region = ?)", [
                    self.collection, self.collection, self.values[0],
                ]  # fmt: skip
            case "cell":
                return f"s.collection = ? and {CELL}", [self.collection, *self.values]
        return "s.collection = ?", [self.collection]

    def after(self, store: Store, cursor: int | None, limit: int) -> list[int]:
        """Numbers of the next samples after the sample `cursor` (from the first, if None); of "unverified" the open ones."""
        condition, values = self._members()
        if self.kind == "unverified":
            condition += " and s.decision is null"
        return self._seek(store, condition, values, cursor, limit, ">", "asc")

    def before(self, store: Store, cursor: int, limit: int) -> list[int]:
        """Numbers of the samples before `cursor`, nearest first, decided ones too: the way back never has gaps."""
        return self._seek(store, *self._members(), cursor, limit, "<", "desc")

    def _seek(self, store: Store, condition: str, values: list, cursor: int | None, limit: int, side: str, order: str) -> list[int]:
        with store.reading() as db:
            if cursor is not None:
                condition += f" and {self._key} {side} (select {self._key.replace('s.', '')} from sample where id = ?)"
                values = [*values, cursor]
            sql = f"select s.id from sample s where {condition} order by {self._key} {order} limit ?"
            return [row["id"] for row in db.execute(sql, [*values, limit])]

    def holds(self, store: Store, sample: int) -> bool:
        """Whether the sample belongs to the queue, decided or not."""
        condition, values = self._members()
        with store.reading() as db:
            return db.execute(f"select 1 from sample s where {condition} and s.id = ?", [*values, sample]).fetchone() is not None

    def size(self, store: Store) -> tuple[int, int]:
        """How many samples belong to the queue, and how many of them are decided."""
        condition, values = self._members()
        with store.reading() as db:
            return tuple(db.execute(f"select count(*), count(s.decision) from sample s where {condition}", values).fetchone())

    def position(self, store: Store, sample: int) -> int:
        """The sample's place in the queue, counted from 1."""
        condition, values = self._members()
        key = self._key
        with store.reading() as db:
            sql = f"select count(*) from sample s where {condition} and {key} <= (select {key.replace('s.', '')} from sample where id = ?)"
            return db.execute(sql, [*values, sample]).fetchone()[0]


def start(queue: Queue, store: Store) -> int | None:
    """The first sample to show: the first open one, or the first of all where every one is decided; None of an empty queue."""
    condition, values = queue._members()
    with store.reading() as db:
        for extra in (" and s.decision is null", ""):
            sql = f"select s.id from sample s where {condition}{extra} order by {queue._key} limit 1"
            if row := db.execute(sql, values).fetchone():
                return row["id"]
    return None


def crops(store: Store, collection: str) -> dict[int, str]:
    """The codes that samples of the collection carry, most frequent first, with their names and counts."""
    with store.reading() as db:
        rows = db.execute(
            """select s.inventory_code, l.name, count(*) as n from sample s
            join legend_class l on l.collection = s.collection and l.code = s.inventory_code
            where s.collection = ? group by 1 order by n desc""",
            [collection],
        )
        return {row["inventory_code"]: f"{row['name']} ({row['n']:,})" for row in rows}


def regions(store: Store, collection: str) -> list[str]:
    """The regions of the collection's sites."""
    with store.reading() as db:
        return [row["region"] for row in db.execute("select distinct region from site where collection = ? order by 1", [collection])]
