"""The map's legend as a Streamlit component: what the colours of samples and layers mean, and a click to switch a class off or on."""

from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from data.mapped.legends import Entry, Legend
from labeling.points import Group

HERE = Path(__file__).parent
KEY, OFF = "map.legend", "map.off"
CLASSES = "classes"  # the section whose names are switched off on all layers of a map


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


_component = st.components.v2.component("cropcheck.legend", html=_read("legend.html"), css=_read("legend.css"), js=_read("legend.js"))

SMALL_HA = 10  # hectares below which two figures are told


@dataclass(frozen=True)
class Row:
    """An entry. name: what is told when it is switched off. amount: samples or hectares, as text."""

    name: str
    title: str
    title_fr: str
    color: str
    amount: str


@dataclass(frozen=True)
class Section:
    """Entries, or a ramp of (share of its length, colour) with its ticks. round: whether the marks are circles, as samples are."""

    key: str
    title: str
    entries: tuple[Row, ...] = ()
    round: bool = False
    ramp: tuple[tuple[float, str], ...] = ()
    ticks: tuple[str, ...] = ()


def of_samples(key: str, title: str, groups: list[Group]) -> Section:
    """The section of a grouping of the samples."""
    rows = tuple(Row(group.title, group.title, group.title_fr, group.color, f"{group.count:,}") for group in groups)
    return Section(key, title, rows, round=True)


def of_layers(titled: list[tuple[str, Legend]]) -> list[Section]:
    """The sections of the layers shown: their classes once, each of them with hectares where any layer has them, and the ramps."""
    classes: dict[str, Entry] = {}
    for entry in (entry for _, legend in titled for entry in legend.entries):
        if entry.name not in classes or classes[entry.name].hectares is None:
            classes[entry.name] = entry
    rows = tuple(Row(entry.name, entry.name, entry.name_fr, entry.colour, _amount(entry)) for entry in classes.values())
    sections = [Section(CLASSES, "Map", rows)] if rows else []
    return sections + [_ramp(title, legend) for title, legend in dict(titled).items() if legend.ramp]


def _amount(entry: Entry) -> str:
    if entry.hectares is not None:
        return f"{entry.hectares:,.0f} ha" if entry.hectares >= SMALL_HA else f"{entry.hectares:,.2g} ha"
    return "" if entry.pixels is None else f"{entry.pixels:,} px"


def _ramp(title: str, legend: Legend) -> Section:
    found = legend.ramp
    span = found.high - found.low
    stops = tuple(((value - found.low) / span, color) for value, color in found.stops)
    ticks = (f"{found.low:g}", f"{(found.low + found.high) / 2:.2g}", f"{found.high:g}")
    return Section(title, f"{title} ({found.unit or 'no unit'})", ramp=stops, ticks=ticks)


def off(section: str) -> list[str]:
    """Names that are switched off in a section."""
    return st.session_state.get(OFF, {}).get(section, [])


def show(sections: list[Section]) -> None:
    """The legend; a click runs the fragment again, in which `off` then has the change."""
    _component(
        key=KEY, data={"sections": [asdict(section) for section in sections], "off": st.session_state.get(OFF, {})}, on_off_change=_changed
    )


def _changed() -> None:
    st.session_state[OFF] = dict(st.session_state[KEY]["off"])
