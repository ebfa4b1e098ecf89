"""Seasons by crop: the clear dates, grouped by what is in force, against pandas as the oracle."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from data import catalogue, indices, profiles
from data.__main__ import main as data_main
from data.errors import UnknownCollection, UnknownIndex
from data.profiles import Filter
from labeling import decisions, figures, places
from tests.kinds_world import FREE, MONTHLY, UNLABELLED

FIELDS, PARCELS, CANADA = "bavaria-2018", "bavaria-parcels-2018", "canada-simulated-2019"
WHEAT, BARLEY = 115, 131
JUNE = "2018-06-16"


def decide(workspace, name, action, **values):
    sample = catalogue.sample_id(workspace.store, FIELDS, name)
    event = {"uid": f"{name}-{action}-{values}", "sample": sample, "action": action, "seen": None} | values
    assert decisions.record(workspace.store, FIELDS, "ann", [event])[0].stored


def seasons(workspace, collection, *, index="NDVI", by="code", where=Filter()):  # noqa: B008  (frozen)
    loaded = profiles.load(workspace.store, collection, index)
    return loaded, profiles.envelopes(loaded, profiles.crops(workspace.store, collection, by), where)


def by_code(workspace, where=Filter()):  # noqa: B008  (frozen)
    return {min(envelope.crop.codes): envelope for envelope in seasons(workspace, FIELDS, where=where)[1]}


def names_of(loaded, envelope):
    return {str(loaded.names[row]) for row in envelope.rows}


def first_of(workspace, code):
    loaded, found = seasons(workspace, FIELDS)
    envelope = next(each for each in found if code in each.crop.codes)
    return str(loaded.names[envelope.rows[0]])


@pytest.mark.parametrize("collection", [FIELDS, PARCELS, CANADA])
@pytest.mark.parametrize("index", ["NDVI", "PSRI"])
def test_envelopes_are_the_quantiles_of_the_clear_images(demo, collection, index):
    with demo.store.reading() as db:
        rows = db.execute(
            """select s.inventory_code, i.slot, t.median from sample s join image i on i.sample = s.id and i.quality = 'ok'
            join index_stat t on t.image = i.id where s.collection = ? and t.name = ? and t.median is not null""",
            [collection, index],
        ).fetchall()
    expected = pd.DataFrame([tuple(row) for row in rows], columns=["code", "slot", "value"]).groupby(["code", "slot"])["value"]
    quantiles = expected.quantile([0.1, 0.5, 0.9]).unstack()
    _, found = seasons(demo, collection, index=index)
    ours = {
        (min(each.crop.codes), slot): spread
        for each in found
        for slot, *spread in zip(each.bins, each.p10, each.median, each.p90, each.n, strict=True)
    }
    assert set(ours) == set(quantiles.index)
    for key, (p10, median, p90, n) in ours.items():
        assert [p10, median, p90] == pytest.approx(list(quantiles.loc[key]))
        assert n == expected.size()[key]


def screened(stacks):
    """NDVI medians of one date from the pixels: what is clear is said here anew (blue below 0.12, NIR from 0.10)."""
    found = {}
    for name, (blue, red, nir, quality) in stacks.items():
        field = (blue > 0) & (red > 0) & (nir > 0)
        clear = field & (blue < 0.12) & (nir >= 0.10)
        if quality == "ok" and clear.any():
            found[name] = float(np.median((nir[clear] - red[clear]) / (nir[clear] + red[clear])))
    return found


def test_envelopes_are_the_quantiles_of_the_pixels_themselves(demo):
    loaded, found = seasons(demo, FIELDS)
    with demo.store.reading() as db:
        rows = db.execute(
            """select s.id, s.name, s.inventory_code, i.quality from sample s join image i on i.sample = s.id
            where s.collection = ? and i.acquired = ?""",
            [FIELDS, JUNE],
        ).fetchall()
    june, crop_of, stacks = loaded.bins.index(JUNE), {}, {}
    for number, name, code, quality in rows:
        patch = catalogue.patch(demo, number)
        bands = [patch.pixels[june, patch.bands.index(band)] / 10_000 for band in ("B02", "B04", "B08")]
        crop_of[name], stacks[name] = code, (*bands, quality)
    medians = screened(stacks)
    assert len(medians) == 11  # of 20 fields; the others are under cloud or not there
    for code in (WHEAT, BARLEY):
        envelope = next(each for each in found if code in each.crop.codes)
        at = list(envelope.bins).index(june)
        of_crop = [value for name, value in medians.items() if crop_of[name] == code]
        assert [envelope.p10[at], envelope.median[at], envelope.p90[at]] == pytest.approx(np.percentile(of_crop, (10, 50, 90)), abs=1e-5)


def test_interpolated_dates_can_be_left_out(demo):
    with demo.store.reading() as db:
        filled, real = db.execute(
            """select sum(i.interpolated), sum(not i.interpolated) from sample s join image i on i.sample = s.id
            where s.collection = ? and i.quality = 'ok'""",
            [PARCELS],
        ).fetchone()
    _, every = seasons(demo, PARCELS)
    _, without = seasons(demo, PARCELS, where=Filter(interpolated=False))
    assert filled > 0
    assert sum(envelope.n.sum() for envelope in every) == filled + real
    assert sum(envelope.filled.sum() for envelope in every) == filled
    assert sum(envelope.n.sum() for envelope in without) == real
    assert places.has_interpolated(demo.store, PARCELS) and not places.has_interpolated(demo.store, FIELDS)


def test_the_figure_keeps_the_indexs_own_range_and_marks_cloudy_and_interpolated_dates(demo):
    loaded, found = seasons(demo, PARCELS, by="class")
    row = next(row for row in range(301) if (~loaded.clear[row]).any() and (loaded.interpolated[row] & loaded.clear[row]).any())
    one = profiles.curve(loaded, int(loaded.samples[row]))
    figure = figures.season_figure(indices.named("NDVI"), loaded.bins, found, thin=[], picked=[one], height=400)
    low, high = figure.layout.yaxis.range
    assert low <= -0.1 and high >= 1.0
    assert all(low < value < high for trace in figure.data for value in trace.y)
    line, cloudy = (trace for trace in figure.data if trace.customdata)
    assert len(line.x) == one.clear.sum() and list(line.marker.symbol).count("diamond-tall") == (one.interpolated & one.clear).sum()
    assert len(cloudy.x) == (~one.clear).sum() and cloudy.marker.color == "white"
    medians = [trace.marker.symbol for trace in figure.data if trace.name and ", n = " in trace.name]
    assert len(set(medians)) == len(found) == 6


def test_in_mid_june_barley_is_ripe_and_wheat_still_green(demo):
    loaded = profiles.load(demo.store, FIELDS, "NDVI")
    june = loaded.bins.index(JUNE)
    median = {code: each.median[list(each.bins).index(june)] for code, each in by_code(demo).items()}
    assert median[WHEAT] - median[BARLEY] >= 0.2


def test_a_date_that_a_curator_calls_cloudy_leaves_the_envelope(demo):
    june = profiles.load(demo.store, FIELDS, "NDVI").bins.index(JUNE)
    before, name = by_code(demo)[WHEAT], first_of(demo, WHEAT)
    image = decisions.image_on(demo.store, catalogue.sample_id(demo.store, FIELDS, name), JUNE)
    decide(demo, name, "quality", image=image, quality="cloud")
    after = by_code(demo)[WHEAT]
    at = list(before.bins).index(june)
    assert after.n[at] == before.n[at] - 1
    assert after.n.sum() == before.n.sum() - 1


def test_a_relabelled_sample_moves_to_its_new_crop_but_stays_in_the_inventorys(demo):
    name = first_of(demo, WHEAT)
    decide(demo, name, "relabel", code=BARLEY)
    loaded = profiles.load(demo.store, FIELDS, "NDVI")
    assert name in names_of(loaded, by_code(demo)[BARLEY])
    assert name in names_of(loaded, by_code(demo, Filter(labels="inventory"))[WHEAT])


def test_a_rejected_sample_has_no_crop(demo):
    name = first_of(demo, WHEAT)
    decide(demo, name, "reject", reason="mixed")
    loaded, found = seasons(demo, FIELDS)
    assert name not in set().union(*(names_of(loaded, envelope) for envelope in found))


def test_verified_only_keeps_what_was_agreed_or_relabelled(demo):
    agreed, relabelled, unsure = sorted(names_of(*_one(demo, WHEAT)))[:3]
    decide(demo, agreed, "agree")
    decide(demo, relabelled, "relabel", code=BARLEY)
    decide(demo, unsure, "unsure")
    loaded = profiles.load(demo.store, FIELDS, "NDVI")
    found = {code: names_of(loaded, envelope) for code, envelope in by_code(demo, Filter(verified=True)).items()}
    assert found == {WHEAT: {agreed}, BARLEY: {relabelled}}


def _one(workspace, code):
    loaded, found = seasons(workspace, FIELDS)
    return loaded, next(each for each in found if code in each.crop.codes)


def test_filters_by_region_and_year_leave_only_their_samples(demo):
    loaded, found = seasons(demo, CANADA, where=Filter(region="PE"))
    assert {str(loaded.regions[row]) for envelope in found for row in envelope.rows} == {"PE"}
    assert seasons(demo, CANADA, where=Filter(year=1999))[1] == []


def test_classes_join_their_codes_and_leave_the_others_out(demo):
    loaded, found = seasons(demo, PARCELS, by="class")
    assert sum(len(envelope.rows) for envelope in found) == 265  # parcels in the six groups of use codes
    maize = next(envelope for envelope in found if envelope.crop.codes >= {400, 410})
    assert set(loaded.codes[maize.rows]) <= {400, 410}


def test_a_sample_shows_its_cloudy_dates_apart(demo):
    name = first_of(demo, WHEAT)
    number = catalogue.sample_id(demo.store, FIELDS, name)
    curve = profiles.curve(profiles.load(demo.store, FIELDS, "NDVI"), number)
    with demo.store.reading() as db:
        quality = dict(tuple(row) for row in db.execute("select slot, quality from image where sample = ?", [number]))
    assert {int(slot): "ok" for slot in curve.bins[curve.clear]} == {s: q for s, q in quality.items() if q == "ok"}
    assert profiles.curve(profiles.load(demo.store, PARCELS, "NDVI"), number) is None


def test_the_listing_starts_with_the_sample_farthest_from_its_crop(demo):
    loaded, found = seasons(demo, FIELDS)
    listing = profiles.listing(loaded, found, Filter())
    assert len(listing["number"]) == 20
    assert list(listing["off"]) == sorted(listing["off"], reverse=True)
    row = list(loaded.samples).index(listing["number"][0])
    envelope = next(each for each in found if row in each.rows)
    off = [abs(loaded.values[row, slot] - m) for slot, m in zip(envelope.bins, envelope.median, strict=True) if loaded.clear[row, slot]]
    assert listing["off"][0] == pytest.approx(np.mean(off))


def test_the_listing_finds_by_name_region_and_state(demo):
    loaded, found = seasons(demo, FIELDS)
    assert list(profiles.listing(loaded, found, Filter(), "grafenf")["name"]) == ["Grafenfeld-2018"]
    assert len(profiles.listing(loaded, found, Filter(), "UNVERIFIED")["name"]) == 20
    assert len(profiles.listing(loaded, found, Filter(), "nowhere")["name"]) == 0


def test_the_csv_holds_every_number_of_the_figure(demo):
    loaded, found = seasons(demo, FIELDS)
    one = profiles.curve(loaded, int(loaded.samples[0]))
    rows = list(csv.DictReader(io.StringIO(profiles.as_csv(loaded, found, [one]))))
    crops, singles = [row for row in rows if row["kind"] == "crop"], [row for row in rows if row["kind"] == "sample"]
    assert len(crops) == sum(len(envelope.bins) for envelope in found)
    assert float(crops[0]["median"]) == pytest.approx(found[0].median[0], abs=1e-4)
    assert [row["date"] for row in singles] == [loaded.bins[slot] for slot in one.bins]
    assert {row["clear"] for row in singles} <= {"0", "1"}


def test_a_decision_changes_the_version_stamp(demo):
    before = profiles.version(demo.store)
    assert profiles.version(demo.store) == before
    decide(demo, first_of(demo, WHEAT), "agree")
    assert profiles.version(demo.store) != before


def test_a_collection_without_samples_has_no_seasons(demo):
    with demo.store.writing() as db:
        row = dict(db.execute("select * from collection where name = ?", [FIELDS]).fetchone())
        db["collection"].insert(row | {"name": "new"})
    loaded, found = seasons(demo, "new")
    assert found == [] and loaded.values.shape == (0, 14)
    assert len(profiles.listing(loaded, found, Filter())["number"]) == 0


def test_unknown_names_are_refused_with_the_known_ones(demo):
    with pytest.raises(UnknownIndex, match="no index 'NVDI'; choose one of NDVI"):
        profiles.load(demo.store, FIELDS, "NVDI")
    with pytest.raises(UnknownCollection, match="no collection 'bavaria'"):
        profiles.load(demo.store, "bavaria", "NDVI")


def test_the_command_prints_the_same_seasons(demo):
    result = CliRunner().invoke(data_main, ["profile", "--collection", FIELDS, "--index", "ndvi", "--json"])
    printed = json.loads(result.stdout)
    assert printed == profiles.by_crop(demo.store, FIELDS, "NDVI")
    assert [crop["samples"] for crop in printed["crops"]] == [14, 6]
    june = {crop["code"]: next(date["median"] for date in crop["dates"] if date["date"] == JUNE) for crop in printed["crops"]}
    assert june[WHEAT] - june[BARLEY] >= 0.2


def dekad(day: pd.Series) -> pd.Series:
    """01-05 ... 12-25, by the days of the month."""
    return day.dt.strftime("%m-") + pd.cut(day.dt.day, [0, 10, 20, 31], labels=["05", "15", "25"]).astype(str)


def images_of(workspace, collection, index="NDVI") -> pd.DataFrame:
    with workspace.store.reading() as db:
        rows = db.execute(
            """select s.id, s.inventory_code, i.acquired, i.quality, t.median from sample s join image i on i.sample = s.id
            join index_stat t on t.image = i.id and t.name = ? where s.collection = ? and t.median is not null""",
            [index, collection],
        ).fetchall()
    frame = pd.DataFrame([tuple(row) for row in rows], columns=["sample", "code", "acquired", "quality", "value"])
    return frame.assign(acquired=pd.to_datetime(frame["acquired"], format="mixed"))


def test_free_dates_are_compared_by_the_medians_of_their_ten_days(kinds):
    images = images_of(kinds, FREE)
    images["bin"] = dekad(images["acquired"])
    clear = images[images["quality"] == "ok"]
    by_sample = clear.groupby(["sample", "bin"])["value"].median()
    loaded, found = seasons(kinds, FREE)
    assert (clear.groupby(["sample", "bin"]).size() > 1).any()  # several images of one sample in one bin
    seen = {
        (int(sample), loaded.bins[at]): loaded.values[row, at]
        for row, sample in enumerate(loaded.samples)
        for at in np.flatnonzero(loaded.clear[row])
    }
    assert seen == pytest.approx(by_sample.to_dict())
    only_cloudy = set(zip(images["sample"], images["bin"], strict=True)) - set(by_sample.index)
    hidden = {(int(loaded.samples[row]), loaded.bins[at]) for row, at in np.argwhere(np.isfinite(loaded.values) & ~loaded.clear)}
    assert hidden == only_cloudy != set()
    quantiles = by_sample.reset_index().merge(images[["sample", "code"]].drop_duplicates()).groupby(["code", "bin"])["value"]
    for envelope in found:
        for at, *spread in zip(envelope.bins, envelope.p10, envelope.median, envelope.p90, strict=True):
            values = quantiles.get_group((min(envelope.crop.codes), loaded.bins[at]))
            assert spread == pytest.approx(list(values.quantile([0.1, 0.5, 0.9])))


def test_months_of_several_years_are_one_season(kinds):
    images = images_of(kinds, MONTHLY)
    assert set(images["acquired"].dt.year) == {2017, 2018, 2019, 2020}
    expected = images[images["quality"] == "ok"].groupby([images["code"], images["acquired"].dt.strftime("%m")])["value"].median()
    loaded, found = seasons(kinds, MONTHLY)
    ours = {(min(each.crop.codes), loaded.bins[at]): m for each in found for at, m in zip(each.bins, each.median, strict=True)}
    assert ours == pytest.approx(expected.to_dict())
    of_2019 = seasons(kinds, MONTHLY, where=Filter(year=2019))[1]
    assert 0 < sum(each.samples for each in of_2019) < sum(each.samples for each in found)


@pytest.mark.parametrize(("collection", "ticks"), [(MONTHLY, "%b"), (FREE, "%b"), (FIELDS, "%-d %b\n%Y")])
def test_the_axis_names_years_only_where_the_dates_have_one(kinds, demo, collection, ticks):
    workspace = demo if collection == FIELDS else kinds
    loaded, found = seasons(workspace, collection)
    figure = figures.season_figure(indices.named("NDVI"), loaded.bins, found, thin=[], picked=[], height=400)
    assert figure.layout.xaxis.tickformat == ticks
    drawn = sorted(trace.x[0] for trace in figure.data if trace.mode == "lines+markers")
    assert {day[5:7] for day in drawn} <= {"03"}


def test_samples_without_a_label_are_a_crop_of_that_name_and_rejected_ones_are_none(kinds):
    sample = catalogue.sample_id(kinds.store, UNLABELLED, "D2-2018")
    before = {each.crop.name: each.samples for each in seasons(kinds, UNLABELLED)[1]}
    event = {"uid": "r", "sample": sample, "action": "reject", "reason": "mixed", "seen": None}
    assert decisions.record(kinds.store, UNLABELLED, "ann", [event])[0].stored
    after = {each.crop.name: each.samples for each in seasons(kinds, UNLABELLED)[1]}
    assert before["No label"] == 6
    assert after == before | {"No label": 5}


def test_the_figures_csv_and_json_name_the_ten_days(kinds):
    record = profiles.by_crop(kinds.store, FREE, "NDVI")
    dates = [entry["date"] for crop in record["crops"] for entry in crop["dates"]]
    assert dates and {date[3:] for date in dates} == {"05", "15", "25"}
    loaded, found = seasons(kinds, FREE)
    curve = profiles.curve(loaded, int(loaded.samples[0]))
    lines = list(csv.DictReader(io.StringIO(profiles.as_csv(loaded, found, [curve]))))
    assert {line["date"] for line in lines} <= set(loaded.bins)
