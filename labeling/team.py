"""The curators: their names, roles and logins. A name is taken whatever its letter case, and stays with its events for good."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlite_utils import Database

from data.errors import BadInput, NotAllowed
from data.store import Store

ROLES = ("curator", "reviewer", "administrator")  # each may do what the ones before it may
LONGEST_NAME = 80


@dataclass(frozen=True)
class Curator:
    """One of the team. login: what the company's login calls them, or None. active: False for who has left."""

    name: str
    role: str
    login: str | None
    active: bool
    created: str

    def may(self, role: str) -> bool:
        """Whether they are active and have that role or one above it."""
        return self.active and ROLES.index(self.role) >= ROLES.index(role)


def curators(store: Store) -> list[Curator]:
    """Everybody, those who have left too, by name."""
    with store.reading() as db:
        return [_curator(row) for row in db.execute("select * from curator order by name")]


def find(store: Store, name: str) -> Curator | None:
    """The curator of that name, whatever its letter case and the spaces around it; None where there is none."""
    with store.reading() as db:
        row = db.execute("select * from curator where name = ?", [_tidy(name)]).fetchone()
    return _curator(row) if row else None


def of_login(store: Store, login: str) -> Curator | None:
    """The curator whom the company's login calls that."""
    with store.reading() as db:
        row = db.execute("select * from curator where login = ?", [login.strip()]).fetchone()
    return _curator(row) if row else None


def known_as(db: Database, name: str) -> str:
    """The name as the team spells it, inside a write transaction; a new one joins: the first as administrator, others as curators.

    Raises:
        BadInput: it is no name.
    """
    row = db.execute("select name from curator where name = ?", [_tidy(name)]).fetchone()
    return row["name"] if row else _join(db, name, None, None)


def add(store: Store, name: str, *, role: str | None = None, login: str | None = None) -> Curator:
    """A new curator; without a role the workspace's first is its administrator.

    Raises:
        BadInput: the name or the login is taken, or they and the role are none.
    """
    if role is not None and role not in ROLES:
        raise BadInput(f"There is no role {role!r}. Choose one of {', '.join(ROLES)}.")
    with store.writing() as db:
        taken = db.execute("select name from curator where name = ? or login = ?", [_tidy(name), _login(login)]).fetchone()
        if taken:
            raise BadInput(f"{name!r} or its login belongs to {taken['name']} already. Choose another.")
        joined = _join(db, name, role, login)
    return find(store, joined)


def change(store: Store, name: str, *, role: str | None = None, active: bool | None = None, login: str | None = None) -> Curator:
    """Give a curator another role or login ("" takes it away), or let them leave or come back.

    Raises:
        BadInput: there is no such curator or role, the login is taken, or no active administrator would be left.
    """
    if role is not None and role not in ROLES:
        raise BadInput(f"There is no role {role!r}. Choose one of {', '.join(ROLES)}.")
    with store.writing() as db:
        if not db.execute("select 1 from curator where name = ?", [_tidy(name)]).fetchone():
            raise BadInput(f"There is no curator {name!r}. See: python -m labeling curators")
        if login and db.execute("select 1 from curator where login = ? and name <> ?", [_login(login), _tidy(name)]).fetchone():
            raise BadInput(f"The login {login!r} belongs to another curator already.")
        for column, value in (("role", role), ("active", active), ("login", login)):
            if value is not None:
                db.execute(f"update curator set {column} = ? where name = ?", [_login(value) if column == "login" else value, _tidy(name)])
        if not db.execute("select 1 from curator where role = 'administrator' and active = 1").fetchone():
            raise BadInput(f"{name} is the only administrator. Make somebody else one first.")
    return find(store, name)


def require(store: Store, name: str, role: str) -> Curator:
    """The curator, who has that role or one above it.

    Raises:
        NotAllowed: they have not.
    """
    found = find(store, name)
    if found is None or not found.may(role):
        has = "not of the team" if found is None else found.role if found.active else "no longer active"
        raise NotAllowed(f"This takes a {role}; {name} is {has}. An administrator changes roles on the page Team.")
    return found


def _join(db: Database, name: str, role: str | None, login: str | None) -> str:
    name = _tidy(name)
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadInput(f"A curator's name has 1 to {LONGEST_NAME} characters, all of them to be seen, not {name[:LONGEST_NAME]!r}.")
    first = not db.execute("select 1 from curator").fetchone()
    row = [name, role or ("administrator" if first else "curator"), _login(login), datetime.now(UTC).isoformat(timespec="seconds")]
    db.execute("insert into curator (name, role, login, created) values (?, ?, ?, ?)", row)
    return name


def _tidy(name: str) -> str:
    return " ".join(name.split())


def _login(login: str | None) -> str | None:
    return (login or "").strip() or None


def _curator(row) -> Curator:
    return Curator(row["name"], row["role"], row["login"], bool(row["active"]), row["created"])
