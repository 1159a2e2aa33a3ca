"""A headless Chromium for the tests of pages."""

import shutil

import numpy as np
import pytest

PROGRAMS = {name: shutil.which(name) for name in ("chromium", "chromedriver")}


def opened_browser():
    """Yield a browser; skip where none is installed."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if missing := [name for name, path in PROGRAMS.items() if path is None]:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian has a package of each)")
    options = webdriver.ChromeOptions()
    options.binary_location = PROGRAMS["chromium"]
    for option in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(PROGRAMS["chromedriver"]))
    yield driver
    driver.quit()


def opened(browser, page, width=1280):
    """Open a page in a window of a width; below 500 pixels it is a phone's."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page)
    return browser


def luminance(colour):
    """Return the relative luminance of `rgb(r, g, b)` (WCAG 2.2)."""
    channels = [int(part) / 255 for part in colour[4:-1].split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return np.dot(linear, (0.2126, 0.7152, 0.0722))
