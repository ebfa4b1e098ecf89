"""Ordered lists of samples to look at, each entry with the reason why it is there. Reads only.

A queue is a rule and an order, read page by page from the sample at hand on (keyset seeks, no OFFSET), so the next sample costs
the same in a collection of any size. One that has to be worked out is stored by `labeling.worklists` and is read here as kind `list`:
its order stays until another is made.
"""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from sqlite_utils import Database

from data.errors import BadInput, UnknownSample
from data.importing import NO_LABEL
from data.store import Store
from labeling import leases, looks

KINDS = {  # kind -> number of values
    "all": 0, "unverified": 0, "crop": 1, "region": 1, "cell": 3, "random": 0, "suspects": 1, "second": 0, "conflicts": 0, "list": 1,
}  # fmt: skip
# Kinds whose reason says nothing of a sample's label and of what a run reads there.
TELLS_NOTHING = ("all", "unverified", "random", "region", "second", "conflicts", "audit")
JUDGED = "(p.part = 'test' or p.part like 'fold-%')"  # predictions on samples that the run did not learn from


@dataclass(frozen=True)
class Queue:
    """Which samples, in which order.

    kind: all; unverified (without a decision); crop (an inventory code); region; cell (run, truth, predicted: a cell of its
        confusion matrix); random (all, in a fixed shuffled order); suspects (run: the samples whose labels it judged, the label
        most likely wrong first); second (decided by somebody else, for a second look); conflicts (two curators differ: for a
        reviewer); list (the number of a stored queue).
    values: what the kind needs.
    """

    kind: str = "all"
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ":".join([self.kind, *(quote(value, safe="") for value in self.values)])

    @property
    def look(self) -> str:
        """What a decision from this queue is meant to be, see `labeling.looks`."""
        return {"second": looks.SECOND, "conflicts": looks.ADJUDICATION}.get(self.kind, looks.FIRST)


@dataclass(frozen=True)
class Entry:
    """A sample's place in a queue: its number, its position from 1, why it is there, and the kind of queue that it comes from."""

    sample: int
    rank: int
    reason: str
    kind: str


def parse(text: str) -> Queue:
    """The queue that `str(queue)` wrote, as in a page's address.

    Raises:
        BadInput: no such kind, or the wrong number of values.
    """
    kind, *values = text.split(":")
    if kind not in KINDS or len(values) != KINDS[kind] or (kind in ("crop", "list") and not values[0].isdecimal()):
        raise BadInput(
            f"There is no queue {text!r}. Use all, unverified, random, second, conflicts, crop:CODE, region:NAME, "
            "cell:RUN:TRUTH:PREDICTED, suspects:RUN or list:NUMBER, with special characters percent-encoded."
        )
    return Queue(kind, tuple(unquote(value) for value in values))


# FROM and WHERE of each kind's members, done or not; the parameters are the collection and the queue's values. `s` is the sample.
CELL = (
    "prediction p indexed by prediction_cell join sample s on s.id = p.sample "
    f"where s.collection = ? and p.run = ? and p.truth = ? and p.predicted = ? and {JUDGED}"
)
REVIEW = "review v join sample s on s.id = v.sample where v.collection = ? and +v.state in"  # +: read in order, not state by state
MEMBERS = {
    "cell": CELL,
    "region": "sample s where s.collection = ? and s.region = ?",
    "crop": "sample s where s.collection = ? and s.inventory_code = ?",
    "suspects": "suspect u join sample s on s.id = u.sample where s.collection = ? and u.run = ?",
    "list": "queue_entry q join sample s on s.id = q.sample where s.collection = ? and q.queue = ?",
    "second": f"{REVIEW} ('due', 'agreed', 'conflict')", "conflicts": f"{REVIEW} ('conflict', 'settled')",
}  # fmt: skip


def _rule(queue: Queue, collection: str) -> tuple[str, list]:
    return MEMBERS.get(queue.kind, "sample s where s.collection = ?"), [collection, *queue.values]


# The columns that order a queue, each set together with its rule an index. A region's samples go site by site.
KEYS = {
    "random": ("s.shuffle", "s.id"), "region": ("s.site", "s.year"), "cell": ("p.sample",), "suspects": ("u.rank",), "list": ("q.rank",),
    "second": ("v.sample",), "conflicts": ("v.sample",),
}  # fmt: skip
# What is still to be done in a queue, so that nobody does it twice; `all` shows everything. A stored queue keeps it with each entry.
OPEN = {
    **dict.fromkeys(("unverified", "crop", "region", "random"), "s.decision is null"),
    "cell": "(s.decision is null or s.decision <= (select last_event from run where name = p.run))",
    "suspects": "u.open = 1",
    "list": "q.open = 1", "second": "v.state = 'due'", "conflicts": "v.state = 'conflict'",
}  # fmt: skip
SAMPLES = {"cell": "p.sample", "suspects": "u.sample", "list": "q.sample", "second": "v.sample", "conflicts": "v.sample"}  # else s.id
# A second look is another's; who gave one of the answers settles a conflict only where no other reviewer could.
SPOKE = "exists (select 1 from verdict o where o.sample = s.id and o.curator = ? collate nocase and o.look in ('first', 'second'))"
OTHER_REVIEWER = "exists (select 1 from curator r where r.role in ('reviewer', 'administrator') and r.active = 1 and r.name <> ?)"
OF_ANOTHER = {
    "second": (f"v.first <> ? and not {SPOKE}", 2),
    "conflicts": (f"not ({SPOKE} and {OTHER_REVIEWER})", 2),
}  # kind -> condition, and how often it takes the curator's name


RANKS = {
    "suspects": "select rank from suspect where run = ? and sample = ?",
    "list": "select rank from queue_entry where queue = ? and sample = ?",
}


def _key(queue: Queue) -> tuple[str, ...]:
    return KEYS.get(queue.kind, ("s.id",))


def _compared(queue: Queue, comparison: str) -> str:
    key = _key(queue)
    return f"({', '.join(key)}) {comparison} ({', '.join('?' * len(key))})"


def _place(db: Database, queue: Queue, collection: str, sample: int) -> list[int]:
    row = db.execute("select id, shuffle, site, year from sample where id = ? and collection = ?", [sample, collection]).fetchone()
    if row is None:
        raise UnknownSample(f"There is no sample number {sample} in {collection}. Reload the page.")
    if queue.kind in RANKS:
        rank = db.execute(RANKS[queue.kind], [*queue.values, sample]).fetchone()
        return [rank["rank"] if rank else 0]
    return {"random": [row["shuffle"], row["id"]], "region": [row["site"], row["year"]]}.get(queue.kind, [row["id"]])


def following(
    store: Store, collection: str, queue: Queue, after: int | None, count: int, *, holder: str | None = None, curator: str = ""
) -> list[int]:
    """Up to `count` samples after sample `after` (None: from the start) that are still to be done.

    What was decided is left out, of `cell`, `suspects` and `list` what was decided since the run or the list was made; `all` leaves
    out nothing, `second` and `conflicts` what is not for this curator.

    Args:
        holder: who asks; what others have leased is left out. None: leases do not matter.

    Raises:
        UnknownSample: `after` is not in the collection.
    """
    with store.reading() as db:
        return seek(db, collection, queue, after, count, holder=holder, curator=curator)


def preceding(store: Store, collection: str, queue: Queue, before: int | None, count: int) -> list[int]:
    """Up to `count` samples before sample `before` (None: the last ones), in the queue's order; decided ones too, for looking back.

    Raises:
        UnknownSample: `before` is not in the collection.
    """
    with store.reading() as db:
        place = [] if before is None else _place(db, queue, collection, before)
        sql, values = seek_sql(queue, collection, place, "<")
        return [row["id"] for row in db.execute(sql, [*values, count])][::-1]


def seek(
    db: Database, collection: str, queue: Queue, after: int | None, count: int, *, holder: str | None = None, curator: str = ""
) -> list[int]:
    """`following`, inside a transaction."""
    if queue.look == looks.ADJUDICATION and not looks.reviews(db, curator):
        return []
    place = [] if after is None else _place(db, queue, collection, after)
    sql, values = seek_sql(queue, collection, place, ">", holder=holder, curator=curator)
    return [row["id"] for row in db.execute(sql, [*values, count])]


def seek_sql(
    queue: Queue, collection: str, place: list[int], comparison: str, *, holder: str | None = None, curator: str = ""
) -> tuple[str, list]:
    """The statement, all but its limit, that reads on from `place` (a key of the queue's order, or nothing)."""
    rule, values = _rule(queue, collection)
    if comparison == ">":
        conditions, more = _for_curator(queue, holder, curator)
        rule, values = " and ".join([rule, *conditions]), [*values, *more]
    if place:
        rule += f" and {_compared(queue, comparison)}"
    direction = "asc" if comparison == ">" else "desc"
    order = ", ".join(f"{column} {direction}" for column in _key(queue))
    return f"select s.id from {rule} order by {order} limit ?", [*values, *place]


def _for_curator(queue: Queue, holder: str | None, curator: str) -> tuple[list[str], list]:
    """Conditions, and their parameters, that leave what this curator is to do."""
    conditions, values = [OPEN[queue.kind]] if queue.kind in OPEN else [], []
    if queue.kind in OF_ANOTHER:
        condition, times = OF_ANOTHER[queue.kind]
        conditions.append(condition)
        values += [curator] * times
    if holder is not None:
        conditions.append("not " + leases.LEASED_ELSEWHERE.format(sample=SAMPLES.get(queue.kind, "s.id")))
        values += leases.elsewhere(holder)
    return conditions, values


def count(store: Store, collection: str, queue: Queue) -> dict[str, int]:
    """Members of the queue, and those of them that are still to be done."""
    rule, values = _rule(queue, collection)
    with store.reading() as db:
        row = db.execute(f"select count(*), coalesce(sum({OPEN.get(queue.kind, 's.decision is null')}), 0) from {rule}", values).fetchone()
    return {"samples": row[0], "open": row[1]}


def position(store: Store, collection: str, queue: Queue, sample: int) -> int:
    """How many members stand at or before `sample`, so 1 for the first. Of `unverified`: in the collection's order.

    Raises:
        UnknownSample: the sample is not in the collection.
    """
    rule, values = _rule(queue, collection)
    with store.reading() as db:
        place = _place(db, queue, collection, sample)
        return db.execute(f"select count(*) from {rule} and {_compared(queue, '<=')}", [*values, *place]).fetchone()[0]


def contains(store: Store, collection: str, queue: Queue, sample: int) -> bool:
    """Whether the sample, decided or not, is a member."""
    rule, values = _rule(queue, collection)
    with store.reading() as db:
        return db.execute(f"select 1 from {rule} and s.id = ?", [*values, sample]).fetchone() is not None


def reason(store: Store, collection: str, queue: Queue) -> str:
    """Why a sample is in this queue, as one sentence for the card."""
    if queue.kind == "crop":
        if queue.values[0] == str(NO_LABEL.code):
            return "The inventory has no label here."
        with store.reading() as db:
            row = db.execute("select name from legend_class where collection = ? and code = ?", [collection, *queue.values]).fetchone()
        return f"The inventory says {row['name']}." if row else f"The inventory says code {queue.values[0]}."
    if queue.kind == "cell":
        run, truth, predicted = queue.values
        return f"Labelled {truth}, run {run} reads it as {predicted}." if truth != predicted else f"Run {run} agrees: {truth}."
    if queue.kind == "suspects":
        return f"The label may be wrong: run {queue.values[0]}."
    if queue.kind == "list":
        return f"In queue {queue.values[0]}."
    return {
        "all": "Every sample, in order.",
        "unverified": "No decision yet.",
        "region": f"In {queue.values[0]}." if queue.values else "",
        "random": "Drawn at random.",
        "second": "A second look: what was said first is hidden.",
        "conflicts": "Two curators differ.",
    }[queue.kind]


def entries(store: Store, collection: str, queue: Queue, samples: list[int], *, known: tuple[int, int] | None = None) -> list[Entry]:
    """The samples with their positions and the reason; `samples` follow one another in the queue's order.

    Args:
        known: a sample before them and its position as it was told, so that they need not be counted from the queue's start; one that
            controls have moved on moves those behind it.
    """
    if not samples:
        return []
    if queue.kind in REASONED:
        return _reasoned(store, queue, samples, known)
    why = reason(store, collection, queue)
    at, rank = known or (samples[0], position(store, collection, queue, samples[0]))
    found = []
    with store.reading() as db:
        for sample in samples:
            rank += _between(db, collection, queue, at, sample)
            at = sample
            found.append(Entry(sample, rank, why, queue.kind))
    return found


REASONED = {
    "suspects": "select sample, rank, reason, 'suspects' as kind from suspect where run = ? and sample = ?",
    "list": "select sample, rank, reason, kind from queue_entry where queue = ? and sample = ?",
}


def _reasoned(store: Store, queue: Queue, samples: list[int], known: tuple[int, int] | None) -> list[Entry]:
    """The samples with the rank and the reason of each; those that have none are left out."""
    with store.reading() as db:
        rows = (db.execute(REASONED[queue.kind], [*queue.values, sample]).fetchone() for sample in samples)
        before = known and db.execute(RANKS[queue.kind], [*queue.values, known[0]]).fetchone()
        moved = known[1] - before["rank"] if before else 0
        return [Entry(row["sample"], row["rank"] + moved, row["reason"], row["kind"]) for row in rows if row]


def _between(db: Database, collection: str, queue: Queue, before: int, sample: int) -> int:
    """How many members after `before` stand at or before `sample`: what is done or on another's screen may lie between them."""
    rule, values = _rule(queue, collection)
    span = f"select count(*) from {rule} and {_compared(queue, '>')} and {_compared(queue, '<=')}"
    places = [*_place(db, queue, collection, before), *_place(db, queue, collection, sample)]
    return db.execute(span, [*values, *places]).fetchone()[0]


def choices(store: Store, collection: str) -> tuple[list[tuple[int, str, int]], list[tuple[str, int]]]:
    """What can be chosen: crops as (code, name, samples) and regions as (name, samples), the largest first."""
    with store.reading() as db:
        crops = db.execute(
            """select l.code, l.name, count(*) as n from sample s
            join legend_class l on l.collection = s.collection and l.code = s.inventory_code
            where s.collection = ? group by l.code order by n desc""",
            [collection],
        ).fetchall()
        regions = db.execute(
            """select t.region, count(*) as n from sample s join site t on t.id = s.site where s.collection = ?
            group by t.region order by n desc""",
            [collection],
        ).fetchall()
    return [tuple(row) for row in crops], [tuple(row) for row in regions]


def cells(store: Store, collection: str) -> list[tuple[str, str, str, int]]:
    """Cells of the confusion matrices as (run, truth, predicted, samples): the newest run first, its largest confusions first."""
    with store.reading() as db:
        rows = db.execute(
            f"""select p.run, p.truth, p.predicted, count(*) as n from prediction p join run r on r.name = p.run
            where r.collection = ? and p.truth is not null and {JUDGED} group by p.run, p.truth, p.predicted
            order by r.created desc, p.truth = p.predicted, n desc""",
            [collection],
        ).fetchall()
    return [tuple(row) for row in rows]


def doubts(store: Store, collection: str) -> list[tuple[str, int]]:
    """Runs whose labels are ranked, as (run, samples), the newest first."""
    with store.reading() as db:
        rows = db.execute(
            """select u.run, count(*) as n from run r join suspect u on u.run = r.name where r.collection = ?
            group by u.run order by r.created desc, u.run desc""",
            [collection],
        ).fetchall()
    return [tuple(row) for row in rows]
