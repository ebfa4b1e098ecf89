"""Take away: what a page shows, as files for papers and for people without Cropcheck. Nothing is drawn before its button is clicked.

A figure's buttons hand Streamlit a function, which it calls on the click. A map is made by a button of its own, since what can be wrong
with its rasters is to be read on the page, and a download that fails says nothing. No file names a curator.
"""

from collections.abc import Callable, Sequence
from hashlib import sha1

import streamlit as st

from data.catalogue import Collection
from data.errors import CropcheckError
from data.mapped import pictures
from data.mapped.folder import Map
from data.mapped.pictures import View
from labeling import mapsheets
from labeling.mapsheets import Sheet
from labeling.points import Group, Point

MIME = {"png": "image/png", "svg": "image/svg+xml", "csv": "text/csv", "html": "text/html"}
TITLES = {"png": "PNG, 300 dpi", "svg": "SVG", "csv": "CSV"}
FORMS = {"png": "Figure (PNG)", "html": "Page (HTML)"}
RESOLUTIONS = {300: "300 dpi, for print", 150: "150 dpi, for screens"}
COLOURINGS = {"state": "verification"}  # in words, where they differ
GROUNDS = {False: "This view", True: "The whole map"}
READY = "map.takeaway.ready"  # in the session's state: (what was asked for, file name, content)


def downloads(
    name: str,
    stem: str,
    *,
    png: Callable[[], bytes] | None = None,
    svg: Callable[[], bytes] | None = None,
    csv: Callable[[], str] | None = None,
) -> None:
    """A popover "Take away" with a button a kind of file.

    Args:
        name: prefix of the widgets' keys, as "results.matrix"; the buttons are "<name>.png" and so on.
        stem: of the files' names.
        png, svg, csv: make the file; None where there is none of that kind.
    """
    with st.popover("Take away", icon=":material/file_save:"):
        for kind, make in (("png", png), ("svg", svg), ("csv", csv)):
            if make:
                st.download_button(
                    TITLES[kind], make, f"{stem}.{kind}", MIME[kind], icon=":material/download:", key=f"{name}.{kind}", on_click="ignore",
                    width="stretch",
                )  # fmt: skip


def map_downloads(
    collection: Collection,
    made: Map | None,
    view: View,
    layer: str | None,
    right_layer: str | None,
    date: str | None,
    hidden: Sequence[str],
    opacity: float,
    points: Sequence[Point],
    groups: Sequence[Group],
    positions: Sequence[int],
    *,
    imagery: str | None = None,
    other: Map | None = None,
    off: Sequence[str] = (),
    colouring: str = "label",
) -> None:
    """A popover "Take away" of the Map page: the current view as PNG, and a page of HTML that opens offline.

    Args:
        made: the map that is shown, or None where only samples are.
        view: what the map shows now.
        layer: of `data.mapped.pictures.picture`, or None; on the left where the view is split. right_layer: on the right, None = not split.
        date: name of the stack's layer that layers of the imagery are of, or None.
        hidden: names of the classes that are switched off.
        opacity: 0..1 of the layers.
        points, groups, positions: the samples that the map shows, and their grouping, from `labeling.points`.
        imagery: the layer below the others, or None.
        other: the older map of the layer "changed".
        off: titles of the groups that are switched off.
        colouring: what the samples are coloured by.
    """
    sheet = Sheet(
        collection, made, view, imagery, layer, right_layer, date, tuple(hidden), opacity, points, groups, positions, tuple(off),
        f"Samples by {COLOURINGS.get(colouring, colouring)}", colouring == "prediction", other,
    )  # fmt: skip
    with st.popover("", icon=":material/file_save:", help="Take away: the map as a figure for paper, or as a page that opens offline"):
        form = st.segmented_control(
            "As", list(FORMS), default="png", format_func=FORMS.get, required=True, key="map.takeaway.form", label_visibility="collapsed"
        )
        title = st.text_input("Title", made.title if made else collection.title, key=f"map.takeaway.title.{made.name if made else ''}")
        make, asked = _figure(sheet, title) if form == "png" else _page(sheet, title)
        _made(make, f"{made.name if made else collection.name}.{form}", MIME[form], _stamp(sheet, form, title, asked))


def _figure(sheet: Sheet, title: str) -> tuple[Callable[[], bytes], object]:
    """How the figure is made, and what was chosen of it."""
    dpi = st.selectbox("Resolution, at a width of 180 mm", list(RESOLUTIONS), format_func=RESOLUTIONS.get, key="map.takeaway.dpi")
    through = False
    if sheet.imagery and sheet.layer:
        through = st.toggle(
            "Imagery shows through", key="map.takeaway.through", help="As on the screen. Off, each colour is exactly that of the legend."
        )
    return lambda: mapsheets.figure(sheet, title, through=through, dpi=dpi), (dpi, through)


def _page(sheet: Sheet, title: str) -> tuple[Callable[[], bytes], object]:
    """How the page is made, and what was chosen of it."""
    whole, layers = False, []
    if sheet.made:
        known = pictures.layers(sheet.made, sheet.other)
        whole = st.segmented_control(
            "Rasters of", list(GROUNDS), default=False, format_func=GROUNDS.get, required=True, key="map.takeaway.whole"
        )
        layers = st.multiselect(
            "Layers", list(known), default=sheet.layers, format_func=known.get, key=f"map.takeaway.layers.{sheet.made.name}.{sheet.layers}"
        )
    st.caption("One file with everything in it: it opens from a disk or a mail, without a connection.")
    return lambda: mapsheets.page(sheet, title, layers, whole=whole).encode(), (whole, layers)


def _stamp(sheet: Sheet, *asked: object) -> str:
    """Changes whenever the file would."""
    shown = [sheet.collection.name, sheet.made and (sheet.made.name, sheet.made.made), sheet.view, sheet.layers, sheet.right, sheet.date]
    shown += [
        sheet.hidden,
        sheet.opacity,
        sheet.off,
        sheet.grouping,
        sheet.other and (sheet.other.name, sheet.other.made),
        hash(tuple(sheet.positions)),
        sheet.groups,
    ]
    return sha1(repr([shown, asked]).encode()).hexdigest()


def _made(make: Callable[[], bytes], file: str, media: str, stamp: str) -> None:
    """The button that makes the file; then, as long as the file is what the page shows, the one that saves it."""
    if st.button("Make it", type="primary", icon=":material/print:", key="map.takeaway.make", width="stretch"):
        try:
            with st.spinner("Drawing"):
                st.session_state[READY] = (stamp, make())
        except CropcheckError as error:
            st.session_state.pop(READY, None)
            st.error(str(error), icon=":material/error:")
    ready, content = st.session_state.get(READY, (None, b""))
    if ready == stamp:
        st.download_button(
            f"Save {file} ({len(content) / 1e6:.1f} MB)", content, file, media, icon=":material/download:", key="map.takeaway.save",
            on_click="ignore", width="stretch",
        )  # fmt: skip
