"""The page of `compare` in a real browser: Debian's chromium and chromedriver, without a window."""

import numpy as np
import pytest
from browsers import luminance, opened, opened_browser
from written_runs import VIDEOS, write_run, write_sweep

from outpaint_lightning.compare.run import compare
from outpaint_lightning.io import write_image, write_json


@pytest.fixture(scope="module")
def browser():
    yield from opened_browser()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Three experiments, one of two seeds, with strips of the first, and a sweep."""
    root = tmp_path_factory.mktemp("compare")
    write_run(root / "runs/plain/0", (0.4, 0.5, 0.6), seed=0)
    write_run(root / "runs/plain/1", (0.5, 0.5, 0.8), seed=1)
    write_run(root / "runs/a_name_that_is_rather_long_for_a_telephone", (0.9, 0.5, 0.5), gamma=0.9)
    write_run(root / "runs/waiting", gamma=0.7, tested=False)
    write_sweep(root / "runs/sweep")
    examples = root / "runs/plain/0/test/examples"
    write_image(examples / "car.jpg", np.full((90, 480, 3), 99, np.uint8))
    write_json(examples / "examples.json", [{"clip": "car", "frame": 0, "f1": 0.4, "file": "car.jpg"}])
    compare([root / "runs/plain", root / "runs"], root / "out")
    return (root / "out" / "index.html").as_uri()


def test_opens_without_an_error_or_a_request(browser, page):
    browser.get_log("performance")
    opened(browser, page)
    assert "Comparison of 3 experiments, 4 runs, 1 sweep" in browser.title
    assert browser.get_log("browser") == []
    requests = [line["message"] for line in browser.get_log("performance") if "requestWillBeSent" in line["message"]]
    assert [message for message in requests if '"url":"http' in message] == []


def test_pictures_show(browser, page):
    widths = opened(browser, page).execute_script("return [...document.images].map((image) => image.naturalWidth)")
    assert widths == [480]


def first_column(browser, table):
    script = "return [...arguments[0].tBodies[0].rows].map((row) => row.cells[0].textContent.split(' ')[0])"
    return browser.execute_script(script, table)


def test_tables_sort_by_keyboard(browser, page):
    """Numbers from large to small first, then back; what has none stays last both times, as text sorting would not."""
    opened(browser, page)
    table = browser.find_element("css selector", "#localizer-0 table")
    head = next(h for h in table.find_elements("css selector", "th[aria-sort]") if h.text.startswith("pixel F1"))
    head.find_element("tag name", "button").send_keys("\n")
    long = "a_name_that_is_rather_long_for_a_telephone"
    assert head.get_attribute("aria-sort") == "descending"
    assert first_column(browser, table) == [long, "plain", "waiting"]
    head.find_element("tag name", "button").send_keys(" ")
    assert head.get_attribute("aria-sort") == "ascending"
    assert first_column(browser, table) == ["plain", long, "waiting"]
    name = table.find_element("css selector", "th[aria-sort] button")
    name.click()
    assert [h.get_attribute("aria-sort") for h in table.find_elements("css selector", "th[aria-sort]")][:3] == [
        "ascending", "none", "none",
    ]  # fmt: skip
    assert first_column(browser, table) == [long, "plain", "waiting"]


def test_videos_come_in_the_order_of_their_gain(browser, page):
    table = opened(browser, page).find_element("css selector", "#localizer-2 .beside table")
    assert first_column(browser, table) == [VIDEOS[0], VIDEOS[1], VIDEOS[2]]


@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_itself_does_not_scroll_sideways(browser, page, width):
    opened(browser, page, width)
    browser.execute_script("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_what_scrolls_sideways_shows_it(browser, page):
    """A wide table fades at the right until its end is in sight; what fits does not."""
    opened(browser, page, 375)
    table = browser.find_element("css selector", "#localizer-0 .scroll")
    faded = "return getComputedStyle(arguments[0]).maskImage !== 'none'"
    wait = "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    browser.execute_script(wait)
    assert browser.execute_script(faded, table)
    browser.execute_script(f"arguments[0].scrollLeft = 1e4; {wait}", table)
    assert not browser.execute_script(faded, table)
    opened(browser, page, 1280)
    browser.execute_script(wait)
    assert not browser.execute_script(faded, browser.find_element("css selector", "#localizer-0 .scroll"))


def test_long_names_stay_in_their_column(browser, page):
    """On a phone the first column is narrow and stays in sight; a name that overflows lies over the numbers."""
    opened(browser, page, 375)
    script = "return [...document.querySelectorAll('tbody th')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"
    assert browser.execute_script(script) == 0


def test_dark_and_light_are_legible(browser, page):
    """Ink against paper at a contrast of 7 : 1 or more in both (WCAG 2.2, 1.4.6)."""
    seen = []
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        opened(browser, page).execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        script = "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
        ink, paper = map(luminance, browser.execute_script(script))
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 7
        seen.append(ink < paper)
    assert seen == [True, False]


@pytest.mark.slow
def test_prints_with_everything_unfolded(browser, page):
    opened(browser, page).execute_script("dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script("return [...document.querySelectorAll('details')].every((each) => each.open)")
    assert browser.execute_cdp_cmd("Page.printToPDF", {})["data"]
