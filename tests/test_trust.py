"""Controls, audit and queues, worked through by simulated curators of known error rates, and held against counts by hand."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import binomtest
from streamlit.testing.v1 import AppTest

from data import audited
from data.errors import UnknownCollection
from labeling import policy, team, worklists
from labeling.__main__ import main as labeling_main
from labeling.policy import Policy
from labeling.trust import agreement, audit, controls, reasons
from labeling.trust.shares import Share, needed, wilson
from tests.conftest import ROOT
from tests.curators import Simulated, World, world

CANADA = "canada-simulated-2019"
ADA = Simulated("Ada")


@pytest.fixture
def canada(demo, demo_home) -> World:
    """240 samples, of which 24 have a wrong label; reviews and controls come only where a test places them."""
    policy.write(demo.store, CANADA, Policy(second_share=0, control_share=0))
    return world(demo, CANADA, demo_home)


def in_audit_order(canada: World) -> list[int]:
    with canada.store.reading() as db:
        return [row["id"] for row in db.execute("select id from sample where collection = ? order by shuffle, id", [CANADA])]


def asked_for(canada: World, prefix: int) -> worklists.Worklist:
    return worklists.make(canada.workspace, CANADA, "audit", limit=prefix)


def record_of(canada: World, name: str) -> controls.Record:
    return next(record for record in controls.records(canada.store, CANADA) if record.curator == name)


# Shares


@pytest.mark.parametrize(("hits", "of"), [(0, 7), (3, 7), (7, 7), (24, 240), (1, 1), (500, 10_000)])
def test_wilson_without_a_population_is_that_of_scipy(hits, of):
    theirs = binomtest(hits, of).proportion_ci(method="wilson")
    assert wilson(hits, of) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_a_population_makes_the_interval_narrower_and_a_whole_one_a_point():
    endless, finite = Share(10, 100), Share(10, 100, population=200)
    assert finite.half_width == pytest.approx(endless.half_width * math.sqrt(100 / 199), rel=0.02)
    assert Share(10, 100, population=100).interval == (0.1, 0.1)
    assert Share(0, 0).interval == (0.0, 1.0)
    assert Share(0, 0).value is None


@pytest.mark.parametrize("margin", [0.05, 0.02])
def test_as_many_as_are_needed_are_enough_and_one_fewer_is_not(margin):
    count = needed(0.1, margin, 15_700)
    low, high = wilson(0.1 * count, count, 15_700)
    assert (high - low) / 2 <= margin
    low, high = wilson(0.1 * (count - 1), count - 1, 15_700)
    assert (high - low) / 2 > margin
    # Cochran 1977: n0 = z2 p q / d2, n = n0 / (1 + n0 / N), of the normal approximation
    first = 1.96**2 * 0.09 / margin**2
    assert count == pytest.approx(first / (1 + first / 15_700), rel=0.05)


# Controls


def test_false_accepts_of_simulated_curators_have_their_true_rates_in_the_interval(canada):
    people = [(Simulated("Careful"), 0.0), (Simulated("Stamps", stamps=True), 1.0)]
    for person, _ in people:
        for wrong, part in ((True, canada.samples[:30]), (False, canada.samples[30:60])):
            person.answers(canada, canada.controls(person.name, [sample for sample, _, _ in part], wrong=wrong))
    for person, rate in people:
        found = record_of(canada, person.name)
        assert (found.controls, found.false_accepts.of, found.false_alarms.of) == (60, 30, 30)
        assert found.false_accepts.value == rate
        low, high = found.false_accepts.interval
        assert low <= rate <= high
        assert found.false_alarms.hits == 0


def test_the_false_accept_interval_holds_the_true_rate_in_about_95_of_100_curators(canada):
    rate, curators, count = 0.3, 100, 40
    for number in range(curators):
        person = Simulated(f"C{number}")
        shown = canada.controls(person.name, [sample for sample, _, _ in canada.samples[:count]], wrong=True)
        says = {sample: code if canada.draw.random() < rate else canada.truth[sample] for sample, code in shown.items()}
        canada.records([person.event(at, action="relabel", code=says[at], shown=code) for at, code in shown.items()])
    found = controls.records(canada.store, CANADA)
    assert {record.false_accepts.of for record in found} == {count}
    held = sum(low <= rate <= high for low, high in (record.false_accepts.interval for record in found))
    assert 0.89 <= held / curators <= 0.99


def test_false_alarms_count_right_labels_that_were_taken_away_and_not_doubts(canada):
    first, second, third = (sample for sample, _, _ in canada.samples[:3])
    for sample in (first, second, third):
        canada.control("Ada", sample, wrong=False)
    wrong = next(code for _, code, _ in canada.samples if code != canada.truth[first])
    ADA.sends(canada, first, action="relabel", code=wrong, shown=canada.truth[first])
    ADA.sends(canada, second, action="unsure", shown=canada.truth[second])
    ADA.sends(canada, third, action="reject", reason="mixed", shown=canada.truth[third])
    found = record_of(canada, "Ada")
    assert (found.false_alarms.hits, found.false_alarms.of, found.false_accepts.of) == (2, 3, 0)


def test_an_answer_that_was_taken_back_does_not_count(canada):
    sample = canada.samples[0][0]
    shown = canada.control("Stamps", sample, wrong=True)
    stamps = Simulated("Stamps", stamps=True)
    outcome = stamps.looks(canada, sample, shown=shown)
    assert outcome.look == "control"
    assert record_of(canada, "Stamps").false_accepts == Share(1, 1)
    stamps.sends(canada, sample, action="undo", undo_of=outcome.uid)
    assert controls.records(canada.store, CANADA) == []
    stamps.sends(canada, sample, action="relabel", code=canada.truth[sample], shown=shown)
    assert record_of(canada, "Stamps").false_accepts == Share(0, 1)


def test_somebody_who_always_agrees_is_found_and_who_has_reason_to_is_not(canada):
    stamps, able = Simulated("Stamps", stamps=True), Simulated("Able")
    # All wrong labels are in this part: 24 of 120, so that who looks agrees with four in five.
    wrong = [row for row in canada.samples if row[1] != row[2]]
    right = [row for row in canada.samples if row[1] == row[2]]
    for person in (able, stamps):
        person.works(canada, [sample for sample, _, _ in (wrong + right)[:120]], kind="suspects")
    found = record_of(canada, "Stamps")
    assert found.agreed == Share(120, 120)
    assert found.warnings[0].startswith("Always agrees: 120 of 120")
    assert "80.0%" in found.warnings[0]
    assert record_of(canada, "Able").warnings == ()


def test_to_agree_with_right_labels_as_everybody_does_is_no_warning(canada):
    right = [sample for sample, code, truth in canada.samples if code == truth][:120]
    for person in (Simulated("Able"), Simulated("Stamps", stamps=True)):
        person.works(canada, right, kind="purity")
    assert [record.warnings for record in controls.records(canada.store, CANADA)] == [(), ()]


def test_agreeing_is_compared_within_the_same_kind_of_queue(canada):
    wrong = [sample for sample, code, truth in canada.samples if code != truth]
    right = [sample for sample, code, truth in canada.samples if code == truth]
    Simulated("Able").works(canada, wrong + right[60:80], kind="suspects")
    Simulated("Able").works(canada, right[:120], kind="purity")
    Simulated("Lucky", stamps=True).works(canada, right[:60], kind="purity")
    assert record_of(canada, "Lucky").warnings == ()  # others agree with 85 %, but with all of that kind


def test_a_blind_answer_is_no_agreement_with_a_label(canada):
    for sample, code, _ in canada.samples[:5]:
        ADA.sends(canada, sample, action="relabel", code=code, blind=True)
    assert record_of(canada, "Ada").agreed == Share(0, 0)


def test_who_takes_wrong_controls_and_hurries_is_told_both(canada):
    quick, slow = Simulated("Quick", stamps=True, ms=300), Simulated("Slow", ms=4_000)
    samples = [sample for sample, _, _ in canada.samples[:40]]
    quick.answers(canada, canada.controls("Quick", samples, wrong=True))
    slow.works(canada, samples, kind="all")
    accepts, hurries = record_of(canada, "Quick").warnings
    assert accepts.startswith("Agreed with 40 of 40")
    assert hurries.startswith("Very quick: 0.3 s")
    assert record_of(canada, "Slow").warnings == ()


def test_times_are_medians_and_percentiles_by_kind_of_queue(canada):
    for ms, (sample, _, _) in zip([1_000, 2_000, 9_000], canada.samples, strict=False):
        ADA.sends(canada, sample, action="agree", shown=None, ms=ms, kind="audit")
    ADA.sends(canada, canada.samples[5][0], action="unsure", kind="purity", ms=500)
    found = record_of(canada, "Ada")
    assert (found.pace.decisions, found.pace.median) == (4, 1_500)
    assert (found.by_kind["audit"].p10, found.by_kind["audit"].p90) == pytest.approx((1_200, 7_600))
    assert found.by_kind["purity"].median == 500


def test_a_curator_sees_their_own_figures_and_a_reviewer_everybodys(canada):
    for name in ("Ada", "Bo", "Cy"):
        Simulated(name).looks(canada, canada.samples[0][0])
    team.change(canada.store, "Bo", role="reviewer")
    found = controls.records(canada.store, CANADA)
    seen = {name: [one.curator for one in controls.visible(canada.store, found, name)] for name in ("cy", "Bo", "Ada", "nobody")}
    assert seen == {"cy": ["Cy"], "Bo": ["Ada", "Bo", "Cy"], "Ada": ["Ada", "Bo", "Cy"], "nobody": []}  # Ada came first: administrator


# Audit


def test_the_audit_counts_the_worked_part_of_the_fixed_order_and_nothing_else(canada):
    order, label = in_audit_order(canada), canada.inventory
    asked_for(canada, 60)
    ADA.works(canada, order[:40], kind="audit")
    pointed_at = [sample for sample, code, truth in canada.samples if code != truth and sample not in order[:60]]
    ADA.works(canada, pointed_at, kind="suspects")  # nothing but wrong labels
    found = audit.estimate(canada.store, CANADA)
    wrong = sum(label[sample] != canada.truth[sample] for sample in order[:40])
    assert (found.asked, found.overall.served, found.overall.answered) == (60, 40, 40)
    assert (found.overall.wrong.hits, found.overall.wrong.of) == (wrong, 40)
    assert found.overall.population == 240
    assert sum(rate.served for rate in found.classes) == sum(rate.served for rate in found.regions) == 40
    assert sum(rate.population for rate in found.classes) == 240


def test_a_suspect_decided_far_behind_the_others_does_not_stretch_the_audit(canada):
    order = in_audit_order(canada)
    asked_for(canada, 200)
    ADA.works(canada, [*order[:30], order[150]])
    assert audit.estimate(canada.store, CANADA).overall.served == 30


@pytest.mark.parametrize(
    ("decided", "length"),
    [([], 0), ([True] * 5, 5), ([False, *[True] * 5], 0), ([*[True] * 40, False, True], 42), ([*[True] * 40, *[False] * 9, True], 40)],
)
def test_a_prefix_counts_as_far_as_nearly_all_of_it_is_decided(decided, length):
    assert audited.worked_through(decided) == length


def test_what_cannot_be_judged_is_left_out_of_the_rate_and_bounds_it(canada):
    order = in_audit_order(canada)
    asked_for(canada, 10)
    right = [sample for sample in order[:10] if canada.truth[sample] == canada.inventory[sample]]
    said = [("unsure", {}), ("reject", {"reason": "mixed"}), ("reject", {"reason": "not_cropland"}), ("reject", {"reason": "no_signal"})]
    for sample, (action, told) in zip(right, said, strict=False):
        ADA.sends(canada, sample, action=action, kind="audit", **told)
    for sample in [*(one for one in order[:10] if one not in right), *right[4:]]:
        ADA.sends(canada, sample, action="agree", kind="audit")
    found = audit.estimate(canada.store, CANADA).overall
    assert found.wrong.hits == 1
    assert found.wrong.of == 7
    assert (found.lowest, found.highest) == (0.1, 0.4)


def test_the_audits_interval_holds_the_true_rate_in_about_95_of_100_audits(canada):
    """Every audit is another random order of the same collection, worked through without errors as far as it was asked for."""
    ADA.works(canada, list(canada.truth))
    rate = sum(code != truth for _, code, truth in canada.samples) / len(canada.samples)
    held, narrow, audits = 0, 0, 150
    with canada.store.writing() as db:
        db.execute("insert into queue (collection, kind, params, title, last_event, made) values (?, 'audit', '{}', '', 0, '')", [CANADA])
    for trial in range(audits):
        prefix = 40 + 20 * (trial % 6)
        with canada.store.writing() as db:
            db.execute("update queue set params = ? where kind = 'audit'", [json.dumps({"prefix": prefix})])
            numbers = [(int(number), sample) for number, (sample, _, _) in zip(canada.draw.permutation(240), canada.samples, strict=True)]
            db.conn.executemany("update sample set shuffle = ? where id = ?", numbers)
        found = audit.estimate(canada.store, CANADA).overall.wrong
        assert found.of == prefix
        low, high = found.interval
        held += low <= rate <= high
        narrow += low <= rate <= high and high - low < wilson(found.hits, found.of)[1] - wilson(found.hits, found.of)[0]
    assert 0.91 <= held / audits <= 0.99
    assert narrow == held


def test_the_whole_collection_audited_leaves_nothing_to_estimate(canada):
    asked_for(canada, 240)
    ADA.works(canada, list(canada.truth), kind="audit")
    found = audit.estimate(canada.store, CANADA).overall
    assert found.wrong.interval == (0.1, 0.1)
    assert found.more == {0.05: 0, 0.02: 0}


def test_the_audit_says_how_many_more_it_takes(canada):
    asked_for(canada, 240)
    order = in_audit_order(canada)
    ADA.works(canada, order[:30], kind="audit")
    before = audit.estimate(canada.store, CANADA).overall
    assert 0 < before.more[0.05] < before.more[0.02] <= 210
    ADA.works(canada, order[30 : 30 + before.more[0.05]], kind="audit")
    after = audit.estimate(canada.store, CANADA).overall
    assert after.more[0.05] < 0.3 * before.more[0.05]
    assert after.wrong.half_width < 0.06


# Reasons


def test_precision_by_reason_is_the_count_by_hand(canada):
    wrong = [sample for sample, code, truth in canada.samples if code != truth]
    right = [sample for sample, code, truth in canada.samples if code == truth]
    ADA.works(canada, wrong[:8] + right[:4], kind="suspects", queue="suspects:run-1: doubted")
    for sample in wrong[8:10] + right[4:22]:
        said = {"action": "relabel", "code": canada.truth[sample]}
        ADA.sends(canada, sample, kind="purity", ms=700, **said)
    ADA.sends(canada, right[30], action="unsure", kind="purity", ms=700)
    found = {one.kind: one for one in reasons.precisions(canada.store, CANADA)}
    assert (found["suspects"].decided, found["suspects"].wrong) == (12, Share(8, 12))
    assert (found["purity"].decided, found["purity"].wrong) == (21, Share(2, 20))
    assert found["purity"].median_ms == 700
    assert found["suspects"].wrong.interval == pytest.approx(tuple(binomtest(8, 12).proportion_ci(method="wilson")), abs=1e-6)


def test_undone_looks_second_looks_and_controls_do_not_count_for_a_reason(canada):
    one, two, three = list(canada.truth)[:3]
    outcome = ADA.looks(canada, one, kind="suspects")
    ADA.sends(canada, one, action="undo", undo_of=outcome.uid)
    ADA.looks(canada, two, kind="suspects")
    Simulated("Bo").looks(canada, two, kind="second", look="second")
    Simulated("Bo").looks(canada, three, kind="suspects", shown=canada.control("Bo", three, wrong=True))
    assert [(found.kind, found.decided) for found in reasons.precisions(canada.store, CANADA)] == [("suspects", 1)]


def test_a_settlement_says_whether_the_label_was_wrong(canada):
    sample = canada.samples[0][0]
    other = next(code for _, code, _ in canada.samples if code != canada.samples[0][1])
    first = ADA.sends(canada, sample, action="agree", kind="suspects")
    Simulated("Bo").sends(canada, sample, action="relabel", code=other, look="second")
    settled = ADA.sends(canada, sample, action="relabel", code=other, look="adjudication", seen=first.uid)
    assert settled.look == "adjudication"
    (found,) = reasons.precisions(canada.store, CANADA)
    assert (found.kind, found.wrong) == ("suspects", Share(1, 1))


def test_runs_are_told_apart_where_a_queue_has_one(canada):
    for at, run in enumerate(["run-1", "run-2", "run-2"]):
        ADA.looks(canada, canada.samples[at][0], kind="suspects", queue=f"suspects:{run}: doubted")
    made = asked_for(canada, 240)
    with canada.store.writing() as db:
        db.execute("update queue set kind = 'border', params = ?", [json.dumps({"run": "run-3"})])
    ADA.looks(canada, canada.samples[9][0], kind="border", queue=f"list:{made.id}: near")
    found = {(one.kind, one.run): one.decided for one in reasons.precisions(canada.store, CANADA, by_run=True)}
    assert found == {("suspects", "run-1"): 1, ("suspects", "run-2"): 2, ("border", "run-3"): 1}


# Answers that agreement is measured on


def test_agreement_takes_independent_answers_and_leaves_out_the_others(canada):
    one, two, three, four = list(canada.truth)[:4]
    bo = Simulated("Bo")
    first = {sample: ADA.sends(canada, sample, action="agree") for sample in (one, two, three)}
    bo.sends(canada, one, action="agree", look="second", seen=first[one].uid)  # blind, whatever the client says
    assert not bo.sends(canada, two, action="unsure", seen=None).stands  # late and unplanned
    bo.sends(canada, three, action="agree", seen=first[three].uid)  # has seen Ada's
    ADA.sends(canada, four, action="agree")
    bo.sends(canada, four, action="agree", shown=canada.control("Bo", four, wrong=True))
    found = agreement.ratings(canada.store, CANADA)
    assert found.units.tolist() == [one, two]
    assert found.curators == ("Ada", "Bo")
    assert "unsure" in found.classes
    assert agreement.measured(found, resamples=20).raw.value == 0.5
    assert agreement.ratings(canada.store, CANADA, unsure="missing").units.tolist() == [one]


def test_the_newest_word_of_a_curator_is_their_answer(canada):
    sample = canada.samples[0][0]
    first = ADA.sends(canada, sample, action="unsure")
    ADA.sends(canada, sample, action="agree", seen=first.uid)
    Simulated("Bo").sends(canada, sample, action="agree", look="second")
    assert agreement.measured(agreement.ratings(canada.store, CANADA), resamples=20).raw.value == 1.0


def test_kappa_of_simulated_curators_is_that_of_their_error_rates(canada):
    people = [Simulated("Ada", error=0.1), Simulated("Bo", error=0.3)]
    codes = sorted(set(canada.truth.values()))
    for person, look in zip(people, ("first", "second"), strict=True):
        says = {sample: person.says(canada, sample, 0) for sample in canada.truth}
        canada.records([person.event(sample, action="relabel", code=code, look=look) for sample, code in says.items()])
    shares = np.array([list(canada.truth.values()).count(code) for code in codes]) / 240
    says = [np.where(np.eye(len(codes)) > 0, 1 - one.error, one.error / (len(codes) - 1)) for one in people]
    chances = np.einsum("t,ta,tb->ab", shares, *says)
    expected = chances.sum(axis=0) @ chances.sum(axis=1)
    (pair,) = agreement.measured(agreement.ratings(canada.store, CANADA)).pairs
    assert pair.units == 240
    assert pair.kappa.low <= (np.trace(chances) - expected) / (1 - expected) <= pair.kappa.high


def test_a_team_of_one_is_held_against_itself(canada):
    for at, (sample, code, _) in enumerate(canada.samples[:20]):
        ADA.sends(canada, sample, action="agree")
        with canada.store.writing() as db:
            row = [sample, "Ada", code, code, "2026-01-01"]
            db.execute("insert into control (sample, curator, truth, shown, placed) values (?, ?, ?, ?, ?)", row)
        said = {"action": "unsure"} if at < 5 else {"action": "agree"}
        assert ADA.sends(canada, sample, shown=code, **said).look == "repeat"
    (found,) = agreement.with_self(canada.store, CANADA)
    assert (found.curator, found.units, found.raw.value) == ("Ada", 20, 0.75)
    assert agreement.with_self(canada.store, CANADA, unsure="missing")[0].units == 15
    assert agreement.ratings(canada.store, CANADA).units.size == 0
    assert record_of(canada, "Ada").controls == 0


def test_a_class_on_which_two_differ_goes_to_a_second_curator_as_a_whole(canada):
    barley = [sample for sample, code, _ in canada.samples if code == 133]
    others = [sample for sample, code, _ in canada.samples if code in (147, 158)]
    canada.records([ADA.event(sample, action="agree") for sample in barley + others])
    seen = barley[: len(barley) * 2 // 3]
    bo = Simulated("Bo")
    canada.records([bo.event(sample, action="relabel", code=136, look="second") for sample in seen])
    canada.records([bo.event(sample, action="agree", look="second") for sample in others[:30]])
    found = agreement.measured(agreement.ratings(canada.store, CANADA), resamples=20)
    assert {one.name for one in agreement.weak_classes(found, 0.6)} == {"133", "136"}
    assert agreement.ask_again(canada.store, CANADA, found) == len(barley) - len(seen)
    with canada.store.reading() as db:
        due = {row["sample"] for row in db.execute("select sample from review where state = 'due'")}
    assert due == set(barley) - set(seen)


# Commands and page


@pytest.mark.parametrize("command", ["agreement", "trust", "audit", "reasons"])
def test_a_command_prints_its_figures_as_json_and_as_text(canada, command):
    def printed(*options: str) -> str:
        result = CliRunner().invoke(labeling_main, [command, "--collection", CANADA, *options])
        assert result.exit_code == 0, result.output
        return result.output

    assert printed("--json") and json.loads(printed("--json"))["collection"] == CANADA
    asked_for(canada, 40)
    ADA.works(canada, in_audit_order(canada)[:40], kind="audit")
    Simulated("Bo", error=0.2).works(canada, in_audit_order(canada)[:40], look="second")
    assert json.loads(printed("--json"))["collection"] == CANADA
    assert {"agreement": "Krippendorff's alpha", "trust": "Ada", "audit": "By region", "reasons": "Random audit"}[command] in printed()


@pytest.mark.parametrize("figures", [agreement.ratings, controls.records, audit.estimate, reasons.precisions])
def test_an_unknown_collection_is_named(demo, figures):
    with pytest.raises(UnknownCollection, match="peru"):
        figures(demo.store, "peru-1999")


def opened(section: str, curator: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["collection"] = CANADA
    app.session_state["curator"] = curator
    app.run().switch_page("pages/quality.py").run()
    app.segmented_control(key="quality.section").set_value(section).run()
    assert not app.exception
    return app


def shown(app: AppTest) -> str:
    elements = (*app.info, *app.warning, *app.error, *app.caption, *app.markdown, *app.metric)
    return "\n".join(f"{getattr(element, 'label', '')} {element.value}" for element in elements)


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ("Agreement", "No second looks yet"), ("Curators", "Nobody has decided here yet"),
        ("Inventory error rate", "The random audit is not begun yet"), ("Queues", "Nobody has decided here yet"),
    ],
)  # fmt: skip
def test_a_section_without_anything_to_tell_says_how_to_come_by_it(canada, section, text):
    app = opened(section, "Ada")
    assert text in shown(app)
    assert [button for button in app.button if button.key.startswith("quality.")]


def test_the_page_tells_all_of_it_and_a_curator_only_their_own(canada):
    asked_for(canada, 80)
    stamps = Simulated("Stamps", stamps=True)
    ADA.works(canada, in_audit_order(canada)[:80], kind="audit")
    Simulated("Bo", error=0.3).works(canada, in_audit_order(canada)[:80], look="second", kind="second")
    stamps.answers(canada, canada.controls("Stamps", in_audit_order(canada)[80:140], wrong=True))
    secret = in_audit_order(canada)[150]
    canada.control("Stamps", secret, wrong=True)
    assert "Krippendorff's alpha" in shown(opened("Agreement", "Bo"))
    assert "Labels that are wrong" in shown(opened("Inventory error rate", "Bo"))
    assert len(opened("Queues", "Bo").dataframe[0].value) == 1
    everything = opened("Curators", "Ada")
    assert "Stamps" in shown(everything)
    assert len(everything.dataframe[0].value) == 3
    own = opened("Curators", "Bo")
    assert "Stamps" not in shown(own)
    assert list(own.dataframe[0].value["Curator"]) == ["Bo"]
    assert "You see your own figures" in shown(own)
