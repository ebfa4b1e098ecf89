"""`python -m labeling audit`: the inventory's error rate, estimated from the random audit alone."""

import click

from data import workspace as workspaces
from data.command import as_json, report
from labeling.trust import audit, tables


@click.command("audit")
@click.option("--collection", required=True)
@as_json
def command(collection: str, as_json: bool) -> None:
    """Print the inventory's error rate overall, by class and by region, and how many more samples ±5 and ±2 points take."""
    found = audit.estimate(workspaces.current().open().store, collection)
    report({"collection": collection} | found.as_json(), _text(collection, found), as_json=as_json)


def _text(collection: str, found: audit.Audit) -> str:
    if not found.overall.wrong.of:
        return (
            f"The random audit of {collection} has not begun. Make its queue: python -m labeling queue make audit --collection {collection}"
        )
    head = f"{collection}: {found.overall.wrong} of the labels are wrong; the audit's first {found.overall.served} of {found.asked} count"
    parts = [head, tables.as_text(tables.rates([found.overall], "Labels"))]
    parts += ["By class", tables.as_text(tables.rates(found.classes, "Class"))]
    return "\n".join([*parts, "By region", tables.as_text(tables.rates(found.regions, "Region"))])
