"""The networks of one reflectance series per sample: L-TAE, LSTM, Transformer and TempCNN."""

import json
import math

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from data.importers import breizhcrops
from data.workspace import Workspace
from modeling import registry, runs, training
from modeling.models.lstm import LSTM
from modeling.models.tempcnn import TempCNN, resampled
from modeling.models.transformer import Transformer, sinusoids
from tests import breizhcrops_world
from tests import modeling_world as toy
from tests.kinds_world import FREE, MONTHLY

SERIES = ("ltae", "lstm", "transformer", "tempcnn")
OF_DAYS = ("ltae", "transformer", "tempcnn")
CHANNELS, CLASSES = 18, 6


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    return registry.named(name).build(CHANNELS, CLASSES).eval()


def season(dates: int = 7, size: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Dates 3 to 25 days apart, all present."""
    torch.manual_seed(1)
    days = torch.linspace(60, 300, dates).round().repeat(size, 1) + torch.randint(0, 3, (size, dates))
    return torch.randn(size, dates, CHANNELS), torch.ones(size, dates, dtype=torch.bool), days


def same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("dates", [1, 2, 14, 100])
def test_a_season_of_any_number_of_dates_gets_a_score_for_every_class(name, dates):
    x, present, days = season(dates)
    found = network(name)(x, present, days)
    assert found.shape == (5, CLASSES)
    assert found.isfinite().all()
    assert (found - found[0]).abs().max() > 1e-4, "the scores do not depend on the season"


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("training", [False, True])
def test_what_an_absent_date_holds_does_not_matter(name, training):
    x, present, days = season()
    present[:, 2], present[1], present[2, 1:] = False, False, False
    other = torch.where(present.unsqueeze(-1), x, 1e3), present, torch.where(present, days, 0.0)
    net, scores = network(name).train(training), []
    for inputs in ((x, present, days), other):
        torch.manual_seed(2)
        scores.append(net(*inputs))
    same(scores[0], scores[1])


@pytest.mark.parametrize("name", SERIES)
def test_an_absent_date_is_as_good_as_none(name):
    x, present, days = season()
    present[:, [0, 3]] = False
    left = [1, 2, 4, 5, 6]
    net = network(name)
    same(net(x, present, days), net(x[:, left], present[:, left], days[:, left]))


@pytest.mark.parametrize("name", SERIES)
def test_absent_dates_send_no_gradient_and_present_ones_do(name):
    x, present, days = season()
    present[:, 4] = False
    x.requires_grad_()
    network(name)(x, present, days).square().sum().backward()
    assert x.grad[:, 4].abs().max() == 0
    assert x.grad[:, [0, 6]].abs().amax(dim=(0, 2)).min() > 0


@pytest.mark.parametrize("name", SERIES)
def test_a_sample_without_any_date_gets_finite_scores_and_harms_no_other(name):
    x, present, days = season()
    net = network(name)
    alone = net(x[1:], present[1:], days[1:])
    present[0] = False
    found = net(x, present, days * present)
    assert found.isfinite().all()
    same(found[1:], alone)
    net.train()(x, present, days * present).sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in net.parameters())


@pytest.mark.parametrize("name", OF_DAYS)
def test_the_day_of_a_date_counts_and_the_order_in_which_dates_come_does_not(name):
    x, present, days = season()
    present[0, 3] = False
    net, order = network(name), torch.tensor([3, 0, 6, 2, 5, 1, 4])
    same(net(x[:, order], present[:, order], days[:, order]), net(x, present, days))
    assert (net(x, present, days + 30) - net(x, present, days)).abs().max() > 1e-4


@pytest.mark.parametrize("name", ["lstm", "tempcnn"])
def test_where_no_days_are_told_the_order_of_dates_still_counts(name):
    x, present, days = season()
    net = network(name)
    assert (net(x.flip(1), present, days * 0) - net(x, present, days * 0)).abs().max() > 1e-3


def test_lstm_gives_pytorchs_states_of_the_present_dates_alone():
    x, present, days = season(9)
    present[0, [1, 4]], present[1, 3:], present[2, :8] = False, False, False
    net = network("lstm")
    found = net(x, present, days)
    for row in range(len(x)):
        states, _ = net.lstm(x[row, present[row]].unsqueeze(0))
        same(found[row], net.classify(states.amax(dim=1))[0])


def test_the_day_of_year_is_encoded_by_the_published_formula():
    days, width = np.array([1.0, 45.0, 366.0]), 16
    expected = np.zeros((3, width))
    for at in range(width):
        angle = days / 1000 ** (2 * (at // 2) / width)
        expected[:, at] = np.sin(angle) if at % 2 == 0 else np.cos(angle)
    np.testing.assert_allclose(sinusoids(torch.from_numpy(days), width).numpy(), expected, atol=1e-4)


def test_transformer_gives_pytorchs_encoding_of_the_present_dates_alone():
    x, present, days = season(8)
    present[0, 5], present[1, :6] = False, False
    net = network("transformer")
    oracle = nn.TransformerEncoder(nn.TransformerEncoderLayer(64, 4, 128, 0.1, batch_first=True), 2, enable_nested_tensor=False).eval()
    oracle.load_state_dict(net.encoder.state_dict())
    found = net(x, present, days)
    for row in range(len(x)):
        here = present[row]
        states = oracle(net.embed(x[row, here].unsqueeze(0)) + sinusoids(days[row, here], 64))
        same(found[row], net.classify(states.mean(dim=1))[0])


def test_tempcnn_interpolates_as_numpy_does_round_the_year():
    x, present, days = season(6)
    present[0, 2], present[1, 1:] = False, False
    grid = torch.tensor([1.0, 59.0, 60.0, 155.5, 250.0, 366.0])
    found = resampled(x, present, days, grid).numpy()
    for row in range(len(x)):
        here = present[row].numpy()
        for channel in range(3):
            known = x[row, here, channel].numpy()
            expected = np.interp(grid.numpy(), days[row, here].numpy(), known, period=366)
            np.testing.assert_allclose(found[row, :, channel], expected, atol=1e-4)


def test_tempcnn_keeps_a_date_on_a_day_of_the_grid_as_it_is_and_knows_no_season_without_dates():
    x, present, days = season(4)
    same(resampled(x, present, days, days[0])[0], x[0])
    assert (resampled(x, ~present, days, days[0]) == 0).all()


@pytest.mark.parametrize(
    "published",
    [LSTM(13, 9, width=128, layers=4), Transformer(13, 9, width=64, layers=5, heads=2, hidden=128), TempCNN(13, 9, width=64, layers=3)],
)
def test_the_published_shapes_can_be_built_and_learn(published):
    x, present, days = season(45)
    published.train()(x[..., :13], present, days).sum().backward()
    assert all(parameter.grad is not None for parameter in published.parameters())


def test_the_lstm_has_as_many_parameters_as_pytorchs_of_that_shape():
    oracle = nn.LSTM(13, 128, 4, bidirectional=True)
    found = sum(parameter.numel() for parameter in LSTM(13, 9, width=128, layers=4).lstm.parameters())
    assert found == sum(parameter.numel() for parameter in oracle.parameters())


@pytest.mark.parametrize("name", SERIES)
def test_each_learns_crops_that_differ_in_their_season(name, empty):
    """Judged on samples it never saw, of 24 it learned from; without learning, one in three is right."""
    toy.world(empty, missing=[(0, 1), (4, 0), (7, 3)])
    run = runs.create(empty, toy.config(model=name, folds=3, epochs=20, batch_size=8, inputs="B08+B8A+B11"))
    training.train(empty, run)
    assert run.read("results.json")["figures"]["confusion"]["accuracy"]["value"] > 0.8
    assert not math.isnan(run.epochs()[-1].loss)


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("collection", [FREE, MONTHLY])
def test_each_trains_on_seasons_of_any_length_and_on_patches_read_as_series(name, collection, kinds):
    config = toy.TrainConfig.for_model(name, collection, epochs=2, folds=2, device="cpu")
    run = runs.create(kinds, config)
    training.train(kinds, run)
    with kinds.store.reading() as db:
        shares = db.execute("select probabilities from prediction where run = ?", [run.name]).fetchall()
    assert shares
    assert all(np.isfinite(np.array(json.loads(row[0]))).all() for row in shares)


@pytest.fixture(scope="module")
def long_seasons(tmp_path_factory) -> Workspace:
    """A packed collection of parcels with 45 to 100 dates each."""
    folder, random = tmp_path_factory.mktemp("long"), np.random.default_rng(0)
    root = breizhcrops_world.make(folder / "published", {"frh01": 24})
    lines = []
    with h5py.File(root / "2017" / "L1C" / "frh01.h5", "r+") as file:
        for number in range(24):
            days = np.sort(random.choice(np.arange(60, 300), 45 + 55 * number // 23, replace=False))
            path, (crop, values) = f"csv/frh01/{1000 + number}.csv", breizhcrops_world.season(number, days)
            lines.append((number, 0.0, 1000 + number, crop, path, number + 1, len(days)))
            del file[path]
            file[path] = breizhcrops_world.array(days, values, breizhcrops_world.ORDERS["L1C"][0])
    breizhcrops_world.write_index(root / "2017" / "L1C" / "frh01.csv", lines)
    workspace = Workspace(folder / "workspace").create()
    breizhcrops.import_breizhcrops(workspace, root)
    return workspace


@pytest.mark.parametrize("name", SERIES)
def test_each_trains_on_a_packed_collection_of_45_to_100_dates(name, long_seasons):
    run = runs.create(long_seasons, toy.TrainConfig.for_model(name, "breizhcrops-2017-L1C", epochs=2, folds=2, device="cpu"))
    training.train(long_seasons, run)
    assert [math.isfinite(epoch.loss) for epoch in run.epochs()] == [True] * 4
    with long_seasons.store.reading() as db:
        assert db.execute("select count(*) from prediction where run = ?", [run.name]).fetchone()[0] == 24


def test_ltae_is_the_published_encoder_with_every_date_in_full_width():
    """Values, scores, softmax and weighted means as the paper writes them."""
    x, present, days = season(9)
    present[0, [1, 4]], present[1, 1:] = False, False
    net = network("ltae")
    with torch.no_grad():  # as if it had learned something
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    positions = torch.sin(days.unsqueeze(-1) * net.rates + net.phases).repeat(1, 1, net.heads)
    values = net.embed(x) + positions  # (B, T, D)
    weights = net.score(values).masked_fill(~present.unsqueeze(-1), -torch.inf).softmax(dim=1)  # (B, T, heads)
    pooled = torch.stack([(weights[..., head, None] * part).sum(dim=1) for head, part in enumerate(values.chunk(net.heads, dim=2))], dim=1)
    same(net(x, present, days), net.classify(net.mix(pooled.flatten(1))))
