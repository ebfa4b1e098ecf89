"""Where and when a collection's samples are. Reads only."""

from data.store import Store


def regions_and_years(store: Store, collection: str) -> tuple[list[str], list[int]]:
    """The regions and the years that the collection has samples in, ascending."""
    with store.reading() as db:
        regions = db.execute("select distinct region from site where collection = ? order by region", [collection]).fetchall()
        years = db.execute("select distinct year from sample where collection = ? order by year", [collection]).fetchall()
    return [row["region"] for row in regions], [row["year"] for row in years]
