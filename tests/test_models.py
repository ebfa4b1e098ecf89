"""Models, their inputs, and which samples and labels they learn from."""

import numpy as np
import pytest
import torch

from data import indices, shards
from data.errors import CannotTrain, PixelsUnreadable, UnknownCollection, UnknownModel
from modeling import checkpoint, pixels, registry, samples
from modeling.classifier import Classifier, Features, decoded
from modeling.config import TrainConfig
from modeling.models.ltae import LTAE
from tests import modeling_world as toy
from tests.kinds_world import MONTHLY

ALL_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")


def season(size: int = 5, dates: int = 7, channels: int = 18) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    days = torch.linspace(100, 280, dates).repeat(size, 1)
    return torch.randn(size, dates, channels), torch.ones(size, dates, dtype=torch.bool), days


def test_ltae_ignores_what_a_masked_date_holds():
    x, present, days = season()
    present[:, 2] = False
    model = LTAE(18, 6).eval()
    before = model(x, present, days)
    x[:, 2], days[:, 2] = 1e3, 0.0
    torch.testing.assert_close(model(x, present, days), before)


def test_ltae_does_not_care_for_the_order_of_dates_but_for_their_days():
    x, present, days = season()
    model, order = LTAE(18, 6).eval(), torch.randperm(7)
    torch.testing.assert_close(model(x[:, order], present, days[:, order]), model(x, present, days), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(model(x, present, days + 20), model(x, present, days))


def test_a_sample_without_any_date_gets_finite_scores():
    x, present, days = season()
    assert LTAE(18, 6).eval()(x * 0, ~present, days * 0).isfinite().all()


def test_the_folded_query_is_the_papers_attention():
    """Scores from keys and a learned query, as published, equal those of the folded projection."""
    torch.manual_seed(1)
    width, heads, key = 32, 4, 8
    project, query, x = torch.randn(heads * key, width), torch.randn(heads, key), torch.randn(3, 6, width)
    keys = (x @ project.T).view(3, 6, heads, key)
    published = (keys * query).sum(-1) / key**0.5
    folded = torch.einsum("hk,hkw->hw", query, project.view(heads, key, width)) / key**0.5
    torch.testing.assert_close(x @ folded.T, published, atol=1e-4, rtol=1e-4)


def test_ltae_is_light():
    assert sum(parameter.numel() for parameter in LTAE(19, 6).parameters()) < 100_000


@pytest.mark.parametrize("size", [1, 8, 64, 66])
def test_resnet_takes_any_number_of_bands_and_any_patch_size(size):
    net = registry.named("resnet18").build(12, 3).eval()
    assert net(torch.zeros(2, 12, size, size), torch.ones(2, 1, dtype=torch.bool), torch.ones(2, 1)).shape == (2, 3)


@pytest.mark.parametrize("kind", ["series", "image"])
def test_index_channels_agree_with_the_indices_of_the_app(kind):
    reflectance = torch.rand(4, 3, 12) * 0.5 + 0.02
    values = reflectance if kind == "series" else reflectance.movedim(-1, 1).unsqueeze(-1)
    features = Features(ALL_BANDS, "indices", kind)
    found = features(values) if kind == "series" else features(values).squeeze(-1).movedim(1, -1)
    by_name = {band: reflectance[..., at].numpy() for at, band in enumerate(ALL_BANDS)}
    names = [channel.name for channel in features.channels]
    for name in ("NDVI", "PSRI"):
        expected = np.clip(indices.compute(name, by_name), -2, 2)
        np.testing.assert_allclose(found[..., names.index(name)].numpy(), expected, atol=1e-5)


def test_channels_are_standardised_on_the_dates_that_count_and_unknown_is_zero():
    values, present = torch.rand(50, 4, 12), torch.rand(50, 4) < 0.7
    values[~present] = 99.0
    values[0, 0, 3] = torch.nan
    features = Features(ALL_BANDS, "bands", "series")
    features.fit([(values[:20], present[:20]), (values[20:], present[20:])])
    found = features(values)[present]
    torch.testing.assert_close(found.mean(0), torch.zeros(12), atol=0.02, rtol=0)
    torch.testing.assert_close(found.std(0), torch.ones(12), atol=0.03, rtol=0)
    assert features(values)[0, 0, 3] == 0


def test_pixels_keep_their_sixteen_bits():
    numbers = np.array([0, 1, 10_000, 40_000, 65_535], dtype=np.uint16)
    found = decoded(torch.from_numpy(numbers.view(np.int16)))
    assert found[0].isnan()
    np.testing.assert_allclose(found[1:], numbers[1:] / 10_000, rtol=1e-6)


def test_an_unknown_model_names_those_there_are():
    with pytest.raises(UnknownModel, match="no model 'alexnet'; choose one of ltae, pixelset"):
        TrainConfig.for_model("alexnet", toy.NAME)


def test_an_unknown_or_impossible_setting_is_named():
    with pytest.raises(CannotTrain, match="no training setting 'lr'"):
        TrainConfig.for_model("ltae", toy.NAME, lr=1)
    with pytest.raises(CannotTrain, match="labels is 'mine'; choose one of inventory, verified, mixed"):
        TrainConfig.for_model("ltae", toy.NAME, labels="mine")
    with pytest.raises(CannotTrain, match="epochs is 0; it must be at least 1"):
        TrainConfig.for_model("ltae", toy.NAME, epochs=0)
    assert TrainConfig.from_json(toy.config().to_json()) == toy.config()


def test_labels_come_from_the_inventory_the_decisions_or_both(empty):
    toy.world(empty, {146: 3, 153: 3, 50: 1})
    toy.decide(empty, "S000-2020", "relabel", 153)
    toy.decide(empty, "S001-2020", "reject")
    toy.decide(empty, "S003-2020", "agree", 146)
    toy.decide(empty, "S004-2020", "relabel", 146)
    toy.decide(empty, "S006-2020", "agree", 153)

    def classes(labels: str) -> list[str | None]:
        known = samples.load(empty.store, toy.NAME, labels)
        return [None if at < 0 else known.classes[at][0] for at in known.truth]

    assert classes("inventory") == ["w", "c", None, "w", "c", "w", "c"]
    assert classes("mixed") == ["c", None, None, "w", "w", "w", "c"]
    assert classes("verified") == ["c", None, None, "w", "w", None, "c"]


def test_the_dataset_version_changes_with_every_label_and_part(empty):
    toy.world(empty)
    parts = np.array(["train"] * 39)
    before = samples.load(empty.store, toy.NAME, "mixed")
    toy.decide(empty, "S000-2020", "relabel", 153)
    after = samples.load(empty.store, toy.NAME, "mixed")
    assert (before.last_event, after.last_event) == (0, 1)
    assert before.content_hash(parts) != after.content_hash(parts)
    assert before.content_hash(parts) != before.content_hash(np.array(["test"] + ["train"] * 38))
    assert before.content_hash(parts) == samples.load(empty.store, toy.NAME, "inventory").content_hash(parts)


def test_verified_only_without_decisions_says_what_to_do(empty):
    with pytest.raises(CannotTrain, match=r"No sample of toy has a verified label .* Verify some first"):
        samples.load(toy.world(empty).store, toy.NAME, "verified")


def test_a_class_with_one_sample_is_named(empty):
    with pytest.raises(CannotTrain, match=r"class 'soybean' has one sample .* needs at least 2"):
        samples.load(toy.world(empty, {146: 5, 153: 5, 158: 1}).store, toy.NAME, "inventory")


def test_a_single_class_is_not_enough(empty):
    with pytest.raises(CannotTrain, match="only the class 'wheat'; a model needs at least two"):
        samples.load(toy.world(empty, {146: 5, 50: 5}).store, toy.NAME, "inventory")


def test_an_unknown_collection_names_those_there_are(empty):
    with pytest.raises(UnknownCollection, match="no collection 'mars'"):
        samples.load(empty.store, "mars", "inventory")


def test_missing_and_bad_dates_do_not_count(empty):
    toy.world(empty, missing=[(0, 1)])
    with empty.store.writing() as db:
        db.execute(
            """insert into event (uid, sample, image, curator, action, new, stands, at)
            select 'x', sample, id, 'ada', 'quality', 'bad', 1, '' from image where sample = 2 and slot = 3"""
        )
    known = samples.load(empty.store, toy.NAME, "inventory")
    found = pixels.load(empty, known, toy.config())
    assert found.present[:3].tolist() == [[True, False, True, True], [True, True, True, False], [True] * 4]
    assert np.isnan(found.values[0, 1]).all()
    assert found.days[2].tolist() == [122, 153, 183, 214]


def test_the_image_of_a_static_model_is_the_greenest_clear_one(empty):
    known = samples.load(toy.world(empty, size=8).store, toy.NAME, "inventory")
    found = pixels.load(empty, known, toy.config(model="resnet18"))
    assert found.values.shape == found.values[np.arange(39)].shape == (39, 9, 8, 8)
    assert found.values.dtype == np.uint16
    assert found.days[:3, 0].tolist() == [153, 183, 214]  # wheat peaks in June, canola in July, soybean in August


def test_a_damaged_shard_is_named(empty):
    toy.world(empty)
    known = samples.load(empty.store, toy.NAME, "inventory")
    path = shards.path_of(empty.shards(toy.NAME), "0001", ".series")
    shards.write(path, np.zeros((2, 4, 9), dtype=np.float32))
    with pytest.raises(PixelsUnreadable, match=r"0001\.series\.npy holds an array of shape \(2, 4, 9\); .* at least 16 samples"):
        pixels.load(empty, known, toy.config())
    path.unlink()
    with pytest.raises(PixelsUnreadable, match="is missing"):
        pixels.load(empty, known, toy.config())


def test_a_checkpoint_gives_back_the_same_model(tmp_path):
    config = toy.config()
    model = Classifier(config, toy.BANDS, 3).eval()
    model.features.fit([(torch.rand(20, 4, 9), torch.ones(20, 4, dtype=torch.bool))])
    checkpoint.save(tmp_path / "c.pt", checkpoint.content(config, ("a", "b", "c"), toy.BANDS, "hash", {"train": model.state_dict()}))
    again = checkpoint.classifier(checkpoint.load(tmp_path / "c.pt"), "train").eval()
    inputs = torch.rand(5, 4, 9), torch.ones(5, 4, dtype=torch.bool), torch.full((5, 4), 150.0)
    torch.testing.assert_close(again(*inputs), model(*inputs))


def test_a_damaged_or_newer_checkpoint_is_refused(tmp_path):
    path = tmp_path / "c.pt"
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(CannotTrain, match="cannot be read"):
        checkpoint.load(path)
    checkpoint.save(path, {"format": 99})
    with pytest.raises(CannotTrain, match="has format 99"):
        checkpoint.load(path)
    with pytest.raises(CannotTrain, match="is missing"):
        checkpoint.load(tmp_path / "none.pt")


@pytest.mark.parametrize("labels", ["inventory", "mixed"])
def test_what_has_no_label_is_never_learned_from_even_if_a_legend_names_a_class_for_it(kinds, labels):
    with kinds.store.writing() as db:
        learned = db.execute("select name from learned_class where collection = ? limit 1", [MONTHLY]).fetchone()["name"]
        db.execute("update legend_class set learned = ? where collection = ? and code = 0", [learned, MONTHLY])
        unlabelled = [row["id"] for row in db.execute("select id from sample where collection = ? limit 5", [MONTHLY])]
        db.execute(f"update sample set inventory_code = 0 where id in ({', '.join(map(str, unlabelled))})")
    loaded = samples.load(kinds.store, MONTHLY, labels)
    without = np.isin(loaded.ids, unlabelled)
    assert (loaded.truth[without] == samples.UNLABELLED).all()
    assert (loaded.inventory[without] == samples.UNLABELLED).all()
    assert (loaded.truth[~without] != samples.UNLABELLED).all()
