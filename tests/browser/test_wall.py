"""The wall in a real browser: what is marked, what can be accepted and when, and that nothing of it is lost."""

import re

from playwright.sync_api import Locator, Page, expect

from labeling import decisions, suspicion, wall
from labeling.wall import Wall

FIELDS, PARCELS, CANADA = "bavaria-2018", "bavaria-parcels-2018", "canada-simulated-2019"
PATIENCE = 60_000  # ms; a busy machine draws slowly


def opened(page: Page, server, collection: str = CANADA, **address: str) -> Locator:
    """The wall, painted; the collection is prepared first."""
    suspicion.prepare(server.workspace, collection)
    more = "".join(f"&{key}={value}" for key, value in address.items())
    page.goto(f"{server.url}/wall?collection={collection}{more}")
    return painted(page)


def painted(page: Page, number: int = 1) -> Locator:
    shown = page.locator(".wall")
    expect(shown).to_have_attribute("data-shown", re.compile(f"^{number}:"), timeout=PATIENCE)
    return shown


def saved(shown: Locator) -> None:
    expect(shown).to_have_attribute("data-unsaved", "0", timeout=PATIENCE)


def tile(shown: Locator, number: int) -> Locator:
    return shown.locator(f'.tile[data-i="{number}"]')


def scrolled_through(page: Page, shown: Locator) -> None:
    """Move on screen by screen until all tiles were on it."""
    for _ in range(40):
        if shown.get_attribute("data-armed") == "true":
            return
        page.keyboard.press("Space")
        page.wait_for_timeout(150)
    raise AssertionError("some tiles were never on the screen")


def stored(server, collection: str = CANADA) -> list[tuple]:
    """(image, quality) of every event that is neither an undo nor undone, in order."""
    found = decisions.events(server.workspace.store, collection)
    return [(event["image"], event["new"]) for event in found if event["action"] == "quality" and not event["undone"]]


def listed(server, **given) -> list[dict]:
    return wall.page(server.workspace.store, Wall(CANADA, **given)).tiles


def test_a_key_marks_the_tile_under_the_cursor_and_again_takes_the_mark_off(server, page: Page):
    shown = opened(page, server, sort="dark")
    tiles = listed(server, sort="dark")
    assert {tiles[at]["quality"] for at in (3, 20, 21)} == {"ok"}
    tile(shown, 3).hover()
    page.keyboard.press("q")
    tile(shown, 20).hover()
    page.keyboard.press("b")
    expect(tile(shown, 20)).to_have_class(re.compile("bad"))
    tile(shown, 21).hover()
    page.keyboard.press("b")
    page.keyboard.press("b")
    expect(tile(shown, 21)).not_to_have_class(re.compile("bad"))
    expect(shown.locator(".screened")).to_have_text("3 of 891 images screened")
    saved(shown)
    expected = [(tiles[3]["image"], "cloud"), (tiles[20]["image"], "bad"), (tiles[21]["image"], "bad"), (tiles[21]["image"], "ok")]
    assert stored(server) == expected


def test_the_rest_can_be_accepted_only_when_all_tiles_were_on_the_screen(server, page: Page):
    shown = opened(page, server)
    expect(shown).to_have_attribute("data-armed", "false")
    page.keyboard.press("Enter")
    expect(shown.locator(".hint")).to_contain_text("tiles were not on screen yet")
    page.keyboard.press("End")  # from the first to the last: those between were not seen
    page.wait_for_timeout(500)
    expect(shown).to_have_attribute("data-armed", "false")
    page.keyboard.press("Enter")
    page.keyboard.press("Home")
    scrolled_through(page, shown)
    expected = {one["image"]: one["quality"] for one in listed(server)}
    tile(shown, 330).hover()
    page.keyboard.press("b")
    marked = listed(server)[330]["image"]
    page.keyboard.press("Enter")
    painted(page, 2)
    expect(shown.locator(".screened")).to_have_text("336 of 891 images screened")
    saved(shown)
    assert dict(stored(server)) == expected | {marked: "bad"}
    assert len(stored(server)) == 336
    expect(shown).to_have_attribute("data-armed", "false")


def test_shift_click_selects_a_range_and_a_key_marks_all_of_it(server, page: Page):
    shown = opened(page, server, sort="dark")
    tile(shown, 5).click()
    tile(shown, 9).click(modifiers=["Shift"])
    tile(shown, 7).click()  # not this one
    expect(shown.locator(".tile.selected")).to_have_count(4)
    page.keyboard.press("b")
    expect(shown.locator(".tile.bad.looked")).to_have_count(4)
    expect(shown.locator(".tile.selected")).to_have_count(0)
    saved(shown)
    tiles = listed(server, sort="dark", show="all")
    assert stored(server) == [(tiles[at]["image"], "bad") for at in (5, 6, 8, 9)]


def test_undo_takes_back_step_by_step_and_undo_page_all_of_the_page(server, page: Page):
    shown = opened(page, server, sort="dark")
    before = listed(server, sort="dark")
    tile(shown, 2).click()
    tile(shown, 4).click(modifiers=["Shift"])
    page.keyboard.press("b")
    tile(shown, 30).hover()
    page.keyboard.press("q")
    page.keyboard.press("z")
    expect(tile(shown, 30)).not_to_have_class(re.compile("cloud"))
    expect(shown.locator(".tile.bad.looked")).to_have_count(3)
    tile(shown, 31).hover()
    page.keyboard.press("q")
    page.keyboard.press("Shift+Z")
    expect(shown.locator(".tile.looked")).to_have_count(0)
    expect(shown.locator(".screened")).to_have_text("0 of 891 images screened")
    saved(shown)
    assert stored(server) == []
    assert listed(server, sort="dark") == before


def test_an_accepted_page_comes_back_by_undo_even_after_a_reload(server, page: Page):
    shown = opened(page, server)
    scrolled_through(page, shown)
    page.keyboard.press("Enter")
    painted(page, 2)
    page.keyboard.press("z")
    painted(page, 1)
    saved(shown)
    assert stored(server) == []
    scrolled_through(page, shown)
    page.keyboard.press("Enter")
    painted(page, 2)
    saved(shown)
    expect(page).to_have_url(re.compile("page=2"))
    page.reload()
    shown = painted(page, 2)
    page.keyboard.press("z")
    expect(shown.locator(".screened")).to_have_text("0 of 891 images screened")
    saved(shown)
    assert stored(server) == []


def test_marks_that_a_dead_server_never_got_are_stored_after_a_reload(server, page: Page):
    shown = opened(page, server, sort="dark")
    expect(page).to_have_url(re.compile("sort=dark"))
    images = [one["image"] for one in listed(server, sort="dark")]
    page.wait_for_timeout(2_000)  # until the next page was fetched, so that nothing is on its way
    server.kill()
    for at in (1, 2, 3):
        tile(shown, at).hover()
        page.keyboard.press("b")
    expect(shown).to_have_attribute("data-unsaved", "3")
    server.start()
    page.reload()
    shown = painted(page)
    saved(shown)
    assert sorted(stored(server)) == sorted((images[at], "bad") for at in (1, 2, 3))
    assert len(decisions.events(server.workspace.store, CANADA)) == 3


def test_the_wall_and_the_card_of_one_curator_lose_nothing_to_each_other(server, page: Page):
    shown = opened(page, server, sort="dark")
    card = page.context.new_page()
    card.goto(f"{server.url}/verify?collection={CANADA}&queue=all")
    expect(card.locator(".card")).to_have_attribute("data-sample", re.compile(".+"), timeout=PATIENCE)
    card.keyboard.press("f")
    page.bring_to_front()
    tile(shown, 1).hover()
    page.keyboard.press("b")
    saved(shown)
    card.bring_to_front()
    expect(card.locator(".card")).to_have_attribute("data-unsaved", "0", timeout=PATIENCE)
    assert sorted(event["action"] for event in decisions.events(server.workspace.store, CANADA)) == ["flag", "quality"]
    card.close()


def test_a_wall_is_screened_with_the_keyboard_alone(server, page: Page):
    shown = opened(page, server, sort="dark")
    tiles = listed(server, sort="dark")
    columns = shown.locator(".grid").evaluate("grid => getComputedStyle(grid).gridTemplateColumns.split(' ').length")
    for key in ("ArrowRight", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    page.keyboard.press("b")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("q")
    page.keyboard.press("End")
    page.keyboard.press("b")
    saved(shown)
    here = columns + 1
    expected = [(tiles[here]["image"], "bad"), *((tiles[here + at]["image"], "cloud") for at in range(3)), (tiles[335]["image"], "bad")]
    assert stored(server) == expected


def test_by_sample_and_date_every_row_is_a_season(server, page: Page):
    shown = opened(page, server)
    shown.get_by_role("button", name="By sample and date").click()
    expect(shown.locator(".who").first).to_be_visible()
    tiles = wall.page(server.workspace.store, Wall(CANADA, layout="samples")).tiles
    expect(shown.locator(".who").first).to_have_text(tiles[0]["name"])
    dates = shown.locator(".when:not(.corner)").all_inner_texts()
    assert dates == ["2019-06", "2019-07", "2019-08", "2019-09", "2019-10"] * 2  # two samples side by side
    tops = [tile(shown, at).bounding_box()["y"] for at, one in enumerate(tiles) if one["sample"] == tiles[0]["sample"]]
    assert len(set(tops)) == 1
    expect(page).to_have_url(re.compile("layout=samples"))
    tile(shown, 0).hover()
    page.keyboard.press("b")
    saved(shown)
    assert stored(server) == [(tiles[0]["image"], "bad")]


def test_views_sizes_and_help_are_a_key_or_a_click_away(server, page: Page):
    shown = opened(page, server)
    before = shown.locator(".grid").evaluate("grid => getComputedStyle(grid).getPropertyValue('--sprite')")
    page.keyboard.press("v")
    expect(shown.locator(".view")).to_have_text("Infrared")
    page.wait_for_function("([grid, before]) => grid.style.getPropertyValue('--sprite') !== before",
                           arg=[shown.locator(".grid").element_handle(), before])  # fmt: skip
    shown.get_by_role("button", name="128").click()
    expect(tile(shown, 0)).to_have_css("width", "128px")
    page.keyboard.press("?")
    expect(shown.get_by_text("select all from the last one to this")).to_be_visible()
    page.keyboard.press("Escape")
    expect(shown.locator(".sheet")).to_be_hidden()
    tile(shown, 0).hover()
    with page.context.expect_page() as other:
        page.keyboard.press("o")
    name = listed(server)[0]["name"]
    expect(other.value).to_have_url(re.compile(f"/verify\\?.*sample={name}"))
    other.value.close()


def test_an_address_of_a_page_that_there_is_none_of_is_told_and_the_first_page_shown(server, page: Page):
    suspicion.prepare(server.workspace, CANADA)
    page.goto(f"{server.url}/wall?collection={CANADA}&page=77")
    painted(page)
    expect(page.get_by_text("has no page 77: they are numbered from 1 to 3")).to_be_visible()


def test_all_of_a_collection_can_be_screened_to_its_end(server, page: Page):
    shown = opened(page, server, FIELDS)
    scrolled_through(page, shown)
    page.keyboard.press("Enter")
    expect(shown.get_by_text("All screened")).to_be_visible()
    saved(shown)
    assert wall.progress(server.workspace.store, FIELDS).looked == 262
    page.keyboard.press("p")
    painted(page)
    expect(shown.locator(".tile.looked")).to_have_count(262)
    page.keyboard.press("z")
    expect(shown.locator(".tile.looked")).to_have_count(0)
    saved(shown)
    assert wall.progress(server.workspace.store, FIELDS).looked == 0
