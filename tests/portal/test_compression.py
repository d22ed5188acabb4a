"""What a browser is sent is small; what a service compares stays as it is."""

import gzip

import pytest

pytestmark = pytest.mark.django_db
ASKS = {"Accept-Encoding": "gzip"}


@pytest.mark.parametrize("path", ["/admin/login/", "/static/portal/portal.css"])
def test_pages_and_styles_are_compressed_for_those_who_ask(client, path):
    plain = client.get(path)
    small = client.get(path, headers=ASKS)

    whole, sent = plain.getvalue(), small.getvalue()
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert len(sent) < len(whole) / 2
    assert gzip.decompress(sent)[:15] == whole[:15]


def test_the_api_is_not_so_that_its_etags_stay_strong(client):
    answer = client.get("/api/schema", headers=ASKS)

    assert len(answer.getvalue()) > 1000
    assert "Content-Encoding" not in answer.headers
