"""Wrong labels come first: the ranking against cleanlab, what is stored, the queue, flipped labels, and the command."""

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from data.errors import CannotTrain, UnknownRun
from data.importing import import_collection
from data.workspace import Workspace
from labeling import decisions, queues
from labeling.queues import Queue
from modeling import injection, runs, samples, suspects, training
from modeling.__main__ import main
from modeling.commands.suspects import configurations
from modeling.injection import Experiment
from modeling.rundir import RunDir
from tests import modeling_world as toy
from tests.conftest import ROOT, copy_workspace

WRONG = {5: 146, 14: 146, 21: 153}  # number of a sample -> the code that the inventory gives it, which it does not grow


def shares_of(count: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = np.r_[np.arange(classes), random.integers(0, classes, count - classes)]
    return truth, random.dirichlet(np.ones(classes), count)


def named(numbers) -> set[str]:
    return {f"S{number:03d}-2020" for number in numbers}


def run_of(workspace: Workspace, **chosen) -> str:
    """The name of a short finished run on the toy collection."""
    run = runs.create(workspace, toy.config(**{"model": "forest", "folds": 3, "labels": "mixed", "epochs": 1} | chosen))
    training.train(workspace, run)
    return run.name


@pytest.fixture(scope="module")
def world_home(tmp_path_factory):
    """The toy collection with three wrong labels, and a run on it with folds."""
    workspace = Workspace(tmp_path_factory.mktemp("suspects") / "workspace").create()
    codes = toy.codes_of({146: 12, 153: 12, 158: 12, 50: 3})
    made = [toy.sample(number, code) for number, code in enumerate(codes)]
    for number, code in WRONG.items():
        assert codes[number] != code
        made[number] = replace(made[number], inventory_code=code)
    import_collection(workspace, toy.spec(), made, shard_size=16)
    run_of(workspace)
    return workspace.home


@pytest.fixture
def world(world_home, tmp_path, monkeypatch) -> Workspace:
    workspace = copy_workspace(world_home, tmp_path / "workspace")
    monkeypatch.setenv("CROPCHECK_HOME", str(workspace.home))
    return workspace


@pytest.fixture
def run(world) -> str:
    """The name of the run, whose labels are ranked."""
    name = runs.listing(world)[0].name
    suspects.search(world, [name])
    return name


def rows(workspace: Workspace, run: str) -> list[dict]:
    with workspace.store.reading() as db:
        return [dict(row) for row in db.execute("select * from suspect where run = ? order by rank", [run])]


@pytest.mark.parametrize("method", suspects.METHODS)
@pytest.mark.parametrize("adjusted", [False, True])
def test_labels_are_scored_and_counted_as_cleanlab_does(method, adjusted):
    if method == "confidence_weighted_entropy" and adjusted:
        return  # cleanlab has no such score
    truth, shares = shares_of(120, 4)
    ranking = suspects.rank(truth, shares, method, adjusted=adjusted)
    score = get_label_quality_scores(truth, shares, method=method, adjust_pred_probs=adjusted)
    assert ranking.quality == pytest.approx(score)
    assert (ranking.counted == find_label_issues(truth, shares)).all()
    assert (np.diff(ranking.quality[ranking.order]) >= 0).all()
    assert sorted(ranking.order) == list(range(120))


def test_the_two_plain_scores_follow_their_formulas():
    truth, shares = shares_of(50, 3)
    given = shares[np.arange(50), truth]
    other = np.where(np.eye(3, dtype=bool)[truth], -1, shares).max(axis=1)
    assert suspects.rank(truth, shares, "self_confidence").quality == pytest.approx(given)
    assert suspects.rank(truth, shares, "normalized_margin").quality == pytest.approx((given - other + 1) / 2)
    assert (suspects.rank(truth, shares).suggested == shares.argmax(axis=1)).all()


def test_labels_that_are_doubted_alike_keep_their_order():
    shares = np.tile([0.5, 0.5], (6, 1))
    assert suspects.rank(np.array([0, 1, 0, 1, 0, 1]), shares).order.tolist() == list(range(6))


def test_a_class_that_nobody_is_labelled_as_does_not_disturb():
    truth, shares = shares_of(60, 3)
    wider = np.hstack([shares * 0.99, np.full((60, 1), 0.01)])
    assert suspects.rank(truth, wider).order.tolist() == suspects.rank(truth, shares).order.tolist()


@pytest.mark.parametrize(
    ("truth", "method", "told"),
    [([1, 1, 1], "self_confidence", "fewer than two classes"), ([0, 1, 1], "guess", "no ranking 'guess'; choose one of self_confidence")],
)
def test_labels_that_cannot_be_ranked_are_refused(truth, method, told):
    with pytest.raises(CannotTrain, match=told):
        suspects.rank(np.array(truth), np.full((3, 2), 0.5), method)


def test_pooling_is_the_mean_of_the_models():
    (_, one), (_, other) = shares_of(40, 4, 1), shares_of(40, 4, 2)
    assert suspects.pooled([one, other]) == pytest.approx((one + other) / 2)
    assert (suspects.pooled([one]) == one).all()


@pytest.mark.parametrize(("number", "word"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (112, "112th"), (1022, "1,022nd")])
def test_ranks_are_told_in_words(number, word):
    assert suspects.ordinal(number) == word


def test_blocks_are_as_large_as_the_collection_allows():
    lon, lat = np.meshgrid(np.linspace(-80, -70, 20), np.linspace(43, 48, 20))
    assert suspects.block_side(lon.ravel(), lat.ravel(), 5) == 10_000
    assert suspects.block_side(11.6 + (lon.ravel() + 80) / 50, 48 + (lat.ravel() - 43) / 40, 5) == 2_000
    assert suspects.block_side(11.6 + (lon.ravel() + 80) / 200, 48.37 + (lat.ravel() - 43) / 200, 5) == 750
    assert suspects.block_side(np.array([11.0, 11.0]), np.array([48.0, 48.0]), 5) == 750


def test_the_demo_parcels_get_blocks_of_750_m(demo):
    known = samples.load(demo.store, "bavaria-parcels-2018", "mixed")
    assert suspects.block_side(known.lon, known.lat, 5) == 750


def test_wrong_labels_come_first_and_are_counted(world, run):
    found = rows(world, run)
    assert {row["sample"] for row in suspects.top(world.store, run, 3)} == named(WRONG)
    assert [row["counted"] for row in found[:3]] == [1, 1, 1]
    summary = suspects.summary(world.store, run)
    assert (summary.samples, summary.counted) == (36, sum(row["counted"] for row in found))
    assert sum(count for *_, count in summary.pairs) == summary.counted
    assert summary.share.low < summary.counted / 36 < summary.share.high


def test_every_judged_label_is_stored_with_its_rank_and_reason(world, run):
    found = rows(world, run)
    assert [row["rank"] for row in found] == list(range(1, 37))
    with world.store.reading() as db:
        predicted = {row["sample"]: dict(row) for row in db.execute("select * from prediction where run = ?", [run])}
    classes = runs.results(world, run).classes
    for row in found:
        prediction = predicted[row["sample"]]
        shares = json.loads(prediction["probabilities"])
        assert (row["given"], row["suggested"]) == (prediction["truth"], prediction["predicted"])
        assert row["probability"] == pytest.approx(shares[classes.index(row["given"])], abs=1e-4)
    first = found[0]
    told = f"Label {first['given']} {first['probability']:.2f}, forest {first['suggested']} "
    assert first["reason"].startswith(told)
    assert first["reason"].endswith("out of fold; most doubtful of 36")
    assert re.fullmatch(r"Label \w+ \d\.\d\d, forest agrees, out of fold; 36th most doubtful of 36", found[-1]["reason"])


def test_samples_without_a_label_are_never_ranked(world, run):
    with world.store.reading() as db:
        shrubs = {row["id"] for row in db.execute("select id from sample where inventory_code = 50")}
        predicted = db.execute("select count(*) from prediction where run = ?", [run]).fetchone()[0]
    assert len(shrubs) == 3
    assert predicted == 39
    assert not shrubs & {row["sample"] for row in rows(world, run)}


def test_ranking_again_replaces_the_rows(world, run):
    before = rows(world, run)
    suspects.search(world, [run], "normalized_margin")
    after = rows(world, run)
    assert len(after) == len(before)
    assert [row["quality"] for row in after] != [row["quality"] for row in before]


def test_a_ranking_that_fails_leaves_the_one_before(world, run):
    before = rows(world, run)
    with pytest.raises(CannotTrain):
        suspects.search(world, [run], "guess")
    assert rows(world, run) == before


def test_without_folds_only_the_test_part_is_ranked(world):
    name = run_of(world, folds=0)
    suspects.search(world, [name])
    with world.store.reading() as db:
        tested = {row["sample"] for row in db.execute("select sample from prediction where run = ? and part = 'test'", [name])}
    found = rows(world, name)
    assert {row["sample"] for row in found} == tested
    assert ", not learned from; most doubtful of" in found[0]["reason"]


def test_a_label_that_a_curator_gave_is_ranked_as_given(world):
    toy.decide(world, "S005-2020", "relabel", 158)
    name = run_of(world)
    suspects.search(world, [name])
    with world.store.reading() as db:
        row = db.execute("select u.* from suspect u join sample s on s.id = u.sample where u.run = ? and s.name = 'S005-2020'", [name])
        assert row.fetchone()["given"] == "soybean"


def test_several_runs_are_ranked_together_under_the_first(world, run):
    other = run_of(world, model="ltae", epochs=4)
    summary = suspects.search(world, [run, other])
    assert summary.run == run
    parts = [suspects.judged(world, name) for name in (run, other)]
    expected = suspects.rank(parts[0].truth, suspects.pooled([part.shares for part in parts]))
    assert [row["sample"] for row in rows(world, run)] == parts[0].ids[expected.order].tolist()
    assert ", forest + ltae " in rows(world, run)[0]["reason"]
    assert not suspects.ranked(world, other)


def test_runs_on_other_labels_are_not_ranked_together(world, run):
    toy.decide(world, "S000-2020", "relabel", 153)
    with pytest.raises(CannotTrain, match=r"learned from other labels\. Train both on the labels of today"):
        suspects.search(world, [run, run_of(world)])


def test_runs_of_other_classes_are_not_ranked_together(world, run):
    with world.store.reading() as db:
        wheat = [row["name"] for row in db.execute("select name from sample where inventory_code = 146")]
    for name in wheat:
        toy.decide(world, name, "reject")
    with pytest.raises(CannotTrain, match=r"know other classes \(wheat, canola, soybean; canola, soybean\)"):
        suspects.search(world, [run, run_of(world)])


def test_runs_that_there_are_not_or_that_are_not_finished_are_refused(world):
    with pytest.raises(UnknownRun, match="no run 'nothing'"):
        suspects.search(world, ["nothing"])
    waiting = runs.create(world, toy.config(folds=3))
    with pytest.raises(UnknownRun, match=r"has no results: it is \w+\. Wait for it, resume it, or choose a finished run"):
        suspects.search(world, [waiting.name])


def test_a_run_without_predictions_out_of_fold_is_refused(world):
    name = runs.listing(world)[0].name
    with world.store.writing() as db:
        db.execute("update prediction set part = 'train' where run = ?", [name])
    assert not suspects.rankable(world.store, name)
    with pytest.raises(CannotTrain, match=r"no predictions on labelled samples that it did not learn from\. Train one with --folds"):
        suspects.search(world, [name])


def test_a_run_that_judged_one_class_only_is_refused(world):
    name = runs.listing(world)[0].name
    with world.store.writing() as db:
        db.execute("delete from prediction where run = ? and truth != 'wheat'", [name])
    with pytest.raises(CannotTrain, match="fewer than two classes"):
        suspects.search(world, [name])


def test_the_summary_of_a_run_that_is_not_ranked_says_how_to_rank_it(world):
    name = runs.listing(world)[0].name
    with pytest.raises(UnknownRun, match=f"not ranked.* Rank them with: python -m modeling suspects --run {name}"):
        suspects.summary(world.store, name)


# The queue


def decide(workspace: Workspace, sample: int, action: str, **more) -> None:
    event = {"uid": f"{sample}-{action}", "sample": sample, "action": action} | more
    assert decisions.record(workspace.store, toy.NAME, "ann", [event])[0].stored


def test_the_queue_follows_the_ranks_with_the_reason_of_each(world, run):
    queue, found = queues.parse(f"suspects:{run}"), rows(world, run)
    served = queues.following(world.store, toy.NAME, queue, None, 50)
    assert served == [row["sample"] for row in found]
    assert queues.following(world.store, toy.NAME, queue, served[4], 3) == served[5:8]
    assert queues.preceding(world.store, toy.NAME, queue, served[4], 3) == served[1:4]
    entries = queues.entries(world.store, toy.NAME, queue, served[3:6])
    assert [(entry.rank, entry.reason) for entry in entries] == [(row["rank"], row["reason"]) for row in found[3:6]]
    assert queues.position(world.store, toy.NAME, queue, served[7]) == 8
    assert queues.count(world.store, toy.NAME, queue) == {"samples": 36, "open": 36}
    assert queues.doubts(world.store, toy.NAME) == [(run, 36)]


def test_what_was_decided_since_the_run_is_skipped_going_forward(world, run):
    queue = Queue("suspects", (run,))
    served = queues.following(world.store, toy.NAME, queue, None, 50)
    decide(world, served[0], "agree")
    decide(world, served[2], "reject", reason="mixed")
    left = [served[1], *served[3:]]
    assert queues.following(world.store, toy.NAME, queue, None, 50) == left
    assert queues.preceding(world.store, toy.NAME, queue, served[3], 9) == served[:3]
    assert [entry.rank for entry in queues.entries(world.store, toy.NAME, queue, left[:3])] == [2, 4, 5]


def test_what_was_decided_before_the_run_is_looked_at_again(world):
    toy.decide(world, "S005-2020", "agree", 146)
    name = run_of(world)
    suspects.search(world, [name])
    first = rows(world, name)[:3]
    served = queues.following(world.store, toy.NAME, Queue("suspects", (name,)), None, 3)
    assert served == [row["sample"] for row in first]
    assert {row["sample"] for row in suspects.top(world.store, name, 3)} == named(WRONG)


def test_a_sample_that_is_not_ranked_is_no_member(world, run):
    queue = Queue("suspects", (run,))
    with world.store.reading() as db:
        shrub = db.execute("select id from sample where inventory_code = 50").fetchone()["id"]
    assert not queues.contains(world.store, toy.NAME, queue, shrub)
    assert queues.entries(world.store, toy.NAME, queue, [shrub]) == []
    assert queues.following(world.store, toy.NAME, queue, shrub, 1) == [rows(world, run)[0]["sample"]]
    assert queues.following(world.store, toy.NAME, Queue("suspects", ("nothing",)), None, 5) == []


def test_what_was_checked_is_counted_as_wrong_right_or_unsure(world, run):
    found = rows(world, run)
    code = {"wheat": 146, "canola": 153, "soybean": 158}
    assert suspects.checked(world.store, run).deepest == 0
    decide(world, found[0]["sample"], "relabel", code=code[found[0]["suggested"]])
    decide(world, found[1]["sample"], "reject", reason="mixed")
    decide(world, found[3]["sample"], "agree")
    decide(world, found[4]["sample"], "unsure")
    decide(world, found[6]["sample"], "relabel", code=50)
    checked = suspects.checked(world.store, run)
    assert (checked.wrong, checked.right, checked.unsure, checked.deepest) == (3, 1, 1, 7)
    assert checked.precision.value == 0.75
    undo = {"uid": "undo", "sample": found[6]["sample"], "action": "undo", "undo_of": f"{found[6]['sample']}-relabel"}
    decisions.record(world.store, toy.NAME, "ann", [undo])
    assert suspects.checked(world.store, run).wrong == 2


# Labels flipped on purpose


def test_a_ranking_is_judged_by_what_is_wrong():
    wrong = np.zeros(200, dtype=bool)
    wrong[[0, 1, 2, 50]] = True
    truth = np.arange(200) % 2
    shares = np.stack([np.linspace(0.01, 0.99, 200), np.linspace(0.99, 0.01, 200)], axis=1)
    shares[truth == 1] = shares[truth == 1][:, ::-1]  # the label's own share rises with the number
    found = injection.measured(wrong, suspects.rank(truth, shares))
    assert (found.samples, found.wrong) == (200, 4)
    assert found.precision_at_wrong == 0.75
    assert found.precision_at_100 == 0.04
    assert found.precision_at_5 == 0.3
    assert found.recall_at_10 == 0.75
    assert found.auroc == pytest.approx(1 - 47 / (4 * 196))  # of 784 pairs, 47 stand the wrong way round


def test_where_nothing_is_wrong_there_is_nothing_to_judge():
    with pytest.raises(CannotTrain, match="0 of 20 labels are wrong"):
        injection.measured(np.zeros(20, dtype=bool), suspects.rank(*shares_of(20, 2)))


@given(
    st.lists(st.integers(-1, 3), min_size=12, max_size=80),
    st.floats(0.01, 0.9),
    st.integers(0, 100),
    st.sampled_from([None, "some", "none"]),
)
@settings(max_examples=40, deadline=None)
def test_exactly_the_share_is_flipped_and_never_to_the_same_class(labels, share, draw, shape):
    truth = np.array([*labels, 0, 1, 2, 3])
    confusion = {None: None, "some": np.eye(4) + np.eye(4, k=1), "none": np.eye(4)}[shape]
    flipped, wrong = injection.flipped(truth, share, confusion, draw, 4)
    assert wrong.sum() == max(1, round(share * (truth >= 0).sum()))
    assert ((flipped != truth) == wrong).all()
    assert not wrong[truth < 0].any()
    assert (injection.flipped(truth, share, confusion, draw, 4)[0] == flipped).all()
    if shape == "some":
        assert (flipped[wrong & (truth < 3)] == truth[wrong & (truth < 3)] + 1).all()


def test_the_expected_confusion_sums_probabilities_by_label():
    truth, shares = shares_of(30, 3)
    expected = injection.expected_confusion(truth, shares)
    assert expected.sum(axis=1) == pytest.approx(np.bincount(truth, minlength=3))
    assert expected[1] == pytest.approx(shares[truth == 1].sum(axis=0))


def everything_in(store) -> dict[str, list]:
    with closing(sqlite3.connect(store.path)) as db:
        tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'") if not name.startswith("split")]
        return {table: db.execute(f'select * from "{table}"').fetchall() for table in tables}


@pytest.mark.parametrize("shape", injection.SHAPES)
def test_flipped_labels_are_found_and_the_store_stays_as_it_is(world, shape):
    before, folders = everything_in(world.store), sorted(world.runs.iterdir())
    configs = (toy.config(folds=3, labels="mixed", model="forest"), toy.config(folds=3, labels="mixed", epochs=10))
    told = []
    found = injection.run(world, Experiment(configs, 0.1, shape, draws=2), tell=lambda *step: told.append(step))
    assert everything_in(world.store) == before
    assert sorted(world.runs.iterdir()) == folders
    assert [draw.wrong for draw in found] == [4, 4]
    assert min(draw.auroc for draw in found) > 0.8  # three labels were wrong before
    trainings = 6 if shape == "similar" else 4
    assert told[-1][:2] == (trainings, trainings)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"share": 1.5}, "share of labels to flip is 1.5"),
        ({"draws": 0}, "0 draws cannot be made"),
        ({"shape": "odd"}, "no shape 'odd' of wrong labels"),
        ({"configs": (toy.config(folds=0),)}, "Without folds most labels have no prediction"),
    ],
)
def test_experiments_that_cannot_be_made_are_refused(world, changes, told):
    experiment = replace(Experiment((toy.config(folds=3),), 0.1), **changes)
    with pytest.raises(CannotTrain, match=told):
        injection.run(world, experiment)


def test_a_confusion_of_other_classes_is_refused(world):
    with pytest.raises(CannotTrain, match="is of 2 classes, the labels are of 3"):
        injection.run(world, Experiment((toy.config(folds=3),), 0.1, "similar"), np.ones((2, 2)))


# The command


def call(*arguments: str):
    return CliRunner().invoke(main, ["suspects", *arguments])


QUICK = ("--collection", toy.NAME, "--model", "forest", "--folds", "3", "--device", "cpu", "--split", "random")


def test_the_command_trains_ranks_and_stores_and_takes_the_run_again(world):
    result = call(*QUICK, "--model", "ltae", "--top", "2", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert len(found["runs"]) == 2
    assert found["queue"] == f"suspects:{found['run']}"
    assert {row["sample"] for row in found["top"]} <= named(WRONG)
    assert rows(world, found["run"])[0]["reason"] == found["top"][0]["reason"]
    assert json.loads(call(*QUICK, "--json").stdout)["runs"] == found["runs"][:1]
    toy.decide(world, "S000-2020", "relabel", 153)
    assert json.loads(call(*QUICK, "--json").stdout)["runs"] != found["runs"][:1]


def test_a_model_that_is_named_again_gets_other_folds(world):
    chosen = {"block_side": None, "seed": 4, "labels": "mixed", "split": "block", "folds": 3, "device": "cpu"}
    configs = configurations(world, toy.NAME, ("forest", "ltae", "forest"), **chosen)
    assert [(config.model, config.seed, config.class_weights) for config in configs] == [
        ("forest", 4, False), ("ltae", 4, True), ("forest", 5, False),
    ]  # fmt: skip
    assert {config.block_side_m for config in configs} == {2_000.0}


def test_the_command_goes_on_with_a_run_that_was_stopped(world):
    first = json.loads(call(*QUICK, "--json").stdout)["run"]
    stopped = RunDir(world.runs / first)
    expected = rows(world, first)
    (stopped.path / "results.json").unlink()
    stopped.say("cancelled")
    assert json.loads(call(*QUICK, "--json").stdout)["run"] == first
    assert rows(world, first) == expected


def test_the_command_ranks_finished_runs_and_prints_the_list(world):
    name = runs.listing(world)[0].name
    result = call("--run", name, "--top", "3")
    assert result.exit_code == 0, result.output
    assert f"{name}: 36 labels ranked" in result.stdout
    assert "; most doubtful of 36" in result.stdout
    assert f"queue suspects:{name}" in result.stdout


def test_the_command_reports_an_experiment(world):
    result = call(*QUICK, "--inject", "0.1", "--draws", "2", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert len(found["draws"]) == 2
    assert found["mean"]["auroc"] == pytest.approx(np.mean([draw["auroc"] for draw in found["draws"]]))
    assert found["mean"]["precision_at_100"] is None
    assert not suspects.ranked(world, runs.listing(world)[0].name)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Say whose labels to rank with --collection"),
        (("--run", "nothing"), "There is no run 'nothing'"),
        (("--collection", "nowhere"), "nowhere"),
        (("--collection", toy.NAME, "--model", "oracle"), "There is no model 'oracle'"),
        (("--collection", toy.NAME, "--model", "ltae", "--run", "a"), "not both"),
        (("--collection", toy.NAME, "--draws", "2"), "give --inject, too"),
        (("--collection", toy.NAME, "--inject", "0.1", "--run", "a"), "gives the confusions of --shape similar"),
        (("--collection", toy.NAME, "--inject", "0.1", "--shape", "similar", "--run", "a", "--run", "b"), "Give one --run"),
        (("--collection", toy.NAME, "--model", "ltae", "--block-side", "1000000"), "smaller blocks"),
    ],
)
def test_bad_arguments_are_answered_with_what_to_do(world, arguments, told):
    result = call(*arguments)
    assert result.exit_code != 0
    assert told in result.output
    assert "Traceback" not in result.output


# The pages


def results_page(run: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.query_params.update(collection=toy.NAME, run=run)
    app = app.switch_page("pages/results.py").run()
    return app.segmented_control(key="results.view").set_value("Label errors").run()


def test_the_results_page_ranks_and_then_says_what_came_of_it(world):
    name = runs.listing(world)[0].name
    app = results_page(name)
    app.button(key="suspects.rank").click().run()
    assert not app.exception
    assert suspects.ranked(world, name)
    assert app.button(key="suspects.open").label == "Check the most doubtful labels"
    first, second = (row["sample"] for row in rows(world, name)[:2])
    decide(world, first, "reject", reason="mixed")
    decide(world, second, "agree")
    app = results_page(name)
    assert "1 of 2" in [metric.value for metric in app.metric]
    assert any("1 wrong, 1 right; down to rank 2" in caption.value for caption in app.caption)


def test_a_run_that_cannot_be_ranked_gets_no_button(world):
    name = runs.listing(world)[0].name
    with world.store.writing() as db:
        db.execute("update prediction set part = 'outside' where run = ?", [name])
    app = results_page(name)
    assert not app.exception
    assert "suspects.rank" not in [button.key for button in app.button]


def test_the_verify_page_offers_the_queue(world, run):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.query_params.update(collection=toy.NAME, queue=f"suspects:{run}")
    app = app.switch_page("pages/verify.py").run()
    assert not app.exception
    assert app.selectbox(key="verify.kind").value == "suspects"
    assert app.selectbox(key="verify.suspects").value == (run,)
