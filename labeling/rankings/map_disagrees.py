"""The map disagrees with the label: samples whose place on a finished map shows another class, the surest first.

What a map says of a sample, see `labeling.placed`. Labels of a class that the map does not know are left out.
"""

from typing import Any

from data.errors import BadInput
from data.mapped import folder
from data.mapped.folder import Map
from data.workspace import Workspace
from labeling import placed
from labeling.placed import Placed
from labeling.rankings.common import Ranked


def ranked(
    workspace: Workspace, collection: str, *, limit: int, map: str, area: dict[str, Any] | str | None = None, seed: int = 0,
    decided: bool = False,
) -> list[Ranked]:  # fmt: skip
    """Up to `limit` samples; score: 0..1 how sure the map is, see `data.mapped.sampling.Said`. Of equal ones by name.

    Args:
        map: the name of a finished map. area: GeoJSON in EPSG:4326, outside which samples are left out.
        seed: of no use here.

    Raises:
        BadInput: there is no such map or it cannot be read, it says nothing of any sample, or the area is none.
    """
    made = folder.named(workspace, map)
    there = placed.samples(workspace.store, collection, None if area is None else placed.area(area))
    found = placed.words(made, there)
    if not found:
        raise BadInput(silent(made, collection, there))
    against = [one for one in there if one.id in found and found[one.id].disagrees and (decided or not one.decided)]
    against.sort(key=lambda one: -found[one.id].probability)
    return [
        Ranked(
            one.id, found[one.id].probability,
            f"{source(one)} says {found[one.id].label}; the map {made.name} says {found[one.id].predicted} with probability "
            f"{found[one.id].probability:.2f}.",
        )
        for one in against[:limit]
    ]  # fmt: skip


def source(sample: Placed) -> str:
    """Who gave the label in force."""
    return "The inventory" if sample.code == sample.inventory_code else "The label"


def silent(made: Map, collection: str, there: list[Placed]) -> str:
    """Why the map says nothing of these samples."""
    if not there:
        return f"No sample of {collection} lies in this area. Draw another one."
    of, said = sorted(placed.years(made)), sorted({one.year for one in there})
    if not set(of) & set(said):
        return (
            f"The map {made.name} is of {', '.join(map(str, of))}, the samples of {collection} there are of {', '.join(map(str, said))}. "
            "Choose another map."
        )
    return (
        f"The map {made.name} says nothing of the samples of {collection} there: they lie outside it, or where nothing was predicted. "
        "Choose another map or another area."
    )
