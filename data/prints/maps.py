"""A view of the map as a sheet of paper: title, one frame or two, coordinates, scale bar, north arrow, legend, sources."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.mapped.pictures import View
from data.prints import frame, legend, paper
from data.prints.frame import Panel
from data.prints.legend import Block, Item

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARGIN = 6.0  # mm
INNER = paper.WIDTH - 2 * MARGIN
LEFT, BELOW = 5.0, 5.0  # mm, what coordinates take beside and below a frame
RIGHT_EDGE = 2.0  # mm; the last coordinate may reach over the frame
TALLEST = 190.0  # mm of all frames together
FURNITURE = 10.0  # mm, scale bar and north arrow
GAP = 5.0
WIDE = 1.35  # width over height, from which a legend stands below and two frames below each other


@dataclass(frozen=True)
class Words:
    """What a sheet says. title; facts: run, layer, date, in one line; sources: attribution and licence; simulated: whether no satellite
    took the pixels, which is then said on every frame."""

    title: str
    facts: str = ""
    sources: str = ""
    simulated: bool = False


@dataclass(frozen=True)
class Layout:
    """Where everything stands, mm from the upper left corner. frames: (left, top, width, height) of each panel."""

    height: float
    frames: list[tuple[float, float, float, float]]
    panel_titles: list[list[str]]
    furniture: tuple[float, float]
    legend: tuple[float, float]
    column: float
    columns: list[list[Item]]
    title: list[str]
    facts: list[str]
    sources: tuple[float, list[str]]


def map_print(view: View, panels: Sequence[Panel], blocks: Sequence[Block], words: Words, *, dpi: int = paper.DPI) -> bytes:
    """A PNG, 180 mm wide.

    Args:
        view: what every panel shows; its size in pixels does not matter here, but pictures made at `pixels` are the sharpest.
        panels: one, or two for a split view: side by side, or below each other where the view is wide.
        blocks: the legend.
    """

    def draw() -> "Figure":
        return _draw(view, panels, _layout(view, panels, blocks, words), words)

    return paper.written(draw, "png", dpi=dpi)


def pixels(view: View, panels: int, *, dpi: int = paper.DPI) -> View:
    """The view with as many pixels as its frame has on paper at most: what pictures for `map_print` are to be asked for."""
    width, height = _room(frame.aspect(view), panels)
    return View(view.south, view.west, view.north, view.east, *(max(1, round(side * paper.MM * dpi)) for side in (width, height)))


def _room(aspect: float, panels: int) -> tuple[float, float]:
    """Width and height of a frame where nothing stands beside it, mm."""
    beside = panels > 1 and aspect < WIDE
    width = (INNER - RIGHT_EDGE - (GAP if beside else 0)) / (2 if beside else 1) - LEFT
    tallest = (TALLEST - (0 if beside else (panels - 1) * (BELOW + GAP))) / (1 if beside else panels)
    height = min(width / aspect, tallest)
    return height * aspect, height


def _layout(view: View, panels: Sequence[Panel], blocks: Sequence[Block], words: Words) -> Layout:
    aspect, column = frame.aspect(view), legend.column_width(blocks)
    title = paper.wrapped(words.title, paper.LARGE, INNER - LEFT, bold=True)
    facts = paper.wrapped(words.facts, paper.TYPE, INNER - LEFT) if words.facts else []
    top = MARGIN + len(title) * paper.line_height(paper.LARGE) + len(facts) * paper.line_height(paper.TYPE) + 2.0
    width, height = _room(aspect, len(panels))
    at_side = _beside(aspect, len(panels), blocks, column)
    if at_side:
        width, height, columns = at_side
    titles = [paper.wrapped(panel.title, paper.TYPE, width, bold=True) if panel.title else [] for panel in panels]
    above = max(len(lines) for lines in titles) * paper.line_height(paper.TYPE) + (1.0 if any(titles) else 0.0)
    frames = _frames(aspect, len(panels), top, above, width, height)
    furniture = max(y + h for _, y, _, h in frames) + BELOW + 1.0
    end = furniture + FURNITURE
    if at_side:
        place = (MARGIN + LEFT + width + RIGHT_EDGE + GAP, frames[0][1])
    else:
        columns = (
            legend.laid_out(blocks, column, max(1, int((INNER - LEFT + legend.COLUMN_GAP) / (column + legend.COLUMN_GAP))))
            if blocks
            else []
        )
        place = (MARGIN + LEFT, end)
        end += legend.height_of(columns) + (1.0 if columns else 0.0)
    sources = paper.wrapped(words.sources, paper.SMALL, INNER - LEFT) if words.sources else []
    total = end + len(sources) * paper.line_height(paper.SMALL) + MARGIN
    return Layout(total, frames, titles, (MARGIN + LEFT, furniture), place, column, columns, title, facts, (end, sources))


def _beside(aspect: float, panels: int, blocks: Sequence[Block], column: float) -> tuple[float, float, list[list[Item]]] | None:
    """Width and height of a single frame with the legend at its right, and the legend's columns; None where it stands better below."""
    if panels > 1 or aspect >= WIDE or not blocks:
        return None
    wide, tall = _room(aspect, 1)
    room = INNER - LEFT - RIGHT_EDGE - GAP
    height = min(tall, (room - column) / aspect)
    width = height * aspect
    columns = legend.laid_out(blocks, column, max(1, int((room - width + legend.COLUMN_GAP) / (column + legend.COLUMN_GAP))), height)
    return (width, height, columns) if legend.height_of(columns) <= height and width > 0.45 * wide else None


def _frames(aspect: float, panels: int, top: float, above: float, width: float, height: float) -> list[tuple[float, float, float, float]]:
    if panels > 1 and aspect < WIDE:
        return [(MARGIN + LEFT + number * (width + LEFT + GAP), top + above, width, height) for number in range(panels)]
    return [(MARGIN + LEFT, top + above + number * (height + BELOW + GAP + above), width, height) for number in range(panels)]


def _draw(view: View, panels: Sequence[Panel], layout: Layout, words: Words) -> "Figure":
    figure = paper.sheet(layout.height)
    sheet = paper.plain(figure, 0, 0, paper.WIDTH, layout.height)
    below = paper.text(sheet, MARGIN + LEFT, MARGIN, layout.title, paper.LARGE, weight="bold")
    paper.text(sheet, MARGIN + LEFT, below, layout.facts, color=paper.QUIET)
    for panel, lines, place in zip(panels, layout.panel_titles, layout.frames, strict=True):
        left, top, width, height = place
        paper.text(sheet, left, top - len(lines) * paper.line_height(paper.TYPE) - 1.0, lines, weight="bold")
        frame.draw(paper.axes(figure, *place), view, panel, simulated=words.simulated, width=width, height=height)
    x, y = layout.furniture
    frame.north_arrow(sheet, x + 1.5, y)
    frame.scale_bar(sheet, x + 8, y + 1.2, view, layout.frames[0][2])
    legend.draw(sheet, *layout.legend, layout.columns, layout.column)
    y, lines = layout.sources
    paper.text(sheet, MARGIN + LEFT, y, lines, paper.SMALL, color=paper.QUIET)
    return figure
