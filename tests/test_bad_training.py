"""What cannot be trained is refused with a clear message, the run's state says so, nothing else is harmed; what can, tells what was odd.

In pages and commands the same functions work: here they are called as the command calls them, and a few times through the command itself.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from data.errors import CannotTrain, CropcheckError
from data.importing import import_collection
from data.workspace import Workspace
from modeling import estimators, predict, runs, samples, suspects, training, weights, working
from modeling.__main__ import main
from modeling.config import TrainConfig
from tests import modeling_world as toy

MODELS = ("ltae", "forest")  # a network and an estimator


@pytest.fixture(autouse=True)
def small_forest(monkeypatch):
    """What is tested here does not hang on how many trees there are."""
    monkeypatch.setitem(estimators.MADE, "forest", lambda config, made=estimators.forest: made(config).set_params(n_estimators=20))


def trained(workspace: Workspace, **chosen) -> str:
    """A run from start to end, in this process, as `python -m modeling train` does it."""
    run = runs.create(workspace, toy.config(**{"epochs": 2} | chosen))
    working.work(workspace, run, None)
    return run.name


def failed(workspace: Workspace, **chosen) -> str:
    """Train what cannot be trained; the message. The run's state holds it too, and no results or predictions are left."""
    before = {run.name for run in runs.listing(workspace)}
    with pytest.raises(CropcheckError) as caught:
        trained(workspace, **chosen)
    for run in runs.listing(workspace):
        if run.name not in before:
            assert (run.state, run.message) == ("failed", str(caught.value))
            assert not (workspace.runs / run.name / "results.json").exists()
            assert count(workspace, "prediction", run.name) == 0
    return str(caught.value)


def count(workspace: Workspace, table: str, run: str) -> int:
    with workspace.store.reading() as db:
        return db.execute(f"select count(*) from {table} where run = ?", [run]).fetchone()[0]


def command(workspace: Workspace, *arguments: str) -> tuple[int, str]:
    result = CliRunner(env={"CROPCHECK_HOME": str(workspace.home)}).invoke(main, ["train", "--collection", toy.NAME, *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def made(workspace: Workspace, change) -> Workspace:
    """The toy collection, each sample passed through `change(number, sample)` first."""
    plain = [toy.sample(number, code) for number, code in enumerate(toy.codes_of({146: 12, 153: 12, 158: 12}))]
    import_collection(workspace, toy.spec(), [change(number, one) for number, one in enumerate(plain)], shard_size=16)
    return workspace


def without(one, band: str | None = None, slots: tuple[int, ...] = (0, 1, 2, 3)):
    """The sample with no data in a band, or in all, at some dates."""
    numbers = one.pixels.copy()
    bands = slice(None) if band is None else toy.BANDS.index(band)
    for slot in slots:
        numbers[slot, bands] = 0
    return replace(one, pixels=numbers)


def notes(workspace: Workspace, run: str) -> str:
    return " ".join(runs.results(workspace, run).notes)


@pytest.fixture
def world(empty) -> Workspace:
    return toy.world(empty)


# Labels and splits


def test_a_class_with_fewer_samples_than_folds_is_learned_and_the_reader_is_told(empty):
    world = toy.world(empty, {146: 12, 153: 12, 158: 2})
    run = trained(world, folds=5, model="forest")
    found = runs.results(world, run)
    assert found.confusion.sum() == 26
    assert dict(zip(found.classes, found.confusion.sum(axis=1), strict=True))["soybean"] == 2
    code, shown = command(world, "--model", "forest", "--folds", "5")
    assert code == 0, shown


def test_a_class_that_some_fold_never_sees_is_named(empty):
    """Both soybean samples at one site: they share a fold, whose model cannot know the class."""
    crops = [toy.sample(number, code) for number, code in enumerate([146, 153] * 8)]
    soy = [toy.sample(90, 158, site="site-40", year=year) for year in (2020, 2021)]
    import_collection(empty, toy.spec(), [*crops, *soy], shard_size=16)
    assert "learned from no sample of soybean" in notes(empty, trained(empty, folds=4, model="forest"))


@pytest.mark.parametrize("model", MODELS)
def test_a_class_of_one_sample_is_refused(empty, model):
    world = toy.world(empty, {146: 8, 153: 8, 158: 1})
    assert "The class 'soybean' has one sample" in failed(world, model=model)
    code, shown = command(world, "--model", model)
    assert code != 0 and "The class 'soybean' has one sample" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("model", MODELS)
def test_labels_of_one_class_are_refused(empty, model):
    world = toy.world(empty, {146: 20, 50: 5})
    assert "only the class 'wheat'; a model needs at least two" in failed(world, model=model)
    assert runs.listing(world) == [], "nothing was begun"


def test_verified_labels_of_nobody_are_refused(world):
    assert "Verify some first" in failed(world, labels="verified")


@pytest.mark.parametrize(
    "chosen",
    [
        {"folds": 500},
        {"split": "block", "block_side_m": 1e7, "folds": 5},  # there are four, around the grid's origin
        {"split": "region"},
        {"split": "year", "folds": 2},
        {"split": "region", "held_out": "Nowhere"},
        {"split": "year", "held_out": "1999"},
        {"split": "the-one-of-the-paper"},
        {"shares": "100/0/0"},
        {"shares": "a/b/c"},
    ],
    ids=str,
)
def test_a_split_that_would_leave_a_part_empty_is_refused(world, chosen):
    message = failed(world, **chosen)
    assert len(message) > 30
    assert runs.listing(world) == [], "it is seen before a run is made"
    options = {"block_side_m": "--block-side"}
    code, shown = command(
        world, *(str(part) for key, value in chosen.items() for part in (options.get(key, f"--{key.replace('_', '-')}"), value))
    )
    assert code != 0 and message in " ".join(shown.split()) and "Traceback" not in shown


# Pixels


@pytest.mark.parametrize("model", MODELS)
def test_a_band_missing_in_half_of_the_samples_is_told_and_trained_with(empty, model):
    world = made(empty, lambda number, one: without(one, "B11") if number % 2 else one)
    run = trained(world, model=model, inputs="bands")
    assert "B11 is missing in" in notes(world, run)
    assert runs.status(world, run).state == "finished"
    assert count(world, "prediction", run) == 36


@pytest.mark.parametrize("model", MODELS)
def test_a_band_missing_in_all_samples_is_refused_and_left_out_on_demand(empty, model):
    world = made(empty, lambda number, one: without(one, "B11"))
    assert "B11 has no value in any sample of the training part of toy. Leave it out" in failed(world, model=model, inputs="bands")
    code, shown = command(world, "--model", model, "--inputs", "bands", "--epochs", "2")
    assert code != 0 and "B11 has no value" in shown
    assert runs.status(world, trained(world, model=model, inputs="B04+B08")).state == "finished"


@pytest.mark.parametrize("model", MODELS)
def test_a_sample_without_any_data_is_neither_learned_from_nor_predicted_and_this_is_told(empty, model):
    world = made(empty, lambda number, one: without(one) if number in (4, 7) else one)
    run = trained(world, model=model, folds=2)
    assert "2 labelled samples have no image" in notes(world, run)
    with world.store.reading() as db:
        query = "select s.name from prediction p join sample s on s.id = p.sample where p.run = ?"
        names = {row["name"] for row in db.execute(query, [run])}
    assert len(names) == 34 and not names & {"S004-2020", "S007-2020"}
    assert runs.results(world, run).confusion.sum() == 34


@pytest.mark.parametrize("model", MODELS)
def test_no_image_in_the_chosen_months_for_some_samples_is_told(empty, model):
    world = toy.world(empty, missing=[(4, 1), (9, 1)])
    run = trained(world, model=model, months="6")
    assert "2 labelled samples have no image in the chosen months" in notes(world, run)
    assert count(world, "prediction", run) == 37


@pytest.mark.parametrize("model", MODELS)
def test_no_image_in_the_chosen_months_for_all_samples_is_refused(world, model):
    assert "has an image in the months 2; there are images in 5, 6, 7, 8" in failed(world, model=model, months="2")
    code, shown = command(world, "--model", model, "--months", "2")
    assert code != 0 and "there are images in 5, 6, 7, 8" in " ".join(shown.split())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("named", "message"), [("B99", "'B99', which is no band"), ("NDFOO", "'NDFOO', which is no band"), ("", "no"), ("B08+MAGIC", "'MAGIC'")]
)
def test_an_unknown_band_or_index_is_named(world, model, named, message):
    assert message in failed(world, model=model, inputs=named)
    code, shown = command(world, "--model", model, "--inputs", named)
    assert code != 0 and "Traceback" not in shown


def test_a_damaged_shard_is_named_and_the_other_runs_stay(world):
    sound = trained(world, model="forest")
    before = (world.runs / sound / "results.json").read_text()
    for shard in Path(world.shards(toy.NAME)).glob("*.npy"):
        shard.write_bytes(shard.read_bytes()[:100])
    assert ".npy" in failed(world, model="forest")
    assert (world.runs / sound / "results.json").read_text() == before
    assert runs.status(world, sound).state == "finished"


# Checkpoints


def test_predicting_a_collection_whose_classes_have_changed_says_so(world):
    run = trained(world, model="forest")
    with world.store.writing() as db:
        db.execute("pragma defer_foreign_keys = on")
        db.execute("update learned_class set name = 'maize' where name = 'canola'")
        db.execute("update legend_class set learned = 'maize' where learned = 'canola'")
    before = count(world, "prediction", run)
    result = CliRunner(env={"CROPCHECK_HOME": str(world.home)}).invoke(main, ["predict", "--run", run])
    assert result.exit_code != 0 and "trained on the classes wheat, canola, soybean" in " ".join(result.output.split())
    assert count(world, "prediction", run) == before


def test_predicting_a_collection_whose_bands_have_changed_says_so(world):
    run = trained(world, model="forest", inputs="B08")
    with world.store.writing() as db:
        db.execute("update collection set bands = ? where name = ?", [json.dumps(["B01", *toy.BANDS[1:]]), toy.NAME])
    with pytest.raises(CannotTrain, match="trained on the bands B02"):
        predict.again(world, run)


@pytest.mark.parametrize("model", MODELS)
def test_a_run_with_a_damaged_checkpoint_fails_to_resume_with_its_name_and_others_go_on(world, model):
    run = runs.create(world, toy.config(model=model, epochs=2, folds=2))
    run.checkpoint.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(CannotTrain, match="cannot be read"):
        working.work(world, run, None)
    found = runs.status(world, run.name)
    assert found.state == "failed" and str(run.checkpoint) in found.message
    run.checkpoint.unlink()
    working.work(world, runs.resumable(world, run.name), None)
    assert runs.status(world, run.name).state == "finished"


# Weights of labels


@pytest.mark.parametrize("labels", ["mixed", "verified"])
@pytest.mark.parametrize("model", MODELS)
def test_a_rejected_sample_is_never_learned_from(world, model, labels, monkeypatch):
    names = samples.load(world.store, toy.NAME, "inventory").names
    for number, name in enumerate(names[:36]):
        toy.decide(
            world,
            name,
            "reject" if number < 6 else "agree",
            None if number < 6 else toy.codes_of({146: 12, 153: 12, 158: 12, 50: 3})[number],
        )
    rejected = set(names[:6])
    known = samples.load(world.store, toy.NAME, labels)
    assert not {name for name, truth in zip(known.names, known.truth, strict=True) if truth >= 0} & rejected
    run = trained(world, model=model, labels=labels, folds=2)
    with world.store.reading() as db:
        query = "select p.part, p.truth from prediction p join sample s on s.id = p.sample where p.run = ? and s.name = ?"
        rows = [tuple(db.execute(query, [run, name]).fetchone()) for name in rejected]
    assert rows == [("outside", None)] * 6


def confused(workspace: Workspace) -> Workspace:
    """Crops whose inventory labels are all shifted by one; a third of the samples were relabelled to what they are."""
    right = toy.codes_of({146: 30, 153: 30, 158: 30})
    after = {146: 153, 153: 158, 158: 146}
    made = [replace(toy.sample(number, code), inventory_code=after[code]) for number, code in enumerate(right)]
    import_collection(workspace, toy.spec(), made, shard_size=32)
    for number in (first + (first // 3) % 3 for first in range(0, 90, 3)):  # some of every crop
        toy.decide(workspace, made[number].name, "relabel", right[number])
    return workspace


@pytest.mark.parametrize(("model", "epochs"), [("ltae", 40), ("forest", 1)])
def test_labels_that_nobody_verified_lose_where_they_hardly_weigh(empty, model, epochs):
    """Two labels in three are wrong, and none of them is verified."""
    world, found = confused(empty), {}
    right = np.array([["wheat", "canola", "soybean"][number % 3] for number in range(90)])
    for weight in (1.0, 1e-3):
        run = trained(
            world, model=model, labels="mixed", unverified_weight=weight, epochs=epochs, noise=0.0, label_smoothing=0.0, patience=0
        )
        with world.store.reading() as db:
            predicted = [row["predicted"] for row in db.execute("select predicted from prediction where run = ? order by sample", [run])]
        found[weight] = (np.array(predicted) == right).mean()
    assert found[1.0] < 0.5
    assert found[1e-3] > 0.6


def test_what_is_weighed_is_what_was_decided(world):
    toy.decide(world, "S000-2020", "agree", 146)
    known = samples.load(world.store, toy.NAME, "mixed")
    config = TrainConfig.for_model("ltae", toy.NAME, labels="mixed", unverified_weight=0.4)
    job = training.prepare(world, config, torch.device("cpu"))
    expected = np.where(np.array(known.names) == "S000-2020", 1.0, 0.4)
    np.testing.assert_allclose(job.feed.weight.numpy(), expected, rtol=1e-6)


def test_a_doubted_label_weighs_what_the_ranking_holds_it_likely(world):
    run = trained(world, model="forest", folds=3)
    suspects.search(world, [run])
    toy.decide(world, "S000-2020", "agree", 146)
    toy.decide(world, "S001-2020", "relabel", 158)  # a label that was not ranked
    known = samples.load(world.store, toy.NAME, "mixed")
    found = weights.of_labels(world.store, toy.config(labels="mixed", doubts=run, unverified_weight=0.4), known)
    assert found[:2].tolist() == [1.0, 1.0]
    with world.store.reading() as db:
        likely = dict(map(tuple, db.execute("select sample, probability from suspect where run = ?", [run])))
    expected = [max(0.01, likely.get(sample, 0.4)) for sample in known.ids[2:].tolist()]
    np.testing.assert_allclose(found[2:], expected)
    assert len(set(found.tolist())) > 3
    plain = samples.load(world.store, toy.NAME, "inventory")
    assert weights.of_labels(world.store, toy.config(), plain).tolist() == [1.0] * len(plain)
    trained(world, model="ltae", labels="mixed", doubts=run, epochs=1)


def test_a_run_that_ranked_nothing_cannot_weigh_labels(world):
    with pytest.raises(CannotTrain, match=r"The run 'nowhere' has ranked no labels of toy\. Rank them with"):
        runs.create(world, toy.config(doubts="nowhere"))
    assert runs.listing(world) == []
