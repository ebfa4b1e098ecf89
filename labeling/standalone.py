"""A map as one file of HTML that opens anywhere, offline: Leaflet, our drawing code, the background, the layers and the samples inside.

It is drawn by the same scripts as the Map page (static/). What they fetch there from the app is here a `data:` address, so that the page
asks nothing of any server. Texts go into a block of JSON and are set as text. Needs no folium and no database.
"""

import base64
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from data.errors import BadInput
from data.mapped.legends import Legend
from data.mapped.pictures import Picture, View
from data.prints import paper
from data.prints.maps import Words
from data.workspace import CHECKOUT
from labeling import points as files
from labeling.points import Group, Point

LIMIT_MB = 20  # of the page; what browsers open and mail takes
HERE, STATIC = Path(__file__).parent, CHECKOUT / "static"
STYLES = (STATIC / "vendor" / "leaflet" / "leaflet.css", STATIC / "map.css", HERE / "standalone.css")
SCRIPTS = (
    STATIC / "vendor" / "leaflet" / "leaflet.js", STATIC / "map.js", STATIC / "map_points.js", STATIC / "map_rasters.js",
    HERE / "standalone.js",
)  # fmt: skip
WORLD = STATIC / "vendor" / "background" / "world.json"
NOTICE = (
    "This page holds Leaflet, BSD-2-Clause, (c) 2010-2022 Vladimir Agafonkin, (c) 2010-2011 CloudMade. Coasts and borders: Natural Earth."
)
RADIUS, FEW, MANY = (6, 4, 3), 1_000, 20_000  # px of a sample's circle: of few samples, of more, of many
ADDRESS = re.compile(r"url\([^)]*\)")  # of pictures of controls that the page does not have


@dataclass(frozen=True)
class Layer:
    """A raster layer of the page. picture: None where it shows nothing there. imagery: whether it may lie below the others."""

    name: str
    title: str
    picture: Picture | None
    legend: Legend
    imagery: bool = False


@dataclass(frozen=True)
class Shown:
    """What is switched on when the page opens: names of layers, or None. left: only where the view is split. opacity: 0..1."""

    base: str | None = None
    left: str | None = None
    right: str | None = None
    opacity: float = 1.0


@dataclass(frozen=True)
class Samples:
    """Points with a grouping from `labeling.points`. title: of their legend. predicted: whether the groups are predicted classes, so
    that probabilities are told and points predicted otherwise than labelled are ringed."""

    points: Sequence[Point]
    groups: Sequence[Group]
    positions: Sequence[int]
    title: str = "Samples"
    predicted: bool = False


def page(words: Words, view: View, layers: Sequence[Layer], shown: Shown, samples: Samples | None = None) -> str:
    """The page.

    Args:
        view: what the map opens on.
        samples: None for none. Their names and groups are in the page, who decided on them is not.

    Raises:
        BadInput: it would be larger than `LIMIT_MB`.
    """
    told = {
        "title": words.title, "facts": words.facts, "sources": f"{words.sources} {NOTICE}".strip(),
        "simulated": " · ".join(paper.SIMULATED) if words.simulated else "",
        "bounds": [[view.south, view.west], [view.north, view.east]], "world": _address(WORLD.read_bytes(), "application/json"),
        "layers": [_layer(layer) for layer in layers], "base": shown.base, "left": shown.left, "right": shown.right,
        "opacity": shown.opacity, "points": None, "groups": [],
    } | (_samples(samples) if samples and samples.points else {})  # fmt: skip
    parts = {
        "title": html.escape(words.title),
        "styles": ADDRESS.sub("none", "\n".join(path.read_text(encoding="utf-8") for path in STYLES)),
        "told": json.dumps(told, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),  # no text can end the block
        "scripts": "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS),
    }
    template = (HERE / "standalone.html").read_text(encoding="utf-8")
    made = re.sub(r"{{(\w+)}}", lambda place: parts[place[1]], template)
    size = len(made.encode()) / 1e6
    if size > LIMIT_MB:
        raise BadInput(
            f"The page would be {size:.0f} MB, and {LIMIT_MB} MB is the most that opens with ease. Choose fewer layers, "
            "or this view instead of the whole map."
        )
    return made


def _layer(layer: Layer) -> dict[str, Any]:
    picture, ramp = layer.picture, layer.legend.ramp
    found: dict[str, Any] = {
        "name": layer.name, "title": layer.title, "imagery": layer.imagery, "url": None, "bounds": None, "ramp": [], "ticks": [],
        "entries": [
            {"title": entry.name, "title_fr": entry.name_fr, "color": entry.colour, "amount": _hectares(entry.hectares)}
            for entry in layer.legend.entries
        ],
    }  # fmt: skip
    if picture:
        found |= {
            "url": _address(_smaller(picture.png), "image/png"),
            "bounds": [[picture.south, picture.west], [picture.north, picture.east]],
        }
    if ramp:
        found["ramp"] = [[(value - ramp.low) / (ramp.high - ramp.low), color] for value, color in ramp.stops]
        found["ticks"] = [paper.figure(value, ramp.unit) for value in (ramp.low, (ramp.low + ramp.high) / 2, ramp.high)]
    return found


def _hectares(hectares: float | None) -> str:
    return "" if hectares is None else f"{hectares:,.0f} ha"


def _samples(samples: Samples) -> dict[str, Any]:
    """The files of `labeling.points` as addresses, and what their groups are called."""
    count = len(samples.points)
    faces = files.face_file(samples.points, samples.positions, predicted=samples.predicted)
    kinds = {"places": files.place_file(samples.points), "names": files.name_file(samples.points), "faces": faces}
    record = {kind: _address(content, "application/octet-stream") for kind, content in kinds.items()}
    record |= {
        "groups": [[group.title, group.color] for group in samples.groups], "hidden": [],
        "radius": RADIUS[0] if count <= FEW else RADIUS[1] if count <= MANY else RADIUS[2],
    }  # fmt: skip
    groups = [
        {"title": group.title, "title_fr": group.title_fr, "color": group.color, "amount": f"{group.count:,}"} for group in samples.groups
    ]
    return {"points": record, "groups": groups, "samples": samples.title}


def _smaller(png: bytes) -> bytes:
    """The same pixels, packed tighter than for the screen."""
    from PIL import Image

    out = BytesIO()
    with Image.open(BytesIO(png)) as opened:
        opened.save(out, "PNG", compress_level=9)
    return out.getvalue()


def _address(content: bytes, media: str) -> str:
    return f"data:{media};base64,{base64.b64encode(content).decode()}"
