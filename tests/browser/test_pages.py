"""Every page, as a browser and its accessibility checks see it: wide and light, then
narrow and dark."""

import pytest

from tests.browser.crawling import DESKTOP, PHONE, Seen, Window
from tests.browser.lived_in import WHO, WORD, lived_in
from tests.pages import reachable

pytest.importorskip("playwright.sync_api")
axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")
pytestmark = [pytest.mark.browser, pytest.mark.pages]

FEWEST_KINDS = 100  # of pages; a crawl that finds less has lost its way
MOST_BYTES = 500_000
MOST_SHIFT = 0.1
SERIOUS = ("serious", "critical")
AXE = axe_playwright.Axe()
STRANGERS = {"/": 200, "/admin/login/": 200, "/no/such/page": 404}
WAYS = {"wide and light": (DESKTOP, "light"), "narrow and dark": (PHONE, "dark")}


@pytest.fixture(scope="module")
def portal(state_directory):
    live = lived_in(state_directory)
    yield live
    live.stop()


def test_no_page_has_anything_to_complain_of(chromium, portal):
    window = Window(chromium, portal.url, DESKTOP, "light")
    window.sign_in(WHO, WORD)
    troubles: list[str] = []

    def links_of(path: str) -> list[str]:
        troubles.extend(troubles_of(window, path))
        return window.links()

    kinds = list(reachable(links_of))
    window.close()

    assert not troubles, "\n".join(troubles)
    assert len(kinds) >= FEWEST_KINDS


@pytest.mark.parametrize(("path", "status"), STRANGERS.items())
def test_nor_has_what_a_stranger_sees(chromium, portal, path, status):
    window = Window(chromium, portal.url, DESKTOP, "light")

    troubles = list(troubles_of(window, path, status))
    window.close()

    assert not troubles, "\n".join(troubles)


def troubles_of(window: Window, path: str, status: int = 200):
    """What is wrong with a page in either way of looking at it, in a line each."""
    seen = window.look_at(path, is_first=True)
    for way, (size, scheme) in WAYS.items():
        window.is_seen_as(size, scheme)
        seen.overflowing += window.overflowing()
        for each in AXE.run(window.page).response["violations"]:
            if each["impact"] in SERIOUS:
                first = each["nodes"][0]["html"][:200]
                yield f"{path}, {way}: {each['impact']} {each['id']}: {first}"
    window.is_seen_as(DESKTOP, "light")
    yield from told(seen, status)


def told(seen: Seen, status: int):
    """What a browser said of a page, in a line each."""
    if seen.status != status:
        yield f"{seen.path} answers {seen.status}"
    asked = f"status of {status}"  # a browser complains of a refused page itself
    complaints = [each for each in seen.complaints if asked not in each]
    for each in [*complaints, *seen.violations]:
        yield f"{seen.path} complains: {each}"
    if seen.transferred > MOST_BYTES:
        yield f"{seen.path} takes {seen.transferred} bytes"
    if seen.shift > MOST_SHIFT:
        yield f"{seen.path} shifts by {seen.shift:.2f}"
    for each in seen.overflowing:
        yield f"{seen.path} is wider than its window: {each}"
