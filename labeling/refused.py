"""Decisions that could not be stored as events, kept whole in the table `refused`: to be tried again, exported or dropped."""

import json
from dataclasses import dataclass
from typing import Any

from data import catalogue
from data.errors import BadInput
from data.sheets import as_csv
from data.store import Store
from labeling import decisions, team
from labeling.decisions import Outcome

COLUMNS = ("at", "collection", "name", "curator", "action", "code", "reason", "note", "error", "uid", "said")


@dataclass(frozen=True)
class Refused:
    """One of them. said: the decision as it was sent. error: why it was not stored. at: UTC, ISO-8601."""

    uid: str
    collection: str
    curator: str
    said: dict[str, Any]
    error: str
    at: str


def listing(store: Store, collection: str | None = None) -> list[Refused]:
    """Those of a collection, or all, the newest first."""
    with store.reading() as db:
        rows = db.execute("select * from refused where ? is null or collection = ? order by at desc, uid", [collection, collection])
        return [Refused(**dict(row) | {"said": json.loads(row["said"])}) for row in rows]


def table(store: Store, collection: str | None = None) -> str:
    """The same as CSV, the decision as it was sent in `said`; text in it cannot run as a formula, see `data.sheets`."""
    rows = [{name: _cell(one.said.get(name)) for name in COLUMNS} | vars(one) for one in listing(store, collection)]
    return as_csv(COLUMNS, [row | {"said": json.dumps(row["said"], ensure_ascii=False)} for row in rows])


def try_again(store: Store, uid: str) -> Outcome:
    """Store the decision now, for its curator, on the sample that bears its sample's name today; if that works it leaves the list.

    Raises:
        BadInput: there is no such one.
        UnknownCollection, UnknownSample: there is still no such sample.
    """
    one = _find(store, uid)
    event = one.said | {"uid": uid}
    if name := event.get("name"):
        event["sample"] = catalogue.sample_id(store, one.collection, str(name))
    (outcome,) = decisions.record(store, one.collection, one.curator, [event])
    with store.writing() as db:
        if outcome.stored:
            db.execute("delete from refused where uid = ?", [uid])
        else:
            db.execute("update refused set error = ? where uid = ?", [outcome.error, uid])
    return outcome


def drop(store: Store, uid: str, *, by: str) -> None:
    """Remove it for good.

    Raises:
        NotAllowed: `by` is no active administrator.
        BadInput: there is no such one.
    """
    team.require(store, by, "administrator")
    _find(store, uid)
    with store.writing() as db:
        db.execute("delete from refused where uid = ?", [uid])


def _find(store: Store, uid: str) -> Refused:
    found = next((one for one in listing(store) if one.uid == uid), None)
    if found is None:
        raise BadInput(f"There is no refused decision {uid!r}: it was tried again or dropped meanwhile. Look at the list again.")
    return found


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value
