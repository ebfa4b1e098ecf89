"""What a curator may see of a sample: a second look hides what others said, blind mode the label too, a control shows a label of its own.

Everything that is hidden is left out of what the server sends: a browser cannot show what it does not have.
"""

from dataclasses import dataclass

from sqlite_utils import Database

from labeling import looks, policy

OWN = """
select event, uid, action, verdict, reason, note, at, curator, control from verdict
where sample = ? and curator = ? collate nocase order by event desc limit 1
"""
OWN_FLAG = """
select e.new = '1' from event e where e.sample = ? and e.curator = ? collate nocase and e.action = 'flag'
    and not exists (select 1 from event u where u.undo_of = e.id) order by e.id desc limit 1
"""


@dataclass(frozen=True)
class Sight:
    """What one curator sees of one sample.

    alone: what others decided is hidden.
    blind: inventory label, inventory pixels, rotation and prediction are hidden too.
    shown: the code that stands in the place of the inventory's, or None for the inventory's own.
    own: the curator's decision to show where others' are hidden, or None. flagged: whether they flagged it, for the same case.
    """

    alone: bool = False
    blind: bool = False
    shown: int | None = None
    own: dict | None = None
    flagged: bool = False


def of_sample(db: Database, sample: int, curator: str, look: str) -> Sight:
    """What the curator sees of the sample when it is served for that look."""
    if not curator or look == looks.ADJUDICATION:
        return Sight()
    own = db.execute(OWN, [sample, curator]).fetchone()
    flag = db.execute(OWN_FLAG, [sample, curator]).fetchone()
    flagged = bool(flag and flag[0])
    control = looks.control_of(db, sample, curator)
    answered = control is not None and own is not None and own["control"] == control["id"]
    if control is not None and not (answered and _comes_back(db, sample, curator, control)):
        return Sight(
            alone=True, blind=not answered and _is_blind(db, sample), shown=control["shown"], own=_decision(own) if answered else None,
            flagged=flagged,
        )  # fmt: skip
    blind = own is None and _is_blind(db, sample)
    return Sight(alone=blind or look == looks.SECOND, blind=blind, own=None if own is None else _decision(own), flagged=flagged)


def _comes_back(db: Database, sample: int, curator: str, control) -> bool:
    """Whether an answered one was a repeat of the curator's decision in force, which they see again now and can change."""
    force = "select 1 from current_decision where sample = ? and curator = ? collate nocase"
    return control["shown"] == control["inventory_code"] and db.execute(force, [sample, curator]).fetchone() is not None


def _is_blind(db: Database, sample: int) -> bool:
    collection = db.execute("select collection from sample where id = ?", [sample]).fetchone()
    return collection is not None and policy.of_collection(db, collection["collection"]).blind


def _decision(row) -> dict:
    """As `labeling.cards` gives decisions."""
    code = int(row["verdict"]) if row["verdict"].isdecimal() else None
    return {key: row[key] for key in ("uid", "curator", "action", "reason", "note", "at")} | {"code": code}
