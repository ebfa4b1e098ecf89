"""The folder of a map: the whole contract between the command that makes it and the pages that show it. No rasters are opened here.

maps/<name>/
    map.json            what `Map` holds; written last, so that a folder without it is a map that is not finished
    crop.tif            uint8 or uint16 inventory codes with colour table and names, 0 = nothing predicted
    second.tif          the second choice, likewise
    probability.tif     float32 0..1 of the first choice, NaN = nothing predicted
    margin.tif          float32 0..1, first choice less the second
    probabilities.tif   uint16 x 10 000, a band a class in the order of `classes`, 65535 = nothing predicted
    inventory.tif       the inventory on the map's grid, codes with colour table and names, 0 = no label; where one was given
    agreement.tif       uint8: 1 agrees, 2 disagrees, 0 = nothing predicted, no label or no class that the run knows; likewise
    fields.gpkg         layer fields: polygons with their shares and confidence; where polygons were given
    plan.json, work/    how far it is; gone when the map is finished
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data.errors import BadInput
from data.stacks import stack as stacks
from data.stacks.stack import Stack
from data.workspace import Workspace

FORMAT = 1
CROP, SECOND, PROBABILITY, MARGIN, SHARES = "crop", "second", "probability", "margin", "probabilities"
INVENTORY, AGREEMENT = "inventory", "agreement"
AGREES, DISAGREES = 1, 2  # in agreement.tif
SHARE_SCALE = 10_000  # of probabilities.tif
NO_SHARE = 65_535
FIELDS = "fields.gpkg"
NOTE = "map.json"


@dataclass(frozen=True)
class MapClass:
    """A class that the run predicts. code: the inventory code that stands for it on the map; codes: all of its codes."""

    name: str
    name_fr: str
    code: int
    color: str
    codes: tuple[int, ...]


@dataclass(frozen=True)
class Map:
    """A finished map.

    path: its folder. run, collection, model: what predicted, and what that learned from.
    made: UTC, ISO-8601.
    classes: in the order of the bands of probabilities.tif.
    stack: what it was predicted from.
    rasters: names of the rasters that are there, without ".tif".
    fields: whether there is fields.gpkg.
    settings: what it was made with: smoothing and its settings, inventory, fields.
    figures: {"pixels", "predicted", "agreeing", "disagreeing", "classes": {name: {"pixels", "hectares"}}, ...}.
    """

    path: Path
    name: str
    title: str
    run: str
    collection: str
    model: str
    made: str
    classes: tuple[MapClass, ...]
    stack: Stack
    rasters: tuple[str, ...]
    fields: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)

    def raster(self, name: str) -> Path:
        """The path of a raster.

        Raises:
            BadInput: the map has none of that name, or the file is gone.
        """
        path = self.path / f"{name}.tif"
        if name not in self.rasters:
            raise BadInput(f"The map {self.name} has no {name}. It has {', '.join(self.rasters)}.")
        if not path.exists():
            raise BadInput(f"{path} is missing. Make the map again: python -m modeling map --out {self.path} ...")
        return path

    def by_code(self) -> dict[int, MapClass]:
        """Inventory code -> class, of all codes of all classes."""
        return {code: entry for entry in self.classes for code in entry.codes}


def save(made: Map) -> None:
    """Write map.json, whole or not at all: from here on the map is finished."""
    content = {"format": FORMAT} | {key: value for key, value in asdict(made).items() if key not in ("path", "name", "stack")}
    content["stack"] = made.stack.as_json()
    partial = made.path / f"{NOTE}.partial"
    partial.write_text(json.dumps(content, ensure_ascii=False, indent=1))
    partial.replace(made.path / NOTE)


def load(path: Path) -> Map:
    """The map in a folder.

    Raises:
        BadInput: there is no finished map, or its map.json is damaged or of a newer version.
    """
    try:
        content = json.loads((path / NOTE).read_text())
        if content.pop("format") != FORMAT:
            raise BadInput(f"The map {path} was written by a newer Cropcheck. Update this checkout.")
        classes = tuple(MapClass(**entry | {"codes": tuple(entry["codes"])}) for entry in content.pop("classes"))
        stack, rasters = stacks.from_json(content.pop("stack")), tuple(content.pop("rasters"))
        return Map(path=path, name=path.name, classes=classes, stack=stack, rasters=rasters, **content)
    except FileNotFoundError:
        raise BadInput(f"There is no finished map in {path}. Make or resume it: python -m modeling map --out {path} ...") from None
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path / NOTE} is damaged: {error}. Restore it from a backup, or make the map again.") from error


def listing(workspace: Workspace, collection: str | None = None) -> list[Map]:
    """The workspace's finished maps, of one collection's runs or of all, newest first; damaged ones are left out."""
    found = []
    for note in workspace.maps.glob(f"*/{NOTE}"):
        try:
            found.append(load(note.parent))
        except BadInput:
            continue
    wanted = [made for made in found if collection in (None, made.collection)]
    return sorted(wanted, key=lambda made: (made.made, made.name), reverse=True)


def damaged(workspace: Workspace) -> list[str]:
    """What is wrong with the maps that `listing` leaves out, a sentence each."""
    found = []
    for note in sorted(workspace.maps.glob(f"*/{NOTE}")):
        try:
            load(note.parent)
        except BadInput as error:
            found.append(str(error))
    return found


def named(workspace: Workspace, name: str) -> Map:
    """The workspace's map of that name.

    Raises:
        BadInput: there is none.
    """
    path = workspace.maps / Path(name).name
    if not (path / NOTE).exists():
        names = ", ".join(made.name for made in listing(workspace)) or "none yet"
        raise BadInput(f"There is no finished map {name!r} in this workspace. It has: {names}.")
    return load(path)
