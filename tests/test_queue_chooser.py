"""The choice of queue on the Verify page: from the address, from the sidebar, and again after another page."""

from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from labeling import decisions, policy, team, worklists
from labeling.worklists import Worklist
from pages.widgets import queue_chooser
from tests.conftest import ROOT

PARCELS = "bavaria-parcels-2018"


def verify(**address: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.query_params.update(address)
    return app.switch_page("pages/verify.py").run()


def chosen(app: AppTest, *keys: str) -> list:
    assert not app.exception
    assert not app.error
    return [app.selectbox(key=key).value for key in keys]


def test_without_an_address_the_samples_without_a_decision_come_first(demo):
    app = verify(collection="bavaria-2018")
    assert chosen(app, "collection", "verify.kind") == ["bavaria-2018", "unverified"]
    assert app.query_params["queue"] == "unverified"


def test_the_address_chooses_the_queue(demo):
    app = verify(collection="bavaria-2018", queue="crop:131")
    assert chosen(app, "verify.kind", "verify.crop") == ["crop", ("131",)]


def test_the_sidebar_changes_the_queue_and_the_address_follows(demo):
    app = verify(collection="bavaria-2018", queue="crop:131")
    app.selectbox(key="verify.crop").set_value(("115",)).run()
    assert chosen(app, "verify.crop") == [("115",)]
    assert app.query_params["queue"] == "crop:115"
    app.selectbox(key="verify.kind").set_value("random").run()
    assert app.query_params["queue"] == "random"


def test_the_same_link_opens_the_same_queue_after_another_page(demo):
    app = verify(collection="bavaria-2018", queue="crop:131")
    app.switch_page("pages/overview.py").run()
    app.query_params.update(collection="bavaria-2018", queue="crop:131")
    app.switch_page("pages/verify.py").run()
    assert chosen(app, "verify.kind", "verify.crop") == ["crop", ("131",)]


def test_a_cell_without_samples_is_opened_and_named(demo):
    app = verify(collection="bavaria-2018", queue="cell:run-1:winter%20wheat:winter%20barley")
    assert chosen(app, "verify.kind", "verify.cell") == ["cell", ("run-1", "winter wheat", "winter barley")]


def test_another_collection_has_other_crops(demo):
    app = verify(collection="bavaria-2018", queue="crop:131")
    app.selectbox(key="collection").set_value("canada-simulated-2019").run()
    assert chosen(app, "collection", "verify.kind", "verify.crop") == ["canada-simulated-2019", "crop", ("147",)]


def test_a_sample_that_there_is_not_is_named_and_the_queue_begins(demo):
    app = verify(collection="bavaria-2018", sample="nowhere")
    assert not app.exception
    assert "There is no sample 'nowhere' in bavaria-2018" in app.warning[0].value


# Queues that are worked out and stored


def stored(demo, collection=PARCELS) -> list[Worklist]:
    return worklists.listing(demo.store, collection)


def test_a_kind_that_was_never_made_is_made_at_once(demo):
    app = verify(collection=PARCELS)
    app.selectbox(key="verify.kind").set_value("audit").run()
    assert chosen(app, "verify.kind") == ["audit"]
    (made,) = stored(demo)
    assert (made.kind, made.entries) == ("audit", 301)
    assert app.query_params["queue"] == f"list:{made.id}"
    assert app.caption[0].value == "made just now · 301 open of 301"


def test_a_kind_in_the_address_opens_its_newest_list_and_makes_none(demo):
    worklists.make(demo, PARCELS, "gaps", limit=5)
    newest = worklists.make(demo, PARCELS, "gaps", limit=7)
    app = verify(collection=PARCELS, queue="gaps")
    assert chosen(app, "verify.kind", "verify.batch.gaps") == ["gaps", newest.id]
    assert len(stored(demo)) == 2


def test_a_number_in_the_address_opens_that_list_and_again_after_another_page(demo):
    older = worklists.make(demo, PARCELS, "gaps", limit=5)
    worklists.make(demo, PARCELS, "gaps", limit=7)
    app = verify(collection=PARCELS, queue=f"list:{older.id}")
    assert chosen(app, "verify.kind", "verify.batch.gaps") == ["gaps", older.id]
    app.switch_page("pages/overview.py").run()
    app.query_params.update(collection=PARCELS, queue=f"list:{older.id}")
    app.switch_page("pages/verify.py").run()
    assert chosen(app, "verify.batch.gaps") == [older.id]


def test_rank_anew_makes_another_list_and_leaves_the_first_as_it_was(demo):
    first = worklists.make(demo, PARCELS, "gaps", {"by": "region"}, limit=5)
    app = verify(collection=PARCELS, queue="gaps")
    app.button(key="verify.rank").click().run()
    newest, before = stored(demo)
    assert before == first
    assert newest.params["by"] == "region"
    assert chosen(app, "verify.batch.gaps") == [newest.id]
    app.run()
    assert len(stored(demo)) == 2


def test_what_cannot_be_made_says_why_and_another_queue_can_be_chosen(demo):
    app = verify(collection=PARCELS, queue="outliers")
    assert "No class of bavaria-parcels-2018 has 20 verified samples yet" in app.info[0].value
    assert stored(demo) == []
    app.selectbox(key="verify.kind").set_value("unverified").run()
    assert chosen(app, "verify.kind") == ["unverified"]
    assert not app.info


def test_a_list_stays_open_where_it_cannot_be_ranked_anew(demo):
    worklists.make(demo, PARCELS, "audit", limit=3)
    with demo.store.reading() as db:
        samples = [row["id"] for row in db.execute("select id from sample where collection = ?", [PARCELS])]
    events = [{"uid": f"u{sample}", "sample": sample, "action": "unsure", "seen": None} for sample in samples]
    assert all(outcome.stored for outcome in decisions.record(demo.store, PARCELS, "ada", events))
    app = verify(collection=PARCELS, queue="audit")
    assert app.caption[0].value == "made just now · 0 open of 3"
    app.button(key="verify.rank").click().run()
    assert "in the fixed random order all have a decision" in app.warning[0].value
    assert chosen(app, "verify.kind") == ["audit"]


def test_a_list_of_another_collection_is_refused_with_its_address(demo):
    made = worklists.make(demo, PARCELS, "audit", limit=3)
    app = verify(collection="bavaria-2018", queue=f"list:{made.id}")
    assert f"?collection={PARCELS}&queue=list:{made.id}" in app.error[0].value


def test_lists_that_only_a_command_makes_are_found_under_their_own_choice(demo):
    made = worklists.make(demo, PARCELS, "unverified", limit=4)
    app = verify(collection=PARCELS, queue=f"list:{made.id}")
    assert chosen(app, "verify.kind") == ["list"]
    assert app.caption[0].value.startswith("Without a decision, shuffled · made just now")


def test_similar_to_a_sample_says_what_it_lacks(demo):
    app = verify(collection=PARCELS, queue="similar:parcel-001-2018")
    assert "No run of bavaria-parcels-2018 has predictions" in app.error[0].value
    app = verify(collection=PARCELS, queue="similar:nowhere")
    assert "There is no sample 'nowhere'" in app.error[0].value


def test_mixed_comes_first_and_is_dealt_by_the_sliders(demo):
    app = verify(collection=PARCELS, queue="mixed")
    assert app.selectbox(key="verify.kind").options[0] == "Mixed"
    assert stored(demo)[0].title.startswith("Mixed, without label errors first")
    app.slider(key=f"verify.share.{PARCELS}.gaps").set_value(40)
    app.slider(key=f"verify.share.{PARCELS}.audit").set_value(60)
    for kind in policy.MIXABLE:
        if kind not in ("gaps", "audit"):
            app.slider(key=f"verify.share.{PARCELS}.{kind}").set_value(0)
    app.button(key="verify.rank").click().run()
    assert stored(demo)[0].params["mix"] == {"gaps": 0.4, "audit": 0.6}
    assert policy.read(demo.store, PARCELS).mix == policy.MIX


def test_shares_are_saved_by_an_administrator_and_by_nobody_else(demo):
    name = team.add(demo.store, "Ada").name
    team.add(demo.store, "Bob")
    app = verify(collection=PARCELS, queue="mixed")
    for curator, saved in (("Bob", False), (name, True)):
        app.session_state["curator"] = curator
        app.run()
        app.slider(key=f"verify.share.{PARCELS}.gaps").set_value(50)
        app.button(key="verify.shares.save").click().run()
        assert (policy.read(demo.store, PARCELS).mix.get("gaps") == 0.5) == saved
        said = app.success if saved else app.error
        assert ("Saved" if saved else "This takes an administrator; Bob is a curator") in said[0].value


def test_no_shares_at_all_are_refused(demo):
    team.add(demo.store, "Ada")
    app = verify(collection=PARCELS, queue="mixed")
    app.session_state["curator"] = "Ada"
    for kind in policy.MIXABLE:
        app.slider(key=f"verify.share.{PARCELS}.{kind}").set_value(0)
    app.button(key="verify.shares.save").click().run()
    assert "not all 0" in app.error[0].value
    assert policy.read(demo.store, PARCELS).mix == policy.MIX


def test_second_looks_and_conflicts_are_offered(demo):
    app = verify(collection=PARCELS)
    assert {"Second look", "Conflicts"} <= set(app.selectbox(key="verify.kind").options)


@pytest.mark.parametrize(
    "seconds, told",
    [(20, "just now"), (60 * 12 + 5, "12 min ago"), (3600 * 30, "30 h ago"), (3600 * 24 * 9, "9 days ago"), (-90, "just now")],
)
def test_how_long_ago(seconds, told):
    assert queue_chooser.ago((datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds")) == told
