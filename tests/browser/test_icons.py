"""The small font of icons has every icon that the whole one would have shown."""

import pytest

pytest.importorskip("brotli")  # which `make test-browser` installs: fonts are packed
from tests.browser.icons import OURS, WHOLE, icons, words

pytestmark = pytest.mark.browser


def test_no_page_names_an_icon_that_is_not_there():
    wanted = icons(WHOLE).keys() & words()

    assert wanted
    assert wanted <= icons(OURS).keys()
