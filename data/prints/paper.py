"""What all prints share: millimetres, type, inks, and how a figure becomes a file that is the same, byte for byte, each time.

matplotlib is used through its objects (`matplotlib.figure.Figure`), never through pyplot, which keeps figures in a global list; it is
imported when something is drawn, so that pages which only offer a print stay light.
"""

import io
import re
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MM = 1 / 25.4  # inches
POINT_MM = 25.4 / 72
WIDTH = 180.0  # mm, of two columns of a journal's page
DPI = 300
TYPE = 7.5  # points, of most text; none is smaller than 6 at the print's own width
SMALL, LARGE = 6.5, 11.0
LINE_SPACING = 1.25
INK, QUIET, GRID, FRAME = "#2b332e", "#5c6760", "#e6eae3", "#5b655e"
RIGHT, WRONG = "#2e7d32", "#c62828"  # a matrix's diagonal, and its errors; the Results page draws with them too
ACCURACY, NEUTRAL = "#1f77b4", "#8a938c"
SIMULATED = ("simulated imagery", "imagerie simulée")
SIMULATED_INK, SIMULATED_PAPER = "#8a4b00", "#ffe8cc"
SETTINGS = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": TYPE, "svg.fonttype": "none", "svg.hashsalt": "cropcheck",
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": "#aab3a6", "xtick.color": INK, "ytick.color": INK, "axes.linewidth": 0.6,
    "xtick.major.width": 0.5, "ytick.major.width": 0.5, "text.parse_math": False, "hatch.linewidth": 0.6,
}  # fmt: skip
_ONE_AT_A_TIME = threading.Lock()  # matplotlib's settings and fonts are the process's own, and downloads are drawn in threads


def written(draw: "Callable[[], Figure]", form: str, *, dpi: int = DPI) -> bytes:
    """The figure that `draw` makes, as a file without a date in it.

    Args:
        form: "png", or "svg" with text as text.
        dpi: of a PNG.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    out = io.BytesIO()
    with _ONE_AT_A_TIME, matplotlib.rc_context(SETTINGS):
        figure = draw()
        FigureCanvasAgg(figure)
        told = {"Date": None, "Creator": "Cropcheck"} if form == "svg" else {"Software": "Cropcheck"}
        figure.savefig(out, format=form, dpi=dpi, metadata=told, facecolor="white")
    return out.getvalue()


def sheet(height: float, width: float = WIDTH) -> "Figure":
    """An empty figure of that size in mm."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width * MM, height * MM))


def axes(figure: "Figure", left: float, top: float, width: float, height: float, **options: Any) -> "Axes":
    """Axes at a place in mm, from the upper left corner of the figure."""
    wide, tall = (side / MM for side in figure.get_size_inches())
    return figure.add_axes((left / wide, 1 - (top + height) / tall, width / wide, height / tall), **options)


def plain(figure: "Figure", left: float, top: float, width: float, height: float) -> "Axes":
    """Axes without frame and ticks whose units are mm, y down from their upper edge: what text and patches are set in."""
    made = axes(figure, left, top, width, height)
    made.set_xlim(0, width)
    made.set_ylim(height, 0)
    made.axis("off")
    return made


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """Of a line of text, mm."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    face = FontProperties(family=SETTINGS["font.sans-serif"], size=size, weight="bold" if bold else "normal")
    return text_to_path.get_text_width_height_descent(text, face, False)[0] * POINT_MM


def wrapped(text: str, size: float, width: float, *, bold: bool = False) -> list[str]:
    """The text in lines no wider than `width` mm; a word that is wider is broken, and no line begins with a dot. At least one line."""
    lines, line = [], ""
    words = re.split(r" (?!·)", text)[::-1]
    while words:
        word = words.pop()
        tried = f"{line} {word}" if line else word
        if width_of(tried, size, bold=bold) <= width:
            line = tried
        elif line:
            lines.append(line)
            line = ""
            words.append(word)
        else:
            fits = max(1, sum(width_of(word[:end], size, bold=bold) <= width for end in range(1, len(word) + 1)))
            lines.append(word[:fits])
            words.append(word[fits:])
    return [*lines, line] if line or not lines else lines


def line_height(size: float) -> float:
    """Of text of that size in points, mm."""
    return size * POINT_MM * LINE_SPACING


def text(paper: "Axes", x: float, top: float, lines: Sequence[str], size: float = TYPE, **options: Any) -> float:
    """Set lines below each other in `plain` axes; returns where the next one would begin, mm."""
    options = {"color": INK, "va": "top"} | options
    for line in lines:
        paper.text(x, top, line, fontsize=size, **options)
        top += line_height(size)
    return top


def figure(value: float, unit: str) -> str:
    """A value of a ramp (`data.mapped.colours.Ramp`) in words: probabilities in per cent."""
    return f"{value:.0%}" if unit == "probability" else f"{value:.3g}" + (f" {unit}" if unit else "")
