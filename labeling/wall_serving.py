"""What the server answers to a wall that works ahead on its own: first store what it sends, then give the pages and sprites it lacks.

Every answer is complete in itself, so one that gets lost on the way is made good by the next.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from data import catalogue, display
from data.catalogue import Collection
from data.errors import BadInput
from data.store import Store
from data.workspace import Workspace
from labeling import serving, suspicion, thumbnails, wall
from labeling.wall import LAYOUTS, SHOWS, SORTS, TILES, Place, Wall

VIEWS = ("true", "nir")  # that V cycles through, where the bands have them


def asked(collection: str, address: Mapping[str, str]) -> tuple[Wall, int]:
    """The wall and the page number that a page's address names; what it leaves out is as by default.

    Raises:
        BadInput: it names a sort, filter or layout that there is none of, or no page number.
    """
    words = {key: address[key] for key in ("sort", "show", "layout") if key in address}
    number = address.get("page", "1")
    if not number.isdecimal() or len(number) > 9 or int(number) < 1:
        raise BadInput(f"{number!r} is no page number of the wall: give a whole number from 1.")
    return Wall(collection, **words), int(number)


def checked(store: Store, given: Wall, number: int) -> tuple[Wall, int]:
    """The same, where there is such a page.

    Raises:
        BadInput: there is none.
    """
    return given, wall.require_number(store, given, number)


def answer(workspace: Workspace, collection: str, curator: str, start: tuple[Wall, int], message: dict[str, Any] | None) -> dict[str, Any]:
    """Store the events of `message`, then say what is stored and send what the client asks for.

    Args:
        start: wall and page number to begin with.
        message: what the wall in the browser sent, or None at its first showing: `n` (its number), `collection`, `events` (see
            `labeling.decisions.record`), `have` (images whose state it wants to know), `list` (a page: sort, show and layout, and
            `number`, or the place `after` or `before` it), `sprite` (its `images`), both with `view` and `size`.

    Returns:
        JSON-ready: n, workspace, curator, collection and what belongs to it, saved (uids), errors, failure, page (with its sprite),
        sprite, states, progress, and at the first showing the curator's steps that can be undone.
    """
    store = workspace.store
    entry = catalogue.collection(store, collection)
    suspicion.require_pictures(entry)
    outcomes, failure = serving.recorded(workspace, collection, curator, (message or {}).get("events") or [])
    known = message if message and message.get("collection") == collection else {}
    page, sprite, error = None, None, None
    try:
        page = _page(workspace, entry, *start, known)
        sprite = _sprite(workspace, entry, known.get("sprite"))
    except BadInput as refused:
        error = str(refused)
    have = [image for image in known.get("have", []) if isinstance(image, int)][: 2 * TILES]
    return {
        "n": known.get("n", 0), "workspace": serving.workspace_key(workspace), "curator": curator, "collection": _record(entry),
        "saved": [outcome.uid for outcome in outcomes if outcome.stored],
        "errors": [{"uid": outcome.uid, "text": outcome.error} for outcome in outcomes if not outcome.stored],
        "failure": failure, "refused": error, "page": page, "sprite": sprite,
        "states": {str(image): state for image, state in wall.states(store, curator, have).items()},
        "progress": asdict(wall.progress(store, collection)),
        "steps": None if known else wall.steps(store, collection, curator),
    }  # fmt: skip


def _record(collection: Collection) -> dict[str, Any]:
    shown = display.views(collection.bands)
    return {
        "name": collection.name, "title": collection.title, "simulated": collection.simulated, "aligned": collection.aligned,
        "slots": list(collection.slot_names), "views": {view: shown[view] for view in VIEWS if view in shown},
        "side": max(collection.height, collection.width), "sizes": list(thumbnails.SIZES), "unit": wall.unit(collection, "images"),
        "sorts": {name: title for name, (_, _, title) in SORTS.items()}, "shows": {name: title for name, (_, title) in SHOWS.items()},
        "layouts": LAYOUTS,
    }  # fmt: skip


def _page(workspace: Workspace, collection: Collection, start: Wall, number: int, known: dict[str, Any]) -> dict[str, Any] | None:
    """The page asked for with its sprite; at the first showing the one to start with."""
    wanted = known.get("list") if known else {"number": number, **asdict(start)}
    if not isinstance(wanted, dict):
        return None
    given = Wall(collection.name, **{key: str(wanted[key]) for key in ("sort", "show", "layout") if key in wanted})
    after, before = _place(wanted.get("after")), _place(wanted.get("before"))
    number = wanted["number"] if isinstance(wanted.get("number"), int) else 1
    page = wall.page(workspace.store, given, number=number, after=after, before=before)
    ask = {"images": [tile["image"] for tile in page.tiles], "view": wanted.get("view"), "size": wanted.get("size")}
    words = {"sort": given.sort, "show": given.show, "layout": given.layout}
    return vars(page) | words | {"after": after, "before": before, "sprite": _sprite(workspace, collection, ask)}


def _sprite(workspace: Workspace, collection: Collection, wanted: Any) -> dict[str, Any] | None:
    """The sprite asked for, with the view and size that it has; None where nothing was asked for or the page is empty."""
    if not isinstance(wanted, dict) or not wanted.get("images"):
        return None
    images = [image for image in wanted["images"] if isinstance(image, int)][: max(TILES, wall.FEWEST_SAMPLES * collection.slots)]
    view, size = wanted.get("view") or VIEWS[0], wanted.get("size") or thumbnails.SIZES[0]
    return asdict(thumbnails.sprite(workspace, collection, images, view, size)) | {"view": view, "size": size, "first": images[0]}


def _place(value: Any) -> Place | None:
    """A place as the browser sends it back.

    Raises:
        BadInput: it is none.
    """
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 2 and all(isinstance(one, int | float) for one in value):
        return float(value[0]), int(value[1])
    raise BadInput(f"{value!r} is no place on the wall. Reload the page.")
