"""Everything that the Verify card shows of one sample, as one JSON-ready record. Reads only."""

import json
from dataclasses import asdict
from sqlite3 import Row
from typing import Any

import numpy as np
from sqlite_utils import Database

from data import catalogue, indices, packed, seasons
from data.catalogue import Collection, Patch
from data.errors import UnknownSample
from data.importing import NO_LABEL, UNKNOWN_COLOUR
from data.store import Store
from data.workspace import Workspace
from labeling import envelopes, looks, sights, sprites
from labeling.decisions import REASONS

MOST_TILES = 16 * 64 * 64  # pixels of the dates in a card's sprite: 16 of a 64 px patch, about 0.6 MB; of parcel means all
MOST_PICTURES = 14  # given at once, of dates that the sprite has no room for: what the card shows of a season

SAMPLE = """
select s.*, t.name as site_name, t.lon, t.lat, t.region, t.polygon
from sample s join site t on t.id = s.site where s.id = ?
"""
SEASON = """
select i.image, i.slot, i.acquired, i.day, i.clear, i.interpolated, i.quality, t.name, t.median
from image_quality i left join index_stat t on t.image = i.image where i.sample = ? order by i.slot
"""
ROTATION = "select year, code from aci_history where site = ? order by year"
SPAN = """
select min(365 * (substr(i.acquired, 1, 4) - s.year) + i.day), max(365 * (substr(i.acquired, 1, 4) - s.year) + i.day)
from (select id, year from sample where collection = ? order by shuffle limit 20) s join image i on i.sample = s.id
"""
OPINIONS = """
select curator, action, verdict, reason, note, at, look from verdict
where sample = ? and look in ('first', 'second', 'adjudication') order by event
"""
# "cross join" keeps SQLite from reading every prediction: it looks the sample up in each run instead.
NEWEST_PREDICTION = """
select p.* from run r cross join prediction p on p.run = r.name
where p.sample = ? order by r.created desc, r.rowid desc limit 1
"""


def collection_record(store: Store, name: str) -> dict[str, Any]:
    """What all cards of a collection share: legend, digits, bins of the season, index axes, reasons.

    Days, here and on the cards, are counted on one axis through the season: day 1 is 1 January of the first slot's year, or of the
    sample's year where dates are free, and every year has 365.

    Returns:
        Among others: aligned; slots (names; none where dates are free); bins (the day of each, see `data.seasons`); span (first and
        last day to draw, a few samples' where dates are free: single cards may go beyond).

    Raises:
        UnknownCollection: there is none.
    """
    collection = catalogue.collection(store, name)
    bins = _bin_days(collection)
    return {
        "name": name, "title": collection.title, "simulated": collection.simulated, "composites": collection.composites,
        "series": collection.is_series, "aligned": collection.aligned, "attribution": collection.attribution,
        "slots": list(collection.slot_names) if collection.aligned else [], "bins": bins, "span": _span(store, collection, bins),
        "legend": [asdict(entry) for entry in catalogue.legend(store, name)],
        "indices": [
            {"name": index, "title": indices.INDICES[index].title, "low": indices.INDICES[index].low, "high": indices.INDICES[index].high}
            for index in indices.available(collection.bands)
        ],
        "views": [{"name": view, "title": title} for view, title in sprites.display.views(collection.bands).items()],
        "reasons": REASONS,
    }  # fmt: skip


def _bin_days(collection: Collection) -> list[int]:
    """The bins' days on the axis of `collection_record`."""
    dates = seasons.axis(seasons.bins(collection))
    first_of_year = [day.replace(month=1, day=1) for day in dates]
    return [365 * (day.year - dates[0].year) + (day - first).days + 1 for day, first in zip(dates, first_of_year, strict=True)]


def _span(store: Store, collection: Collection, bins: list[int]) -> list[int]:
    if collection.aligned:
        return [bins[0], bins[-1]]
    if collection.packed:
        return [1, 365]
    with store.reading() as db:
        first, last = db.execute(SPAN, [collection.name]).fetchone()
    return [1, 365] if first is None else [first, last]


def card(workspace: Workspace, sample: int, *, curator: str = "", look: str = looks.FIRST) -> dict[str, Any]:
    """The card of one sample, as the curator may see it who is served it for that look (see `labeling.sights`); without one, all of it.

    Returns:
        Keys: id, name, lon, lat (EPSG:4326), region, year, code and modal (codes, 0 = none known), purity (0..1), history (a list by
        year of [year, code]), height, width (pixels), images (a list by date: id, slot, acquired, day, at (day on the axis of
        `collection_record`), clear, interpolated, quality, tile (column in the sprite, or None: see `pictures`)), profiles (index ->
        a value per image, None where undefined), envelopes (class, color, n, bands; see `labeling.envelopes`), prediction, decision,
        flagged, blind (whether the label is hidden), opinions (of those who differ, for who settles it), sprite and inventory (data
        addresses; see `labeling.sprites`), outline (an SVG path or None).

    Raises:
        UnknownSample: no sample of that number.
        PixelsUnreadable: its pixels are missing or damaged.
    """
    packed.materialise(workspace, [sample])
    with workspace.store.reading() as db:
        row = db.execute(SAMPLE, [sample]).fetchone()
        if row is None:
            raise UnknownSample(f"There is no sample number {sample} in this workspace. Reload the page.")
        sight = sights.of_sample(db, sample, curator, look)
        season = db.execute(SEASON, [sample]).fetchall()
        code = NO_LABEL.code if sight.blind else row["inventory_code"] if sight.shown is None else sight.shown
        history = _rotation(db, row, code)
        legend = {entry["code"]: entry for entry in db.execute("select * from legend_class where collection = ?", [row["collection"]])}
        colours = _class_colours(db, row["collection"])
        prediction = None if sight.blind else _prediction(db, sample, colours)
        state = _state(db, sample, sight)
        opinions = _opinions(db, sample) if look == looks.ADJUDICATION else []
    images, profiles = _season(catalogue.collection(workspace.store, row["collection"]), row["year"], season)
    tiles = _tiled(images, row["height"] * row["width"])
    patch = catalogue.patch(workspace, sample)
    labelled = None if code == NO_LABEL.code else _class_of(legend[code])
    return {
        "id": sample, "name": row["name"], "site": row["site_name"], "lon": row["lon"], "lat": row["lat"], "region": row["region"],
        "year": row["year"], "code": code, "purity": row["purity"], "history": [] if sight.blind else history,
        "modal": code if row["modal_code"] == row["inventory_code"] or sight.blind else row["modal_code"], "blind": sight.blind,
        "height": row["height"], "width": row["width"], "images": images, "profiles": profiles,
        "envelopes": _envelopes(workspace.store, row["collection"], sample, labelled, prediction, colours),
        "prediction": prediction, **state,
        "sprite": sprites.sprite(patch, tiles) if tiles else None,
        "inventory": None if sight.blind else sprites.inventory(patch, _colours(patch, legend, {row["inventory_code"]: code})),
        "opinions": opinions,
        "outline": sprites.outline(row["polygon"]) if row["height"] == row["width"] == 1 else None,
    }  # fmt: skip


def pictures(workspace: Workspace, sample: int, images: list[int]) -> dict[str, Any]:
    """Dates of a sample that its card's sprite had no room for, at most MOST_PICTURES of them.

    Returns:
        sample; images (numbers, those of `images` that are the sample's); sprite, with one column each, or None for no image.

    Raises:
        UnknownSample, PixelsUnreadable: see `data.catalogue.patch`.
    """
    with workspace.store.reading() as db:
        slots = dict(map(tuple, db.execute("select id, slot from image where sample = ?", [sample])))
    found = [image for image in images if image in slots][:MOST_PICTURES]
    patch = catalogue.patch(workspace, sample)
    return {"sample": sample, "images": found, "sprite": sprites.sprite(patch, [slots[image] for image in found]) if found else None}


def _tiled(images: list[dict], size: int) -> list[int]:
    """Gives the images that the sprite has room for their columns, clear ones first, spread evenly; returns their slots by date.

    Args:
        size: pixels of the patch.
    """
    room = max(1, MOST_TILES // size)
    clear = [place for place, image in enumerate(images) if image["quality"] == "ok"]
    rest = sorted((place for place, image in enumerate(images) if image["quality"] != "ok"), key=lambda place: -images[place]["clear"])
    kept = [clear[place] for place in np.linspace(0, len(clear) - 1, min(room, len(clear))).round().astype(int)]
    chosen = sorted(kept + rest[: room - len(kept)])
    for column, place in enumerate(chosen):
        images[place]["tile"] = column
    return [images[place]["slot"] for place in chosen]


def _colours(patch: Patch, legend: dict, shown: dict[int, int]) -> dict[int, str]:
    """Code -> colour of the inventory's pixels, those of a control in that of the code shown; codes that the legend lacks are grey."""
    codes = [] if patch.inventory is None else np.unique(patch.inventory).tolist()
    seen = {code: shown.get(code, code) for code in codes if code != NO_LABEL.code}
    return {code: legend[seen[code]]["color"] if seen[code] in legend else UNKNOWN_COLOUR for code in seen}


def _rotation(db: Database, row: Row, code: int) -> list[list[int]]:
    """[year, code] of the years known; the sample's own year has the code that the card shows."""
    years = [list(entry) for entry in db.execute(ROTATION, [row["site"]])]
    return [[year, code if (year, known) == (row["year"], row["inventory_code"]) else known] for year, known in years]


def _opinions(db: Database, sample: int) -> list[dict[str, Any]]:
    """What each curator says of a sample that they see differently, in the order in which they said it."""
    rows = db.execute(OPINIONS, [sample]).fetchall()
    newest = {row["curator"].casefold(): row for row in rows}
    return [
        {"code": int(row["verdict"]) if row["verdict"].isdecimal() else None}
        | {key: row[key] for key in ("curator", "action", "reason", "note", "at", "look")}
        for row in newest.values()
    ]


def states(store: Store, samples: list[int], *, curator: str = "", look: str = looks.FIRST) -> dict[int, dict[str, Any]]:
    """Sample -> {"decision", "flagged"} as they are now; decision is None or uid, curator, action, code, reason, note, at.

    What the curator may not see, see `labeling.sights`, is None.
    """
    with store.reading() as db:
        if not curator:
            return _states(db, samples)
        return {sample: _state(db, sample, sights.of_sample(db, sample, curator, look)) for sample in _states(db, samples)}


def _state(db: Database, sample: int, sight: sights.Sight) -> dict[str, Any]:
    return {"decision": sight.own, "flagged": sight.flagged} if sight.alone else _states(db, [sample])[sample]


def _states(db: Database, samples: list[int]) -> dict[int, dict[str, Any]]:
    rows = db.execute(
        f"""select s.id, s.flagged, e.uid, e.curator, e.action, cast(e.new as integer) as code, e.reason, e.note, e.at
        from sample s left join event e on e.id = s.decision where s.id in ({", ".join("?" * len(samples))})""",
        samples,
    )
    keys = ("uid", "curator", "action", "code", "reason", "note", "at")
    return {
        row["id"]: {"decision": {key: row[key] for key in keys} if row["uid"] else None, "flagged": bool(row["flagged"])} for row in rows
    }


def _season(collection: Collection, year: int, rows: list) -> tuple[list[dict], dict[str, list[float | None]]]:
    """The rows of SEASON as a list of images and, by index, their values."""
    bins = _bin_days(collection)
    images: dict[int, dict] = {}
    values: dict[str, dict[int, float]] = {}
    for row in rows:
        images.setdefault(row["image"], {
            "id": row["image"], "slot": row["slot"], "acquired": row["acquired"], "day": row["day"], "clear": row["clear"],
            "at": row["day"] + 365 * ((bins[row["slot"]] - 1) // 365 if collection.aligned else int(row["acquired"][:4]) - year),
            "interpolated": bool(row["interpolated"]), "quality": row["quality"], "tile": None,
        })  # fmt: skip
        if row["name"] is not None and row["median"] is not None:
            values.setdefault(row["name"], {})[row["image"]] = round(row["median"], 4)
    return list(images.values()), {name: [found.get(image) for image in images] for name, found in values.items()}


def _class_colours(db: Database, collection: str) -> dict[str, str]:
    rows = db.execute("select name, color from learned_class where collection = ? order by position", [collection])
    return {row["name"]: row["color"] for row in rows}


def _class_of(entry) -> str:
    return entry["learned"] or entry["name"]


def _prediction(db: Database, sample: int, colours: dict[str, str]) -> dict | None:
    """The newest run's reading of the sample, with its second choice where the run learned every class of the collection."""
    row = db.execute(NEWEST_PREDICTION, [sample]).fetchone()
    if row is None:
        return None
    classes, shares = list(colours), json.loads(row["probabilities"])
    order = np.argsort(shares)[::-1]
    second = next((place for place in order if classes[place] != row["predicted"]), None) if len(classes) == len(shares) else None
    return {
        "run": row["run"], "part": row["part"], "predicted": row["predicted"], "probability": round(row["probability"], 4),
        "color": colours.get(row["predicted"], "#888888"),
        "second": None if second is None else classes[second],
        "second_probability": None if second is None else round(shares[second], 4),
    }  # fmt: skip


def _envelopes(
    store: Store, collection: str, sample: int, labelled: str | None, prediction: dict | None, colours: dict[str, str]
) -> list[dict]:
    """Of the labelled class, and of the model's next best reading where there is one; of its best two without a label."""
    wanted = [] if labelled is None else [labelled]
    if prediction:
        read = [name for name in (prediction["predicted"], prediction["second"]) if name not in (labelled, None)]
        wanted += read[: 2 - len(wanted)]
    known = envelopes.of_collection(store, collection)
    nothing = {"n": 0, "bands": {}}
    return [
        {"class": name, "color": colours.get(name, "#7a8580"), **(known[name].record(sample) if name in known else nothing)}
        for name in wanted
    ]
