"""In an area: the samples inside a polygon that was drawn on the map, those first that are most worth a look.

First come those that the newest ranking of label errors counts as errors, the label most likely wrong first; then those whose label
disagrees with the map, the surest first; then the others by name.
"""

import math
from typing import Any

from data.errors import BadInput
from data.mapped import folder
from data.workspace import Workspace
from labeling import placed
from labeling.placed import Placed, Word
from labeling.rankings.common import DOUBTED, Ranked, run_of
from labeling.rankings.map_disagrees import source

DOUBTS = "select sample, rank, reason from suspect where run = ? and counted = 1"


def ranked(
    workspace: Workspace, collection: str, *, limit: int, area: dict[str, Any] | str, seed: int = 0, map: str | None = None,
    run: str | None = None, decided: bool = False,
) -> list[Ranked]:  # fmt: skip
    """Up to `limit` samples; score: the rank of the doubt, else 0..1 how sure the map is that the label is wrong, else None.

    Args:
        area: GeoJSON in EPSG:4326. map: the name of a finished map. run: whose doubts; by default those of the newest that has any.
        seed: of no use here.

    Raises:
        UnknownRun: there is no such run.
        BadInput: the area is none or no sample lies in it, there is no such map, or the run ranked no labels.
    """
    there = placed.samples(workspace.store, collection, placed.area(area))
    if not there:
        raise BadInput(f"No sample of {collection} lies in this area. Draw another one.")
    made = folder.named(workspace, map) if map else None
    said = placed.words(made, there) if made else {}
    of = placed.years(made) if made else set()
    doubts = _doubts(workspace, collection, run)
    wanted = [one for one in there if decided or not one.decided]
    wanted.sort(key=lambda one: _place(doubts.get(one.id), said.get(one.id)))
    return [_entry(one, doubts.get(one.id), said.get(one.id), asked=one.year in of) for one in wanted[:limit]]


def _doubts(workspace: Workspace, collection: str, run: str | None) -> dict[int, tuple[int, str]]:
    """Sample number -> rank and reason of the doubt; none where no run was asked for and none has ranked labels."""
    try:
        run = run_of(workspace.store, collection, run, DOUBTED)
    except BadInput:
        if run is not None:
            raise
        return {}
    with workspace.store.reading() as db:
        return {row["sample"]: (row["rank"], row["reason"]) for row in db.execute(DOUBTS, [run])}


def _place(doubt: tuple[int, str] | None, word: Word | None) -> tuple[int, float]:
    """What the order is by; within that it is by name, as the samples come."""
    if doubt:
        return 0, doubt[0]
    return (1, -word.probability) if word and word.disagrees else (2, math.inf)


def _entry(sample: Placed, doubt: tuple[int, str] | None, word: Word | None, *, asked: bool) -> Ranked:
    """asked: whether the map speaks of the sample's year."""
    told = ["In the area drawn on the map"]
    if word and word.disagrees:
        told.append(f"the map says {word.predicted}, {source(sample).lower()} {word.label}")
    elif word:
        told.append(f"the map {f'and {source(sample).lower()} say' if word.label else 'says'} {word.predicted}")
    elif asked:
        told.append("the map has nothing here")
    if doubt:
        told.append(doubt[1].rstrip("."))
    score = doubt[0] if doubt else word.probability if word and word.disagrees else None
    return Ranked(sample.id, score, f"{'; '.join(told)}.")
