"""What models are shown: months, best images, whole patches read when asked for, the same from every kind of collection."""

import numpy as np
import pytest

from data import catalogue, shards
from data.errors import CannotTrain
from modeling import pixels, samples
from modeling.config import TrainConfig
from modeling.pixels import Pixels
from tests import modeling_world as toy
from tests.kinds_world import FREE, MONTHLY


def load(workspace, model: str, collection: str = toy.NAME, **chosen) -> tuple[samples.Samples, Pixels]:
    known = samples.load(workspace.store, collection, "inventory")
    return known, pixels.load(workspace, known, TrainConfig.for_model(model, collection, **chosen))


def acquired(workspace, known: samples.Samples) -> list[list[str]]:
    """Per sample the dates of its images that are not bad, straight from the store."""
    with workspace.store.reading() as db:
        query = "select acquired from image_quality where sample = ? and quality != 'bad' order by slot"
        return [[row["acquired"] for row in db.execute(query, [int(number)])] for number in known.ids]


def test_chosen_months_leave_only_their_dates(empty):
    _, found = load(toy.world(empty), "ltae", months="5+7")
    assert found.values.shape == (39, 2, 9)
    assert found.days[0].tolist() == [122, 183]


@pytest.mark.parametrize("collection", [MONTHLY, FREE])
def test_dates_that_count_are_those_of_the_chosen_months_in_every_kind_of_collection(kinds, collection):
    known, found = load(kinds, "ltae", collection, months="5+6")
    expected = [sum(day[5:7] in ("05", "06") for day in days) for days in acquired(kinds, known)]
    assert any(expected)
    shown = [count for count, seen in zip(expected, found.seen, strict=True) if count]
    assert found.present.sum(axis=1)[np.array(expected) > 0].tolist() == shown


def test_months_without_any_image_name_those_that_have_some(empty):
    with pytest.raises(CannotTrain, match="No sample of toy has an image in the months 1; there are images in 5, 6, 7, 8"):
        load(toy.world(empty), "ltae", months="1")


def test_a_sample_without_an_image_in_the_chosen_months_is_not_seen(empty):
    world = toy.world(empty, size=4, missing=[(3, 1)])
    for model in ("ltae", "pixelset", "lrcn", "resnet18"):
        _, found = load(world, model, months="6")
        assert np.flatnonzero(~found.seen).tolist() == [3], model


def test_the_best_image_is_looked_for_among_the_chosen_months(empty):
    world = toy.world(empty, size=4)
    _, best = load(world, "resnet18")
    _, early = load(world, "resnet18", months="5+6")
    assert best.days[:3, 0].tolist() == [153, 183, 214]  # wheat peaks in June, canola in July, soybean in August
    assert early.days[:3, 0].tolist() == [153, 153, 153]


def test_patches_read_when_asked_for_are_those_in_the_shards(empty):
    world = toy.world(empty, size=4)
    known, found = load(world, "lrcn")
    _, june = load(world, "lrcn", months="6")
    _, each = load(world, "resnet18", months="each")
    assert found.values.nbytes == 39 * 4 * 9 * 4 * 4 * 2
    for at in (38, 0, 17):
        patch = catalogue.patch(world, int(known.ids[at])).pixels
        assert (found.values[np.array([at])][0] == patch).all()
        assert (june.values[np.array([at])][0] == patch[[1]]).all()
        assert (each.values[np.array([at])][0] == patch).all()
    order = np.array([20, 3, 3, 38])
    assert (found.values[order] == found.values[np.arange(39)][order]).all()


def test_a_patch_without_any_data_counts_nowhere(empty):
    world = toy.world(empty, size=4)
    known = samples.load(world.store, toy.NAME, "inventory")
    for kind in ("", ".series"):
        path = shards.path_of(world.shards(toy.NAME), known.shards[5], kind)
        array = np.array(shards.open_map(path))
        array[known.rows[5]] = np.nan if kind else 0
        shards.write(path, array)
    for model in ("ltae", "pixelset", "lrcn", "resnet18"):
        assert np.flatnonzero(~load(world, model)[1].seen).tolist() == [5], model


def test_a_pixel_set_holds_pixels_of_the_sample_at_every_date(empty):
    known, found = load(toy.world(empty, size=4), "pixelset")
    assert found.values.shape == (39, 4, 9, 16)
    patch = catalogue.patch(empty, int(known.ids[7])).pixels.reshape(4, 9, 16)
    for slot in range(4):
        there = {tuple(pixel) for pixel in patch[slot].T.tolist()}
        assert {tuple(pixel) for pixel in found.values[7, slot].T.tolist()} <= there
