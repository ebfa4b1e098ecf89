"""Beside the map: what was clicked, with the way to Verify, and the area that was drawn."""

import streamlit as st

from data import catalogue
from data.catalogue import Collection
from data.errors import PixelsUnreadable
from data.importing import NO_LABEL, LegendClass
from data.mapped.folder import Map
from labeling import overlays, points
from labeling.maps import Seen
from labeling.points import Point, Samples
from pages.widgets import map_area, map_pixel, resources
from pages.widgets.plain import escaped


def clicked(collection: Collection, samples: Samples, seen: Seen | None, made: Map | None, *, view: str, date: str | None) -> None:
    """The sample and the pixel that were clicked, and the area; what was asked for last comes first."""
    point = samples.by_id.get(seen.click["sample"]) if seen and seen.click else None
    if seen and seen.last == "area":
        map_area.panel(collection, made, seen.area)
    if point is not None:
        sample(collection, point, view if made is None else None)
    if made is not None and seen and seen.click:
        map_pixel.show(made, seen.click["lon"], seen.click["lat"], date)
    if point is None and not (made and seen and seen.click) and not (seen and seen.last == "area"):
        place = " or a place" if made else ""
        st.caption(f"{len(samples):,} samples in their places. Click one{place} to see it here; zoom in for pictures and outlines.")
    if not seen or seen.last != "area":
        map_area.panel(collection, made, seen.area if seen else None)


def sample(collection: Collection, point: Point, view: str | None) -> None:
    """Facts and picture of the chosen sample, and the button that opens it in Verify. view: of the picture; None for none."""
    store = resources.workspace().store
    names = {entry.code: entry for entry in catalogue.legend(store, collection.name)}
    with st.container(border=True, gap="xsmall"):
        if st.button("Open in Verify", type="primary", icon=":material/task_alt:", width="stretch", key="map.open"):
            st.switch_page("pages/verify.py", query_params={"collection": collection.name, "sample": point.name, "from": "map"})
        purity = "" if point.inventory_code == NO_LABEL.code else f" · purity {point.purity:.0%}"
        lines = [
            f"**{escaped(point.name)}** · {escaped(point.region)}, {point.year}",
            _label(names.get(point.code)),
            f"{points.STATES[point.state][0]}{' · :material/flag: flagged' if point.flagged else ''}{purity}",
        ]
        if point.code != point.inventory_code:
            said = names[point.inventory_code].name
            lines.append("The inventory had no label" if point.inventory_code == NO_LABEL.code else f"Inventory said {escaped(said)}")
        if point.predicted:
            mark = ":material/close:" if point.disagrees else ":material/check:"
            lines.append(f"Predicted {escaped(point.predicted)} ({point.probability:.0%}) {mark if point.learned else ''}")
        if point.rank:
            lines.append(f"Suspicion: rank {point.rank:,}, label quality {point.quality:.2f}")
        st.markdown("  \n".join(lines))
        if view and not collection.is_series:
            _thumbnail(point, view)


def _label(entry: LegendClass | None) -> str:
    if entry is None:
        return "No label: rejected"
    if entry.code == NO_LABEL.code:
        return "No label known: choose a crop in Verify"
    return f"Label **{escaped(entry.name)}** · {escaped(entry.name_fr)}"


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
