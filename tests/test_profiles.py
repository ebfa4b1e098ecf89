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
        for slot, *spread in zip(each.slots, each.p10, each.median, each.p90, each.n, strict=True)
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
    june, crop_of, stacks = loaded.slot_names.index(JUNE), {}, {}
    for number, name, code, quality in rows:
        patch = catalogue.patch(demo, number)
        bands = [patch.pixels[june, patch.bands.index(band)] / 10_000 for band in ("B02", "B04", "B08")]
        crop_of[name], stacks[name] = code, (*bands, quality)
    medians = screened(stacks)
    assert len(medians) == 11  # of 20 fields; the others are under cloud or not there
    for code in (WHEAT, BARLEY):
        envelope = next(each for each in found if code in each.crop.codes)
        at = list(envelope.slots).index(june)
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
    figure = figures.season_figure(indices.named("NDVI"), loaded.slot_names, found, thin=[], picked=[one], height=400)
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
    june = loaded.slot_names.index(JUNE)
    median = {code: each.median[list(each.slots).index(june)] for code, each in by_code(demo).items()}
    assert median[WHEAT] - median[BARLEY] >= 0.2


def test_a_date_that_a_curator_calls_cloudy_leaves_the_envelope(demo):
    june = profiles.load(demo.store, FIELDS, "NDVI").slot_names.index(JUNE)
    before, name = by_code(demo)[WHEAT], first_of(demo, WHEAT)
    image = decisions.image_on(demo.store, catalogue.sample_id(demo.store, FIELDS, name), JUNE)
    decide(demo, name, "quality", image=image, quality="cloud")
    after = by_code(demo)[WHEAT]
    at = list(before.slots).index(june)
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
    assert {int(slot): "ok" for slot in curve.slots[curve.clear]} == {s: q for s, q in quality.items() if q == "ok"}
    assert profiles.curve(profiles.load(demo.store, PARCELS, "NDVI"), number) is None


def test_the_listing_starts_with_the_sample_farthest_from_its_crop(demo):
    loaded, found = seasons(demo, FIELDS)
    listing = profiles.listing(loaded, found, Filter())
    assert len(listing["number"]) == 20
    assert list(listing["off"]) == sorted(listing["off"], reverse=True)
    row = list(loaded.samples).index(listing["number"][0])
    envelope = next(each for each in found if row in each.rows)
    off = [abs(loaded.values[row, slot] - m) for slot, m in zip(envelope.slots, envelope.median, strict=True) if loaded.clear[row, slot]]
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
    assert len(crops) == sum(len(envelope.slots) for envelope in found)
    assert float(crops[0]["median"]) == pytest.approx(found[0].median[0], abs=1e-4)
    assert [row["date"] for row in singles] == [loaded.slot_names[slot] for slot in one.slots]
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
