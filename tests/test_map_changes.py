"""What changed from one map to another, against scikit-learn and pixels looked up one by one."""

import os
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from sklearn.metrics import confusion_matrix

from data.errors import BadInput
from data.mapped import changes, cogs, folder, ground
from data.mapped.folder import Map
from data.workspace import Workspace
from tests import map_world
from tests.conftest import copy_workspace


@pytest.fixture(scope="module")
def world(demo_home, tmp_path_factory) -> Workspace:
    """A workspace with an older and a newer map on one grid, and others elsewhere. Not to be written to."""
    workspace = copy_workspace(demo_home, tmp_path_factory.mktemp("maps") / "workspace")
    for seed, name in enumerate(("old", "new")):
        map_world.make(workspace, name, seed=seed)
    map_world.make(workspace, "degrees", seed=2, crs="EPSG:4326")
    map_world.make(workspace, "away", seed=3, lon=-80.0)
    return workspace


@pytest.fixture(scope="module")
def old(world) -> Map:
    return folder.named(world, "old")


@pytest.fixture(scope="module")
def new(world) -> Map:
    return folder.named(world, "new")


def crop(made: Map) -> np.ndarray:
    with rasterio.open(made.raster("crop")) as raster:
        return raster.read(1)


def rewritten(made: Map, path, codes: np.ndarray, **changed) -> Map:
    """The map with other crops, in a folder of its own."""
    path.mkdir()
    grid = {name: getattr(made.stack, name) for name in ("crs", "transform", "height", "width")}
    cogs.write(path / "crop.tif", [(0, 0, codes)], **grid, dtype="uint8", nodata=0, colours={1: "#101010"})
    return replace(made, path=path, rasters=("crop",), **changed)


def test_pixels_class_by_class_are_scikit_learns_confusion_matrix(old, new):
    found = changes.between(old, new)
    before, after = crop(old), crop(new)
    both = (before > 0) & (after > 0)
    expected = confusion_matrix(before[both], after[both], labels=[entry.code for entry in old.classes])
    assert (found.pixels == expected).all() and found.pixels.sum() == both.sum()
    assert [entry.name for entry in found.rows] == [entry.name for entry in old.classes]


def test_hectares_are_the_ground_of_those_pixels(old, new, monkeypatch):
    area = ground.block(new.stack.crs, new.stack.transform, 0, 0, new.stack.height, new.stack.width)
    before, after = crop(old), crop(new)
    both = (before > 0) & (after > 0)
    expected = confusion_matrix(before[both], after[both], labels=[entry.code for entry in old.classes], sample_weight=area[both])
    whole = changes.between(old, new)
    monkeypatch.setattr(changes, "SIDE", 64)
    in_blocks = changes.between(old, new)
    assert np.allclose(whole.hectares, expected) and np.allclose(in_blocks.hectares, expected)
    assert (in_blocks.pixels == whole.pixels).all()
    differs = both & (before != after)
    assert whole.changed == pytest.approx(area[differs].sum() / area[both].sum())
    corn = 147
    assert whole.gains()["Corn"] == pytest.approx(area[differs & (after == corn)].sum())
    assert whole.losses()["Corn"] == pytest.approx(area[differs & (before == corn)].sum())
    assert sum(whole.gains().values()) == pytest.approx(sum(whole.losses().values()))


def test_a_map_against_itself_has_not_changed(old):
    found = changes.between(old, old)
    assert (found.changed, found.only_old, found.only_new) == (0, 0, 0)
    assert set(found.gains().values()) == set(found.losses().values()) == {0}


def test_of_a_map_on_another_grid_the_nearest_pixel_counts(world, new):
    degrees = folder.named(world, "degrees")
    found = changes.between(degrees, new)
    rows, columns = np.mgrid[: new.stack.height, : new.stack.width] + 0.5
    x, y = new.stack.affine * (columns, rows)
    lon, lat = Transformer.from_crs(new.stack.crs, "EPSG:4326", always_xy=True).transform(x, y)
    column, row = ~degrees.stack.affine * (lon, lat)
    there = (row >= 0) & (column >= 0) & (row < degrees.stack.height) & (column < degrees.stack.width)
    before = np.zeros(rows.shape, dtype=np.uint8)
    before[there] = crop(degrees)[np.floor(row[there]).astype(int), np.floor(column[there]).astype(int)]
    after = crop(new)
    both = (before > 0) & (after > 0)
    expected = confusion_matrix(before[both], after[both], labels=[entry.code for entry in new.classes])
    assert abs(found.pixels - expected).sum() < 0.02 * both.sum()  # GDAL may err by an eighth of a pixel
    assert found.pixels.sum() == pytest.approx(both.sum(), rel=0.002)
    assert found.only_new == pytest.approx(((after > 0) & (before == 0)).sum() * 0.00952, rel=0.02)


def test_where_only_one_map_predicts_is_told_apart(old, new, tmp_path):
    codes = crop(old)
    codes[:100] = 0
    found = changes.between(rewritten(old, tmp_path / "part", codes), new)
    area = ground.block(new.stack.crs, new.stack.transform, 0, 0, new.stack.height, new.stack.width)
    assert found.only_new == pytest.approx(area[:100].sum()) and found.only_old == 0
    assert changes.between(new, rewritten(old, tmp_path / "other", codes)).only_old == pytest.approx(area[:100].sum())


def test_classes_of_one_name_are_the_same_though_their_codes_differ(old, tmp_path):
    renumbered = tuple(replace(entry, code=9, codes=(9,)) if entry.name == "Corn" else entry for entry in old.classes)
    codes = crop(old)
    codes[codes == 147] = 9
    found = changes.between(rewritten(old, tmp_path / "renumbered", codes, classes=renumbered), old)
    assert found.changed == 0 and found.losses()["Corn"] == 0


def test_runs_with_other_classes_are_compared_by_their_own(old, new, tmp_path):
    """The newer run calls barley, oats and both wheats cereals."""
    cereals = replace(new.classes[0], name="Cereals", code=132, codes=(133, 136, 145, 146))
    codes = crop(new)
    codes[np.isin(codes, cereals.codes)] = 132
    found = changes.between(old, rewritten(new, tmp_path / "coarse", codes, classes=(cereals, *new.classes[4:])))
    assert found.pixels.shape == (10, 7) and [entry.name for entry in found.columns][:2] == ["Cereals", "Corn"]
    plain = changes.between(old, new)
    assert (found.pixels[:, 0] == plain.pixels[:, :4].sum(axis=1)).all() and (found.pixels[:, 1:] == plain.pixels[:, 4:]).all()
    assert found.gains()["Cereals"] == pytest.approx(found.hectares[:, 0].sum())  # no older class is the same


def test_maps_without_common_ground_are_named(world, old, new, tmp_path):
    with pytest.raises(BadInput, match="maps old and away have no ground in common"):
        changes.between(old, folder.named(world, "away"))
    with pytest.raises(BadInput, match="no ground in common where both predict"):
        changes.between(rewritten(old, tmp_path / "nothing", np.zeros((300, 260), dtype=np.uint8)), new)


@pytest.mark.parametrize("side", [0, 1], ids=["older", "newer"])
def test_the_map_whose_raster_is_cut_short_is_the_one_that_is_named(side, world, old, tmp_path):
    degrees = folder.named(world, "degrees")
    broken = rewritten(old, tmp_path / "broken", crop(old))
    path = broken.raster("crop")
    os.truncate(path, int(path.stat().st_size * 0.6))
    with pytest.raises(BadInput, match=r"broken/crop.tif cannot be read.*Make the map again"):
        changes.between(*((broken, degrees) if side == 0 else (degrees, broken)))
    path.unlink()
    with pytest.raises(BadInput, match=r"broken/crop.tif is missing"):
        changes.between(*((broken, degrees) if side == 0 else (degrees, broken)))
