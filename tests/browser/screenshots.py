"""`make screenshots`: a picture of every page, wide and narrow, light and dark.

They land in `var/screenshots`, with a table of what each page cost to load; those that
the README shows, in `docs/images`.
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
from tests.browser.crawling import DESKTOP, PHONE, Window, crawled
from tests.browser.lived_in import WHO, WORD, lived_in
from tests.pages import kind_of

PLACE = Path("var/screenshots")
SHOWN = Path("docs/images")
# What the README shows: kind of page, size and scheme, under which name.
IN_README = {
    ("admin:index", "wide", "light"): "start",
    ("admin:rollout_stage_change", "wide", "dark"): "stage",
    ("admin:drills_releasegate_change", "wide", "light"): "gate-f",
    ("admin:drills_incident_change", "narrow", "light"): "incident",
}
SIZES = {"wide": DESKTOP, "narrow": PHONE}


def main() -> None:
    """Look at everything once in each way."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()  # which page is of which kind is for its routes to say
    for place in (PLACE, SHOWN):
        place.mkdir(parents=True, exist_ok=True)
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
    paths: list[str] = []
    for (size, box), scheme in product(SIZES.items(), ("light", "dark")):
        window = Window(browser, url, box, scheme)
        window.sign_in(WHO, WORD)
        paths = paths or list(crawled(window))
        for path in paths:
            seen = window.look_at(path, is_first=True)
            name = re.sub(r"\W+", "-", path.removeprefix("/admin/")).strip("-")
            window.page.screenshot(
                path=PLACE / f"{name or 'start'}.{size}.{scheme}.png", full_page=True
            )
            shown = IN_README.get((kind_of(path), size, scheme))
            if shown:
                window.page.screenshot(path=SHOWN / f"{shown}.png")
            sys.stdout.write(
                f"{size:7}{scheme:6}{seen.status:5}{seen.requests:5} requests"
                f"{seen.transferred / 1000:8.0f} kB  shift {seen.shift:.3f}  {path}\n"
            )
        window.close()
    sys.stdout.write(f"{len(paths)} pages: {PLACE}/\n")


if __name__ == "__main__":
    main()
