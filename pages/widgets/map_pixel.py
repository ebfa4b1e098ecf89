"""What the map says about the place that was clicked: its pixel's prediction and inventory, probabilities, and its season."""

from functools import partial
from html import escape

import numpy as np
import streamlit as st

from data import indices
from data.errors import CropcheckError
from data.mapped import values
from data.mapped.folder import Map
from data.mapped.values import Pixel
from labeling import figures, pixelsheets
from pages.widgets import resources, takeaway
from pages.widgets.plain import escaped

MOST_BARS = 5  # of the classes, the likeliest
SEASON_PX = 132
TABLE = "width:100%;border-spacing:0 1px;border-collapse:separate;line-height:1.15"
BOX = "display:inline-block;width:12px;height:12px"


@st.cache_data(max_entries=200, show_spinner=False)
def _at(home: str, name: str, stamp: str, lon: float, lat: float, _made: Map) -> Pixel | None:
    return values.at(_made, lon, lat)


def show(made: Map, lon: float, lat: float, date: str | None) -> None:
    """The pixel at a place (EPSG:4326), or that there is none. date: name of the stack's layer that the map shows."""
    try:
        pixel = _at(str(resources.workspace().home), made.name, made.made, lon, lat, made)
    except CropcheckError as error:
        st.warning(str(error), icon=":material/broken_image:")
        return
    if pixel is None:
        st.caption(f"{lat:.5f}, {lon:.5f} lies outside of the map {escaped(made.title)}.")
        return
    st.html(_verdict(made, pixel) + _bars(made, pixel))
    _season(made, pixel, date)
    st.caption(_place(made, pixel))


def _place(made: Map, pixel: Pixel) -> str:
    x, y = made.stack.affine @ (pixel.column + 0.5, pixel.row + 0.5)
    digits = 5 if made.stack.crs == "EPSG:4326" else 1
    crs = made.stack.crs if len(made.stack.crs) < 20 else "the map's projection"
    return f"{pixel.lat:.5f}, {pixel.lon:.5f} · {crs} {x:.{digits}f}, {y:.{digits}f} · row {pixel.row}, column {pixel.column}"


def _verdict(made: Map, pixel: Pixel) -> str:
    """Prediction and inventory with their colours, and whether they agree."""
    colors = {entry.name: entry.color for entry in made.classes}
    margin = "" if pixel.margin is None else f"margin {pixel.margin:.2f}"
    rows = [_named("Predicted", pixel.crop or "nothing: no data", colors.get(pixel.crop), margin)]
    if pixel.inventory is not None:
        mark = {True: "agrees", False: "<b style='color:#c01f2e'>disagrees</b>", None: ""}[pixel.agreement]
        entry = made.by_code().get(pixel.inventory)
        rows.append(_named("Inventory", pixel.inventory_name or "no label", entry and entry.color, mark))
    return (
        f'<table class="map-pixel" style="width:100%;font-size:13px;border-spacing:0 2px;border-collapse:separate">{"".join(rows)}</table>'
    )


def _named(what: str, name: str, color: str | None, more: str) -> str:
    swatch = f"background:{escape(color)};border:1px solid #2b332e" if color else ""
    return (
        f'<tr><td style="color:#68736c;width:66px">{what}</td><td style="width:16px"><span style="{BOX};'
        f'{swatch}"></span></td><td><b>{escape(name)}</b></td><td style="text-align:right">{more}</td></tr>'
    )


def _bars(made: Map, pixel: Pixel) -> str:
    """The likeliest classes as bars from 0 to 1, with their figures."""
    colors = {entry.name: entry.color for entry in made.classes}
    ranked = sorted(pixel.probabilities.items(), key=lambda one: -one[1])[:MOST_BARS]
    rows = "".join(
        f'<tr><td style="width:84px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis;max-width:84px">{escape(name)}</td><td>'
        f'<div style="height:9px;width:{100 * share:.2f}%;min-width:1px;background:{escape(colors.get(name, "#b9c2b6"))};'
        f'border:1px solid #2b332e;box-sizing:border-box"></div></td><td style="width:42px;text-align:right;'
        f'font-variant-numeric:tabular-nums">{share:.1%}</td></tr>'
        for name, share in ranked
    )
    return f'<table class="map-bars" style="{TABLE};font-size:12px">{rows}</table>'


def _titled(name: str) -> str:
    return f"{name}: {indices.named(name).title.lower()}"


def _season(made: Map, pixel: Pixel, date: str | None) -> None:
    known = indices.available(pixel.bands)
    if not known:
        st.caption(f"The stack's bands ({', '.join(pixel.bands)}) make up no index.")
        return
    name = st.selectbox("Index", known, key="map.index", label_visibility="collapsed", format_func=_titled)
    season = indices.compute(name, dict(zip(pixel.bands, pixel.season.T, strict=True)))
    if not np.isfinite(season).any():
        st.caption("This pixel has no data on any date.")
        return
    shown = pixel.dates[pixel.layers.index(date)] if date in pixel.layers else None
    figure = figures.pixel_figure(indices.named(name), pixel.dates, season, shown=shown, height=SEASON_PX)
    st.plotly_chart(figure, key="map.season", config={"displayModeBar": False})
    draw = partial(pixelsheets.season_print, made, pixel, name)
    stem = f"{made.name}-row-{pixel.row}-column-{pixel.column}-{name.lower()}"
    csv = partial(pixelsheets.season_csv, pixel, name)
    takeaway.downloads("map.season.file", stem, png=draw, svg=partial(draw, form="svg"), csv=csv)
