"""Checkpoints that are not what they should be: refused with a clear message, nothing run, nothing else harmed."""

import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from data.errors import CannotTrain
from data.workspace import Workspace
from modeling import checkpoint, predict, runs, training
from modeling.classifier import Classifier
from modeling.config import TrainConfig
from tests import modeling_world as toy

CLASSES = ("wheat", "canola", "soybean")


def whole(**changes) -> dict:
    """A sound checkpoint's content."""
    config = toy.config()
    state = Classifier(config, toy.BANDS, 3).state_dict()
    return checkpoint.content(config, CLASSES, toy.BANDS, "hash", {"train": state}) | changes


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "c.pt"


def refused(path: Path, content: object = None) -> str:
    if content is not None:
        torch.save(content, path)
    with pytest.raises(CannotTrain) as caught:
        checkpoint.load(path)
    assert len(str(caught.value)) < 600, "a message, not a page"
    return str(caught.value)


def test_a_sound_one_is_read(path):
    checkpoint.save(path, whole())
    assert checkpoint.load(path)["classes"] == list(CLASSES)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file(path, share):
    checkpoint.save(path, whole())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert "cannot be read" in refused(path)


def test_bytes_changed_anywhere_end_in_a_message_or_in_numbers(path):
    checkpoint.save(path, whole())
    sound, random = path.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        harmed = bytearray(sound)
        for place in random.integers(0, len(sound), 20):
            harmed[place] = random.integers(256)
        path.write_bytes(harmed)
        try:
            checkpoint.classifier(checkpoint.load(path), "train")
        except CannotTrain as error:
            assert str(path) in str(error) or "checkpoint" in str(error)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("inside", ["whole", "parts", "alone"])
def test_a_pickle_with_code_is_not_run(path, tmp_path, inside):
    mark = tmp_path / "executed"
    bomb = Bomb(mark)
    content = {"whole": bomb, "parts": whole(parts={"train": {"w": bomb}}), "alone": None}[inside]
    if inside == "alone":
        path.write_bytes(pickle.dumps(bomb))
        assert "cannot be read" in refused(path)
    else:
        assert "cannot be read" in refused(path, content)
    assert not mark.exists()


def test_packed_members_which_could_hide_any_size_are_refused_before_they_are_unpacked(path):
    buffer = io.BytesIO()
    torch.save(whole(), buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name) if not name.endswith("/data/0") else bytes(50_000_000))
    assert path.stat().st_size < 2_000_000
    assert "packed" in refused(path)


def test_a_tensor_that_claims_more_than_it_holds_is_refused(path):
    state = {"net.huge": torch.zeros(1).expand(10**12)}
    assert "another kind or size" in refused(path, whole(parts={"train": state}))


@pytest.mark.parametrize(
    "strange",
    [torch.zeros(3, 3).to_sparse(), torch.zeros(3, device="meta")],
    ids=["sparse", "meta"],
)
def test_tensors_of_other_kinds_are_refused(path, strange):
    refused(path, whole(parts={"train": {"w": strange}}))


def test_a_list_that_holds_itself_does_not_go_on_for_ever(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "MOST_VALUES", 10_000)
    content = whole()
    endless: list = []
    endless += [endless, endless]
    assert "more than 10,000 values" in refused(path, content | {"more": endless})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ["a"]}, "2 to 1000 names"),
        ({"classes": [f"class {number}" for number in range(100_000)]}, "100000 classes"),
        ({"classes": ["a", "a", "b"]}, "twice"),
        ({"classes": ["a", 7]}, "names"),
        ({"classes": ["a", "b" * 100_000]}, "names"),
        ({"classes": "wheat"}, "classes are missing or of another kind"),
        ({"bands": []}, "1 to 200 names"),
        ({"parts": [1, 2]}, "parts are missing or of another kind"),
        ({"parts": {"train": 5}}, "something else than states"),
        ({"parts": {"train": {3: torch.zeros(2)}}}, "something else than states"),
        ({"content_hash": 5}, "content_hash are missing"),
        ({"config": {"model": "ltae"}}, "config are missing or of another kind"),
        ({"config": "no json"}, "its settings cannot be used"),
        ({"config": "[1, 2]"}, "its settings cannot be used"),
        ({"config": "{}"}, "its settings cannot be used"),
        ({"config": "[" * 100_000}, "its settings cannot be used"),
        ({"config": json.dumps(json.loads(toy.config().to_json()) | {"model": "oracle"})}, "no model 'oracle'"),
        ({"config": json.dumps(json.loads(toy.config().to_json()) | {"epochs": "many"})}, "its settings cannot be used"),
        ({"config": json.dumps(json.loads(toy.config().to_json()) | {"wings": 2})}, "no training setting 'wings'"),
        ({"format": 2}, "has format 2"),
        ({"format": "x" * 10_000}, "has format xxx"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_content_of_another_shape(path, changes, message):
    assert message in refused(path, whole(**changes))


@pytest.mark.parametrize("key", ["classes", "bands", "parts", "config", "content_hash", "format"])
def test_a_missing_key(path, key):
    content = whole()
    del content[key]
    refused(path, content)


@pytest.mark.parametrize("content", [[1, 2], "text", 5, torch.zeros(3), {}], ids=str)
def test_something_else_that_pytorch_saved(path, content):
    assert "is no checkpoint" in refused(path, content)


@pytest.mark.parametrize(
    "harm",
    [
        lambda state: state.popitem(),
        lambda state: state.update({"net.more": torch.zeros(2)}),
        lambda state: state.update({"features.mean": torch.zeros(500)}),
        lambda state: state.update({"features.mean": "nought"}),
        lambda state: state.update({"features.mean": 1.5}),
        lambda state: state.update({"features.mean": state["features.mean"] * float("nan")}),
        lambda state: state.clear(),
    ],
    ids=["one less", "one more", "another shape", "text", "a number", "no number", "none"],
)
def test_parts_that_do_not_match_the_model(path, harm):
    content = whole()
    harm(content["parts"]["train"])
    torch.save(content, path)
    with pytest.raises(CannotTrain, match="damaged"):
        checkpoint.classifier(checkpoint.load(path), "train")


def test_bands_classes_settings_and_parts_of_others_are_named():
    stored, config = whole(), toy.config()
    with pytest.raises(CannotTrain, match=r"trained on the bands B02, .* the collection has B02, B08"):
        checkpoint.check_bands(stored, ("B02", "B08"))
    with pytest.raises(CannotTrain, match="trained on the classes wheat, canola, soybean; the collection has maize, wheat"):
        checkpoint.check_classes(stored, ("maize", "wheat"))
    with pytest.raises(CannotTrain, match="the collection has canola, wheat, soybean"):
        checkpoint.check_classes(stored, ("canola", "wheat", "soybean"))
    with pytest.raises(CannotTrain, match=r"its inputs is 'land.indices', the run's is 'rgb'"):
        checkpoint.check_run(stored, config.with_(inputs="rgb"))
    with pytest.raises(CannotTrain, match="models of the parts train; the run's split has fold-0, fold-1"):
        checkpoint.check_job(stored, config, toy.BANDS, CLASSES, ["fold-0", "fold-1"])
    checkpoint.check_job(stored, config.with_(threads=1, memory="streamed"), toy.BANDS, CLASSES, ["train"])


# In a run


@pytest.fixture
def world(empty) -> Workspace:
    return toy.world(empty)


def predictions(workspace: Workspace, run: str) -> list[tuple]:
    with workspace.store.reading() as db:
        return [tuple(row) for row in db.execute("select * from prediction where run = ? order by sample", [run])]


def finished(workspace: Workspace, **chosen) -> str:
    run = runs.create(workspace, toy.config(**{"epochs": 2} | chosen))
    training.train(workspace, run)
    return run.name


@pytest.mark.parametrize("other", ["settings", "classes", "fold", "cut"])
def test_predicting_from_another_checkpoint_says_so_and_leaves_the_predictions(world, other):
    run = finished(world, folds=2)
    before, file = predictions(world, run), world.runs / run / "checkpoint.pt"
    content = checkpoint.load(file)
    if other == "settings":
        content["config"] = TrainConfig.from_json(content["config"]).with_(inputs="bands").to_json()
    elif other == "classes":
        content["classes"] = ["wheat", "canola", "sunflower"]
    elif other == "fold":
        del content["parts"]["fold-1"]
    checkpoint.save(file, content)
    if other == "cut":
        file.write_bytes(file.read_bytes()[:1_000])
    with pytest.raises(CannotTrain, match="checkpoint"):
        predict.again(world, run)
    assert predictions(world, run) == before


@pytest.mark.parametrize("file", ["checkpoint.pt", "resume.pt"])
@pytest.mark.parametrize("harm", ["cut", "code", "foreign"])
def test_a_run_does_not_go_on_from_a_bad_file(world, tmp_path, file, harm):
    sound = finished(world, inputs="rgb")
    run = runs.create(world, toy.config(epochs=2))
    target = run.path / file
    if harm == "code":
        torch.save({"format": 1, "parts": Bomb(tmp_path / "executed")}, target)
    elif harm == "cut":
        target.write_bytes((world.runs / sound / "checkpoint.pt").read_bytes()[:500])
    elif file == "checkpoint.pt":
        target.write_bytes((world.runs / sound / "checkpoint.pt").read_bytes())
    else:
        from modeling.lessons import RESUME_FORMAT

        own = checkpoint.load(world.runs / sound / "checkpoint.pt")
        facts = {"format": 1, "resume": RESUME_FORMAT, "part": "train", "content_hash": own["content_hash"]}
        fit = {"epoch": 1, "best_epoch": 1, "batch_size": 32, "model": own["parts"]["train"], "optimizer": {}}
        checkpoint.save(target, facts | {"fit": fit})
    before = target.read_bytes()
    with pytest.raises(CannotTrain, match=r"cannot be read|is of another run|damaged or of another model"):
        training.train(world, run)
    assert target.read_bytes() == before
    assert not (tmp_path / "executed").exists()
    assert not run.read("results.json")
