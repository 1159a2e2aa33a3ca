"""The page of `localize` in a real browser: Debian's chromium and chromedriver, without a window."""

import pytest
from browsers import axe_core, luminance, opened, opened_browser, violations
from examinations import card, examine, write_video

from outpaint_lightning.localize.page import render_index
from outpaint_lightning.localize.records import write_page


@pytest.fixture(scope="module")
def browser():
    yield from opened_browser()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    results = [
        examine(write_video(folder / f"{name}.mp4", frames=8), folder / "out", known)
        for name, known in (("a_name_that_is_rather_long_for_a_telephone_of_a_reader", card()), ("plain", None))
    ]
    write_page(folder / "out" / "index.html", render_index(results))
    return folder / "out"


@pytest.fixture(params=["a_name_that_is_rather_long_for_a_telephone_of_a_reader/report.html", "index.html"])
def page(folder, request):
    return (folder / request.param).as_uri()


def test_opens_without_an_error_or_a_request(browser, page):
    browser.get_log("performance")
    opened(browser, page)
    assert browser.title.startswith("Examination of ")
    assert browser.get_log("browser") == []
    requests = [line["message"] for line in browser.get_log("performance") if "requestWillBeSent" in line["message"]]
    assert [message for message in requests if '"url":"http' in message] == []


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_itself_does_not_scroll_sideways(browser, page, width):
    opened(browser, page, width)
    browser.execute_script("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_answer_is_in_sight_at_once(browser, folder):
    """On a phone, too, above the fold."""
    opened(browser, (folder / "plain" / "report.html").as_uri(), 375)
    answer = browser.find_element("css selector", ".verdict strong")
    assert answer.text == "No verdict"
    assert answer.rect["y"] + answer.rect["height"] < 700


def test_pictures_show(browser, page):
    script = "return [...document.images].map((image) => image.naturalWidth)"
    widths = opened(browser, page).execute_script(script)
    assert all(width == 128 for width in widths)
    assert len(widths) in (0, 24)  # of 8 frames, 5 and the other 3, in three pictures each


def test_keyboard_reaches_table_and_links(browser, page):
    opened(browser, page)
    head = browser.find_element("css selector", "th[aria-sort] button")
    head.send_keys("\n")
    assert browser.find_element("css selector", "th[aria-sort]").get_attribute("aria-sort") == "ascending"
    focusable = "return [...document.querySelectorAll('a[href]')].every((each) => each.tabIndex === 0)"
    assert browser.execute_script(focusable)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_answer_is_legible_in_light_and_dark(browser, folder, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    opened(browser, (folder / "plain" / "report.html").as_uri())
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    ink, paper = (
        luminance(browser.execute_script(f"return getComputedStyle(document.querySelector('{place}')).{colour}"))
        for place, colour in ((".verdict", "color"), ("body", "backgroundColor"))
    )
    assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 7


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser, page, scheme):
    """Catches colours too pale in one scheme, pictures without words, tables without heads, unreachable scrolling."""
    axe = axe_core()
    assert violations(opened(browser, page), axe, scheme) == []


def test_prints_with_everything_unfolded(browser, page):
    opened(browser, page).execute_script("dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script("return [...document.querySelectorAll('details')].every((each) => each.open)")
    assert browser.execute_cdp_cmd("Page.printToPDF", {})["data"]
