"""The curators: their names, roles and logins. A name is taken whatever its letter case, and stays with its events for good.

Who somebody is, is settled before it comes here: by the company's login, or, on a machine without one, by whoever sits at it.
"""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from sqlite3 import Row

from sqlite_utils import Database

from data.errors import BadInput, NotAllowed
from data.store import Store

CURATOR, REVIEWER, ADMINISTRATOR = "curator", "reviewer", "administrator"
ROLES = (CURATOR, REVIEWER, ADMINISTRATOR)  # each may do what the ones before it may
LONGEST_NAME = 80

# Events from before there was a team may spell a name in other letters.
ACTIVITY = """
select c.name as curator, sum(e.action in ('agree', 'relabel', 'reject', 'unsure')) as decisions, max(e.at) as last
from event e join curator c on c.name = e.curator group by c.name
"""


@dataclass(frozen=True)
class Curator:
    """One of the team. login: what the company's login calls them, or None. active: False for who has left. created: UTC, ISO-8601."""

    name: str
    role: str
    login: str | None
    active: bool
    created: str

    def may(self, role: str) -> bool:
        """Whether they are active and have that role or one above it."""
        return self.active and ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class Activity:
    """What a curator did so far. decisions: those taken back too. last: when they said something last, UTC in ISO-8601; None: never."""

    decisions: int
    last: str | None


def tidy(name: str) -> str:
    """The name with single spaces and in composed Unicode.

    Raises:
        BadInput: it is no name.
    """
    name = _plain(name)
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadInput(f"A curator's name has 1 to {LONGEST_NAME} characters, all of them to be seen, not {name[:LONGEST_NAME]!r}.")
    return name


def curators(store: Store) -> list[Curator]:
    """Everybody, those who have left too, by name."""
    with store.reading() as db:
        return [_curator(row) for row in db.execute("select * from curator order by name")]


def activity(store: Store) -> dict[str, Activity]:
    """Name -> what they did, for every curator who did anything. Reads every event."""
    with store.reading() as db:
        return {row["curator"]: Activity(row["decisions"], row["last"]) for row in db.execute(ACTIVITY)}


def find(store: Store, name: str) -> Curator | None:
    """The curator of that name, whatever its letter case and the spaces around it; None where there is none."""
    with store.reading() as db:
        return _found(db, "name", name)


def of_login(store: Store, login: str) -> Curator | None:
    """The curator whom the company's login calls that, in any letter case."""
    with store.reading() as db:
        return _found(db, "login", login)


def known_as(db: Database, name: str) -> str:
    """The name as the team spells it, inside a write transaction; a new one joins: the first as administrator, others as curators.

    Raises:
        BadInput: it is no name.
    """
    found = _found(db, "name", name)
    return found.name if found else _join(db, name, None, None)


def joined(store: Store, name: str) -> Curator:
    """The curator of that name; a new one joins as with a first decision.

    Raises:
        BadInput: it is no name.
    """
    found = find(store, name)
    if found is None:
        with store.writing() as db:
            known = known_as(db, name)
        found = find(store, known)
    return found


def welcome(store: Store, login: str, name: str, *, joins: bool | None) -> Curator | None:
    """The curator whom the company's login calls `login`, those too who have left; None for a stranger who may not join.

    Args:
        name: what the login calls a new one; where that name is taken, the login stands behind it.
        joins: whether new people may join, as curators. None: only while the team has no administrator. Whoever joins then becomes it.

    Raises:
        BadInput: neither name is free.
    """
    known = of_login(store, login)
    if known or joins is False:
        return known
    with store.writing() as db:
        known = _found(db, "login", login)
        headless = not _has_administrator(db)
        if known or not (joins or headless):
            return known
        free = next((wanted for wanted in (name, f"{name} ({login})" if name.strip() else login, login) if _is_free(db, wanted)), None)
        if free is None:
            raise BadInput(f"The names {name!r} and {login!r} are taken. An administrator can add you under another, with your login.")
        _join(db, free, ADMINISTRATOR if headless else CURATOR, login)
    return of_login(store, login)


def add(store: Store, name: str, *, role: str | None = None, login: str | None = None) -> Curator:
    """A new curator; without a role the workspace's first is its administrator.

    Raises:
        BadInput: the name or the login is taken, or they and the role are none.
    """
    _check_role(role)
    with store.writing() as db:
        taken = _found(db, "name", name)
        if taken:
            gone = "" if taken.active else ", who has left: let them come back with `change`"
            raise BadInput(f"The name {_plain(name)!r} is {taken.name}'s already{gone}. Choose another: decisions bear it for good.")
        _check_login(db, name, login)
        _join(db, name, role, login)
    return find(store, name)


def change(store: Store, name: str, *, role: str | None = None, active: bool | None = None, login: str | None = None) -> Curator:
    """Give a curator another role or login ("" takes it away), or let them leave or come back.

    Raises:
        BadInput: there is no such curator or role, the login is taken, or no active administrator would be left.
    """
    _check_role(role)
    with store.writing() as db:
        before = _found(db, "name", name)
        if before is None:
            raise BadInput(f"There is no curator {_plain(name)!r}. See: python -m labeling curators")
        _check_login(db, before.name, login)
        wanted = {"role": role, "active": active} | ({} if login is None else {"login": _login(login)})
        for column, value in wanted.items():
            if value is not None or column == "login":
                db.execute(f"update curator set {column} = ? where name = ?", [value, before.name])
        if before.may(ADMINISTRATOR) and not _has_administrator(db):
            raise BadInput(f"{before.name} is the only administrator. Make somebody else one first.")
    return find(store, before.name)


def require(store: Store, name: str, role: str) -> Curator:
    """The curator, who has that role or one above it.

    Raises:
        NotAllowed: they have not.
    """
    found = find(store, name)
    if found is None or not found.may(role):
        article = "an" if role == ADMINISTRATOR else "a"
        has = "not of the team" if found is None else f"a {found.role}" if found.active else "no longer active"
        raise NotAllowed(f"This takes {article} {role}; {name or 'nobody'} is {has}. An administrator changes roles on the page Team.")
    return found


def _found(db: Database, column: str, value: str) -> Curator | None:
    """By name or login. SQLite folds the case of ASCII letters only, so where that finds nobody, the team's few rows are compared here."""
    row = db.execute(f"select * from curator where {column} = ?", [_plain(value)]).fetchone()
    if row is None and value.strip():
        folded = _folded(value)
        row = next((one for one in db.execute("select * from curator") if one[column] and _folded(one[column]) == folded), None)
    return _curator(row) if row else None


def _join(db: Database, name: str, role: str | None, login: str | None) -> str:
    name = tidy(name)
    first = not db.execute("select 1 from curator").fetchone()
    row = [name, role or (ADMINISTRATOR if first else CURATOR), _login(login), datetime.now(UTC).isoformat(timespec="seconds")]
    db.execute("insert into curator (name, role, login, created) values (?, ?, ?, ?)", row)
    return name


def _is_free(db: Database, name: str) -> bool:
    try:
        return _found(db, "name", tidy(name)) is None
    except BadInput:
        return False


def _has_administrator(db: Database) -> bool:
    return db.execute("select 1 from curator where role = ? and active = 1", [ADMINISTRATOR]).fetchone() is not None


def _check_role(role: str | None) -> None:
    if role is not None and role not in ROLES:
        raise BadInput(f"There is no role {role!r}. Choose one of {', '.join(ROLES)}.")


def _check_login(db: Database, name: str, login: str | None) -> None:
    holder = _found(db, "login", login) if _login(login) else None
    if holder and holder.name != name:
        raise BadInput(f"The login {_login(login)!r} is {holder.name}'s already. Take it from them first, or choose another.")


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", _plain(text).casefold())


def _login(login: str | None) -> str | None:
    return _plain(login or "") or None


def _curator(row: Row) -> Curator:
    return Curator(row["name"], row["role"], row["login"], bool(row["active"]), row["created"])
