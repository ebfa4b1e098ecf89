"""`python -m labeling reasons`: how often the label was in fact wrong, by the reason for which the sample was served."""

import click

from data import workspace as workspaces
from data.command import as_json, report
from labeling.trust import reasons, tables


@click.command("reasons")
@click.option("--collection", required=True)
@click.option("--by-run", is_flag=True, help="Tell the runs apart whose predictions or doubts made the queues.")
@as_json
def command(collection: str, by_run: bool, as_json: bool) -> None:
    """Print the precision of every kind of queue with its 95 % interval, and the time per decision."""
    found = reasons.precisions(workspaces.current().open().store, collection, by_run=by_run)
    figures = {"collection": collection, "reasons": [one.as_json() for one in found]}
    report(figures, tables.as_text(tables.precisions(found)) if found else f"Nobody has decided in {collection} yet.", as_json=as_json)
