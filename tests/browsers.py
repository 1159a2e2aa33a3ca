"""A headless Chromium for the tests of pages."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support import REPOSITORY

AXE_CORE = "4.14.1"
"""Of npm's axe-core: another version knows other rules."""
AXE_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
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


def axe_core():
    """Return the script of axe-core, the checker of accessibility; skip where its version is not installed.

    `npm install --no-save axe-core@VERSION` in the repository, or globally.
    """
    npm = shutil.which("npm")
    globally = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=False).stdout if npm else ""
    for folder in (REPOSITORY / "node_modules", Path(globally.strip() or ".")):
        package = folder / "axe-core" / "package.json"
        if package.is_file() and json.loads(package.read_text())["version"] == AXE_CORE:
            return (package.parent / "axe.min.js").read_text()
    pytest.skip(f"not installed: axe-core {AXE_CORE} (npm install --no-save axe-core@{AXE_CORE})")


def violations(browser, axe, scheme):
    """Return what axe-core finds wrong with the page that is open, unfolded, in a colour scheme, as lines of text."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.execute_script("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    browser.execute_script(axe)
    script = "axe.run(document, {runOnly: arguments[0]}).then(arguments[1])"
    found = browser.execute_async_script(script, AXE_RULES)
    assert found["passes"]  # it has looked
    return [f"{each['id']}: {each['help']} {node['target']}" for each in found["violations"] for node in each["nodes"]]
