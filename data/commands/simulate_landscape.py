"""`python -m data simulate-landscape`: a SIMULATED season stack and its inventory, to try maps on where no imagery is at hand."""

import click

from data import landscapes
from data import workspace as workspaces
from data.command import as_json, progress, report


@click.command("simulate-landscape")
@click.option("--side", default=10, show_default=True, type=click.IntRange(1, 64), help="Squares of 640 m a side.")
@click.option("--seed", default=0, show_default=True, help="The same seed makes the same pixels.")
@click.option("--name", default=landscapes.NAME, show_default=True, help="Of the stack.")
@as_json
def command(side: int, seed: int, name: str, as_json: bool) -> None:
    """Make a SIMULATED season stack, June to October 2019, in southern Ontario, where samples of canada-simulated-2019 lie.

    It comes with an inventory that is wrong in places, and with the true codes, each as a GeoTIFF beside the stack's folder.
    """
    workspace = workspaces.current().create()
    with progress("Landscape", hidden=as_json) as tell:
        made = landscapes.make(workspace, name, side=side, seed=seed, tell=tell)
    figures = {"stack": str(made.stack), "inventory": str(made.inventory), "truth": str(made.truth), "pixels": made.side_px**2}
    text = f"SIMULATED stack {made.stack}: {made.side_px:,} x {made.side_px:,} px, 5 months, 12 bands\nInventory {made.inventory}"
    report(figures, text, as_json=as_json)
