"""Forests and gradient boosting: seasons on a grid, weights, classes that are missing, states that survive the file, whole runs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from data import catalogue, indices
from data.errors import CannotTrain
from data.importers import breizhcrops
from data.workspace import Workspace
from modeling import checkpoint, estimators, inputs, machine, pixels, predict, resampling, runs, samples, training
from modeling.config import TrainConfig
from modeling.pixels import Pixels
from tests import breizhcrops_world
from tests import modeling_world as toy
from tests.kinds_world import FREE

BANDS = ("B02", "B03", "B04", "B08")
NAMES = ("forest", "gboost")


def seasons(count: int = 60, dates: int = 9, seed: int = 0) -> Pixels:
    """Series whose near-infrared peaks early, in between or late, by their number modulo 3; some dates and some values are missing."""
    random = np.random.default_rng(seed)
    days = np.sort(random.integers(90, 280, (count, dates)), axis=1).astype(np.float32)
    peak = 130.0 + 50 * (np.arange(count) % 3)
    values = random.normal(0.06, 0.01, (count, dates, len(BANDS))).astype(np.float32)
    values[..., 3] += 0.4 * np.exp(-(((days - peak[:, None]) / 25) ** 2))
    values[random.random(values.shape) < 0.05] = np.nan
    present = random.random((count, dates)) > 0.2
    present[:, 0] = True
    return Pixels("series", values, present, np.where(present, days, 0), BANDS)


def config(model: str = "forest", **chosen) -> TrainConfig:
    return TrainConfig.for_model(model, "none", **{"inputs": "bands", "threads": 1} | chosen)


def quick(monkeypatch) -> None:
    """Small models: what is tested here does not hang on how good they are."""
    for name, small in (("forest", {"n_estimators": 20}), ("gboost", {"max_iter": 15})):
        made = estimators.MADE[name]
        monkeypatch.setitem(estimators.MADE, name, lambda config, made=made, small=small: made(config).set_params(**small))


@pytest.fixture(autouse=True)
def small_models(monkeypatch):
    quick(monkeypatch)


def taught(model: str, source: Pixels, **chosen) -> tuple[TrainConfig, dict, float]:
    index, truth = np.arange(len(source.values)), np.arange(len(source.values)) % 3
    setting = config(model, **chosen)
    return setting, *estimators.fitted(setting, source, index, truth, np.ones(len(index)), 3)


# Seasons on a grid


def test_resampling_is_numpys_interpolation_over_the_known_dates():
    source = seasons(40)
    channels, index = inputs.channels("bands", BANDS), np.arange(40)
    grid = resampling.Grid(np.linspace(80, 290, 15), by_day=True)
    found = resampling.table(source, index, channels, grid).reshape(40, 4, 15)
    for row in range(40):
        for band in range(4):
            known = source.present[row] & np.isfinite(source.values[row, :, band])
            days, order = source.days[row, known], np.argsort(source.days[row, known], kind="stable")
            if len(np.unique(days)) < len(days):
                continue  # numpy says nothing of a day that is there twice
            expected = np.interp(grid.points, days[order], source.values[row, known, band][order])
            np.testing.assert_allclose(found[row, band], expected, atol=1e-5)


def test_what_a_date_that_does_not_count_holds_does_not_matter():
    source = seasons(20)
    moved = replace(source, values=np.where(source.present[..., None], source.values, 9.0), days=np.where(source.present, source.days, 200))
    grid, channels = resampling.Grid(np.arange(90.0, 280, 15), by_day=True), inputs.channels("bands", BANDS)
    tables = [resampling.table(which, np.arange(20), channels, grid) for which in (source, moved)]
    np.testing.assert_array_equal(*tables)


def test_dates_may_come_in_any_order():
    source, order = seasons(20), np.random.default_rng(3).permutation(9)
    turned = replace(source, values=source.values[:, order], present=source.present[:, order], days=source.days[:, order])
    grid, channels = resampling.Grid(np.arange(90.0, 280, 15), by_day=True), inputs.channels("bands", BANDS)
    one, other = (resampling.table(which, np.arange(20), channels, grid) for which in (source, turned))
    unique = [row for row in range(20) if len(np.unique(source.days[row, source.present[row]])) == source.present[row].sum()]
    np.testing.assert_allclose(one[unique], other[unique], atol=1e-6)


def test_a_sample_without_dates_is_unknown_and_one_with_a_single_date_is_constant():
    source = seasons(3)
    source.present[0] = False
    source.present[1, 1:] = False
    source.values[1, 0] = (0.1, 0.2, 0.3, 0.4)
    grid = resampling.Grid(np.arange(90.0, 280, 30), by_day=True)
    found = resampling.table(source, np.arange(3), inputs.channels("bands", BANDS), grid).reshape(3, 4, -1)
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], np.repeat([[0.1], [0.2], [0.3], [0.4]], len(grid.points), axis=1), rtol=1e-6)


def test_aligned_days_are_the_grid_and_scattered_ones_get_one_of_half_months():
    aligned = seasons(50)
    aligned.days[:] = np.linspace(100, 260, 9).round()
    np.testing.assert_array_equal(resampling.grid_of(aligned, np.arange(50), by_day=True).points, np.unique(aligned.days))
    scattered = seasons(50)
    seen = scattered.days[scattered.present]
    points = resampling.grid_of(scattered, np.arange(50), by_day=True).points
    assert (points[0], points[-1]) == (seen.min(), seen.max())
    assert 10 < np.diff(points).min() <= np.diff(points).max() <= resampling.STEP_DAYS


def test_without_the_day_of_year_only_the_order_of_dates_counts():
    source = seasons(30)
    grid = resampling.grid_of(source, np.arange(30), by_day=False)
    assert len(grid.points) == source.present.sum(axis=1).max()
    later = replace(source, days=np.where(source.present, source.days + 60, 0))
    channels = inputs.channels("bands", BANDS)
    tables = [resampling.table(which, np.arange(30), channels, grid) for which in (source, later)]
    np.testing.assert_array_equal(*tables)
    known = np.isfinite(source.values[5, :, 3]) & source.present[5]
    position = (source.present[5].cumsum() - 1) / (source.present[5].sum() - 1)
    np.testing.assert_allclose(
        tables[0].reshape(30, 4, -1)[5, 3], np.interp(grid.points, position[known], source.values[5, known, 3]), atol=1e-6
    )


def test_index_channels_are_those_of_the_app_and_cut_where_networks_cut_them():
    source = seasons(12)
    source.present[:] = True
    source.days[:] = np.linspace(100, 260, 9)
    source.values[0, 0, 2:] = (0.05, -0.049)  # a denominator of nearly nothing
    grid = resampling.Grid(np.linspace(100, 260, 9), by_day=True)
    found = resampling.table(source, np.arange(12), inputs.channels("NDVI", BANDS), grid)
    expected = np.clip(indices.compute("NDVI", {band: source.values[..., at] for at, band in enumerate(BANDS)}), -2, 2)
    there = np.isfinite(expected)
    np.testing.assert_allclose(found[there], expected[there], atol=1e-5)
    assert found[0, 0] == -2.0


def test_packed_numbers_are_read_as_reflectance_with_0_as_no_data():
    plain = seasons(20)
    numbers = np.nan_to_num(plain.values * 10_000).round().clip(0, 65_535).astype(np.uint16)
    decoded = np.where(numbers == 0, np.nan, numbers / 10_000).astype(np.float32)
    grid, channels = resampling.Grid(np.arange(90.0, 280, 15), by_day=True), inputs.channels("bands", BANDS)
    tables = [resampling.table(replace(plain, values=values), np.arange(20), channels, grid) for values in (numbers, decoded)]
    np.testing.assert_allclose(*tables, rtol=1e-5)


def test_blocks_of_samples_make_no_difference(monkeypatch):
    source, channels = seasons(50), inputs.channels("bands", BANDS)
    grid = resampling.grid_of(source, np.arange(50), by_day=True)
    whole = resampling.table(source, np.arange(50), channels, grid)
    monkeypatch.setattr(resampling, "BLOCK", 7)
    np.testing.assert_array_equal(resampling.table(source, np.arange(50), channels, grid), whole)


# Training and predicting


@pytest.mark.parametrize("model", NAMES)
def test_probabilities_are_those_of_scikit_learns_model_after_a_trip_through_a_file(model, tmp_path, monkeypatch):
    source, kept = seasons(90), []
    monkeypatch.setattr(estimators.trees, "packed", lambda model, packed=estimators.trees.packed: kept.append(model) or packed(model))
    setting, state, loss = taught(model, source)
    torch.save(state, tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    fresh = seasons(40, seed=1)
    found = estimators.probabilities(state, setting, fresh, np.arange(40), 3)
    grid = resampling.Grid(state["grid"].numpy(), by_day=True)
    table = resampling.table(fresh, np.arange(40), inputs.channels("bands", BANDS), grid)
    np.testing.assert_allclose(found, kept[0].predict_proba(table), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert found.dtype == np.float32
    assert (found.argmax(axis=1) == np.arange(40) % 3).mean() > 0.8
    own = estimators.probabilities(state, setting, source, np.arange(90), 3)
    assert loss == pytest.approx(torch.nn.functional.nll_loss(torch.from_numpy(own).log(), torch.arange(90) % 3).item(), abs=1e-3)


@pytest.mark.parametrize("model", NAMES)
def test_the_same_seed_gives_the_same_state_and_another_seed_another(model):
    source = seasons()
    first, again, other = (taught(model, source, seed=seed)[1] for seed in (4, 4, 5))
    assert torch.equal(first["nodes"], again["nodes"]) and torch.equal(first["values"], again["values"])
    assert first["nodes"].shape != other["nodes"].shape or not torch.equal(first["nodes"], other["nodes"])


@pytest.mark.parametrize("model", NAMES)
def test_a_class_that_the_training_part_lacks_has_probability_0(model):
    source, index = seasons(), np.arange(60)
    truth = np.array([0, 2, 4])[index % 3]
    state, _ = estimators.fitted(config(model), source, index, truth, np.ones(60), 6)
    found = estimators.probabilities(state, config(model), source, index, 6)
    assert (found[:, [1, 3, 5]] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("model", NAMES)
def test_two_classes_are_told_apart_too(model):
    source, index = seasons(), np.arange(60)
    state, _ = estimators.fitted(config(model), source, index, (index % 3 == 0) * 1, np.ones(60), 2)
    found = estimators.probabilities(state, config(model), source, index, 2)
    assert ((found[:, 1] > 0.5) == (index % 3 == 0)).mean() > 0.9
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("model", NAMES)
def test_a_sample_without_any_date_gets_probabilities_too(model):
    source = seasons()
    setting, state, _ = taught(model, source)
    source.present[:3] = False
    found = estimators.probabilities(state, setting, source, np.arange(5), 3)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("model", NAMES)
def test_labels_of_little_weight_lose_against_the_others(model):
    """Every season is there four times: once under its own class, three times under the next one, at a thousandth of the weight."""
    source = seasons(90)
    index = np.tile(np.arange(90), 4)
    right = np.arange(90) % 3
    truth = np.concatenate([right, *([(right + 1) % 3] * 3)])
    found = {}
    for share in (1.0, 0.001):
        weight = np.concatenate([np.ones(90), np.full(270, share)])
        state, _ = estimators.fitted(config(model), source, index, truth, weight, 3)
        found[share] = (estimators.probabilities(state, config(model), source, np.arange(90), 3).argmax(axis=1) == right).mean()
    assert found[1.0] < 0.3
    assert found[0.001] > 0.9


@pytest.mark.parametrize("model", NAMES)
def test_with_class_weights_a_rare_class_weighs_as_much_as_a_common_one(model):
    """Where two classes cannot be told apart at all, each has half the probability with the weights, and its share without."""
    source = replace(seasons(200), values=np.full((200, 9, 4), 0.1, dtype=np.float32))
    index, truth = np.arange(200), (np.arange(200) % 10 == 0) * 1
    rare = {}
    for weighted in (True, False):
        setting = config(model, class_weights=weighted)
        state, _ = estimators.fitted(setting, source, index, truth, np.ones(200), 2)
        rare[weighted] = estimators.probabilities(state, setting, source, index, 2)[:, 1].mean()
    assert rare[True] == pytest.approx(0.5, abs=0.05)
    assert rare[False] == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize("model", NAMES)
def test_a_channel_without_any_value_is_refused_and_one_that_is_often_missing_is_not(model):
    source = seasons()
    source.values[:30, :, 1] = np.nan
    _, state, _ = taught(model, source)
    assert state["features.known"][1] == pytest.approx(0.5, abs=0.1)
    source.values[:, :, 1] = np.nan
    with pytest.raises(CannotTrain, match="B03 has no value in any sample of the training part"):
        taught(model, source)
    taught(model, source, inputs="B08")


def test_threads_are_those_of_the_settings_or_of_the_machine(monkeypatch):
    monkeypatch.setattr(machine, "processors", lambda: 6)
    assert estimators.forest(config(threads=0)).n_jobs == 6
    assert estimators.forest(config(threads=2)).n_jobs == 2


# States that are not what they should be


@pytest.mark.parametrize("model", NAMES)
def test_another_version_of_scikit_learn_is_named(model):
    source = seasons()
    setting, state, _ = taught(model, source)
    with pytest.raises(CannotTrain, match=r"trained with scikit-learn 0\.1; .* is installed"):
        estimators.probabilities(state | {"sklearn": "0.1"}, setting, source, np.arange(3), 3)


def scratched(state: dict, field: str, value: int, model: str) -> dict:
    """The state with a field of the first tree's root set to `value`."""
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
    from sklearn.tree._tree import NODE_DTYPE

    record = np.dtype({"forest": NODE_DTYPE, "gboost": PREDICTOR_RECORD_DTYPE}[model])
    packed = np.dtype([(name, record[name]) for name in record.names])
    nodes = state["nodes"].numpy().copy()
    nodes.view(packed)[0, 0][field] = value
    return state | {"nodes": torch.from_numpy(nodes)}


@pytest.mark.parametrize("value", [10**6, 0])
@pytest.mark.parametrize(("model", "field"), [("forest", "left_child"), ("forest", "right_child"), ("gboost", "left"), ("gboost", "right")])
def test_a_node_that_leads_out_of_its_tree_or_back_is_refused(model, field, value):
    source = seasons()
    setting, state, _ = taught(model, source)
    with pytest.raises(CannotTrain, match="damaged"):
        estimators.probabilities(scratched(state, field, value, model), setting, source, np.arange(3), 3)


@pytest.mark.parametrize(("model", "field"), [("forest", "feature"), ("gboost", "feature_idx")])
def test_a_node_that_reads_a_column_beyond_the_table_is_refused(model, field):
    source = seasons()
    setting, state, _ = taught(model, source)
    for value in (10**6, -5):
        with pytest.raises(CannotTrain, match="damaged"):
            estimators.probabilities(scratched(state, field, value, model), setting, source, np.arange(3), 3)


@pytest.mark.parametrize("model", NAMES)
@pytest.mark.parametrize(
    "harm",
    [
        {"nodes": None},
        {"nodes": torch.zeros(5, 3, dtype=torch.uint8)},
        {"nodes": torch.zeros(0, 57, dtype=torch.uint8)},
        {"sizes": torch.tensor([3])},
        {"sizes": torch.tensor([-4, 10**9])},
        {"sizes": torch.zeros(0, dtype=torch.int64)},
        {"values": torch.full((1, 3), float("nan"), dtype=torch.float64)},
        {"values": torch.zeros(7, 9, dtype=torch.float64)},
        {"values": "many"},
        {"grid": torch.tensor([5.0, 4.0], dtype=torch.float64)},
        {"grid": torch.tensor([float("nan")], dtype=torch.float64)},
        {"taught": torch.tensor([0, 7])},
        {"taught": torch.tensor([0])},
        {"features.known": 1},
    ],
    ids=str,
)
def test_a_state_with_something_else_in_it_is_refused(model, harm):
    source = seasons()
    setting, state, _ = taught(model, source)
    with pytest.raises(CannotTrain, match="checkpoint's trees"):
        estimators.probabilities(state | harm, setting, source, np.arange(3), 3)


def test_a_state_of_other_inputs_is_refused():
    source = seasons()
    _, state, _ = taught("forest", source)
    with pytest.raises(CannotTrain, match="of other inputs or dates"):
        estimators.probabilities(state, config("forest", inputs="B02"), source, np.arange(3), 3)


# Whole runs


@pytest.fixture
def world(empty) -> Workspace:
    return toy.world(empty, {146: 15, 153: 15, 158: 15, 50: 3}, missing=[(3, 1), (7, 2)])


def run_of(workspace: Workspace, model: str, **chosen) -> str:
    run = runs.create(workspace, toy.config(model=model, epochs=1, **chosen))
    training.train(workspace, run)
    return run.name


def stored(workspace: Workspace, run: str) -> list[tuple]:
    with workspace.store.reading() as db:
        query = "select sample, part, truth, predicted, probabilities from prediction where run = ? order by sample"
        return [tuple(row) for row in db.execute(query, [run])]


@pytest.mark.parametrize("model", NAMES)
def test_a_run_of_folds_learns_and_predicts_out_of_fold(model, world):
    name = run_of(world, model, folds=3)
    found = runs.results(world, name)
    assert found.scores.accuracy.value > 0.8
    assert [epoch.part for epoch in runs.progress(world, name)] == ["fold-0", "fold-1", "fold-2"]
    assert runs.status(world, name).state == "finished"
    before = stored(world, name)
    assert len(before) == 48
    assert predict.again(world, name) == 48
    assert stored(world, name) == before, "the checkpoint predicts what the run predicted"


@pytest.mark.parametrize("model", NAMES)
def test_a_run_killed_between_two_folds_ends_with_the_figures_it_would_have_had(model, world, monkeypatch):
    whole = run_of(world, model, folds=3)
    run = runs.create(world, toy.config(model=model, epochs=1, folds=3))
    parts, fitted = [], estimators.fitted

    def killed(*arguments):
        if len(parts) == 2:
            raise KeyboardInterrupt
        parts.append(arguments)
        return fitted(*arguments)

    monkeypatch.setattr(estimators, "fitted", killed)
    with pytest.raises(KeyboardInterrupt):
        training.train(world, run)
    assert list(checkpoint.load(run.checkpoint)["parts"]) == ["fold-0", "fold-1"]
    learned = []
    monkeypatch.setattr(estimators, "fitted", lambda *arguments: learned.append(arguments) or fitted(*arguments))
    training.train(world, run)
    assert len(learned) == 1, "what was finished is not trained again"
    assert stored(world, run.name) == stored(world, whole)
    assert (runs.results(world, run.name).confusion == runs.results(world, whole).confusion).all()


@pytest.mark.parametrize(
    "chosen", [{"inputs": "NDVI"}, {"inputs": "rgb+NDWI"}, {"day_of_year": False}, {"months": "6+7"}, {"dates": "clear"}]
)
def test_inputs_months_and_dates_are_taken_as_asked(world, chosen):
    name = run_of(world, "forest", **chosen)
    config = runs.status(world, name).config
    source = pixels.load(world, samples.load(world.store, toy.NAME, "inventory"), config)
    channels = inputs.channels(config.inputs, source.bands)
    state = checkpoint.load(world.runs / name / "checkpoint.pt")["parts"]["train"]
    assert len(state["features.known"]) == len(channels)
    assert len(state["grid"]) == (2 if "months" in chosen else 4)
    assert bool(state["by_day"]) == config.day_of_year


@pytest.mark.parametrize("model", NAMES)
def test_seasons_with_free_dates_are_learned_from(model, kinds):
    """Up to 40 dates a season, other ones for each sample."""
    config = TrainConfig.for_model(model, FREE, folds=2, device="cpu", threads=1)
    known = samples.load(kinds.store, FREE, "inventory")
    source = pixels.load(kinds, known, config)
    index = np.flatnonzero((known.truth >= 0) & source.seen)
    state, loss = estimators.fitted(config, source, index, known.truth[index], np.ones(len(index)), len(known.classes))
    found = estimators.probabilities(state, config, source, np.arange(len(known)), len(known.classes))
    assert np.isfinite(loss)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    if model == "forest":  # boosting makes no leaf of so few samples
        assert (found[index].argmax(axis=1) == known.truth[index]).mean() > 0.8, "it learned these very samples"


def test_a_packed_collection_is_learned_from_and_predicted(empty, tmp_path):
    """Numbers x 10 000 of parcels with other dates each, in shards without rows of images."""
    breizhcrops.import_breizhcrops(empty, breizhcrops_world.make(tmp_path / "published", {"frh01": 30, "frh02": 20}))
    name = next(iter(catalogue.collections(empty.store))).name
    config = TrainConfig.for_model("forest", name, device="cpu", threads=1, folds=2)
    known = samples.load(empty.store, name, "inventory")
    source = pixels.load(empty, known, config)
    assert source.values.dtype == np.uint16
    run = runs.create(empty, config)
    training.train(empty, run)
    assert len(stored(empty, run.name)) == source.seen.sum()
    assert runs.status(empty, run.name).state == "finished"
