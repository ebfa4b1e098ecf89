"""Where and when a collection's samples are. Reads only."""

from data.store import Store


def has_interpolated(store: Store, collection: str) -> bool:
    """Whether the collection's source filled dates in by interpolation; of a packed collection none is."""
    with store.reading() as db:
        found = db.execute(
            "select 1 from sample s join image i on i.sample = s.id and i.interpolated where s.collection = ? "
            "and not exists (select 1 from collection c where c.name = s.collection and c.packed) limit 1",
            [collection],
        )
        return found.fetchone() is not None


def regions_and_years(store: Store, collection: str) -> tuple[list[str], list[int]]:
    """The regions and the years that the collection has samples in, ascending."""
    with store.reading() as db:
        regions = db.execute("select distinct region from site where collection = ? order by region", [collection]).fetchall()
        years = db.execute("select distinct year from sample where collection = ? order by year", [collection]).fetchall()
    return [row["region"] for row in regions], [row["year"] for row in years]
