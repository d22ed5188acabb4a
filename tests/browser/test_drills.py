"""A drill as its conductor and its observer see it: one click, and then it counts."""

import re
import time

import pytest

from tests.live import KEY, LivePortal

browser = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser
expect = browser.expect
TITLE = "Pause and resume"
PATIENCE_MS = 300_000  # on an idle machine it takes less than a minute


@pytest.fixture(scope="module")
def portal(state_directory):
    live = LivePortal(state_directory)
    live.start()
    live.manage("seed_demo")
    yield live
    live.stop()


def sign_in(page, portal: LivePortal, username: str) -> None:
    page.context.clear_cookies()
    page.goto(f"{portal.url}/admin/")
    page.fill("[name=username]", username)
    page.fill("[name=password]", (portal.var / "demo" / "password").read_text())
    page.click("[type=submit]")
    page.wait_for_url(f"{portal.url}/admin/")


def press(page, title: str) -> None:
    page.locator(".acts a.act", has_text=re.compile(f"^{re.escape(title)}$")).click()


def send(page, reason: str) -> None:
    page.fill("[name=reason]", reason)
    page.locator("form button.act").click()


def drills_fresh(portal: LivePortal) -> dict:
    """What the stage's readiness says of drills."""
    service = portal.client(portal.a_token(f"reader {time.time_ns()}"))
    checks = service.get("/api/v1/stages/offline-baseline/readiness").json()["checks"]
    (found,) = [each for each in checks if each["name"] == "Drills fresh"]
    return found


def test_one_click_a_live_page_and_another_person_make_a_drill_that_counts(
    page, portal
):
    assert f"{TITLE}: no drill has passed" in drills_fresh(portal)["says"]
    sign_in(page, portal, "operator")
    page.goto(f"{portal.url}/admin/drills/drill/")
    press(page, f"Drill: {TITLE}")
    send(page, "Before the canary widens.")
    page.wait_for_url(re.compile(r"/drills/drill/\d+/change/$"))
    address = page.url

    # Nothing is loaded again by hand: the page shows each step as it is done.
    patiently = {"timeout": PATIENCE_MS}
    passed = page.locator(".panel .badge.good", has_text="passed")
    expect(passed).to_be_visible(**patiently)
    assert page.locator(".badge.bad", has_text="late").count() == 0
    steps = page.locator("table.plain tbody tr", has_text="kill -9 the process")
    expect(steps.first).to_contain_text("✓", **patiently)
    expect(page.get_by_text("✓ the same").first).to_be_visible(**patiently)
    expect(page.locator("dd", has_text="✓ clean")).to_be_visible()
    expect(page.get_by_text("nobody yet; it takes another person")).to_be_visible()
    assert page.locator(".acts a.act", has_text="Confirm").count() == 0
    assert "no observer has confirmed it" in drills_fresh(portal)["says"]

    sign_in(page, portal, "qa")
    page.goto(address)
    press(page, "Confirm as its observer")
    send(page, "I watched it: killed while paused, and everything was there.")

    expect(page.locator(".badge.good", has_text="valid")).to_be_visible(**patiently)
    expect(page.get_by_text("counts until", exact=True)).to_be_visible()
    assert TITLE not in drills_fresh(portal)["says"]
    people = portal.query(
        "SELECT conductor.username, observer.username FROM drills_drill drill "
        "JOIN rollout_rollout live ON live.id = drill.rollout_id "
        "JOIN portal_actor c ON c.id = drill.conductor_id "
        "JOIN portal_person conductor ON conductor.id = c.person_id "
        "JOIN portal_actor o ON o.id = drill.observer_id "
        "JOIN portal_person observer ON observer.id = o.person_id "
        f"WHERE live.key = '{KEY}'"
    )
    assert people == [("operator", "qa")]
