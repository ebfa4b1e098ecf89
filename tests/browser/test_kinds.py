"""Every kind of collection on the pages, in a real browser: free dates, several years, samples without a label, rotations."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from labeling import decisions
from tests.browser.conftest import Server
from tests.browser.test_verify import opened, press, saved
from tests.conftest import copy_workspace
from tests.kinds_world import FREE, MONTHLY, UNLABELLED


@pytest.fixture
def server(kinds_home, tmp_path) -> Iterator[Server]:
    """The app on a copy of the workspace with every kind of collection."""
    started = Server(copy_workspace(kinds_home, tmp_path / "workspace").home)
    yield started
    if started.process.poll() is None:
        started.kill()


def in_view(strip: Locator, frame: Locator) -> bool:
    outer, inner = strip.bounding_box(), frame.bounding_box()
    return outer["y"] - 1 <= inner["y"] and inner["y"] + inner["height"] <= outer["y"] + outer["height"] + 1


def painted(frame: Locator) -> bool:
    """Whether the frame's picture has any pixel."""
    return frame.locator("canvas").evaluate("c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v > 0)")


def test_every_kind_of_sample_can_be_looked_at_and_decided_on(server, page: Page):
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))

    # Without a label: A is refused with a hint, a digit relabels; the rotation opens with H and by its button.
    card = opened(page, server, UNLABELLED)
    expect(card.locator(".crop")).to_have_text("No inventory label: choose a crop")
    expect(card.locator(".history .year.own")).to_contain_text("2018")
    expect(card.locator(".history .year.own")).to_contain_text("No label")
    page.keyboard.press("h")
    expect(card.locator(".history.large .year").first).to_contain_text("Code 999")
    expect(card.locator(".history .year")).to_have_count(7)
    card.locator("[data-key=h]").click()
    expect(card.locator(".history.large")).to_have_count(0)
    page.keyboard.press("a")
    expect(card.locator(".hint")).to_contain_text("No inventory label to agree with")
    first = press(page, card, "6")
    expect(card.locator(".years")).to_have_text("no other year is known")  # the row keeps its room
    saved(card)
    events = decisions.events(server.workspace.store, UNLABELLED)
    assert [(event["name"], event["action"], event["new"]) for event in events] == [(first, "relabel", "153")]
    page.keyboard.press("?")
    expect(card.locator(".sheet")).to_contain_text("the inventory of other years")
    page.keyboard.press("Escape")

    # Free dates: the strip scrolls so that the date shown is in view, and its frame has a picture.
    card = opened(page, server, FREE)
    strip = card.locator(".strip")
    for key, presses in (("ArrowDown", 25), ("ArrowUp", 40)):
        for _ in range(presses):
            page.keyboard.press(key)
        here = card.locator(".frame.here")
        expect(here).to_have_count(1)
        assert in_view(strip, here)
        assert painted(here)
    expect(card.locator(".date")).to_contain_text(re.compile(r"^2 Mar .* 1 of 40$"))
    strip.hover()
    page.mouse.wheel(0, 2_000)
    last = card.locator(".frame:visible").last
    expect(last).to_contain_text("13 Sep")
    expect(last).to_be_visible()
    page.wait_for_timeout(300)
    assert painted(last)
    last.click()
    expect(card.locator(".date")).to_contain_text("40 of 40")
    shown_day = card.locator(".date").inner_text().split(" ·")[0]
    press(page, card, "a")
    assert card.locator(".frame:visible").count() == 39
    expect(card.locator(".date")).not_to_have_text(shown_day)  # another sample, dates of its own

    # Several years: months as names; a code that the legend lacks is grey.
    card = opened(page, server, MONTHLY, sample="D4-2020")
    expect(card.locator(".purity")).to_contain_text("mostly Code 997")
    page.keyboard.press("m")
    expect(card.locator("[data-key=m]")).to_have_class(re.compile("on"))
    assert card.locator(".frame span").all_inner_texts() == ["Mar", "Apr", "May", "Jun", "Jul"]
    assert faults == []


def test_pictures_that_the_sprite_has_no_room_for_come_when_they_are_looked_at(server, page: Page, monkeypatch):
    """Patches of 64 px have room for 16 dates; here those of 32 px are given as little."""
    server.kill()
    monkeypatch.setenv("PYTHONPATH", str(server.log.parent))
    (server.log.parent / "sitecustomize.py").write_text("import labeling.cards\nlabeling.cards.MOST_TILES = 10 * 32 * 32\n")
    server.start()
    card = opened(page, server, FREE)
    for _ in range(45):
        page.keyboard.press("ArrowUp")
    here = card.locator(".frame.here")
    expect(card.locator(".date")).to_contain_text("1 of 40")
    expect(card.locator(".view")).not_to_contain_text("on its way")
    assert painted(here)
    frames = card.locator(".frame:visible")
    assert all(painted(frames.nth(place)) for place in range(14))


def test_explore_and_map_show_free_dates_and_several_years(server, page: Page):
    for collection in (FREE, MONTHLY):
        page.goto(f"{server.url}/explore?collection={collection}")
        months = page.locator(".xtick text")
        expect(months.first).to_have_text(re.compile("^(Mar|Apr)$"), timeout=30_000)
        assert not any(re.search(r"\d", text) for text in months.all_text_contents())
    page.goto(f"{server.url}/map?collection={FREE}")
    page.locator(".stPopover button").first.click()
    page.get_by_role("combobox", name="Date").click()
    options = page.get_by_role("option")
    expect(options.first).to_have_text("Greenest clear date")
    page.get_by_role("option", name="1–10 January").wait_for()
