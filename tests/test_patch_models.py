"""The networks of patches: any bands, sizes and dates; nothing of absent dates; and each of them learns, on every kind of collection."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.networks.nets import DenseNet121, EfficientNetBN, resnet18, resnet50
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from data import catalogue, shards
from data.errors import CannotTrain
from data.importers import breizhcrops
from data.workspace import Workspace
from modeling import pixels, pixelsets, registry, runs, samples, training
from modeling.config import TrainConfig
from modeling.models import dates
from modeling.models.pixelset import PixelSet
from modeling.runs import Results
from tests import breizhcrops_world
from tests import modeling_world as toy
from tests.kinds_world import FREE, MONTHLY

IMAGES = ("resnet18", "resnet50", "densenet121", "efficientnet_b0")
FILMS = ("lrcn", "cnn3d")
SEASONS = (*FILMS, "pixelset")
DEEP = ("resnet50", "densenet121", "efficientnet_b0")  # their averages need more steps than a test can take
EPOCHS = {"resnet18": 6, "lrcn": 12, "cnn3d": 12, "pixelset": 12}


def net(name: str, channels: int = 6, classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return registry.named(name).build(channels, classes).eval()


def season(name: str, *, size: int = 4, count: int = 5, channels: int = 6, side: tuple[int, int] = (7, 9)) -> tuple[Tensor, Tensor, Tensor]:
    """What the model `name` is shown: all dates present, other days for every sample."""
    torch.manual_seed(1)
    x = torch.randn(size, count, channels, *side)
    x = x.flatten(3) if registry.named(name).kind == registry.PIXELS else x
    days = torch.linspace(100, 280, count) + 3 * torch.arange(size).unsqueeze(1)
    return x, torch.ones(size, count, dtype=torch.bool), days


def trained(workspace: Workspace, config: TrainConfig) -> Results:
    run = runs.create(workspace, config)
    training.train(workspace, run)
    return runs.results(workspace, run.name)


def quick(model: str, **chosen) -> TrainConfig:
    """Settings that teach the toy crops within seconds; the defaults are for thousands of samples."""
    fixed = {"batch_size": 8, "learning_rate": 3e-3, "noise": 0.02, "threads": 1, "patience": 0, "epochs": EPOCHS.get(model, 4)}
    return toy.config(model=model, **fixed | chosen)


# Shapes


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("side", [(1, 1), (2, 3), (9, 8), (31, 33), (64, 64), (66, 50)])
def test_image_models_take_any_number_of_bands_and_any_patch_size(name, side):
    for channels in (1, 14):
        logits = net(name, channels, 5)(torch.randn(2, channels, *side), torch.ones(2, 1, dtype=torch.bool), torch.zeros(2, 1))
        assert logits.shape == (2, 5) and logits.isfinite().all()


@pytest.mark.parametrize("name", SEASONS)
@pytest.mark.parametrize("side", [(1, 1), (2, 3), (15, 8), (66, 50)])
@pytest.mark.parametrize("count", [1, 2, 11])
def test_season_models_take_any_number_of_bands_and_dates_and_any_patch_size(name, side, count):
    for channels in (1, 14):
        logits = net(name, channels, 5)(*season(name, size=2, count=count, channels=channels, side=side))
        assert logits.shape == (2, 5) and logits.isfinite().all()


@pytest.mark.parametrize("name", IMAGES + SEASONS)
@pytest.mark.parametrize("side", [(1, 1), (8, 8)])
def test_the_smallest_batch_can_be_learned_from(name, side):
    x, present, days = season(name, size=2, count=1, side=side)
    network = net(name).train()
    network(x[:, 0] if name in IMAGES else x, present, days).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters() if parameter.grad is not None)


# What is absent


@pytest.mark.parametrize("name", SEASONS)
@pytest.mark.parametrize("is_training", [False, True])
def test_what_an_absent_date_holds_does_not_matter(name, is_training):
    x, present, days = season(name)
    present[0, 2], present[1, :3], present[3, 4] = False, False, False
    network = net(name)
    if is_training:  # not even to the statistics of a batch
        network.train()
        for part in network.modules():
            if isinstance(part, nn.Dropout):
                part.eval()
    before = network(x, present, days)
    x[~present], days[~present] = torch.nan, 0.0
    torch.testing.assert_close(network(x, present, days), before)


@pytest.mark.parametrize("name", IMAGES)
def test_what_a_missing_image_holds_does_not_matter(name):
    x, missing = torch.randn(2, 6, 8, 8), torch.tensor([[False], [True]])
    network = net(name)
    before = network(x, missing, torch.zeros(2, 1))
    x[0] = torch.nan
    torch.testing.assert_close(network(x, missing, torch.zeros(2, 1)), before)


@pytest.mark.parametrize("name", SEASONS)
def test_a_sample_without_any_date_gets_finite_scores(name):
    x, present, days = season(name)
    present[1] = False
    network = net(name)
    assert network(x, present, days).isfinite().all()
    assert network(x, torch.zeros_like(present), days * 0).isfinite().all()


@pytest.mark.parametrize("name", SEASONS)
def test_dates_that_nobody_has_change_nothing(name):
    """A season of five dates in a collection of eight is the season of five dates."""
    x, present, days = season(name)
    longer = torch.cat([x, torch.full_like(x[:, :3], 5.0)], dim=1)
    absent = torch.cat([present, torch.zeros_like(present[:, :3])], dim=1)
    network = net(name)
    expected = network(x, present, days)
    torch.testing.assert_close(network(longer, absent, torch.cat([days, days[:, :3] * 0], dim=1)), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", FILMS)
def test_films_skip_absent_dates_as_if_they_had_never_been(name):
    x, present, days = season(name)
    present[:, [1, 3]] = False
    kept = torch.tensor([0, 2, 4])
    network = net(name)
    torch.testing.assert_close(network(x, present, days), network(x[:, kept], present[:, kept], days[:, kept]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", FILMS)
def test_films_see_the_order_of_dates(name):
    x, present, days = season(name)
    network = net(name)
    assert not torch.allclose(network(x.flip(1), present, days), network(x, present, days), atol=1e-4)


@given(present=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=5).filter(lambda rows: all(map(any, rows))))
@settings(max_examples=20, deadline=None)
def test_an_lstm_over_compacted_dates_ends_as_torchs_own_over_packed_ones(present):
    torch.manual_seed(0)
    mask, lstm = torch.tensor(present), nn.LSTM(3, 5, batch_first=True)
    season, count = dates.compacted(torch.randn(*mask.shape, 3), mask)
    states, _ = lstm(season)
    _, (expected, _) = lstm(pack_padded_sequence(season, count, batch_first=True, enforce_sorted=False))
    torch.testing.assert_close(states[torch.arange(len(mask)), count - 1], expected[0])


def test_only_present_dates_are_encoded():
    given_to = []

    def encoder(x: Tensor) -> Tensor:
        given_to.append(x)
        return x.flatten(1)

    x, present = torch.randn(2, 3, 4, 1), torch.tensor([[True, False, True], [False, False, True]])
    found = dates.encoded(encoder, x, present)
    assert given_to[0].shape == (3, 4, 1)
    assert (found[present] == x[present].flatten(1)).all() and (found[~present] == 0).all()


@pytest.mark.parametrize("model", ["resnet18", "lrcn"])
@pytest.mark.parametrize("window", [0, 1, 4, 5, 8, 100])
def test_image_and_sequence_models_see_the_middle_of_the_patch(empty, model, window):
    known = samples.load(toy.world(empty, size=8).store, toy.NAME, "inventory")
    whole, found = (pixels.load(empty, known, toy.config(model=model, window=side)) for side in (0, window))
    side = min(window or 8, 8)
    first = (8 - side) // 2
    at = np.array([3, 20])
    assert found.values.shape[-2:] == (side, side) and found.values.nbytes == whole.values.nbytes * side**2 // 64
    assert (found.values[at] == whole.values[at][..., first : first + side, first : first + side]).all()


def test_a_window_below_zero_is_refused():
    with pytest.raises(CannotTrain, match="window is -1; it must be at least 0"):
        toy.config(model="lrcn", window=-1)


# The pixel set


def test_the_order_of_dates_does_not_matter_to_a_pixel_set_but_their_days_do():
    x, present, days = season("pixelset")
    network, order = net("pixelset"), torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(network(x[:, order], present, days[:, order]), network(x, present, days), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(network(x, present, days + 20), network(x, present, days))


def test_the_order_of_pixels_does_not_matter_but_their_spread_does():
    x, present, days = season("pixelset")
    network = net("pixelset")
    expected = network(x, present, days)
    torch.testing.assert_close(network(x[..., torch.randperm(x.shape[-1])], present, days), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(network(x.repeat(1, 1, 1, 2), present, days), expected, atol=1e-4, rtol=1e-4)
    flat = x.mean(dim=-1, keepdim=True).expand_as(x)
    assert not torch.allclose(network(flat, present, days), expected, atol=1e-3)


def test_a_pixel_set_is_the_mean_and_the_standard_deviation_of_what_a_perceptron_makes_of_each_pixel():
    """Equation 3 of arXiv 1911.07757, in NumPy."""
    torch.manual_seed(0)
    encoder, x = PixelSet(6).eval(), torch.randn(4, 6, 20)
    each = np.stack([encoder.pixel(x[..., at]).detach().numpy() for at in range(20)])
    pooled = torch.from_numpy(np.concatenate([each.mean(axis=0), each.std(axis=0)], axis=1))
    torch.testing.assert_close(encoder(x), encoder.mix(pooled), atol=1e-3, rtol=1e-3)


@st.composite
def _patches(draw):
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = random.integers(1, 10_000, shape).astype(np.uint16)
    has_data = random.random((shape[0], 1, *shape[2:])) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    field, clear = (random.random(size) < draw(st.sampled_from([0.2, 0.6, 1.0])) for size in (shape[2:], (shape[0], *shape[2:])))
    return np.where(has_data, values, 0).astype(np.uint16), field, clear, draw(st.integers(1, 8))


@given(_patches())
@settings(max_examples=60, deadline=None)
def test_only_the_fields_clear_pixels_are_drawn(made):
    patch, field, clear, count = made
    drawn = pixelsets.drawn(patch, field, clear, count, np.random.default_rng(0))
    assert drawn.shape == (*patch.shape[:2], count)
    for slot in range(len(patch)):
        has_data = field & (patch[slot] > 0).any(axis=0)
        wanted = has_data & clear[slot] if (has_data & clear[slot]).any() else has_data
        there = [tuple(pixel) for pixel in patch[slot][:, wanted].T.tolist()]
        found = [tuple(pixel) for pixel in drawn[slot].T.tolist()]
        if not there:
            assert not drawn[slot].any()
            continue
        assert set(found) <= set(there)
        if len(there) >= count:  # none more often than it is there
            assert all(found.count(pixel) <= there.count(pixel) for pixel in set(found))


def test_pixels_come_from_the_samples_own_field_and_not_from_the_patch_around_it(kinds):
    """In monthly composites the raster says where the field is: what lies around it is made impossible, and is never drawn."""
    known = samples.load(kinds.store, MONTHLY, "inventory")
    config = TrainConfig.for_model("pixelset", MONTHLY)
    name, row = known.shards[0], known.rows[0]
    folder = _own_shards(kinds, MONTHLY)
    patches = np.array(shards.open_map(shards.path_of(folder, name)))
    raster = np.array(shards.open_map(shards.path_of(folder, name, ".inventory")))
    patches[row] = 60_000
    raster[row] = 0
    raster[row, 20:40, 20:40] = known.codes[0]
    patches[row, :, :, 20:40, 20:40] = 3_000
    shards.write(shards.path_of(folder, name), patches)
    shards.write(shards.path_of(folder, name, ".inventory"), raster)
    found = pixels.load(kinds, known, config)
    assert (found.values[0] == 3_000).all()
    again = pixels.load(kinds, known, config)
    assert (found.values == again.values).all()


def _own_shards(workspace: Workspace, collection: str) -> Path:
    """The collection's folder, whose files may be written to: the fixture shares them with other tests."""
    shared = (workspace.home / "patches").resolve()
    (workspace.home / "patches").unlink()
    shutil.copytree(shared, workspace.home / "patches")
    return workspace.shards(collection)


# MONAI's own networks


ORACLES = {
    "resnet18": lambda: resnet18(spatial_dims=2, n_input_channels=6, num_classes=3, conv1_t_size=7, conv1_t_stride=2),
    "resnet50": lambda: resnet50(spatial_dims=2, n_input_channels=6, num_classes=3, conv1_t_size=7, conv1_t_stride=2),
    "densenet121": lambda: DenseNet121(spatial_dims=2, in_channels=6, out_channels=3),
    "efficientnet_b0": lambda: EfficientNetBN("efficientnet-b0", pretrained=False, in_channels=6, num_classes=3),
}


@pytest.mark.parametrize("name", IMAGES)
def test_image_models_are_monais_own_networks(name):
    ours, theirs, x = net(name), ORACLES[name]().eval(), torch.randn(2, 6, 64, 64)
    theirs.load_state_dict(ours.net.state_dict())
    torch.testing.assert_close(ours(x, torch.ones(2, 1, dtype=torch.bool), torch.zeros(2, 1)), theirs(x))


@pytest.mark.parametrize("name", ["densenet121", "efficientnet_b0"])
def test_a_small_patch_is_continued_by_its_edge(name):
    ours, theirs, x = net(name), ORACLES[name]().eval(), torch.randn(2, 6, 21, 40)
    theirs.load_state_dict(ours.net.state_dict())
    continued = torch.from_numpy(np.pad(x.numpy(), [(0, 0), (0, 0), (5, 6), (0, 0)], mode="edge"))
    torch.testing.assert_close(ours(x, torch.ones(2, 1, dtype=torch.bool), torch.zeros(2, 1)), theirs(continued))


# Learning


@pytest.mark.parametrize("model", ["resnet18", *SEASONS])
def test_models_learn_patches(empty, model):
    """In July: the greenest image of each crop is of another month and looks like that of any other."""
    results = trained(toy.world(empty, size=8), quick(model, **{"months": "7"} if model == "resnet18" else {}))
    assert results.scores.samples == 8
    assert results.scores.accuracy.value >= 0.85


@pytest.mark.parametrize("model", DEEP)
def test_deep_models_learn(model):
    """Three classes by brightness: the loss starts near that of a guess, and halves."""
    network, present = net(model).train(), torch.ones(24, 1, dtype=torch.bool)
    truth = torch.arange(24) % 3
    x = torch.randn(24, 6, 8, 8) * 0.1 + (truth - 1).view(-1, 1, 1, 1)
    optimizer, losses = torch.optim.AdamW(network.parameters(), lr=1e-3), []
    for _ in range(15):
        loss = nn.functional.cross_entropy(network(x, present, present * 150.0), truth)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[0] < 3 * math.log(3)
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("model", SEASONS)
def test_models_of_seasons_learn_series_of_one_pixel(empty, model):
    assert trained(toy.world(empty), quick(model, epochs=30)).scores.accuracy.value >= 0.85


@pytest.mark.parametrize("model", ["resnet18", *SEASONS])
def test_models_of_every_sort_train_on_packed_series(empty, tmp_path, model):
    breizhcrops.import_breizhcrops(empty, breizhcrops_world.make(tmp_path / "download", {"frh01": 30}))
    [collection] = [found.name for found in catalogue.collections(empty.store)]
    assert trained(empty, TrainConfig.for_model(model, collection, epochs=1, folds=2, threads=1)).scores.samples > 20


@pytest.mark.parametrize("collection", [MONTHLY, FREE])
@pytest.mark.parametrize("model", ["efficientnet_b0", *SEASONS])
def test_models_of_every_sort_train_on_every_kind_of_patches(kinds, collection, model):
    months = {"months": "6"} if model in FILMS else {}
    results = trained(kinds, TrainConfig.for_model(model, collection, epochs=1, batch_size=8, folds=2, window=12, threads=1, **months))
    assert results.scores.samples > 0
    with kinds.store.reading() as db:
        stored = db.execute("select probability from prediction where run = ?", [results.run]).fetchall()
    assert all(0 < row["probability"] <= 1 for row in stored)


def test_a_pixel_set_works_on_masked_fields(demo):
    results = trained(demo, TrainConfig.for_model("pixelset", "bavaria-2018", epochs=2, folds=2, threads=1))
    assert results.scores.samples > 0


@pytest.mark.parametrize("months", ["each", "6", "6+7"])
def test_an_image_model_learns_from_each_month_in_turn_or_from_the_best_of_those_chosen(empty, months):
    results = trained(toy.world(empty, size=8, missing=[(0, 1), (5, 2), (8, 1)]), quick("resnet18", months=months, epochs=4))
    assert results.scores.samples > 0


@pytest.mark.parametrize("inputs", ["rgb", "NDVI", "NDVI+NDRE+OSAVI", "B08+rgb+indices"])
@pytest.mark.parametrize("model", ["resnet18", "lrcn", "pixelset"])
def test_any_bands_and_indices_train_end_to_end(empty, inputs, model):
    assert trained(toy.world(empty, size=8), quick(model, inputs=inputs, epochs=1)).scores.samples == 8


@pytest.mark.parametrize("model", ["resnet18", *SEASONS])
@pytest.mark.parametrize("day_of_year", [True, False])
def test_models_train_with_and_without_the_day_of_year(empty, model, day_of_year):
    assert trained(toy.world(empty, size=8), quick(model, day_of_year=day_of_year, epochs=1)).scores.samples == 8
