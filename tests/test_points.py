"""The map's samples: one row each, with what is in force now, and legends whose counts add up."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from data import catalogue
from labeling import decisions, points

FIELDS, PARCELS, CANADA = "bavaria-2018", "bavaria-parcels-2018", "canada-simulated-2019"
WHEAT, BARLEY = 115, 131


def decide(workspace, name, action, **values):
    sample = catalogue.sample_id(workspace.store, FIELDS, name)
    event = {"uid": f"{name}-{action}", "sample": sample, "action": action, "seen": None} | values
    assert decisions.record(workspace.store, FIELDS, "ann", [event])[0].stored


def predict(workspace, run, guesses, *, collection=FIELDS, created="2026-01-01T00:00:00Z"):
    """A run with one prediction for each (sample name, class or None for none)."""
    with workspace.store.writing() as db:
        split = db.execute(
            "insert into split (collection, name, method, folds, params, created) values (?, ?, 'random', 0, '{}', ?) returning id",
            [collection, f"split-of-{run}", created],
        ).fetchone()["id"]
        columns = {row["name"] for row in db.execute("select name from pragma_table_info('run') where \"notnull\"")}
        values = {"collection": collection, "model": "ltae", "labels": "inventory", "split": split, "config": "{}", "created": created}
        values = {column: values.get(column, 0) for column in columns | {"name"}} | {"name": run}
        db["run"].insert(values)
        required = {row["name"] for row in db.execute("select name from pragma_table_info('prediction') where \"notnull\"")}
        for name, guess in guesses.items():
            number = catalogue.sample_id(workspace.store, collection, name)
            row = {"run": run, "sample": number, "predicted": guess, "probability": 0.8}
            db["prediction"].insert({column: row.get(column, json.dumps([0.8])) for column in required | set(row)})


def by_name(workspace, collection=FIELDS, run=None):
    return {point.name: point for point in points.points(workspace.store, collection, run)}


@pytest.mark.parametrize(("collection", "count"), [(FIELDS, 20), (PARCELS, 301), (CANADA, 240)])
def test_every_sample_of_a_collection_is_one_point(demo, collection, count):
    found = points.points(demo.store, collection)
    assert len(found) == len({point.id for point in found}) == count
    assert all(point.code == point.inventory_code and point.state == "unverified" for point in found)
    assert all(point.predicted is None and not point.disagrees for point in found)


def test_the_points_lie_where_the_fields_are(demo):
    bavaria = points.points(demo.store, FIELDS) + points.points(demo.store, PARCELS)
    assert all(47.2 < point.lat < 50.6 and 8.9 < point.lon < 13.9 for point in bavaria)  # the box of the state of Bavaria
    boxes = {"PE": (45.9, 47.1, -64.5, -61.9), "ON": (41.6, 56.9, -95.2, -74.3)}  # the provinces'
    for point in points.points(demo.store, CANADA):
        south, north, west, east = boxes[point.region]
        assert south < point.lat < north and west < point.lon < east


def test_a_point_shows_the_label_in_force_not_the_inventory(demo):
    decide(demo, "D2-2018", "agree")
    decide(demo, "D4-2018", "relabel", code=BARLEY)
    decide(demo, "D8-2018", "reject", reason="mixed")
    decide(demo, "Heindlacker-2018", "unsure")
    now = by_name(demo)
    shown = {name: (now[name].code, now[name].state, now[name].verified) for name in ("D2-2018", "D4-2018", "D8-2018", "Heindlacker-2018")}
    inventory = {name: now[name].inventory_code for name in shown}
    assert shown == {
        "D2-2018": (inventory["D2-2018"], "agreed", True),
        "D4-2018": (BARLEY, "relabelled", True),
        "D8-2018": (None, "rejected", False),
        "Heindlacker-2018": (inventory["Heindlacker-2018"], "unsure", False),
    }
    assert now["D4-2018"].inventory_code == WHEAT


def test_a_prediction_disagrees_only_where_both_it_and_the_label_have_a_class(demo):
    wheat, barley = (entry.learned for entry in catalogue.legend(demo.store, FIELDS) if entry.code in (WHEAT, BARLEY))
    decide(demo, "D8-2018", "reject", reason="mixed")
    predict(demo, "first", {"D2-2018": wheat, "D4-2018": barley, "D8-2018": barley})
    now = by_name(demo, run="first")
    assert {name: now[name].disagrees for name in ("D2-2018", "D4-2018", "D8-2018")} == {
        "D2-2018": False, "D4-2018": True, "D8-2018": False,
    }  # fmt: skip
    assert sum(point.predicted is not None for point in now.values()) == 3


def test_correcting_a_label_ends_the_disagreement(demo):
    barley = next(entry.learned for entry in catalogue.legend(demo.store, FIELDS) if entry.code == BARLEY)
    predict(demo, "first", {"D4-2018": barley})
    assert by_name(demo, run="first")["D4-2018"].disagrees
    decide(demo, "D4-2018", "relabel", code=BARLEY)
    assert not by_name(demo, run="first")["D4-2018"].disagrees


def test_runs_without_predictions_or_of_other_collections_are_not_offered(demo):
    wheat = next(entry.learned for entry in catalogue.legend(demo.store, FIELDS) if entry.code == WHEAT)
    predict(demo, "older", {"D2-2018": wheat}, created="2026-01-01T00:00:00Z")
    predict(demo, "newer", {"D2-2018": wheat}, created="2026-02-01T00:00:00Z")
    predict(demo, "still-training", {}, created="2026-03-01T00:00:00Z")
    assert points.predicting_runs(demo.store, FIELDS) == ["newer", "older"]
    assert points.predicting_runs(demo.store, CANADA) == []


def test_legends_count_every_point_once_and_keep_the_official_colours(demo):
    found, legend = points.points(demo.store, CANADA), catalogue.legend(demo.store, CANADA)
    groups, positions = points.by_label(found, legend)
    official = {entry.color: entry for entry in legend}
    assert sum(group.count for group in groups) == len(found) == len(positions)
    assert [group.count for group in groups] == sorted((group.count for group in groups), reverse=True)
    counts = Counter(point.code for point in found)
    for group in groups:
        entry = official[group.color]
        assert (entry.name in group.title, group.title_fr, group.count) == (True, entry.name_fr, counts[entry.code])
    colors = {entry.code: entry.color for entry in legend}
    assert all(groups[position].color == colors[point.code] for point, position in zip(found, positions, strict=True))


def test_a_rejected_sample_has_a_group_of_its_own(demo):
    decide(demo, "D8-2018", "reject", reason="no_signal")
    groups, _ = points.by_label(points.points(demo.store, FIELDS), catalogue.legend(demo.store, FIELDS))
    assert (groups[-1].title, groups[-1].count) == ("Rejected, no label", 1)


def test_states_are_grouped_in_a_fixed_order(demo):
    decide(demo, "D8-2018", "reject", reason="mixed")
    decide(demo, "D2-2018", "agree")
    groups, _ = points.by_state(points.points(demo.store, FIELDS))
    assert [(group.title, group.count) for group in groups] == [("Agreed", 1), ("Rejected", 1), ("Unverified", 18)]


def test_predictions_are_grouped_in_the_order_of_the_classes_with_the_unpredicted_last(demo):
    learned = catalogue.learned(demo.store, FIELDS)
    found = points.points(demo.store, FIELDS)
    guessed = [replace(found[0], predicted=learned[-1].name), replace(found[1], predicted=learned[0].name), *found[2:]]
    groups, positions = points.by_prediction(guessed, learned)
    assert [group.title for group in groups] == [learned[0].name, learned[-1].name, "Not predicted"]
    assert positions[:3] == [1, 0, 2]


def test_outlines_are_read_only_where_a_site_has_one(demo):
    parcels, squares = (points.points(demo.store, collection) for collection in (PARCELS, CANADA))
    outlines = points.polygons(demo.store, [point.id for point in [*parcels, *squares]])
    assert set(outlines) == {point.id for point in parcels}
    point = parcels[0]
    west, south, east, north = bounds(outlines[point.id])
    assert west < point.lon < east and south < point.lat < north


def bounds(geometry) -> tuple[float, float, float, float]:
    def corners(part):
        return [part] if isinstance(part[0], (int, float)) else [corner for inner in part for corner in corners(inner)]

    lons, lats = zip(*(corner[:2] for corner in corners(geometry["coordinates"])), strict=True)
    return min(lons), min(lats), max(lons), max(lats)


def test_the_greenest_slot_is_the_clear_date_with_the_highest_ndvi(demo):
    sample = catalogue.sample_id(demo.store, FIELDS, "D2-2018")
    slot = points.greenest_slots(demo.store, [sample])[sample]
    with demo.store.reading() as db:
        medians = {
            row["slot"]: row["median"]
            for row in db.execute(
                """select slot, median from image join index_stat on image = image.id
                where sample = ? and name = 'NDVI' and quality = 'ok'""",
                [sample],
            )
        }
    assert slot == max(medians, key=medians.get)


def doubt(workspace, run, rows, collection=FIELDS):
    """Suspicions: sample name -> (rank, quality, counted)."""
    with workspace.store.writing() as db:
        for name, (rank, quality, counted) in rows.items():
            db["suspect"].insert(
                {
                    "run": run, "sample": catalogue.sample_id(workspace.store, collection, name), "rank": rank, "given": "wheat",
                    "suggested": "barley", "quality": quality, "probability": quality, "counted": counted, "reason": "",
                }
            )  # fmt: skip


def test_suspicion_is_grouped_from_the_likeliest_error_to_what_was_not_judged(demo):
    predict(demo, "judge", {})
    doubt(demo, "judge", {"D2-2018": (1, 0.05, 1), "D4-2018": (2, 0.2, 0), "D8-2018": (3, 0.9, 0)})
    found = points.points(demo.store, FIELDS, "judge")
    groups, positions = points.by_suspicion(found)
    assert [(group.title, group.count) for group in groups] == [
        ("Likely label error", 1), ("Label quality under 0.25", 1), ("0.75 and more", 1), ("Not judged", 17),
    ]  # fmt: skip
    by_name_ = {point.name: groups[at].title for point, at in zip(found, positions, strict=True)}
    assert (by_name_["D2-2018"], by_name_["D4-2018"]) == ("Likely label error", "Label quality under 0.25")
    assert points.suspecting_runs(demo.store, FIELDS) == ["judge"]
    assert points.suspecting_runs(demo.store, CANADA) == []


def test_a_group_boundary_belongs_to_the_better_group(demo):
    found = [replace(point, quality=0.5, counted=0) for point in points.points(demo.store, FIELDS)[:1]]
    assert points.by_suspicion(found)[0][0].title == "0.5 to 0.75"


def test_after_a_decision_only_what_was_decided_is_read_anew(demo):
    before = points.samples(demo.store, FIELDS, None)
    assert points.samples(demo.store, FIELDS, None, before) is before
    decide(demo, "D8-2018", "reject", reason="mixed")
    after = points.samples(demo.store, FIELDS, None, before)
    assert list(after.points) == points.points(demo.store, FIELDS)
    changed = [new.name for old, new in zip(before.points, after.points, strict=True) if new is not old]
    assert changed == ["D8-2018"]


def test_an_undone_decision_is_read_anew_too(demo):
    decide(demo, "D8-2018", "reject", reason="mixed")
    before = points.samples(demo.store, FIELDS, None)
    decide(demo, "D8-2018", "undo", undo_of="D8-2018-reject")
    after = points.samples(demo.store, FIELDS, None, before)
    assert [point.state for point in after.points if point.name == "D8-2018"] == ["unverified"]


def test_labels_that_a_run_ranks_again_are_read_anew(demo):
    predict(demo, "judge", {})
    doubt(demo, "judge", {"D2-2018": (1, 0.05, 1), "D4-2018": (2, 0.2, 0)})
    before = points.samples(demo.store, FIELDS, "judge")
    assert points.samples(demo.store, FIELDS, "judge", before) is before
    with demo.store.writing() as db:
        db.execute("delete from suspect where run = 'judge'")
    doubt(demo, "judge", {"D2-2018": (1, 0.4, 0), "D4-2018": (2, 0.6, 0)})
    after = points.samples(demo.store, FIELDS, "judge", before)
    assert {point.name: point.quality for point in after.points if point.quality is not None} == {"D2-2018": 0.4, "D4-2018": 0.6}


def test_what_the_browser_reads_is_what_the_samples_are(demo):
    found = [replace(point, predicted="x", learned="y", probability=0.876) if at % 2 else point
             for at, point in enumerate(points.points(demo.store, CANADA))]  # fmt: skip
    lat, lon, number = np.frombuffer(points.place_file(found), dtype="<i4").reshape(3, -1)
    assert number.tolist() == [point.id for point in found]
    assert np.allclose(lat / points.MICRO, [point.lat for point in found], atol=5e-7)
    assert np.allclose(lon / points.MICRO, [point.lon for point in found], atol=5e-7)
    assert points.name_file(found).decode().split("\n") == [point.name for point in found]
    group, ring, percent = np.frombuffer(points.face_file(found, [7] * len(found), predicted=True), dtype=np.uint8).reshape(3, -1)
    assert set(group) == {7}
    assert ring.tolist() == [at % 2 for at in range(len(found))]
    assert percent.tolist() == [88 if at % 2 else points.NO_PERCENTAGE for at in range(len(found))]
    plain = np.frombuffer(points.face_file(found, [0] * len(found), predicted=False), dtype=np.uint8).reshape(3, -1)
    assert not plain[1].any() and set(plain[2]) == {points.NO_PERCENTAGE}


def test_samples_of_a_year_are_those_of_that_year(demo):
    every = points.samples(demo.store, CANADA, None)
    assert every.of_year(None) is every
    assert len(every.of_year(2019).points) == 240 and every.of_year(1999).points == ()
    assert every.places.shape == (2, 240) and points.Samples((), 0).places.shape == (2, 0)
