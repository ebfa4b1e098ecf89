"""A folder of GeoTIFFs or of NetCDF and Zarr cubes, or one cube: how its import is planned and done."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data.command import Tell
from data.errors import BadInput
from data.importers import described, manifest
from data.importers.described import Options, Plan
from data.importers.manifest import Entry, ImageRow
from data.importing import import_planned
from data.report import Report
from data.workspace import Workspace


def plan(path: Path, options: Options, *, file: Path | None = None, pattern: str | None = None) -> Plan:
    """What an import of `path` would do; reads the manifest and headers, no pixels.

    Args:
        path: a folder, a NetCDF file or a Zarr store.
        file: the manifest; by default manifest.csv or index.csv in the folder, else the file names are read by `pattern`.

    Raises:
        BadInput: there is no manifest, nothing to import, or nothing that tells bands or legend.
    """
    report = Report()
    if path.is_file() and not manifest.is_cube(path):
        raise BadInput(f"{path} is neither a folder nor a cube ({', '.join(manifest.CUBES)}). Give the folder of the GeoTIFFs.")
    if manifest.is_cube(path):
        folder, name = path.parent, options.site or path.stem
        entries = [Entry(name, False, name, None, "", options.region or "unknown", None, None, None, [ImageRow(path, "")])]
    else:
        folder, entries = path, manifest.read(path, file, pattern, options, report)
    if not entries:
        raise BadInput(f"There is nothing to import in {path}.\n{report.text()}")
    kinds = {manifest.is_cube(image.file) for entry in entries for image in entry.images}
    if len(kinds) > 1:
        raise BadInput(f"The manifest of {path} names both GeoTIFFs and cubes. Make a collection of each, with a manifest of its own.")
    told = described.describe(path, options)
    if kinds == {True}:
        from data.importers import cubes as reader  # late: xarray
    else:
        from data.importers import geotiff as reader
    return reader.plan(folder, entries, told, options, report)


def run(workspace: Workspace, planned: Plan, tell: Tell) -> Report:
    """Import what was planned, going on where an interrupted import stopped. Gives the plan's report, complete now.

    Where not one sample can be made, no collection is made either.

    Raises:
        BadInput: there is another collection of that name.
    """
    problems = []
    for name in planned.names:
        made, told = planned.make([name])
        if made:
            break
        problems += told.left_out
    else:
        planned.report.left_out += problems
        return planned.report
    with ThreadPoolExecutor(2) as pool:
        import_planned(workspace, planned.spec, planned.names, planned.make, planned.report, pool=pool, progress=tell)
    return planned.report
