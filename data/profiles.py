"""Seasons of vegetation indices: one sample's, and the envelope of many. One SQL query and NumPy; cloudy dates are out."""

import json

import numpy as np

from data import indices
from data.store import Store

CLEAR_VALUES = """
select s.id as sample, l.code, i.slot, i.day, c.slot_names, t.median as value
from sample s
join collection c on c.name = s.collection
join label l on l.sample = s.id
join image_quality i on i.sample = s.id and i.quality = 'ok'
join index_stat t on t.image = i.image and t.name = ?
where s.collection = ? and t.median is not null and l.code is not null
order by l.code, i.slot
"""


def by_crop(store: Store, collection: str, index: str) -> dict:
    """The season of every crop (label in force) as a JSON-ready record.

    Returns:
        {"collection", "index", "crops": [{"code", "name", "color", "samples", "dates": [{"date", "day", "n", "p10",
        "median", "p90"}]}]}, crops by falling number of samples, dates ascending; only dates with a clear image.

    Raises:
        UnknownIndex: no index of that name.
    """
    index = indices.named(index).name
    with store.reading() as db:
        slots = db.execute("select slot_names from collection where name = ?", [collection]).fetchone()
        names = {row["code"]: row for row in db.execute("select * from legend_class where collection = ?", [collection])}
        rows = db.execute(CLEAR_VALUES, [index, collection]).fetchall()
    by_code: dict[int, dict] = {}
    for row in rows:
        crop = by_code.setdefault(row["code"], {"samples": set(), "dates": {}})
        crop["samples"].add(row["sample"])
        crop["dates"].setdefault((row["slot"], row["day"]), []).append(row["value"])
    dates = json.loads(slots["slot_names"])
    crops = [
        {
            "code": code, "name": names[code]["name"], "color": names[code]["color"], "samples": len(crop["samples"]),
            "dates": [{"date": dates[slot], "day": day} | _spread(values) for (slot, day), values in sorted(crop["dates"].items())],
        }
        for code, crop in by_code.items()
    ]  # fmt: skip
    return {"collection": collection, "index": index, "crops": sorted(crops, key=lambda crop: -crop["samples"])}


def _spread(values: list[float]) -> dict:
    p10, median, p90 = np.percentile(values, (10, 50, 90))
    return {"n": len(values), "p10": round(float(p10), 4), "median": round(float(median), 4), "p90": round(float(p90), 4)}
