"""Reviews: what is due, conflicts with all answers and evidence, settlements, and that a reviewer's reason reaches everybody concerned."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from data import catalogue, display
from data.errors import UnknownCollection
from data.workspace import Workspace
from labeling import cards, decisions, pictures, policy, reviews, team
from labeling.policy import Policy
from pages.widgets import inbox
from tests.conftest import ROOT
from tests.test_pages import texts

FIELDS, PARCELS, WHEAT, BARLEY = "bavaria-2018", "bavaria-parcels-2018", 115, 131
ANN, BOB, CYD = "Ann", "Bob", "Cyd"


class Team:
    """Ann (administrator), Bob (curator) and Cyd (reviewer) on the Bavarian fields; every decision is to be looked at again."""

    def __init__(self, workspace: Workspace):
        self.workspace, self.store, self.said = workspace, workspace.store, 0
        for name, role in ((ANN, "administrator"), (BOB, "curator"), (CYD, "reviewer")):
            team.add(self.store, name, role=role)
        policy.write(self.store, FIELDS, Policy(second_share=1.0, control_share=0.0))
        with self.store.reading() as db:
            rows = db.execute("select id from sample where collection = ? and inventory_code = ? order by id", [FIELDS, WHEAT])
            self.samples = [row["id"] for row in rows]

    def says(self, curator: str, sample: int, action: str, *, look: str = "first", **values) -> str:
        """The uid of a decision by somebody who saw what is in force."""
        self.said += 1
        before = cards.states(self.store, [sample])[sample]["decision"]
        event = {"uid": f"u{self.said}", "sample": sample, "action": action, "look": look, "seen": before and before["uid"]} | values
        (outcome,) = decisions.record(self.store, FIELDS, curator, [event])
        assert outcome.stored, outcome.error
        return outcome.uid

    def conflict(self, sample: int) -> None:
        """Ann agrees, Bob does not."""
        self.says(ANN, sample, "agree", note="ears look like wheat")
        self.says(BOB, sample, "relabel", look="second", code=BARLEY, note="heads out too early", blind=True)

    def settle(self, sample: int, action: str = "relabel", **values) -> str:
        return self.says(CYD, sample, action, look="adjudication", **({"code": BARLEY} if action == "relabel" else {}) | values)


@pytest.fixture
def world(demo) -> Team:
    return Team(demo)


def name_of(world: Team, sample: int) -> str:
    with world.store.reading() as db:
        return db.execute("select name from sample where id = ?", [sample]).fetchone()["name"]


# What is due


def test_without_decisions_nothing_is_due(world):
    found = reviews.counts(world.store, FIELDS, ANN)
    assert found.states == {"due": 0, "agreed": 0, "conflict": 0, "settled": 0}
    assert (found.due_why, found.for_you) == ({}, 0)
    assert reviews.conflicts(world.store, FIELDS) == reviews.settled(world.store, FIELDS) == reviews.inbox(world.store, ANN) == []


def test_second_looks_are_counted_by_why_and_by_whom_they_are_for(world):
    first, second, third, fourth = world.samples[:4]
    world.says(ANN, first, "agree")
    world.says(ANN, second, "unsure")
    world.says(BOB, third, "agree")
    world.says(BOB, fourth, "agree")
    world.says(ANN, fourth, "agree", look="second")
    found = reviews.counts(world.store, FIELDS, ANN)
    assert found.states == {"due": 3, "agreed": 1, "conflict": 0, "settled": 0}
    assert found.due_why == {"share": 2, "unsure": 1}
    assert found.for_you == 1, "Ann gave two of the three first looks"
    assert reviews.counts(world.store, FIELDS, "ann").for_you == 1, "whatever the letter case"
    assert reviews.counts(world.store, FIELDS, CYD).for_you == 3


def test_an_unknown_collection_is_named(world):
    for asked in (reviews.counts, reviews.conflicts, reviews.settled):
        with pytest.raises(UnknownCollection, match="nowhere"):
            asked(world.store, "nowhere")


# Conflicts


def test_a_conflict_has_both_answers_reasons_and_the_evidence(world):
    sample = world.samples[0]
    world.conflict(sample)
    (found,) = reviews.conflicts(world.store, FIELDS)
    assert (found.sample, found.name, found.why) == (sample, name_of(world, sample), "share")
    assert [(said.curator, said.look, said.said, said.note, said.blind) for said in found.opinions] == [
        (ANN, "first", "winter wheat", "ears look like wheat", False),
        (BOB, "second", "winter barley", "heads out too early", True),
    ]
    assert found.inventory == "winter wheat"
    assert 0 < found.purity <= 1
    assert found.prediction is None


def test_the_newest_runs_reading_is_part_of_the_evidence(world):
    sample = world.samples[0]
    world.conflict(sample)
    with world.store.writing() as db:
        db["split"].insert({"id": 1, "collection": FIELDS, "name": "s", "method": "random", "folds": 2, "params": "{}", "created": ""})
        for run, created, predicted in (("old", "2026-01", "winter wheat"), ("new", "2026-02", "winter barley")):
            db["run"].insert(
                {"name": run, "collection": FIELDS, "model": "ltae", "labels": "mixed", "split": 1, "config": "{}", "last_event": 0,
                 "content_hash": "", "created": created}
            )  # fmt: skip
            db["prediction"].insert(
                {"run": run, "sample": sample, "part": "fold-0", "truth": "winter wheat", "predicted": predicted, "probability": 0.8,
                 "probabilities": "[0.8, 0.2]"}
            )  # fmt: skip
    assert reviews.conflicts(world.store, FIELDS)[0].prediction == ("new", "winter barley", 0.8)


def test_a_rejection_is_told_with_its_reason_and_a_curators_newest_word_counts(world):
    sample = world.samples[0]
    world.conflict(sample)
    world.says(BOB, sample, "reject", look="second", reason="mixed")
    (found,) = reviews.conflicts(world.store, FIELDS)
    assert [said.said for said in found.opinions] == ["winter wheat", "Rejected: mixed or edge field"]


def test_conflicts_come_in_the_order_of_their_queue_and_at_most_so_many(world):
    for sample in reversed(world.samples[:3]):
        world.conflict(sample)
    assert [found.sample for found in reviews.conflicts(world.store, FIELDS)] == sorted(world.samples[:3])
    assert [found.sample for found in reviews.conflicts(world.store, FIELDS, limit=1)] == [min(world.samples[:3])]


# Settlements, and whom they concern


def test_a_settlement_is_listed_with_the_answers_before_it_and_the_reason(world):
    sample = world.samples[0]
    world.conflict(sample)
    world.settle(sample, note="the fourth date shows it")
    assert reviews.conflicts(world.store, FIELDS) == []
    assert reviews.counts(world.store, FIELDS).states["settled"] == 1
    (found,) = reviews.settled(world.store, FIELDS)
    assert (found.settlement.curator, found.settlement.said, found.settlement.note) == (CYD, "winter barley", "the fourth date shows it")
    assert [said.curator for said in found.opinions] == [ANN, BOB]


def test_a_reviewers_reason_reaches_both_and_nobody_else(world):
    sample = world.samples[0]
    world.conflict(sample)
    world.settle(sample, note="the fourth date shows it")
    (to_ann,), (to_bob,) = reviews.inbox(world.store, ANN), reviews.inbox(world.store, BOB)
    assert (to_ann.agrees, to_bob.agrees) == (False, True)
    assert to_ann.settlement.note == to_bob.settlement.note == "the fourth date shows it"
    assert (to_ann.yours.curator, [other.curator for other in to_ann.others]) == (ANN, [BOB])
    assert (to_bob.yours.said, to_bob.name, to_bob.collection) == ("winter barley", name_of(world, sample), FIELDS)
    assert reviews.inbox(world.store, CYD) == [], "their own settlement is no news to the reviewer"


def test_what_was_read_is_no_longer_new_and_stays_so(world):
    first, second = world.samples[:2]
    for sample in (first, second):
        world.conflict(sample)
    world.settle(first)
    assert reviews.unread(world.store, "BOB") == 1
    newest = reviews.inbox(world.store, BOB)[0].event
    reviews.mark_read(world.store, BOB, newest)
    assert reviews.unread(world.store, BOB) == 0
    world.settle(second)
    reviews.mark_read(world.store, BOB, 0)
    assert reviews.unread(world.store, BOB) == 1
    assert [letter.new for letter in reviews.inbox(world.store, BOB)] == [True, False]
    assert reviews.unread(world.store, "nobody") == 0


def test_a_settlement_that_was_taken_back_reaches_nobody(world):
    sample = world.samples[0]
    world.conflict(sample)
    uid = world.settle(sample)
    world.says(CYD, sample, "undo", undo_of=uid)
    assert reviews.settled(world.store, FIELDS) == reviews.inbox(world.store, BOB) == []
    assert reviews.unread(world.store, BOB) == 0
    assert len(reviews.conflicts(world.store, FIELDS)) == 1


def test_an_answer_after_a_settlement_opens_the_conflict_again_with_the_reviewers_word(world):
    sample = world.samples[0]
    world.conflict(sample)
    world.settle(sample)
    world.says(BOB, sample, "agree", look="second")
    (found,) = reviews.conflicts(world.store, FIELDS)
    assert [(said.curator, said.look) for said in found.opinions] == [(CYD, "adjudication"), (BOB, "second")]
    world.says(ANN, sample, "agree", look="adjudication", note="wheat after all")
    assert [found.settlement.curator for found in reviews.settled(world.store, FIELDS)] == [ANN, CYD], "the newest first"
    (to_cyd,) = reviews.inbox(world.store, CYD)
    assert (to_cyd.agrees, to_cyd.settlement.note) == (False, "wheat after all"), "an overruled reviewer hears of it too"
    assert [letter.agrees for letter in reviews.inbox(world.store, BOB)] == [True, True]


def test_unread_counts_what_the_inbox_shows_as_new(world):
    for sample in world.samples[:4]:
        world.conflict(sample)
    for sample in world.samples[:3]:
        world.settle(sample)
    for name in (ANN, BOB, CYD):
        assert reviews.unread(world.store, name) == sum(letter.new for letter in reviews.inbox(world.store, name))


def test_finding_ones_letters_reads_no_whole_table_of_events(world):
    with world.store.reading() as db:
        plan = [
            row["detail"]
            for row in db.execute(
                f"explain query plan select count(*) from {reviews.SETTLED} where {reviews.CONCERNS} and a.event > :read_to",
                {"curator": ANN, "read_to": 0},
            )
        ]
    assert not [line for line in plan if line.startswith("SCAN e")], plan


# The picture


def test_the_picture_is_of_the_greenest_clear_date(world):
    sample = world.samples[0]
    with world.store.reading() as db:
        slot, acquired = db.execute(
            """select q.slot, q.acquired from image_quality q join index_stat i on i.image = q.image and i.name = 'NDVI'
            where q.sample = ? and q.quality = 'ok' order by i.mean desc""",
            [sample],
        ).fetchone()
    found, patch = pictures.greenest(world.workspace, sample), catalogue.patch(world.workspace, sample)
    assert found.acquired == acquired
    np.testing.assert_array_equal(found.pixels, display.rgba(patch.pixels[slot], patch.bands, "true", patch.level))


def test_a_date_that_a_curator_marks_as_cloudy_is_not_shown(world):
    sample = world.samples[0]
    before = pictures.greenest(world.workspace, sample).acquired
    world.says(ANN, sample, "quality", image=decisions.image_on(world.store, sample, before), quality="cloud")
    assert pictures.greenest(world.workspace, sample).acquired != before


def test_a_series_has_no_picture(world):
    with world.store.reading() as db:
        parcel = db.execute("select id from sample where collection = ? limit 1", [PARCELS]).fetchone()["id"]
    assert pictures.greenest(world.workspace, parcel) is None


# The page


def opened(curator: str, view: str | None = None) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.session_state["collection"], app.session_state["curator"] = FIELDS, curator
    app.query_params["collection"] = FIELDS
    app.run().switch_page("pages/review.py").run()
    if view:
        app.segmented_control(key="review.view").set_value(view).run()
    assert not app.exception
    return app


@pytest.mark.parametrize(
    ("view", "words"),
    [
        ("Conflicts", "No conflicts."), ("Second looks", "No second looks are due."), ("Settled", "Nothing is settled yet."),
        ("To you", "Nobody has reviewed your work yet."),
    ],
)  # fmt: skip
def test_every_view_says_what_to_do_while_it_is_empty(world, view, words):
    assert words in texts(opened(ANN, view))


def test_a_reviewer_can_settle_a_conflict_and_a_curator_cannot(world):
    world.conflict(world.samples[0])
    assert f"review.settle.{world.samples[0]}" in [button.key for button in opened(CYD).button]
    app = opened(BOB)
    assert not [button.key for button in app.button if (button.key or "").startswith("review.settle")]
    assert "Reviewers: Ann, Cyd" in [text.value for text in app.text]


def test_a_conflict_of_ones_own_is_for_another_reviewer(world):
    world.conflict(world.samples[0])
    app = opened(ANN)
    assert app.button(key="review.settle").disabled
    assert f"review.settle.{world.samples[0]}" not in [button.key for button in app.button]
    assert "another reviewer settles it" in texts(app)
    team.change(world.store, CYD, active=False)
    app = opened(ANN)
    assert not app.button(key="review.settle").disabled
    assert f"review.settle.{world.samples[0]}" in [button.key for button in app.button]


def test_letters_are_new_until_they_are_marked_as_read(world):
    world.conflict(world.samples[0])
    world.settle(world.samples[0], note="the fourth date shows it")
    app = opened(BOB)
    assert app.segmented_control(key="review.view").value == "To you"
    assert "“the fourth date shows it”" in [text.value for text in app.text]
    app.button(key="review.read").click().run()
    assert not app.exception
    assert reviews.unread(world.store, BOB) == 0
    assert "review.read" not in [button.key for button in app.button]


def test_the_sidebars_notice_counts_what_is_unread_and_leads_to_it(world, monkeypatch):
    monkeypatch.setattr("pages.widgets.identity.sidebar", lambda store: inbox.badge(world.workspace, BOB))
    assert not opened(BOB).sidebar.get("page_link"), "nothing to read, nothing said"
    for sample in world.samples[:2]:
        world.conflict(sample)
        world.settle(sample)
    links = {(link.proto.label, link.proto.page) for link in opened(BOB).sidebar.get("page_link")}
    assert links == {("2 reviews of your work", "review")}


def test_the_overview_names_what_others_wait_for(world):
    world.says(ANN, world.samples[0], "unsure")
    world.conflict(world.samples[1])

    def shown(curator: str) -> list[str]:
        app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
        app.session_state["curator"] = curator
        app.session_state["collection"] = FIELDS
        app.run()
        assert not app.exception
        return [button.label for button in app.button if button.key in ("overview.second", "overview.conflicts")]

    assert shown(ANN) == []  # the conflict is her own
    assert shown(BOB) == ["Give a second look"]
    assert shown(CYD) == ["Give a second look", "Settle conflicts"]
