"""From the Results page to the label that is most likely wrong: ranked at a click, checked with a key, counted afterwards."""

import re

from playwright.sync_api import Page, expect

from labeling import decisions, queues
from labeling.queues import Queue
from modeling import suspects
from tests.browser.test_loop import PARCELS, card, trained, wait_for


def test_the_most_doubtful_label_opens_with_its_reason_and_counts_when_checked(server, page: Page):
    name = trained(server.workspace)
    store = server.workspace.store
    page.goto(f"{server.url}/results?collection={PARCELS}&run={name}")
    page.get_by_text("Label errors", exact=True).click()
    page.get_by_role("button", name="Rank the labels").click()
    page.get_by_role("button", name="Check the most doubtful labels").click()

    page.wait_for_url("**/verify?**")
    first, second = suspects.top(store, name, 2)
    expect(card(page)).to_have_attribute("data-sample", first["sample"])
    expect(page.locator(".card")).to_contain_text(first["reason"])
    expect(page.locator(".place")).to_contain_text("1 of 265")
    page.keyboard.press("a")
    expect(page.locator(".card")).to_have_attribute("data-sample", second["sample"])
    expect(page.locator(".card")).to_contain_text(second["reason"])
    page.keyboard.press("j")
    wait_for(lambda: decisions.tally(store, PARCELS)["decided"] == 2)

    page.goto(f"{server.url}/verify?collection={PARCELS}&queue={Queue('suspects', (name,))}")
    third = queues.following(store, PARCELS, Queue("suspects", (name,)), None, 1)
    with store.reading() as db:
        expected = db.execute("select name from sample where id = ?", third).fetchone()["name"]
    expect(card(page)).to_have_attribute("data-sample", expected)
    expect(page.get_by_role("combobox", name="Queue")).to_have_value(re.compile("Label errors first"))

    page.goto(f"{server.url}/results?collection={PARCELS}&run={name}")
    page.get_by_text("Label errors", exact=True).click()
    expect(page.get_by_text(re.compile("1 wrong, 1 right; down to rank 2"))).to_be_visible()
