"""The legend of a printed map: names in English and French beside their colours, or a ramp of values, in balanced columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.mapped.colours import Ramp
from data.prints import paper

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PATCH = (5.0, 3.0)  # mm
GAP = 2.0  # mm, between patch and text
BETWEEN = 1.4  # mm, between entries
COLUMN_GAP = 5.0
WIDEST = 51.0  # mm of a column: three stand beside each other; longer names are wrapped
NARROWEST = 34.0
RAMP = 3.2  # mm, height of a ramp
EDGE = "#5b655e"


@dataclass(frozen=True)
class Entry:
    """A colour and what it stands for. mark: "patch" of a raster, "dot" of samples, "outline" of fields."""

    title: str
    title_fr: str
    color: str
    mark: str = "patch"


@dataclass(frozen=True)
class Block:
    """What one layer's colours mean: a heading, and entries or a ramp or both."""

    title: str
    entries: tuple[Entry, ...] = ()
    ramp: Ramp | None = None


@dataclass(frozen=True)
class Item:
    """A piece of a block that no column break divides: heading, space for one, entry or ramp, with its lines of text. height: mm."""

    kind: str
    content: Block | Entry | Ramp
    lines: tuple[tuple[str, ...], ...]
    height: float


def column_width(blocks: Sequence[Block]) -> float:
    """How wide a column has to be for its longest name, mm."""
    inset = PATCH[0] + GAP
    widths = [paper.width_of(text, size) + inset for block in blocks for entry in block.entries
              for text, size in ((entry.title, paper.TYPE), (entry.title_fr, paper.SMALL))]  # fmt: skip
    widths += [paper.width_of(block.title, paper.TYPE, bold=True) for block in blocks]
    return min(WIDEST, max([NARROWEST, *(width + 0.5 for width in widths)]))


def laid_out(blocks: Sequence[Block], column: float, columns: int, height: float = 24.0) -> list[list[Item]]:
    """The blocks' items in at most `columns` columns of `height` mm, or as much more as they need; a heading stays with what it heads."""
    items = [item for block in blocks for item in _items(block, column)]
    while len(flowed := _flow(items, height)) > columns:
        height += 1.0
    return flowed


def height_of(columns: Sequence[Sequence[Item]]) -> float:
    """Of the tallest column, mm."""
    return max((sum(item.height for item in column) for column in columns), default=0.0)


def draw(sheet: "Axes", left: float, top: float, columns: Sequence[Sequence[Item]], column: float) -> None:
    """Set laid out columns into `paper.plain` axes."""
    for number, items in enumerate(columns):
        x, y = left + number * (column + COLUMN_GAP), top
        for item in items:
            _DRAW[item.kind](sheet, x, y, column, item)
            y += item.height


def _items(block: Block, column: float) -> list[Item]:
    heading = tuple(paper.wrapped(block.title, paper.TYPE, column, bold=True))
    found = [Item("heading", block, (heading,), len(heading) * paper.line_height(paper.TYPE) + 1.0)]
    if block.ramp:
        found.append(Item("ramp", block.ramp, (), RAMP + 0.8 + paper.line_height(paper.SMALL) + BETWEEN))
    for entry in block.entries:
        title = tuple(paper.wrapped(entry.title, paper.TYPE, column - PATCH[0] - GAP))
        other = entry.title_fr if entry.title_fr != entry.title else ""
        french = tuple(paper.wrapped(other, paper.SMALL, column - PATCH[0] - GAP)) if other else ()
        height = len(title) * paper.line_height(paper.TYPE) + len(french) * paper.line_height(paper.SMALL)
        found.append(Item("entry", entry, (title, french), max(height, PATCH[1]) + BETWEEN))
    return found


def _flow(items: Sequence[Item], height: float) -> list[list[Item]]:
    """Columns of about that height; where one goes on with a block, its first entry stands beside that of the column before."""
    columns: list[list[Item]] = [[]]
    used = 0.0
    for at, item in enumerate(items):
        with_next = item.height + (items[at + 1].height if item.kind == "heading" else 0.0)
        if columns[-1] and columns[-1][-1].kind != "heading" and used + with_next > height + 1e-6:
            heading = columns[-1][0] if item.kind != "heading" else None
            columns.append([Item("space", heading.content, (), heading.height)] if heading else [])
            used = heading.height if heading else 0.0
        columns[-1].append(item)
        used += item.height
    return columns


def _space(sheet: "Axes", x: float, y: float, column: float, item: Item) -> None:
    """Nothing, as high as a heading."""


def _heading(sheet: "Axes", x: float, y: float, column: float, item: Item) -> None:
    paper.text(sheet, x, y, item.lines[0], weight="bold")


def _entry(sheet: "Axes", x: float, y: float, column: float, item: Item) -> None:
    from matplotlib.patches import Circle, Rectangle

    entry, (title, french) = item.content, item.lines
    middle = y + paper.line_height(paper.TYPE) / 2 + 0.1
    if entry.mark == "dot":
        sheet.add_patch(Circle((x + PATCH[0] / 2, middle), 1.1, facecolor=entry.color, edgecolor=paper.INK, linewidth=0.5))
    else:
        fill = "none" if entry.mark == "outline" else entry.color
        edge, width = (entry.color, 1.4) if entry.mark == "outline" else (EDGE, 0.4)
        sheet.add_patch(
            Rectangle((x, middle - PATCH[1] / 2), *PATCH, facecolor=fill, edgecolor=edge, linewidth=width, gid=f"legend-{entry.color}")
        )
    below = paper.text(sheet, x + PATCH[0] + GAP, y, title)
    paper.text(sheet, x + PATCH[0] + GAP, below, french, paper.SMALL, color=paper.QUIET)


def _ramp(sheet: "Axes", x: float, y: float, column: float, item: Item) -> None:
    import numpy as np
    from matplotlib.patches import Rectangle

    ramp, width = item.content, column - 2
    colors = ramp.colour(np.linspace(ramp.low, ramp.high, 512))[None]
    sheet.imshow(colors, extent=(x, x + width, y + RAMP, y), aspect="auto", interpolation="nearest", zorder=1)
    sheet.add_patch(Rectangle((x, y), width, RAMP, facecolor="none", edgecolor=EDGE, linewidth=0.4))
    for place, value, align in ((0.0, ramp.low, "left"), (0.5, (ramp.low + ramp.high) / 2, "center"), (1.0, ramp.high, "right")):
        said = paper.figure(value, ramp.unit)
        sheet.text(x + place * width, y + RAMP + 0.8, said, fontsize=paper.SMALL, ha=align, va="top", color=paper.INK)


_DRAW = {"heading": _heading, "space": _space, "entry": _entry, "ramp": _ramp}
