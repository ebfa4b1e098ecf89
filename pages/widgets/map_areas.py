"""Areas by crop and region, as mapped and adjusted for the errors that the audit found."""

import math
from pathlib import Path
from typing import Any

import streamlit as st

from data import profiles, sheets
from data.catalogue import Collection
from data.errors import CropcheckError
from data.mapped import figures, folder
from data.mapped.figures import AreaBar
from data.mapped.folder import Map
from data.report import Report
from modeling.mapping import areas
from modeling.mapping.areas import Areas, ClassArea, Region
from modeling.mapping.estimates import Figure
from pages.widgets import data_fields, quality_audit, resources
from pages.widgets.plain import escaped

QUIET = {"displayModeBar": False}
ENOUGH = 200  # samples: a share of the ground is then known to within about five points
COLUMNS = (
    "region", "class", "class_fr", "mapped_ha", "adjusted_ha", "adjusted_ha_from", "adjusted_ha_to", "share", "share_from", "share_to",
    "users_accuracy", "users_accuracy_from", "users_accuracy_to", "producers_accuracy", "producers_accuracy_from", "producers_accuracy_to",
    "mapped_samples", "true_samples", "joined",
)  # fmt: skip


def panel(collection: Collection, made: Map | None) -> None:
    """Figure, table and file; where the audit says nothing of the map yet, why, and the way to it."""
    if made is None:
        st.info("There is no map of this collection yet. Make one first.", icon=":material/map:")
        return
    workspace = resources.workspace()
    source, column, learned_too = _options(made)
    try:
        found, report = _areas(str(made.path), made.made, source, _stamp(source), column, learned_too, profiles.version(workspace.store))
    except CropcheckError as error:
        st.error(str(error), icon=":material/block:")
        return
    if report:
        st.warning(report, icon=":material/rule:")
    region = _region(found)
    if found.whole.samples:
        _headline(found, region)
    for warning in found.warnings:
        st.caption(f":material/info: {escaped(warning)}")
    if found.reference < ENOUGH:
        label = "Go on with the audit" if found.reference or found.untold or found.learned else "Begin the audit"
        quality_audit.offer(workspace, made.collection, label, primary=not found.reference, key="map.areas.audit")
    _show(made, found, region)


def _options(made: Map) -> tuple[str, str, bool]:
    """A file of regions, the column that names them, and whether samples that the run learned from count, too."""
    with st.expander("Regions and samples"):
        source = data_fields.path_field(
            resources.workspace(), "Regions", f"map.areas.regions.{made.name}", (), placeholder="Path of a file of polygons on the server",
            help="GeoPackage, GeoJSON or Shapefile. Without it, regions are those that the samples' sites name.",
        )  # fmt: skip
        column = st.text_input("Column with the regions' names", key=f"map.areas.column.{made.name}", placeholder="The one that differs")
        learned_too = st.toggle(
            "Count samples that the run learned from, too", key=f"map.areas.learned.{made.name}",
            help="More samples, but the map is at its best there: its errors are then underrated.",
        )  # fmt: skip
    return source, column.strip() if source else "", learned_too


def _stamp(source: str) -> int:
    return Path(source).stat().st_mtime_ns if source and Path(source).exists() else 0


@st.cache_data(max_entries=16, show_spinner="Working out the areas")
def _areas(path: str, made: str, source: str, stamp: int, column: str, learned_too: bool, version: tuple) -> tuple[Areas, str]:
    """The areas, and what was left out of the regions; worked out anew when a decision may have changed them."""
    outcome = Report()
    found = areas.of_map(
        resources.workspace(), folder.load(Path(path)), source or None, column or None, learned_too=learned_too, outcome=outcome
    )
    return found, outcome.text()


def _region(found: Areas) -> Region:
    """The part of the map that is looked at."""
    if not found.regions:
        return found.whole
    parts = {"": found.whole} | {region.name: region for region in found.regions}
    chosen = st.selectbox(
        "Region", list(parts), format_func=lambda name: name or "The whole map", key=f"map.areas.region.{found.map}", width=320
    )
    return parts[chosen]


def _headline(found: Areas, region: Region) -> None:
    with st.container(horizontal=True):
        if region.hectares is not None:
            st.metric("Mapped", f"{region.hectares:,.1f} ha")
        right = region.overall
        span = f" ({right.low:.0%}–{right.high:.0%})" if right and right.low is not None else ""
        st.metric(f"Of the ground mapped right{span}", f"{right.value:.0%}" if right else "–", help="With a 95 % interval.")
        st.metric(
            "Audited samples that count", f"{region.samples:,}",
            help=f"Of {found.on_map:,} samples on the map. Left out: {0 if found.learned_too else found.learned:,} that the run learned "
            f"from, {found.untold:,} that nobody can judge, {found.elsewhere:,} that lie elsewhere.",
        )  # fmt: skip


def _show(made: Map, found: Areas, region: Region) -> None:
    shown = [entry for entry in region.classes if entry.mapped or entry.found or entry.called]
    left, right = st.columns([5, 6], gap="medium")
    with left:
        if region.hectares is None:
            st.info(
                "How much the map shows of a region is known where its outline is. Give a file of regions for hectares.",
                icon=":material/polyline:",
            )
        else:
            st.plotly_chart(figures.areas_figure([_bar(entry) for entry in shown]), key="map.areas.figure", config=QUIET)
    with right:
        st.dataframe(
            [_shown(entry) for entry in shown], hide_index=True, key="map.areas.table", height=min(388, 38 + 35 * len(shown)),
            placeholder="–",
            column_config={name: st.column_config.NumberColumn(format="localized") for name in ("Mapped, ha", "Adjusted, ha")},
        )  # fmt: skip
        rows = [_row(part, entry) for part in (found.whole, *found.regions) for entry in part.classes]
        st.download_button(
            "CSV", sheets.as_csv(COLUMNS, rows), f"{made.name}-areas.csv", "text/csv", icon=":material/download:", key="map.areas.csv",
            on_click="ignore",
        )  # fmt: skip
    st.caption(
        "Grey: as mapped. In colour: adjusted, which is what the map shows, corrected by how often the audited samples found each of its "
        "classes to be another (Olofsson et al. 2014), with 95 % intervals; those of the accuracies are in the file. User's accuracy: of "
        "what is mapped so, the share that is so; producer's: of what is so, the share that is mapped so."
    )


def _bar(entry: ClassArea) -> AreaBar:
    low, high = _ends(entry.area)
    return AreaBar(
        entry.name, entry.color, entry.mapped or 0.0, entry.area.value if entry.area else math.nan,
        math.nan if low is None else low, math.nan if high is None else high,
    )  # fmt: skip


def _ends(figure: Figure | None) -> tuple[float | None, float | None]:
    return (figure.low, figure.high) if figure else (None, None)


def _shown(entry: ClassArea) -> dict[str, Any]:
    return {
        "Class": entry.name, "Mapped, ha": None if entry.mapped is None else round(entry.mapped, 1),
        "Adjusted, ha": None if entry.area is None else round(entry.area.value, 1), "95 %": _span(entry.area, "{:,.1f}"),
        "Share": _percent(entry.share), "User's": _percent(entry.users), "Producer's": _percent(entry.producers),
        "Samples": f"{entry.found:,}",
    }  # fmt: skip


def _span(figure: Figure | None, form: str) -> str | None:
    low, high = _ends(figure)
    return None if low is None else f"{form.format(low)}–{form.format(high)}"


def _percent(figure: Figure | None) -> str | None:
    return None if figure is None else f"{figure.value:.0%}"


def _row(region: Region, entry: ClassArea) -> dict[str, Any]:
    """All that is known of a class, for the file."""
    spread = {"adjusted_ha": entry.area, "share": entry.share, "users_accuracy": entry.users, "producers_accuracy": entry.producers}
    found = {
        "region": region.name, "class": entry.name, "class_fr": entry.name_fr, "mapped_ha": entry.mapped, "mapped_samples": entry.called,
        "true_samples": entry.found, "joined": entry.joined,
    }  # fmt: skip
    for name, figure in spread.items():
        low, high = _ends(figure)
        found |= {name: figure and figure.value, f"{name}_from": low, f"{name}_to": high}
    return found
