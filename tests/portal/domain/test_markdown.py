"""Markdown of people is shown safely; what the portal writes reads as it was meant."""

from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.markdown import (
    block,
    code,
    facts,
    inline,
    is_safe_link,
    said,
    table,
    to_html,
)

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a <b onclick=alert(1)>b</b>",
    "<!-- --><svg/onload=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](java\nscript:alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](vbscript:msgbox(1))",
    "[a](file:///etc/passwd)",
    "[a](//evil.example/x)",
    "![a](http://evil.example/x.png)",
    "![a][r]\n\n[r]: http://evil.example/x.png",
    "<javascript:alert(1)>",
    '[a](http://x" onmouseover="alert(1))',
    "```<script>\n</script>\n```",
    "[r]\n\n[r]: javascript:alert(1)",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_text_becomes_more_than_text(text):
    html = to_html(text)

    for tag, attributes in _tags(html):
        assert tag in HARMLESS, html
        assert set(attributes) <= {"href", "rel", "class"}, html
        assert attributes.get("href", "/").startswith(("/", "http://", "https://"))
        assert not attributes.get("href", "/").startswith("//")


HARMLESS = {"p", "a", "pre", "code"}


def _tags(html: str) -> list[tuple[str, dict[str, str]]]:
    """Every element of a page, with its attributes, as a browser reads it."""
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, dict(attrs)))

    Reader().feed(html)
    return found


def test_links_lead_into_the_portal_or_over_http_without_a_trace():
    html = to_html("[a](/admin/) [b](https://example.org/x) [c](#part)")

    assert '<a href="/admin/">a</a>' in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert html.count("rel=") == 1
    assert [is_safe_link(x) for x in ("http:", "http://[", "mailto:a@b")] == [False] * 3


def test_headings_stand_below_the_one_of_the_page():
    assert to_html("# A\n\n###### B").startswith("<h2>A</h2>\n<h6>B</h6>")


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_one_line_that_shows_nothing_but_itself(text):
    line = inline(text)

    assert "\n" not in line
    html = to_html(f"x {line}")
    assert "<" not in html.removeprefix("<p>").removesuffix("</p>\n")


@settings(deadline=None)
@given(st.text(alphabet="a|`* \\<", max_size=30))
def test_any_text_stays_in_its_cell(text):
    html = to_html(table(["one", "two"], [[inline(text) or "-", code(text)]]))

    assert html.count("<td>") == 2


@settings(deadline=None)
@given(st.text(alphabet="a`\n~", max_size=40))
def test_a_block_ends_where_it_ends(text):
    html = to_html(block(text) + "\n\nafter")

    assert html.endswith("<p>after</p>\n")


def test_values_are_said_in_one_way():
    at = datetime(2026, 11, 17, 22, 0, 0, 5, tzinfo=UTC)

    assert said(at) == "2026-11-17T22:00:00.000005Z"
    assert (said(True), said(None), said(0), said("")) == ("yes", "-", "0", "-")
    assert said({"b": 1, "a": "token=abcdef"}) == '`{"a":"token=[redacted]","b":1}`'
    assert facts([("a", "b")]) == "- **a:** b"
    assert table(["a"], []) == "None."
    assert "abcdef" not in inline("token=abcdef") + block("token=abcdef")
