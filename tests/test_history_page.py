"""The page History through Streamlit's own test harness: who sees what, what its buttons do, and that text stays text."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from data import backups, catalogue, named_versions, versions
from data.workspace import Workspace
from labeling import decisions, figures, history
from labeling.history import EVERYBODY, Filters
from pages.widgets import history_parts
from tests.conftest import ROOT
from tests.test_history import BARLEY, FIELDS, HTML, WHEAT, code, refuse, samples, say, world

__all__ = ["world"]  # a fixture
LONG = ("<b>long</b> " * 10_000).strip()


@pytest.fixture
def told(world) -> Workspace:
    say(world, "D2-2018", "relabel", code=BARLEY, note=HTML)
    say(world, samples(world)[0], "flag", curator="bob", note=LONG)
    say(world, samples(world)[9], "unsure", curator="bob", note="=1+1")
    return world


def opened(section: str, curator: str = "ada") -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.session_state["curator"] = curator
    app.session_state["collection"] = FIELDS
    app.session_state["history.section"] = section
    app = app.run().switch_page("pages/history.py").run()
    assert not app.exception and not app.error
    return app


def texts(app: AppTest) -> str:
    kinds = (app.info, app.warning, app.error, app.markdown, app.caption, app.success, app.text)
    return "\n".join(element.value for kind in kinds for element in kind)


def ticked(section: str, prefix: str, row: int, curator: str = "ada") -> AppTest:
    """The page with a row of a table ticked."""
    app = opened(section, curator)
    known = app.session_state._state.filtered_state
    key = next(key for key in known if key.startswith(prefix) and isinstance(known[key], dict))
    app.session_state[key] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    return app.run()


@pytest.mark.parametrize("section", ["Events", "Samples", "Days", "Versions", "Backups"])
def test_every_section_of_an_undecided_collection_says_what_to_do(world, section):
    assert opened(section).info


def test_the_events_are_filtered_and_counted(told):
    app = opened("Events")
    assert "**3 events**" in texts(app)
    app.selectbox(key="history.curator").set_value("bob").run()
    assert "**2 events**" in texts(app) and list(app.dataframe[0].value["Curator"]) == ["bob", "bob"]
    app.text_input(key="history.sample").set_value("nowhere").run()
    assert "There is no sample 'nowhere'" in texts(app) and "No event is like that" in texts(app)


def test_a_note_is_plain_text_cut_in_the_table_and_whole_beside_it(told):
    table = opened("Events").dataframe[0].value
    assert table["Note"].iloc[0] == "'=1+1" and table["Note"].iloc[2].startswith("<script>")
    assert len(table["Note"].iloc[1]) == history_parts.SHORT + 1
    app = ticked("Events", "history.table", 1)
    assert LONG in [element.value for element in app.text]
    assert not [element for element in app.markdown if "<b>" in element.value or "<script>" in element.value]


def test_a_curator_sees_no_button_to_take_back_and_a_reviewer_neither(told):
    for curator, there in (("ann", False), ("rev", False), ("ada", True)):
        assert any(label.label == "Take all of these back" for label in opened("Events", curator).expander) is there


def test_an_administrator_takes_back_what_the_filters_show(told):
    app = opened("Events")
    app.selectbox(key="history.curator").set_value("ann").run()
    assert "1 events on 1 samples (ann 1). 1 labels in force would change." in texts(app)
    assert app.button(key="history.take_back").disabled
    app.text_input(key="history.why").set_value("wrong field").run()
    app.checkbox[0].check().run()
    app.button(key="history.take_back").click().run()
    assert "1 events were taken back." in texts(app)
    assert code(told, "D2-2018") == (WHEAT, "unverified")
    assert history.events(told.store, FIELDS, Filters(), EVERYBODY)[0]["note"] == "wrong field"


def test_a_refused_decision_is_tried_again_from_the_page(told):
    refuse(told, "r1", name=samples(told)[5], note=HTML)
    assert "history.again" not in [button.key for button in opened("Events", "ann").button]
    app = ticked("Events", "history.refused", 0, "rev")
    assert app.button(key="history.drop").disabled
    app.button(key="history.again").click().run()
    assert "Stored now." in texts(app) and code(told, samples(told)[5]) == (BARLEY, "relabelled")


def test_a_story_tells_the_label_of_now_and_every_event(told):
    app = opened("Samples")
    app.text_input(key="history.story").set_value("D2-2018").run()
    assert not app.exception
    assert f"Now: {BARLEY}" in texts(app) and len(app.dataframe[0].value) == 1


def test_a_day_of_a_curator_is_in_figures(told):
    app = opened("Days", "bob")
    values = {metric.label: metric.value for metric in app.metric}
    assert (values["Events"], values["Unsure"], values["Flag"], values["Samples"]) == ("2", "1", "1", "2")


def test_the_figure_of_days_holds_every_decision(told):
    records = history.per_day(told.store, FIELDS)
    drawn = figures.days_figure(records)
    assert sum(sum(bar.y) for bar in drawn.data) == sum(record["decisions"] for record in records) == 2
    assert {bar.name for bar in drawn.data} == {"ann", "bob"}
    (bar,) = figures.days_figure([{"day": "2026-01-31", "curator": "<b>x", "decisions": 1}]).data
    assert bar.name == "&lt;b>x" and bar.width == figures.BAR_MS


def test_a_version_is_frozen_checked_and_compared(told):
    app = opened("Versions")
    app.text_input(key="history.version").set_value("summer").run()
    app.text_input(key="history.version_note").set_value(HTML).run()
    app.button(key="history.freeze").click().run()
    (frozen,) = named_versions.listing(told.store, FIELDS)
    assert (frozen.name, frozen.curator, frozen.note) == ("summer", "ada", HTML) and "Frozen as summer" in texts(app)
    say(told, "D2-2018", "relabel", code=WHEAT)
    st.cache_data.clear()  # versions to choose are seconds old
    app = ticked("Versions", "history.frozen", 0)
    app.button(key="history.check").click().run()
    assert f"summer holds: {frozen.version}" in texts(app)
    assert "**1 of 20 samples differ**: label 1, state 1" in texts(app)


def test_a_name_that_is_taken_is_told_on_the_page(told):
    named_versions.freeze(told.store, FIELDS, "summer", curator="ada")
    app = opened("Versions")
    app.text_input(key="history.version").set_value("Summer").run()
    app.button(key="history.freeze").click().run()
    assert "'summer' is bavaria-2018@" in app.error[0].value


def test_a_backup_is_made_and_restored_after_the_word_was_typed(told):
    before = versions.current(told.store, FIELDS)
    app = opened("Backups")
    app.button(key="history.backup").click().run()
    assert "Made and checked: cropcheck-" in texts(app)
    (made,) = backups.listing(told)
    say(told, samples(told)[7], "agree")
    app = ticked("Backups", "history.backups", 0)
    assert "1 events that the store has are not in it" in texts(app)
    assert app.button(key="history.restore").disabled
    app.text_input(key=f"history.confirm.{made.name}").set_value("restore").run()
    app.button(key="history.restore").click().run()
    assert versions.current(told.store, FIELDS) == before and "Restored: 3 events. 1 are no longer in force" in texts(app)


@pytest.mark.parametrize("curator", ["ann", "rev"])
def test_only_administrators_take_a_backup_away_or_restore_it(told, curator):
    backups.backup(told)
    app = ticked("Backups", "history.backups", 0, curator)
    assert "history.restore" not in [button.key for button in app.button] and "Administrators take backups away" in texts(app)


def test_everything_said_can_be_put_in_words(told):
    say(told, "D2-2018", "reject", reason="mixed")
    taken = say(told, "D2-2018", "agree")
    say(told, "D2-2018", "undo", undo_of=taken)
    image = decisions.image_on(told.store, catalogue.sample_id(told.store, FIELDS, "D2-2018"), "2018-06-16")
    say(told, "D2-2018", "quality", image=image, quality="bad")
    names = history_parts.crops(told.store, FIELDS)
    words = [history_parts.said(event, names) for event in history.events(told.store, FIELDS, Filters(), EVERYBODY)]
    assert words[0].startswith("2018-06-16: ") and words[0].endswith(" → bad")
    assert words[1:] == [
        "undo of event 5", f"agree: {names[str(WHEAT)]}", "reject: Mixed or edge field", "unsure", "flag",
        f"relabel: {names[str(WHEAT)]} → {names[str(BARLEY)]}",
    ]  # fmt: skip
