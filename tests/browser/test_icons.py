"""The small font of icons has every icon that the whole one would have shown."""

import pytest

pytest.importorskip("fontTools")
from tests.browser.icons import OURS, WHOLE, icons, words


def test_no_page_names_an_icon_that_is_not_there():
    wanted = icons(WHOLE).keys() & words()

    assert wanted
    assert wanted <= icons(OURS).keys()
