"""The season stack of a box, fetched for a map: as the run's collection was, as another one was, or from a STAC API by its name."""

import re

from data import catalogue
from data.bands import L2A_BANDS
from data.command import Tell
from data.errors import BadInput
from data.ingest import providers
from data.ingest.settings import Settings
from data.report import Report
from data.stacks import areas, gathering
from data.stacks.areas import Box
from data.stacks.gathering import Request
from data.stacks.stack import Stack
from data.workspace import Workspace
from modeling.mapping import checks


def gathered(workspace: Workspace, run: str, box: Box, imagery: str, year: int | None, outcome: Report, tell: Tell) -> Stack:
    """Fetch the stack of a box, or go on with it, or give the one that is there. It lies in <home>/stacks/.

    Args:
        box: west, south, east, north in degrees, EPSG:4326.
        imagery: a collection that was fetched from a STAC API; or a provider, as earth-search, or the address of a STAC API; empty for
            the run's own collection.
        year: of the season; by default the latest of the collection.
        outcome: hears of scenes that cannot be used.

    Raises:
        UnknownRun, CannotTrain: as `checks.trained`.
        BadInput: the collection was not fetched, no year is given for a provider, or what `gathering.gather` says.
    """
    trained = checks.trained(workspace, run)
    source = imagery or trained.collection.name
    known = {entry.name for entry in catalogue.collections(workspace.store)}
    if source in known:
        request = gathering.like_collection(workspace, source, year=year, box=box)
    else:
        request = _from_provider(workspace, trained, source, box, year)
    season = request.settings.seasons[-1].year
    name = re.sub(r"[^\w.-]+", "-", f"{source.removeprefix('https://')}-{season}-{'_'.join(f'{edge:g}' for edge in box)}").strip("-.")
    return gathering.gather(request, workspace.home / "stacks" / name, outcome, tell)


def _from_provider(workspace: Workspace, run: checks.Trained, name: str, box: Box, year: int | None) -> Request:
    """The bands and months of the run's collection, from another place."""
    if year is None:
        raise BadInput(f"Say which season to fetch from {name}: --year 2021.")
    months = tuple(sorted(checks.season(workspace, run)[0])) or Settings.months
    bands = tuple(band for band in run.collection.bands if band in L2A_BANDS)
    return Request(Settings("stack", years=(year,), months=months, bands=bands), providers.named(name), areas.of_box(box))
