"""Gaps: classes or regions of which the smallest share is verified come first, in turn, so that coverage evens out.

Each next sample is of the group whose share, verified and listed so far, is the lowest. Groups draw from their undecided samples in
shuffled order.
"""

from collections import Counter

import numpy as np

from data.errors import BadInput
from data.workspace import Workspace
from labeling.rankings.common import Ranked, percent

GROUPINGS = ("class", "region")
MEMBERS = """
select s.id, coalesce(g.learned, g.name), t.region, l.verified, s.decision is null
from sample s join label l on l.sample = s.id join site t on t.id = s.site
left join legend_class g on g.collection = s.collection and g.code = l.code and g.code <> 0
where s.collection = ? and l.code is not null order by s.id
"""


def ranked(workspace: Workspace, collection: str, *, limit: int, seed: int = 0, by: str = "class") -> list[Ranked]:
    """Up to `limit` undecided samples; score: the share 0..1 of its group that is verified when its turn comes. Without label: left out.

    Args:
        seed: of the order within a group.
        by: class (of the label in force), or region.

    Raises:
        BadInput: no such grouping.
    """
    if by not in GROUPINGS:
        raise BadInput(f"There are no gaps by {by!r}. Choose one of {', '.join(GROUPINGS)}.")
    with workspace.store.reading() as db:
        db.conn.row_factory = None
        rows = db.execute(MEMBERS, [collection]).fetchall()
    column = 1 + GROUPINGS.index(by)
    rows = [row for row in rows if row[column] is not None]
    sizes, verified = Counter(row[column] for row in rows), Counter(row[column] for row in rows if row[3])
    waiting = [rows[at] for at in np.random.default_rng(seed).permutation(len(rows)) if rows[at][4]]
    taken: Counter[str] = Counter()
    scores = np.empty(len(waiting))
    for at, row in enumerate(waiting):
        group = row[column]
        scores[at] = (verified[group] + taken[group]) / sizes[group]
        taken[group] += 1
    whole = verified.total() / max(1, sizes.total())
    reasons = {group: _reason(group, by, verified[group], size, whole) for group, size in sizes.items()}
    return [Ranked(waiting[at][0], float(scores[at]), reasons[waiting[at][column]]) for at in np.argsort(scores, kind="stable")[:limit]]


def _reason(group: str, by: str, verified: int, size: int, whole: float) -> str:
    where = f"in {group}" if by == "region" else f"of {group}"
    told = f"{verified:,} of the {size:,} samples {where} were verified ({percent(verified / size)})"
    return f"{told}, {percent(whole)} of all."
