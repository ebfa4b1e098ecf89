"""`python -m labeling trust`: answers to controls, time per decision and warnings, curator by curator."""

import click

from data import workspace as workspaces
from data.command import as_json, report
from labeling.trust import controls, tables


@click.command("trust")
@click.option("--collection", required=True)
@as_json
def command(collection: str, as_json: bool) -> None:
    """Print how often each curator agreed with labels that were wrong on purpose, how long they take, and what stands out."""
    found = controls.records(workspaces.current().open().store, collection)
    warnings = [f"  {one.curator}: {warning}" for one in found for warning in one.warnings]
    text = "\n".join([tables.as_text(tables.curators(found)), *(["Warnings", *warnings] if warnings else [])])
    figures = {"collection": collection, "curators": [one.as_json() for one in found]}
    report(figures, text if found else f"Nobody has decided in {collection} yet.", as_json=as_json)
