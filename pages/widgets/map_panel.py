"""Beside the map: the chosen sample with the way to Verify, and the legend."""

from html import escape

import streamlit as st

from data import catalogue
from data.catalogue import Collection
from data.errors import PixelsUnreadable
from data.importing import NO_LABEL, LegendClass
from labeling import overlays, points
from labeling.points import Group, Point
from pages.widgets import resources


def chosen(found: list[Point], state: dict) -> Point | None:
    """The sample that was clicked, from what the map component returned; None before the first click."""
    clicked = (state.get("last_active_drawing") or {}).get("properties", {}).get("name")
    return next((point for point in found if point.name == clicked), None)


def note(point: Point) -> str:
    """What a point's tooltip says beside its name and group."""
    if point.predicted is None:
        return points.STATES[point.state][0].lower()
    verdict = f", label says {point.learned}" if point.disagrees else ""
    return f"{point.predicted} {point.probability:.0%}{verdict}"


def sample(collection: Collection, point: Point | None, view: str) -> None:
    """Facts and picture of the chosen sample, and the button that opens it in Verify."""
    if point is None:
        st.caption("Click a sample to see it here. Zoom in for pictures and field outlines.")
        return
    store = resources.workspace().store
    names = {entry.code: entry for entry in catalogue.legend(store, collection.name)}
    with st.container(border=True):
        if st.button("Open in Verify", type="primary", icon=":material/task_alt:", width="stretch", key="map.open"):
            st.switch_page("pages/verify.py", query_params={"collection": collection.name, "sample": point.name})
        purity = "" if point.inventory_code == NO_LABEL.code else f" · purity {point.purity:.0%}"
        lines = [
            f"**{point.name}** · {point.region}, {point.year}",
            _label(names.get(point.code)),
            f"{points.STATES[point.state][0]}{' · :material/flag: flagged' if point.flagged else ''}{purity}",
        ]
        if point.code != point.inventory_code:
            said = names[point.inventory_code].name
            lines.append("The inventory had no label" if point.inventory_code == NO_LABEL.code else f"Inventory said {said}")
        if point.predicted:
            mark = ":material/close:" if point.disagrees else ":material/check:"
            lines.append(f"Predicted {point.predicted} ({point.probability:.0%}) {mark if point.learned else ''}")
        st.markdown("  \n".join(lines))
        if not collection.is_series:
            _thumbnail(point, view)


def _label(entry: LegendClass | None) -> str:
    if entry is None:
        return "No label: rejected"
    return "No label known: choose a crop in Verify" if entry.code == NO_LABEL.code else f"Label **{entry.name}** · {entry.name_fr}"


def _thumbnail(point: Point, view: str) -> None:
    """The sample on its greenest clear date, or why it cannot be shown."""
    workspace = resources.workspace()
    image = overlays.greenest(workspace.store, [point.id]).get(point.id)
    if image is None:
        st.caption("This sample has no image.")
        return
    try:
        picture = overlays.thumbnail(workspace, point.id, image.slot, view)
    except PixelsUnreadable as error:
        st.caption(f":material/broken_image: {error}")
        return
    st.image(picture, width=110, caption=image.acquired)


def legend(groups: list[Group], predicted: list[Point] | None, height: int) -> None:
    """Colours with English and French names and counts; for predictions, how many disagree with the label.

    height: px; what does not fit scrolls.
    """
    rows = "".join(
        f'<tr><td><span style="display:inline-block;width:12px;height:12px;border-radius:6px;border:1px solid #2b332e;'
        f'background:{escape(group.color)}"></span></td><td style="line-height:1.15">{escape(group.title)}'
        f'<br><span style="color:#68736c;font-size:11px">{escape(group.title_fr)}</span></td>'
        f'<td style="text-align:right;font-variant-numeric:tabular-nums">{group.count:,}</td></tr>'
        for group in groups
    )
    with st.container(height=height, border=False):
        if predicted is not None:
            differ = sum(point.disagrees for point in predicted)
            st.markdown(f":red[◯] **{differ:,}** of {sum(p.predicted is not None for p in predicted):,} predicted otherwise than labelled")
        st.html(f'<table class="map-legend" style="width:100%;font-size:13px;border-spacing:0 3px;border-collapse:separate">{rows}</table>')
