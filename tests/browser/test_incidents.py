"""An incident from its first sign to its end, as somebody works on it in a browser."""

import json
import re

import pytest

from tests.journeys.simulators import Simulator
from tests.live import KEY, LivePortal, wait_until
from tests.receiver import a_receiver, answers

browser = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser
expect = browser.expect
ROW = "sources-blocked"
SUBSCRIBE = """
from portal.domain.notifications import EndpointKind
from portal.models import Person
from portal.services import actors, endpoints

architect = actors.for_person(Person.objects.get(username="architect"))
endpoints.create(
    "on call", EndpointKind.WEBHOOK, by=architect, reason="So that somebody knows.",
    target={url!r}, events=["incident.*"],
)
"""


@pytest.fixture(scope="module")
def receiver():
    with a_receiver(answers(204)) as listening:
        yield listening


@pytest.fixture(scope="module")
def portal(state_directory, receiver):
    live = LivePortal(
        state_directory, WEBHOOK_ALLOWED_HOSTS=f"127.0.0.1:{receiver.port}"
    )
    live.start()
    live.manage("seed_demo")
    code = SUBSCRIBE.format(url=receiver.url)
    live.manage("shell", "--no-imports", "--verbosity", "0", code=code)
    yield live
    live.stop()


def sign_in(page, portal: LivePortal, username: str) -> None:
    page.goto(f"{portal.url}/admin/")
    page.fill("[name=username]", username)
    page.fill("[name=password]", (portal.var / "demo" / "password").read_text())
    page.click("[type=submit]")
    page.wait_for_url(f"{portal.url}/admin/")


def act(page, title: str, **said: str) -> None:
    """Press a button of the page, fill in what it asks, and send it."""
    page.locator(".acts a.act", has_text=re.compile(f"^{re.escape(title)}$")).click()
    for name, value in {"reason": f"{title}: done.", **said}.items():
        page.locator(f"[name={name}]").fill(value)
    page.locator("form button.act").click()
    expect(page.get_by_text("See the ledger.")).to_be_visible()


def test_blocked_sources_are_one_incident_worked_to_its_end(
    page, portal, receiver, tmp_path
):
    token = portal.a_token()
    service = portal.client(token)

    def items(path: str) -> list[dict]:
        return service.get(f"/api/v1/{path}").json()["items"]

    Simulator(portal, token, tmp_path).run(
        *("--seed", "browser", "--prefix", "run", "--runs", "1", "--speed", "20"),
        "--fault=citations_blocked@1",
    )
    wait_until(lambda: [each["row"] for each in items("incidents")] == [ROW])
    number = items("incidents")[0]["id"]

    def state() -> str:
        return portal.query(
            "SELECT stage.state FROM rollout_stage stage JOIN rollout_rollout rollout "
            f"ON rollout.id = rollout_id WHERE rollout.key = '{KEY}' AND position = 0"
        )[0][0]

    wait_until(lambda: state() == "holding")
    wait_until(lambda: receiver.requests)
    told = [json.loads(each.body) for each in receiver.requests]
    assert [each["type"] for each in told] == ["incident.opened"]
    assert "webhook-signature" in receiver.requests[0].headers

    sign_in(page, portal, "operator")
    page.goto(f"{portal.url}/admin/drills/incident/")
    page.locator("#result_list a", has_text=re.compile(f"^{number}$")).click()
    expect(page.get_by_text("What the matrix says")).to_be_visible()
    expect(page.get_by_role("link", name="Sources are blocked").first).to_be_visible()
    page.locator(".acts button", has_text="Acknowledge").click()  # it asks nothing
    expect(page.locator(".panel .badge", has_text="acknowledged").first).to_be_visible()
    for title, after in (
        ("It is safe now", "mitigated"),
        ("It is resolved", "resolved"),
        ("It is reviewed", "reviewed"),
        ("Close", "closed"),
    ):
        act(page, title)
        expect(page.locator(".panel .badge", has_text=after).first).to_be_visible()

    (incident,) = items("incidents")
    assert (incident["state"], incident["row"]) == ("closed", ROW)
    assert state() == "holding"  # ending the hold takes two people
    types = [json.loads(each.body)["type"] for each in receiver.requests]
    assert types.count("incident.opened") == 1
