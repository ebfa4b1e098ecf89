"""Take away: what a page shows, as files for papers and for people without Cropcheck. Nothing is drawn before its button is clicked.

A button's `data` is a function, which Streamlit calls on the click. No file names a curator.
"""

from collections.abc import Callable

import streamlit as st

MIME = {"png": "image/png", "svg": "image/svg+xml", "csv": "text/csv"}
TITLES = {"png": "PNG, 300 dpi", "svg": "SVG", "csv": "CSV"}


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


def map_downloads(collection, made, view, layer, right_layer, date, hidden, opacity, points, groups, positions) -> None:
    """A popover "Take away" of the Map page: the current view as PNG, and a page of HTML that opens offline.

    Args:
        collection: `data.catalogue.Collection`.
        made: the `data.mapped.folder.Map` that is shown, or None where only samples are.
        view: `data.mapped.pictures.View`, what the map shows now.
        layer: of `data.mapped.pictures.picture`, or None; on the left where the view is split. right_layer: on the right, None = not split.
        date: name of the stack's layer that layers of the imagery are of, or None.
        hidden: names of the classes that are switched off.
        opacity: 0..1 of the layers.
        points: `labeling.points.Point`s that the map shows. groups, positions: their grouping, from `labeling.points`.
    """
