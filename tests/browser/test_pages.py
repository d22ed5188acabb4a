"""Every page, as a browser and its accessibility checks see it, wide and narrow."""

import pytest

from tests.browser.crawling import DESKTOP, PHONE, Seen, Window, crawled
from tests.browser.lived_in import WHO, WORD, lived_in

pytest.importorskip("playwright.sync_api")
axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")
pytestmark = pytest.mark.browser

FEWEST_KINDS = 60  # of pages; a crawl that finds less has lost its way
MOST_BYTES = 500_000
MOST_SHIFT = 0.1
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def portal(state_directory):
    live = lived_in(state_directory)
    yield live
    live.stop()


@pytest.fixture(scope="module")
def paths(chromium, portal) -> list[str]:
    window = Window(chromium, portal.url, DESKTOP, "light")
    window.sign_in(WHO, WORD)
    found = list(crawled(window))
    window.close()
    return found


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(DESKTOP, "light"), (PHONE, "dark")],
    ids=["wide and light", "narrow and dark"],
)
def test_no_page_has_anything_to_complain_of(chromium, portal, paths, size, scheme):
    window = Window(chromium, portal.url, size, scheme)
    window.sign_in(WHO, WORD)
    axe = axe_playwright.Axe()
    troubles = []

    for path in paths:
        seen = window.look_at(path, is_first=True)
        found = axe.run(window.page).response["violations"]
        troubles += [
            f"{path} {each['impact']} {each['id']}: {each['nodes'][0]['html'][:200]}"
            for each in found
            if each["impact"] in SERIOUS
        ]
        troubles += list(told(seen))
    window.close()

    assert not troubles, "\n".join(troubles)


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


def test_links_lead_to_every_kind_of_page(paths):
    assert len(paths) >= FEWEST_KINDS
