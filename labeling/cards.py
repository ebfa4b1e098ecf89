"""Everything that the Verify card shows of one sample, as one JSON-ready record. Reads only."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
from sqlite_utils import Database

from data import catalogue, indices, packed
from data.errors import UnknownSample
from data.store import Store
from data.workspace import Workspace
from labeling import envelopes, sprites
from labeling.decisions import REASONS

SAMPLE = """
select s.*, t.name as site_name, t.lon, t.lat, t.region, t.polygon
from sample s join site t on t.id = s.site where s.id = ?
"""
SEASON = """
select i.image, i.slot, i.acquired, i.day, i.clear, i.interpolated, i.quality, t.name, t.median
from image_quality i left join index_stat t on t.image = i.image where i.sample = ? order by i.slot
"""
# "cross join" keeps SQLite from reading every prediction: it looks the sample up in each run instead.
NEWEST_PREDICTION = """
select p.* from run r cross join prediction p on p.run = r.name
where p.sample = ? order by r.created desc, r.rowid desc limit 1
"""


def collection_record(store: Store, name: str) -> dict[str, Any]:
    """What all cards of a collection share: legend, digits, dates, index axes, reasons.

    Raises:
        UnknownCollection: there is none.
    """
    collection = catalogue.collection(store, name)
    return {
        "name": name, "title": collection.title, "simulated": collection.simulated, "composites": collection.composites,
        "series": collection.is_series, "slots": list(collection.slot_names), "attribution": collection.attribution,
        "legend": [asdict(entry) for entry in catalogue.legend(store, name)],
        "indices": [
            {"name": index, "title": indices.INDICES[index].title, "low": indices.INDICES[index].low, "high": indices.INDICES[index].high}
            for index in indices.available(collection.bands)
        ],
        "views": [{"name": view, "title": title} for view, title in sprites.display.VIEWS.items()],
        "reasons": REASONS,
    }  # fmt: skip


def card(workspace: Workspace, sample: int) -> dict[str, Any]:
    """The card of one sample.

    Returns:
        Keys: id, name, lon, lat (EPSG:4326), region, year, code and modal (codes), purity (0..1), height, width (pixels),
        images (a list by date: id, slot, acquired, day, clear, interpolated, quality), profiles (index -> a value per image, None
        where undefined), envelopes (class, color, n, bands; see `labeling.envelopes`), prediction, decision, flagged, sprite
        and inventory (data addresses; see `labeling.sprites`), outline (an SVG path or None).

    Raises:
        UnknownSample: no sample of that number.
        PixelsUnreadable: its pixels are missing or damaged.
    """
    packed.materialise(workspace, [sample])
    with workspace.store.reading() as db:
        row = db.execute(SAMPLE, [sample]).fetchone()
        if row is None:
            raise UnknownSample(f"There is no sample number {sample} in this workspace. Reload the page.")
        season = db.execute(SEASON, [sample]).fetchall()
        legend = {entry["code"]: entry for entry in db.execute("select * from legend_class where collection = ?", [row["collection"]])}
        colours = _class_colours(db, row["collection"])
        prediction = _prediction(db, sample, colours)
        state = _states(db, [sample])[sample]
    images, profiles = _season(season)
    patch = catalogue.patch(workspace, sample)
    code = row["inventory_code"]
    return {
        "id": sample, "name": row["name"], "site": row["site_name"], "lon": row["lon"], "lat": row["lat"], "region": row["region"],
        "year": row["year"], "code": code, "modal": row["modal_code"], "purity": row["purity"],
        "height": row["height"], "width": row["width"], "images": images, "profiles": profiles,
        "envelopes": _envelopes(workspace.store, row["collection"], sample, _class_of(legend[code]), prediction, colours),
        "prediction": prediction, **state,
        "sprite": sprites.sprite(patch, [image["slot"] for image in images]) if images else None,
        "inventory": sprites.inventory(patch, {key: entry["color"] for key, entry in legend.items()}),
        "outline": sprites.outline(row["polygon"]) if row["height"] == row["width"] == 1 else None,
    }  # fmt: skip


def states(store: Store, samples: list[int]) -> dict[int, dict[str, Any]]:
    """Sample -> {"decision", "flagged"} as they are now; decision is None or uid, curator, action, code, reason, note, at."""
    with store.reading() as db:
        return _states(db, samples)


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


def _season(rows: list) -> tuple[list[dict], dict[str, list[float | None]]]:
    """The rows of SEASON as a list of images and, by index, their values."""
    images: dict[int, dict] = {}
    values: dict[str, dict[int, float]] = {}
    for row in rows:
        images.setdefault(row["image"], {
            "id": row["image"], "slot": row["slot"], "acquired": row["acquired"], "day": row["day"], "clear": row["clear"],
            "interpolated": bool(row["interpolated"]), "quality": row["quality"],
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


def _envelopes(store: Store, collection: str, sample: int, labelled: str, prediction: dict | None, colours: dict[str, str]) -> list[dict]:
    """Of the labelled class, and of the model's next best reading where there is one."""
    wanted = [labelled]
    if prediction:
        wanted += [name for name in (prediction["predicted"], prediction["second"]) if name not in (labelled, None)][:1]
    known = envelopes.of_collection(store, collection)
    nothing = {"n": 0, "bands": {}}
    return [
        {"class": name, "color": colours.get(name, "#7a8580"), **(known[name].record(sample) if name in known else nothing)}
        for name in wanted
    ]
