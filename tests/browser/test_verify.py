"""The Verify card in a real browser: keys, undo, and that no decision is lost or lands on a sample that was not on the screen."""

import re
import time

import pytest
from playwright.sync_api import Locator, Page, expect

from data import catalogue
from labeling import decisions, queues

FIELDS, PARCELS, CANADA = "bavaria-2018", "bavaria-parcels-2018", "canada-simulated-2019"
# Notes, before anyone else hears of the key, which sample stands on the card.
WITNESS = """
window.witnessed = [];
const everywhere = (root) => root.querySelector(".card")
    ?? [...root.querySelectorAll("*")].filter((one) => one.shadowRoot).map((one) => everywhere(one.shadowRoot)).find(Boolean);
let card = null;
addEventListener("keydown", () => {
    card = card?.isConnected ? card : everywhere(document);
    if (card) witnessed.push([card.dataset.sample, card.dataset.early ?? "0"]);
}, true);
"""


def opened(page: Page, server, collection: str, queue: str = "all", **address: str) -> Locator:
    """The card of the queue, showing its first sample."""
    more = "".join(f"&{key}={value}" for key, value in address.items())
    page.goto(f"{server.url}/verify?collection={collection}&queue={queue}{more}")
    return shown(page)


def shown(page: Page) -> Locator:
    card = page.locator(".card")
    expect(card).to_have_attribute("data-sample", re.compile(".+"), timeout=30_000)
    return card


def sample(card: Locator) -> str:
    return card.get_attribute("data-sample")


def press(page: Page, card: Locator, key: str) -> str:
    """Press a key that decides and wait for the next card; returns the sample that it was pressed on."""
    before = sample(card)
    page.keyboard.press(key)
    expect(card).not_to_have_attribute("data-sample", before)
    return before


def saved(card: Locator) -> None:
    expect(card).to_have_attribute("data-unsaved", "0")


def stored(server, collection: str) -> list[tuple]:
    """(sample, action, new) of every event, in order."""
    return [(event["name"], event["action"], event["new"]) for event in decisions.events(server.workspace.store, collection)]


def unsaved(card: Locator) -> int:
    return int(card.get_attribute("data-unsaved"))


def test_each_key_decides_on_the_sample_that_is_shown_and_moves_on(server, page: Page):
    card = opened(page, server, FIELDS)
    seen = [press(page, card, key) for key in ("a", "2", "j", "k", "l", "u")]
    saved(card)
    events = decisions.events(server.workspace.store, FIELDS)
    assert [event["name"] for event in events] == seen
    assert [event["action"] for event in events] == ["agree", "relabel", "reject", "reject", "reject", "unsure"]
    assert [event["reason"] for event in events[2:5]] == ["mixed", "not_cropland", "no_signal"]
    assert all(event["stands"] and event["ms"] > 0 and event["queue"] == "all: Every sample, in order." for event in events)
    assert [event["rank"] for event in events] == [1, 2, 3, 4, 5, 6]
    expect(card.locator(".recent li").first).to_contain_text("Unsure")
    expect(card.locator(".place")).to_contain_text("7 of 20 · 14 open")


def test_every_key_is_a_button_too(server, page: Page):
    card = opened(page, server, FIELDS)
    first = sample(card)
    card.get_by_role("button", name="Agree").click()
    expect(card).not_to_have_attribute("data-sample", first)
    card.get_by_role("button", name="winter barley").click()
    card.get_by_role("button", name="Flag").click()
    saved(card)
    assert [event[1] for event in stored(server, FIELDS)] == ["agree", "relabel", "flag"]


def test_undo_goes_back_sample_by_sample_and_can_be_decided_anew(server, page: Page):
    card = opened(page, server, FIELDS)
    first, second = press(page, card, "a"), press(page, card, "2")
    page.keyboard.press("z")
    expect(card).to_have_attribute("data-sample", second)
    page.keyboard.press("z")
    expect(card).to_have_attribute("data-sample", first)
    expect(card.locator(".verdict")).to_contain_text("not verified yet")
    press(page, card, "u")
    saved(card)
    assert [event[1] for event in stored(server, FIELDS)] == ["agree", "relabel", "undo", "undo", "unsure"]
    assert decisions.tally(server.workspace.store, FIELDS) == {"samples": 20, "decided": 1, "verified": 0}


def test_undo_reaches_back_over_a_reload(server, page: Page):
    card = opened(page, server, FIELDS, "unverified")
    first = press(page, card, "a")
    saved(card)
    page.reload()
    card = shown(page)
    page.keyboard.press("z")
    expect(card).to_have_attribute("data-sample", first)
    saved(card)
    assert [event[1] for event in stored(server, FIELDS)] == ["agree", "undo"]


def test_arrows_walk_without_deciding(server, page: Page):
    card = opened(page, server, FIELDS)
    first = press(page, card, "ArrowRight")
    second = sample(card)
    press(page, card, "ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(card).to_have_attribute("data-sample", second)
    page.keyboard.press("ArrowLeft")
    expect(card).to_have_attribute("data-sample", first)
    page.keyboard.press("ArrowLeft")
    expect(card.locator(".hint")).to_have_text("This is the first sample of the queue.")
    assert stored(server, FIELDS) == []


def test_dates_are_walked_and_marked_and_the_profile_shows_it(server, page: Page):
    card = opened(page, server, FIELDS)
    before = card.locator(".date").text_content()
    page.keyboard.press("ArrowUp")
    expect(card.locator(".date")).not_to_have_text(before)
    hollow = card.locator(".chart .dot.hollow").count()
    page.keyboard.press("q")
    expect(card.locator(".chart .dot.hollow")).to_have_count(hollow + 1)
    expect(card.locator(".date")).to_contain_text("cloudy")
    page.keyboard.press("b")
    expect(card.locator(".date")).to_contain_text("bad pixels")
    page.keyboard.press("b")
    expect(card.locator(".chart .dot.hollow")).to_have_count(hollow)
    saved(card)
    assert [event[1:] for event in stored(server, FIELDS)] == [("quality", "cloud"), ("quality", "bad"), ("quality", "ok")]
    assert decisions.tally(server.workspace.store, FIELDS)["decided"] == 0


def test_views_indices_and_layers_change_the_picture_without_deciding(server, page: Page):
    card = opened(page, server, CANADA)
    pictures = {card.locator(".big").evaluate("canvas => canvas.toDataURL()")}
    for key in ("v", "v", "v", "m"):
        page.keyboard.press(key)
        pictures.add(card.locator(".big").evaluate("canvas => canvas.toDataURL()"))
    assert len(pictures) == 5
    profile = card.locator(".chart .curve").get_attribute("points")
    page.keyboard.press("n")
    expect(card.locator("select.index")).to_have_value("1")
    assert card.locator(".chart .curve").get_attribute("points") != profile
    expect(card.get_by_text("simulated imagery")).to_be_visible()
    assert stored(server, CANADA) == []


def test_a_reason_of_ones_own_and_a_class_beyond_the_digits_are_typed(server, page: Page):
    card = opened(page, server, CANADA)
    first = sample(card)
    page.keyboard.press("x")
    page.keyboard.type("flooded 1 ak")
    assert sample(card) == first
    page.keyboard.press("Enter")
    expect(card).not_to_have_attribute("data-sample", first)
    second = sample(card)
    page.keyboard.press("c")
    page.keyboard.type("flax")
    page.keyboard.press("Enter")
    expect(card).not_to_have_attribute("data-sample", second)
    saved(card)
    events = decisions.events(server.workspace.store, CANADA)
    flax = next(entry.code for entry in catalogue.legend(server.workspace.store, CANADA) if "flax" in entry.name.lower())
    assert [(event["name"], event["action"], event["reason"], event["note"], event["new"]) for event in events] == [
        (first, "reject", "other", "flooded 1 ak", None), (second, "relabel", None, None, str(flax)),
    ]  # fmt: skip


def test_the_class_that_is_called_what_is_typed_comes_first(server, page: Page):
    card = opened(page, server, CANADA)
    page.keyboard.press("c")
    page.keyboard.type("pea")
    expect(card.locator(".sheet li b")).to_have_text(["Pea", "Peatland", "Spelt", "Chickpea"])  # Spelt is Épeautre


def test_typing_into_a_text_field_decides_nothing(server, page: Page):
    card = opened(page, server, FIELDS)
    first = sample(card)
    page.get_by_role("combobox", name="Curator").click()
    page.keyboard.type("aajk1")
    page.keyboard.press("Control+a")
    assert sample(card) == first
    assert unsaved(card) == 0
    assert stored(server, FIELDS) == []


def test_keys_with_a_modifier_belong_to_the_browser(server, page: Page):
    card = opened(page, server, FIELDS)
    first = sample(card)
    page.keyboard.press("Control+u")
    page.keyboard.press("Alt+a")
    assert (sample(card), unsaved(card)) == (first, 0)


def test_a_held_key_decides_once(server, page: Page):
    card = opened(page, server, FIELDS)
    first = sample(card)
    for _ in range(6):
        page.keyboard.down("a")  # from the second on a repeat, as a held key sends
    page.keyboard.up("a")
    saved(card)
    assert stored(server, FIELDS) == [(first, "agree", "115")]


def test_a_key_that_was_pressed_before_the_card_stood_there_is_not_used(server, page: Page):
    card = opened(page, server, FIELDS)
    press(page, card, "a")
    second = sample(card)
    page.evaluate("""() => {
        const late = new KeyboardEvent("keydown", { key: "a", bubbles: true });
        Object.defineProperty(late, "timeStamp", { value: 1 });
        document.body.dispatchEvent(late);
    }""")
    expect(card.locator(".hint")).to_contain_text("it was not used")
    assert sample(card) == second
    saved(card)
    assert len(stored(server, FIELDS)) == 1


def test_a_reload_in_mid_queue_loses_nothing_and_applies_nothing_twice(server, page: Page):
    card = opened(page, server, PARCELS, "unverified")
    page.wait_for_timeout(2_000)
    seen = []
    for _ in range(3):
        seen += [press(page, card, "a") for _ in range(4)]
        page.reload()
        card = shown(page)
        assert sample(card) not in seen
        page.wait_for_timeout(1_500)
    saved(card)
    assert [event[0] for event in stored(server, PARCELS)] == seen


def test_two_tabs_on_one_sample_make_a_second_opinion_that_overwrites_nothing(server, page: Page):
    first = opened(page, server, FIELDS)
    name = sample(first)
    other = page.context.new_page()
    second = opened(other, server, FIELDS)
    assert sample(second) == name
    press(page, first, "2")
    saved(first)
    press(other, second, "j")
    saved(second)
    expect(second.locator(".messages")).to_contain_text(f"{name} was decided meanwhile")
    relabel, reject = decisions.events(server.workspace.store, FIELDS)
    assert (relabel["action"], relabel["stands"], reject["action"], reject["stands"]) == ("relabel", 1, "reject", 0)
    other.keyboard.press("ArrowLeft")
    expect(second.locator(".verdict")).to_contain_text("winter barley")


def test_a_killed_server_loses_no_decision(server, page: Page):
    card = opened(page, server, PARCELS, "unverified")
    page.wait_for_timeout(3_000)
    seen = [press(page, card, "a")]
    saved(card)
    server.kill()
    seen += [press(page, card, key) for key in ("a", "u", "j", "a", "a")]
    expect(card.locator(".unsaved")).to_have_text("5 unsaved")
    assert len(stored(server, PARCELS)) == 1
    server.start()
    expect(page.locator(".card")).to_have_attribute("data-unsaved", "0", timeout=60_000)
    assert [event[0] for event in stored(server, PARCELS)] == seen


def test_decisions_of_a_closed_tab_are_sent_by_the_next_one(server, page: Page):
    card = opened(page, server, PARCELS, "unverified")
    page.wait_for_timeout(2_000)
    server.kill()
    seen = [press(page, card, "a"), press(page, card, "u")]
    page.close()
    server.start()
    other = page.context.new_page()
    saved(opened(other, server, PARCELS, "unverified"))
    assert [event[0] for event in stored(server, PARCELS)] == seen


def test_two_hundred_decisions_at_thirty_milliseconds_are_all_stored_in_order_on_what_was_shown(server, page: Page):
    page.add_init_script(WITNESS)
    card = opened(page, server, CANADA)
    page.wait_for_timeout(6_000)
    deadline = time.monotonic() + 90
    while int(card.get_attribute("data-shown")) <= 200 and time.monotonic() < deadline:
        page.keyboard.press("a")
        page.wait_for_timeout(30)
    expect(card).to_have_attribute("data-unsaved", "0", timeout=60_000)
    names = [event[0] for event in stored(server, CANADA)]
    witnessed = [name for name, _ in page.evaluate("witnessed") if name]
    assert len(names) >= 200
    assert names == list(dict.fromkeys(witnessed))[: len(names)]
    assert len(set(names)) == len(names)


def test_the_end_of_a_queue_says_what_to_do_and_leads_back(server, page: Page):
    card = opened(page, server, FIELDS, "crop%3A131")
    for _ in range(6):
        name = sample(card)
        page.keyboard.press("a")
        expect(card).not_to_have_attribute("data-sample", name)
    expect(card.get_by_role("heading", name="End of the queue")).to_be_visible()
    expect(card.get_by_text("6 decided in this sitting")).to_be_visible()
    page.keyboard.press("a")
    page.keyboard.press("ArrowLeft")
    expect(card).to_have_attribute("data-sample", name)
    press(page, card, "ArrowRight")
    card.get_by_role("button", name="Begin again").click()
    expect(card.get_by_role("heading", name="End of the queue")).to_be_visible()
    expect(card.locator(".place")).to_contain_text("6 · 0 open")
    page.keyboard.press("ArrowLeft")
    expect(card).to_have_attribute("data-sample", name)
    saved(card)
    assert len(stored(server, FIELDS)) == 6


def test_a_finished_collection_says_so(server, page: Page):
    samples = queues.following(server.workspace.store, FIELDS, queues.Queue("all"), None, 100)
    agreed = [{"uid": f"before-{number}", "sample": number, "action": "agree", "seen": None} for number in samples]
    decisions.record(server.workspace.store, FIELDS, "ann", agreed)
    page.goto(f"{server.url}/verify?collection={FIELDS}&queue=unverified")
    expect(page.get_by_role("heading", name="Everything here is decided")).to_be_visible()
    expect(page.get_by_text("Train a model on them, or choose another queue")).to_be_visible()


def test_a_link_opens_its_sample_in_its_queue(server, page: Page):
    card = opened(page, server, FIELDS, "crop%3A131")
    name = press(page, card, "ArrowRight")
    second = sample(card)
    assert sample(opened(page, server, FIELDS, "crop%3A131", sample=second)) == second
    assert sample(opened(page, server, FIELDS, "crop%3A131", sample=name)) == name


def test_a_queue_that_there_is_not_is_refused_with_the_choices(server, page: Page):
    page.goto(f"{server.url}/verify?collection={FIELDS}&queue=sideways")
    expect(page.get_by_text("There is no queue 'sideways'. Use all, unverified")).to_be_visible()


def test_another_queue_from_the_sidebar_can_be_labelled_at_once(server, page: Page):
    card = opened(page, server, FIELDS, "unverified")
    page.get_by_role("combobox", name="Queue").click()
    page.get_by_role("option", name="By crop").click()
    expect(card.locator(".why")).to_have_text("The inventory says winter wheat.")
    first = press(page, card, "a")
    saved(card)
    assert stored(server, FIELDS) == [(first, "agree", "115")]


def test_an_error_of_the_server_is_shown_and_stays_until_it_is_read(server, page: Page):
    card = opened(page, server, FIELDS)
    name = sample(card)
    with server.workspace.store.writing() as db:
        db.execute("update sample set name = 'renamed' where name = ?", [name])
    press(page, card, "a")
    expect(card.locator(".messages")).to_contain_text("the collection was imported anew")
    saved(card)
    card.get_by_role("button", name="Understood").click()
    expect(card.locator(".messages")).to_be_empty()
    assert stored(server, FIELDS) == []


@pytest.mark.parametrize("collection", [FIELDS, PARCELS, CANADA])
def test_the_card_fits_the_screen_and_stands_still(server, page: Page, collection):
    card = opened(page, server, collection)
    boxes = []
    for _ in range(4):
        boxes.append([card.locator(part).bounding_box() for part in (".big", ".chart", ".verdicts", ".digits", ".recent", ".strip")])
        press(page, card, "a")
    assert boxes[0] == boxes[1] == boxes[2] == boxes[3]
    assert page.evaluate("document.querySelector('.stMain').scrollHeight <= innerHeight")
    assert card.bounding_box()["y"] + card.bounding_box()["height"] <= 768
