"""Splits: sites and blocks stay together, classes are shared out evenly, and what is stored is reused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from data.errors import CannotTrain
from data.importing import import_collection
from modeling import dealing, grouping, samples, splits
from tests import modeling_world as toy


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), min_size=30, max_size=120), st.integers(0, 5))
def test_a_group_is_never_shared_between_folds(rows, seed):
    strata, groups = np.array(rows).T
    if len(set(groups)) < 3 or np.bincount(strata).max() < 3:
        return
    share = dealing.deal(strata, groups, 3, seed)
    for group in set(groups):
        assert len(set(share[groups == group])) == 1


@given(st.integers(0, 20))
@settings(max_examples=10, deadline=None)
def test_single_samples_are_dealt_out_evenly_by_class(seed):
    strata = np.repeat([0, 1, 2], [40, 25, 10])
    share = dealing.deal(strata, np.arange(75), 5, seed)
    assert {tuple(np.bincount(strata[share == fold], minlength=3)) for fold in range(5)} == {(8, 5, 2)}


def test_parts_are_sixty_twenty_twenty_and_cover_the_collection(empty):
    known = samples.load(toy.world(empty, {146: 20, 153: 20, 158: 10}).store, toy.NAME, "inventory")
    parts = splits.stored(empty.store, toy.config(), known).parts
    assert {part: int((parts == part).sum()) for part in ("train", "validation", "test")} == {"train": 30, "validation": 10, "test": 10}


def test_the_years_of_a_site_share_a_part(empty):
    made = [toy.sample(number, code) for number, code in enumerate(toy.codes_of({146: 12, 153: 12}))]
    again = [toy.sample(number, 153 if number % 2 else 146, year=2021, site=f"site-{number}") for number in range(24)]
    import_collection(empty, toy.spec(), made + again)
    known = samples.load(empty.store, toy.NAME, "inventory")
    parts = splits.stored(empty.store, toy.config(folds=4), known).parts
    for site in set(known.sites):
        assert len(set(parts[known.sites == site])) == 1


def test_a_stored_split_is_read_again_and_does_not_depend_on_decisions(empty):
    toy.world(empty)
    first = splits.stored(empty.store, toy.config(folds=3), samples.load(empty.store, toy.NAME, "inventory"))
    toy.decide(empty, "S000-2020", "relabel", 158)
    second = splits.stored(empty.store, toy.config(folds=3), samples.load(empty.store, toy.NAME, "mixed"))
    assert first.id == second.id
    assert (first.parts == second.parts).all()
    with empty.store.reading() as db:
        assert db.execute("select name, method, folds from split").fetchall()[0][:] == ("random-3fold-seed0", "random", 3)
        assert db.execute("select count(*) from split_member").fetchone()[0] == 39


def test_samples_that_come_in_later_join_the_part_of_their_block(empty):
    made = [toy.sample(number, code) for number, code in enumerate(toy.codes_of({146: 24, 153: 24}))]
    config = toy.config(split="block", block_side_m=4_000, folds=3)
    import_collection(empty, toy.spec(), made[:40], shard_size=20)
    before = splits.stored(empty.store, config, samples.load(empty.store, toy.NAME, "inventory"))
    import_collection(empty, toy.spec(), made[:40] + made[40:], shard_size=20)
    known = samples.load(empty.store, toy.NAME, "inventory")
    after = splits.stored(empty.store, config, known)
    assert (after.parts[:40] == before.parts).all()
    with empty.store.reading() as db:
        centre = db.execute("select json_extract(params, '$.lon_0'), json_extract(params, '$.lat_0') from split").fetchone()
    grid = grouping.blocks(known.lon, known.lat, 4_000, tuple(centre))
    for block in np.unique(grid, axis=0):
        assert len(set(after.parts[(grid == block).all(axis=1)])) == 1


def test_a_block_is_as_wide_as_asked_on_the_ground():
    centre = (-100.0, 52.0)
    east, north, _ = Geod(ellps="WGS84").fwd([centre[0]] * 2, [centre[1]] * 2, [90, 90], [9_900, 10_100])
    assert [row[0] for row in grouping.blocks(np.array(east), np.array(north), 10_000, centre).tolist()] == [0, 1]


def test_too_few_blocks_say_how_many_there_are_and_what_to_choose(empty):
    known = samples.load(toy.world(empty).store, toy.NAME, "inventory")
    with pytest.raises(CannotTrain, match=r"lie in \d blocks of 100km: too few for 5 parts. Choose smaller blocks"):
        splits.stored(empty.store, toy.config(split="block", block_side_m=100_000, folds=5), known)
    with empty.store.reading() as db:
        assert db.execute("select count(*) from split").fetchone()[0] == 0
