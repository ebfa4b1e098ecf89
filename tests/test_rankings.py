"""The rankings: against NumPy and scikit-learn, on small tables with known answers, and on simulated labels that are known to be wrong."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from data import packed, simulate
from data.errors import BadInput, UnknownRun
from data.importing import import_collection
from data.report import Report
from data.workspace import Workspace
from labeling import decisions, policy
from labeling.rankings import (
    audit,
    border,
    cell,
    common,
    disagrees,
    gaps,
    mixed,
    outliers,
    purity,
    registry,
    rotation,
    suspects,
    unverified,
)
from labeling.rankings.common import Ranked
from tests import modeling_world
from tests.conftest import copy_workspace

TOY = modeling_world.NAME
CLASSES = ("wheat", "canola", "soybean")
SIMULATED, SAMPLES, VERIFIED = "simulated", 680, 400


@pytest.fixture
def toy(empty) -> Workspace:
    """39 samples: 12 each of wheat (146), canola (153) and soybean (158), 3 of shrubland (50), in turn."""
    return modeling_world.world(empty)


@pytest.fixture(scope="session")
def simulated_home(tmp_path_factory):
    """680 simulated samples, one in ten with a wrong label; the truth about the first 400 was decided."""
    workspace = Workspace(tmp_path_factory.mktemp("simulated") / "workspace").create()
    small = replace(simulate.spec(SIMULATED), height=4, width=4)
    import_collection(workspace, small, (_middle(sample) for sample in simulate.samples(SAMPLES)))
    rows = _rows(workspace, "select id, name, inventory_code as code from sample order by id limit ?", VERIFIED)
    _decide(workspace, SIMULATED, {row["id"]: simulate.truth(SAMPLES)[row["name"]] for row in rows})
    return workspace.home


@pytest.fixture
def simulated(simulated_home, tmp_path) -> Workspace:
    return copy_workspace(simulated_home, tmp_path / "simulated")


def _middle(sample):
    """The 4 x 4 pixels around the point: its field, and a shard sixty times smaller."""
    at = slice(sample.pixels.shape[-1] // 2 - 2, sample.pixels.shape[-1] // 2 + 2)
    return replace(sample, pixels=sample.pixels[..., at, at], inventory=sample.inventory[at, at])


def _rows(workspace, sql, *values) -> list:
    with workspace.store.reading() as db:
        return db.execute(sql, values).fetchall()


def _decide(workspace, collection, codes: dict[int, int]) -> None:
    events = [{"uid": f"u{sample}", "sample": sample, "action": "relabel", "code": code, "seen": None} for sample, code in codes.items()]
    outcomes = decisions.record(workspace.store, collection, "ada", events)
    assert all(outcome.stored and outcome.stands for outcome in outcomes)


def _numbers(workspace, collection=TOY) -> list[int]:
    return [row["id"] for row in _rows(workspace, "select id from sample where collection = ? order by id", collection)]


def _predict(workspace, run, shares, *, parts=None, truth=None, created="2026-01-01T00:00:00Z") -> None:
    """Store a run with (n, 3) probabilities of the first n samples."""
    with workspace.store.writing() as db:
        db.execute("insert or ignore into split values (1, ?, 'random', 'random', 0, '{}', '')", [TOY])
        db.execute("insert into run values (?, ?, 'ltae', 'inventory', 1, '{}', 0, '', ?)", [run, TOY, created])
        for at, sample in enumerate(_numbers(workspace)[: len(shares)]):
            best = int(np.argmax(shares[at]))
            db.execute(
                "insert into prediction values (?, ?, ?, ?, ?, ?, ?)",
                [run, sample, parts[at] if parts else "test", truth[at] if truth else None, CLASSES[best], float(shares[at][best]),
                 json.dumps([float(share) for share in shares[at]])],
            )  # fmt: skip


def _samples(found) -> list[int]:
    return [entry.sample for entry in found]


# Wrong labels of the simulation


def _wrong(workspace, found) -> list[bool]:
    truth = simulate.truth(SAMPLES)
    known = {
        row["id"]: truth[row["name"]] != row["code"] for row in _rows(workspace, "select id, name, inventory_code as code from sample")
    }
    return [known[entry.sample] for entry in found]


def test_seasons_far_from_the_verified_ones_are_those_of_wrong_labels(simulated):
    found = outliers.ranked(simulated, SIMULATED, limit=SAMPLES)
    wrong = _wrong(simulated, found)
    assert len(found) > 200
    assert [entry.score for entry in found] == sorted((entry.score for entry in found), reverse=True)
    assert roc_auc_score(wrong, [entry.score for entry in found]) > 0.75
    assert np.mean(wrong[:20]) > 3 * np.mean(wrong)


def test_rotations_that_are_broken_are_those_of_wrong_labels(simulated):
    """Each site's crop comes from its neighbours in time by a known rule, kept nine times in ten."""
    rng, follows = np.random.default_rng(1), dict(zip(simulate.SHARES, [*list(simulate.SHARES)[1:], 147], strict=True))
    before = {crop: known for known, crop in follows.items()}
    truth = simulate.truth(SAMPLES)
    with simulated.store.writing() as db:
        for row in db.execute("select site, name from sample").fetchall():
            crop = truth[row["name"]]
            for year, known in ((2018, before[crop]), (2020, follows[crop])):
                code = known if rng.random() < 0.9 else int(rng.choice(list(simulate.SHARES)))
                db.execute("insert into aci_history values (?, ?, ?)", [row["site"], year, code])
    found = rotation.ranked(simulated, SIMULATED, limit=SAMPLES)
    assert len(found) == SAMPLES - VERIFIED
    assert roc_auc_score(_wrong(simulated, found), [-entry.score for entry in found]) > 0.9


def test_what_has_a_decision_is_left_out_unless_it_is_wanted(simulated):
    verified = {row["id"] for row in _rows(simulated, "select id from sample where decision is not null")}
    assert not verified & set(_samples(outliers.ranked(simulated, SIMULATED, limit=SAMPLES)))
    assert verified & set(_samples(outliers.ranked(simulated, SIMULATED, limit=SAMPLES, decided=True)))


def test_an_outliers_reason_has_its_figures(simulated):
    entry = outliers.ranked(simulated, SIMULATED, limit=1)[0]
    label = _rows(
        simulated, "select g.learned from sample s join legend_class g on g.collection = s.collection and g.code = s.inventory_code "
        "where s.id = ?", entry.sample,
    )[0]["learned"]  # fmt: skip
    n = _rows(
        simulated, "select count(*) from label l join legend_class g on g.collection = l.collection and g.code = l.code "
        "where l.verified and g.learned = ?", label,
    )[0][0]  # fmt: skip
    assert entry.reason.startswith(f"Its season lies {entry.score:.1f} times as far from {n} verified {label} seasons as these from each")
    only = outliers.ranked(simulated, SIMULATED, limit=1, index="ndvi")[0]
    assert only.reason.startswith(f"Its NDVI season lies {only.score:.1f} times")


def test_one_season_is_as_far_as_the_formula_says(simulated):
    """The whole calculation once more, sample by sample with NumPy's own quantiles, for a verified and an unverified sample."""
    found = {entry.sample: entry.score for entry in outliers.ranked(simulated, SIMULATED, limit=SAMPLES, decided=True, index="NDVI")}
    rows = _rows(
        simulated,
        """select s.id, coalesce(g.learned, g.name) as label, l.verified, i.slot, t.median from sample s join label l on l.sample = s.id
        join legend_class g on g.collection = s.collection and g.code = l.code join image_quality i on i.sample = s.id
        join index_stat t on t.image = i.image and t.name = 'NDVI' where i.quality = 'ok'""",
    )
    chosen = next(row["label"] for row in rows if row["id"] in found and not row["verified"])
    seasons: dict[int, np.ndarray] = {}
    verified = set()
    for row in rows:
        if row["label"] == chosen:
            seasons.setdefault(row["id"], np.full(5, np.nan))[row["slot"]] = row["median"]
            verified |= {row["id"]} if row["verified"] else set()

    def distance(sample: int) -> float:
        others = np.array([seasons[one] for one in sorted(verified - {sample})])
        low, middle, high = np.nanquantile(others, (0.25, 0.5, 0.75), axis=0)
        whole = np.isfinite(np.array([seasons[one] for one in verified])).sum(axis=0)
        off = np.minimum(np.abs(seasons[sample] - middle) / np.maximum((high - low) / 1.349, 0.02), 5)
        return float(np.nanmean(np.where(whole >= 10, off, np.nan))) if np.isfinite(off).sum() > 1 else np.nan

    typical = np.nanmedian([distance(sample) for sample in verified])
    both = [next(s for s in seasons if s in found and (s in verified) == wanted) for wanted in (True, False)]
    for sample in both:
        assert found[sample] == pytest.approx(distance(sample) / typical, rel=1e-5)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_leaving_one_out_is_what_deleting_its_row_gives(missing):
    rng = np.random.default_rng(3)
    values = rng.normal(size=(23, 6)).round(1)  # with ties
    values[rng.random(values.shape) < missing] = np.nan
    centre, spread = outliers.centre_and_spread(values, leave_out=True)
    for row in range(len(values)):
        rest = np.delete(values, row, axis=0)
        low, middle, high = np.nanquantile(rest, (0.25, 0.5, 0.75), axis=0)
        seen = np.isfinite(values[row])
        np.testing.assert_allclose(centre[row][seen], middle[seen], atol=1e-12)
        np.testing.assert_allclose(spread[row][seen], (high - low)[seen] / 1.349, atol=1e-12)


def test_centre_and_spread_are_numpys_quantiles():
    values = np.random.default_rng(4).normal(size=(40, 3))
    values[:7, 1] = np.nan
    centre, spread = outliers.centre_and_spread(values, leave_out=False)
    np.testing.assert_allclose(centre, np.nanmedian(values, axis=0))
    np.testing.assert_allclose(spread, np.subtract(*np.nanquantile(values, (0.75, 0.25), axis=0)) / 1.349)


def test_without_twenty_verified_samples_there_are_no_outliers(toy):
    with pytest.raises(BadInput, match=r"No class of toy has 20 verified samples yet \(none is verified yet\)"):
        outliers.ranked(toy, TOY, limit=10)
    _decide(toy, TOY, dict.fromkeys(_numbers(toy)[:19], 146))
    with pytest.raises(BadInput, match=r"wheat has the most: 19"):
        outliers.ranked(toy, TOY, limit=10)
    _decide(toy, TOY, {_numbers(toy)[19]: 146})
    assert {entry.sample for entry in outliers.ranked(toy, TOY, limit=39)} <= set(_numbers(toy)[20:])


# Rotation


def test_the_probability_is_laplaces_and_leaves_the_site_out():
    """Three sites alternate classes 0 and 1; a fourth has 0 1 0 too. What is known of site 4 itself does not speak for it."""
    sites = np.repeat([1, 2, 3, 4], 3)
    years = np.tile([2018, 2019, 2020], 4)
    crops = np.array([0, 1, 0, 0, 1, 0, 0, 2, 0, 0, 1, 0])
    before, after = (rotation.at_year(sites, years, crops, sites, years + step) for step in (-1, 1))
    asked = (np.array([4, 3]), np.array([1, 2]), np.array([0, 0]), np.array([0, 0]))
    found = rotation.surprise((sites, crops, before, after), asked, 3)
    assert found.between.tolist() == [3, 3]
    assert found.alike.tolist() == [2, 0]
    assert found.probability.tolist() == [(2 + 1) / (3 + 3), (0 + 1) / (3 + 3)]


def test_one_known_neighbour_year_speaks_alone_and_none_says_nothing():
    sites, years, crops = np.array([1, 1, 2, 2, 3]), np.array([2018, 2019, 2018, 2019, 2019]), np.array([0, 1, 0, 0, 1])
    before, after = (rotation.at_year(sites, years, crops, sites, years + step) for step in (-1, 1))
    asked = (np.array([9, 9]), np.array([1, 1]), np.array([0, -1]), np.array([-1, -1]))
    found = rotation.surprise((sites, crops, before, after), asked, 2)
    assert found.probability[0] == pytest.approx((1 + 1) / (2 + 2))
    assert np.isnan(found.probability[1])


def test_probabilities_are_those_of_a_plain_count():
    rng = np.random.default_rng(7)
    sites, years = np.repeat(np.arange(60), 4), np.tile(np.arange(2017, 2021), 60)
    crops = rng.integers(0, 3, 240)
    before, after = (rotation.at_year(sites, years, crops, sites, years + step) for step in (-1, 1))
    found = rotation.surprise((sites, crops, before, after), (sites, crops, before, after), 3)
    said = {(int(s), int(y)): int(c) for s, y, c in zip(sites, years, crops, strict=True)}
    for at in range(240):
        wanted = [(step, said[sites[at], years[at] + step]) for step in (-1, 1) if (sites[at], years[at] + step) in said]
        alike = [crop for (s, y), crop in said.items() if s != sites[at] and all(said.get((s, y + step)) == c for step, c in wanted)]
        assert found.between[at] == len(alike)
        assert found.probability[at] == pytest.approx((alike.count(crops[at]) + 1) / (len(alike) + 3))


def test_a_collection_without_other_years_has_no_rotation(toy):
    with pytest.raises(BadInput, match=r"toy has no inventory of the years before or after .* python -m data inventory"):
        rotation.ranked(toy, TOY, limit=5)


def test_the_rotations_reason_names_both_years_and_the_count(kinds):
    found = rotation.ranked(kinds, "months-2017-2020", limit=1000)
    assert len(found) == 24
    assert [entry.score for entry in found] == sorted(entry.score for entry in found)
    assert any(
        " after " in entry.reason and " and before " in entry.reason and "other site-years in that place" in entry.reason for entry in found
    )


# What the models say


def test_the_narrowest_margin_and_the_highest_entropy_come_first(toy):
    rng = np.random.default_rng(0)
    shares = rng.dirichlet([1, 1, 1], 20)
    _predict(toy, "run-1", shares)
    numbers = np.array(_numbers(toy)[:20])
    ordered = np.sort(shares, axis=1)
    by_margin = border.ranked(toy, TOY, limit=20)
    assert _samples(by_margin) == numbers[np.argsort(ordered[:, -1] - ordered[:, -2])].tolist()
    np.testing.assert_allclose([entry.score for entry in by_margin], np.sort(ordered[:, -1] - ordered[:, -2]))
    np.testing.assert_allclose(border.entropies(shares), stats.entropy(shares, axis=1) / np.log(3))
    assert _samples(border.ranked(toy, TOY, limit=20, measure="entropy"))[0] == numbers[np.argmax(stats.entropy(shares, axis=1))]


def test_the_border_names_both_classes_and_skips_what_taught_the_run(toy):
    _predict(toy, "run-1", [(0.5, 0.5, 0.0), (0.48, 0.52, 0), (0.1, 0.46, 0.44)], parts=["train", "outside", "fold-1"])
    found = border.ranked(toy, TOY, limit=5)
    assert [entry.reason for entry in found] == [
        "Run run-1 wavers: canola 0.46, soybean 0.44.",
        "Run run-1 wavers: canola 0.52, wheat 0.48.",
    ]


def test_a_model_disagrees_where_it_did_not_learn_and_the_surest_is_first(toy):
    """Samples take turns: wheat, canola, soybean, shrubland."""
    shares = [(0.1, 0.8, 0.1), (0.1, 0.8, 0.1), (0.9, 0.05, 0.05), (0.99, 0.01, 0), (0, 0.95, 0.05)]
    _predict(toy, "run-1", shares, parts=["test", "test", "fold-2", "test", "train"])
    first, second, third, *_ = _numbers(toy)
    found = disagrees.ranked(toy, TOY, limit=9)
    assert _samples(found) == [third, first]  # the second agrees, shrubland is in no class, the fifth taught the run
    assert found[0].reason == "Labelled soybean, run run-1 reads wheat with probability 0.90."
    _decide(toy, TOY, {third: 146, first: 146})
    assert not disagrees.ranked(toy, TOY, limit=9)
    assert _samples(disagrees.ranked(toy, TOY, limit=9, decided=True)) == [first]  # the third is wheat now, as the run says
    assert second not in _samples(found)


def test_a_cell_holds_its_samples_and_refuses_a_class_that_there_is_not(toy):
    _predict(toy, "run-1", [(0.2, 0.8, 0), (0.1, 0.9, 0), (0.2, 0.8, 0)], truth=["wheat", "wheat", "soybean"])
    found = cell.ranked(toy, TOY, truth="wheat", predicted="canola", limit=5)
    assert [(entry.sample, entry.score) for entry in found] == list(zip(_numbers(toy)[1::-1], (0.9, 0.8), strict=True))
    with pytest.raises(BadInput, match=r"no class 'rye' in toy. Its learned classes are wheat, canola, soybean"):
        cell.ranked(toy, TOY, truth="rye", predicted="canola", limit=5)


def test_the_newest_run_is_asked_unless_one_is_named(toy):
    _predict(toy, "older", [(0.1, 0.8, 0.1)], created="2026-01-01T00:00:00Z")
    _predict(toy, "newer", [(0.1, 0.2, 0.7)], created="2026-02-01T00:00:00Z")
    _predict(toy, "learning", [(1, 0, 0)], created="2026-03-01T00:00:00Z", parts=["train"])
    assert "newer reads soybean" in disagrees.ranked(toy, TOY, limit=1)[0].reason
    assert "older reads canola" in disagrees.ranked(toy, TOY, limit=1, run="older")[0].reason
    with pytest.raises(BadInput, match="The run learning has no predictions"):
        disagrees.ranked(toy, TOY, limit=1, run="learning")
    with pytest.raises(UnknownRun, match="no run 'nobody' of toy"):
        disagrees.ranked(toy, TOY, limit=1, run="nobody")


def test_suspects_come_as_they_were_ranked_and_without_any_the_way_there_is_told(toy):
    with pytest.raises(BadInput, match=r"python -m modeling suspects --collection toy"):
        suspects.ranked(toy, TOY, limit=3)
    _predict(toy, "run-1", [(1, 0, 0)])
    numbers = _numbers(toy)
    with toy.store.writing() as db:
        for rank, sample in enumerate(reversed(numbers[:5]), start=1):
            row = ["run-1", sample, rank, "wheat", "canola", rank / 10, 0.1, 1, f"Doubt {rank}", 1]
            db.execute(f"insert into suspect values ({', '.join('?' * 10)})", row)
    _decide(toy, TOY, {numbers[4]: 146})
    found = suspects.ranked(toy, TOY, limit=2)
    assert [(entry.sample, entry.reason, entry.score) for entry in found] == [(numbers[3], "Doubt 2.", 0.2), (numbers[2], "Doubt 3.", 0.3)]


# What the inventory says


def test_the_least_pure_patches_come_first_and_pure_ones_not_at_all(demo):
    collection = "canada-simulated-2019"
    rows = _rows(demo, "select id, purity, modal_code <> inventory_code as differs from sample where collection = ?", collection)
    found = purity.ranked(demo, collection, limit=1000)
    assert {entry.sample for entry in found} == {row["id"] for row in rows if row["purity"] < 1 or row["differs"]}
    assert [entry.score for entry in found] == sorted(row["purity"] for row in rows if row["purity"] < 1 or row["differs"])
    with pytest.raises(BadInput, match=r"Every patch of toy is of one crop only"):
        purity.ranked(modeling_world.world(demo), TOY, limit=10)


def test_gaps_even_out_the_share_of_verified(toy):
    """Of 12 wheat 6 are verified, of 12 canola 3: canola and the untouched groups come first, until all stand alike."""
    numbers = _numbers(toy)
    codes = {row["id"]: row["code"] for row in _rows(toy, "select id, inventory_code as code from sample")}
    wheat, canola = ([one for one in numbers if codes[one] == code] for code in (146, 153))
    _decide(toy, TOY, dict.fromkeys(wheat[:6], 146) | dict.fromkeys(canola[:3], 153))
    found = gaps.ranked(toy, TOY, limit=39)
    assert len(found) == len(set(_samples(found))) == 30
    listed = Counter(codes[entry.sample] for entry in found[:11])
    assert listed == {158: 6, 153: 3, 50: 2}  # soybean 6/12, canola 3 + 3 of 12, shrubland 2/3: none below wheat's half
    assert found[0].reason in (
        "0 of the 12 samples of soybean were verified (0 %), 23 % of all.",
        "0 of the 3 samples of shrubland were verified (0 %), 23 % of all.",
    )
    assert gaps.ranked(toy, TOY, limit=1, by="region")[0].reason.startswith("9 of the 39 samples in Toyland were verified (23 %)")


def test_the_audit_is_the_undecided_rest_of_a_fixed_prefix(toy):
    order = [row["id"] for row in _rows(toy, "select id from sample order by shuffle, id")]
    _decide(toy, TOY, {order[0]: 146, order[2]: 146, order[30]: 146})
    found = audit.ranked(toy, TOY, limit=10, seed=5)
    assert _samples(found) == [order[1], *order[3:10]]
    assert [entry.score for entry in found] == [2, 4, 5, 6, 7, 8, 9, 10]
    assert found[0].reason == "Random audit: 2 of the first 10 in the fixed random order."
    assert audit.prefix(toy.store, TOY, 10_000) == 39


def test_the_unverified_are_shuffled_by_the_seed_or_as_they_are(toy):
    numbers = _numbers(toy)
    _decide(toy, TOY, {numbers[0]: 146})
    one, again, other = (_samples(unverified.ranked(toy, TOY, limit=50, seed=seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert sorted(one) == sorted(other) == numbers[1:] == _samples(unverified.ranked(toy, TOY, limit=50, order="given"))
    assert len(unverified.ranked(toy, TOY, limit=50, decided=True)) == 39


# The mixed queue


def _part(*samples: int) -> list[Ranked]:
    return [Ranked(sample, None, f"why {sample}") for sample in samples]


def test_every_stretch_of_a_mixed_queue_has_about_the_shares():
    parts = {"a": _part(*range(1000)), "b": _part(*range(1000, 2000)), "c": _part(*range(2000, 3000))}
    dealt = mixed.deal(parts, {"a": 0.5, "b": 0.3, "c": 0.2}, 1000)
    for start in range(0, 1000, 20):
        counts = Counter(entry.kind for entry in dealt[start : start + 20])
        assert abs(counts["a"] - 10) <= 1 and abs(counts["b"] - 6) <= 1 and abs(counts["c"] - 4) <= 1
    for kind, part in parts.items():
        kept = [entry.sample for entry in dealt if entry.kind == kind]
        assert kept == _samples(part)[: len(kept)]


def test_a_part_that_runs_dry_leaves_its_share_to_the_others_and_no_sample_comes_twice():
    parts = {"a": _part(1, 2, 3), "b": _part(3, 2, 4, 5, 6, 7, 8, 9), "c": []}
    dealt = mixed.deal(parts, {"a": 1, "b": 1, "c": 8}, 100)
    assert sorted(_samples(dealt)) == list(range(1, 10))
    assert mixed.absent({"a": 1, "b": 1, "c": 8}, dealt) == ["c"]


def test_the_mix_is_the_collections_rule_and_each_entry_keeps_its_kind(toy):
    policy.write(toy.store, TOY, policy.Policy(mix={"audit": 3, "gaps": 1, "outliers": 6}))
    dealt = mixed.ranked(toy, TOY, limit=20)
    assert Counter(entry.kind for entry in dealt) == {"audit": 15, "gaps": 5}
    assert all(entry.reason.startswith("Random audit") == (entry.kind == "audit") for entry in dealt)
    with pytest.raises(BadInput, match=r"cannot hold 'sideways'"):
        mixed.ranked(toy, TOY, limit=5, mix={"sideways": 1})
    with pytest.raises(BadInput, match=r"Nothing to mix. No class of toy has 20 verified"):
        mixed.ranked(toy, TOY, limit=5, mix={"outliers": 1})


def test_what_the_rules_can_mix_is_what_needs_nothing_said():
    assert set(policy.MIXABLE) == {kind for kind, entry in registry.KINDS.items() if not entry.needs and kind != "mixed"}


# All together


def test_ties_are_shuffled_and_what_has_no_score_is_left_out():
    scores = np.array([1.0, 0.0, np.nan, 0.0, 0.0])
    orders = {tuple(common.first(scores, 5, seed)) for seed in range(20)}
    assert all(sorted(order[:3]) == [1, 3, 4] and order[3] == 0 and len(order) == 4 for order in orders)
    assert len(orders) > 1
    assert common.first(scores, 2, 0).tolist() == common.first(scores, 4, 0).tolist()[:2]


@pytest.mark.parametrize("share, told", [(0, "0 %"), (0.004, "0.4 %"), (0.34, "34 %"), (0.996, "99.6 %"), (1, "100 %")])
def test_a_little_is_never_told_as_nothing_or_all(share, told):
    assert common.percent(share) == told


def test_seasons_of_a_packed_collection_are_read_from_its_shards(empty):
    """Thirty parcels alike of one class, verified but for three; one of these three has the season of another."""
    rng, slots = np.random.default_rng(5), 4
    toy = modeling_world.spec()
    spec = replace(toy, slots=tuple("1234"), aligned=False, packed=True)
    pixels = np.full((30, slots, len(toy.bands)), 600)
    infrared = np.array([modeling_world.SEASONS[146]] * 29 + [modeling_world.SEASONS[158]])
    pixels[:, :, 5:7] = infrared[:, :, None] * 10_000
    pixels = (pixels + rng.normal(0, 60, pixels.shape)).astype(np.uint16)
    names, days = [f"P{at}" for at in range(30)], np.array([f"2020-0{month}-10" for month in (5, 6, 7, 8)], "datetime64[D]")
    batch = packed.Batch(
        names, "Toyland", 2020, np.full(30, 11.0), np.full(30, 48.0), [(1.0, 0.0, 11.0, 0.0, -1.0, 48.0)] * 30, [None] * 30,
        np.full(30, 146), pixels, np.tile(days.astype(np.int64).astype(np.uint16), (30, 1)), np.full((30, slots), packed.OK, np.uint8),
    )  # fmt: skip
    packed.import_packed(empty, spec, [("P", names)], lambda wanted: (batch, Report()), Report())
    numbers = _numbers(empty)
    _decide(empty, TOY, dict.fromkeys(numbers[:27], 146))
    found = outliers.ranked(empty, TOY, limit=10)
    assert _samples(found)[0] == numbers[-1] and sorted(_samples(found)) == numbers[27:]
    assert found[0].score > 3 > max(entry.score for entry in found[1:])
    assert found[0].reason.startswith("Its NDVI season lies")
