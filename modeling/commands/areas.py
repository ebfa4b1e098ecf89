"""`python -m modeling areas`: how much of each crop a map shows, adjusted for the errors that the random audit found."""

from pathlib import Path

import click

from data import workspace as workspaces
from data.command import allow_missing, as_json, finish
from data.errors import BadInput
from data.mapped import folder
from data.report import Report
from modeling.mapping import areas
from modeling.mapping.areas import Areas, Region
from modeling.mapping.estimates import Figure, Z

WIDTH = 24  # of a class's name


@click.command("areas")
@click.option("--map", "name", required=True, help="A finished map of the workspace.")
@click.option("--regions", "source", type=click.Path(path_type=Path), help="A file of polygons that are regions.  [the sites' own]")
@click.option("--region-name", "column", help="The column of that file that names them.  [one that tells them apart]")
@click.option("--learned-too", is_flag=True, help="Count samples that the run learned from, too: more, but the map is best there.")
@allow_missing
@as_json
def command(name: str, source: Path | None, column: str | None, learned_too: bool, allow_missing: bool, as_json: bool) -> None:
    """Print the area of each crop on a map, by region, with 95 % intervals from the audited samples (Olofsson et al. 2014)."""
    if column and not source:
        raise BadInput("--region-name is a column of a file of regions: give that, too, with --regions FILE.")
    workspace = workspaces.current().open()
    outcome = Report()
    found = areas.of_map(workspace, folder.named(workspace, name), source, column, learned_too=learned_too, outcome=outcome)
    finish(found.as_json(), _text(found), outcome, as_json=as_json, allow_missing=allow_missing)


def _text(found: Areas) -> str:
    lines = [f"{found.map}: {found.reference:,} audited samples count, of {found.on_map:,} of {found.collection} on the map"]
    left = {"learned from": 0 if found.learned_too else found.learned, "not to be judged": found.untold, "elsewhere": found.elsewhere}
    told = [f"{count:,} {why}" for why, count in left.items() if count]
    lines += [f"  audited, but left out: {', '.join(told)}"] if told else []
    lines += _table(found.whole)
    for region in found.regions:
        lines += _table(region)
    if found.regions and not found.from_file:
        lines.append("Regions are the sites' own: what the map shows of each is not known. Give their outlines with --regions.")
    return "\n".join([*lines, *(f"Note: {warning}" for warning in found.warnings)])


def _table(region: Region) -> list[str]:
    right = f", {_share(region.overall)} of it mapped right" if region.overall else ""
    ground = "" if region.hectares is None else f": {region.hectares:,.1f} ha"
    lines = [f"{region.name}{ground}, {region.samples:,} samples{right}"]
    lines.append(f"  {'':{WIDTH}}{'mapped ha':>14}  {'estimated ha':>26}  {'share':>22}  {'user’s':>22}  {'producer’s':>22}")
    for entry in region.classes:
        mapped = "–" if entry.mapped is None else f"{entry.mapped:,.1f}"
        shares = "  ".join(f"{_share(figure):>22}" for figure in (entry.share, entry.users, entry.producers))
        lines.append(f"  {entry.name:{WIDTH}}{mapped:>14}  {_area(entry.area):>26}  {shares}")
    return lines


def _area(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    return f"{figure.value:,.1f}" + ("" if figure.error is None else f" ± {figure.error * Z:,.1f}")


def _share(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    return f"{figure.value:.1%}" + ("" if figure.low is None else f" ({figure.low:.1%}–{figure.high:.1%})")
