"""The choice of queue on the Verify page: from the address, from the sidebar, and again after another page."""

from streamlit.testing.v1 import AppTest

from tests.conftest import ROOT


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
