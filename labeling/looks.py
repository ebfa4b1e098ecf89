"""What a decision is to the team: a first look, a second one, an answer to a control or a repeat, or the settling of a conflict.

The table `review` is kept from the events, sample by sample, whenever something is said about one: it holds nothing that could not
be worked out anew. Its states: due (a second curator is to see it), agreed (two say the same), conflict (they do not), settled
(a reviewer decided).
"""

from collections.abc import Sequence

from sqlite_utils import Database

from data.store import Store
from labeling import policy, team

FIRST, SECOND, CONTROL, REPEAT, ADJUDICATION = "first", "second", "control", "repeat", "adjudication"
BESIDE = (SECOND, CONTROL, REPEAT)  # these never come in force
OPINIONS = (FIRST, SECOND, ADJUDICATION)
SHARES = 10_000  # of which a policy's share is counted

# "not materialized" and the index on event.sample keep this to the few events of one sample.
SPOKEN = """
select event, curator, look, verdict from verdict where sample = ? and look in ('first', 'second', 'adjudication') order by event
"""
PLACED = """
select c.id, c.shown, s.inventory_code, (
    select v.uid from verdict v where v.control = c.id and v.sample = c.sample order by v.event desc limit 1) as answer
from control c join sample s on s.id = c.sample where c.curator = ? and c.sample = ?
"""


def of_event(
    db: Database, sample: int, curator: str, asked: str | None, shown: int | None, seen: str | None = None
) -> tuple[str, int | None]:
    """What a decision is that a curator makes now, and the control that it answers.

    Who changes their answer to a control answers it again. A label that is shown only there never counts as any other answer.

    Args:
        asked: the look that the client was given the sample for; second and adjudication count only where they can be.
        shown: the code that the card gave as the inventory's.
        seen: the uid of the decision that was on the card.
    """
    control = control_of(db, sample, curator)
    if control is not None and control["shown"] == shown and (control["answer"] in (None, seen) or shown != control["inventory_code"]):
        return (REPEAT if _is_repeat(db, sample, curator, shown) else CONTROL), control["id"]
    if asked == SECOND and may_look_again(db, sample, curator):
        return SECOND, None
    if asked == ADJUDICATION and _may_settle(db, sample, curator):
        return ADJUDICATION, None
    return FIRST, None


def control_of(db: Database, sample: int, curator: str):
    """The control (id, shown, inventory_code, answer: the uid of the newest one in force) that the curator has on this sample, or None."""
    return db.execute(PLACED, [curator, sample]).fetchone()


def may_look_again(db: Database, sample: int, curator: str) -> bool:
    """Whether the sample has a decision in force and the curator gave no first look or settlement of it."""
    decided = db.execute("select 1 from sample where id = ? and decision is not null", [sample]).fetchone()
    own = [row for row in db.execute(SPOKEN, [sample]) if row["look"] != SECOND and row["curator"].casefold() == curator.casefold()]
    return decided is not None and not own


def _is_repeat(db: Database, sample: int, curator: str, shown: int) -> bool:
    """Whether the curator sees a sample of their own again, with its own label."""
    own = any(row["curator"].casefold() == curator.casefold() for row in db.execute(SPOKEN, [sample]))
    return own and db.execute("select inventory_code from sample where id = ?", [sample]).fetchone()[0] == shown


def _may_settle(db: Database, sample: int, curator: str) -> bool:
    conflict = db.execute("select 1 from review where sample = ? and state = 'conflict'", [sample]).fetchone()
    return conflict is not None and reviews(db, curator)


def reviews(db: Database, curator: str) -> bool:
    """Whether the curator is a reviewer or an administrator, and active."""
    row = db.execute("select role from curator where name = ? and active = 1", [curator]).fetchone()
    return row is not None and row["role"] in team.ROLES[team.ROLES.index("reviewer") :]


def refresh(db: Database, sample: int) -> None:
    """Bring the sample's row of `review` up to date with its events, inside a write transaction."""
    spoken = db.execute(SPOKEN, [sample]).fetchall()
    if not spoken:
        db.execute("delete from review where sample = ?", [sample])
        return
    facts = db.execute(
        "select s.collection, s.flagged, s.shuffle, r.why from sample s left join review r on r.sample = s.id where s.id = ?", [sample]
    )
    facts = facts.fetchone()
    opinions = _opinions(spoken)
    state, why = _state(opinions), _why(db, facts, opinions)
    if why is None:
        db.execute("delete from review where sample = ?", [sample])
        return
    first = next(iter(opinions.values()))["curator"]
    db.execute(
        "insert or replace into review (sample, collection, state, first, why) values (?, ?, ?, ?, ?)",
        [sample, facts["collection"], state, first, why],
    )


def _opinions(spoken: Sequence) -> dict:
    """Each curator's newest word, in the order of their first ones; a settlement takes the place of all before it."""
    opinions = {}
    for row in spoken:
        if row["look"] == ADJUDICATION:
            opinions.clear()
        opinions[row["curator"].casefold()] = row
    return opinions


def _state(opinions: dict) -> str:
    if len({row["verdict"] for row in opinions.values()}) > 1:
        return "conflict"
    if any(row["look"] == ADJUDICATION for row in opinions.values()):
        return "settled"
    return "agreed" if len(opinions) > 1 else "due"


def _why(db: Database, facts, opinions: dict) -> str | None:
    """Why the sample is in `review`, or None where it need not be."""
    words = list(opinions.values())
    rules = policy.of_collection(db, facts["collection"])
    if words[0]["verdict"] == "unsure":
        return "unsure"
    if facts["flagged"]:
        return "flagged"
    if facts["shuffle"] % SHARES < rules.second_share * SHARES:
        return "share"
    if facts["why"] == "class":
        return "class"
    return "late" if len(words) > 1 or words[0]["look"] == ADJUDICATION else None


def ask_for_classes(store: Store, collection: str, codes: Sequence[int]) -> int:
    """Send every sample whose label in force is one of `codes`, and that only one curator saw, to a second one; returns how many."""
    with store.writing() as db:
        rows = db.execute(
            f"""insert or ignore into review (sample, collection, state, first, why)
            select d.sample, d.collection, 'due', d.curator, 'class' from current_decision d join label l on l.sample = d.sample
            where d.collection = ? and l.code in ({", ".join("?" * len(codes))})""",
            [collection, *codes],
        )
        return rows.rowcount


def ask_again(store: Store, collection: str) -> int:
    """Bring all of a collection's reviews up to date, as after a change of its rules; returns how many are due."""
    with store.writing() as db:
        decided = db.execute("select id from sample where collection = ? and decision is not null", [collection]).fetchall()
        for row in decided:
            refresh(db, row["id"])
        return db.execute("select count(*) from review where collection = ? and state = 'due'", [collection]).fetchone()[0]
