"""Prints: true scale bars, the legend's very colours, text that can be read and searched, numbers equal to those beside them."""

import csv
import io
import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from pyproj import Geod, Transformer

from data import indices, profiles
from data.mapped import colours
from data.mapped.pictures import Picture, View
from data.prints import frame, legend, maps, matrix, mercator, paper, scores, season
from data.prints.frame import Dots, Outline, Panel
from data.prints.legend import Block, Entry
from data.prints.maps import Words
from data.profiles import Filter
from tests.conftest import ROOT

CLASSES = (("Barley", "Orge", "#dae31d"), ("Spring wheat", "Blé de printemps", "#809769"), ("Canola", "Canola / colza", "#d6ff70"))
COUNTS = np.array([[157, 1, 0], [2, 263, 2], [0, 0, 0]])
NAMES = ("Barley", "Spring wheat", "Canola <& co>")
PLAIN = Words("Été 2019")
SVG = "{http://www.w3.org/2000/svg}"


def view(lon=-80.5, lat=43.5, width_km=6.0, height_km=3.3) -> View:
    """A window of EPSG:3857 of about that size on the ground."""
    half = [side * 500 * mercator.stretch(lat) for side in (width_km, height_km)]
    x, y = Transformer.from_crs(4326, 3857, always_xy=True).transform(lon, lat)
    back = Transformer.from_crs(3857, 4326, always_xy=True)
    (west, south), (east, north) = back.transform(x - half[0], y - half[1]), back.transform(x + half[0], y + half[1])
    return View(south, west, north, east, 1_000, 550)


def picture(window: View, colors) -> Picture:
    """Stripes from west to east."""
    rgba = np.zeros((window.height, window.width, 4), dtype=np.uint8)
    for number, color in enumerate(colors):
        rgba[:, number * window.width // len(colors) : (number + 1) * window.width // len(colors)] = (*colours.rgb(color), 255)
    file = io.BytesIO()
    Image.fromarray(rgba).save(file, "png")
    return Picture(file.getvalue(), window.south, window.west, window.north, window.east)


def blocks(classes=CLASSES) -> list[Block]:
    return [Block("Prediction", tuple(Entry(*one) for one in classes))]


def printed(window: View, *, panels=1, classes=CLASSES, words=PLAIN, dpi=100, dots=None) -> np.ndarray:
    sized = maps.pixels(window, panels, dpi=dpi)
    shown = [Panel("", [(picture(sized, [color for *_, color in classes]), 1.0)], dots)] * panels
    return np.asarray(Image.open(io.BytesIO(maps.map_print(window, shown, blocks(classes), words, dpi=dpi))).convert("RGB"))


def pixels_of(image: np.ndarray, color: str) -> int:
    return int((image == colours.rgb(color)).all(axis=2).sum())


def drawn_bar(window: View, width: float) -> tuple[float, str]:
    """Length in mm of the scale bar for a frame of that width, and what is written at its end."""
    with_bar = {}

    def draw():
        figure = paper.sheet(30.0)
        sheet = paper.plain(figure, 0, 0, paper.WIDTH, 30.0)
        frame.scale_bar(sheet, 10.0, 5.0, window, width)
        with_bar["long"] = sum(patch.get_width() for patch in sheet.patches)
        with_bar["says"] = [text.get_text() for text in sheet.texts]
        return figure

    paper.written(draw, "png", dpi=50)
    return with_bar["long"], with_bar["says"][1]


@pytest.mark.parametrize("lat", [0.0, 43.5, -33.0, 60.0, 78.0])
@pytest.mark.parametrize("width_km", [0.8, 6.0, 45.0])
def test_a_scale_bar_is_as_long_as_the_ground_says(lat, width_km):
    window, frame_mm = view(lat=lat, width_km=width_km, height_km=width_km / 2), 160.0
    long, says = drawn_bar(window, frame_mm)
    number, unit = says.split()
    metres = float(number) * (1_000 if unit == "km" else 1)
    degrees = (window.east - window.west) * long / frame_mm
    middle = mercator.middle(window.south, window.north)
    *_, ground = Geod(ellps="WGS84").inv(0, middle, degrees, middle)
    assert ground == pytest.approx(metres, rel=1e-4)
    assert 15 < long <= frame.SCALE_BAR_MM


def test_where_the_scale_differs_over_the_view_the_bar_names_its_latitude():
    with_latitude = view(lon=-95, lat=58, width_km=3_000, height_km=1_800)
    sheet = {}

    def draw(window):
        figure = paper.sheet(30.0)
        axes = paper.plain(figure, 0, 0, paper.WIDTH, 30.0)
        frame.scale_bar(axes, 10, 5, window, 160.0)
        sheet[window] = " ".join(text.get_text() for text in axes.texts)
        return figure

    for window in (with_latitude, view()):
        paper.written(lambda window=window: draw(window), "png", dpi=50)
    assert "at 5" in sheet[with_latitude] and "°N" in sheet[with_latitude]
    assert "at" not in sheet[view()]


def test_web_mercator_is_pyprojs():
    there = Transformer.from_crs(4326, 3857, always_xy=True)
    for lon, lat in ((-123.4, 49.1), (11.0, -33.3), (20.0, 84.0)):
        assert (mercator.x_of(lon), mercator.y_of(lat)) == pytest.approx(there.transform(lon, lat), abs=1e-6)
        assert mercator.lat_of(float(mercator.y_of(lat))) == pytest.approx(lat, abs=1e-9)


def test_round_numbers_for_bars_and_frames():
    assert [mercator.round_length(longest)[0] for longest in (999, 1_000, 1_999, 4_999, 0.3)] == [
        500,
        1_000,
        1_000,
        2_000,
        pytest.approx(0.2),
    ]
    assert mercator.degrees(-80.5, 0.005, "E", "W") == "80.500°W"
    assert mercator.degrees(190.0, 10, "E", "W") == "170°W"
    assert mercator.degrees(0.0, 1, "N", "S") == "0°"
    assert mercator.ticks(10.99, 11.031, 0.01) == [10.99, 11.0, 11.01, 11.02, 11.03]


@pytest.mark.parametrize(("width_km", "height_km"), [(6, 3.3), (1.5, 4), (60, 8), (3, 3), (0.5, 0.5)])
def test_every_frame_names_two_coordinates_or_more_and_none_touch(width_km, height_km):
    window = view(width_km=width_km, height_km=height_km)
    width, height = maps._room(frame.aspect(window), 1)
    for low, high, long, sides in ((window.west, window.east, width, "EW"), (window.south, window.north, height, "NS")):
        places, labels = frame._ticks(low, high, long, tuple(sides))
        named = [(place, label) for place, label in zip(places, labels, strict=True) if label]
        assert len(named) >= (2 if long > 40 else 1)
        apart = np.diff([(place - low) / (high - low) * long for place, _ in named])
        assert (apart > max(paper.width_of(label, paper.SMALL) for _, label in named)).all()


def test_the_map_and_its_legend_have_the_official_colours():
    image = printed(view(), dpi=150)
    for *_, color in CLASSES:
        in_frame = image.shape[1] * 161 // 180 * (image.shape[1] * 161 // 180) * 0.4 / 3
        assert pixels_of(image, color) > in_frame
        legend_part = image[int(image.shape[0] * 0.75) :]
        patch = legend.PATCH[0] * legend.PATCH[1] / 25.4**2 * 150**2
        assert 0.7 * patch < pixels_of(legend_part, color) <= patch


def test_the_picture_lies_where_its_corners_say():
    """The border of two stripes is the middle of the frame, to a pixel."""
    image = printed(view(), classes=(CLASSES[0], ("Red", "Rouge", "#c01f2e")), dpi=150)
    rows = np.flatnonzero((image == colours.rgb("#c01f2e")).all(axis=2).sum(axis=1) > 200)
    row = image[rows[len(rows) // 2]]
    left, right = (np.flatnonzero((row == colours.rgb(color)).all(axis=1)) for color in ("#dae31d", "#c01f2e"))
    assert right[0] - left[-1] <= 2
    assert abs(len(left) - len(right)) <= 2


def test_a_print_is_180_mm_wide_in_its_resolution_and_the_same_each_time():
    pngs = [maps.map_print(view(), [Panel()], blocks(), Words("A"), dpi=dpi) for dpi in (300, 300, 150)]
    assert pngs[0] == pngs[1]
    assert [Image.open(io.BytesIO(png)).width for png in pngs] == [2125, 2125, 1062]
    assert Image.open(io.BytesIO(pngs[0])).info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_simulated_imagery_is_said_on_every_panel():
    paint = paper.SIMULATED_PAPER
    assert pixels_of(printed(view()), paint) == 0
    one = pixels_of(printed(view(), words=Words("A", simulated=True)), paint)
    two = pixels_of(printed(view(), panels=2, words=Words("A", simulated=True)), paint)
    assert one > 500 and two == pytest.approx(2 * one, rel=0.15)


def test_samples_have_their_colours_and_those_outside_are_left_out():
    window = view()
    dots = Dots(np.array([-80.5, -80.5 + 360, 10.0]), np.array([43.5, 43.501, 43.5]), ["#ff00ff", "#00ffff", "#0000ff"])
    image = printed(window, dots=dots, dpi=150)
    assert pixels_of(image, "#ff00ff") > 20 and pixels_of(image, "#00ffff") > 20  # a place counted past 360 degrees is the same place
    assert pixels_of(image, "#0000ff") == 0


def test_outlines_with_holes_and_parts_are_drawn():
    ring = [[-80.51, 43.495], [-80.49, 43.495], [-80.49, 43.505], [-80.51, 43.495]]
    shapes = [
        Outline({"type": "Polygon", "coordinates": [ring]}, "#ff00ff"),
        Outline({"type": "MultiPolygon", "coordinates": [[ring]]}, "#ff00ff"),
    ]
    png = maps.map_print(view(), [Panel(outlines=shapes)], [], Words("A"), dpi=150)
    assert pixels_of(np.asarray(Image.open(io.BytesIO(png)).convert("RGB")), "#ff00ff") > 100


def test_coasts_are_drawn_over_wide_views_only():
    assert not frame.has_background(view(width_km=50))
    wide = view(lon=-63, lat=46.5, width_km=900, height_km=500)
    assert frame.has_background(wide)
    png = maps.map_print(wide, [Panel()], [], Words("A"), dpi=80)
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    assert pixels_of(image, frame.WATER) > 10_000 and pixels_of(image, frame.LAND) > 10_000


def test_a_view_across_the_antimeridian_shows_both_sides():
    window = replace(view(lon=0, lat=65, width_km=1_500, height_km=900), west=170.0, east=200.0)
    png = maps.map_print(window, [Panel(dots=Dots(np.array([-165.0]), np.array([65.0]), ["#ff00ff"]))], [], Words("A"), dpi=100)
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    assert pixels_of(image, "#ff00ff") > 5
    half = image[:, image.shape[1] // 2 :]
    assert pixels_of(half, frame.LAND) > 1_000  # Alaska, east of 180 degrees


def everything(number: int) -> tuple[tuple[str, str, str], ...]:
    return tuple((f"Crop number {at}", f"Culture n° {at}, façon très longue à écrire", f"#{at * 8 + 1:02x}8040") for at in range(number))


@pytest.mark.parametrize("number", [1, 2, 12, 30])
@pytest.mark.parametrize(("width_km", "height_km"), [(6, 3.3), (1.5, 4), (3, 3)])
def test_legends_of_every_length_fit_the_sheet_without_overlaps(number, width_km, height_km):
    classes, window = everything(number), view(width_km=width_km, height_km=height_km)
    layout = maps._layout(window, [Panel()], blocks(classes), Words("A", sources="B " * 200))
    entries = [item for column in layout.columns for item in column if item.kind == "entry"]
    assert [item.content.color for item in entries] == [color for *_, color in classes]
    left, top = layout.legend
    assert left + len(layout.columns) * (layout.column + legend.COLUMN_GAP) - legend.COLUMN_GAP <= paper.WIDTH - 4
    bottom = top + legend.height_of(layout.columns)
    assert bottom <= layout.sources[0] + 1e-6 and layout.sources[0] < layout.height - maps.MARGIN
    (x, y, width, height), *_ = layout.frames
    assert left >= x + width or top >= y + height + maps.BELOW
    assert "".join("".join(item.lines[1]).replace(" ", "") for item in entries[:1]) == classes[0][1].replace(" ", "")


def test_a_heading_is_never_parted_from_what_it_heads():
    many = [Block(f"Block {number}", tuple(Entry(*one) for one in everything(7))) for number in range(4)]
    columns = legend.laid_out(many, 51.0, 3)
    assert all(column[-1].kind != "heading" for column in columns) and len(columns) <= 3


def test_a_ramp_is_drawn_from_end_to_end():
    png = maps.map_print(view(), [Panel()], [Block("Probability", ramp=colours.share())], Words("A"), dpi=150)
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    for color in (colours.CIVIDIS[0], colours.CIVIDIS[len(colours.CIVIDIS) // 2], colours.CIVIDIS[-1]):
        assert np.abs(image.astype(int) - colours.rgb(color)).max(axis=2).min() <= 4


def test_words_too_wide_for_a_line_are_broken_and_none_is_lost():
    text = "Pâturage et cultures fourragères " + "x" * 200
    lines = paper.wrapped(text, paper.TYPE, 40.0)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(paper.width_of(line, paper.TYPE) <= 40 for line in lines)
    assert paper.wrapped("", paper.TYPE, 40.0) == [""]


def texts(svg: bytes) -> list[str]:
    return ["".join(node.itertext()).strip() for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def rows(text: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_matrix_shows_the_numbers_of_its_csv():
    shown = texts(matrix.matrix_print(COUNTS, NAMES, title="Matrix", facts="run-1", form="svg"))
    told = rows(matrix.matrix_csv(COUNTS, NAMES))
    filled = [row for row in told if int(row["samples"])]
    assert [int(row["samples"]) for row in told] == COUNTS.ravel().tolist()
    expected = [value for row in filled for value in (row["samples"], f"{float(row['share_of_truth']):.0%}")]
    assert [text for text in shown if re.fullmatch(r"\d+%?", text)] == expected
    for name, total in zip(NAMES, COUNTS.sum(axis=1), strict=True):
        assert name in shown and f"{name} ({total})" in shown
    assert "Predicted" in shown and any(text.startswith("Truth") for text in shown)
    assert [row["share_of_truth"] for row in told if row["truth"] == NAMES[2]] == ["", "", ""]


@pytest.mark.parametrize("size", [1, 2, 10, 30])
def test_matrices_of_every_size_keep_their_text_in_their_cells(size):
    counts = np.full((size, size), 12_345)
    svg = matrix.matrix_print(counts, [f"Crop {number}" for number in range(size)], form="svg")
    assert texts(svg).count("12345") == size * size
    sheet = ElementTree.fromstring(svg)
    wide = float(sheet.get("viewBox").split()[2])
    assert wide >= paper.WIDTH / 25.4 * 72 - 1
    assert paper.width_of("12345", matrix.PLAIN, bold=True) < matrix.CELL[0]


def test_files_carry_text_as_text_and_no_date_and_are_the_same_each_time():
    one, two = (matrix.matrix_print(COUNTS, NAMES, form="svg") for _ in range(2))
    assert one == two and b"dc:date" not in one and b"<text" in one
    assert matrix.matrix_print(COUNTS, NAMES) == matrix.matrix_print(COUNTS, NAMES)
    assert "Canola <& co>" in texts(one)  # escaped, and read back


def test_the_matrix_diagonal_is_green_and_errors_are_red():
    image = np.asarray(Image.open(io.BytesIO(matrix.matrix_print(np.array([[10, 0], [10, 0]]), ("A", "B"), dpi=100))).convert("RGB"))
    assert pixels_of(image, paper.RIGHT) > 500 and pixels_of(image, paper.WRONG) > 500


def test_no_cell_of_a_csv_runs_as_a_formula():
    assert rows(matrix.matrix_csv(np.array([[1]]), ["=1+1"]))[0]["truth"] == "'=1+1"


def test_scores_and_calibration_have_a_line_each_in_their_csv_and_all_names_in_the_figure():
    told = [
        scores.Score("Barley", 120, 0.81, 0.7, 0.75, 0.7, 0.8, "#dae31d"),
        scores.Score("Corn & oats", 9, 0.0, 0.0, 0.0, 0.0, 0.1, "#ffff99"),
    ]
    table = rows(scores.scores_csv(told))
    assert [(row["name"], float(row["f1"]), int(row["samples"])) for row in table] == [("Barley", 0.75, 120), ("Corn & oats", 0.0, 9)]
    shown = texts(scores.scores_print(told, form="svg"))
    assert "Barley (120)" in shown and "Corn & oats (9)" in shown
    image = np.asarray(Image.open(io.BytesIO(scores.scores_print(told, dpi=100))).convert("RGB"))
    assert pixels_of(image, "#dae31d") > 10_000
    bins = [scores.Bin(0.8, 0.87, 40, 0.83, 0.79, 0.7, 0.86)]
    assert float(rows(scores.reliability_csv(bins))[0]["accuracy_low"]) == 0.7
    assert "Confidence: the highest of the probabilities" in texts(scores.reliability_print(bins, form="svg"))


@pytest.mark.parametrize("collection", ["canada-simulated-2019", "bavaria-parcels-2018", "bavaria-2018"])
def test_a_season_is_drawn_with_the_values_that_its_csv_tells(demo, collection):
    loaded = profiles.load(demo.store, collection, "NDVI")
    envelopes = profiles.envelopes(loaded, profiles.crops(demo.store, collection, "class"), Filter())[:4]
    curve = profiles.curve(loaded, int(loaded.samples[0]))
    svg = season.profile_print(indices.named("NDVI"), loaded.bins, envelopes, picked=[(curve, "#d6006e")], title="NDVI", form="svg")
    shown = texts(svg)
    for one in envelopes:
        assert f"{one.crop.name}, n = {one.samples:,}" in shown
    assert curve.name in shown and "NDVI (no unit)" in shown
    medians = [float(row["median"]) for row in rows(profiles.as_csv(loaded, envelopes, [])) if row["name"] == envelopes[0].crop.name]
    assert medians == pytest.approx(heights(svg, envelopes[0].crop.color), abs=2e-3)


def heights(svg: bytes, color: str) -> list[float]:
    """The values of the median line of that colour, read back from the drawing by way of the axis's 0.0 and its 1.0."""
    sheet = ElementTree.fromstring(svg)
    axis = {}
    for group in sheet.iter(f"{SVG}g"):
        said = "".join(group.itertext()).strip()
        use = group.find(f".//{SVG}use")
        if group.get("id", "").startswith("ytick") and use is not None:
            axis[float(said.replace("−", "-"))] = float(use.get("y"))
    lines = [
        node
        for node in sheet.iter(f"{SVG}path")
        if f"stroke: {color}" in node.get("style", "") and "stroke-width: 1.7" in node.get("style")
    ]
    drawn = [float(y) for _, y in re.findall(r"[ML] (\S+) (\S+)", lines[0].get("d"))]
    return [(y - axis[0.0]) / (axis[0.8] - axis[0.0]) * 0.8 for y in drawn]


def test_cloudy_dates_of_a_sample_are_hollow_and_off_the_line(demo):
    loaded = profiles.load(demo.store, "canada-simulated-2019", "NDVI")
    cloudy = next(number for number in loaded.samples.tolist() if not profiles.curve(loaded, number).clear.all())
    svg = season.profile_print(indices.named("NDVI"), loaded.bins, [], picked=[(profiles.curve(loaded, cloudy), "#d6006e")], form="svg")
    hollow = [node for node in ElementTree.fromstring(svg).iter(f"{SVG}use") if "fill: #ffffff" in node.get("style", "")]
    assert len(hollow) == int((~profiles.curve(loaded, cloudy).clear).sum())


def test_pages_that_offer_prints_load_no_matplotlib():
    script = (
        "import sys; import pages.widgets.takeaway, pages.widgets.explore_table, pages.widgets.results_views; "
        "print('matplotlib' in sys.modules, 'folium' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["False", "False"]


@pytest.mark.parametrize(
    "window", [View(-89, -400, 89, 300, 1_000, 500), View(-90, -180, 90, 180, 900, 900), View(43.5, -80.5, 43.50002, -80.49997, 900, 800)]
)
def test_the_whole_world_and_a_few_metres_are_drawn_too(window):
    png = maps.map_print(
        window, [Panel(dots=Dots(np.array([-80.49999]), np.array([43.50001]), ["#ff00ff"]))], blocks(), Words("A"), dpi=100
    )
    assert pixels_of(np.asarray(Image.open(io.BytesIO(png)).convert("RGB")), "#ff00ff") > 3


def test_a_line_never_begins_with_the_dot_between_two_facts():
    lines = paper.wrapped("some facts of a run · more facts of it · and more", paper.TYPE, 22.0)
    assert len(lines) > 2 and not any(line.startswith("·") for line in lines)
