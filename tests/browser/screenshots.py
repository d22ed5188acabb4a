"""`make screenshots`: a picture of every page, wide and narrow, light and dark.

They land in `var/screenshots`, with a table of what each page cost to load.
"""

import os
import re
import sys
import tempfile
from itertools import product
from pathlib import Path

import django
from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, QUIET
from tests.browser.crawling import DESKTOP, PHONE, Window
from tests.browser.lived_in import WHO, WORD, lived_in
from tests.pages import reachable

PLACE = Path("var/screenshots")
SIZES = {"wide": DESKTOP, "narrow": PHONE}


def main() -> None:
    """Look at everything once in each way."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()  # which page is of which kind is for its routes to say
    PLACE.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="portal-pictures-") as var,
        sync_playwright() as playwright,
    ):
        Path(var).chmod(0o755)  # PostgreSQL runs as another user when we are root
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        portal = lived_in(Path(var))
        try:
            _look(browser, portal.url)
        finally:
            portal.stop()


def _look(browser, url: str) -> None:
    window = Window(browser, url, DESKTOP, "light")
    window.sign_in(WHO, WORD)

    def links_of(path: str) -> list[str]:
        seen = window.look_at(path, is_first=True)
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
        return window.links()

    pages = list(reachable(links_of))
    window.close()
    sys.stdout.write(f"{len(pages)} pages: {PLACE}/\n")


if __name__ == "__main__":
    main()
