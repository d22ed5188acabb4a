"""A browser, and a whole portal that it looks at."""

import os
from pathlib import Path

import pytest

try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:  # only `make test-browser` installs it, and tests skip without
    sync_playwright = None

PATIENCE_MS = 60_000  # a machine that does other things as well is slow, not wrong

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
QUIET = (
    "--no-sandbox",  # the suite may run as root, in a container
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium, without anything of its own on the network."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no {CHROMIUM}; CHROMIUM names another one")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A window in which nobody is signed in; whatever its pages complain of fails."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []
