"""What every test needs before it imports anything, a browser, a table of what was verified."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# the same examples in every run, however busy the machine; --hypothesis-profile=new draws others
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("new", deadline=None)
settings.load_profile("repeatable")

# what takes less time in plain Python is compiled, too, as in long runs
os.environ.setdefault("EARLYSTOP_COMPILE", "1")

# the backend that compares in float64, as we do
os.environ.setdefault("KERAS_BACKEND", "numpy")


@pytest.fixture(scope="session", autouse=True)
def kept_apart(tmp_path_factory):
    """Keeps results in a folder of this run instead of the user's cache folder."""
    os.environ["EARLYSTOP_CACHE"] = str(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="session")
def recorded():
    """The folder of all recorded corpora; skips in the source distribution, which has one."""
    folder = Path(__file__).parents[1] / "data" / "curves"
    if not (folder / "prechelt1997").is_dir():
        pytest.skip("a checkout has all corpora, the source distribution has one")
    return folder


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium that selenium drives; skips where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver")
    names = ("chromium", "chromium-browser", "google-chrome")
    binary = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("needs Chromium and chromedriver on the path")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for word in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1200,900"):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # named, so that selenium looks for none to download
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield browser
    browser.quit()


def pytest_terminal_summary(terminalreporter):
    """A row a rule that its library's own code was driven against."""
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, [])]
    rows = sorted(
        value
        for report in reports
        if report.when == "call"
        for name, value in report.user_properties
        if name == "verified"
    )
    if rows:
        terminalreporter.section("rules against their libraries' own code")
        row = "{:<24} {:<9} {:<21} {:>12} {:>13}"
        terminalreporter.write_line(
            row.format("library", "version", "rule", "curves tried", "disagreements")
        )
        for values in rows:
            terminalreporter.write_line(row.format(*values))
