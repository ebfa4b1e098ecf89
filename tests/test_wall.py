"""The wall: figures from pixels, pages in order, sprites, what is stored and taken back, and what bad input gets."""

import base64
import io
import json
import shutil
import uuid
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy import stats

from data import catalogue, display, jobs, shards
from data.errors import BadInput, PixelsUnreadable, UnknownCollection
from labeling import decisions, suspicion, thumbnails, wall, wall_serving
from labeling.__main__ import main
from labeling.wall import Wall
from pages.widgets import wall_preparing
from tests.browser.test_loop import wait_for
from tests.kinds_world import FREE, MONTHLY
from tests.test_pages import opened, texts

FIELDS, PARCELS, CANADA = "bavaria-2018", "bavaria-parcels-2018", "canada-simulated-2019"
RED, GREEN, BLUE = "B04", "B03", "B02"


@pytest.fixture
def ready(demo):
    """The demo workspace, its simulated collection prepared for the wall."""
    suspicion.prepare(demo, CANADA)
    return demo


def oracle(workspace, collection: str) -> dict[int, dict]:
    """Image -> its figures, one sample after the other, from the patches as the card reads them."""
    entry = catalogue.collection(workspace.store, collection)
    with workspace.store.reading() as db:
        rows = db.execute(
            "select i.id, i.sample, i.slot, i.clear, i.quality from image i join sample s on s.id = i.sample where s.collection = ?",
            [collection],
        ).fetchall()
    found = {}
    for row in rows:
        pixels = catalogue.patch(workspace, row["sample"]).pixels[row["slot"]]
        there = pixels != 0
        means = [band[seen].mean() / 10_000 if seen.any() else np.nan for band, seen in zip(pixels, there, strict=True)]
        visible = [means[entry.bands.index(band)] for band in (RED, GREEN, BLUE)]
        found[row["id"]] = {
            "sample": row["sample"], "slot": row["slot"], "clear": row["clear"], "quality": row["quality"], "spectrum": means,
            "brightness": np.nanmean(visible), "missing": 1 - there.all(axis=0).mean(),
        }  # fmt: skip
    for slot in {one["slot"] for one in found.values()}:
        mates = {image: one for image, one in found.items() if one["slot"] == slot}
        spectra = np.array([one["spectrum"] for one in mates.values()])
        mad = np.maximum(stats.median_abs_deviation(spectra, axis=0, nan_policy="omit"), suspicion.LEAST_MAD)
        scores = 0.6745 * np.abs(spectra - np.nanmedian(spectra, axis=0)) / mad
        for one, score in zip(mates.values(), scores, strict=True):
            one["outlier"] = np.nanmax(score)
            one["suspicion"] = max(1 - one["clear"], one["missing"], one["outlier"] / (one["outlier"] + 3.5))
    return found


def kept(workspace, collection: str) -> dict[int, dict]:
    with workspace.store.reading() as db:
        return {row["image"]: dict(row) for row in db.execute("select * from image_look where collection = ?", [collection])}


def quality(tile: dict, word: str, **more) -> dict:
    return {
        "uid": uuid.uuid4().hex, "sample": tile["sample"], "name": tile["name"], "action": "quality", "image": tile["image"],
        "quality": word, "queue": "wall:suspicion:step", **more,
    }  # fmt: skip


def undo(event: dict) -> dict:
    return {"uid": uuid.uuid4().hex, "sample": event["sample"], "action": "undo", "undo_of": event["uid"], "queue": "wall"}


def all_pages(store, given: Wall) -> list[wall.Page]:
    pages = [wall.page(store, given)]
    while not pages[-1].end:
        pages.append(wall.page(store, given, after=pages[-1].last))
    return pages


# --- figures ----------------------------------------------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_pixels(ready):
    expected, found = oracle(ready, CANADA), kept(ready, CANADA)
    assert set(found) == set(expected)
    for key, tolerance in (("clear", 0), ("brightness", 1e-5), ("missing", 1e-5), ("outlier", 2e-3), ("suspicion", 2e-4)):
        np.testing.assert_allclose([found[image][key] for image in expected], [one[key] for one in expected.values()], atol=tolerance)
    assert {row["quality"] for row in found.values()} >= {"ok", "cloud"}
    assert not any(row["looked"] for row in found.values())


def test_missing_pixels_and_a_patch_that_is_smaller_than_the_others_are_told_apart():
    pixels = np.full((2, 3, 8, 8), 1_000, dtype=np.uint16)
    pixels[0, 1, :4] = 0  # half of the pixels lack one band
    pixels[1, :, :, 4:] = 0  # a patch of 8 x 4 px, padded
    brightness, missing, spectra = suspicion.figures(pixels, np.array([64, 32]), (BLUE, GREEN, RED))
    np.testing.assert_allclose(missing, [0.5, 0.0])
    np.testing.assert_allclose(brightness, [0.1, 0.1])
    np.testing.assert_allclose(spectra, 0.1, atol=1e-7)


def test_an_image_without_any_data_has_no_brightness_and_is_as_suspicious_as_can_be():
    brightness, missing, spectra = suspicion.figures(np.zeros((1, 2, 4, 4), dtype=np.uint16), np.array([16]), (RED, "B08"))
    assert (brightness[0], missing[0], np.isnan(spectra).all()) == (0, 1, True)
    assert suspicion.outliers(spectra, np.zeros(1))[0] == 0
    assert suspicion.suspicion(np.ones(1), missing, np.zeros(1))[0] == 1


def test_an_odd_spectrum_stands_out_of_its_date_and_not_of_another():
    rng = np.random.default_rng(0)
    spectra = np.vstack([rng.normal(0.1, 0.01, (50, 4)), rng.normal(0.4, 0.01, (50, 4))])
    spectra[7] += 0.3  # usual on the second date
    scores = suspicion.outliers(spectra, np.repeat([0, 1], 50))
    assert scores.argmax() == 7
    assert scores[7] > 3.5
    assert np.median(scores) < 3.5


def test_a_stopped_preparation_goes_on_where_it_was(demo, monkeypatch):
    parts = []

    def stop_at_the_second(workspace, collection, part):
        parts.append(len(part))
        if len(parts) == 2:
            raise KeyboardInterrupt
        return figures(workspace, collection, part)

    figures = suspicion._figures
    monkeypatch.setattr(suspicion, "_figures", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        suspicion.prepare(demo, CANADA)
    halfway = suspicion.state(demo.store, CANADA)
    assert (halfway.known, halfway.ready) == (parts[0], False)
    monkeypatch.setattr(suspicion, "_figures", lambda *given: parts.append(len(given[2])) or figures(*given))
    assert suspicion.prepare(demo, CANADA) == suspicion.State(halfway.images, halfway.images, True)
    assert sum(parts) - parts[1] == halfway.images


def test_an_image_that_changes_is_worked_out_anew(ready):
    with ready.store.writing() as db:
        db.execute("update image set clear = 0.25 where id = (select min(image) from image_look where collection = ?)", [CANADA])
    state = suspicion.state(ready.store, CANADA)
    assert (state.images - state.known, state.ready) == (1, False)
    suspicion.prepare(ready, CANADA)
    assert kept(ready, CANADA)[min(kept(ready, CANADA))]["clear"] == 0.25


def test_images_that_were_screened_before_the_wall_was_prepared_count(demo):
    with demo.store.reading() as db:
        row = db.execute("select i.id as image, s.id as sample, s.name from sample s join image i on i.sample = s.id limit 1").fetchone()
    decisions.record(demo.store, FIELDS, "ada", [quality(dict(row), "bad")])
    suspicion.prepare(demo, FIELDS)
    assert wall.progress(demo.store, FIELDS).looked == 1
    assert kept(demo, FIELDS)[row["image"]]["quality"] == "bad"


# --- pages ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sort", wall.SORTS)
def test_pages_by_keyset_are_the_images_as_numpy_sorts_them(ready, sort):
    rows = list(kept(ready, CANADA).values())
    column, descending, _ = wall.SORTS[sort]
    order = np.lexsort((np.array([row["image"] for row in rows]), np.array([row[column] for row in rows])))
    expected = [rows[at]["image"] for at in (order[::-1] if descending else order)]
    pages = all_pages(ready.store, Wall(CANADA, sort, "all"))
    assert [tile["image"] for page in pages for tile in page.tiles] == expected
    assert [len(page.tiles) for page in pages] == [336, 336, 219]
    assert [(page.number, page.pages) for page in pages] == [(1, 3), (2, 3), (3, 3)]
    for page in pages[1:]:
        assert wall.page(ready.store, Wall(CANADA, sort, "all"), number=page.number) == page
        back = wall.page(ready.store, Wall(CANADA, sort, "all"), before=page.first)
        assert back.tiles == pages[page.number - 2].tiles
        assert back.number == page.number - 1


@pytest.mark.parametrize("sort", ["suspicion", "clear"])
def test_samples_come_in_the_order_of_their_worst_image_with_all_their_images(ready, sort):
    column, descending, _ = wall.SORTS[sort]
    rows = sorted(kept(ready, CANADA).values(), key=lambda row: (row[column], row["image"]), reverse=descending)
    expected = list(dict.fromkeys(row["sample"] for row in rows))
    pages = all_pages(ready.store, Wall(CANADA, sort, "all", "samples"))
    assert [sample for page in pages for sample in dict.fromkeys(tile["sample"] for tile in page.tiles)] == expected
    assert sorted(tile["image"] for page in pages for tile in page.tiles) == sorted(row["image"] for row in rows)
    assert all(len(page.tiles) <= 336 for page in pages)
    assert [page.number for page in pages] == list(range(1, pages[0].pages + 1))


def test_no_page_sorts_or_scans_the_table(ready):
    seen = []
    for given in (Wall(CANADA), Wall(CANADA, "clear", "all"), Wall(CANADA, "dark", "open", "samples")):
        with ready.store.reading() as db:
            db.conn.set_trace_callback(seen.append)
            wall._entries(db, given, (0.5, 10), None, 337)
            db.conn.set_trace_callback(None)
            plan = "\n".join(row["detail"] for row in db.execute("explain query plan " + seen[-1]))
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan
        assert f"image_look_{given.column} (collection=? AND" in plan


def test_accepting_a_page_moves_none_of_the_images_that_follow(ready):
    given = Wall(CANADA)
    first = wall.page(ready.store, given)
    second = wall.page(ready.store, given, after=first.last)
    decisions.record(ready.store, CANADA, "ada", [quality(tile, tile["quality"]) for tile in first.tiles])
    assert wall.page(ready.store, given, after=first.last) == second
    assert wall.page(ready.store, given).tiles == second.tiles  # from the beginning, too: only those not looked at are shown
    assert wall.page(ready.store, given, number=1).number == 2


def test_pages_show_what_was_marked(ready):
    tiles = wall.page(ready.store, Wall(CANADA, "clear", "all")).tiles[-3:]
    decisions.record(ready.store, CANADA, "ada", [quality(tile, "bad") for tile in tiles])
    assert {tile["image"] for tile in wall.page(ready.store, Wall(CANADA, show="bad")).tiles} == {tile["image"] for tile in tiles}


@pytest.mark.parametrize(("collection", "slots"), [(MONTHLY, 5), (FREE, 40)])
def test_other_kinds_of_collections_have_walls_too(kinds, collection, slots):
    suspicion.prepare(kinds, collection)
    page = wall.page(kinds.store, Wall(collection, show="all", layout="samples"))
    assert len(page.tiles) <= max(336, wall.FEWEST_SAMPLES * slots)
    entry = catalogue.collection(kinds.store, collection)
    sprite = thumbnails.sprite(kinds, entry, [tile["image"] for tile in page.tiles], "true", 64)
    assert (max(sprite.width, sprite.height), sprite.problems) == (min(64, max(entry.height, entry.width)), ())


# --- what is stored ---------------------------------------------------------------------------------------------------------------


def test_progress_counts_images_whose_quality_was_said_and_not_taken_back(ready):
    before = wall.progress(ready.store, CANADA)
    assert (before.images, before.looked) == (891, 0)
    tiles = [tile for tile in wall.page(ready.store, Wall(CANADA)).tiles if tile["quality"] == "cloud"][:5]
    said = [quality(tile, word) for tile, word in zip(tiles, ("ok", "cloud", "bad", "bad", "cloud"), strict=True)]
    decisions.record(ready.store, CANADA, "ada", said)
    assert wall.progress(ready.store, CANADA) == replace(before, looked=5, cloud=before.cloud - 3, bad=2)
    decisions.record(ready.store, CANADA, "ada", [quality(tiles[0], "bad")])
    decisions.record(ready.store, CANADA, "ada", [undo(said[2])])
    assert wall.progress(ready.store, CANADA) == replace(before, looked=4, cloud=before.cloud - 2, bad=2)


def test_a_page_taken_back_is_as_it_was(ready):
    before = kept(ready, CANADA)
    tiles = wall.page(ready.store, Wall(CANADA)).tiles
    said = [quality(tile, "bad") for tile in tiles[:20]] + [quality(tile, tile["quality"]) for tile in tiles]
    decisions.record(ready.store, CANADA, "ada", said)
    assert wall.progress(ready.store, CANADA).looked == 336
    mine = [uid for state in wall.states(ready.store, "Ada", [tile["image"] for tile in tiles]).values() for uid, _ in state["mine"]]
    assert sorted(mine) == sorted(event["uid"] for event in said)
    outcomes = decisions.record(ready.store, CANADA, "ada", [undo(event) for event in reversed(said)])
    assert all(outcome.stored for outcome in outcomes)
    assert kept(ready, CANADA) == before


def test_a_page_of_events_that_is_sent_twice_is_stored_once(ready):
    said = [quality(tile, tile["quality"]) for tile in wall.page(ready.store, Wall(CANADA)).tiles]
    for _ in range(2):
        assert all(outcome.stored for outcome in decisions.record(ready.store, CANADA, "ada", said))
    assert len(decisions.events(ready.store, CANADA)) == 336
    assert wall.progress(ready.store, CANADA).looked == 336


def test_what_a_curator_said_last_can_be_undone_step_by_step_after_a_reload(ready):
    tiles = wall.page(ready.store, Wall(CANADA)).tiles
    first = quality(tiles[0], "bad", queue="wall:suspicion:1")
    second = [quality(tile, "ok", queue="wall:suspicion:2") for tile in tiles[1:4]]
    decisions.record(ready.store, CANADA, "ada", [first, *second])
    decisions.record(ready.store, CANADA, "bob", [quality(tiles[9], "bad")])
    steps = wall.steps(ready.store, CANADA, "ada")
    assert [[event["uid"] for event in step] for step in steps] == [[first["uid"]], [event["uid"] for event in second]]
    assert steps[0][0] | {"old": tiles[0]["quality"], "name": tiles[0]["name"]} == steps[0][0]


def test_an_answer_holds_the_page_its_sprite_and_what_became_of_the_events(ready):
    start = (Wall(CANADA), 1)
    first = wall_serving.answer(ready, CANADA, "ada", start, None)
    assert (len(first["page"]["tiles"]), first["page"]["sprite"]["view"], first["steps"]) == (336, "true", [])
    json.dumps(first)
    tile = first["page"]["tiles"][0]
    stranger = quality({"sample": tile["sample"], "name": tile["name"], "image": 10**6}, "bad")
    message = {
        "n": 1, "collection": CANADA, "events": [quality(tile, "bad"), stranger], "have": [tile["image"]], "sprite": None,
        "list": {"sort": "suspicion", "show": "open", "layout": "images", "after": first["page"]["last"], "view": "nir", "size": 64},
    }  # fmt: skip
    second = wall_serving.answer(ready, CANADA, "ada", start, json.loads(json.dumps(message)))
    assert (len(second["saved"]), [error["uid"] for error in second["errors"]]) == (1, [stranger["uid"]])
    assert second["states"][str(tile["image"])]["quality"] == "bad"
    assert (second["page"]["number"], second["page"]["sprite"]["view"]) == (2, "nir")
    assert second["progress"]["looked"] == 1
    assert wall_serving.answer(ready, CANADA, "ada", start, message)["saved"] == second["saved"]


# --- pictures ---------------------------------------------------------------------------------------------------------------------


def decoded(sprite: thumbnails.Sprite) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(sprite.address.split(",")[1]))))


def tile_of(sprite: thumbnails.Sprite, at: int) -> np.ndarray:
    row, column = divmod(at, sprite.columns)
    top, left = row * sprite.pitch_y, column * sprite.pitch_x
    return decoded(sprite)[top : top + sprite.height, left : left + sprite.width].astype(int)


@pytest.mark.parametrize("view", ["true", "nir"])
def test_every_tile_is_its_images_picture(ready, view):
    entry = catalogue.collection(ready.store, CANADA)
    tiles = wall.page(ready.store, Wall(CANADA, "outlier", "all")).tiles
    sprite = thumbnails.sprite(ready, entry, [tile["image"] for tile in tiles], view, 64)
    for at in (0, 23, 24, 200, 335):
        patch = catalogue.patch(ready, tiles[at]["sample"])
        shown = display.rgba(patch.pixels[tiles[at]["slot"]], patch.bands, view, patch.level)[..., :3].astype(int)
        assert np.abs(tile_of(sprite, at) - shown).mean() < 4  # of 255: what JPEG takes away


def test_patches_larger_than_a_tile_are_made_smaller_and_keep_their_shape(demo):
    suspicion.prepare(demo, FIELDS)  # 66 x 50 px
    entry = catalogue.collection(demo.store, FIELDS)
    images = [tile["image"] for tile in wall.page(demo.store, Wall(FIELDS, show="all")).tiles]
    small, large = (thumbnails.sprite(demo, entry, images, "true", size) for size in (64, 128))
    assert (max(small.width, small.height), max(large.width, large.height)) == (64, 66)
    assert large.pitch_x % 8 == large.pitch_y % 8 == 0


def test_a_shard_that_cannot_be_read_leaves_its_tiles_empty_and_says_so(ready, tmp_path):
    entry = catalogue.collection(ready.store, CANADA)
    images = [tile["image"] for tile in wall.page(ready.store, Wall(CANADA)).tiles]
    (ready.home / "patches").unlink()
    sprite = thumbnails.sprite(ready, entry, [*images[:3], 10**6], "true", 64)
    assert np.abs(tile_of(sprite, 0) - thumbnails.GROUND).max() < 4
    assert ["is missing. Restore it" in text or "not in" in text for text in sprite.problems] == [True, True]


# --- bad input --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"page": "9999"}, "has no page 9999: they are numbered from 1 to 3"),
        ({"page": "0"}, "'0' is no page number"),
        ({"page": "two"}, "'two' is no page number"),
        ({"sort": "beauty"}, "no sort 'beauty'. Choose one of suspicion"),
        ({"show": "mine", "layout": "images"}, "no show 'mine'"),
        ({"layout": "heap"}, "no layout 'heap'"),
    ],
)
def test_an_address_that_names_no_page_is_answered_with_what_there_is(ready, address, said):
    with pytest.raises(BadInput, match=said):
        wall_serving.checked(ready.store, *wall_serving.asked(CANADA, address))


@pytest.mark.parametrize("asked", [{"after": "x"}, {"after": [1]}, {"sort": "beauty"}, {"number": 77}, {"view": "x-ray"}, {"size": 7}])
def test_a_client_that_asks_for_nonsense_is_told_so_and_its_events_are_stored(ready, asked):
    tile = wall.page(ready.store, Wall(CANADA)).tiles[0]
    message = {"n": 1, "collection": CANADA, "events": [quality(tile, "bad")], "list": asked, "have": ["x", None]}
    answer = wall_serving.answer(ready, CANADA, "ada", (Wall(CANADA), 1), message)
    assert (answer["page"], len(answer["saved"])) == (None, 1)
    assert answer["refused"]


def test_an_image_of_another_collection_is_not_marked_from_this_one(ready):
    suspicion.prepare(ready, FIELDS)
    foreign = wall.page(ready.store, Wall(FIELDS, show="all")).tiles[0]
    outcome = decisions.record(ready.store, CANADA, "ada", [quality(foreign, "bad")])[0]
    assert not outcome.stored
    assert kept(ready, FIELDS)[foreign["image"]]["looked"] == 0
    entry = catalogue.collection(ready.store, CANADA)
    assert "not in canada-simulated-2019" in thumbnails.sprite(ready, entry, [foreign["image"]], "true", 64).problems[0]


def test_field_means_have_no_wall_and_say_what_to_do(demo):
    with pytest.raises(BadInput, match="no pictures"):
        suspicion.prepare(demo, PARCELS)
    app = opened("wall")
    app.selectbox(key="collection").set_value(PARCELS).run()
    assert not app.exception
    assert "no pictures" in texts(app)


def test_a_collection_that_there_is_none_of_is_named(demo):
    with pytest.raises(UnknownCollection, match="'peru'"):
        suspicion.prepare(demo, "peru")
    with pytest.raises(UnknownCollection, match="'peru'"):
        wall.page(demo.store, Wall("peru"))


def test_a_damaged_shard_stops_the_preparation_with_its_name(demo, tmp_path):
    copy = tmp_path / "patches"
    shutil.copytree(demo.home / "patches" / CANADA, copy / CANADA)
    (demo.home / "patches").unlink()
    copy.rename(demo.home / "patches")
    path = shards.path_of(demo.shards(CANADA), "0000")
    path.write_bytes(path.read_bytes()[:1_000])
    with pytest.raises(PixelsUnreadable, match="cannot be read"):
        suspicion.prepare(demo, CANADA)


# --- page and command -------------------------------------------------------------------------------------------------------------


def test_the_page_prepares_the_wall_of_a_small_collection_at_once(demo):
    app = opened("wall")
    app.selectbox(key="collection").set_value(CANADA).run()
    assert not app.exception
    assert not [button for button in app.button if button.key == "wall.prepare"]
    assert suspicion.state(demo.store, CANADA).ready


def test_the_page_offers_to_prepare_the_wall_of_a_large_one_in_the_background(demo, monkeypatch):
    monkeypatch.setattr(wall_preparing, "FEW", 500)
    app = opened("wall")
    app.selectbox(key="collection").set_value(CANADA).run()
    assert "891 of 891 images are new to the wall" in texts(app)
    app.button(key="wall.prepare").click().run()
    wait_for(lambda: suspicion.state(demo.store, CANADA).ready)
    wait_for(lambda: [job.state for job in jobs.listing(demo)] == ["finished"])
    app.run()
    assert not app.exception
    assert not [button for button in app.button if button.key == "wall.prepare"]


def test_the_command_prepares_and_says_how_far_the_collection_is_screened(demo):
    result = CliRunner().invoke(main, ["wall", "--collection", CANADA, "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.output)
    assert (figures["ready"], figures["images"], figures["looked"]) == (True, 891, 0)
    again = CliRunner().invoke(main, ["wall", "--collection", CANADA])
    assert "891 of 891 images are ready for the wall; 0 are screened" in again.output
    assert "no pictures" in CliRunner().invoke(main, ["wall", "--collection", PARCELS]).output
