"""Studies: the right things are compared, each is trained once, stops and failures lose nothing, and the table says what the runs say."""

import csv
import json
import os
import shutil
import signal
import time
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sklearn.metrics import accuracy_score, f1_score

from data.errors import CannotTrain, UnknownCollection, UnknownModel, UnknownStudy
from data.workspace import Workspace
from modeling import registry, runs
from modeling.__main__ import main
from modeling.studies import allowing, control, figures, kinds, studydir, table, training
from modeling.studies.kinds import Choices
from tests import modeling_world as toy

QUICK = {"epochs": 2, "folds": 3, "device": "cpu"}
PATIENCE = 120  # seconds; a start takes about three, on a busy machine many more


@pytest.fixture
def world(empty) -> Workspace:
    return toy.world(empty)


def choices(kind: str, **more) -> Choices:
    chosen = {"collection": toy.NAME} | {key: more.pop(key) for key in ("collection", "model", "models", "seeds", "sides") if key in more}
    return Choices(kind, **chosen, settings=QUICK | more)


def trained(workspace: Workspace, kind: str, **more) -> studydir.StudyDir:
    """A study, trained here and now."""
    study = control.create(workspace, choices(kind, **more))
    training.train(workspace, study)
    return study


def call(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


def by_label(plan: kinds.Plan) -> dict:
    """label -> its first configuration."""
    return {variant.label: configs[0] for variant, configs in plan.variants}


def wait(workspace: Workspace, name: str, until) -> control.StudyStatus:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = control.status(workspace, name)
        if until(found):
            return found
        time.sleep(0.05)
    raise AssertionError(f"{found}\n{control.log(workspace, name)}")


def verify(workspace: Workspace, count: int) -> None:
    """A curator agrees with the first samples, and relabels every fifth of them to the next crop."""
    codes, following = toy.codes_of({146: 12, 153: 12, 158: 12, 50: 3}), {146: 153, 153: 158, 158: 146}
    for number in [number for number, code in enumerate(codes) if code in following][:count]:
        wrong = number % 5 == 4
        code = following[codes[number]] if wrong else codes[number]
        toy.decide(workspace, f"S{number:03d}-2020", "relabel" if wrong else "agree", code)


# What is compared


def test_indices_compares_rgb_seven_indices_and_all_bands(world):
    found = control.plan(world, choices("indices"))
    inputs = {label: config.inputs for label, config in by_label(found).items()}
    assert inputs == {"RGB": "rgb", "all bands": "bands", "land bands and indices": "land+indices"} | {
        name: name for name in kinds.INDEX_NAMES
    }
    assert {config.model for config in found.configs} == {"ltae"}
    assert {(config.folds, config.epochs) for config in found.configs} == {(3, 2)}
    assert found.notes == ()


def test_indices_leaves_out_what_the_bands_do_not_allow_and_says_so(world):
    allowed = replace(allowing.read(world, toy.NAME), bands=("B04", "B08"))
    found = kinds.plan(choices("indices"), allowed)
    assert list(by_label(found)) == ["NDVI", "OSAVI", "all bands", "land bands and indices"]
    assert [note.split(" is left out")[0] for note in found.notes] == ["RGB", "NDRE", "EVI", "GNDVI", "NDVI45", "PSRI"]
    assert "B05" in found.notes[1]


def test_dates_compares_each_month_pairs_and_the_first_months(world):
    found = control.plan(world, choices("dates"))
    months = {(variant.group, variant.label): (configs[0].months, variant.at) for variant, configs in found.variants}
    assert months["one month", "Jul"] == ("7", 7)
    assert months["two months", "May and Aug"] == ("5+8", 8)
    assert months["first months", "May to Jul"] == ("5+6+7", 7)
    assert len(months) == 4 + 6 + 4
    assert len(found.configs) == 12, "May alone is the first month, and May with June the first two: trained once"


def test_of_many_months_only_neighbours_make_pairs(world):
    allowed = replace(allowing.read(world, toy.NAME), months=(3, 4, 5, 6, 7, 9))
    found = kinds.plan(choices("dates"), allowed)
    pairs = [variant.label for variant, _ in found.variants if variant.group == "two months"]
    assert pairs == ["Mar and Apr", "Apr and May", "May and Jun", "Jun and Jul", "Jul and Sep"]
    assert found.notes == ("Of 6 months only neighbouring ones make pairs.",)


@pytest.mark.parametrize(("months", "words"), [((6,), "all lie in June"), ((), "are all missing or bad")])
def test_dates_of_a_collection_without_months_to_compare_is_refused(world, months, words):
    with pytest.raises(CannotTrain, match=words):
        kinds.plan(choices("dates"), replace(allowing.read(world, toy.NAME), months=months))


def test_models_compares_all_that_suit_series_each_with_its_own_settings(world):
    found = control.plan(world, Choices("models", toy.NAME))
    assert list(by_label(found)) == registry.suited(is_series=True)
    for name, config in by_label(found).items():
        assert (config.model, config.epochs) == (name, registry.MODELS[name].defaults["epochs"])
    assert found.notes


def test_models_compares_all_models_on_patches_or_those_that_are_named(empty):
    toy.world(empty, size=4)
    assert set(by_label(control.plan(empty, choices("models")))) == set(registry.MODELS)
    named = control.plan(empty, choices("models", models=("resnet18", "lrcn", "forest")))
    assert {config.model: config.epochs for config in named.configs} == {"resnet18": 2, "lrcn": 2, "forest": 1}
    assert control.plan(empty, choices("indices")).configs[0].model == registry.DEFAULT_OF_PATCHES


def test_splits_compares_blocks_of_several_sides_regions_and_years_as_far_as_there_are_any(world):
    allowed = replace(allowing.read(world, toy.NAME), regions=("A", "B"), years=(2019, 2020), blocks={750.0: 36, 5e3: 12, 1e4: 4})
    found = by_label(kinds.plan(choices("splits"), allowed))
    assert {label: (config.split, config.folds) for label, config in found.items()} == {
        "random by site": ("random", 3), "blocks of 5 km": ("block", 3), "by region": ("region", 0), "by year": ("year", 0),
    }  # fmt: skip
    assert found["blocks of 5 km"].block_side_m == 5000
    asked = by_label(kinds.plan(choices("splits", sides=(750.0, 2000.0)), allowed))
    assert [label for label in asked if label.startswith("blocks")] == ["blocks of 750 m", "blocks of 2 km"]


def test_a_single_region_and_a_single_year_are_left_out_and_told(world):
    found = control.plan(world, choices("splits", sides=(5000.0,)))
    assert list(by_label(found)) == ["random by site", "blocks of 5 km"]
    assert "Toyland is the only region" in found.notes[0]
    assert "2020 is the only year" in found.notes[1]


def test_labels_draws_a_learning_curve_and_says_what_is_not_verified(world):
    found = control.plan(world, choices("labels", folds=4))
    assert [variant.at for variant, _ in found.variants] == [13, 27]
    assert [[config.limit for config in configs] for _, configs in found.variants] == [[13] * 3, [0] * 3]
    assert [config.seed for config in found.variants[0][1]] == [0, 1, 2], "three draws"
    assert "No sample of toy has a verified label" in found.notes[0]


def test_labels_compares_the_maps_labels_with_verified_ones_where_there_are_any(world):
    verify(world, 24)
    found = control.plan(world, choices("labels"))
    assert list(dict.fromkeys(variant.group for variant, _ in found.variants)) == ["inventory", "verified", "mixed"]
    assert found.notes == ()


def test_seeds_count_up_from_the_one_that_is_asked_for(world):
    found = control.plan(world, choices("indices", seeds=2, seed=5))
    assert {tuple(config.seed for config in configs) for _, configs in found.variants} == {(5, 6)}


@pytest.mark.parametrize(
    ("chosen", "error", "words"),
    [
        (Choices("colours", toy.NAME), CannotTrain, "There is no study 'colours'; choose one of indices, dates"),
        (Choices("indices", "mars"), UnknownCollection, "There is no collection 'mars'"),
        (Choices("indices", toy.NAME, model="alexnet"), UnknownModel, "There is no model 'alexnet'"),
        (Choices("models", toy.NAME, models=("resnet18", "ltae")), CannotTrain, "resnet18 looks at patches, and toy holds series"),
        (Choices("models", toy.NAME, models=("ltae",)), CannotTrain, "finds 1 variants to compare in toy; it needs 2"),
        (Choices("indices", toy.NAME, settings={"folds": 1}), CannotTrain, "1 folds cannot be made"),
        (Choices("indices", toy.NAME, settings={"labels": "verified"}), CannotTrain, "No sample of toy has a verified label"),
    ],
)
def test_what_cannot_be_compared_is_refused_and_leaves_nothing(world, chosen, error, words):
    with pytest.raises(error, match=words):
        control.create(world, chosen)
    assert control.listing(world) == []


# How it is trained


def test_the_table_says_what_the_runs_say(world):
    study = trained(world, "models", models=("ltae", "forest"), seeds=2)
    assert control.status(world, study.name).state == "finished"
    for row in table.rows(world, study):
        results = [runs.results(world, name) for name in row.runs]
        assert [(result.config.model, result.config.seed) for result in results] == [(row.variant.label, 0), (row.variant.label, 1)]
        values = [result.scores.macro_f1.value for result in results]
        score = row.scores["macro_f1"]
        assert (score.value, score.least, score.most) == (pytest.approx(sum(values) / 2), min(values), max(values))
        assert score.low == pytest.approx(sum(result.scores.macro_f1.low for result in results) / 2)
        assert row.nearest == pytest.approx(sum(result.neighbour.accuracy.value for result in results) / 2)
        assert (row.samples, row.seeds, row.state) == (36, 2, "finished")
    with (study.path / "table.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [line["variant"] for line in written] == ["ltae", "forest"]
    assert float(written[0]["accuracy"]) == pytest.approx(table.rows(world, study)[0].scores["accuracy"].value, abs=1e-4)
    assert "group" not in written[0], "no column without anything in it"
    assert "| forest | 36 |" in (study.path / "table.md").read_text()
    assert "Macro-F1" in (study.path / "figure.html").read_text()[-40_000:]
    with pytest.raises(CannotTrain, match="is finished"):
        control.resume(world, study.name)


def test_a_run_that_fails_is_told_and_does_not_stop_the_others(world, monkeypatch):
    broken = replace(registry.MODELS["ltae"], name="broken", made_by="modeling.models.nowhere:Nothing")
    monkeypatch.setitem(registry.MODELS, "broken", broken)
    study = trained(world, "models", models=("broken", "ltae"))
    found = control.status(world, study.name)
    assert (found.state, found.done, found.failed, found.share) == ("incomplete", 1, 1, 1.0)
    failed, good = table.rows(world, study)
    assert failed.state == "failed"
    assert "nowhere" in failed.message
    assert "nowhere" in (study.path / "table.md").read_text()
    assert good.scores
    before = (world.runs / good.runs[0] / "results.json").stat().st_mtime_ns
    monkeypatch.setitem(registry.MODELS, "broken", replace(broken, made_by=registry.MODELS["ltae"].made_by))
    training.train(world, control.resumable(world, study.name))
    assert control.status(world, study.name).state == "finished"
    assert (world.runs / good.runs[0] / "results.json").stat().st_mtime_ns == before, "a finished run is not trained again"
    assert len(runs.listing(world)) == 2


def test_a_run_whose_folder_is_gone_is_told_and_trained_again(world):
    study = trained(world, "models", models=("ltae", "forest"))
    shutil.rmtree(world.runs / table.rows(world, study)[1].runs[0])
    gone = table.rows(world, study)[1]
    assert (gone.state, gone.scores) == ("deleted", {})
    assert control.status(world, study.name).state == "incomplete"
    training.train(world, control.resumable(world, study.name))
    assert control.status(world, study.name).state == "finished"


def test_a_killed_study_goes_on_where_it_stopped_with_the_figures_it_would_have_had(world):
    shared = {"epochs": 25, "patience": 0, "device": "cpu", "folds": 3}
    study = trained(world, "splits", sides=(5000.0,), **shared)
    expected = [row.scores for row in table.rows(world, study)]
    name = control.launch(world, choices("splits", sides=(5000.0,), **shared), "killed")
    wait(world, name, lambda found: found.done == 1 and found.current and runs.status(world, found.current).epochs_done > 1)
    os.kill(int((world.studies / name / "pid").read_text()), signal.SIGKILL)
    lost = wait(world, name, lambda found: not found.active)
    assert (lost.state, lost.done) == ("lost", 1)
    first, second = (item.run for item in studydir.at(world, name).trainings())
    before = (world.runs / first / "results.json").stat().st_mtime_ns
    control.resume(world, name)
    done = wait(world, name, lambda found: not found.active)
    assert (done.state, done.done) == ("finished", 2)
    assert [item.run for item in studydir.at(world, name).trainings()] == [first, second]
    assert (world.runs / first / "results.json").stat().st_mtime_ns == before
    assert [row.scores for row in table.rows(world, studydir.at(world, name))] == expected


def test_a_cancelled_run_does_not_end_its_study_and_a_cancelled_study_ends_its_run(world):
    name = control.launch(world, choices("indices", epochs=3_000, patience=0))
    first = wait(world, name, lambda found: found.current and runs.status(world, found.current).epochs_done).current
    with pytest.raises(CannotTrain, match="is running already"):
        control.resume(world, name)
    runs.cancel(world, first)
    second = wait(world, name, lambda found: found.current not in ("", first)).current
    wait(world, name, lambda found: runs.status(world, second).epochs_done)
    control.cancel(world, name)
    assert wait(world, name, lambda found: not found.active).state == "cancelled"
    assert [runs.status(world, run).state for run in (first, second)] == ["cancelled", "cancelled"]
    control.cancel(world, name)  # over: left as it is


def test_runs_are_judged_by_what_was_verified_too(world):
    verify(world, 20)
    study = trained(world, "labels", seeds=1, epochs=8)
    row = next(row for row in table.rows(world, study) if row.variant.label.startswith("inventory, all"))
    with world.store.reading() as db:
        query = """select c.learned as truth, p.predicted from prediction p join event e on e.sample = p.sample
            join legend_class c on c.code = cast(e.new as integer) where p.run = ?"""
        pairs = [tuple(found) for found in db.execute(query, row.runs)]
    truth, predicted = zip(*pairs, strict=True)
    assert row.verified_samples == len(pairs) == 20
    assert row.on_verified["accuracy"].value == pytest.approx(accuracy_score(truth, predicted))
    assert row.on_verified["macro_f1"].value == pytest.approx(f1_score(truth, predicted, average="macro"))
    drawn = figures.figure("labels", table.rows(world, study), "accuracy")
    assert drawn.layout.yaxis.title.text == "Accuracy on verified samples"


# Figures


def rows_of(kind: str, *values: tuple) -> list[table.Row]:
    """Rows as they might have turned out: (group, label, at, accuracy)."""
    made = []
    for group, label, at, value in values:
        score = table.Score(value, value - 0.1, value + 0.05, value, value)
        variant = kinds.Variant(label, {}, group, at)
        scores = dict.fromkeys(table.SCORES, score)
        made.append(table.Row(variant, "finished", "", 1, 30.0, scores, 0.4, {}, None, 1.0, None, ("run",)))
    return made


def test_bars_have_intervals_and_splits_the_copied_label_beside_them():
    drawn = figures.figure("splits", rows_of("splits", ("", "random by site", None, 0.8), ("", "blocks of 2 km", None, 0.6)))
    bars, nearest = drawn.data
    assert (list(bars.x), list(bars.y)) == (["random by site", "blocks of 2 km"], [0.8, 0.6])
    assert list(bars.error_y.array) == pytest.approx([0.05, 0.05])
    assert list(bars.error_y.arrayminus) == pytest.approx([0.1, 0.1])
    assert list(nearest.y) == [0.4, 0.4]
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text) == ("Split", "Accuracy")


def test_the_season_is_a_line_over_the_first_months_with_single_months_as_points():
    rows = rows_of(
        "dates", ("one month", "May", 5.0, 0.3), ("one month", "Jun", 6.0, 0.5), ("two months", "May and Jun", 6.0, 0.6),
        ("first months", "May", 5.0, 0.3), ("first months", "May to Jun", 6.0, 0.6),
    )  # fmt: skip
    drawn = figures.figure("dates", rows, "kappa")
    line, alone, pairs = drawn.data
    assert (list(line.x), list(line.y), line.mode) == ([5, 6], [0.3, 0.6], "lines+markers")
    assert (list(alone.y), alone.mode) == ([0.3, 0.5], "markers")
    assert list(pairs.text) == ["May and Jun"]
    assert list(drawn.layout.xaxis.ticktext) == ["May", "Jun"]
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text) == ("Month", "Kappa")


def test_the_learning_curve_has_a_logarithmic_axis_and_a_line_for_each_kind_of_labels():
    rows = rows_of("labels", ("inventory", "a", 20.0, 0.5), ("inventory", "b", 10.0, 0.4), ("verified", "c", 12.0, 0.6))
    drawn = figures.figure("labels", rows)
    assert drawn.layout.xaxis.type == "log"
    assert {line.name: (list(line.x), list(line.y)) for line in drawn.data} == {
        "inventory labels": ([10, 20], [0.4, 0.5]), "verified labels": ([12], [0.6]),
    }  # fmt: skip
    assert drawn.layout.xaxis.title.text == "Samples learned from"


def test_variants_without_figures_are_not_drawn():
    failed = replace(rows_of("models", ("", "lstm", None, 0.5))[0], scores={}, samples=None, nearest=None)
    drawn = figures.figure("models", [failed, *rows_of("models", ("", "ltae", None, 0.7))])
    assert list(drawn.data[0].x) == ["ltae"]


# The command line


def test_study_and_studies_print_one_json_object(world):
    quick = ("--folds", "3", "--epochs", "2", "--device", "cpu")
    result = call("study", "models", "--collection", toy.NAME, "--models", "ltae,forest", *quick, "--name", "mine", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["study"], found["state"], found["kind"]) == ("mine", "finished", "models")
    assert [row["variant"] for row in found["rows"]] == ["ltae", "forest"]
    assert json.loads(call("studies", "mine", "--json").stdout) == found
    assert json.loads(call("studies", "--json").stdout)["studies"][0]["done"] == 2
    assert "| forest | 36 |" in call("studies", "mine").stdout
    again = call("study", "models", "--collection", toy.NAME, "--name", "mine")
    assert (again.exit_code, "There is a study mine already" in again.stderr) == (1, True)


def test_a_plan_trains_nothing(world):
    result = call("study", "dates", "--collection", toy.NAME, "--plan", "--json")
    found = json.loads(result.stdout)
    assert (found["runs"], len(found["variants"])) == (12, 14)
    assert control.listing(world) == []


def test_a_study_with_a_failed_run_ends_with_status_1_and_its_table(world):
    result = call("study", "indices", "--collection", toy.NAME, "--epochs", "1", "--folds", "40", "--json")
    assert result.exit_code == 1
    assert "too few for 40 parts" in json.loads(result.stdout)["rows"][0]["message"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("study",), 2, "Say what to compare"),
        (("study", "colours", "--collection", toy.NAME), 1, "There is no study 'colours'; choose one of indices"),
        (("study", "indices", "--collection", "mars"), 1, "There is no collection 'mars'"),
        (("study", "--resume", "nothing"), 1, "There is no study 'nothing'"),
        (("studies", "../.."), 1, "There is no study '../..'"),
        (("study", "splits", "--collection", toy.NAME, "--sides", "wide"), 2, "'wide' is no list of metres"),
        (("study", "indices", "--collection", toy.NAME, "--name", "../x"), 1, "A study cannot be called '../x'"),
    ],
)
def test_bad_input_ends_with_a_message_and_no_study(world, arguments, status, words):
    result = call(*arguments)
    assert result.exit_code == status
    assert words in result.stderr.replace("\n", " ")
    assert result.stdout == ""
    assert control.listing(world) == []


def test_no_studies_says_how_to_start_one(empty):
    assert "No studies yet. Start one with: python -m modeling study indices" in call("studies").stdout
    with pytest.raises(UnknownStudy, match="python -m modeling studies"):
        studydir.at(empty, "nothing")
