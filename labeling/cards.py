"""The card of a sample: everything the Verify page shows of it, as one JSON-ready record with its pictures inside.

The browser holds the next cards and moves on without asking, so a card must be complete.
"""

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from sqlite_utils import Database

from data import catalogue, display, indices
from data.catalogue import Patch
from data.importing import LegendClass
from data.store import Store
from data.workspace import Workspace

ENOUGH = 20  # fewer verified samples make no envelope
SAMPLE = """
select s.*, g.name as site_name, g.lon, g.lat, g.region, g.polygon, l.state, l.code, d.uid, d.curator, d.action, d.reason, d.at
from sample s join site g on g.id = s.site join label l on l.sample = s.id left join current_decision d on d.sample = s.id
where s.id = ?
"""


@dataclass(frozen=True)
class Seasons:
    """The seasons of the verified samples of some crop codes.

    name, color: of the class.
    samples: (n,) int64 sample numbers.
    values: (n, T, I) float32 medians of the indices in the order of `indices.INDICES`; NaN = missing or not clear.
    """

    name: str
    color: str
    samples: np.ndarray
    values: np.ndarray


def seasons(store: Store, collection: str, code: int) -> Seasons:
    """The seasons of the verified samples of the class that `code` belongs to: its learned class, or the code alone."""
    with store.reading() as db:
        own = db.execute("select * from legend_class where collection = ? and code = ?", [collection, code]).fetchone()
        slots = db.execute("select slots from collection where name = ?", [collection]).fetchone()["slots"]
        rows = db.execute(
            """select l.sample, i.slot, t.name, t.median from label l
            join legend_class c on c.collection = l.collection and c.code = l.code
            join image_quality i on i.sample = l.sample and i.quality = 'ok'
            join index_stat t on t.image = i.image
            where l.collection = ? and l.verified and (c.code = ? or c.learned = ?)""",
            [collection, code, own["learned"]],
        ).fetchall()
    samples = np.array(sorted({row["sample"] for row in rows}), dtype=np.int64)
    row_of, column_of = {int(sample): row for row, sample in enumerate(samples)}, {name: at for at, name in enumerate(indices.INDICES)}
    values = np.full((len(samples), slots, len(column_of)), np.nan, dtype=np.float32)
    for sample, slot, name, median in rows:
        if median is not None:
            values[row_of[sample], slot, column_of[name]] = median
    return Seasons(own["learned"] or own["name"], own["color"], samples, values)


def envelope(of: Seasons, without: int) -> dict:
    """The 10, 50 and 90 % lines of a class per index and date, leaving the sample `without` out.

    Returns:
        {"name", "color", "n", "lines": {index: [[p10, median, p90] or None per slot]}}; no lines under `ENOUGH` samples.
    """
    values = of.values[of.samples != without]
    record = {"name": of.name, "color": of.color, "n": len(values), "lines": {}}
    if len(values) < ENOUGH:
        return record
    counts = np.isfinite(values).sum(axis=0)  # (T, I)
    filled = np.where(counts == 0, 0.0, values)
    spread = np.nanpercentile(filled, (10, 50, 90), axis=0)  # (3, T, I)
    for column, name in enumerate(indices.INDICES):
        record["lines"][name] = [
            [round(float(value), 3) for value in spread[:, slot, column]] if counts[slot, column] >= ENOUGH else None
            for slot in range(values.shape[1])
        ]
    return record


def card(workspace: Workspace, sample: int, legend: dict[int, LegendClass], class_seasons: Callable[[int], Seasons]) -> dict:
    """The card of a sample.

    Args:
        legend: code -> class of the sample's collection.
        class_seasons: `seasons` of the collection for a code, cached by the caller: many cards share a class.

    Raises:
        UnknownSample: no sample of that number.
        PixelsUnreadable: its shard is missing or damaged.
    """
    patch = catalogue.patch(workspace, sample)
    with workspace.store.reading() as db:
        row = db.execute(SAMPLE, [sample]).fetchone()
        images = _images(db, sample)
        profiles = _profiles(db, sample)
        prediction = _prediction(db, sample)
    slots = [image["slot"] for image in images]
    inventory = legend[row["inventory_code"]]
    envelopes = [envelope(class_seasons(code), sample) for code in _compared(inventory, prediction, legend)]
    return {
        "id": sample, "name": row["name"], "region": row["region"], "year": row["year"],
        "lon": round(row["lon"], 5), "lat": round(row["lat"], 5),
        "inventory": _named(inventory), "purity": row["purity"],
        "modal": _named(legend[row["modal_code"]]) if row["modal_code"] in legend else None,
        "images": images, "profiles": {name: [profiles.get((name, slot)) for slot in slots] for name in indices.available(patch.bands)},
        "envelopes": [record | {"lines": {name: [line[slot] for slot in slots] for name, line in record["lines"].items()}} for record in envelopes],
        "height": patch.pixels.shape[2], "width": patch.pixels.shape[3], "sprite": sprite(patch, slots),
        "raster": raster(patch, legend), "outline": outline(row["polygon"]) if patch.pixels.shape[2:] == (1, 1) else None,
        "decision": _decision(row, legend), "flagged": bool(row["flagged"]), "prediction": prediction,
    }  # fmt: skip


def _named(entry: LegendClass) -> dict:
    return {"code": entry.code, "name": entry.name, "name_fr": entry.name_fr, "color": entry.color}


def _decision(row, legend: dict[int, LegendClass]) -> dict | None:
    if row["uid"] is None:
        return None
    crop = legend[row["code"]].name if row["code"] is not None else None
    return {key: row[key] for key in ("uid", "curator", "action", "reason", "code", "at")} | {"crop": crop}


def _images(db: Database, sample: int) -> list[dict]:
    rows = db.execute(
        "select image as id, slot, acquired, day, clear, interpolated, quality from image_quality where sample = ? order by slot", [sample]
    )
    return [dict(row) for row in rows]


def _profiles(db: Database, sample: int) -> dict[tuple[str, int], list[float] | None]:
    """(index, slot) -> [p10, median, p90] of the field's pixels, or None where undefined."""
    rows = db.execute(
        "select t.name, i.slot, t.p10, t.median, t.p90 from image i join index_stat t on t.image = i.id where i.sample = ?", [sample]
    )
    return {
        (name, slot): None if median is None else [round(p10, 3), round(median, 3), round(p90, 3)] for name, slot, p10, median, p90 in rows
    }


def _prediction(db: Database, sample: int) -> dict | None:
    """The newest run's prediction, with its second choice."""
    row = db.execute(
        """select p.*, r.config, s.collection from prediction p join run r on r.name = p.run join sample s on s.id = p.sample
        where p.sample = ? order by r.created desc limit 1""",
        [sample],
    ).fetchone()
    if row is None:
        return None
    classes = [entry[0] for entry in db.execute(
        "select name from learned_class where collection = ? order by position", [row["collection"]]
    )]  # fmt: skip
    probabilities = json.loads(row["probabilities"])
    ranked = sorted(zip(probabilities, classes, strict=False), reverse=True) if len(probabilities) == len(classes) else []
    second = next(((name, share) for share, name in ranked if name != row["predicted"]), (None, None))
    return {
        "run": row["run"], "predicted": row["predicted"], "probability": round(row["probability"], 3),
        "second": second[0], "second_probability": None if second[1] is None else round(second[1], 3), "part": row["part"],
    }  # fmt: skip


def _compared(inventory: LegendClass, prediction: dict | None, legend: dict[int, LegendClass]) -> list[int]:
    """The codes whose envelopes are drawn: the label's, and that of the class which the newest run holds against it."""
    codes = [inventory.code]
    if prediction:
        rival = prediction["predicted"] if prediction["predicted"] != inventory.learned else prediction["second"]
        codes += [next((entry.code for entry in legend.values() if entry.learned == rival), inventory.code)]
    return list(dict.fromkeys(codes))


def sprite(patch: Patch, slots: list[int]) -> str:
    """One PNG with a row per view of `display.VIEWS` and a column per slot, at native resolution, as a data URI."""
    rows = [np.hstack([display.rgba(patch.pixels[slot], patch.bands, view, patch.level) for slot in slots]) for view in display.VIEWS]
    return _data_uri(np.vstack(rows)) if slots else ""


def raster(patch: Patch, legend: dict[int, LegendClass]) -> dict | None:
    """The inventory's pixels in its colours as a data URI, with the classes in it by falling share; None without a raster."""
    if patch.inventory is None:
        return None
    codes, counts = np.unique(patch.inventory[patch.inventory > 0], return_counts=True)
    picture = np.zeros((*patch.inventory.shape, 4), dtype=np.uint8)
    for code in codes:
        color = legend[int(code)].color if int(code) in legend else "#888888"
        picture[patch.inventory == code] = (*bytes.fromhex(color[1:]), 255)
    ranked = [int(codes[at]) for at in counts.argsort()[::-1]]
    shares = dict(zip(codes.tolist(), (counts / counts.sum()).tolist(), strict=True))
    classes = [_named(legend[code]) | {"share": round(shares[code], 3)} for code in ranked if code in legend]
    return {"picture": _data_uri(picture), "classes": classes}


def outline(polygon: str | None) -> list[list[float]] | None:
    """The outer ring of a GeoJSON polygon in EPSG:4326, as [x, y] in 0..1 of a square, north up, true to shape."""
    if polygon is None:
        return None
    ring = np.array(json.loads(polygon)["coordinates"][0], dtype=float)[:, :2]
    ring[:, 0] *= np.cos(np.radians(ring[:, 1].mean()))
    low, high = ring.min(axis=0), ring.max(axis=0)
    placed = (ring - (low + high) / 2) / (high - low).max() * 0.94 + 0.5
    return [[round(x, 4), round(1 - y, 4)] for x, y in placed.tolist()]


def _data_uri(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=3)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
