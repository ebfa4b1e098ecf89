"""The season of a pixel of a map, made ready to take away: as a figure for paper, and its reflectance by date as CSV."""

import numpy as np

from data import indices, sheets
from data.mapped.folder import Map
from data.mapped.values import Pixel
from data.prints import paper, season
from data.profiles import Curve

COLOUR = "#0067b1"  # no crop's official colour


def season_print(made: Map, pixel: Pixel, index: str, *, form: str = "png", dpi: int = paper.DPI) -> bytes:
    """The index of the pixel by date, with what the map and the inventory say of it. form: "png" or "svg".

    Raises:
        UnknownIndex: there is none of that name.
    """
    values = _index(pixel, index)
    seen = np.flatnonzero(np.isfinite(values))
    days, none = np.array([pixel.dates[at].timetuple().tm_yday for at in seen]), np.zeros(len(seen), dtype=bool)
    curve = Curve(0, f"{pixel.lat:.5f}, {pixel.lon:.5f}", seen, days, values[seen], ~none, none)
    likeliest = sorted(pixel.probabilities.items(), key=lambda one: -one[1])[:3]
    facts = [
        f"Predicted {pixel.crop or 'nothing'}", ", ".join(f"{name} {share:.0%}" for name, share in likeliest),
        f"inventory {pixel.inventory_name or 'no label'}" if pixel.inventory is not None else None,
        f"run {made.run} ({made.model})", f"row {pixel.row}, column {pixel.column} of {made.title}",
        paper.SIMULATED[0] if made.stack.simulated else None,
    ]  # fmt: skip
    said = " · ".join(fact for fact in facts if fact)
    title = f"{indices.named(index).name} of a pixel"
    return season.profile_print(
        indices.named(index), pixel.layers, [], picked=[(curve, COLOUR)], title=title, facts=said, form=form, dpi=dpi
    )


def season_csv(pixel: Pixel, index: str) -> str:
    """A line a date: its name, the index and the reflectance of every band, 0..1 to six digits; empty where there is none."""
    name = indices.named(index).name
    rows = [
        {"date": layer, name: _number(value), **{band: _number(one) for band, one in zip(pixel.bands, bands, strict=True)}}
        for layer, value, bands in zip(pixel.layers, _index(pixel, index), pixel.season, strict=True)
    ]
    return sheets.as_csv(["date", name, *pixel.bands], rows)


def _index(pixel: Pixel, index: str) -> np.ndarray:
    return indices.compute(index, dict(zip(pixel.bands, pixel.season.T, strict=True)))


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
