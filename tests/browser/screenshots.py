"""`make screenshots`: pictures by a script, never by hand.

`readme` takes those of the README, of a portal with its demo, into `docs/images`;
`pages` takes every page, wide and narrow, light and dark, into `var/screenshots`, and
prints what each cost to load. Both, unless one is asked for.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import django
from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, QUIET
from tests.browser.crawling import DESKTOP, PHONE, Window
from tests.browser.lived_in import WHO, WORD, lived_in
from tests.live import LivePortal, wait_until
from tests.pages import reachable

IMAGES = Path("docs/images")
PLACE = Path("var/screenshots")
SIZES = {"wide": DESKTOP, "narrow": PHONE}
SHOWN = {"width": 1280, "height": 800}
CLOSE = "document.querySelectorAll('details[open]').forEach(each => each.open = false)"
ENOUGH_RUNS = 14
# By a picture's name: what leads to its page.
OF_README = {
    "start": "SELECT '/admin/'",
    "stage": "SELECT '/admin/rollout/stage/' || id || '/change/'"
    " FROM rollout_stage WHERE position = 0",
    "run": "SELECT '/admin/rollout/run/' || run_id || '/change/'"
    " FROM rollout_fallbackoffer ORDER BY id LIMIT 1",
    "incident": "SELECT '/admin/drills/incident/' || id || '/change/'"
    " FROM drills_incident ORDER BY severity, id LIMIT 1",
}


def main(wanted: list[str]) -> None:
    """Take the pictures that are asked for."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()  # which page is of which kind is for its routes to say
    takers: dict[str, Callable[[Any, Path], None]] = {
        "readme": _readme,
        "pages": _pages,
    }
    if unknown := set(wanted) - set(takers):
        sys.exit(f"error: no such pictures: {', '.join(sorted(unknown))}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        for name in wanted or takers:
            with tempfile.TemporaryDirectory(prefix="portal-pictures-") as var:
                Path(var).chmod(0o755)  # PostgreSQL runs as another user for root
                takers[name](browser, Path(var))


def _readme(browser: Any, var: Path) -> None:
    """What a newcomer sees some minutes after `make run`."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    portal = LivePortal(var, is_new=True, DEMO="1")
    try:
        portal.start()
        ended = "SELECT 1 FROM rollout_run WHERE finished_at IS NOT NULL"
        wait_until(lambda: len(portal.query(ended)) >= ENOUGH_RUNS, limit_s=600)
        wait_until(lambda: portal.query(OF_README["run"]), limit_s=600)
        (word,) = re.findall(r"with the password: +(\S+)", portal.said)
        window = Window(browser, portal.url, SHOWN, "light")
        window.sign_in("operator", word)
        for name, leads in OF_README.items():
            ((path,),) = portal.query(leads)
            window.look_at(path)
            window.page.evaluate(CLOSE)
            window.page.screenshot(path=IMAGES / f"{name}.png")
        window.page.set_viewport_size(PHONE)
        window.look_at("/admin/")
        window.is_seen_as(PHONE, "dark")
        window.page.screenshot(path=IMAGES / "telephone.png")
        window.close()
    finally:
        portal.stop()
    sys.stdout.write(f"{len(OF_README) + 1} pictures: {IMAGES}/\n")


def _pages(browser: Any, var: Path) -> None:
    """Every page, of a portal in which everything has happened."""
    PLACE.mkdir(parents=True, exist_ok=True)
    portal = lived_in(var)
    try:
        window = Window(browser, portal.url, DESKTOP, "light")
        window.sign_in(WHO, WORD)
        pages = list(reachable(lambda path: _taken(window, path)))
        window.close()
    finally:
        portal.stop()
    sys.stdout.write(f"{len(pages)} pages: {PLACE}/\n")


def _taken(window: Window, path: str) -> list[str]:
    """Take the four pictures of a page; where it leads to."""
    seen = window.look_at(path, is_first=True)
    links = window.links()
    name = re.sub(r"\W+", "-", path.removeprefix("/admin/")).strip("-") or "start"
    for (size, box), scheme in product(SIZES.items(), ("light", "dark")):
        window.is_seen_as(box, scheme)
        picture = PLACE / f"{name}.{size}.{scheme}.png"
        window.page.screenshot(path=picture, full_page=True)
    window.is_seen_as(DESKTOP, "light")
    sys.stdout.write(
        f"{seen.status:5}{seen.requests:5} requests"
        f"{seen.transferred / 1000:8.0f} kB  shift {seen.shift:.3f}  {path}\n"
    )
    return links


if __name__ == "__main__":
    main(sys.argv[1:])
