"""Where networks place samples: every model's vectors against its logits, the file, neighbours against scikit-learn, no leak."""

import json

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from data import embeddings
from data.errors import BadInput, UnknownRun, UnknownSample, WorkspaceError
from labeling.rankings import similar
from modeling import checkpoint, machine, pixels, predict, registry, runs, samples, suspects, training
from modeling.classifier import Classifier
from modeling.feeding import Feed
from modeling.fitting import embedded, scores
from modeling.rundir import RunDir
from tests import modeling_world as toy
from tests.conftest import ROOT

NETWORKS = [name for name, model in registry.MODELS.items() if not model.estimator]


def trained(workspace, **chosen) -> RunDir:
    run = runs.create(workspace, toy.config(**{"epochs": 2} | chosen))
    training.train(workspace, run)
    return run


@pytest.fixture
def world(empty):
    return toy.world(empty)


def as_stored(run: RunDir, part: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The run's vectors, and the last layer of its model of one part applied to them."""
    stored = checkpoint.load(run.checkpoint)
    last = checkpoint.classifier(stored, part or next(iter(stored["parts"]))).last
    kept = embeddings.read(run.path)
    logits = kept.vectors.astype(np.float64) @ last.weight.detach().double().numpy().T + last.bias.detach().double().numpy()
    return kept.samples, logits


def logits_of(workspace, run: RunDir, part: str | None = None) -> np.ndarray:
    """What the model itself says of every sample."""
    stored = checkpoint.load(run.checkpoint)
    known = samples.everything(workspace.store, toy.NAME, tuple(stored["classes"]))
    source = pixels.load(workspace, known, run.config())
    feed = Feed(source, known.truth, np.ones(len(known)), machine.prepare(run.config()))
    return scores(checkpoint.classifier(stored, part or next(iter(stored["parts"]))), feed, torch.arange(len(known))).numpy()


# What is stored


@pytest.mark.parametrize("model", NETWORKS)
def test_the_last_layer_of_every_network_makes_the_logits_from_its_embedding(model):
    classes, size, dates = 5, 3, 4
    torch.manual_seed(0)
    config = toy.config(model=model)
    net = Classifier(config, toy.BANDS, classes).eval()
    shape = {registry.SERIES: (), registry.PIXELS: (7,), registry.SEQUENCE: (32, 32), registry.IMAGE: (32, 32)}[net.kind]
    time = 1 if net.kind == registry.IMAGE else dates
    values = torch.rand(size, *(() if net.kind == registry.IMAGE else (time,)), len(toy.BANDS), *shape)
    present, days = torch.ones(size, time, dtype=torch.bool), torch.arange(1, time + 1).repeat(size, 1) * 30.0
    with torch.inference_mode():
        vectors = net.embedding(values, present, days)
        assert net.last.out_features == classes
        torch.testing.assert_close(net.last(vectors), net(values, present, days), atol=1e-5, rtol=0)


@pytest.mark.parametrize("model", ["ltae", "lstm"])
def test_a_finished_run_keeps_vectors_whose_logits_are_the_models(world, model):
    run = trained(world, model=model)
    numbers, logits = as_stored(run)
    assert numbers.tolist() == samples.everything(world.store, toy.NAME, ("canola", "soybean", "wheat")).ids.tolist()
    np.testing.assert_allclose(logits, logits_of(world, run), atol=1e-5, rtol=0)


def test_a_run_with_folds_places_all_samples_by_one_model_so_that_they_can_be_compared(world):
    run = trained(world, folds=3)
    numbers, logits = as_stored(run, "fold-0")
    assert len(numbers) == 39
    np.testing.assert_allclose(logits, logits_of(world, run, "fold-0"), atol=1e-5, rtol=0)


def test_a_model_of_every_image_places_a_sample_at_the_mean_of_its_images(empty):
    world = toy.world(empty, {146: 6, 153: 6}, size=8, missing=[(2, 1)])
    run = trained(world, model="resnet18", months="each", epochs=1)
    config, stored = run.config(), checkpoint.load(run.checkpoint)
    known = samples.everything(world.store, toy.NAME, tuple(stored["classes"]))
    feed = Feed(pixels.load(world, known, config), known.truth, np.ones(len(known)), machine.prepare(config))
    model = checkpoint.classifier(stored, "train")
    (batch,) = feed.batches([torch.tensor([2])])
    there = [slot for slot in range(batch.present.shape[1]) if batch.present[0, slot]]
    assert len(there) == 3
    with torch.inference_mode():
        model.eval()
        each = [model.embedding(batch.values[:, at], batch.present[:, at, None], batch.days[:, at, None]) for at in there]
    np.testing.assert_allclose(embeddings.read(run.path).vectors[2], torch.cat(each).mean(0).numpy(), atol=1e-5)
    assert embedded(model, feed, torch.tensor([2])).shape == (1, 512)


def test_samples_without_an_image_have_no_vector(empty):
    world = toy.world(empty, missing=[(4, slot) for slot in range(4)])
    run = trained(world)
    with world.store.reading() as db:
        unseen = db.execute("select id from sample where name = 'S004-2020'").fetchone()["id"]
    assert unseen not in embeddings.read(run.path).samples
    with pytest.raises(BadInput, match="says nothing of the sample S004-2020"):
        similar.ranked(world, toy.NAME, sample="S004-2020")


def test_trees_keep_no_file(world):
    assert embeddings.read(trained(world, model="forest", epochs=1).path) is None


def test_predicting_again_writes_the_vectors_again(world):
    run = trained(world)
    before = np.array(embeddings.read(run.path).vectors)
    (run.path / embeddings.NAME).unlink()
    predict.again(world, run.name)
    np.testing.assert_array_equal(embeddings.read(run.path).vectors, before)


# The file


def test_vectors_come_back_in_the_order_of_their_samples(tmp_path):
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    embeddings.write(tmp_path, np.array([9, 2, 5]), vectors)
    kept = embeddings.read(tmp_path)
    assert kept.samples.tolist() == [2, 5, 9]
    np.testing.assert_array_equal(kept.vectors, vectors[[1, 2, 0]])
    assert isinstance(kept.vectors, np.memmap)


def test_a_write_that_fails_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    embeddings.write(tmp_path, np.array([1]), np.ones((1, 2)))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(embeddings.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        embeddings.write(tmp_path, np.array([1, 2]), np.zeros((2, 2)))
    assert embeddings.read(tmp_path).vectors.tolist() == [[1, 1]]
    assert [path.name for path in tmp_path.iterdir()] == [embeddings.NAME]


@pytest.mark.parametrize("damage", [b"", b"nonsense", "cut", "other"])
def test_a_damaged_file_is_named_with_the_way_out(tmp_path, damage):
    path = tmp_path / embeddings.NAME
    if damage == "other":
        np.save(path, np.zeros((3, 4)))
    else:
        embeddings.write(tmp_path, np.arange(50), np.ones((50, 8)))
        path.write_bytes(path.read_bytes()[:500] if damage == "cut" else damage)
    with pytest.raises(WorkspaceError, match=r"embedding\.npy is damaged .* python -m modeling predict --run"):
        embeddings.read(tmp_path)


# Neighbours


def test_distances_are_those_of_scikit_learn_however_they_are_chunked(monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32)
    vectors[7] = 0
    monkeypatch.setattr(similar, "CHUNK", 64)
    distances, order = NearestNeighbors(n_neighbors=500, metric="cosine").fit(vectors.astype(np.float64)).kneighbors(vectors[3:4])
    found = similar.cosine_distances(vectors, vectors[3])
    np.testing.assert_allclose(found[order[0]], distances[0], atol=1e-12)
    assert found[7] == 1


def test_the_ranking_is_that_of_scikit_learn(world):
    run = trained(world)
    kept = embeddings.read(run.path)
    model = NearestNeighbors(n_neighbors=11, metric="cosine").fit(kept.vectors.astype(np.float64))
    distances, order = model.kneighbors(kept.vectors[5:6].astype(np.float64))
    found = similar.ranked(world, toy.NAME, sample=int(kept.samples[5]), limit=10)
    assert [entry.sample for entry in found] == kept.samples[order[0, 1:]].tolist()
    np.testing.assert_allclose([entry.score for entry in found], distances[0, 1:], atol=1e-9)
    assert found[0].reason == f"Like S005-2020 to run {run.name}: number 1, cosine distance {found[0].score:.3f}."


def test_a_trained_model_finds_samples_of_the_same_crop_first(world):
    trained(world, epochs=30)
    with world.store.reading() as db:
        crop = dict(tuple(row) for row in db.execute("select id, inventory_code from sample"))
    wheat = next(number for number, code in crop.items() if code == 146)
    nearest = similar.ranked(world, toy.NAME, sample=wheat, limit=8)
    assert sum(crop[entry.sample] == 146 for entry in nearest) >= 7


def test_without_an_embedding_probabilities_take_its_place_and_the_reason_says_so(world):
    run = trained(world, model="forest", epochs=1, folds=3)
    with world.store.reading() as db:
        rows = db.execute("select sample, probabilities from prediction where run = ? order by sample", [run.name]).fetchall()
    shares = np.array([json.loads(row["probabilities"]) for row in rows])
    distances, _ = NearestNeighbors(n_neighbors=39, metric="cosine").fit(shares).kneighbors(shares[:1])
    found = similar.ranked(world, toy.NAME, sample=rows[0]["sample"])
    np.testing.assert_allclose([entry.score for entry in found], distances[0, 1:], atol=1e-6)
    assert f"by the class probabilities of run {run.name}, which keeps no embedding" in found[0].reason


def test_decided_samples_are_left_out_unless_asked_for(world):
    trained(world)
    toy.decide(world, "S001-2020", "reject")
    with world.store.reading() as db:
        decided = db.execute("select id from sample where name = 'S001-2020'").fetchone()["id"]
    assert decided not in [entry.sample for entry in similar.ranked(world, toy.NAME, sample="S000-2020")]
    assert decided in [entry.sample for entry in similar.ranked(world, toy.NAME, sample="S000-2020", decided=True)]


def test_a_sample_that_was_deleted_since_is_not_found_again(world):
    trained(world)
    with world.store.writing() as db:
        gone = db.execute("select id from sample where name = 'S007-2020'").fetchone()["id"]
        db.execute("delete from index_stat where image in (select id from image where sample = ?)", [gone])
        for table in ("prediction", "image", "split_member"):
            db.execute(f"delete from {table} where sample = ?", [gone])
        db.execute("delete from sample where id = ?", [gone])
    found = similar.ranked(world, toy.NAME, sample="S000-2020")
    assert len(found) == 37
    assert gone not in [entry.sample for entry in found]


def test_what_cannot_be_asked_is_told(world):
    with pytest.raises(BadInput, match="No run of toy has predictions on samples that were not learned from"):
        similar.ranked(world, toy.NAME, sample="S000-2020")
    trained(world, epochs=1)
    with pytest.raises(UnknownSample, match="no sample 'nobody' in toy"):
        similar.ranked(world, toy.NAME, sample="nobody")
    with pytest.raises(UnknownRun, match="no run 'nothing' of toy"):
        similar.ranked(world, toy.NAME, sample="S000-2020", run="nothing")


# Nothing leaks


def test_what_judges_a_run_is_the_same_with_and_without_an_embedding(world):
    run = trained(world, folds=3)
    found, doubted = runs.results(world, run.name), suspects.search(world, [run.name])
    (run.path / embeddings.NAME).unlink()
    again = runs.results(world, run.name)
    np.testing.assert_array_equal(again.confusion, found.confusion)
    assert suspects.search(world, [run.name]) == doubted


def test_in_modeling_only_what_writes_embeddings_knows_of_them():
    assert {path.name for path in (ROOT / "modeling").rglob("*.py") if "embeddings" in path.read_text()} == {"predict.py", "rundir.py"}
