"""A card shows the true pixels, the label with its purity, and the season beside those of verified samples."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from pyproj import Transformer
from shapely.geometry import shape

from data import catalogue, display, indices
from data.errors import PixelsUnreadable, UnknownSample
from data.importing import import_collection
from data.workspace import Workspace
from labeling import cards, decisions, envelopes, serving, sprites
from labeling.queues import Queue
from tests import kinds_world
from tests.kinds_world import COLOURS, FOREIGN, FREE, MONTHLY, UNHEARD, UNLABELLED
from tests.test_queues import add_run

FIELDS, PARCELS, CANADA = "bavaria-2018", "bavaria-parcels-2018", "canada-simulated-2019"
SQUARE = [[11.0, 48.0], [11.0, 48.01], [11.02, 48.01], [11.02, 48.0], [11.0, 48.0]]


def picture(address: str) -> np.ndarray:
    """The (H, W, 4) pixels of a WebP data address."""
    head, data = address.split(",")
    assert head == "data:image/webp;base64"
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


def samples_of(demo, collection: str, crop: str | None = None) -> list[int]:
    sql = """select s.id from sample s join legend_class l on l.collection = s.collection and l.code = s.inventory_code
        where s.collection = ? and (? is null or l.learned = ?) order by s.id"""
    with demo.store.reading() as db:
        return [row["id"] for row in db.execute(sql, [collection, crop, crop])]


def decide(demo, samples, action="agree", **values) -> None:
    """Decide on samples of Canada, and let the envelopes be read anew."""
    events = [{"uid": f"{action}-{sample}", "sample": sample, "action": action} | values for sample in samples]
    outcomes = decisions.record(demo.store, CANADA, "ann", events)
    assert all(outcome.stored for outcome in outcomes), outcomes
    envelopes.of_collection(demo.store, CANADA, max_age=0)


def largest_crop(demo) -> tuple[str, list[int]]:
    """The class of Canada with most samples, which are enough for an envelope."""
    names = [entry.name for entry in catalogue.learned(demo.store, CANADA)]
    found = max(((name, samples_of(demo, CANADA, name)) for name in names), key=lambda pair: len(pair[1]))
    assert len(found[1]) > 22
    return found


@pytest.mark.parametrize("collection", [FIELDS, PARCELS, CANADA])
def test_a_card_is_complete_and_goes_through_json(demo, collection):
    for sample in samples_of(demo, collection)[:3]:
        card = cards.card(demo, sample)
        assert json.loads(json.dumps(card, allow_nan=False)) == card
        assert [image["acquired"] for image in card["images"]] == sorted(image["acquired"] for image in card["images"])
        assert set(card["profiles"]) <= set(indices.INDICES)
        assert all(len(values) == len(card["images"]) for values in card["profiles"].values())
        assert (card["decision"], card["flagged"], card["prediction"]) == (None, False, None)


@pytest.mark.parametrize("collection", [FIELDS, PARCELS, CANADA])
def test_the_sprite_decodes_to_the_pixels_of_every_view_and_date(demo, collection):
    sample = samples_of(demo, collection)[1]
    card, patch = cards.card(demo, sample), catalogue.patch(demo, sample)
    sprite, height, width = picture(card["sprite"]), card["height"], card["width"]
    assert (height, width) == patch.pixels.shape[2:]
    assert sprite.shape == (len(display.VIEWS) * height, len(card["images"]) * width, 4)
    for row, view in enumerate(display.VIEWS):
        for column, image in enumerate(card["images"]):
            tile = sprite[row * height : (row + 1) * height, column * width : (column + 1) * width]
            np.testing.assert_array_equal(tile, display.rgba(patch.pixels[image["slot"]], patch.bands, view, patch.level))


def test_the_profile_is_the_median_over_the_field(demo):
    sample = catalogue.sample_id(demo.store, FIELDS, "Holzacker-2018")
    card, patch = cards.card(demo, sample), catalogue.patch(demo, sample)
    place = next(place for place, image in enumerate(card["images"]) if image["clear"] == 1)
    pixels = patch.pixels[card["images"][place]["slot"]].astype(float)
    red, nir = pixels[patch.bands.index("B04")], pixels[patch.bands.index("B08")]
    field = pixels.min(axis=0) > 0
    ndvi = (nir[field] - red[field]) / (nir[field] + red[field])
    assert card["profiles"]["NDVI"][place] == pytest.approx(np.median(ndvi), abs=2e-4)


def test_a_missing_month_has_no_image_and_no_value(demo):
    with demo.store.reading() as db:
        sample, images = db.execute(
            """select s.id, count(*) from sample s join image i on i.sample = s.id where s.collection = ?
            group by s.id having count(*) < 5 limit 1""",
            [CANADA],
        ).fetchone()
    card = cards.card(demo, sample)
    assert len(card["images"]) == len(card["profiles"]["NDVI"]) == images < 5
    assert picture(card["sprite"]).shape[1] == images * card["width"]


def test_purity_and_modal_crop_are_those_of_the_inventorys_pixels(demo):
    for sample in samples_of(demo, CANADA)[:10]:
        card, inventory = cards.card(demo, sample), catalogue.patch(demo, sample).inventory
        codes, counts = np.unique(inventory[inventory > 0], return_counts=True)
        assert counts[codes == card["modal"]] == counts.max()
        assert card["purity"] == pytest.approx((inventory == card["code"]).sum() / counts.sum())


def test_the_inventorys_pixels_wear_the_legends_colours(demo):
    sample = samples_of(demo, CANADA)[0]
    shown, inventory = picture(cards.card(demo, sample)["inventory"]), catalogue.patch(demo, sample).inventory
    colours = {entry.code: (*bytes.fromhex(entry.color[1:]), 255) for entry in catalogue.legend(demo.store, CANADA)}
    expected = np.array([[colours.get(int(code), (0, 0, 0, 0)) for code in row] for row in inventory], dtype=np.uint8)
    np.testing.assert_array_equal(shown, expected)
    assert cards.card(demo, samples_of(demo, FIELDS)[0])["inventory"] is None


def seasons(demo, samples: list[int], index: str) -> np.ndarray:
    """The oracle: (n, T) medians of the clear images, straight from the tables."""
    with demo.store.reading() as db:
        slots = catalogue.collection(demo.store, CANADA).slots
        values = {
            (row["sample"], row["slot"]): row["median"]
            for row in db.execute(
                "select i.sample, i.slot, t.median from image i join index_stat t on t.image = i.id where t.name = ? and i.quality = 'ok'",
                [index],
            )
        }
    return np.array([[values.get((sample, slot), np.nan) for slot in range(slots)] for sample in samples], dtype=float)


@pytest.mark.parametrize("index", ["NDVI", "PSRI"])
def test_the_envelope_is_numpys_percentiles_of_the_other_verified_samples(demo, index):
    crop, samples = largest_crop(demo)
    verified, stranger = samples[:-1], samples[-1]
    decide(demo, verified)
    for sample, others in ((verified[3], verified[:3] + verified[4:]), (stranger, verified)):
        envelope = cards.card(demo, sample)["envelopes"][0]
        values = seasons(demo, others, index)
        assert (envelope["class"], envelope["n"]) == (crop, len(others))
        drawn = 0
        for slot, band in enumerate(envelope["bands"][index]):
            seen = values[np.isfinite(values[:, slot]), slot]
            assert (band is not None) == (len(seen) >= envelopes.FEWEST / 2)
            if band is not None:
                np.testing.assert_allclose(band, np.percentile(seen, (10, 50, 90)), atol=6e-4)
                drawn += 1
        assert drawn >= 2


def test_an_envelope_is_drawn_from_twenty_other_samples_on(demo):
    _, samples = largest_crop(demo)
    decide(demo, samples[: envelopes.FEWEST])
    inside, outside = (cards.card(demo, sample)["envelopes"][0] for sample in (samples[0], samples[-1]))
    assert (inside["n"], inside["bands"]) == (envelopes.FEWEST - 1, {})
    assert outside["n"] == envelopes.FEWEST
    assert outside["bands"]["NDVI"]


def test_only_verified_samples_count_and_each_for_the_crop_it_was_relabelled_to(demo):
    crop, samples = largest_crop(demo)
    other = next(entry for entry in catalogue.legend(demo.store, CANADA) if entry.learned not in (crop, None))
    decide(demo, samples[:21])
    decide(demo, samples[21:22], "unsure")
    assert cards.card(demo, samples[-1])["envelopes"][0]["n"] == 21
    decide(demo, samples[:1], "relabel", code=other.code, seen=f"agree-{samples[0]}")
    assert cards.card(demo, samples[-1])["envelopes"][0]["n"] == 20
    assert envelopes.of_collection(demo.store, CANADA)[other.learned].samples == samples[:1]
    decide(demo, samples[:1], "reject", reason="mixed", seen=f"relabel-{samples[0]}")
    assert cards.card(demo, samples[-1])["envelopes"][0]["n"] == 20
    assert other.learned not in envelopes.of_collection(demo.store, CANADA)


def test_a_date_marked_as_cloudy_leaves_the_envelope(demo):
    crop, samples = largest_crop(demo)
    decide(demo, samples)
    image = next(image for image in cards.card(demo, samples[0])["images"] if image["quality"] == "ok")

    def value() -> float:
        known = envelopes.of_collection(demo.store, CANADA, max_age=0)[crop]
        return known.values[known.samples.index(samples[0]), 0, image["slot"]]

    assert np.isfinite(value())
    decide(demo, samples[:1], "quality", image=image["id"], quality="cloud")
    assert np.isnan(value())


@pytest.fixture
def predicted(demo) -> Workspace:
    """Canada's first sample, read by an older and a newer run."""
    classes = [entry.name for entry in catalogue.learned(demo.store, CANADA)]
    with demo.store.writing() as db:
        for name, created, best, second in (("older", "2026-01-01", 0, 1), ("newer", "2026-02-01", 2, 3)):
            add_run(db, name, CANADA, created=created)
            shares = [0.01] * len(classes)
            shares[best], shares[second] = 0.6, 0.3
            db["prediction"].insert(
                {
                    "run": name, "sample": samples_of(demo, CANADA)[0], "part": "test", "truth": classes[0], "predicted": classes[best],
                    "probability": 0.6, "probabilities": json.dumps(shares),
                }
            )  # fmt: skip
    return demo


def test_the_prediction_is_the_newest_runs_with_its_second_choice(predicted):
    classes = [entry.name for entry in catalogue.learned(predicted.store, CANADA)]
    card = cards.card(predicted, samples_of(predicted, CANADA)[0])
    shown = card["prediction"]
    assert (shown["run"], shown["predicted"], shown["probability"]) == ("newer", classes[2], 0.6)
    assert (shown["second"], shown["second_probability"]) == (classes[3], 0.3)
    assert [entry["class"] for entry in card["envelopes"]][1] in (classes[2], classes[3])
    assert cards.card(predicted, samples_of(predicted, CANADA)[1])["prediction"] is None


def test_the_second_envelope_is_never_the_labelled_class(predicted):
    sample = samples_of(predicted, CANADA)[0]
    with predicted.store.writing() as db:
        labelled = db.execute(
            """select l.learned from sample s join legend_class l on l.collection = s.collection and l.code = s.inventory_code
            where s.id = ?""",
            [sample],
        ).fetchone()["learned"]
        db.execute("update prediction set predicted = ? where run = 'newer'", [labelled])
    shown = [entry["class"] for entry in cards.card(predicted, sample)["envelopes"]]
    assert shown[0] == labelled
    assert len(set(shown)) == len(shown) == 2


def test_a_run_that_knew_fewer_classes_names_no_second_choice(predicted):
    with predicted.store.writing() as db:
        db.execute("update prediction set probabilities = '[0.6, 0.4]' where run = 'newer'")
    shown = cards.card(predicted, samples_of(predicted, CANADA)[0])["prediction"]
    assert (shown["second"], shown["second_probability"]) == (None, None)


def test_a_card_finds_its_prediction_without_reading_those_of_others(predicted):
    with predicted.store.reading() as db:
        plan = [row["detail"] for row in db.execute(f"explain query plan {cards.NEWEST_PREDICTION}", [1])]
    assert any(re.match(r"SEARCH p USING PRIMARY KEY \(run=\? AND sample=\?\)", line) for line in plan), plan
    assert not any(line.startswith("SCAN p") for line in plan), plan


def test_a_card_shows_the_decision_in_force_and_the_flag(demo):
    sample = samples_of(demo, CANADA)[0]
    decide(demo, [sample], "reject", reason="mixed", note="two crops")
    decide(demo, [sample], "flag")
    card = cards.card(demo, sample)
    decision = card["decision"]
    assert [decision[key] for key in ("uid", "curator", "action", "code", "reason", "note")] == [
        f"reject-{sample}", "ann", "reject", None, "mixed", "two crops",
    ]  # fmt: skip
    assert card["flagged"]
    assert cards.states(demo.store, [sample]) == {sample: {"decision": decision, "flagged": True}}


def path_points(path: str) -> list[np.ndarray]:
    """The rings of an SVG path made of M, L and Z."""
    rings = [[tuple(map(float, point.split(","))) for point in ring.split("L")] for ring in re.findall(r"M([^Z]*)Z", path)]
    return [np.array(ring) for ring in rings]


def test_a_parcels_outline_is_its_shape_in_metres_north_up(demo):
    with demo.store.reading() as db:
        rows = db.execute(
            "select s.id, t.lon, t.lat, t.polygon from sample s join site t on t.id = s.site where s.collection = ? limit 40", [PARCELS]
        ).fetchall()
    for sample, lon, lat, polygon in rows:
        around = Transformer.from_crs(4326, f"+proj=aeqd +lon_0={lon} +lat_0={lat}", always_xy=True)
        field = shape(json.loads(polygon))
        metres = [
            np.column_stack(around.transform(*np.array(ring.coords)[:, :2].T)) * (1, -1)  # y grows downwards in an SVG
            for part in getattr(field, "geoms", [field])
            for ring in (part.exterior, *part.interiors)
        ]
        low, high = np.vstack(metres).min(axis=0), np.vstack(metres).max(axis=0)
        drawn = path_points(cards.card(demo, sample)["outline"])
        assert len(drawn) == len(metres)
        for ring, expected in zip(drawn, metres, strict=True):
            np.testing.assert_allclose(ring, (expected - (low + high) / 2) / (high - low).max() * 92 + 50, atol=0.2)  # sphere and ellipsoid


def test_every_part_and_hole_of_an_outline_is_drawn():
    hole = [[11.005, 48.002], [11.01, 48.002], [11.01, 48.006], [11.005, 48.002]]
    island = [[11.03, 48.0], [11.03, 48.01], [11.04, 48.01], [11.03, 48.0]]
    drawn = sprites.outline(json.dumps({"type": "MultiPolygon", "coordinates": [[SQUARE, hole], [island]]}))
    assert [len(ring) for ring in path_points(drawn)] == [5, 4, 4]
    assert sprites.outline(None) is None


def test_only_a_parcel_without_pixels_of_its_own_is_drawn_as_an_outline(demo):
    assert cards.card(demo, samples_of(demo, FIELDS)[0])["outline"] is None
    assert cards.card(demo, samples_of(demo, PARCELS)[0])["outline"]


def test_simulated_imagery_is_called_so_and_digits_stand_for_crops(demo):
    record = cards.collection_record(demo.store, CANADA)
    assert record["simulated"] and not cards.collection_record(demo.store, FIELDS)["simulated"]
    digits = [entry["digit"] for entry in record["legend"] if entry["digit"] is not None]
    assert len(set(digits)) == len(digits) == 10
    assert json.loads(json.dumps(record))["reasons"] == decisions.REASONS


def test_a_card_of_an_unknown_sample_says_so(demo):
    with pytest.raises(UnknownSample, match="no sample number 99999 in this workspace"):
        cards.card(demo, 99_999)


def test_a_card_without_its_pixels_says_which_file_is_missing(demo):
    (demo.home / "patches").unlink()
    with pytest.raises(PixelsUnreadable, match=r"0000.npy is missing. Restore it from a backup"):
        cards.card(demo, samples_of(demo, FIELDS)[0])


def tile(sprite: np.ndarray, card: dict, row: int, column: int) -> np.ndarray:
    height, width = card["height"], card["width"]
    return sprite[row * height : (row + 1) * height, column * width : (column + 1) * width]


@pytest.mark.parametrize("collection", [FREE, MONTHLY, UNLABELLED, COLOURS])
def test_every_kind_of_card_is_complete_and_goes_through_json(kinds, collection):
    record = cards.collection_record(kinds.store, collection)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    for sample in samples_of(kinds, collection):
        card = cards.card(kinds, sample)
        assert json.loads(json.dumps(card, allow_nan=False)) == card
        days = [image["at"] for image in card["images"]]
        assert days == sorted(days) == [image["day"] for image in card["images"]]  # one calendar year
        assert record["span"][0] - 10 <= days[0] <= days[-1] <= record["span"][1] + 10


def test_free_dates_have_no_slots_and_a_bin_every_ten_days(kinds):
    record = cards.collection_record(kinds.store, FREE)
    assert (record["aligned"], record["slots"]) == (False, [])
    assert record["bins"][:4] == [5, 15, 25, 36]
    first, last = ((np.datetime64(day) - np.datetime64("2018-12-31")).astype(int) for day in ("2019-03-02", "2019-09-14"))
    assert first <= record["span"][0] < record["span"][1] <= last
    assert cards.collection_record(kinds.store, MONTHLY)["bins"] == [74, 105, 135, 166, 196]


def test_a_season_over_new_year_runs_on_one_axis(empty):
    field = next(kinds_world.monthly())
    slots = ("2019-11", "2019-12", "2020-03", "2020-04", "2020-05")
    spec = replace(kinds_world.monthly_spec(), name="winter", slots=slots)
    import_collection(empty, spec, [replace(field, acquired=slots, year=2020)])
    free = replace(kinds_world.free_spec(), name="free-winter", slots=slots, height=66, width=50)
    import_collection(empty, free, [replace(field, acquired=("2019-11-05", "2019-12-31", "2020-01-01", "2020-02-29", None), year=2020)])
    days = [319, 349, 365 + 75, 365 + 106, 365 + 136]  # 2020 is a leap year: its 15 March is day 75
    assert cards.collection_record(empty.store, "winter")["bins"] == days
    assert [image["at"] for image in cards.card(empty, samples_of(empty, "winter")[0])["images"]] == days
    assert [image["at"] for image in cards.card(empty, samples_of(empty, "free-winter")[0])["images"]] == [-56, 0, 1, 60]


def test_the_card_tells_the_inventory_of_every_year_of_the_site(kinds):
    sample = catalogue.sample_id(kinds.store, MONTHLY, "Baumacker-2018")
    history = cards.card(kinds, sample)["history"]
    assert [year for year, _ in history] == list(range(2015, 2022))
    assert (dict(map(tuple, history))[2015], dict(map(tuple, history))[2021]) == (FOREIGN, 0)
    assert cards.card(kinds, catalogue.sample_id(kinds.store, UNLABELLED, "D2-2018"))["history"] == []


def test_a_sample_without_a_label_has_no_class_to_be_held_against(kinds):
    sample = catalogue.sample_id(kinds.store, UNLABELLED, "D2-2018")
    card = cards.card(kinds, sample)
    assert (card["code"], card["envelopes"]) == (0, [])
    classes = [entry.name for entry in catalogue.learned(kinds.store, UNLABELLED)]
    with kinds.store.writing() as db:
        add_run(db, "read", UNLABELLED)
        shares = [0.0] * len(classes)
        shares[2], shares[4] = 0.7, 0.3
        db["prediction"].insert({
            "run": "read", "sample": sample, "part": "test", "truth": None, "predicted": classes[2], "probability": 0.7,
            "probabilities": json.dumps(shares),
        })  # fmt: skip
    assert [entry["class"] for entry in cards.card(kinds, sample)["envelopes"]] == [classes[2], classes[4]]


def test_codes_that_the_legend_lacks_are_grey_on_the_overlay(kinds):
    known = {entry.code for entry in catalogue.legend(kinds.store, MONTHLY)}
    assert UNHEARD not in known
    modal = next(sample for sample in samples_of(kinds, MONTHLY) if cards.card(kinds, sample)["modal"] == UNHEARD)
    card, inventory = cards.card(kinds, modal), catalogue.patch(kinds, modal).inventory
    shown = picture(card["inventory"])
    assert (shown[inventory == UNHEARD] == (0x9A, 0x9A, 0x9A, 255)).all()
    assert (shown[inventory == card["code"]] != (0x9A, 0x9A, 0x9A, 255)).any()


def test_envelopes_of_free_dates_are_the_percentiles_of_each_samples_ten_days(kinds, monkeypatch):
    monkeypatch.setattr("labeling.envelopes.FEWEST", 4)
    samples = samples_of(kinds, FREE)
    events = [{"uid": f"r{sample}", "sample": sample, "action": "relabel", "code": 133} for sample in samples]
    assert all(outcome.stored for outcome in decisions.record(kinds.store, FREE, "ann", events))
    known = envelopes.of_collection(kinds.store, FREE, max_age=0)["Barley"]
    drawn = known.record(without=samples[0])
    with kinds.store.reading() as db:
        rows = db.execute(
            """select i.sample, substr(i.acquired, 6, 2), min(2, (substr(i.acquired, 9, 2) - 1) / 10), t.median from image i
            join sample s on s.id = i.sample join index_stat t on t.image = i.id and t.name = 'NDVI'
            where s.collection = ? and i.quality = 'ok' and i.sample != ?""",
            [FREE, samples[0]],
        ).fetchall()
    by_bin: dict[int, dict[int, list[float]]] = {}
    for sample, month, third, value in rows:
        by_bin.setdefault(3 * (int(month) - 1) + third, {}).setdefault(sample, []).append(value)
    assert drawn["n"] == 11
    for at, band in enumerate(drawn["bands"]["NDVI"]):
        medians = [float(np.median(values)) for values in by_bin.get(at, {}).values()]
        assert (band is not None) == (len(medians) >= 2)
        if band is not None:
            assert band == pytest.approx(list(np.percentile(medians, (10, 50, 90))), abs=6e-4)


@pytest.fixture
def long_season(kinds, monkeypatch) -> dict:
    """A card with room for ten dates."""
    monkeypatch.setattr(cards, "MOST_TILES", 10 * kinds_world.SIDE**2)
    return cards.card(kinds, samples_of(kinds, FREE)[0])


def test_a_long_season_has_pictures_of_clear_dates_first_and_the_others_on_demand(kinds, long_season):
    card, patch = long_season, catalogue.patch(kinds, long_season["id"])
    with_tile = [image for image in card["images"] if image["tile"] is not None]
    assert [image["tile"] for image in with_tile] == list(range(10))
    assert all(image["quality"] == "ok" for image in with_tile)
    clear = [image["at"] for image in card["images"] if image["quality"] == "ok"]
    assert (with_tile[0]["at"], with_tile[-1]["at"]) == (clear[0], clear[-1])  # from the first to the last
    without = [image for image in card["images"] if image["tile"] is None][:3]
    more = cards.pictures(kinds, card["id"], [*(image["id"] for image in without), 10**9])
    assert more["images"] == [image["id"] for image in without]
    for shown, address in ((with_tile, card["sprite"]), (without, more["sprite"])):
        sprite = picture(address)
        for column, image in enumerate(shown):
            for row, view in enumerate(display.VIEWS):
                expected = display.rgba(patch.pixels[image["slot"]], patch.bands, view, patch.level)
                np.testing.assert_array_equal(tile(sprite, card, row, column), expected)


def test_cloudy_dates_fill_what_room_clear_ones_leave_the_clearest_first():
    images = [{"slot": slot, "quality": "ok" if slot % 4 == 0 else "cloud", "clear": slot / 100, "tile": None} for slot in range(40)]
    assert cards._tiled(images, cards.MOST_TILES // 12) == [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 38, 39]
    assert [image["slot"] for image in images if image["tile"] is not None] == [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 38, 39]


def test_pictures_are_served_with_the_next_answer(kinds, long_season):
    queue, lacking = Queue("all"), [image["id"] for image in long_season["images"] if image["tile"] is None][:2]
    window = f"{FREE}|{queue}|ann"
    message = {"n": 1, "window": window, "pictures": {"sample": long_season["id"], "images": [*lacking, "no number"]}}
    answer = serving.answer(kinds, FREE, "ann", queue, None, message)
    assert answer["pictures"]["images"] == lacking
    assert picture(answer["pictures"]["sprite"]).shape[1] == 2 * long_season["width"]
    for wanted in (None, "all", {"sample": "x"}, {"sample": None}):
        assert serving.answer(kinds, FREE, "ann", queue, None, message | {"pictures": wanted})["pictures"] is None
    nothing = serving.answer(kinds, FREE, "ann", queue, None, message | {"pictures": {"sample": 10**9, "images": lacking}})
    assert nothing["pictures"] == {"sample": 10**9, "images": [], "sprite": None}
