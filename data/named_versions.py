"""Frozen dataset versions: a name for what a collection said at one event, with the hash by which anybody can check it later.

Events are only appended, so nothing is copied: the labels are replayed up to the event, and the hash says whether they, and what
the catalogue says of the samples, are still what was frozen. A name is never given to something else.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from data import catalogue, versions
from data.errors import BadInput
from data.store import Store
from data.versions import Version

NAME = re.compile(r"[^\W_][\w.+ -]{0,78}[\w.+-]|[^\W_]")  # none of the signs of a version's text or of a path
LONGEST_NOTE = 2_000


@dataclass(frozen=True)
class Named:
    """A frozen version. curator: who froze it. note: what for, or None. created: UTC, ISO-8601."""

    name: str
    version: Version
    curator: str
    note: str | None
    created: str


@dataclass(frozen=True)
class Check:
    """Whether a frozen version holds. found: what the collection says for that event now."""

    named: Named
    found: Version

    @property
    def holds(self) -> bool:
        return self.found == self.named.version


def freeze(store: Store, collection: str, name: str, *, curator: str, note: str | None = None, version: str | None = None) -> Named:
    """Give a version a name for good: the current one, or an earlier one as `versions.resolve` takes it.

    Raises:
        UnknownCollection: there is no such collection.
        BadInput: the name is taken (whatever its letter case) or none, the note too long, or the version not to be had.
    """
    name, note = " ".join(name.split()), (note or "").strip() or None
    if not NAME.fullmatch(name):
        raise BadInput(
            f"A version's name has 1 to 80 letters, digits, spaces and . + - _, and begins with a letter or digit, not {name!r}."
        )
    if note and len(note) > LONGEST_NOTE:
        raise BadInput(f"The note of a version has at most {LONGEST_NOTE:,} characters, not {len(note):,}. Shorten it.")
    found = versions.resolve(store, collection, version)
    made = Named(name, found, curator, note, datetime.now(UTC).isoformat(timespec="seconds"))
    with store.writing() as db:
        taken = db.execute(versions.FROZEN, {"collection": collection, "name": name}).fetchone()
        if taken:
            raise BadInput(f"{taken['name']!r} is {_named(collection, taken).version} already, and stays it. Choose another name.")
        row = [collection, name, found.event, found.hash, curator, note, made.created]
        db.execute("insert into dataset_version values (?, ?, ?, ?, ?, ?, ?)", row)
    return made


def listing(store: Store, collection: str) -> list[Named]:
    """The collection's frozen versions, the newest event first.

    Raises:
        UnknownCollection: there is no such collection.
    """
    catalogue.collection(store, collection)
    with store.reading() as db:
        return [_named(collection, row) for row in db.execute(versions.FROZEN, {"collection": collection, "name": None})]


def find(store: Store, collection: str, name: str) -> Named:
    """The frozen version of that name, whatever its letter case.

    Raises:
        UnknownCollection: there is no such collection.
        BadInput: there is no such version.
    """
    known = listing(store, collection)
    for named in known:
        if named.name.casefold() == " ".join(name.split()).casefold():
            return named
    raise BadInput(f"{collection} has no version called {name!r}. It has: {', '.join(one.name for one in known) or 'none yet'}.")


def check(store: Store, collection: str, name: str) -> Check:
    """Work out anew what the version's event says now, and its hash.

    Raises:
        UnknownCollection, BadInput: as `find`.
    """
    named = find(store, collection, name)
    return Check(named, versions.at(store, collection, named.version.event))


def _named(collection: str, row) -> Named:
    version = Version(collection, row["last_event"], row["content_hash"])
    return Named(row["name"], version, row["curator"], row["note"], row["created"])
