"""What a browser is sent is small; what a service compares stays as it is."""

import gzip

import pytest

from portal.services import tokens
from tests.builders import an_actor

pytestmark = pytest.mark.django_db
ASKS = {"Accept-Encoding": "gzip"}


PAGES = ["/admin/login/", "/static/portal/portal.css", "/api/docs", "/api/schema"]


@pytest.mark.parametrize("path", PAGES)
def test_pages_and_styles_are_compressed_for_those_who_ask(client, path):
    plain = client.get(path)
    small = client.get(path, headers=ASKS)

    whole, sent = plain.getvalue(), small.getvalue()
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert len(sent) < len(whole) / 2
    assert gzip.decompress(sent)[:15] == whole[:15]


def test_the_api_is_not_so_that_its_etags_stay_strong(client):
    actor = an_actor("administrator")
    lent = tokens.create(
        "reads", owner=actor.person, scopes=["read"], by=actor, reason="To read."
    )
    asks = ASKS | {"Authorization": f"Bearer {lent.text}"}

    answer = client.get("/api/v1/audit", headers=asks)

    assert answer.status_code == 200
    assert len(answer.getvalue()) > 200  # what is shorter is never compressed
    assert "Content-Encoding" not in answer.headers
