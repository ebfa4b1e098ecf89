"""Splits: sites and blocks stay together, classes are shared out evenly, and what is stored is reused."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from scipy.sparse.csgraph import connected_components

from data.errors import CannotTrain
from data.importing import import_collection
from modeling import dealing, grouping, leakage, runs, samples, splits, training
from modeling.__main__ import main
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


# Overlapping patches


def patches(lon, lat, side=640.0, crs="EPSG:3978"):
    count = len(lon)
    return grouping.Patches(
        np.array(lon), np.array(lat), np.full(count, crs), np.full((count, 2), float(side)), np.full(count, float(side))
    )


def places(offsets: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude of points `offsets` metres (x, y) from a point of EPSG:3978."""
    x, y = np.array(offsets, dtype=float).reshape(-1, 2).T
    return Transformer.from_crs("EPSG:3978", "EPSG:4326", always_xy=True).transform(-500_000 + x, 100_000 + y)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6_000), st.integers(0, 6_000)), min_size=12, max_size=60, unique=True), st.integers(0, 3))
def test_overlapping_patches_are_never_in_two_parts(offsets, seed):
    chain = grouping.overlapping(patches(*places(offsets)))
    apart = np.abs(np.array(offsets)[:, None] - np.array(offsets)[None]).max(axis=-1)
    touching = apart < 639.9  # Chebyshev; a tenth of a metre for projecting there and back
    assert (chain[:, None] == chain[None])[touching].all()
    groups = connected_components(apart < 640.1)[0], connected_components(touching)[0]
    assert groups[0] <= len(set(chain)) <= groups[1]
    if len(set(chain)) < 3:
        return
    part = dealing.deal(np.zeros(len(offsets), dtype=int), chain, 3, seed)
    assert (part[:, None] == part[None])[touching].all()


def test_patches_touch_by_the_side_in_both_axes_and_not_beyond():
    lon, lat = places([(0, 0), (630, 630), (5_000, 0), (5_650, 0), (9_000, 0), (9_000, 630)])
    assert grouping.overlapping(patches(lon, lat)).tolist() == [0, 0, 1, 2, 3, 3]
    assert grouping.overlapping(patches(lon, lat, side=0)).tolist() == [0, 1, 2, 3, 4, 5]


def test_patches_of_two_utm_zones_that_may_overlap_are_one_group():
    north, far = patches([11.999, 12.001, 12.1], [48.0, 48.0, 48.0]), ["EPSG:32632", "EPSG:32633", "EPSG:32633"]
    assert grouping.overlapping(replace(north, crs=np.array(far))).tolist() == [0, 0, 1]


def test_a_chain_goes_to_the_place_that_holds_most_of_it():
    assert grouping.majority(np.array([0, 0, 0, 1, 1, 2]), np.array([5, 7, 7, 9, 4, 3])).tolist() == [7, 7, 7, 4, 4, 3]


def near(number: int, code: int, place: tuple[float, float], **more):
    """A patch of 640 m, `place` metres east and north of 11 E, 48 N."""
    lon, lat, _ = Geod(ellps="WGS84").fwd(11.0, 48.0, np.degrees(np.arctan2(*place)), float(np.hypot(*place)))
    return replace(toy.sample(number, code, size=64), lon=lon, lat=lat, **more)


@pytest.fixture
def crowded(empty):
    """48 patches of 640 m in pairs that overlap by half, the pairs 3 km apart; a third of them in each of three regions."""
    regions = ("East", "North", "West")
    made = [
        near(
            number,
            (146, 153)[number // 2 % 2],
            (number // 2 % 5 * 3_000 + number % 2 * 320, number // 10 * 3_000),
            region=regions[number % 3],
        )
        for number in range(48)
    ]
    import_collection(empty, toy.spec(64), made, shard_size=20)
    return empty


@pytest.mark.parametrize(
    "chosen", [{}, {"shares": "70/15/15"}, {"folds": 4}, {"split": "block", "block_side_m": 1_000}, {"split": "region"}]
)
def test_a_pair_that_overlaps_is_in_one_part_whatever_the_method(crowded, chosen):
    parts = splits.stored(crowded.store, toy.config(**chosen), samples.load(crowded.store, toy.NAME, "inventory")).parts
    assert (parts[::2] == parts[1::2]).all()
    assert len(set(parts)) > 1


def test_a_new_patch_that_overlaps_two_parts_is_outside_and_one_that_overlaps_one_joins_it(empty):
    made = [near(number, (146, 153)[number // 2 % 2], (number * 900, 0)) for number in range(20)]
    import_collection(empty, toy.spec(64), made, shard_size=20)
    before = splits.stored(empty.store, toy.config(), samples.load(empty.store, toy.NAME, "inventory")).parts
    torn = int(np.flatnonzero(before[:-1] != before[1:])[0])
    new = [near(20, 146, (torn * 900 + 450, 0)), near(21, 146, (19 * 900 + 500, 0))]
    import_collection(empty, toy.spec(64), made + new, shard_size=20)
    after = splits.stored(empty.store, toy.config(), samples.load(empty.store, toy.NAME, "inventory")).parts
    assert after.tolist() == [*before, "outside", before[19]]


def test_sites_without_a_position_of_their_own_do_not_count_as_one(empty):
    import_collection(empty, toy.spec(64), [near(number, (146, 153)[number % 2], (0, 0.01)) for number in range(20)], shard_size=20)
    assert len(set(grouping.groups(empty.store, samples.load(empty.store, toy.NAME, "inventory")))) == 20


# Shares


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("60/20", "give per cent"), ("60/20/30", "sum to 110"), ("0/20/80", "only the validation"), ("80/20/0", "only the validation"),
        ("a/b/c", "give per cent"),
    ],
)  # fmt: skip
def test_impossible_shares_say_what_is_wrong(empty, text, match):
    known = samples.load(toy.world(empty).store, toy.NAME, "inventory")
    with pytest.raises(CannotTrain, match=match):
        splits.check(empty.store, toy.config(shares=text), known)


@pytest.mark.parametrize("shares", [(20, 20, 60), (15, 15, 70), (20, 0, 80), (10, 10, 80), (33, 33, 34)])
def test_parts_are_as_large_as_asked_and_hold_each_class_alike(shares):
    strata = np.repeat(np.arange(4), [200, 120, 60, 20])
    taken = dealing.counts(shares, 200)
    part = dealing.put_together(strata, dealing.deal(strata, np.arange(400), sum(taken), 0), taken)
    for number, wanted in enumerate(shares):
        held = np.bincount(strata[part == number], minlength=4)
        assert held.sum() == pytest.approx(4 * wanted, abs=4)
        assert held == pytest.approx(np.array([200, 120, 60, 20]) * wanted / 100, abs=1.6)


def test_few_groups_are_parted_as_near_to_the_shares_as_they_allow():
    assert dealing.counts((15, 15, 70), 8) == (1, 1, 5)
    assert dealing.counts((20, 20, 60), 3) == (1, 1, 1)


def test_large_collections_are_dealt_in_bundles_that_keep_groups_whole_and_classes_even(monkeypatch):
    monkeypatch.setattr(dealing, "WORK", 500)
    groups = np.repeat(np.arange(1_000), 2)
    strata = np.repeat(np.random.default_rng(0).choice(3, 1_000, p=[0.6, 0.3, 0.1]), 2)
    share = dealing.deal(strata, groups, 5, 0)
    assert (share[::2] == share[1::2]).all()
    wanted = np.bincount(strata) / 5
    for number in range(5):
        assert np.bincount(strata[share == number], minlength=3) == pytest.approx(wanted, abs=21)  # a bundle holds ten groups of two


def test_names_say_what_was_asked_for():
    named = [splits.name_of(toy.config(**chosen)) for chosen in (
        {}, {"shares": "70/15/15"}, {"split": "block", "shares": "70/15/15"}, {"split": "block", "block_side_m": 750, "folds": 5},
        {"split": "region", "held_out": "B+A", "watched": "C"}, {"split": "region"}, {"split": "year", "folds": 3}, {"split": "published"},
    )]  # fmt: skip
    assert named == [
        "random-60-20-20-seed0", "random-70-15-15-seed0", "block-10km-70-15-15-seed0", "block-750m-5fold-seed0",
        "region-A+B-watched-C", "region-each", "year-3fold-seed0", "published",
    ]  # fmt: skip


# Regions, years, stored splits


@pytest.fixture
def frh(empty):
    """Twelve sites in each of BreizhCrops' four regions, each in two years."""
    made = [
        replace(toy.sample(number, (146, 153)[number % 2], year=year, site=f"site-{number}"), region=f"FRH0{1 + number // 12}")
        for number in range(48) for year in (2017, 2018)
    ]  # fmt: skip
    import_collection(empty, toy.spec(), made, shard_size=50)
    return empty


def parts_of(workspace, **chosen) -> tuple[samples.Samples, np.ndarray]:
    known = samples.load(workspace.store, toy.NAME, "inventory")
    return known, splits.stored(workspace.store, toy.config(**chosen), known).parts


def test_breizhcrops_published_split(frh):
    known, parts = parts_of(frh, split="region", held_out="FRH04", watched="FRH03")
    expected = {"FRH01": "train", "FRH02": "train", "FRH03": "validation", "FRH04": "test"}
    assert parts.tolist() == [expected[region] for region in known.regions.tolist()]


def test_leave_one_region_or_year_out_makes_a_fold_of_each(frh):
    known, parts = parts_of(frh, split="region")
    assert parts.tolist() == [f"fold-{region}" for region in known.regions.tolist()]
    known, parts = parts_of(frh, split="year")
    assert parts.tolist() == [f"fold-{year}" for year in known.years.tolist()]
    assert leakage.report(known, parts).total.same_site == 96  # a year left out parts the years of every site


def test_folds_of_whole_regions(frh):
    known, parts = parts_of(frh, split="region", folds=2)
    assert splits.folds_of(parts) == ["fold-0", "fold-1"]
    assert all(len(set(parts[known.regions == region])) == 1 for region in set(known.regions.tolist()))


def test_folds_are_counted_not_spelled():
    assert splits.folds_of(np.array([f"fold-{number}" for number in range(12)])) == [f"fold-{number}" for number in range(12)]


@pytest.mark.parametrize(
    ("chosen", "match"),
    [
        ({"split": "region", "held_out": "FRH09"}, "no region FRH09. It has: FRH01, FRH02, FRH03, FRH04"),
        ({"split": "year", "held_out": "2020"}, "no year 2020. It has: 2017, 2018"),
        ({"split": "year", "held_out": "2017+2018"}, "none is left to learn from"),
        ({"split": "region", "held_out": "FRH01", "watched": "FRH01"}, "cannot be held out and watched"),
        ({"split": "region", "watched": "FRH01"}, "no region is held out"),
        ({"split": "region", "held_out": "FRH01", "folds": 3}, "choose one of the two"),
        ({"split": "random", "held_out": "FRH01"}, "choose region or year"),
        ({"split": "year", "folds": 3}, "2 years: too few for 3 parts"),
        ({"split": "mine"}, "no split 'mine' of toy. Choose random, block, region, year; none is stored yet"),
    ],
)
def test_what_cannot_be_split_is_refused_before_a_run_is_made(frh, chosen, match):
    with pytest.raises(CannotTrain, match=match):
        runs.create(frh, toy.config(**chosen))
    assert not list(frh.runs.glob("*"))
    with frh.store.reading() as db:
        assert db.execute("select count(*) from split").fetchone()[0] == 0


def test_a_stored_split_is_used_by_its_name(frh):
    known, made = parts_of(frh, shares="70/15/15", seed=3)
    assert (parts_of(frh, split="random-70-15-15-seed3")[1] == made).all()
    with pytest.raises(CannotTrain, match="or one that is stored: random-70-15-15-seed3"):
        splits.check(frh.store, toy.config(split="mine"), known)


def test_samples_that_a_published_split_does_not_name_are_outside(empty):
    told = ["train", "train", "test", "validation", None]
    made = [replace(toy.sample(number, (146, 153)[number % 2]), part=told[number % 5]) for number in range(20)]
    import_collection(empty, replace(toy.spec(), split="published"), made, shard_size=20)
    assert parts_of(empty, split="published")[1].tolist() == [part or "outside" for part in told] * 4


@pytest.mark.parametrize("chosen", [{"split": "region"}, {"split": "region", "held_out": "FRH04"}, {"split": "year", "held_out": "2018"}])
def test_a_run_trains_and_is_judged_on_the_parts_that_its_split_has(frh, chosen):
    run = runs.create(frh, toy.config(epochs=2, **chosen))
    training.train(frh, run)
    found = runs.results(frh, run.name)
    assert found.judged == ("test" if "held_out" in chosen else "folds")
    assert found.scores.samples == (96 if found.judged == "folds" else 24 if chosen["split"] == "region" else 48)
    assert found.leakage.total.samples == found.scores.samples
    assert runs.status(frh, run.name).epochs_total == (8 if found.judged == "folds" else 2)


def test_the_command_makes_lists_and_exports(frh, tmp_path):
    made = CliRunner().invoke(main, ["splits", "--collection", toy.NAME, "--make", "--split", "region", "--held-out", "FRH04", "--json"])
    CliRunner().invoke(main, ["splits", "--collection", toy.NAME, "--make"])
    told = json.loads(made.output)["splits"][0]
    assert (told["name"], told["parts"]["test"]["samples"], told["parts"]["test"]["sites"]) == ("region-FRH04", 24, 12)
    text = CliRunner().invoke(main, ["splits", "--collection", toy.NAME]).output
    assert "random-60-20-20-seed0" in text and "copying the nearest label" in text
    refused = CliRunner().invoke(main, ["splits", "--collection", toy.NAME, "--export", str(tmp_path / "parts.csv")])
    assert refused.exit_code == 1 and "say with --name" in refused.output
    done = CliRunner().invoke(main, ["splits", "--collection", toy.NAME, "--name", "region-FRH04", "--export", str(tmp_path / "parts.csv")])
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "parts.csv")
    assert list(table) == ["sample", "site", "year", "region", "lon", "lat", "label", "part"]
    assert (table.part[table.region == "FRH04"] == "test").all() and (table.part == "test").sum() == 24
