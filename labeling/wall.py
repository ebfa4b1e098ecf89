"""The wall: pages of images in an order that puts the likely bad ones together, and what was said about them. Reads only.

A page is read by keyset from the place where the one before it ended, out of one index of `image_look`, and stays as it is while
somebody works on it: accepting its images moves none of those that follow. Page numbers count through all images of the collection
in the chosen order, whatever is shown of them: page 3 begins behind the first two pages' worth of images, looked at or not.
"""

from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from data import catalogue
from data.catalogue import Collection
from data.errors import BadInput
from data.store import Store

TILES = 336  # a page
FEWEST_SAMPLES = 4  # a page of the layout by sample, however long their seasons are
# sort -> (column of image_look, descending?, title)
SORTS = {
    "suspicion": ("suspicion", True, "Most suspicious first"),
    "clear": ("clear", False, "Least clear first"),
    "bright": ("brightness", True, "Brightest first"),
    "dark": ("brightness", False, "Darkest first"),
    "missing": ("missing", True, "Most missing pixels first"),
    "outlier": ("outlier", True, "Largest outliers first"),
}
# show -> (condition on an image_look {0}, title)
SHOWS = {
    "open": ("{0}.looked = 0", "Not looked at yet"),
    "all": ("1", "All images"),
    "cloud": ("{0}.quality = 'cloud'", "Cloudy"),
    "bad": ("{0}.quality = 'bad'", "Bad"),
}
LAYOUTS = {"images": "By image", "samples": "By sample and date"}
QUEUE = "wall"  # how the events' `queue` begins; the step that they belong to follows
RECENT_EVENTS = 2_000  # of the curator's own, of which those on the wall can be undone after a reload

TILE = """
select l.image, l.sample, s.name, i.slot, i.acquired as date, l.clear, l.brightness, l.missing, l.outlier, l.suspicion, l.quality, l.looked
from image_look l join image i on i.id = l.image join sample s on s.id = l.sample
"""
OWN = """
select e.image, e.uid, e.old from event e where e.sample = ? and e.curator = ? collate nocase and e.action = 'quality'
    and e.queue like 'wall%' and not exists (select 1 from event u where u.undo_of = e.id) order by e.id
"""
STEPS = """
select e.uid, e.queue, e.sample, s.name, e.image, e.old
from (select * from event where curator = ? order by id desc limit ?) e join sample s on s.id = e.sample
where s.collection = ? and e.action = 'quality' and e.queue like 'wall%'
    and not exists (select 1 from event u where u.undo_of = e.id) order by e.id desc
"""


@dataclass(frozen=True)
class Wall:
    """Which images of a collection, in which order and layout; words of SORTS, SHOWS and LAYOUTS."""

    collection: str
    sort: str = "suspicion"
    show: str = "open"
    layout: str = "images"

    def __post_init__(self) -> None:
        """Raises BadInput for a word that there is none of."""
        for name, known in (("sort", SORTS), ("show", SHOWS), ("layout", LAYOUTS)):
            if getattr(self, name) not in known:
                raise BadInput(f"The wall has no {name} {getattr(self, name)!r}. Choose one of {', '.join(known)}.")

    @property
    def column(self) -> str:
        return SORTS[self.sort][0]

    @property
    def descending(self) -> bool:
        return SORTS[self.sort][1]


Place = tuple[float, int]  # value of the sorted column, number of the image


@dataclass(frozen=True)
class Page:
    """Some images of a wall.

    number: from 1, see the module; pages: how many there are.
    tiles: records of image, sample, name, slot, date, clear, brightness, missing, outlier, suspicion, quality (in force), looked; in the
        layout by sample all images of each sample, in order of their slots.
    first, last: the places that it begins and ends at, None where it is empty.
    end: whether nothing follows.
    """

    number: int
    pages: int
    tiles: list[dict[str, Any]]
    first: Place | None
    last: Place | None
    end: bool


@dataclass(frozen=True)
class Progress:
    """Images in all, those with a quality event in force, and those that are cloudy and bad."""

    images: int
    looked: int
    cloud: int
    bad: int


def unit(collection: Collection, layout: str) -> int:
    """Entries of a page: images, or samples with all their images."""
    return TILES if layout == "images" else max(FEWEST_SAMPLES, TILES // collection.slots)


def page(store: Store, wall: Wall, *, number: int = 1, after: Place | None = None, before: Place | None = None) -> Page:
    """The page behind the place `after`, or in front of `before`, or with that number.

    Raises:
        UnknownCollection: there is no such collection.
        BadInput: there is no page of that number.
    """
    many = unit(catalogue.collection(store, wall.collection), wall.layout)
    with store.reading() as db:
        total = _count(db, wall)
        pages = max(1, -(-total // many))
        if after is None and before is None:
            _check(wall, number, pages)
            after = _place(db, wall, (number - 1) * many - 1) if number > 1 else None
        found = _entries(db, wall, after, before, many + 1)
        end = before is None and len(found) <= many
        found = found[:many] if before is None else found[:many][::-1]
        first, last = (((found[at]["value"], found[at]["image"]) if found else None) for at in (0, -1))
        if first:
            number = _count(db, wall, before=first) // many + 1
        return Page(number, pages, _tiles(db, wall, found), first, last, end)


def require_number(store: Store, wall: Wall, number: int) -> int:
    """That number, where there is such a page.

    Raises:
        UnknownCollection: there is no such collection.
        BadInput: there is no page of that number.
    """
    many = unit(catalogue.collection(store, wall.collection), wall.layout)
    with store.reading() as db:
        _check(wall, number, max(1, -(-_count(db, wall) // many)))
    return number


def _check(wall: Wall, number: int, pages: int) -> None:
    if not 1 <= number <= pages:
        raise BadInput(f"The wall of {wall.collection} has no page {number}: they are numbered from 1 to {pages}. Begin with page 1.")


def _passes(wall: Wall, row: str, show: str | None = None) -> str:
    return SHOWS[show or wall.show][0].format(row)


def _entering(wall: Wall, show: str | None = None) -> str:
    """WHERE of the rows l that entries stand for: images, or of every sample the first of its images that are shown."""
    shown = f"l.collection = ? and {_passes(wall, 'l', show)}"
    if wall.layout == "images":
        return shown
    sooner = ">" if wall.descending else "<"
    return f"""{shown} and not exists (select 1 from image_look m where m.sample = l.sample and {_passes(wall, "m", show)}
        and (m.{wall.column}, m.image) {sooner} (l.{wall.column}, l.image))"""


def _entries(db: Database, wall: Wall, after: Place | None, before: Place | None, count: int) -> list:
    """Value, image and sample of entries behind a place, or in front of one, the nearest first."""
    backward = before is not None
    place = before if backward else after
    falling = wall.descending != backward
    seek = "" if place is None else f"and (l.{wall.column}, l.image) {'<' if falling else '>'} (?, ?)"
    direction = "desc" if falling else "asc"
    return db.execute(
        f"""select l.{wall.column} as value, l.image, l.sample from image_look l indexed by image_look_{wall.column}
        where {_entering(wall)} {seek} order by l.{wall.column} {direction}, l.image {direction} limit ?""",
        [wall.collection, *(place or ()), count],
    ).fetchall()


def _place(db: Database, wall: Wall, position: int) -> Place:
    """The place of the entry at that position, from 0, among all of them."""
    direction = "desc" if wall.descending else "asc"
    row = db.execute(
        f"""select l.{wall.column}, l.image from image_look l indexed by image_look_{wall.column}
        where {_entering(wall, "all")} order by l.{wall.column} {direction}, l.image {direction} limit 1 offset ?""",
        [wall.collection, position],
    ).fetchone()
    return row[0], row[1]


def _count(db: Database, wall: Wall, before: Place | None = None) -> int:
    """How many entries there are in all, or before a place."""
    if before is None:
        counted = "image_look" if wall.layout == "images" else "sample s"
        there = "1" if wall.layout == "images" else "exists (select 1 from image_look l where l.sample = s.id)"
        return db.execute(f"select count(*) from {counted} where collection = ? and {there}", [wall.collection]).fetchone()[0]
    sooner = ">" if wall.descending else "<"
    return db.execute(
        f"""select count(*) from image_look l indexed by image_look_{wall.column}
        where {_entering(wall, "all")} and (l.{wall.column}, l.image) {sooner} (?, ?)""",
        [wall.collection, *before],
    ).fetchone()[0]


def _tiles(db: Database, wall: Wall, entries: list) -> list[dict[str, Any]]:
    one = "l.image = ?" if wall.layout == "images" else "l.sample = ?"
    key = "image" if wall.layout == "images" else "sample"
    return [dict(row) for entry in entries for row in db.execute(f"{TILE} where {one} order by i.slot", [entry[key]])]


def states(store: Store, curator: str, images: list[int]) -> dict[int, dict[str, Any]]:
    """What is in force on images, and what the curator said of them on the wall and did not take back.

    Returns:
        image -> quality, looked, and mine: pairs of an event's uid and the quality before it, the oldest first. Images that are not
        worked out, or not there any more, are left out.
    """
    with store.reading() as db:
        found = {}
        for image in images:
            row = db.execute("select sample, quality, looked from image_look where image = ?", [image]).fetchone()
            if row:
                mine = db.execute(OWN, [row["sample"], curator]).fetchall() if row["looked"] else []
                own = [[event["uid"], event["old"]] for event in mine if event["image"] == image]
                found[image] = {"quality": row["quality"], "looked": row["looked"], "mine": own}
    return found


def steps(store: Store, collection: str, curator: str) -> list[list[dict[str, Any]]]:
    """The curator's newest steps on the wall, the oldest first, each the events (uid, sample, name, image, old) of one key press."""
    with store.reading() as db:
        rows = [dict(row) for row in db.execute(STEPS, [curator, RECENT_EVENTS, collection])]
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in reversed(rows):
        grouped.setdefault(row.pop("queue"), []).append(row)
    return list(grouped.values())


def progress(store: Store, collection: str) -> Progress:
    """How far the collection is screened; an image counts once it has a quality event that is not undone."""
    with store.reading() as db:
        row = db.execute(
            """select count(*), coalesce(sum(looked), 0), coalesce(sum(quality = 'cloud'), 0), coalesce(sum(quality = 'bad'), 0)
            from image_look where collection = ?""",
            [collection],
        ).fetchone()
    return Progress(*row)
