"""The simulated landscape: a stack that opens, an inventory of the same ground, and the samples' own patches in it."""

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from pyproj import Transformer
from rio_cogeo.cogeo import cog_validate

from data import landscapes, simulate
from data.__main__ import main as data_main
from data.bands import L2A_BANDS
from data.inventory import rasters
from data.stacks import opening
from tests.map_world import CANADA


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    from data.workspace import Workspace

    return landscapes.make(Workspace(tmp_path_factory.mktemp("landscape")).create(), side=4)


def test_its_stack_opens_with_five_months_and_says_that_it_is_simulated(made):
    stack = opening.open_stack(made.stack)
    assert [layer.name for layer in stack.layers] == list(landscapes.MONTHS)
    assert (stack.bands, stack.height, stack.width, stack.simulated, stack.level) == (L2A_BANDS, 256, 256, True, "L2A")
    assert stack.read(0, 0, 256, 256).min() > 0
    assert all(cog_validate(layer.path)[0] for layer in stack.layers)


def test_the_inventory_has_the_official_colours_and_is_wrong_in_places(made):
    told = rasters.open_raster(made.inventory)
    assert told.is_aci and told.names[147] == "Corn"
    with rasterio.open(made.inventory) as inventory, rasterio.open(made.truth) as truth:
        codes, true = inventory.read(1), truth.read(1)
    differs = (codes != true) & (true > 0)
    assert 0.005 < differs.mean() < 0.15  # cells of 30 m, and one square of five
    mistaken = differs & np.isin(codes, list(landscapes.MISTAKEN))
    assert mistaken.sum() > 0


def test_a_sample_of_the_collection_has_its_own_pixels_there(made):
    stack = opening.open_stack(made.stack)
    to_map = Transformer.from_crs("EPSG:4326", simulate.CRS, always_xy=True)
    found = 0
    for plan in simulate.plans(240):
        column, row = (round(value) for value in ~stack.affine * to_map.transform(plan.lon, plan.lat))
        if 32 <= row <= 256 - 32 and 32 <= column <= 256 - 32:
            own = simulate.drawn(plan).pixels
            there = stack.read(row - 32, column - 32, 64, 64)
            found += 1
            if found == 1:
                assert (there[own > 0] == own[own > 0]).all()
    assert found >= 1


def test_the_command_makes_it_once(empty):
    runner = CliRunner()
    first = runner.invoke(data_main, ["simulate-landscape", "--side", "1", "--json"])
    assert first.exit_code == 0, first.output
    again = runner.invoke(data_main, ["simulate-landscape", "--side", "1"])
    assert again.exit_code == 1
    assert "There is a stack" in again.output and "--name" in again.output


def test_the_canadian_collection_is_drawn_as_before(demo):
    from data import catalogue

    (plan,) = [plan for plan in simulate.plans(3) if plan.number == 2]
    patch = catalogue.patch(demo, catalogue.sample_id(demo.store, CANADA, plan.name))
    assert (patch.pixels == simulate.drawn(plan).pixels).all()
