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
WAYS = {"wide and light": (DESKTOP, "light"), "narrow and dark": (PHONE, "dark")}


@pytest.fixture(scope="module")
def portal(state_directory):
    live = lived_in(state_directory)
    yield live
    live.stop()


def test_no_page_has_anything_to_complain_of(chromium, portal):
    window = Window(chromium, portal.url, DESKTOP, "light")
    window.sign_in(WHO, WORD)
    axe = axe_playwright.Axe()
    troubles: list[str] = []

    def links_of(path: str) -> list[str]:
        seen = window.look_at(path, is_first=True)
        links = window.links()
        for way, (size, scheme) in WAYS.items():
            window.is_seen_as(size, scheme)
            seen.overflowing += window.overflowing()
            troubles.extend(
                f"{path}, {way}: {each['impact']} {each['id']}: "
                f"{each['nodes'][0]['html'][:200]}"
                for each in axe.run(window.page).response["violations"]
                if each["impact"] in SERIOUS
            )
        window.is_seen_as(DESKTOP, "light")
        troubles.extend(told(seen))
        return links

    kinds = list(reachable(links_of))
    window.close()

    assert not troubles, "\n".join(troubles)
    assert len(kinds) >= FEWEST_KINDS


def told(seen: Seen):
    """What is wrong with a page, in a line each."""
    if seen.status != 200:
        yield f"{seen.path} answers {seen.status}"
    for each in [*seen.complaints, *seen.violations]:
        yield f"{seen.path} complains: {each}"
    if seen.transferred > MOST_BYTES:
        yield f"{seen.path} takes {seen.transferred} bytes"
    if seen.shift > MOST_SHIFT:
        yield f"{seen.path} shifts by {seen.shift:.2f}"
    for each in seen.overflowing:
        yield f"{seen.path} is wider than its window: {each}"
