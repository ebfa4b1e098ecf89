"""Counts that say what a workspace holds: for `python -m data info` and the Overview page."""

from collections import Counter
from dataclasses import dataclass

from data import catalogue, packed, workspace
from data.store import Store


@dataclass(frozen=True)
class Progress:
    """How far a collection is verified; counts of samples."""

    samples: int = 0
    decided: int = 0
    agreed: int = 0
    relabelled: int = 0
    rejected: int = 0
    unsure: int = 0
    flagged: int = 0


def describe(store: Store) -> list[dict]:
    """One JSON-ready record a collection, by name: samples, images, dates, bands and what they cover."""
    with store.reading() as db:
        counts = {row["collection"]: dict(row) for row in db.execute(
            """select s.collection, count(distinct s.id) as samples, count(i.id) as images,
                sum(i.quality = 'cloud') as cloudy, sum(i.quality = 'bad') as bad, sum(i.interpolated) as interpolated,
                min(i.acquired) as first, max(i.acquired) as last
            from sample s left join image i on i.sample = s.id
            where s.collection in (select name from collection where not packed) group by s.collection"""
        )}  # fmt: skip
    counts |= {entry.name: _packed(store, entry) for entry in catalogue.collections(store) if entry.packed}
    empty = dict.fromkeys(("samples", "images", "cloudy", "bad", "interpolated"), 0) | {"first": None, "last": None}
    return [
        {
            "collection": entry.name, "title": entry.title, "simulated": entry.simulated, "level": entry.level,
            "bands": len(entry.bands), "dates": entry.slots, "height": entry.height, "width": entry.width,
            "licence": entry.licence, "attribution": entry.attribution,
        } | {key: value for key, value in counts.get(entry.name, empty).items() if key != "collection"}
        for entry in catalogue.collections(store)
    ]  # fmt: skip


def _packed(store: Store, entry: catalogue.Collection) -> dict:
    """What `describe` counts, of a packed collection: read from its shards."""
    home = workspace.of(store)
    of_quality: Counter[str] = Counter()
    for (_, quality), count in packed.months(home, entry, in_force=False).items():
        of_quality[quality] += count
    with store.reading() as db:
        samples = db.execute("select count(*) from sample where collection = ?", [entry.name]).fetchone()[0]
    first, last = packed.span(home, entry)
    return {
        "samples": samples, "images": of_quality.total(), "cloudy": of_quality["cloud"], "bad": of_quality["bad"], "interpolated": 0,
        "first": first, "last": last,
    }  # fmt: skip


def progress(store: Store, collection: str) -> Progress:
    """The collection's row of the `progress` view; all zero for an empty one."""
    with store.reading() as db:
        row = db.execute("select * from progress where collection = ?", [collection]).fetchone()
    return Progress(**{key: row[key] for key in row.keys() if key != "collection"}) if row else Progress()


def splits(store: Store, collection: str) -> list[str]:
    """Names of the stored splits, the oldest first."""
    return [row["name"] for row in _records(store, "select name from split where collection = ? order by id", collection)]


def crops_by_region(store: Store, collection: str) -> list[dict]:
    """Samples by region and inventory label: records of region, code, crop, color, samples."""
    return _records(
        store,
        """select g.region, s.inventory_code as code, l.name as crop, l.color, count(*) as samples
        from sample s join site g on g.id = s.site
        join legend_class l on l.collection = s.collection and l.code = s.inventory_code
        where s.collection = ? group by g.region, s.inventory_code order by samples desc""",
        collection,
    )


def images_by_month(store: Store, collection: str) -> list[dict]:
    """Images by month (YYYY-MM) and quality in force: records of month, quality, images."""
    entry = catalogue.collection(store, collection)
    if entry.packed:
        found = packed.months(workspace.of(store), entry, in_force=True)
        return [{"month": month, "quality": quality, "images": count} for (month, quality), count in sorted(found.items())]
    return _records(
        store,
        """select substr(i.acquired, 1, 7) as month, i.quality, count(*) as images
        from image_quality i join sample s on s.id = i.sample where s.collection = ? group by 1, 2 order by 1, 2""",
        collection,
    )


def _records(store: Store, sql: str, collection: str) -> list[dict]:
    with store.reading() as db:
        return [dict(row) for row in db.execute(sql, [collection])]
