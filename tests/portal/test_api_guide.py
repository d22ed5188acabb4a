"""The page of the API: what a service has to know stands there, and leads somewhere."""

import re

import pytest
from django.utils.html import escape
from markdown_it.common.utils import escapeHtml

from portal.api.guide import FILES, GUIDES
from tests.test_project import ROOT

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client) -> str:
    return client.get("/api/docs", headers={"host": "localhost:8137"}).content.decode()


def anchors(page: str) -> list[str]:
    return re.findall(r' id="([^"]+)"', page)


def test_commands_name_the_portal_that_shows_them(page):
    assert "PORTAL=http://localhost:8137\n" in page
    assert "localhost:8000" not in page


def test_every_link_leads_to_a_place_on_the_page_or_to_a_file(client, page):
    guide = page[page.index("<main") : page.index("</main>")]
    for href in set(re.findall(r'href="([^"]+)"', guide)):
        if href.startswith("#"):
            assert href[1:] in anchors(page), href
        elif href.startswith("/"):
            assert client.get(href).status_code == 200, href
        else:
            assert href.startswith("https://"), href
    assert len(anchors(page)) == len(set(anchors(page)))


@pytest.mark.parametrize("name", FILES)
def test_what_the_guides_name_can_be_fetched(client, name):
    answer = client.get(f"/api/docs/{name}")

    assert answer.content == (ROOT / "docs" / FILES[name]).read_bytes()
    assert answer["x-content-type-options"] == "nosniff"


def test_programs_and_documents_are_shown_where_they_are_named(page):
    for name in ("manifest.json", "report_run.py", "evaluate_flags.mts"):
        text = (ROOT / "docs" / FILES[name]).read_text().replace(":8000", ":8137")
        assert escapeHtml(text) in page, name


def test_nothing_else_of_the_host_is_given_away(client):
    for name in ("service.md", "settings.py", "..%2f..%2fmanage.py", "x"):
        assert client.get(f"/api/docs/{name}").status_code == 404


def test_an_anchor_of_the_guide_is_left_to_the_browser(client):
    script = client.get("/api/docs?script=").content.decode()

    assert '"deepLinking": false' in script


def test_every_operation_of_the_document_is_listed(client, page):
    document = client.get("/api/schema", headers={"accept": "application/json"}).json()

    for path, methods in document["paths"].items():
        for method, said in methods.items():
            row = f"<td><code>{method.upper()}</code></td><td><code>{escapeHtml(path)}"
            assert f"{row}</code></td><td>{escape(said['summary'])}</td>" in page


def test_remarks_for_whoever_edits_a_page_are_not_shown(page):
    assert "make reference" not in page
    assert set(GUIDES) <= set(anchors(page))
