"""A conflict as a team settles it: both answers on the page, the reviewer's decision and reason in Verify, the letter to a curator."""

import re

from playwright.sync_api import Page, expect

from labeling import reviews
from tests.browser.test_loop import card, wait_for
from tests.test_reviews import ANN, BOB, CYD, FIELDS, Team, name_of


def as_curator(page: Page, name: str) -> None:
    box = page.get_by_role("combobox", name=re.compile("Curator"))
    box.click()
    box.fill(name)
    box.press("Enter")


def view(page: Page, name: str) -> None:
    page.get_by_test_id("stButtonGroup").get_by_text(name, exact=True).click()


def test_a_reviewer_settles_a_conflict_and_the_reason_reaches_the_curator(server, page: Page):
    world = Team(server.workspace)
    sample = world.samples[0]
    world.conflict(sample)
    page.goto(f"{server.url}/review?collection={FIELDS}")
    as_curator(page, CYD)
    for answer in (f"{ANN}: winter wheat", f"{BOB}: winter barley", "“heads out too early”"):
        expect(page.get_by_text(answer)).to_be_visible()
    expect(page.get_by_test_id("stImage").locator("img")).to_be_visible()
    page.get_by_role("button", name="Settle", exact=True).click()
    page.wait_for_url(f"**/verify?**queue=conflicts**sample={name_of(world, sample)}**")
    expect(card(page).locator(".why")).to_contain_text("say why in a note (T)")
    page.keyboard.press("a")
    wait_for(lambda: reviews.counts(world.store, FIELDS).states["settled"] == 1)
    (letter,) = reviews.inbox(world.store, BOB)
    assert (letter.settlement.curator, letter.agrees) == (CYD, False)

    page.goto(f"{server.url}/review?collection={FIELDS}")
    as_curator(page, BOB)
    view(page, "To you")
    expect(page.get_by_text("Cyd decided: winter wheat")).to_be_visible()
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_role("button", name="Mark all as read")).to_have_count(0)
    assert reviews.unread(world.store, BOB) == 0


def test_second_looks_lead_to_verify_with_what_is_due_for_the_curator(server, page: Page):
    world = Team(server.workspace)
    world.says(ANN, world.samples[0], "unsure")
    page.goto(f"{server.url}/review?collection={FIELDS}&view=Second%20looks")
    as_curator(page, BOB)
    page.get_by_role("button", name="Look again at 1").click()
    page.wait_for_url("**/verify?**queue=second**")
    card(page)
    page.keyboard.press("a")
    wait_for(lambda: reviews.counts(world.store, FIELDS).states["conflict"] == 1)


def test_a_note_with_markup_is_shown_as_text(server, page: Page):
    world = Team(server.workspace)
    world.says(ANN, world.samples[0], "agree", note="![x](http://127.0.0.1:9/x.png) <b>bold</b> [link](javascript:alert(1))")
    world.says(BOB, world.samples[0], "reject", look="second", reason="mixed")
    page.goto(f"{server.url}/review?collection={FIELDS}&view=Conflicts")
    expect(page.get_by_text("<b>bold</b> [link](javascript:alert(1))")).to_be_visible()
