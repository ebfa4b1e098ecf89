"""`python -m labeling wall`: work out what the wall sorts images by, and say how far the collection is screened."""

from dataclasses import asdict

import click

from data import workspace as workspaces
from data.command import as_json, progress, report
from labeling import suspicion, wall


@click.command("wall")
@click.option("--collection", required=True)
@as_json
def command(collection: str, as_json: bool) -> None:
    """Prepare a collection for the wall: brightness, missing pixels and outlier scores of its images, from their pixels, once.

    Stopped, it goes on where it was; run again after an import, it looks at the new images.
    """
    workspace = workspaces.current().open()
    with progress("Looking at images", hidden=as_json) as tell:
        state = suspicion.prepare(workspace, collection, tell)
    found = wall.progress(workspace.store, collection)
    text = (
        f"{collection}: {state.known:,} of {state.images:,} images are ready for the wall; {found.looked:,} are screened, "
        f"{found.cloud:,} cloudy and {found.bad:,} bad."
    )
    report({"collection": collection, "ready": state.ready} | asdict(found), text, as_json=as_json)
